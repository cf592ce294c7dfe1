"""What a hub and one satellite share, and the string that takes it from one to the other."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from protocol.tls import PIN_BYTES
from protocol.uri import BadUri, Inet, parse

_SCHEME = "parlour"
_FORM = "parlour://TOKEN@HOST:PORT/ROOM?pin=PIN"
_LONGEST_ROOM = 100  # letters
_LEAST_TOKEN = 32  # letters; ours have 43


class BadPairing(ValueError):
    """The text is no pairing; the message never quotes it, since it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """How a satellite knows its hub, and the hub its satellite.

    Attributes:
        hub: Where the hub listens, ``tls://host:port``.
        room: The satellite's name, to which the token belongs.
        token: The secret that shows the hub who the satellite is.
        pin: The SHA-256 of the hub's certificate, which shows the satellite who the hub is.
    """

    hub: str
    room: str
    token: str = field(repr=False)
    pin: bytes

    def to_text(self) -> str:
        """Return the string to give to the satellite. It holds the secret."""
        where = self.hub.removeprefix("tls://")
        pin = base64.urlsafe_b64encode(self.pin).decode().rstrip("=")
        token, room = quote(self.token, safe=""), quote(self.room, safe="")
        return f"{_SCHEME}://{token}@{where}/{room}?pin={pin}"

    @staticmethod
    def from_text(text: str) -> Pairing:
        """Read the string.

        Raises:
            BadPairing: It is none, or part of it is missing.
        """
        try:
            parts = urlsplit(text.strip())
            token, host, port = unquote(parts.username or ""), parts.hostname, parts.port
            if parts.scheme != _SCHEME or parts.password is not None or parts.fragment:
                raise ValueError
            if host is None or port is None or len(token) < _LEAST_TOKEN or not token.isascii():
                raise ValueError
            room = unquote(parts.path.removeprefix("/"), errors="strict")
            hub = str(parse(str(Inet(host, port, secure=True))))
        except (BadUri, ValueError):
            raise BadPairing(
                f"this is no pairing; it looks like {_FORM} and comes from "
                "`parlour-hub pair --room NAME`"
            ) from None
        if not is_room(room):
            raise BadPairing("this pairing names no room; is it complete?")
        name, _, pin = parts.query.partition("=")
        if name != "pin" or len(digest := _decode(pin)) != PIN_BYTES:
            raise BadPairing(
                "this pairing has no whole pin at its end; in a shell, put it in single quotes"
            )
        return Pairing(hub, room, token, digest)


def is_room(name: str) -> bool:
    """Tell whether a room can be called so: 1 to 100 printable letters, not all of them spaces."""
    return len(name) <= _LONGEST_ROOM and name.isprintable() and bool(name.strip())


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
