"""Framing, limits, time-outs and orderly ends of one Wyoming connection."""

import asyncio
import contextlib
import json
import random
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.ping import Ping
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.version import __version__ as wyoming_version

from protocol.connection import (
    Connection,
    ConnectionClosed,
    FrameTimeout,
    FrameTooLarge,
    IdleTimeout,
    Limits,
    MalformedFrame,
    ProtocolError,
    WriteTimeout,
)
from protocol.transport import connect, serve

# Sockets within one process deliver at once, so time need only pass when nothing is under way.
pytestmark = pytest.mark.looptime

SMALL = Limits(header=256, data=512, payload=1024)


@asynccontextmanager
async def wired(
    limits: Limits = SMALL, heartbeat: float | None = None
) -> AsyncIterator[tuple[Connection, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection over a real socket, and the raw streams of its peer."""
    ours, theirs = socket.socketpair()
    connection = Connection(
        *await asyncio.open_connection(sock=ours), limits=limits, heartbeat=heartbeat
    )
    reader, writer = await asyncio.open_connection(sock=theirs)
    try:
        async with connection, asyncio.timeout(20):  # no test of ours may hang
            yield connection, reader, writer
    finally:
        writer.transport.abort()


def frame(header: dict[str, object], data: bytes = b"", payload: bytes = b"") -> bytes:
    return json.dumps(header).encode() + b"\n" + data + payload


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (b'{"type":"describe"}\n', Event("describe")),
        (b'{"type":"describe"}\r\n', Event("describe")),
        (b'{"type":"transcript","data":{"text":"a"}}\n', Event("transcript", {"text": "a"})),
        (
            b'{"type":"x","data":{"a":1,"b":1},"data_length":7}\n{"b":2}',
            Event("x", {"a": 1, "b": 2}),
        ),
        (b'{"type":"x","payload_length":3}\nabc', Event("x", {}, b"abc")),
        (b'{"type":"x","data_length":0,"payload_length":0}\n', Event("x")),
        (b'{"type":"x","data":null,"data_length":null,"payload_length":null}\n', Event("x")),
        ('{"type":"x","data_length":10}\n{"a":"é"}'.encode(), Event("x", {"a": "é"})),
    ],
    ids=["plain", "crlf", "inline", "merged", "payload", "zero", "null", "bytes, not characters"],
)
async def test_every_legal_form_of_a_frame_is_read(sent: bytes, event: Event) -> None:
    async with wired() as (connection, _, writer):
        writer.write(sent + b'{"type":"next"}\n')
        assert await connection.read() == event
        assert await connection.read() == Event("next")


@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"\r\n",
        b"hello\n",
        b"[]\n",
        b"null\n",
        b'"type"\n',
        b"{}\n",
        b'{"type":null}\n',
        b'{"type":7}\n',
        b'{"type":["x"]}\n',
        b'{"type":"x","data":[]}\n',
        b'{"type":"x","data":"{}"}\n',
        b'{"type":"x","data_length":-1}\n',
        b'{"type":"x","data_length":"2"}\n{}',
        b'{"type":"x","data_length":2.0}\n{}',
        b'{"type":"x","data_length":true}\n{',
        b'{"type":"x","payload_length":-5}\n',
        b'{"type":"x","payload_length":"1"}\na',
        b'{"type":"x","payload_length":true}\na',
        b'{"type":"x","payload_length":1e1}\n0123456789',
        b'{"type":"x","payload_length":[]}\n',
        b'{"type":"\xff"}\n',
        b'{"type":"\\ud800"}\n',
        b'\xef\xbb\xbf{"type":"x"}\n',
        '{"type":"x"}'.encode("utf-16") + b"\n",
        b'{"type":"x","data_length":2}\n[]',
        b'{"type":"x","data_length":4}\nnull',
        b'{"type":"x","data_length":2}\n{,',
        b'{"type":"x","data_length":9}\n{"a":"\xc3"}',
        b'{"type":"x","data_length":14}\n{"a":"\\udfff"}',
        b'{"type":"x","n":' + b"[" * 200 + b"\n",
    ],
)
async def test_a_malformed_frame_is_refused(sent: bytes) -> None:
    async with wired() as (connection, _, writer):
        writer.write(sent)
        with pytest.raises(MalformedFrame):
            await connection.read()
        writer.write(b'{"type":"describe"}\n')
        with pytest.raises(MalformedFrame):  # and nothing after it is believed
            await connection.read()


async def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack() -> None:
    async with wired(Limits()) as (connection, _, writer):
        writer.write(frame({"type": "x", "data_length": 100_000}, b"[" * 100_000))
        with pytest.raises(MalformedFrame):
            await connection.read()


async def test_an_error_message_never_quotes_the_peer() -> None:
    async with wired() as (connection, _, writer):
        writer.write(b'{"type":"x","data_length":20}\n{"text":"my secret"]]')
        with pytest.raises(MalformedFrame) as caught:
            await connection.read()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "sent",
    [
        b'{"type":"' + b"x" * 245 + b'"}\n',  # 257 bytes
        b"x" * 256,  # no line end in sight
        b'{"type":"x","data_length":513}\n',
        b'{"type":"x","payload_length":1025}\n',
        b'{"type":"x","payload_length":' + b"9" * 200 + b"}\n",
    ],
    ids=["long header", "endless header", "data", "payload", "200 digits"],
)
async def test_what_is_over_a_limit_is_refused_before_it_comes(sent: bytes) -> None:
    async with wired() as (connection, _, writer):
        writer.write(sent)
        with pytest.raises(FrameTooLarge):
            await connection.read()


async def test_what_is_exactly_at_each_limit_is_accepted() -> None:
    header = b'{"type":"%s","data_length":512,"payload_length":1024}\n'
    header %= b"x" * (256 - len(header) + 2)
    block = b'{"a":"' + b"y" * 504 + b'"}'
    async with wired() as (connection, _, writer):
        writer.write(header + block + b"z" * 1024)
        event = await connection.read()
    assert (len(header), len(block)) == (256, 512)
    assert (len(event.data["a"]), event.payload) == (504, b"z" * 1024)


async def test_a_claim_of_a_gigabyte_costs_no_memory() -> None:
    async with wired(Limits()) as (connection, _, writer):
        tracemalloc.start()
        try:
            writer.write(b'{"type":"x","payload_length":1000000000}\n' + b"z" * 10_000)
            with pytest.raises(FrameTooLarge):
                await connection.read()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2_000_000


async def test_a_header_without_end_costs_bounded_memory() -> None:
    async with wired(Limits()) as (connection, _, writer):
        tracemalloc.start()
        try:
            writer.write(b"x" * 65_536)
            with pytest.raises(FrameTooLarge):
                await connection.read()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2_000_000


async def test_any_mutation_of_valid_frames_gives_events_or_a_typed_error() -> None:
    rng = random.Random(20240607)
    valid = [
        b'{"type":"describe","version":"1.10.2"}\n',
        b'{"type":"transcript","data":{"text":"hi","n":[1,2.5,null,true]}}\n',
        frame({"type": "x", "data_length": 14, "payload_length": 3}, b'{"a":"\\u00e9"}', b"abc"),
        frame({"type": "audio-chunk", "data_length": 14, "payload_length": 8}, b'{"rate":16000}')
        + bytes(8),
        b'{"type":"ping","data":{"text":"p"}}\n',
    ]
    tokens = [b"{", b"}", b"[", b'"', b"\n", b"\r\n", b"null", b"-1", b"1e9", b"999999", b"\\ud800"]
    outcomes = {"event": 0, "error": 0}
    for _ in range(4000):
        stream = bytearray(b"".join(rng.choices(valid, k=rng.randint(1, 3))))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(stream))
            match rng.randrange(4):
                case 0:
                    stream[at] = rng.randrange(256)
                case 1:
                    del stream[at : at + rng.randint(1, 8)]
                case 2:
                    stream[at:at] = rng.choice(tokens)
                case _:
                    stream[at:at] = stream[at : at + rng.randint(1, 20)]
            stream = stream or bytearray(b"\n")
        reader = asyncio.StreamReader()
        connection = Connection(reader, _Discard(), limits=SMALL)  # type: ignore[arg-type]
        reader.feed_data(bytes(stream))
        reader.feed_eof()
        try:
            while True:
                event = await connection.read()
                assert isinstance(event.type, str)
                assert isinstance(event.data, dict)
                outcomes["event"] += 1
        except (ProtocolError, ConnectionClosed):
            outcomes["error"] += 1
    assert outcomes["error"] == 4000  # each stream ends, and with nothing else
    assert outcomes["event"] > 1000  # the mutations leave something to read


class _Discard:
    """Takes what is written; the fuzz needs no socket for four thousand connections."""

    def get_extra_info(self, _: str) -> None:
        return None

    async def drain(self) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def write(self, _: bytes) -> None:
        return None


async def test_a_frame_that_drips_in_is_cut_off() -> None:
    limits = Limits(frame_timeout=0.2, idle_timeout=None)
    async with wired(limits) as (connection, _, writer):

        async def drip() -> None:
            for byte in b'{"type":"describe"' + b" " * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        with pytest.raises(FrameTimeout):
            await connection.read()
        dripping.cancel()


async def test_a_reader_that_gives_up_often_still_sees_the_time_out() -> None:
    async with wired(Limits(idle_timeout=0.1)) as (connection, _, _writer):
        with pytest.raises(IdleTimeout):
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await connection.read()


async def test_a_silent_peer_is_noticed() -> None:
    async with wired(Limits(idle_timeout=0.05)) as (connection, _, _writer):
        with pytest.raises(IdleTimeout):
            await connection.read()


async def test_a_caller_who_was_busy_does_not_charge_it_to_the_peer() -> None:
    async with wired(Limits(idle_timeout=0.2)) as (connection, _, writer):
        await asyncio.sleep(0.4)
        asyncio.get_running_loop().call_later(0.05, writer.write, b'{"type":"late"}\n')
        assert await connection.read() == Event("late")


async def test_a_frame_has_its_whole_time_however_long_its_beginning_was_waited_for() -> None:
    limits = Limits(idle_timeout=2.0, frame_timeout=1.0)
    async with wired(limits) as (connection, _, writer):
        loop = asyncio.get_running_loop()
        loop.call_later(1.5, writer.write, b'{"type":')
        loop.call_later(2.2, writer.write, b'"slow"}\n')
        assert await connection.read() == Event("slow")


async def test_pings_count_as_traffic_and_are_answered_with_their_text() -> None:
    async with wired(Limits(idle_timeout=0.5)) as (connection, reader, writer):

        async def ping() -> None:
            for _ in range(10):
                await async_write_event(Ping(text="are you there").event(), writer)
                await asyncio.sleep(0.1)
            await async_write_event(Event("done"), writer)

        pinging = asyncio.create_task(ping())
        assert await connection.read() == Event("done")  # after twice the idle time-out
        await pinging
        for _ in range(10):
            assert await async_read_event(reader) == Event("pong", {"text": "are you there"})


async def test_a_ping_with_a_strange_text_is_answered_without_it() -> None:
    async with wired(Limits()) as (connection, reader, writer):
        writer.write(b'{"type":"ping","data":{"text":' + b"[" * 900 + b"]" * 900 + b"}}\n")
        writer.write(b'{"type":"next"}\n')
        assert await connection.read() == Event("next")
        assert await async_read_event(reader) == Event("pong", {"text": None})


async def test_two_connections_with_heartbeats_keep_each_other_alive() -> None:
    ours, theirs = socket.socketpair()
    limits = Limits(idle_timeout=0.4)
    async with (
        Connection(*await asyncio.open_connection(sock=ours), limits=limits, heartbeat=0.05) as a,
        Connection(*await asyncio.open_connection(sock=theirs), limits=limits) as b,
    ):
        reading = [asyncio.create_task(a.read()), asyncio.create_task(b.read())]
        done, _ = await asyncio.wait(reading, timeout=1.2)
        assert not done
        for task in reading:
            task.cancel()


async def test_the_heartbeat_ends_with_the_connection() -> None:
    before = asyncio.all_tasks()
    async with wired(heartbeat=0.01) as (_, reader, _writer):
        assert await async_read_event(reader) == Event("ping", {"text": None})
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    async with wired(heartbeat=3600):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_the_heartbeat_gives_up_a_peer_that_talks_but_never_reads() -> None:
    limits = Limits(write_timeout=0.1, idle_timeout=None)
    async with wired(limits, heartbeat=0.01) as (connection, _, writer):
        await _fill(connection)

        async def talk() -> None:
            while True:
                writer.write(b'{"type":"x"}\n')
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk())
        with pytest.raises(WriteTimeout):
            while True:
                await connection.read()
        talking.cancel()


async def _fill(connection: Connection) -> int:
    """Write until the peer's and our own buffers are full; return the number of events taken."""
    taken = 0
    with contextlib.suppress(TimeoutError, WriteTimeout):
        while True:
            async with asyncio.timeout(0.05):
                await connection.write(Event("bulk", {"n": taken}, bytes(50_000)))
            taken += 1
    return taken


async def test_a_peer_that_reads_nothing_is_noticed() -> None:
    async with wired(Limits(write_timeout=0.1)) as (connection, _, _writer):
        with pytest.raises(WriteTimeout):
            while True:
                await connection.write(Event("bulk", {}, bytes(50_000)))


async def test_a_reader_is_not_held_for_ever_by_a_pong_that_nobody_takes() -> None:
    async with wired(Limits(write_timeout=0.1)) as (connection, _, writer):
        await _fill(connection)
        writer.write(b'{"type":"ping"}\n')
        with pytest.raises(WriteTimeout):
            await connection.read()


async def test_cancelled_writes_leave_whole_frames_and_bounded_buffers() -> None:
    async with wired(Limits(write_timeout=5.0)) as (connection, reader, _writer):
        whole = await _fill(connection)
        for attempt in range(50):  # each gives up while it waits for room
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.002):
                    await connection.write(Event("cancelled", {"n": attempt}, bytes(50_000)))
        last = asyncio.create_task(connection.write(Event("last")))
        for n in range(whole):
            event = await async_read_event(reader)
            assert event is not None
            assert (event.type, event.data["n"], len(event.payload or b"")) == ("bulk", n, 50_000)
        await last
        assert await async_read_event(reader) == Event("last")  # none of the cancelled ones


async def test_many_writers_together_buffer_no_more_than_one() -> None:
    size = 50_000
    async with wired(Limits(write_timeout=1.0)) as (connection, reader, _writer):
        await _fill(connection)
        writers = [
            asyncio.create_task(connection.write(Event("x", {}, bytes(size)))) for _ in range(50)
        ]
        await reader.readexactly(300_000)  # makes room for some
        await asyncio.wait(writers)
        assert 0 < sum(task.exception() is None for task in writers) < 50
        transport = connection._writer.transport
        _, high = transport.get_write_buffer_limits()
        assert transport.get_write_buffer_size() <= high + size + 1000


async def test_a_read_that_is_cancelled_in_mid_frame_loses_nothing() -> None:
    sent = frame({"type": "x", "data_length": 7, "payload_length": 4}, b'{"a":1}', b"abcd")
    async with wired() as (connection, _, writer):
        for byte in sent[:-1]:
            reading = asyncio.create_task(connection.read())
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        writer.write(sent[-1:])
        assert await connection.read() == Event("x", {"a": 1}, b"abcd")


async def test_frames_of_many_writers_never_mix() -> None:
    async with wired(Limits()) as (connection, reader, _writer):

        async def write(n: int) -> None:
            for i in range(20):
                await connection.write(Event("x", {"w": n, "i": i}, bytes([n]) * 5000))

        writers = [asyncio.create_task(write(n)) for n in range(10)]
        seen: dict[int, int] = {}
        for _ in range(200):
            event = await async_read_event(reader)
            assert event is not None
            assert event.payload == bytes([event.data["w"]]) * 5000
            assert event.data["i"] == seen.get(event.data["w"], -1) + 1
            seen[event.data["w"]] = event.data["i"]
        await asyncio.gather(*writers)


async def test_the_written_layout_is_the_librarys() -> None:
    async with wired() as (connection, reader, _writer):
        await connection.write(Event("x", {"text": "é"}, b"pcm"))
        header = json.loads(await reader.readline())
        block = await reader.readexactly(header["data_length"])
        assert header == {
            "type": "x",
            "version": wyoming_version,
            "data_length": len('{"text": "é"}'.encode()),
            "payload_length": 3,
        }
        assert block == '{"text": "é"}'.encode()
        assert await reader.readexactly(3) == b"pcm"
        await connection.write(Event("describe"))
        assert json.loads(await reader.readline()) == {
            "type": "describe",
            "version": wyoming_version,
        }


async def test_an_event_that_cannot_be_serialised_sends_nothing() -> None:
    async with wired() as (connection, reader, _writer):
        with pytest.raises(TypeError):
            await connection.write(Event("x", {"a": object()}))
        await connection.write(Event("describe"))
        assert await async_read_event(reader) == Event("describe")


async def test_the_end_of_the_stream_between_frames_ends_the_iteration() -> None:
    async with wired() as (connection, _, writer):
        writer.write(b'{"type":"a"}\n{"type":"b"}\n')
        writer.write_eof()
        assert [event.type async for event in connection] == ["a", "b"]
        with pytest.raises(ConnectionClosed, match="between frames"):
            await connection.read()


@pytest.mark.parametrize("part", [b'{"type"', b'{"type":"x","payload_length":9}\nabc'])
async def test_the_end_of_the_stream_inside_a_frame_is_a_typed_error(part: bytes) -> None:
    async with wired() as (connection, _, writer):
        writer.write(part)
        writer.write_eof()
        with pytest.raises(ConnectionClosed, match="middle"):
            await connection.read()


async def test_a_reset_is_a_typed_error_for_reader_and_writer() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    async with await connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}") as connection:
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()  # with linger 0 this resets
        with pytest.raises(ConnectionClosed):
            await connection.read()
        with pytest.raises(ConnectionClosed):
            while True:
                await connection.write(Event("x"))
    listener.close()


