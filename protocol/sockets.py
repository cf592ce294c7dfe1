"""Sockets for transport and server: bound, tuned, and made into streams."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import stat
import sys
from pathlib import Path

from protocol.names import Address, Found, addresses
from protocol.tls import SHUTDOWN_TIMEOUT

_BACKLOG = 100
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


async def listen_inet(host: str, port: int) -> list[socket.socket]:
    """Listen on each address of a host; port 0 takes any free one, the same for all.

    ``::`` is every IPv4 address, too, where the system can have both on one socket.

    Raises:
        OSError: The address is in use, or not ours.
    """
    found = await addresses(host, port)
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, address in dict.fromkeys(found):
            where = (address[0], port, *address[2:])
            try:
                listener = socket.create_server(
                    where,
                    family=family,
                    backlog=_BACKLOG,
                    dualstack_ipv6=address[0] == "::" and socket.has_dualstack_ipv6(),
                )
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error  # localhost is ::1, too, also where there is no IPv6
                continue
            listener.setblocking(False)
            listeners.append(listener)
            port = listener.getsockname()[1]
        if missing is not None and not listeners:
            raise missing
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


async def connect_inet(found: Found) -> socket.socket:
    """Connect to the first address of a host that answers.

    Returns:
        A tuned, non-blocking socket.

    Raises:
        OSError: None does.
    """
    problems: list[OSError] = []
    for family, address in found:
        try:
            return await _connect(family, address)
        except OSError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    raise OSError("; ".join(map(str, problems)) or "the host has no address")


async def _connect(family: socket.AddressFamily, address: Address) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        tune(sock)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:  # cancelled, too, as by a time-out
        sock.close()
        raise
    return sock


async def listen_unix(path: Path) -> socket.socket:
    """Listen on a Unix socket that only this user may connect to; a dead one is replaced.

    Raises:
        OSError: Another server has it, or the path is no socket or cannot be had.
    """
    await _check_free(path)
    listener = _bind_private(path)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


async def streams_of(
    sock: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Make an accepted socket into streams, after the TLS handshake if there is one.

    TLS is there from the first byte on, so that nothing sent before can be taken for encrypted.

    Raises:
        OSError: The handshake failed; the socket is closed.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol,
        sock,
        ssl=tls,
        ssl_shutdown_timeout=None if tls is None else SHUTDOWN_TIMEOUT,
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def tune(sock: socket.socket) -> None:
    """Send small frames at once, and notice within a minute that a silent peer's host has gone."""
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
