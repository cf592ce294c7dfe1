"""URIs, TCP and Unix sockets, and what a server does with its peers."""

import asyncio
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wyoming.client import AsyncUnixClient
from wyoming.event import Event, async_read_event

from protocol.connection import Connection, ConnectionClosed, Limits, MalformedFrame
from protocol.transport import BadUri, Handler, Server, bind, connect, serve

# Sockets within one process deliver at once, so time need only pass when nothing is under way.
pytestmark = pytest.mark.looptime

LOOPBACK = "tcp://127.0.0.1:0"


@asynccontextmanager
async def serving(uri: str, handler: Handler, **options: object) -> AsyncIterator[Server]:
    server = await serve(uri, handler, **options)  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(60):  # no test of ours may hang
            yield server
    finally:
        await server.close()


async def echo(connection: Connection) -> None:
    async for event in connection:
        await connection.write(event)


def raw_address(server: Server) -> tuple[str, int]:
    host, port = server.uri.removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


async def until_handled(server: Server, n: int) -> None:
    while server.connections != n:
        await asyncio.sleep(0.001)


async def test_peers_that_come_before_anybody_serves_are_served_then(tmp_path: Path) -> None:
    for uri in (LOOPBACK, f"unix://{tmp_path}/s"):
        bound = await bind(uri)
        if uri == LOOPBACK:
            uri = f"tcp://127.0.0.1:{bound[0].getsockname()[1]}"
        async with await connect(uri) as early:
            await early.write(Event("hello"))
            await asyncio.sleep(3.0)
            async with serving(uri, echo, bound=bound) as server:
                assert server.uri == uri
                assert (await early.read()).type == "hello"
                async with await connect(uri) as late:
                    await late.write(Event("hello"))
                    assert (await late.read()).type == "hello"
        assert all(listener.fileno() < 0 for listener in bound)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "10600",
        "localhost:10600",
        "http://localhost:10600",
        "stdio://",
        "tcp://localhost",
        "tcp://:10600",
        "tcp://localhost:port",
        "tcp://local host:10600",
        "udp://localhost:10600",
        "tcp://localhost:70000",
        "tcp://localhost:-1",
        "tcp://[::1:10600",
        "tcp://::1:10600",
        "tcp://me@localhost:10600",
        "tcp://localhost:10600/path",
        "tcp://localhost:10600?query",
        "unix:",
        "unix://",
        "unix:///",
        "unix://relative/path",
        "unix:///folder/",
    ],
)
async def test_a_bad_uri_is_refused_with_what_would_be_accepted(uri: str) -> None:
    for attempt in (connect(uri), serve(uri, echo)):
        with pytest.raises(BadUri, match=r"tcp://host:port.*unix:///path"):
            await attempt


@pytest.mark.parametrize("uri", [LOOPBACK, "tcp://[::1]:0"], ids=["IPv4", "IPv6"])
async def test_tcp_carries_events_on_a_free_port_that_the_server_names(uri: str) -> None:
    if "::1" in uri and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    async with serving(uri, echo) as server:
        assert not server.uri.endswith(":0")
        async with await connect(server.uri) as connection:
            await connection.write(Event("x", {"a": 1}, b"pcm"))
            assert await connection.read() == Event("x", {"a": 1}, b"pcm")
            assert connection.peer == server.uri.removeprefix("tcp://")


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="one socket cannot have both")
async def test_every_address_of_ipv6_is_every_address_of_ipv4_too() -> None:
    peers: list[str] = []

    async def note(connection: Connection) -> None:
        peers.append(connection.peer.rpartition(":")[0])
        await echo(connection)

    async with serving("tcp://[::]:0", note) as server:
        port = server.uri.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            async with await connect(f"tcp://{host}:{port}") as connection:
                await connection.write(Event("x"))
                assert await connection.read() == Event("x")
    assert peers == ["127.0.0.1", "[::1]"]


async def test_tcp_sends_small_frames_at_once_and_probes_silent_peers() -> None:
    seen: list[tuple[int, int]] = []

    async def look(connection: Connection) -> None:
        seen.append(_options(connection))

    async with serving(LOOPBACK, look) as server, await connect(server.uri) as connection:
        seen.append(_options(connection))
        async for _ in connection:
            pass
    assert len(seen) == 2
    assert all(nodelay and keepalive for nodelay, keepalive in seen)


