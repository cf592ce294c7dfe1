"""Which satellites are paired: rooms and the digests of their tokens, in one private file."""

import hashlib
import secrets
import time
from pathlib import Path

import msgspec

from hub.private_json import PrivateJson

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


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Pairings:
    """The file. Its methods block; several processes may use it at the same time.

    Args:
        folder: the hub's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = PrivateJson(
            folder / _FILE, dict[str, Paired], dict, "pair every satellite again"
        )
        self.path = self._file.path

    def version(self) -> tuple[int, int, int] | None:
        """Return something that differs after each change; None while there is no file."""
        return self._file.version()

    def read(self) -> dict[str, Paired]:
        """Return the paired satellites by room.

        Raises:
            ConfigError: others can read the file, or it is broken.
            OSError: it cannot be read.
        """
        return self._file.read()

    def add(self, room: str) -> tuple[str, bool]:
        """Pair a room; a token that it had before counts no more.

        Returns:
            The new token, and whether there was one before.

        Raises:
            ConfigError, OSError: as `read`; or the file cannot be written.
        """
        token = new_token()
        with self._file.changing() as rooms:
            had = room in rooms
            rooms[room] = Paired(digest_of(token), time.time())
        return token, had

    def remove(self, room: str) -> bool:
        """Revoke a room's pairing; tell whether there was one.

        Raises:
            ConfigError, OSError: as `add`.
        """
        with self._file.changing() as rooms:
            return rooms.pop(room, None) is not None

    def saw(self, room: str, digest: str) -> None:
        """Note that a satellite is or was connected, if its token still counts.

        Raises:
            ConfigError, OSError: as `add`.
        """
        with self._file.changing() as rooms:
            paired = rooms.get(room)
            if paired is not None and paired.digest == digest:
                rooms[room] = msgspec.structs.replace(paired, seen=time.time())
