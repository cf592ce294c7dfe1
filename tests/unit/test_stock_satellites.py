"""The hub drives other makers' satellites: their wake word is heard here, and they are found."""

import asyncio
import contextlib
from functools import partial

import pytest
from discovering import unique_name
from processes import free_port
from scripted import QUIET, VOICE, WAKE_WORD
from service_port import ScriptedWake
from test_satellite_server import quick
from wyoming.audio import AudioChunk, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, Satellite
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.snd import Played

from hub.config import LinkSettings, Settings
from hub.conversation.interruption import Judge
from hub.engines.base import EngineError
from hub.engines.supervisor import Supervised
from hub.service import dialler, discovered, remote_wake
from hub.service.satellites import SatelliteServer
from protocol.discovery import announced
from protocol.extensions import Introduction, introduce
from protocol.settings import ConfigError

pytestmark = pytest.mark.long  # a minute: they wait for the network, as satellites do

TIMEOUT = 20.0


class StockSatellite:
    """Made with the wyoming package; it streams what its microphone hears from the start on."""

    def __init__(self, *, restart: bool = True, name: str = "hall", ours: bool = False) -> None:
        self.told: list[Event] = []
        self.pipeline = RunPipeline(PipelineStage.WAKE, PipelineStage.TTS, restart_on_end=restart)
        self.changed = asyncio.Event()
        self.said: asyncio.Queue[bytes | Event] = asyncio.Queue()
        self.drivers = 0
        info = Info(satellite=Satellite(name, Attribution("", ""), True, "", "1")).event()
        self.info = introduce(info, Introduction(name, "1")) if ours else info
        self.port = free_port()
        self.uri = f"tcp://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self):
        server = AsyncServer.from_uri(self.uri)
        await server.start(partial(_Handler, self))
        try:
            yield self
        finally:
            await server.stop()

    def say(self, *frames: bytes | Event) -> None:
        for frame in frames:
            self.said.put_nowait(frame)

    def types(self) -> list[str]:
        return [event.type for event in self.told]

    async def until(self, condition) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_told(self, event_type: str, times: int = 1) -> Event:
        await self.until(lambda: self.types().count(event_type) >= times)
        return [event for event in self.told if event.type == event_type][times - 1]


class _Handler(AsyncEventHandler):
    def __init__(self, satellite: StockSatellite, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.satellite = satellite
        self.streaming: asyncio.Task[None] | None = None

    async def handle_event(self, event: Event) -> bool:
        satellite = self.satellite
        if Describe.is_type(event.type):
            await self.write_event(satellite.info)
        elif Ping.is_type(event.type):
            await self.write_event(Pong().event())
        elif not Pong.is_type(event.type):
            satellite.told.append(event)
        if event.type == "run-satellite":
            satellite.drivers += 1
            await self.write_event(Ping().event())
            await self.write_event(satellite.pipeline.event())
            self.streaming = asyncio.create_task(self._stream())
        elif event.type == "audio-stop":
            await self.write_event(Played().event())
        satellite.changed.set()
        return True

    async def _stream(self) -> None:
        while True:
            said = QUIET if self.satellite.said.empty() else self.satellite.said.get_nowait()
            event = said if isinstance(said, Event) else AudioChunk(16000, 2, 1, said).event()
            with contextlib.suppress(ConnectionError):
                await self.write_event(event)
            await asyncio.sleep(0.02)

    async def disconnect(self) -> None:
        if self.streaming is not None:
            self.streaming.cancel()
            self.satellite.drivers -= 1
            self.satellite.changed.set()


@pytest.fixture
def name() -> str:
    return unique_name()


@contextlib.asynccontextmanager
async def driving(link: LinkSettings, wake: ScriptedWake | None = None):
    """Run a hub's satellite side with scripted engines."""
    bench = await quick().open()
    settings = Settings(link=link, turn=bench.settings.turn)

    async def give() -> ScriptedWake:
        return wake or ScriptedWake()

    supervised = Supervised("wake", give)
    supervised.start()
    judge = Judge(bench.engines.vad, bench.engines.stt, settings)
    server = SatelliteServer(bench.rooms, settings, judge, wake=supervised)
    await server.start()
    try:
        yield bench, server
    finally:
        await server.close()
        await bench.rooms.close()
        await supervised.close()
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in left if name.startswith(("wake word", "found", "dial "))]