def _options(connection: Connection) -> tuple[int, int]:
    sock = connection._writer.get_extra_info("socket")
    return (
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    )


async def test_a_unix_socket_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    umask = os.umask(0)  # what would give others the most
    try:
        async with serving(f"unix://{path}", echo) as server:
            assert server.uri == f"unix://{path}"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            async with await connect(server.uri) as connection:
                await connection.write(Event("x"))
                assert await connection.read() == Event("x")
                assert connection.peer == "unix"
            async with AsyncUnixClient(path) as library:
                await library.write_event(Event("y", {"a": "b"}))
                assert await library.read_event() == Event("y", {"a": "b"})
    finally:
        os.umask(umask)
    assert not path.exists()


async def test_a_dead_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()  # leaves the file, as a killed process does
    async with serving(f"unix://{path}", echo) as server, await connect(server.uri) as connection:
        await connection.write(Event("x"))
        assert await connection.read() == Event("x")


async def test_a_live_unix_socket_is_left_alone(tmp_path: Path) -> None:
    async with serving(f"unix://{tmp_path / 'hub.sock'}", echo) as server:
        with pytest.raises(OSError, match="another server"):
            await serve(server.uri, echo)
        async with await connect(server.uri) as connection:
            await connection.write(Event("x"))
            assert await connection.read() == Event("x")


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(FileExistsError):
        await serve(f"unix://{path}", echo)
    assert path.read_text() == "keep me"


async def test_a_port_in_use_is_an_error() -> None:
    async with serving(LOOPBACK, echo) as server:
        with pytest.raises(OSError, match=r"address already in use|Address already in use"):
            await serve(server.uri, echo)


async def test_connecting_to_nobody_is_an_error(tmp_path: Path) -> None:
    async with serving(LOOPBACK, echo) as server:
        uri = server.uri
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await connect(uri)
    with pytest.raises(FileNotFoundError):
        await connect(f"unix://{tmp_path / 'none.sock'}")


async def test_connecting_to_a_host_that_does_not_answer_is_bounded() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    fillers = []
    try:
        for _ in range(4):  # the queue of a server that accepts nothing
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        with pytest.raises(TimeoutError):
            await connect(f"tcp://127.0.0.1:{port}", timeout=0.2)
    finally:
        for sock in (*fillers, full):
            sock.close()


async def test_limits_and_heartbeat_reach_both_ends() -> None:
    async def wait(connection: Connection) -> None:
        async for _ in connection:
            pass

    limits = Limits(payload=10)
    async with (
        serving(LOOPBACK, wait, limits=limits, heartbeat=0.05) as server,
        await connect(server.uri, limits=limits, heartbeat=0.05) as connection,
    ):
        assert connection._limits is limits
        reader, writer = await asyncio.open_connection(*raw_address(server))
        ping = await async_read_event(reader)
        assert ping is not None
        assert ping.type == "ping"
        writer.write(b'{"type":"x","payload_length":11}\n')
        while await async_read_event(reader):  # pings, then the end
            pass
        writer.close()
        with pytest.raises(TimeoutError):  # while well-behaved peers stay
            async with asyncio.timeout(30):
                await connection.read()


async def test_a_bug_in_a_handler_is_logged_once_and_hurts_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fragile(connection: Connection) -> None:
        async for event in connection:
            if event.type == "break":
                raise ZeroDivisionError("a bug")
            await connection.write(event)

    async with (
        serving(LOOPBACK, fragile) as server,
        await connect(server.uri) as other,
        await connect(server.uri) as victim,
    ):
        await victim.write(Event("break"))
        with pytest.raises(ConnectionClosed):
            await victim.read()
        await until_handled(server, 1)
        await other.write(Event("x"))
        assert await other.read() == Event("x")
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_broken_frame_is_logged_in_one_line_and_ends_only_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(LOOPBACK, echo) as server, await connect(server.uri) as other:
        reader, writer = await asyncio.open_connection(*raw_address(server))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises((EOFError, ConnectionResetError)):
            await reader.readexactly(1)
        writer.close()
        await other.write(Event("x"))
        assert await other.read() == Event("x")
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert record.exc_info is None
    assert MalformedFrame.__name__ in record.getMessage()


