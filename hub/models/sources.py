"""Where model bytes come from: pip, used to fetch packages as data, and the Hugging Face hub.

Nothing fetched here is trusted, installed or imported; `fetch` checks every digest.
"""

import contextlib
import errno
import logging
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from hub.models.catalogue import HubSource, Package

_BLOCK = 1 << 20
_POLL_SECONDS = 0.2
_NO_SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_SPACE_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")


class SourceFailed(RuntimeError):
    """A source did not deliver; the message is one line."""


class DiskFull(OSError):
    """No room was left while a source was writing."""


def is_disk_full(error: OSError) -> bool:
    """Whether an OSError means a full disk, an exhausted quota or a file-size limit."""
    return isinstance(error, DiskFull) or error.errno in _NO_SPACE_ERRNOS


def download_wheel(package: Package, into: Path, tick: Callable[[int], None]) -> Path:
    """Fetch one package's wheel with the user's own pip and its configuration (index, proxy).

    Args:
        package: name and exact version.
        into: an empty folder; pip's temporary files go there too.
        tick: called a few times a second with the bytes fetched so far.

    Returns:
        The wheel.

    Raises:
        SourceFailed: pip is missing or failed.
        DiskFull: pip ran out of space.
    """
    wheels, log = into / "wheels", into / "pip.log"
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
    options += ["--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    # -P: `-m pip` must not find a pip.py of somebody else's
    command = [sys.executable, "-P", "-m", "pip", "download", *options]
    command += [f"--dest={wheels}", package.requirement]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=into,
            env=os.environ | {"TMPDIR": str(into), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as pip,
    ):
        try:
            # no time-out of ours: pip gives up by itself on an index that stalls (--timeout)
            while _still_running(pip):
                # pip writes into its temporary folder, then copies: the larger of the two counts
                tick(_largest_wheel(into))
        except BaseException:
            pip.kill()
            raise
    found = list(wheels.glob("*.whl"))
    if pip.returncode != 0 or len(found) != 1:
        text = log.read_text(errors="replace")
        if any(full in text for full in _NO_SPACE_TEXTS):
            raise DiskFull(errno.ENOSPC, "pip ran out of space", str(into))
        raise SourceFailed(f"pip download {package.requirement}: {_last_error(text)}")
    return found[0]


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _largest_wheel(folder: Path) -> int:
    """Size in bytes, in a folder where pip makes and removes folders meanwhile."""
    largest = 0
    # not rglob: before Python 3.13 it raises when a folder that it is about to enter has gone
    for inner, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    largest = max(largest, (Path(inner) / name).stat().st_size)
    return largest


def _last_error(pip_output: str) -> str:
    lines = [line.strip() for line in pip_output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    last = (errors or lines or ["it said nothing"])[-1]
    unreachable = any(line.startswith("WARNING: Retrying") for line in lines)
    return f"{last} (the package index did not answer)" if unreachable else last


def append_member(wheel: Path, member: str, target: Path, offset: int, limit: int) -> int:
    """Append one member of a wheel to a file, and put it on disk.

    Reads by name and writes only to `target`: a wheel's own paths are never used. Stops as soon
    as there is more than was expected, whatever the zip's header says.

    Args:
        wheel: the zip file.
        member: path inside it.
        target: file to append to; made if missing.
        offset: bytes of `target` to keep; what lies beyond is an interrupted attempt's.
        limit: most bytes that may come.

    Returns:
        Bytes appended.

    Raises:
        SourceFailed: not a sound zip, no such member, or more than `limit` bytes.
        OSError: writing failed.
    """
    appended = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as data,
            target.open("r+b" if target.exists() else "w+b") as file,
        ):
            file.truncate(offset)
            file.seek(offset)
            while block := data.read(_BLOCK):
                appended += len(block)
                if appended > limit:
                    message = f"{member} is larger than the {limit} bytes expected"
                    raise SourceFailed(f"{wheel.name}: {message}")
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except KeyError:
        raise SourceFailed(f"{wheel.name}: has no member {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, SourceFailed):
            raise
        raise SourceFailed(f"{wheel.name}: damaged or unreadable: {error}") from error
    return appended


def download_from_hub(
    source: HubSource, file: str, into: Path, tick: Callable[[int], None]
) -> Path:
    """Fetch one file from the Hugging Face hub; an interrupted download is resumed.

    Args:
        source: repository and revision.
        file: its name there.
        into: folder for it and for the client's own notes.
        tick: called with the bytes fetched so far.

    Returns:
        The file, somewhere in `into`.

    Raises:
        SourceFailed: the client is not installed, or failed.
        DiskFull: no space was left.
    """
    try:
        from huggingface_hub import constants, hf_hub_download
        from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        raise SourceFailed("huggingface_hub is not installed") from None

    class Bar(tqdm):  # type: ignore[misc]  # its base is Any
        """Reports to `tick`; draws nothing."""

        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)
            self.fetched = initial

        def update(self, n: float | None = 1) -> None:
            self.fetched += int(n or 0)
            tick(self.fetched)

    # otherwise it tells the hub about this machine and asks which AI agent runs it
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # its retries are not worth a line each; its failure is, and we report that
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        # token=False: the user's account is nobody's business, these files are public
        path = hf_hub_download(
            source.repository,
            file,
            revision=source.revision,
            local_dir=into,
            token=False,
            tqdm_class=Bar,
        )
    except Exception as error:  # whatever another project's client raises, this source failed
        if isinstance(error, OSError) and is_disk_full(error):
            raise DiskFull(errno.ENOSPC, "no space left", str(into)) from error
        line = " ".join(str(error).split())[:200]
        raise SourceFailed(f"{file}: {type(error).__name__}: {line}") from error
    return Path(path)
