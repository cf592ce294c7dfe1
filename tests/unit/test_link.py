"""The satellite's connection over real sockets: dialling a hub, and being dialled."""

import asyncio
import contextlib
import socket
import time

import pytest
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info, Satellite
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import RunSatellite

from protocol.connection import ConnectionClosed, MalformedFrame
from protocol.extensions import Introduction, introduce, introduction_of
from protocol.transport import connect, serve
from satellite import link as link_module
from satellite.link import Link

TIMEOUT = 20.0
INFO = introduce(
    Info(
        satellite=Satellite(
            name="Hall",
            attribution={"name": "us", "url": ""},
            installed=True,
            description=None,
            version="1",
        )
    ).event(),
    Introduction("Hall", "1"),
)


class Session:
    """Records what reaches it."""

    def __init__(self):
        self.log: asyncio.Queue[str] = asyncio.Queue()
        self.error = None

    def received(self, event):
        if event.type == "bad":
            raise MalformedFrame("bad")
        self.log.put_nowait(event.type)

    def link_lost(self):
        self.log.put_nowait("lost")

    async def expect(self, *types):
        async with asyncio.timeout(TIMEOUT):
            assert tuple([await self.log.get() for _ in types]) == types


class Hub:
    """A scripted hub: accepts each satellite and records what it says."""

    def __init__(self, refuse=False):
        self.refuse = refuse
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.attempts = 0
        self.connection = None

    async def handle(self, connection):
        self.attempts += 1
        event = await connection.read()
        await self.events.put(event)
        if self.refuse:
            await connection.write(Error("unknown satellite", "refused"))
            return
        self.connection = connection
        await connection.write(RunSatellite())
        async for event in connection:
            await self.events.put(event)

    async def next(self):
        async with asyncio.timeout(TIMEOUT):
            return await self.events.get()


@contextlib.asynccontextmanager
async def running(job):
    task = asyncio.create_task(job)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def served(hub, uri):
    server = await serve(uri, hub.handle)
    try:
        yield server.uri
    finally:
        await server.close()


async def test_a_dialling_satellite_introduces_itself_before_anything_else(tmp_path):
    session, link, hub = Session(), Link(INFO), Hub()
    async with served(hub, f"unix://{tmp_path}/hub") as uri, running(link.dial(uri, session)):
        first = await hub.next()
        assert introduction_of(first) == Introduction("Hall", "1")
        await session.expect("run-satellite")
        link.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        assert (await hub.next()).type == "run-pipeline"
        await hub.connection.write(Describe())
        assert (await hub.next()).type == "info"


async def test_nothing_is_sent_before_a_hub_has_accepted_the_satellite():
    session, link = Session(), Link(INFO)
    got = asyncio.Queue()

    async def silent(connection):
        async for event in connection:
            got.put_nowait(event.type)

    server = await serve("tcp://127.0.0.1:0", silent)
    try:
        async with running(link.dial(server.uri, session)), asyncio.timeout(TIMEOUT):
            assert await got.get() == "info"
            link.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
            await asyncio.sleep(0.1)
            assert got.empty()
            assert session.log.empty()
    finally:
        await server.close()


async def test_a_hub_that_appears_late_vanishes_and_returns_is_found_each_time():
    session, link = Session(), Link(INFO)
    async with served(Hub(), "tcp://127.0.0.1:0") as uri:
        pass  # now the port is known, and nobody is there
    async with running(link.dial(uri, session)) as dialling:
        await asyncio.sleep(0.5)
        for _ in range(2):
            async with served(Hub(), uri):
                begin = time.monotonic()
                await session.expect("run-satellite")
                found = time.monotonic() - begin
            await session.expect("lost")
        assert not dialling.done()
        assert found < 3.0


