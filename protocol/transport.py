"""From a URI to a connection, or to a server: TCP and Unix sockets.

Accepted URIs are ``tcp://host:port`` (an IPv6 address in brackets) and ``unix:///absolute/path``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wyoming.error import Error

from protocol.connection import (
    DEFAULT_LIMITS,
    Connection,
    ConnectionClosed,
    Limits,
    ProtocolError,
)

_LOG = logging.getLogger(__name__)

# Seconds that a refused peer has for reading why. Hanging up at once would reset the connection if
# the peer has sent something, and the reset may overtake the reason.
_REFUSAL_TIME = 1.0
_MAX_REFUSALS = 16  # told why at the same time; any more are cut off without a word

Handler = Callable[[Connection], Awaitable[None]]


class BadUri(ValueError):
    """The URI names no transport that is supported."""


@dataclass(frozen=True, slots=True)
class _Tcp:
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Unix:
    path: Path

    def __str__(self) -> str:
        return f"unix://{self.path}"


async def connect(
    uri: str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    heartbeat: float | None = None,
    timeout: float = 5.0,
) -> Connection:
    """Connect to a Wyoming peer.

    Args:
        uri: Where it listens.
        limits: What the peer may cost.
        heartbeat: Seconds between two `ping` sent to it; None for none.
        timeout: Seconds that connecting may take.

    Returns:
        The connection, its heartbeat started. The caller closes it.

    Raises:
        BadUri: The URI is not supported.
        OSError: Nobody listens there, or (TimeoutError) it took too long.
    """
    address = _parse(uri)
    async with asyncio.timeout(timeout):
        if isinstance(address, _Tcp):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            _tune(writer)
        else:
            reader, writer = await asyncio.open_unix_connection(address.path)
    connection = Connection(reader, writer, limits=limits, heartbeat=heartbeat)
    connection.start()
    return connection


class Server:
    """Listens for Wyoming peers and runs one handler for each; made by `serve`."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        heartbeat: float | None,
        max_connections: int,
    ) -> None:
        self.uri = ""
        self._handler = handler
        self._limits = limits
        self._heartbeat = heartbeat
        self._max_connections = max_connections
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._closing = False

    @property
    def connections(self) -> int:
        """Number of peers being handled."""
        return len(self._tasks)

    async def close(self) -> None:
        """Stop listening, cancel the handlers, wait for their end; may be called again.

        There is no time-out here: each handler's own cleaning up decides how long it takes.
        """
        self._closing = True
        if self._listener is not None:
            self._listener.close()
        tasks = self._tasks | self._refusals
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # _run has logged what there was
        if self._listener is not None:
            await self._listener.wait_closed()
        if self.uri.startswith("unix:"):
            _parse_unix(self.uri).path.unlink(missing_ok=True)

    async def _listen(self, address: _Tcp | _Unix) -> None:
        if isinstance(address, _Unix):
            await _check_free(address.path)
            self._listener = await asyncio.start_unix_server(
                self._accepted, sock=_bind_private(address.path)
            )
            self.uri = str(address)
        else:
            self._listener = await asyncio.start_server(self._accepted, address.host, address.port)
            port = self._listener.sockets[0].getsockname()[1]
            self.uri = str(_Tcp(address.host, port))

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called by asyncio for each newcomer; synchronous, so that every task is ours."""
        full = self.connections >= self._max_connections
        if self._closing or (full and len(self._refusals) >= _MAX_REFUSALS):
            writer.transport.abort()
            return
        _tune(writer)
        connection = Connection(reader, writer, limits=self._limits, heartbeat=self._heartbeat)
        if full:
            self._own(self._refuse(connection), self._refusals, connection, writer)
        else:
            self._own(self._run(connection), self._tasks, connection, writer)

    def _own(
        self,
        job: Coroutine[None, None, None],
        tasks: set[asyncio.Task[None]],
        connection: Connection,
        writer: asyncio.StreamWriter,
    ) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not writer.is_closing():  # the job was cancelled before its first step
                writer.transport.abort()

        task = asyncio.create_task(job, name=f"wyoming peer {connection.peer}")
        tasks.add(task)
        task.add_done_callback(ended)

    async def _run(self, connection: Connection) -> None:
        try:
            connection.start()
            await self._handler(connection)
        except ProtocolError as error:
            _LOG.warning("%s: %s: %s", connection.peer, type(error).__name__, error)
        except ConnectionClosed as error:
            _LOG.info("%s: %s", connection.peer, error)
        except Exception:
            _LOG.exception("%s: the handler failed", connection.peer)
        finally:
            await connection.close()

    async def _refuse(self, connection: Connection) -> None:
        _LOG.warning("%s: refused, %d peers are connected", connection.peer, self.connections)
        reason = Error(text="too many connections", code="too-many-connections")
        try:
            with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
                async with asyncio.timeout(_REFUSAL_TIME):
                    await connection.write(reason)
                    async for _ in connection:
                        pass
        finally:
            await connection.close()


async def serve(
    uri: str,
    handler: Handler,
    *,
    limits: Limits = DEFAULT_LIMITS,
    heartbeat: float | None = None,
    max_connections: int = 64,
) -> Server:
    """Listen for Wyoming peers.

    Args:
        uri: Where to listen. Port 0 takes any free one; `Server.uri` tells which. A Unix socket is
            for this user only (mode 600); a dead one left at its path is replaced.
        handler: Called with each connection; the connection is closed when it returns. What it
            raises is logged and ends only that connection.
        limits: What each peer may cost.
        heartbeat: Seconds between two `ping` sent to each peer; None for none.
        max_connections: Peers at the same time; one more gets an `error` event with code
            ``too-many-connections`` and is disconnected.

    Returns:
        The server, listening. The caller closes it.

    Raises:
        BadUri: The URI is not supported.
        OSError: The address is in use, or cannot be bound.
    """
    server = Server(handler, limits, heartbeat, max_connections)
    await server._listen(_parse(uri))
    return server


def _parse(uri: str) -> _Tcp | _Unix:
    return _parse_unix(uri) if uri.startswith("unix:") else _parse_tcp(uri)


def _parse_tcp(uri: str) -> _Tcp:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not match, or a port that is no number below 65536
        raise _bad(uri) from None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "tcp" or not host or port is None or extra:
        raise _bad(uri)
    return _Tcp(host, port)


def _parse_unix(uri: str) -> _Unix:
    path = uri.removeprefix("unix://")
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise _bad(uri)
    return _Unix(Path(path))


def _bad(uri: str) -> BadUri:
    return BadUri(f"{uri!r} is neither tcp://host:port, tcp://[ipv6]:port nor unix:///path")


def _tune(writer: asyncio.StreamWriter) -> None:
    """Send small frames at once, and notice within a minute that a silent peer's host has gone."""
    sock: socket.socket = writer.get_extra_info("socket")
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":  # elsewhere these have other names, and two hours is the default
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


async def _check_free(path: Path) -> None:
    """Raise OSError if a live server has the socket at this path; a dead one is no hindrance."""
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return
    except OSError:  # a time-out or a full queue: somebody is there
        pass
    else:
        writer.transport.abort()
    raise OSError(errno.EADDRINUSE, "another server has this socket", str(path))


def _bind_private(path: Path) -> socket.socket:
    """Bind a Unix socket that only this user may connect to.

    Nobody can connect before the caller listens on it, so its mode is never wrong for a moment.
    """
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, "this file is no socket", str(path))
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
    except OSError:
        sock.close()
        raise
    return sock