async def test_close_wakes_a_reader_and_refuses_writers_and_may_be_repeated() -> None:
    async with wired() as (connection, _, _writer):
        reading = asyncio.create_task(connection.read())
        await asyncio.sleep(0)
        await asyncio.gather(connection.close(), connection.close())
        with pytest.raises(ConnectionClosed):
            await reading
        with pytest.raises(ConnectionClosed):
            await connection.write(Event("x"))
        await connection.close()


async def test_close_is_bounded_when_the_peer_takes_nothing() -> None:
    async with wired(Limits()) as (connection, _, _writer):
        await _fill(connection)
        waiting = asyncio.create_task(connection.write(Event("waiting")))
        await asyncio.sleep(0)
        await connection.close()  # `wired` fails the test if this hangs
        with pytest.raises(ConnectionClosed):
            await waiting


async def test_close_still_delivers_what_was_written() -> None:
    async with wired(Limits()) as (connection, reader, _writer):
        event = Event("x", {}, bytes(500_000))  # more than a socket holds
        await connection.write(event)
        closing = asyncio.create_task(connection.close())
        assert await async_read_event(reader) == event
        await closing


async def test_who_is_hung_up_on_may_send_on_and_sees_no_reset() -> None:
    async with wired(Limits(), heartbeat=0.5) as (connection, reader, writer):
        await connection.write(Event("last"))
        hanging_up = asyncio.create_task(connection.hang_up(10.0))
        assert (await async_read_event(reader)).type == "last"
        assert await reader.read() == b""
        for _ in range(5):
            writer.write(bytes(300_000))
            await writer.drain()
            await asyncio.sleep(1.0)
        assert not hanging_up.done()
        writer.close()
        await writer.wait_closed()  # as Home Assistant does; a reset would be raised here
        await hanging_up


