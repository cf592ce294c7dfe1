"""How much the hub's HTTP server takes, of one and of all, and who has to wait."""

import asyncio
import contextlib
import gzip
import logging
import socket

import aiohttp
import pytest
from guarded_hub import Clock, anybody, running_hub

from hub.web.limits import HEAVY, Buckets, Limits, Rate


@pytest.fixture(params=["http://127.0.0.1:0", "https://127.0.0.1:0"])
async def either(request, tmp_path, monkeypatch):
    """A hub on this machine, then one for others."""
    async with running_hub(tmp_path, monkeypatch, request.param) as hub:
        hub.tls = anybody() if hub.url.startswith("https") else None
        yield hub


@contextlib.asynccontextmanager
async def connected(hub):
    """A connection on which a test says what it likes."""
    tls = anybody() if hub.url.startswith("https") else None
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest_of(reader, timeout=5):
    """Return what comes until the connection ends."""
    async with asyncio.timeout(timeout):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def healthy(hub):
    async with hub.client() as client, asyncio.timeout(10):
        return (await client.get("/health")).status == 200


# -- connections ----------------------------------------------------------------------------------


async def test_five_hundred_connections_are_served_and_those_over_the_bound_are_hung_up_on(
    here, monkeypatch
):
    async with contextlib.AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(connected(here)) for _ in range(500)]
        for _, writer in open_:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(30):
            for reader, _ in open_:
                assert b"200" in await reader.readline()
        assert here.server.connections == 500
        monkeypatch.setattr("hub.web.listening.MOST", 500)
        async with connected(here) as (reader, _):
            assert await rest_of(reader) == b""
    assert await eventually(lambda: here.server.connections == 0)
    assert await healthy(here)


async def test_one_address_of_another_machine_gets_so_many_connections_and_no_more(
    there, monkeypatch
):
    monkeypatch.setattr("hub.web.listening.is_loopback", lambda host: False)
    monkeypatch.setattr("hub.web.listening.MOST_OF_ONE", 5)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(connected(there))
        with pytest.raises((ConnectionError, OSError)):
            async with connected(there):
                pass
    assert await eventually(lambda: there.server.connections == 0)
    assert await healthy(there)


async def test_who_connects_all_the_time_is_hung_up_on_for_a_while(there, monkeypatch):
    monkeypatch.setattr("hub.web.listening.is_loopback", lambda host: False)
    clock = Clock()
    there.server._listener._rate = Buckets(Rate(5, 1), clock)
    served = 0
    for _ in range(8):
        with contextlib.suppress(OSError):
            async with connected(there):
                served += 1
    assert served == 5
    clock.now += 1
    async with connected(there):
        pass


async def eventually(true, timeout=10):
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.02)
    return True


async def test_who_says_nothing_in_the_handshake_is_hung_up_on(there, monkeypatch):
    monkeypatch.setattr("hub.web.listening.HANDSHAKE_TIMEOUT", 0.3)
    for said in (b"", b"\x16", b"\x16\x03\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        writer.write(said)
        assert await rest_of(reader) == b""
        writer.close()
    assert await eventually(lambda: there.server.connections == 0)


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(tmp_path, monkeypatch, first):
    monkeypatch.setattr("hub.web.server.KEEP_ALIVE", 0.5)
    async with (
        running_hub(tmp_path, monkeypatch) as hub,
        connected(hub) as (reader, writer),
        asyncio.timeout(5),
    ):
        writer.write(first)
        if first:
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}")
        gone = asyncio.create_task(reader.read())
        for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"z" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if gone.done():
                break
        with contextlib.suppress(ConnectionError):
            assert await gone == b""
        assert await eventually(lambda: hub.server.connections == 0)


async def test_a_head_that_is_too_long_or_none_is_refused_and_quoted_nowhere(either, caplog):
    caplog.set_level(logging.DEBUG)
    get = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    for head in (
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        get + b"X-Secret: " + b"s" * 9000 + b"\r\n\r\n",
        get + b"X-Secret: s\r\n" * 100 + b"\r\n",
        get + b"Secret\r\n\r\n",
        get + b"Content-Length: secret\r\n\r\n",
        get + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nsecret",
        b"SECRET\r\n\r\n",
        b"\x00\x01\x02secret\r\n\r\n",
    ):
        async with connected(either) as (reader, writer):
            writer.write(head)
            answer = await rest_of(reader)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), head
        assert b"malformed" in answer
        assert b"nosniff" in answer
        assert b"secret" not in answer.lower()
        assert b"ssss" not in answer
    assert "secret" not in caplog.text.lower()
    assert "ssss" not in caplog.text
    assert "Traceback" not in caplog.text
    assert await healthy(either)


async def test_what_is_expected_of_us_is_quoted_nowhere(here):
    async with connected(here) as (reader, writer):
        writer.write(
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: secret\r\n"
            b"Connection: close\r\n\r\n"
        )
        answer = await rest_of(reader)
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert b"secret" not in answer
    assert b"nosniff" in answer


async def test_who_hangs_up_is_worked_for_no_longer(here):
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def announce(text, room=None):
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    here.hub._announcer.announce = announce
    async with asyncio.timeout(5):
        async with connected(here) as (_, writer):
            writer.write(
                b"POST /api/announce HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n"
                b"Content-Type: application/json\r\n\r\n" + b'{"text": "hey!"}'
            )
            await begun.wait()
        await stopped.wait()
    assert await eventually(lambda: here.server.connections == 0)


