"""A satellite's microphone and wake words, set by the hub over real sockets."""

import asyncio
import contextlib

import pytest
from scripted import QUIET, VOICE
from test_satellite_events import Stock, until
from test_satellite_server import INFO, RUN, TIMEOUT, Satellite, chunk, quick
from wyoming.audio import AudioStart
from wyoming.wake import Detection

from hub.conversation.interruption import Judge
from hub.conversation.turn import Outcome
from hub.home.controls import Controls, NotSet
from hub.home.volume import Volumes
from hub.service.satellites import SatelliteServer
from protocol.control import Configure, Status, WakeWordStatus
from protocol.extensions import Interruption, Introduction, Playback, introduce, turn_of
from protocol.transport import connect, serve

WORDS = (
    WakeWordStatus("hey_jarvis", "Hey Jarvis", active=True),
    WakeWordStatus("parrot_v2", "Hey Parrot", active=False),
)


class Presence:
    """What is shown of the rooms."""

    def __init__(self):
        self.controls = {}
        self.status = {}

    def room_arrived(self, name, kind, controls):
        self.controls[name] = controls

    def room_left(self, name):
        del self.controls[name]

    def heard(self, name, pcm):
        pass

    def room_status(self, room, **how):
        self.status.setdefault(room, {}).update(how)


class House:
    def __init__(self, bench, settings):
        self.bench = bench
        self.shown = Presence()
        volumes = Volumes(self.send_extension, lambda: None)
        self.controls = Controls(
            self.send, self.send_extension, volumes, lambda: None, self.shown.room_status
        )
        judge = Judge(bench.engines.vad, bench.engines.stt, settings)
        self.server = SatelliteServer(
            bench.rooms,
            settings,
            judge,
            self.controls.arrived,
            presence=self.shown,
            controls=self.controls,
        )
        self.uri = ""

    async def send(self, room, event):
        return await self.server.send(room, event)

    async def send_extension(self, room, event):
        return await self.server.send(room, event, extension=True)

    @contextlib.asynccontextmanager
    async def satellite(self, room="Kitchen"):
        async with await connect(self.uri) as connection:
            satellite = Satellite(connection)
            await satellite.send(introduce(INFO, Introduction(room, "1")))
            await satellite.expect("run-satellite")
            assert (await satellite.expect("configure")).data == {}
            await satellite.send(Status(False, 1.0, WORDS))
            await until(lambda: room in self.shown.status)
            yield satellite

    async def muted(self, satellite, room="Kitchen"):
        """Mute a room, whose satellite does it."""
        muting = asyncio.create_task(self.server.configure(room, muted=True))
        assert Configure.from_event(await satellite.expect("configure")) == Configure(muted=True)
        await satellite.send(Status(True, 1.0, WORDS))
        await muting


@contextlib.asynccontextmanager
async def house(dial=()):
    bench = await quick().open()
    link = type(bench.settings.link)(listen="tcp://127.0.0.1:0", dial=dial)
    bench.settings.link = link
    place = House(bench, bench.settings)
    place.uri = await place.server.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            yield place
    finally:
        await place.server.close()
        await bench.rooms.close()


async def test_what_can_be_set_and_how_it_is_set_is_shown():
    async with house() as hub, hub.satellite() as kitchen:
        assert hub.shown.controls == {"Kitchen": ["mute", "volume", "wake-words"]}
        assert hub.shown.status["Kitchen"]["muted"] is False
        await hub.muted(kitchen)
        assert hub.shown.status["Kitchen"]["muted"] is True
        words = hub.shown.status["Kitchen"]["wake_words"]
        assert [(word.name, word.active) for word in words] == [
            ("hey_jarvis", True),
            ("parrot_v2", False),
        ]


async def test_to_mute_a_room_drops_what_somebody_is_saying():
    async with house() as hub, hub.satellite() as kitchen:
        await kitchen.send(Detection(name="hey_jarvis"), RUN, AudioStart(16000, 2, 1))
        await kitchen.expect("transcribe")
        await kitchen.send(*(chunk(pcm) for pcm in [QUIET] * 10 + [VOICE] * 20))
        await kitchen.expect("voice-started")
        await hub.muted(kitchen)
        await until(lambda: hub.bench.ended)
        assert [turn.outcome for turn in hub.bench.ended] == [Outcome.INTERRUPTED]
        assert hub.bench.ended[0].transcript == ""
        kitchen.seen.clear()
        assert await kitchen.ask()  # unmuted, it is answered as ever
        assert await kitchen.hear() == hub.bench.llm.text


