"""A satellite that Home Assistant drives: a real session on a real port, a stock Wyoming client."""

import asyncio
import contextlib

import pytest
from satellite_room import BLOCK, SOUNDS, SPEAKER, STEP, Wake
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.timer import TimerFinished
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped

from protocol.connection import Limits
from protocol.settings import ConfigError
from satellite import link as link_module
from satellite.app import check_stop_word, describe
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import BargeInSettings, Settings, WakeSettings
from satellite.link import Link
from satellite.pairing import Target
from satellite.player import Player
from satellite.session import Session, State
from satellite.wake.words import open_wake

TIMEOUT = 20.0
FRAME = bytes(FRAME_SAMPLES * 2)


class Driver:
    """What Home Assistant is to a satellite: one connection, on which it pings."""

    def __init__(self, client):
        self.client = client
        self.seen: list[str] = []

    async def send(self, *events):
        for event in events:
            await self.client.write_event(event.event() if not isinstance(event, Event) else event)

    async def next(self) -> Event | None:
        """The next event that is no heartbeat; None where the satellite has hung up."""
        while True:
            event = await self.client.read_event()
            if event is None:
                return None
            if Ping.is_type(event.type):
                await self.send(Pong())
            else:
                return event

    async def expect(self, event_type) -> Event:
        self.seen.clear()
        async with asyncio.timeout(TIMEOUT):
            while (event := await self.next()) is not None:
                if event.type == event_type:
                    return event
                self.seen.append(event.type)
        raise AssertionError(f"hung up before {event_type}: {self.seen}")

    async def announce(self, seconds):
        """As Home Assistant: all at once, in pieces of 2048 bytes, and no `synthesize`."""
        pcm = b"\x11\x00" * round(seconds * 22050)
        await self.send(AudioStart(22050, 2, 1, timestamp=0))
        for at in range(0, len(pcm), 2048):
            await self.send(AudioChunk(22050, 2, 1, pcm[at : at + 2048]))
        await self.send(AudioStop())

    async def command(self):
        """Hear a command, up to its transcript."""
        await self.expect("run-pipeline")
        await self.send(Transcribe(language="en"), VoiceStarted(timestamp=1))
        await self.expect("audio-chunk")
        await self.send(VoiceStopped(timestamp=2), Transcript("turn on the lamp"))


class House:
    """A satellite that listens on a port of its own."""

    def __init__(self, settings, wake):
        self.settings, self.wake = settings, wake
        self.heard = bytearray()
        self.speaker_works = True
        self.uri = ""
        target = Target(uri=None, pin=None, token=None, room="Kitchen")
        self.link = Link(describe(settings, target, wake, SPEAKER))
        self.player = Player(
            SPEAKER,
            on_started=lambda: self.session.reply_started(),
            on_drained=lambda: self.session.reply_drained(),
        )
        self.session = Session(
            settings,
            driver=self.link,
            player=self.player,
            wake=wake,
            sounds=SOUNDS,
            clock=asyncio.get_running_loop(),
        )

    async def speaker(self):
        """Take sound ten times as fast as a loudspeaker would."""
        while True:
            for _ in range(10):
                if self.speaker_works:
                    self.heard += self.player.pull(BLOCK)
            await asyncio.sleep(STEP)

    async def microphone(self):
        while True:
            self.session.heard(FRAME)
            await asyncio.sleep(0.032)

    @contextlib.asynccontextmanager
    async def driver(self, *, run=True):
        host, port = self.uri.removeprefix("tcp://").split(":")
        client = AsyncTcpClient(host, int(port))
        await client.connect()
        driver = Driver(client)
        try:
            if run:
                await driver.send(RunSatellite(), Describe())
                assert Info.from_event(await driver.expect("info")).satellite.name == "Kitchen"
            yield driver
        finally:
            await client.disconnect()

    async def until(self, true):
        async with asyncio.timeout(TIMEOUT):
            while not true():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def house(settings=None, wake=None):
    built = House(settings or Settings(), wake or Wake())
    listening = asyncio.Event()

    def told(uri):
        built.uri = uri
        listening.set()

    async with asyncio.TaskGroup() as tasks:
        jobs = built.jobs = [
            tasks.create_task(built.link.listen("tcp://127.0.0.1:0", built.session, told)),
            tasks.create_task(built.speaker()),
            tasks.create_task(built.microphone()),
        ]
        try:
            async with asyncio.timeout(TIMEOUT):
                await listening.wait()
            yield built
        finally:
            built.session.close()
            for job in jobs:
                job.cancel()