async def test_what_fails_in_mid_answer_is_cut_off_and_not_answered_twice(here, caplog):
    async def half(request):
        response = aiohttp.web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise KeyError("secret")

    async def websocket(request):
        await aiohttp.web.WebSocketResponse().prepare(request)
        raise KeyError("secret")

    app = here.server._runner.app
    for path, handler in (("/api/engines", half), ("/api/events", websocket)):
        (route,) = [
            route
            for route in app.router.routes()
            if route.method == "GET" and route.resource.canonical == path
        ]
        route._handler = handler
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for path, head in ((b"/api/engines", b""), (b"/api/events", upgrade)):
        async with connected(here) as (reader, writer):
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
            answer = await rest_of(reader)
        assert answer.count(b"HTTP/1.1") == 1
        assert b"internal-error" not in answer
        assert not answer.endswith(b"0\r\n\r\n")
    assert caplog.text.count("KeyError at test_web_limits.py") == 2
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_nothing_is_unpacked_for_strangers(there):
    bomb = gzip.compress(bytes(50_000_000))
    async with connected(there) as (reader, writer):
        writer.write(
            b"POST /api/transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n"
            b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        )
        answer = await reader.readline()
        assert b" 401 " in answer
        await rest_of(reader)  # and that was all: it does not wait for the rest
    assert await eventually(lambda: there.server.connections == 0)


async def test_a_hub_that_stops_says_goodbye_on_websockets_and_waits_for_nobody(
    tmp_path, monkeypatch
):
    async with running_hub(tmp_path, monkeypatch) as hub, hub.client() as client:
        events = await client.ws_connect("/api/events", headers=hub.origin)
        # one that reads nothing, and one in the middle of a request
        async with connected(hub) as (_, silent), connected(hub) as (_, half):
            silent.write(
                b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            half.write(b"POST /api/announce HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n")
            assert await eventually(lambda: hub.server.websockets == 2)
            async with asyncio.timeout(10):
                closing = asyncio.create_task(hub.server.close())
                while (message := await events.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert message.type is aiohttp.WSMsgType.CLOSE
                assert message.data == aiohttp.WSCloseCode.GOING_AWAY
                await closing
        assert hub.server.connections == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", hub.port), timeout=1)


# -- rates ----------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_at_once_and_then_its_flow():
    clock = Clock()
    buckets = Buckets(Rate(3, 0.5), clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert buckets.take("b") == 0
    clock.now = 1.0
    assert buckets.take("a") == 1
    clock.now = 2.0
    assert buckets.take("a") == 0
    clock.now = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]


def test_so_many_callers_are_counted_and_no_more():
    buckets = Buckets(Rate(1, 1), Clock())
    for n in range(3000):
        buckets.take(str(n))
    assert len(buckets) == 1024
    assert buckets.take("2999") > 0


async def test_who_asks_too_often_waits_and_others_do_not(there, monkeypatch):
    there.server._limits._light = Buckets(Rate(5, 0.1))
    async with there.client() as one, there.client() as other:
        await there.log_in(one)
        await there.log_in(other)
        answers = [(await one.get("/api/session")) for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
        assert int(answers[-1].headers["Retry-After"]) in range(1, 11)
        assert (await answers[-1].json())["error"]["code"] == "too-many-requests"
        assert (await other.get("/api/session")).status == 200


async def test_what_makes_an_engine_work_is_counted_more_strictly(there):
    token, _ = await asyncio.to_thread(there.credentials.add_token, "script")
    async with there.client(Authorization=f"Bearer {token}") as script:
        answers = [
            (await script.post("/api/announce", json={"text": "Dinner!"})).status for _ in range(40)
        ]
        assert answers.count(429) in range(5, 41 - int(HEAVY.burst))
        assert (await script.get("/api/session")).status == 200


async def test_strangers_are_counted_by_address(there):
    there.server._limits._anonymous = Buckets(Rate(5, 0.1))
    async with there.client() as stranger:
        answers = [(await stranger.get("/metrics")).status for _ in range(8)]
    assert answers == [401] * 5 + [429] * 3


async def test_on_this_machine_nobody_is_counted(here):
    async with here.client() as client:
        answers = [client.get("/api/session") for _ in range(500)]
        assert {(await answer).status for answer in answers} == {200}


async def test_so_much_is_done_at_once_and_no_more_but_health_is_always_told(
    aiohttp_client, monkeypatch
):
    monkeypatch.setattr("hub.web.limits._MOST_AT_ONCE", 2)
    wait = asyncio.Event()
    limits = Limits(rates=False)

    async def slow(_):
        await wait.wait()
        return aiohttp.web.Response()

    async def health(_):
        return aiohttp.web.Response()

    app = aiohttp.web.Application(middlewares=[limits.middleware])
    app.router.add_get("/slow", slow)
    app.router.add_get("/health", health)
    client = await aiohttp_client(app)
    under_way = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
    await eventually(lambda: limits._at_once == 2)
    answer = await client.get("/slow")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert (await client.get("/health")).status == 200
    wait.set()
    assert {(await task).status for task in under_way} == {200}
    assert (await client.get("/slow")).status == 200


async def test_so_many_websockets_are_open_and_no_more(here, monkeypatch):
    monkeypatch.setattr("hub.web.limits._MOST_SOCKETS", 2)
    async with here.client() as client:
        one, two = [await client.ws_connect("/api/events") for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/api/events")
        assert refused.value.status == 503
        await one.close()
        assert await eventually(lambda: here.server.websockets == 1)
        another = await client.ws_connect("/api/events")
        assert not two.closed
        assert not another.closed