async def test_a_reply_goes_on_in_a_room_that_is_muted():
    async with house() as hub, hub.satellite() as kitchen:
        await kitchen.ask()
        await kitchen.expect("audio-start")
        await hub.muted(kitchen)
        await kitchen.hear()
        await until(lambda: hub.bench.ended)
        assert [turn.outcome for turn in hub.bench.ended] == [Outcome.ANSWERED]


async def test_who_speaks_over_a_reply_does_not_interrupt_it_when_the_room_is_muted():
    async with house() as hub, hub.satellite() as kitchen:
        await kitchen.ask()
        turn = turn_of(await kitchen.expect("audio-start"))
        await kitchen.send(Playback(turn, 2400), Interruption(turn), AudioStart(16000, 2, 1))
        await kitchen.send(*(chunk(pcm) for pcm in [VOICE] * 5))
        await hub.muted(kitchen)
        seen = [event.type for event in kitchen.seen]
        if "resume" not in seen:
            assert turn_of(await kitchen.expect("resume")) == turn
        assert "flush" not in seen


async def test_a_word_that_was_chosen_later_is_taken_off_the_transcript_like_any_other():
    async with house() as hub, hub.satellite() as kitchen:
        hub.bench.stt.text = "hey parrot what is the capital of france"
        choosing = asyncio.create_task(hub.server.configure("Kitchen", wake_words=["parrot_v2"]))
        await kitchen.expect("configure")
        chosen = [WakeWordStatus(w.name, w.phrase, w.name == "parrot_v2") for w in WORDS]
        await kitchen.send(Status(False, 1.0, tuple(chosen)))
        await choosing
        await kitchen.send(Detection(name="parrot_v2"), RUN, AudioStart(16000, 2, 1))
        await kitchen.send(*(chunk(pcm) for pcm in [QUIET] * 10 + [VOICE] * 40 + [QUIET] * 20))
        heard = (await kitchen.expect("transcript")).data["text"]
        assert heard.lower() == "what is the capital of france"


@pytest.mark.parametrize("room", ["Attic", "kitchen"])
async def test_a_room_without_a_satellite_cannot_be_set(room):
    async with house() as hub, hub.satellite():
        with pytest.raises(NotSet) as refused:
            await hub.server.configure(room, muted=True)
        assert refused.value.code == "no-satellite"


async def test_a_satellite_that_is_gone_in_the_middle_of_it_costs_no_wait():
    async with house() as hub:
        async with hub.satellite() as kitchen:
            muting = asyncio.create_task(hub.server.configure("Kitchen", muted=True))
            await kitchen.expect("configure")
        with pytest.raises(NotSet) as refused:
            await muting
        assert refused.value.code == "no-satellite"


async def test_a_satellite_that_sends_a_malformed_status_is_sent_away():
    async with house() as hub, hub.satellite() as kitchen:
        event = Status(False, 1.0).event()
        event.data["volume"] = "loud"
        await kitchen.send(event)
        assert (await kitchen.closed())[-1].data["code"] == "malformed"
        await until(lambda: not hub.server.links)


async def test_another_makers_satellite_is_muted_and_its_turn_dropped():
    stock = Stock("Hall")
    server = await serve("tcp://127.0.0.1:0", stock.serve)
    try:
        async with house(dial=(server.uri,)) as hub:
            await until(lambda: "run-satellite" in stock.kinds)
            assert hub.shown.controls == {"Hall": ["mute"]}
            await stock.connection.write(RUN)
            await until(lambda: "transcribe" in stock.kinds)
            await stock.connection.write(chunk(VOICE))
            await hub.server.configure("Hall", muted=True)
            await until(lambda: "pause-satellite" in stock.kinds)
            await until(lambda: hub.bench.ended)
            assert hub.bench.ended[0].outcome is Outcome.INTERRUPTED
            assert hub.shown.status["Hall"]["muted"] is True
            assert "configure" not in stock.kinds
            with pytest.raises(NotSet) as refused:
                await hub.server.configure("Hall", wake_words=["alexa"])
            assert refused.value.code == "not-possible"
    finally:
        await server.close()
