"""Where the hub listens for HTTP: addresses, accepted connections, and how many there may be."""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from hub.conversation.patience import where
from hub.web.errors import refusal
from hub.web.guard import CALLER, HEADERS, Handler, is_local, is_websocket
from hub.web.limits import Buckets, Rate
from protocol.access import is_loopback
from protocol.settings import ConfigError
from protocol.sockets import listen_inet, tune
from protocol.throttle import site_of
from protocol.tls import HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT, HandshakeFailed, PlainText, expect_tls

_LOGGER = logging.getLogger(__name__)

MOST = 512  # connections; below the 1024 files that a process may have open by default
MOST_OF_ONE = 64  # of one address (IPv6: of one /64), beyond this machine
KEEP_ALIVE = 30.0  # seconds that a connection may rest, and that a request's head may take
CONNECTING = Rate(100, 10)  # of one address, beyond this machine; a handshake takes a millisecond
_STALLED = 60_000  # milliseconds in which a peer has to take something of what it is sent
_ACCEPT_PAUSE = 1.0  # seconds, when the system has no descriptor left
_AT_ONCE = 64  # accepted in one go, so that nobody else waits long
_HTTPS_ONLY = b"This port is encrypted: write https:// in front of it.\n"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Where to listen.

    Args:
        host: a name or an address.
        port: 0 for any that is free.
        secure: whether TLS is spoken, and everybody has to log in.
    """

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @classmethod
    def read(cls, listen: str) -> "WebAddress":
        """Read the setting.

        Raises:
            ConfigError: it is no such address, or others could reach it in plain text.
        """
        try:
            parts = urlsplit(listen)
            host, port = parts.hostname or "", parts.port
            bare = not (parts.path.strip("/") or parts.query or parts.fragment)
            bare = bare and "@" not in parts.netloc and parts.scheme in ("http", "https")
        except ValueError:
            bare, host, port = False, "", None
        if not bare or not host or port is None:
            raise ConfigError(f"web.listen: {listen!r} is no http://HOST:PORT or https://HOST:PORT")
        address = cls(host, port, parts.scheme == "https")
        if not address.secure and not is_local(host):
            raise ConfigError(
                f"web.listen: other machines can reach {address}, and what is said there is not "
                f'encrypted; write "{cls(host, port, secure=True)}", and set a password: '
                "parlour-hub password"
            )
        return address


class Connection(web.RequestHandler):
    """One connection; says when it is over, and stops what nobody waits for any more."""

    ended: Callable[[], None] | None = None
    running: asyncio.Task[Any] | None = None  # answers the present request; None for a websocket

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take the news that it is over."""
        super().connection_lost(exc)
        if self.ended is not None:
            self.ended()
        if self.running is not None:
            self.running.cancel()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer.

        aiohttp's own to an Expect that it does not know quotes it, so we send another.
        """
        if resp.status == HTTPStatus.EXPECTATION_FAILED:
            resp = refusal(resp.status, "malformed", "nothing but 100-continue can be expected")
        told = await super().finish_response(request, resp, start_time)
        if CALLER not in request and "Content-Encoding" in request.headers:
            self.force_close()  # aiohttp would read on for a while, and unpack it, for a stranger
        return told

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP; aiohttp would quote it, to the peer and to the log."""
        if request.writer.output_size > 0 or self.transport is None:
            raise ConnectionError("half an answer was sent, or nobody is there")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _LOGGER.error("web: %s", where(exc) if exc is not None else status)
            answer = refusal(status, "internal-error", "a bug in the hub; its log says where")
        else:
            answer = refusal(status, "malformed", "this is no HTTP, or its head is too long")
        answer.headers.update(HEADERS)
        answer.force_close()
        return answer


@web.middleware
async def stop_when_gone(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Stop what is done for somebody who has hung up; a websocket's handler sees that itself."""
    connection = request.protocol
    if not isinstance(connection, Connection) or is_websocket(request):
        return await handler(request)
    connection.running = asyncio.current_task()
    try:
        return await handler(request)
    finally:
        connection.running = None


class Listener:
    """Accepts connections.

    Args:
        connection: makes what speaks HTTP on each.
        tls: what to speak TLS with; None for plain text.
    """

    def __init__(self, connection: Callable[[], Connection], tls: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._tls = tls
        self._listeners: list[socket.socket] = []
        self._rate = Buckets(CONNECTING)
        self._sites: Counter[str] = Counter()  # connections by where they are from
        self._jobs: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    @property
    def connections(self) -> int:
        """How many there are, in their handshake, too."""
        return self._sites.total()

    async def start(self, address: WebAddress) -> int:
        """Listen; return the port.

        Raises:
            OSError: the address is taken or cannot be had.
        """
        self._listeners = await listen_inet(address.host, address.port)
        for listener in self._listeners:
            self._accept_from(listener)
        return int(self._listeners[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more; whoever is in the handshake is hung up on. Connections stay."""
        for pause in self._pauses.values():
            pause.cancel()
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        self._listeners = []
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def _accept_from(self, listener: socket.socket) -> None:
        self._pauses.pop(listener, None)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:  # most often no file descriptor is left
                _LOGGER.error("web: cannot accept anybody: %s (trying again)", exc)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                again = loop.call_later(_ACCEPT_PAUSE, self._accept_from, listener)
                self._pauses[listener] = again
                return
            site = site_of(address[0])
            full = self.connections >= MOST
            if not is_loopback(address[0]):
                full = full or self._sites[site] >= MOST_OF_ONE or self._rate.take(site) > 0
            if full:
                sock.close()  # without a word: one would cost more than it says
                continue
            self._sites[site] += 1
            job = asyncio.create_task(self._welcome(sock, site), name="web: handshake")
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _welcome(self, sock: socket.socket, site: str) -> None:
        """Make a connection of an accepted socket."""
        counted = True

        def ended() -> None:
            nonlocal counted
            if counted:
                counted = False
                self._sites[site] -= 1
                if not self._sites[site]:
                    del self._sites[site]

        connection = self._connection()
        connection.ended = ended
        try:
            sock.setblocking(False)
            tune(sock)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # also for a peer that reads nothing any more
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED)
            loop = asyncio.get_running_loop()
            if self._tls is None:
                await loop.connect_accepted_socket(lambda: connection, sock)
                return
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await expect_tls(sock)
                await loop.connect_accepted_socket(
                    lambda: connection,
                    sock,
                    ssl=self._tls,
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                    ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
                )
        except PlainText:
            _tell(sock)
            ended()
        except (OSError, HandshakeFailed) as exc:  # browsers hang up to ask about the certificate
            _LOGGER.debug("web: no connection: %s", exc)
            sock.close()
            ended()
        except BaseException:
            sock.close()
            ended()
            raise


def _tell(sock: socket.socket) -> None:
    """Say to a browser that it has to speak TLS, if it listens."""
    try:
        sock.recv(65536)  # what is unread would reset the connection, and the answer with it
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(_HTTPS_ONLY)}\r\n"
        head += "Content-Type: text/plain\r\nConnection: close\r\n\r\n"
        sock.send(head.encode() + _HTTPS_ONLY)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        sock.close()