async def test_who_does_not_hang_up_is_not_waited_for_longer_than_told() -> None:
    async with wired() as (connection, _, writer):
        began = asyncio.get_running_loop().time()
        await connection.hang_up(3.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(3.0, abs=0.1)
        await connection.hang_up(1.0)  # again
        await connection.close()
        await connection.hang_up(1.0)
        writer.close()


async def test_a_ping_that_is_ignored_ends_the_wait_for_it() -> None:
    async with wired() as (connection, reader, writer):
        waiting = asyncio.create_task(connection.ignore_ping(2.2))
        for event in (Event("x"), Event("pong"), Ping().event()):
            await async_write_event(event, writer)
            assert not waiting.done()
            await asyncio.sleep(0.5)
        assert waiting.done()
        await connection.hang_up(0.1)
        assert await reader.read() == b""  # no pong
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"no frame\n"])
async def test_who_does_not_ping_is_not_waited_for_longer_than_told(sent: bytes) -> None:
    async with wired() as (connection, _, writer):
        writer.write(sent)
        began = asyncio.get_running_loop().time()
        await connection.ignore_ping(2.2)
        assert asyncio.get_running_loop().time() - began <= 2.3
        writer.transport.abort()
        await connection.ignore_ping(60.0)  # it has gone


async def test_hanging_up_on_who_has_gone_is_nothing() -> None:
    async with wired(heartbeat=1.0) as (connection, _, writer):
        writer.transport.abort()
        await connection.hang_up(60.0)