async def pong(driver):
    """Ping; return what came before the pong. Home Assistant waits for 5 s."""
    await driver.send(Ping())
    before = []
    async with asyncio.timeout(5):
        while (event := await driver.next()) is not None:
            if Pong.is_type(event.type):
                return before
            before.append(event.type)
    raise AssertionError("hung up")


async def test_pings_are_answered_whatever_the_satellite_is_doing():
    async with house() as room, room.driver() as driver:
        assert await pong(driver) == []
        await driver.announce(120)  # two minutes at once
        assert await pong(driver) == []  # it plays still
        assert room.session.state is State.SPEAKING
        room.speaker_works = False
        await driver.send(TimerFinished("1"))
        assert await pong(driver) == []
        room.wake.next = "hey_jarvis"
        await driver.expect("run-pipeline")
        assert driver.seen == ["played", "detection"]
        await driver.send(Transcribe())
        assert set(await pong(driver)) <= {"audio-start", "audio-chunk"}


async def test_describe_on_a_second_connection_disturbs_nothing():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.command()
        await driver.send(Synthesize("It is on."))
        pcm = b"\x11\x00" * 22050
        await driver.send(AudioStart(22050, 2, 1))
        for _ in range(5):
            await driver.send(AudioChunk(22050, 2, 1, pcm))
            async with room.driver(run=False) as other:
                await other.send(Describe())
                info = Info.from_event(await other.expect("info"))
                assert info.satellite.installed
                assert info.wake[0].models[0].phrase == "Hey Jarvis"
        await driver.send(AudioStop())
        await driver.expect("played")
        assert driver.seen.count("audio-start") == 0
        assert room.heard.count(b"\x11\x00") >= 5 * 24000 - 100
        assert await pong(driver) == []


async def test_an_announcement_without_sound_is_answered_too():
    async with house() as room, room.driver() as driver:
        await driver.send(AudioStart(22050, 2, 1, timestamp=0), AudioStop())
        await driver.expect("played")
        await driver.send(AudioStart(22050, 2, 1), AudioChunk(22050, 2, 1, b"\x01"), AudioStop())
        await driver.expect("played")
        assert room.session.state is State.IDLE


async def test_an_announcement_that_the_wake_word_cuts_off_is_not_waited_for():
    async with house() as room, room.driver() as driver:
        await driver.announce(60)
        await room.until(lambda: room.session.state is State.SPEAKING)
        room.wake.next = "hey_jarvis"
        await driver.expect("played")
        await driver.expect("run-pipeline")
        assert driver.seen == ["detection"]


async def test_an_announcement_while_it_listens_is_played_and_ends_the_listening():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.expect("run-pipeline")
        await driver.announce(0.5)  # Home Assistant has cancelled the run
        await driver.expect("played")
        await room.until(lambda: room.session.state is State.IDLE)
        assert b"\x11\x00" * 1000 in room.heard


async def test_after_a_question_the_next_command_needs_no_wake_word():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.command()
        await driver.send(Synthesize("Which lamp?"))
        await driver.announce(0.5)
        await driver.expect("played")
        await driver.command()
        await driver.send(Synthesize("It is on."))
        await driver.announce(0.5)
        await driver.expect("played")
        await room.until(lambda: room.session.state is State.IDLE)
        await driver.announce(0.5)  # whose text is not told, and which asks nothing
        await driver.expect("played")
        assert await pong(driver) == []


async def test_an_error_starts_nothing_by_itself():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.expect("run-pipeline")
        await driver.send(Error("no stt", "stt-provider-missing"))
        await room.until(lambda: room.session.state is State.IDLE)
        before = await pong(driver)
        assert "run-pipeline" not in before
        assert await pong(driver) == []
        room.wake.next = "hey_jarvis"
        await driver.expect("run-pipeline")


# ---- the mute switch


@pytest.fixture
def quick(monkeypatch):
    """A driver that says nothing for 0.3 s counts as gone."""
    monkeypatch.setattr(link_module, "_LIMITS", Limits(idle_timeout=0.3))
    monkeypatch.setattr(link_module, "HEARTBEAT", 0.1)


async def silent(driver, seconds):
    """Answer no ping for so long, and read on; return the types that came."""
    types = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (event := await driver.client.read_event()) is not None:
                types.append(event.type)
            types.append("hung up")
    return types


