"""Starts a Home Assistant once: it answers, and nothing that it needs is missing."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TIMEOUT = 240.0  # seconds; the first start compiles its Python and takes longest
MISSING = re.compile(r"No module named|RequirementsNotFound|Unable to install|Setup failed for")


def main(folder: Path) -> str | None:
    """Return what is wrong, None if nothing is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="try-", dir=folder / "homes"))
    log = home / "log"
    try:
        settings = f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\n"
        integrations = ("api", "config", "onboarding", "assist_pipeline", "wyoming", "template")
        text = settings + "".join(f"{name}:\n" for name in integrations)
        (home / "configuration.yaml").write_text(text)
        with log.open("wb") as output:
            child = subprocess.Popen(
                [folder / "start", folder / "homes" / home.name], stdout=output, stderr=output
            )
        try:
            problem = answers(child, port, log)
        finally:
            child.terminate()
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        said = log.read_text(errors="replace")
        print(said[-4000:])
        if found := MISSING.search(said):
            return f"something is missing: {found[0]}"
        return problem
    finally:
        shutil.rmtree(home, ignore_errors=True)


def answers(child: subprocess.Popen, port: int, log: Path) -> str | None:
    """Wait until it answers over HTTP; return why it does not."""
    url = f"http://127.0.0.1:{port}/api/onboarding"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if MISSING.search(log.read_text(errors="replace")):
            return "something is missing"
        if child.poll() is not None:
            return f"it ended by itself, with {child.returncode}"
        try:
            with opener.open(url, timeout=5) as answer:
                answer.read()
            return None
        except OSError:
            time.sleep(0.5)
    return f"no answer within {TIMEOUT:.0f} s"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
