"""Which satellites are paired: rooms and the digests of their tokens, in one private file."""

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hub.locked import locked
from protocol.private_files import read_private, write_private
from protocol.settings import ConfigError

_FILE = "satellites.json"
_TOKEN_BYTES = 32  # as many as the digest has: guessing is hopeless


class Paired(msgspec.Struct, frozen=True):
    """One paired satellite.

    Args:
        digest: SHA-256 of its token, as hex. The token itself is nowhere but on the satellite.
        paired: when, in seconds since the epoch.
        seen: when it was last connected; None for never.
    """

    digest: str
    paired: float
    seen: float | None = None


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Pairings:
    """The file. Its methods block; several processes may use it at the same time.

    Args:
        folder: the hub's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / _FILE

    def version(self) -> tuple[int, int, int] | None:
        """Return something that differs after each change; None while there is no file."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def read(self) -> dict[str, Paired]:
        """Return the paired satellites by room.

        Raises:
            ConfigError: others can read the file, or it is broken.
            OSError: it cannot be read.
        """
        try:
            return msgspec.json.decode(read_private(self.path), type=dict[str, Paired])
        except FileNotFoundError:
            return {}
        except PermissionError as exc:
            raise ConfigError(str(exc)) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"{self.path} is broken ({exc}); bring back a copy, or delete it and pair every "
                "satellite again"
            ) from exc

    def add(self, room: str) -> tuple[str, bool]:
        """Pair a room; a token that it had before counts no more.

        Returns:
            The new token, and whether there was one before.

        Raises:
            ConfigError, OSError: as `read`; or the file cannot be written.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        had = False

        def put(rooms: dict[str, Paired]) -> None:
            nonlocal had
            had = room in rooms
            rooms[room] = Paired(digest_of(token), time.time())

        self._change(put)
        return token, had

    def remove(self, room: str) -> bool:
        """Revoke a room's pairing; tell whether there was one.

        Raises:
            ConfigError, OSError: as `add`.
        """
        had = False

        def take(rooms: dict[str, Paired]) -> None:
            nonlocal had
            had = rooms.pop(room, None) is not None

        self._change(take)
        return had

    def saw(self, room: str, digest: str) -> None:
        """Note that a satellite is or was connected, if its token still counts.

        Raises:
            ConfigError, OSError: as `add`.
        """

        def note(rooms: dict[str, Paired]) -> None:
            paired = rooms.get(room)
            if paired is not None and paired.digest == digest:
                rooms[room] = msgspec.structs.replace(paired, seen=time.time())

        self._change(note)

    def _change(self, change: Callable[[dict[str, Paired]], None]) -> None:
        with locked(self._folder):
            rooms = self.read()
            change(rooms)
            content = msgspec.json.format(msgspec.json.encode(rooms), indent=2)
            write_private(self.path, content + b"\n")