async def test_the_librarys_client_understands_us_and_we_it() -> None:
    chunk = AudioChunk(rate=16000, width=2, channels=1, audio=bytes(range(256)) * 40)

    async def echo(connection: Connection) -> None:
        async for event in connection:
            await connection.write(event)

    server = await serve("tcp://127.0.0.1:0", echo)
    host, port = server.uri.removeprefix("tcp://").split(":")
    async with asyncio.timeout(10), AsyncTcpClient(host, int(port)) as client:
        for event in (chunk.event(), Transcript(text="Grüße, 世界").event(), Event("describe")):
            await client.write_event(event)
            assert await client.read_event() == event
        await client.write_event(Ping(text="t").event())
        assert await client.read_event() == Event("pong", {"text": "t"})
    await server.close()


async def test_the_librarys_server_understands_us_and_we_it() -> None:
    class Echo(AsyncEventHandler):
        async def handle_event(self, event: Event) -> bool:
            await self.write_event(event)
            return event.type != "bye"

    library = AsyncTcpServer("127.0.0.1", 0)
    await library.start(Echo)
    port = library._server.sockets[0].getsockname()[1]  # type: ignore[union-attr,attr-defined]
    chunk = AudioChunk(rate=22050, width=2, channels=2, audio=bytes(8192), timestamp=5)
    async with asyncio.timeout(10), await connect(f"tcp://127.0.0.1:{port}") as connection:
        await connection.write(chunk)
        await connection.write(Transcript(text="Grüße, 世界"))
        await connection.write(Event("bye"))
        assert [event async for event in connection] == [
            chunk.event(),
            Transcript(text="Grüße, 世界").event(),
            Event("bye"),
        ]
    await library.stop()


@pytest.mark.parametrize("event_type", ["ping", "unknown"])
async def test_a_burst_of_small_frames_lets_others_have_their_turn(event_type):
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with wired(Limits(idle_timeout=1)) as (connection, reader, writer):
        writer.write(frame({"type": event_type}) * 2000 + frame({"type": "last"}))
        await writer.drain()
        drain = asyncio.create_task(reader.read())  # of the pongs
        await asyncio.sleep(0.1)  # all of it has come
        beside = asyncio.create_task(other())
        while (await connection.read()).type != "last":
            pass
        for task in (beside, drain):
            task.cancel()
        await asyncio.gather(beside, drain, return_exceptions=True)
    assert turns > 100