def dialling(satellite: StockSatellite) -> LinkSettings:
    return LinkSettings(listen="tcp://127.0.0.1:0", dial=(satellite.uri,))


QUESTION = [*[WAKE_WORD] * 2, *[QUIET] * 5, *[VOICE] * 50]


async def test_a_satellite_without_a_wake_word_is_woken_by_the_hub_again_and_again():
    async with (
        StockSatellite().running() as satellite,
        driving(dialling(satellite)) as (bench, server),
    ):
        await satellite.until_told("detect")
        satellite.say(*[QUIET] * 20, *[VOICE] * 20)
        await asyncio.sleep(1.0)
        assert satellite.types() == ["run-satellite", "detect"], "nobody has said the wake word"
        for turn in (1, 2):
            satellite.say(*QUESTION)
            await satellite.until_told("audio-stop", turn)
            await satellite.until_told("detect", turn + 1)
        order = [kind for kind in dict.fromkeys(satellite.types()) if kind != "transcript-chunk"]
        assert order[:7] == [
            *("run-satellite", "detect", "detection", "transcribe"),
            *("voice-started", "voice-stopped", "transcript"),
        ]
        assert {*order[7:]} == {"synthesize", "audio-start", "audio-chunk", "audio-stop"}
        detection = await satellite.until_told("detection")
        assert detection.data["name"] == "hey_jarvis"
        assert detection.data["timestamp"] > 700
        async with asyncio.timeout(TIMEOUT):
            while len(bench.ended) < 2:
                await asyncio.sleep(0.05)
        assert [turn.outcome.name for turn in bench.ended] == ["ANSWERED", "ANSWERED"]


async def test_a_command_said_at_once_after_the_wake_word_is_heard_from_its_beginning():
    async with (
        StockSatellite().running() as satellite,
        driving(dialling(satellite)) as (bench, server),
    ):
        await satellite.until_told("detect")
        satellite.say(*[QUIET] * 20, WAKE_WORD, *[VOICE] * 75)
        await satellite.until_told("transcript")
        assert bench.stt.heard_seconds >= 1.5


async def test_the_wake_word_over_a_reply_interrupts_it():
    async with (
        StockSatellite().running() as satellite,
        driving(dialling(satellite)) as (bench, server),
    ):
        bench.llm.text = "A very long story is what I tell you now. " * 20
        satellite.say(*[QUIET] * 5, *QUESTION)
        await satellite.until_told("audio-start")
        satellite.say(*QUESTION)
        await satellite.until_told("detection", 2)
        await satellite.until_told("transcript", 2)
        assert bench.ended[0].outcome.name == "INTERRUPTED"


async def test_a_satellite_that_streams_only_at_speech_is_woken_each_time_that_it_asks():
    async with (
        StockSatellite(restart=False).running() as satellite,
        driving(dialling(satellite)) as (bench, server),
    ):
        satellite.say(*[QUIET] * 5, *QUESTION)
        await satellite.until_told("audio-stop")
        satellite.say(*QUESTION)
        await asyncio.sleep(2.0)
        assert satellite.types().count("detect") == 1
        assert satellite.types().count("detection") == 1


async def test_wake_words_that_fail_are_tried_again(monkeypatch, caplog):
    monkeypatch.setattr(remote_wake, "_FIRST_RETRY", 0.1)
    wake = ScriptedWake()
    stream, failed = wake.stream, []

    def failing(names=None, program=None):
        if len(failed) < 2:
            failed.append(1)
            raise EngineError("no memory")
        return stream(names, program)

    wake.stream = failing
    async with (
        StockSatellite().running() as satellite,
        driving(dialling(satellite), wake) as (bench, server),
    ):
        await asyncio.sleep(1.0)
        satellite.say(*QUESTION)
        await satellite.until_told("transcript")
        assert caplog.text.count("no wake word can be heard") == 2
    assert wake.open == 0


