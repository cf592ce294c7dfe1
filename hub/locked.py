"""One writer at a time in the hub's state folder, among all its processes."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE = 5.0  # seconds; a writer takes milliseconds
_RETRY = 0.02


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, and make the folder (mode 700) if it is missing. Blocks.

    Raises:
        OSError: another process holds the lock for too long, or the folder cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    text = f"{folder}: another parlour-hub has been writing here for too long"
                    raise TimeoutError(text) from None
                time.sleep(_RETRY)
        yield
    finally:
        os.close(descriptor)  # and the lock is free
