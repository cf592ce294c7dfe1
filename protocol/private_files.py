"""Files with secrets: for this user only, and never half written."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_OTHERS = 0o077  # the bits by which somebody else may use a file


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by one that only this user can read (mode 600), all at once.

    Missing folders are made with mode 700.

    Raises:
        OSError: It cannot be written; what was there before stays.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # or a power cut might undo the replacement
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """Read a file that only this user can read.

    Raises:
        PermissionError: Others can read or change it, so that its secrets may be none any more.
        OSError: It is missing or cannot be read.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:
            raise PermissionError(f"others may read or change {path}: run chmod 600 {path}")
        return file.read()