async def test_a_satellite_that_goes_in_mid_command_is_dialled_and_woken_again(monkeypatch):
    monkeypatch.setattr(dialler, "_LONGEST_RETRY", 0.2)
    satellite = StockSatellite()
    async with driving(dialling(satellite)) as (bench, server):
        async with satellite.running():
            satellite.say(*[QUIET] * 5, *QUESTION[:30])
            await satellite.until_told("voice-started")
        await asyncio.sleep(0.3)
        satellite.told.clear()
        async with satellite.running():
            await satellite.until_told("detect")
            satellite.say(*QUESTION)
            await satellite.until_told("audio-stop")


async def test_a_stage_that_nobody_can_begin_at_is_an_error():
    satellite = StockSatellite()
    satellite.pipeline = RunPipeline(PipelineStage.TTS, PipelineStage.TTS)
    async with satellite.running(), driving(dialling(satellite)):
        assert Error.from_event(await satellite.until_told("error")).code == "bad-stage"


async def test_a_satellite_that_stops_its_sound_while_the_hub_listens_goes_on_later():
    satellite = StockSatellite()
    async with satellite.running(), driving(dialling(satellite)):
        await satellite.until_told("detect")
        satellite.say(AudioStop().event(), *[QUIET] * 5, *QUESTION)
        await satellite.until_told("transcript")


# -- found on the network ------------------------------------------------------------------------

FINDING = LinkSettings(listen="tcp://127.0.0.1:0", discover=True, dial_plain=True)


def published(satellite: StockSatellite, label: str):
    return announced(label, satellite.port, lambda: ["127.0.0.1"])


def test_finding_satellites_needs_leave_to_speak_in_plain_text():
    bench = quick()
    with pytest.raises(ConfigError, match="dial_plain"):
        SatelliteServer(bench, Settings(link=LinkSettings(discover=True)), None)


async def test_a_satellite_that_is_found_is_driven_until_it_goes(name, monkeypatch):
    monkeypatch.setattr(discovered, "_FIRST_RETRY", 0.2)
    satellite = StockSatellite(name=name)
    async with driving(FINDING) as (bench, server):
        async with published(satellite, name), satellite.running():
            await satellite.until_told("run-satellite")
            assert name in server.links
            satellite.say(*QUESTION)
            await satellite.until_told("audio-stop")
        await asyncio.sleep(1.0)
        told = len(satellite.told)
        async with satellite.running():
            await asyncio.sleep(2.0)
            assert len(satellite.told) == told, "it is announced no more"


async def test_a_satellite_that_is_driven_stays_so_when_its_announcement_is_lost(name):
    satellite = StockSatellite(name=name)
    async with driving(FINDING) as (bench, server), satellite.running():
        async with published(satellite, name):
            await satellite.until_told("run-satellite")
        await asyncio.sleep(1.5)
        assert satellite.drivers == 1
        satellite.say(*QUESTION)
        await satellite.until_told("audio-stop")


async def test_our_own_satellites_and_services_are_left_alone(name):
    satellite = StockSatellite(name=name, ours=True)
    async with driving(FINDING), satellite.running(), published(satellite, name):
        await asyncio.sleep(3.0)
        assert satellite.told == []


async def test_a_second_satellite_of_a_name_waits_for_the_first_to_go(name, monkeypatch):
    monkeypatch.setattr(discovered, "_FIRST_RETRY", 0.2)
    monkeypatch.setattr(discovered, "_LONGEST_RETRY", 0.2)
    one, two = StockSatellite(name=name), StockSatellite(name=name)
    async with contextlib.AsyncExitStack() as first, driving(FINDING), two.running():
        await first.enter_async_context(one.running())
        await first.enter_async_context(published(one, name))
        await one.until_told("run-satellite")
        async with published(two, f"{name}-b"):
            await asyncio.sleep(2.0)
            assert two.told == []
            assert one.drivers == 1
            await first.aclose()
            await two.until_told("run-satellite")
