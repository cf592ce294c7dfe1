"""What a URI of ours names: ``tcp://host:port``, ``tls://host:port`` or ``unix:///absolute/path``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class BadUri(ValueError):
    """The URI names no transport that is supported."""


@dataclass(frozen=True, slots=True)
class Inet:
    """A TCP port.

    Attributes:
        host: A name or an address, IPv6 without brackets.
        port: 0 takes any free one.
        secure: Whether TLS is spoken there.
    """

    host: str
    port: int
    secure: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.secure else 'tcp'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Local:
    """A Unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix://{self.path}"


def parse(uri: str) -> Inet | Local:
    """Read a URI; IPv6 addresses stand in brackets.

    Raises:
        BadUri: It is not supported.
    """
    return _parse_unix(uri) if uri.startswith("unix:") else _parse_inet(uri)


def _parse_inet(uri: str) -> Inet:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not match, or a port that is no number below 65536
        raise _bad(uri) from None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("tcp", "tls") or not host or port is None or extra or " " in host:
        raise _bad(uri)
    return Inet(host, port, secure=parts.scheme == "tls")


def _parse_unix(uri: str) -> Local:
    path = uri.removeprefix("unix://")
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise _bad(uri)
    return Local(Path(path))


def _bad(uri: str) -> BadUri:
    return BadUri(
        f"{uri!r} is neither tcp://host:port, tls://host:port (an IPv6 host in brackets) "
        "nor unix:///path"
    )
