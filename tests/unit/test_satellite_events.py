"""What the hub sends satellites outside of turns: timers, volume, announcements; real sockets."""

import asyncio
import contextlib

import pytest
from scripted import QUIET, VOICE
from test_satellite_server import INFO, RUN, TIMEOUT, Satellite, chunk, quick
from wyoming.audio import AudioStart
from wyoming.event import Event
from wyoming.snd import Played
from wyoming.timer import TimerFinished
from wyoming.wake import Detection

from hub.config import LinkSettings, Settings, TurnSettings
from hub.conversation.interruption import Judge
from hub.conversation.turn import Outcome
from hub.service.announcer import Announcer
from hub.service.satellites import SatelliteServer
from protocol.connection import Connection
from protocol.control import Volume
from protocol.extensions import Introduction, Playback, introduce, turn_of
from protocol.transport import connect, serve

RING = TimerFinished("t1").event()
QUIETER = Volume(0.5).event()


class House:
    def __init__(self, bench, server):
        self.bench = bench
        self.server = server
        self.uri = ""
        self.announcer = Announcer(lambda: server.links, bench.engines.tts, bench.settings)

    @contextlib.asynccontextmanager
    async def satellite(self, room="Kitchen"):
        async with await connect(self.uri) as connection:
            satellite = Satellite(connection)
            await satellite.send(introduce(INFO, Introduction(room, "1")))
            await satellite.expect("run-satellite")
            yield satellite


@contextlib.asynccontextmanager
async def house(arrived=None, dial=()):
    bench = await quick().open()
    settings = Settings(
        link=LinkSettings(listen="tcp://127.0.0.1:0", dial=dial),
        turn=TurnSettings(silence=0.2, no_speech=1.0),
    )
    judge = Judge(bench.engines.vad, bench.engines.stt, settings)
    more = () if arrived is None else (arrived,)
    server = SatelliteServer(bench.rooms, settings, judge, *more)
    place = House(bench, server)
    place.uri = await server.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            yield place
    finally:
        await server.close()
        await bench.rooms.close()


async def until(condition):
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_event_reaches_the_rooms_satellite_and_no_other():
    async with house() as hub, hub.satellite("Kitchen") as kitchen, hub.satellite("Hall") as hall:
        assert await hub.server.send("Kitchen", RING) is True
        assert await hub.server.send("Attic", RING) is False
        assert await hub.server.send("Hall", QUIETER, extension=True) is True
        assert (await kitchen.expect("timer-finished")).data == {"id": "t1"}
        assert (await hall.expect("volume")).data == {"level": 0.5}
        assert all(event.type != "timer-finished" for event in hall.seen)
    assert await hub.server.send("Kitchen", RING) is False


async def test_a_satellite_that_arrives_can_be_sent_something_at_once_and_each_time():
    rooms = []

    async def arrived(room):
        rooms.append(room)
        assert await hub.server.send(room, QUIETER, extension=True)

    async with house(arrived) as hub:
        for _ in range(2):
            async with hub.satellite() as kitchen:
                assert (await kitchen.expect("volume")).data == {"level": 0.5}
            await until(lambda: not hub.server.links)
    assert rooms == ["Kitchen", "Kitchen"]


async def played(satellite: Satellite) -> list[Event]:
    """Hear an announcement out, and say that it was played; return what came."""
    satellite.seen.clear()
    await satellite.expect("audio-stop")
    await satellite.send(Played())
    return satellite.seen


async def test_an_announcement_is_a_reply_that_nobody_asked_for():
    async with house() as hub, hub.satellite() as kitchen:
        telling = asyncio.create_task(hub.announcer.announce("Dinner is ready.", "kitchen"))
        events = await played(kitchen)
        assert await telling == {"Kitchen": "heard"}
        kinds = list(dict.fromkeys(event.type for event in events))
        assert kinds == ["audio-start", "synthesize", "audio-chunk", "audio-stop"]
        assert turn_of(events[0]) is not None
        assert events[1].data["text"] == "Dinner is ready."


async def test_the_wake_word_interrupts_an_announcement_and_the_question_is_answered():
    async with house() as hub, hub.satellite() as kitchen:
        telling = asyncio.create_task(hub.announcer.announce("Dinner is ready, " * 10))
        turn = turn_of(await kitchen.expect("audio-start"))
        await kitchen.send(Playback(turn, 48000))
        await until(lambda: hub.bench.room("Kitchen").turn.playback.heard())
        await kitchen.send(Detection(name="hey_jarvis"), RUN, AudioStart(16000, 2, 1))
        assert (await kitchen.expect("flush")).data == {"turn": turn}
        await kitchen.send(*(chunk(pcm) for pcm in [QUIET] * 10 + [VOICE] * 40 + [QUIET] * 20))
        assert await telling == {"Kitchen": "interrupted"}
        said = [e.data["text"].strip() for e in await played(kitchen) if e.type == "synthesize"]
        assert " ".join(said) == hub.bench.llm.text
        await until(lambda: len(hub.bench.ended) == 2)
        outcomes = [turn.outcome for turn in hub.bench.ended]
        assert outcomes == [Outcome.INTERRUPTED, Outcome.ANSWERED]


async def test_an_announcement_ends_when_its_satellite_goes():
    async with house() as hub:
        async with hub.satellite() as kitchen:
            telling = asyncio.create_task(
                hub.announcer.announce("Dinner is ready. " * 10, "kitchen")
            )
            await kitchen.expect("audio-start")
        with pytest.raises(Exception, match="went away"):
            await telling


class Stock:
    """Another maker's satellite, which knows nothing of ours."""

    def __init__(self, name="Porch"):
        self.name = name
        self.kinds: list[str] = []
        self.connection: Connection | None = None

    async def serve(self, connection: Connection):
        self.connection = connection
        async for event in connection:
            self.kinds.append(event.type)
            if event.type == "describe":
                satellite = {**INFO.data["wake"][0], "name": self.name}
                await connection.write(Event("info", INFO.data | {"satellite": satellite}))
            elif event.type == "audio-stop":
                await connection.write(Played())


async def test_a_stock_satellite_gets_timers_and_announcements_and_no_event_of_ours(tmp_path):
    stock = Stock()
    server = await serve(f"unix://{tmp_path}/stock", stock.serve)
    try:
        async with house(dial=(server.uri,)) as hub:
            await until(lambda: "Porch" in hub.server.links)
            assert await hub.server.send("Porch", RING) is True
            assert await hub.server.send("Porch", QUIETER, extension=True) is False
            assert await hub.announcer.announce("Dinner is ready.") == {"Porch": "heard"}
        kinds = list(dict.fromkeys(kind for kind in stock.kinds if kind not in ("ping", "pong")))
        assert kinds == [
            "describe",
            "run-satellite",
            "timer-finished",
            "audio-start",
            "synthesize",
            "audio-chunk",
            "audio-stop",
        ]
    finally:
        await server.close()