@pytest.mark.parametrize("secure", [True, False])
async def test_a_hub_that_says_nothing_is_named_with_a_reason(monkeypatch, caplog, secure):
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)
    if not secure:  # an error without a text

        async def silent(*_, **__):
            raise TimeoutError

        monkeypatch.setattr(link_module, "connect", silent)
    with socket.create_server(("127.0.0.1", 0)) as hub:
        uri = f"tls://127.0.0.1:{hub.getsockname()[1]}"
        async with running(Link(INFO).dial(uri, Session(), pin=bytes(32))):
            async with asyncio.timeout(TIMEOUT):
                while "trying again" not in caplog.text:
                    await asyncio.sleep(0.01)
    reason = "no answer in 0.1 s" if secure else "no answer in time"
    assert f"hub {uri}: {reason}; trying again until it answers" in caplog.text


async def test_the_retries_back_off_with_jitter_to_at_most_two_seconds(monkeypatch):
    waits = []
    real = asyncio.sleep

    async def sleep(seconds):
        waits.append(seconds)
        await real(0)

    async def refused(*_, **__):
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(link_module, "connect", refused)
    monkeypatch.setattr(link_module.asyncio, "sleep", sleep)
    async with running(Link(INFO).dial("tcp://127.0.0.1:9", Session())):
        while len(waits) < 40:
            await real(0)
    for wait, expected in zip(waits, [0.2, 0.4, 0.8, 1.6] + [2.0] * 36, strict=False):
        assert 0.8 * expected <= wait <= 1.2 * expected
    assert len({round(wait, 6) for wait in waits[4:]}) > 10


async def test_a_hub_that_accepts_and_leaves_at_once_is_not_dialled_in_a_tight_loop(monkeypatch):
    waits = []
    real = asyncio.sleep

    async def sleep(seconds):
        if seconds > 100:  # the heartbeat
            await real(seconds)
        waits.append(seconds)
        await real(0)

    async def fickle(connection):
        await connection.read()
        await connection.write(RunSatellite())

    server = await serve("tcp://127.0.0.1:0", fickle)
    monkeypatch.setattr(link_module, "HEARTBEAT", 1000.0)
    monkeypatch.setattr(link_module.asyncio, "sleep", sleep)
    session = Session()
    try:
        async with running(Link(INFO).dial(server.uri, session)):
            await session.expect(*["run-satellite", "lost"] * 6)
    finally:
        await server.close()
    assert waits[4] >= 1.6


async def test_a_refusal_is_logged_once_and_tried_again_with_back_off(caplog):
    session, hub = Session(), Hub(refuse=True)
    async with (
        served(hub, "tcp://127.0.0.1:0") as uri,
        running(Link(INFO).dial(uri, session)),
        asyncio.timeout(TIMEOUT),
    ):
        for _ in range(3):
            await hub.next()
        hub.refuse = False
        await session.expect("run-satellite")
    lines = [r.message for r in caplog.records if "refuses this satellite" in r.message]
    assert len(lines) == 1
    assert "unknown satellite" in lines[0]


async def test_a_hub_that_breaks_the_protocol_is_left_and_dialled_again():
    session, hub = Session(), Hub()
    async with served(hub, "tcp://127.0.0.1:0") as uri, running(Link(INFO).dial(uri, session)):
        await session.expect("run-satellite")
        await hub.connection.write(Event("bad"))
        await session.expect("lost", "run-satellite")


async def test_a_half_open_hub_is_noticed(monkeypatch):
    monkeypatch.setattr(link_module, "HEARTBEAT", 0.05)
    monkeypatch.setattr(
        link_module, "_LIMITS", link_module.Limits(idle_timeout=0.3, write_timeout=0.3)
    )
    session = Session()

    async def frozen(reader, writer):
        writer.write(b'{"type": "run-satellite"}\n')
        await asyncio.sleep(TIMEOUT)  # says no more: no pong

    server = await asyncio.start_server(frozen, "127.0.0.1", 0)
    uri = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running(Link(INFO).dial(uri, session)):
        await session.expect("run-satellite", "lost", "run-satellite")
    server.close()


