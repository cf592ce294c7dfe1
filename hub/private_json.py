"""A private file of JSON in the hub's state folder, which several processes read and change."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hub.locked import locked
from protocol.private_files import read_private, write_private
from protocol.settings import ConfigError

T = TypeVar("T")


class PrivateJson(Generic[T]):
    """The file. Its methods block; several processes may use it at the same time.

    Args:
        path: of the file.
        kind: what it holds.
        empty: makes what it holds while there is none.
        remedy: what to do where it is broken and there is no copy: "... and pair anew".
    """

    def __init__(self, path: Path, kind: type[T], empty: Callable[[], T], remedy: str) -> None:
        self.path = path
        self._kind = kind
        self._empty = empty
        self._remedy = remedy

    def version(self) -> tuple[int, int, int] | None:
        """Return something that differs after each change; None while there is no file."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def read(self) -> T:
        """Return what it holds.

        Raises:
            ConfigError: others can read the file, or it is broken.
            OSError: it cannot be read.
        """
        try:
            return msgspec.json.decode(read_private(self.path), type=self._kind)
        except FileNotFoundError:
            return self._empty()
        except PermissionError as exc:
            raise ConfigError(str(exc)) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"{self.path} is broken ({exc}); bring back a copy, or delete it and {self._remedy}"
            ) from exc

    @contextlib.contextmanager
    def changing(self) -> Iterator[T]:
        """Yield what it holds, to be changed in place; it is written when the block ends well.

        Raises:
            ConfigError, OSError: as `read`; or the file cannot be written.
        """
        with locked(self.path.parent):
            content = self.read()
            yield content
            text = msgspec.json.format(msgspec.json.encode(content), indent=2)
            write_private(self.path, text + b"\n")
