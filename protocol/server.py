"""Meets Wyoming peers: who may come in, the TLS handshake, caps, and a handler for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from wyoming.error import Error

from protocol.access import AllowList
from protocol.connection import Connection, ConnectionClosed, Limits, ProtocolError
from protocol.sockets import streams_of, tune
from protocol.throttle import Throttle
from protocol.tls import (
    HANDSHAKE_TIMEOUT,
    HandshakeFailed,
    NothingSaid,
    PlainText,
    expect_tls,
    explain,
)

_LOG = logging.getLogger(__name__)

# Seconds that a refused peer has for reading why. Hanging up at once would reset the connection if
# the peer has sent something, and the reset may overtake the reason.
_REFUSAL_TIME = 1.0
_MAX_REFUSALS = 16  # told why at the same time; any more are cut off without a word
_MAX_ARRIVALS = 64  # in their handshake at the same time; one more, and the oldest has to go
_ACCEPT_PAUSE = 1.0  # seconds, when the system has no descriptor left for another peer
_TELL_AGAIN = 60.0  # seconds in which the same of one address is not logged again
_MAX_TOLD = 256  # such addresses
_NOT_ALLOWED = "%s: refused, its address is not in the setting allow"

Handler = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """Who gets in, and how.

    Attributes:
        limits: What each peer may cost.
        heartbeat: Seconds between two `ping` sent to each peer; None for none.
        max_connections: Peers that are handled at the same time.
        admit: Addresses that may connect; None for all.
        tls: What to speak TLS with; None for plain text.
        throttle: Addresses that are hung up on; handshakes that fail are counted there.
    """

    limits: Limits
    heartbeat: float | None
    max_connections: int
    admit: AllowList | None = None
    tls: ssl.SSLContext | None = None
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Guest:
    """An accepted socket and where it comes from; host None is a Unix socket."""

    sock: socket.socket
    host: str | None
    peer: str


class Server:
    """Listens for Wyoming peers and runs one handler for each; made by `transport.serve`.

    Args:
        uri: Where it listens.
        listeners: Bound, listening, non-blocking sockets; closed by `close`.
        handler: Called with each connection.
        door: Who gets in, and how.
        remove: A Unix socket's file, removed at the end.
    """

    def __init__(
        self,
        uri: str,
        listeners: list[socket.socket],
        handler: Handler,
        door: Door,
        remove: Path | None = None,
    ) -> None:
        self.uri = uri
        self._listeners = listeners
        self._handler = handler
        self._door = door
        self._remove = remove
        self._jobs: set[asyncio.Task[None]] = set()  # all there are
        self._arrivals: dict[asyncio.Task[None], _Guest] = {}  # those in their handshake, in order
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self._told: dict[tuple[str, str], float] = {}  # address, what about it → until when
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._closing = False

    @property
    def connections(self) -> int:
        """Number of peers being handled."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin to accept peers."""
        for listener in self._listeners:
            self._accept_from(listener)

    async def close(self) -> None:
        """Stop listening, cancel the handlers, wait for their end; may be called again.

        There is no time-out here: each handler's own cleaning up decides how long it takes.
        """
        if not self._closing:
            self._closing = True
            for pause in self._pauses.values():
                pause.cancel()
            for listener in self._listeners:
                asyncio.get_running_loop().remove_reader(listener)
                listener.close()
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)  # `ended` has logged what there was
        if self._remove is not None:
            self._remove.unlink(missing_ok=True)
            self._remove = None

    # -- accepting: synchronous, so that every socket and every task is ours ---------------------

    def _accept_from(self, listener: socket.socket) -> None:
        self._pauses.pop(listener, None)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # most often no file descriptor is left
            _LOG.error("%s: cannot accept a peer: %s", self.uri, error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            self._pauses[listener] = loop.call_later(_ACCEPT_PAUSE, self._accept_from, listener)
            return
        sock.setblocking(False)
        throttle = self._door.throttle
        host, peer = _names(sock, address)
        if self._closing or (throttle is not None and host and throttle.refuses(host)):
            sock.close()
            return
        guest = _Guest(sock, host, peer)
        if self._door.admit is not None and not self._door.admit.admits(host):
            self._tell_seldom(guest.host, _NOT_ALLOWED, guest.peer)
            if len(self._refusals) >= _MAX_REFUSALS:
                sock.close()
            else:
                reason = "not-allowed", "this address is not in the list of those that may connect"
                self._refusals.add(self._own(self._turn_away(guest, *reason), guest))
            return
        full = self.connections >= self._door.max_connections
        if full and len(self._refusals) + len(self._arrivals) >= _MAX_REFUSALS:
            sock.close()
            return
        if len(self._arrivals) >= _MAX_ARRIVALS:
            # A friend needs milliseconds, so it is a silent one that has been here longest.
            oldest = next(iter(self._arrivals))
            self._failed(self._arrivals.pop(oldest), "had to make place in its handshake")
            oldest.cancel()
        task = self._own(self._meet(guest), guest)
        self._arrivals[task] = guest

    def _own(self, job: Coroutine[None, None, None], guest: _Guest) -> asyncio.Task[None]:
        def ended(task: asyncio.Task[None]) -> None:
            self._jobs.discard(task)
            self._arrivals.pop(task, None)
            self._tasks.discard(task)
            self._refusals.discard(task)
            if guest.sock.fileno() >= 0:  # the job was cancelled before its first step
                guest.sock.close()
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.error("%s: %s", guest.peer, error, exc_info=error)

        task = asyncio.create_task(job, name=f"wyoming peer {guest.peer}")
        self._jobs.add(task)
        task.add_done_callback(ended)
        return task

    # -- one peer --------------------------------------------------------------------------------

    async def _meet(self, guest: _Guest) -> None:
        """Shake hands with a peer, then handle it, or refuse it when the house is full."""
        task = asyncio.current_task()
        assert task is not None
        try:
            connection = await self._shake_hands(guest)
        except PlainText as error:
            self._failed(guest, str(error))
            self._move(task, self._refusals)
            reason = "only TLS is spoken here: pair the satellite with this hub"
            await self._turn_away(guest, "encrypted-only", reason)
            return
        except NothingSaid as error:
            _LOG.debug("%s: %s", guest.peer, error)
            return
        except HandshakeFailed as error:
            self._failed(guest, str(error))
            return
        if self.connections < self._door.max_connections:
            self._move(task, self._tasks)
            await self._run(connection)
        else:
            self._move(task, self._refusals)
            text = "%s: refused, %d peers are connected"
            self._tell_seldom(guest.host, text, guest.peer, self.connections)
            await _say_no(connection, "too-many-connections", "too many connections")

    def _move(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        self._arrivals.pop(task, None)
        tasks.add(task)

    async def _shake_hands(self, guest: _Guest) -> Connection:
        tls = self._door.tls
        try:
            if tls is None:
                return await self._open(guest, None)
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await expect_tls(guest.sock)
                return await self._open(guest, tls)
        except HandshakeFailed:
            raise
        except OSError as error:
            if tls is None:
                raise NothingSaid(f"the peer was lost: {error}") from error
            raise HandshakeFailed(explain(error)) from error

    async def _open(self, guest: _Guest, tls: ssl.SSLContext | None) -> Connection:
        tune(guest.sock)
        reader, writer = await streams_of(guest.sock, tls)
        door = self._door
        return Connection(
            reader,
            writer,
            limits=door.limits,
            heartbeat=door.heartbeat,
            peer=guest.peer,
            host=guest.host,
        )

    async def _run(self, connection: Connection) -> None:
        try:
            connection.start()
            await self._handler(connection)
        except ProtocolError as error:
            text = f"%s: {type(error).__name__}: %s"
            self._tell_seldom(connection.host, text, connection.peer, error)
        except ConnectionClosed as error:
            _LOG.info("%s: %s", connection.peer, error)
        except Exception:
            _LOG.exception("%s: the handler failed", connection.peer)
        finally:
            await connection.close()

    # -- refusing --------------------------------------------------------------------------------

    def _failed(self, guest: _Guest, why: str) -> None:
        _LOG.warning("%s: %s", guest.peer, why)
        if self._door.throttle is not None and guest.host is not None:
            self._door.throttle.failed(guest.host)

    async def _turn_away(self, guest: _Guest, code: str, text: str) -> None:
        """Tell a peer in plain text why it is not let in."""
        with contextlib.suppress(OSError):  # it went meanwhile
            await _say_no(await self._open(guest, None), code, text)

    def _tell_seldom(self, host: str | None, text: str, *args: object) -> None:
        """Log a warning, if there was none with this text about this address for a while."""
        now, key = asyncio.get_running_loop().time(), (host or "", text)
        if now < self._told.get(key, now):
            return
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told[key] = now + _TELL_AGAIN
        _LOG.warning(text, *args)


async def _say_no(connection: Connection, code: str, text: str) -> None:
    try:
        with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_REFUSAL_TIME):
                await connection.write(Error(text=text, code=code))
                async for _ in connection:
                    pass
    finally:
        await connection.close()


def _names(sock: socket.socket, address: tuple[str, int] | str) -> tuple[str | None, str]:
    """Return a peer's address, and its name in logs."""
    if sock.family == socket.AF_UNIX:
        return None, "unix"
    host, port = address[0], address[1]
    if "." in host:  # one socket for both kinds has IPv4 in IPv6
        host = host.removeprefix("::ffff:")
    return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