async def test_a_hub_that_takes_nothing_is_dropped_and_memory_stays_bounded():
    session, link, hub = Session(), Link(INFO), Hub()
    async with served(hub, "tcp://127.0.0.1:0") as uri, running(link.dial(uri, session)):
        await session.expect("run-satellite")
        for _ in range(link_module.MAX_QUEUED + 1):
            link.send(Event("audio-chunk", {}, bytes(1024)))
        await session.expect("lost", "run-satellite")


async def test_dropping_the_driver_makes_a_new_connection():
    session, link, hub = Session(), Link(INFO), Hub()
    async with served(hub, "tcp://127.0.0.1:0") as uri, running(link.dial(uri, session)):
        await session.expect("run-satellite")
        link.drop("test")
        await session.expect("lost", "run-satellite")
        assert hub.attempts == 2


# ---- being dialled


@contextlib.asynccontextmanager
async def listening(link, session):
    address = asyncio.get_running_loop().create_future()
    job = link.listen("tcp://127.0.0.1:0", session, address.set_result)
    async with running(job) as task, asyncio.timeout(TIMEOUT):
        await asyncio.wait([task, address], return_when=asyncio.FIRST_COMPLETED)
        yield address.result()


async def test_the_first_that_runs_the_satellite_drives_and_a_second_only_gets_info():
    session, link = Session(), Link(INFO)
    async with listening(link, session) as uri, await connect(uri) as first:
        await first.write(RunSatellite())
        await session.expect("run-satellite")
        async with await connect(uri) as second:
            await second.write(Describe())
            assert (await second.read()).type == "info"
            await second.write(Event("transcribe"))
            await second.write(Describe())
            assert (await second.read()).type == "info"
        link.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        assert (await first.read()).type == "run-pipeline"
        await first.write(Event("transcribe"))
        await session.expect("transcribe")  # the second one's went nowhere


async def test_when_the_driver_goes_the_one_that_waits_drives():
    session, link = Session(), Link(INFO)
    async with listening(link, session) as uri, await connect(uri) as second:
        async with await connect(uri) as first:
            await first.write(RunSatellite())
            await session.expect("run-satellite")
            await second.write(RunSatellite())
            await second.write(Describe())
            assert (await second.read()).type == "info"
            assert session.log.empty()
        await session.expect("lost", "run-satellite")
        link.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        assert (await second.read()).type == "run-pipeline"


async def test_a_driver_that_went_can_come_back():
    session, link = Session(), Link(INFO)
    async with listening(link, session) as uri:
        for _ in range(3):
            async with await connect(uri) as driver:
                await driver.write(RunSatellite())
                await session.expect("run-satellite")
            await session.expect("lost")


async def test_cancelling_ends_listening_and_every_connection():
    session, link = Session(), Link(INFO)
    async with listening(link, session) as uri:
        driver = await connect(uri)
        await driver.write(RunSatellite())
        await session.expect("run-satellite")
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(TIMEOUT):
            await driver.read()
    await driver.close()
    with pytest.raises(OSError):
        await connect(uri)
    assert len(asyncio.all_tasks()) == 1


async def test_a_satellite_that_gave_its_place_says_when_it_tries_again(caplog):
    async def replaces(connection):
        await connection.read()
        await connection.write(RunSatellite())
        await connection.write(Error("another satellite is named Hall", "replaced"))
        async for _ in connection:
            pass

    session, link = Session(), Link(INFO)
    server = await serve("tcp://127.0.0.1:0", replaces)
    try:
        async with running(link.dial(server.uri, session)):
            await session.expect("run-satellite", "lost")
            async with asyncio.timeout(TIMEOUT):
                while "trying again" not in caplog.text:
                    await asyncio.sleep(0.01)
    finally:
        await server.close()
    assert "named Hall; give one of the two another name; trying again in 30 s" in caplog.text