async def test_a_driver_that_says_nothing_is_given_up(quick):
    async with house() as room, room.driver() as driver:
        assert (await silent(driver, 5))[-1] == "hung up"


async def test_a_driver_that_has_muted_the_satellite_may_be_silent_and_is_still_heard(quick):
    async with house() as room, room.driver() as driver:
        await driver.send(PauseSatellite())
        await room.until(lambda: room.session.state is State.MUTED)
        room.wake.next = "hey_jarvis"
        assert set(await silent(driver, 1.0)) == {"ping"}
        await driver.announce(0.5)
        await driver.expect("played")
        await driver.send(TimerFinished("1"))
        await room.until(lambda: max(room.heard[-2000:], default=0) > 0)
        assert room.session.state is State.MUTED


async def test_a_new_connection_unmutes_also_where_the_old_one_still_hangs(quick):
    async with house() as room, room.driver() as muted:
        await muted.send(PauseSatellite())
        await room.until(lambda: room.session.state is State.MUTED)
        async with room.driver() as driver:
            await room.until(lambda: room.session.state is State.IDLE)
            room.wake.next = "hey_jarvis"
            await driver.expect("run-pipeline")
        assert (await silent(muted, 5))[-1] == "hung up"


async def test_a_driver_that_hangs_up_in_mid_turn_is_served_when_it_is_back():
    async with house() as room:
        for end in ("listening", "thinking", "speaking"):
            async with room.driver() as driver:
                room.wake.next = "hey_jarvis"
                if end == "listening":
                    await driver.expect("run-pipeline")
                else:
                    await driver.command()
                if end == "speaking":
                    await driver.announce(0.2)
            await room.until(lambda: room.session.state is State.IDLE)
        async with room.driver() as driver:
            room.wake.next = "hey_jarvis"
            await driver.command()


# ---- the satellite hangs up


async def rest_of(driver):
    """What comes until the satellite hangs up."""
    async with asyncio.timeout(TIMEOUT):
        while (event := await driver.next()) is not None:
            yield event


async def goes_on(driver, seconds):
    """Send an answer to who has hung up, as Home Assistant does; then hang up, too, and say how."""
    async for _ in rest_of(driver):
        pass
    writer = driver.client._writer
    try:
        for _ in range(5):
            await driver.announce(1.0)
            await asyncio.sleep(seconds / 5)
        writer.close()
        await writer.wait_closed()
    except ConnectionError as error:
        return type(error).__name__
    return "in order"


async def test_a_driver_that_is_dropped_while_it_still_sends_sees_no_reset():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.command()
        await room.until(lambda: room.session.state is State.THINKING)
        room.session._talk.abandon()
        async with room.driver():  # another connection is taken meanwhile
            assert await goes_on(driver, 3.0) == "in order"


async def test_a_satellite_that_ends_sends_what_it_has_to_say_and_hangs_up_in_order():
    async with house() as room, room.driver() as driver:
        room.wake.next = "hey_jarvis"
        await driver.command()
        assert not room.session.finish()
        await driver.announce(60)
        await room.until(room.session.finish)
        async with asyncio.timeout(TIMEOUT):
            await room.link.sent()
        room.session.close()
        await pong(driver)
        room.jobs[0].cancel()
        await asyncio.sleep(0.5)
        await driver.send(Ping())  # whose answer would be followed by another one
        seen = [event.type async for event in rest_of(driver)]
        assert "pong" not in seen
        assert await goes_on(driver, 0.2) == "in order"


# ---- a wake word that the driver hears


async def test_a_satellite_without_wake_words_offers_none_and_streams():
    settings = Settings(wake=WakeSettings(remote=True))
    async with house(settings, open_wake(settings.wake)) as room, room.driver(run=False) as driver:
        await driver.send(Describe())
        info = Info.from_event(await driver.expect("info"))
        assert info.wake == []
        assert info.satellite.active_wake_words == []
        await driver.send(RunSatellite())
        asked = await driver.expect("run-pipeline")
        assert asked.data["start_stage"] == "wake"
        await driver.send(Event("detect"))
        chunk = AudioChunk.from_event(await driver.expect("audio-chunk"))
        assert (chunk.rate, chunk.width, chunk.channels) == (16000, 2, 1)


def test_a_stop_word_needs_words_that_are_heard_here():
    settings = Settings(wake=WakeSettings(remote=True), barge_in=BargeInSettings(stop_word="stop"))
    with pytest.raises(ConfigError, match=r"wake\.remote"):
        check_stop_word(settings, open_wake(settings.wake))
