"""From a URI to a connection, or to a server: TCP, TLS and Unix sockets.

Accepted URIs are ``tcp://host:port``, ``tls://host:port`` (an IPv6 address in brackets) and
``unix:///absolute/path``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from wyoming.error import Error

from protocol.access import AllowList
from protocol.connection import (
    DEFAULT_LIMITS,
    Connection,
    ConnectionClosed,
    Limits,
    ProtocolError,
)
from protocol.names import Found, addresses
from protocol.server import Door, Handler, Server
from protocol.sockets import connect_inet, listen_inet, listen_unix
from protocol.throttle import Throttle
from protocol.tls import (
    SHUTDOWN_TIMEOUT,
    HandshakeFailed,
    WrongCertificate,
    client_context,
    explain,
    has_pin,
)
from protocol.uri import BadUri, Inet, Local, parse

__all__ = ["BadUri", "Handler", "Server", "WrongCertificate", "bind", "connect", "serve"]


async def connect(
    uri: str,
    *,
    pin: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
    heartbeat: float | None = None,
    timeout: float = 5.0,
) -> Connection:
    """Connect to a Wyoming peer.

    Args:
        uri: Where it listens.
        pin: The SHA-256 of the certificate that a peer at ``tls://`` must have.
        limits: What the peer may cost.
        heartbeat: Seconds between two `ping` sent to it; None for none.
        timeout: Seconds that connecting may take, with the TLS handshake. A name is looked up
            before, for 10 s at most.

    Returns:
        The connection, its heartbeat started. The caller closes it.

    Raises:
        BadUri: The URI is not supported, or it is ``tls://`` and there is no pin.
        WrongCertificate: The peer has another certificate. It was told so, and nothing else.
        OSError: Nobody listens there, or (HandshakeFailed) it speaks no TLS, or (TimeoutError) it
            took too long, or there is no such name. The message says which.
    """
    address = parse(uri)
    if isinstance(address, Inet) and address.secure and pin is None:
        raise BadUri(f"{uri}: whose certificate must it be? Encrypted connections take a pairing")
    found = await addresses(address.host, address.port) if isinstance(address, Inet) else []
    try:
        async with asyncio.timeout(timeout) as clock:
            reader, writer = await _open(address, found)
    except TimeoutError:
        if not clock.expired():  # TCP's own
            raise
        raise TimeoutError(f"no answer in {timeout:g} s") from None
    connection = Connection(reader, writer, limits=limits, heartbeat=heartbeat)
    if isinstance(address, Inet) and address.secure and not has_pin(writer, pin or b""):
        async with connection:  # so that the right hub's log says why this satellite is not there
            text = "this satellite was paired with another certificate"
            with contextlib.suppress(ConnectionClosed, ProtocolError):  # it does not listen
                await connection.write(Error(text=text, code="wrong-certificate"))
        raise WrongCertificate("it does not have the certificate of the hub we are paired with")
    connection.start()
    return connection


async def _open(
    address: Inet | Local, found: Found
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Local):
        return await asyncio.open_unix_connection(address.path)
    sock = await connect_inet(found)
    if not address.secure:
        return await asyncio.open_connection(sock=sock)
    try:
        return await asyncio.open_connection(
            sock=sock,
            ssl=client_context(),
            server_hostname="",  # no name in clear text, and none is checked
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
    except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
        raise HandshakeFailed(explain(error)) from error


async def bind(uri: str) -> list[socket.socket]:
    """Listen, and let peers wait until `serve` gets to them.

    Returns:
        What `serve` takes, and closes at its end; until then the caller.

    Raises:
        BadUri: The URI is not supported.
        OSError: The address is in use, or cannot be bound.
    """
    address = parse(uri)
    if isinstance(address, Local):
        return [await listen_unix(address.path)]
    return await listen_inet(address.host, address.port)


async def serve(
    uri: str,
    handler: Handler,
    *,
    bound: list[socket.socket] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    heartbeat: float | None = None,
    max_connections: int = 64,
    admit: AllowList | None = None,
    tls: ssl.SSLContext | None = None,
    throttle: Throttle | None = None,
) -> Server:
    """Listen for Wyoming peers.

    Args:
        uri: Where to listen. Port 0 takes any free one; `Server.uri` tells which. A Unix socket is
            for this user only (mode 600); a dead one left at its path is replaced.
        bound: What `bind` has made of this URI; None binds now.
        handler: Called with each connection; the connection is closed when it returns. What it
            raises is logged and ends only that connection.
        limits: What each peer may cost.
        heartbeat: Seconds between two `ping` sent to each peer; None for none.
        max_connections: Peers at the same time; one more gets an `error` event with code
            ``too-many-connections`` and is disconnected. Peers in their TLS handshake do not
            count; they have a cap of their own, at which the oldest has to go.
        admit: Who may connect; others get an `error` event with code ``not-allowed`` and are
            disconnected. None for everybody.
        tls: What to speak TLS with at ``tls://``; see `protocol.tls.server_context`.
        throttle: Whom to hang up on at once; handshakes that fail are counted there.

    Returns:
        The server, listening. The caller closes it.

    Raises:
        BadUri: The URI is not supported, or it is ``tls://`` and there is no `tls`.
        OSError: The address is in use, or cannot be bound.
    """
    address = parse(uri)
    secure = isinstance(address, Inet) and address.secure
    if secure and tls is None:
        raise BadUri(f"{uri}: there is no certificate to encrypt with; use tcp:// or unix://")
    door = Door(limits, heartbeat, max_connections, admit, tls if secure else None, throttle)
    listeners = await bind(uri) if bound is None else bound
    if isinstance(address, Local):
        server = Server(str(address), listeners, handler, door, remove=address.path)
    else:
        port = listeners[0].getsockname()[1]
        server = Server(str(Inet(address.host, port, secure)), listeners, handler, door)
    server.start()
    return server