async def test_what_one_address_does_again_and_again_is_not_logged_each_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocol.server._TELL_AGAIN", 30.0)

    async def broken(server: Server) -> bytes:
        reader, writer = await asyncio.open_connection(*raw_address(server))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async with serving(LOOPBACK, echo, max_connections=1) as server:
        for _ in range(5):
            await broken(server)
            await until_handled(server, 0)
        async with await connect(server.uri):
            await until_handled(server, 1)
            for _ in range(5):
                assert b"too-many" in await broken(server)
        await asyncio.sleep(31)
        await until_handled(server, 0)
        await broken(server)
    lines = [r.getMessage().partition(": ")[2] for r in caplog.records if r.levelno >= 30]
    broken_line = next(line for line in lines if "Malformed" in line)
    assert lines == [broken_line, "refused, 1 peers are connected", broken_line]


async def test_a_peer_that_leaves_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def impatient(connection: Connection) -> None:
        while True:
            await connection.read()

    with caplog.at_level(logging.INFO):
        async with serving(LOOPBACK, impatient) as server:
            async with await connect(server.uri) as connection:
                await connection.write(Event("x"))
            await until_handled(server, 0)
    (record,) = [r for r in caplog.records if r.name == "protocol.server"]
    assert record.levelno == logging.INFO
    assert record.exc_info is None


async def test_one_peer_too_many_is_told_so_and_leaves_the_others_alone() -> None:
    async with (
        serving(LOOPBACK, echo, max_connections=2) as server,
        await connect(server.uri) as first,
        await connect(server.uri) as second,
    ):
        await until_handled(server, 2)
        async with await connect(server.uri) as third:
            await third.write(Event("describe"))
            refusal = await third.read()
            assert refusal.type == "error"
            assert refusal.data["code"] == "too-many-connections"
            with pytest.raises(ConnectionClosed):
                await third.read()
        assert server.connections == 2
        for connection in (first, second):
            await connection.write(Event("x"))
            assert await connection.read() == Event("x")
        await first.close()
        await until_handled(server, 1)
        async with await connect(server.uri) as fourth:
            await fourth.write(Event("x"))
            assert await fourth.read() == Event("x")


async def test_a_flood_of_newcomers_is_cut_off() -> None:
    async with serving(LOOPBACK, echo, max_connections=0) as server:
        flood = [await asyncio.open_connection(*raw_address(server)) for _ in range(60)]
        ends = await asyncio.gather(*(r.read() for r, _ in flood), return_exceptions=True)
        told = [end for end in ends if isinstance(end, bytes) and b"too-many" in end]
        assert 1 <= len(told) <= 16
        for _, writer in flood:
            writer.close()


async def test_close_ends_live_handlers_and_waits_for_their_cleaning_up() -> None:
    cleaned: list[str] = []

    async def careful(connection: Connection) -> None:
        try:
            await connection.read()
        finally:
            await asyncio.sleep(0.05)
            cleaned.append(connection.peer)

    before = asyncio.all_tasks()
    server = await serve(LOOPBACK, careful)
    peers = [await connect(server.uri) for _ in range(3)]
    await until_handled(server, 3)
    await server.close()
    await server.close()
    assert len(cleaned) == 3
    assert server.connections == 0
    for peer in peers:
        with pytest.raises(ConnectionClosed):
            await peer.read()
        await peer.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await connect(server.uri)
    assert asyncio.all_tasks() == before


async def test_a_peer_that_came_a_moment_before_close_is_hung_up_on() -> None:
    called = False

    async def handler(_: Connection) -> None:
        nonlocal called
        called = True

    server = await serve(LOOPBACK, handler)
    (listener,) = server._listeners
    with socket.create_connection(raw_address(server), timeout=5) as peer:
        server._accept(listener)
        await server.close()  # cancels the peer's task before its first step
        assert peer.recv(1) == b""
    assert not called
