"""Speech over a reply at the hub's end of the satellite link: real sockets, scripted engines."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from scripted import QUIET, VOICE
from test_satellite_server import INFO, RUN, Hub, Satellite, chunk, quick, serving
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.snd import Played
from wyoming.wake import Detection

from hub.conversation.turn import Outcome
from protocol.extensions import Flush, Interruption, Playback, Resume, turn_of

REPLY = "One two three four five. " * 20
BEFORE = [QUIET] * 25  # what comes at once: until somebody begins to speak
AFTER = [QUIET] * 40


class Room:
    """A satellite to which the hub is just replying."""

    def __init__(self, hub: Hub, satellite: Satellite, turn: str) -> None:
        self.hub = hub
        self.satellite = satellite
        self.turn = turn

    async def speak(self, text: str, frames: int = 25, *, avg_logprob: float = -0.2) -> None:
        """Say `text` over the reply, and then nothing."""
        self.hub.bench.stt.text = text
        self.hub.bench.stt.avg_logprob = avg_logprob
        await self.satellite.send(
            Playback(self.turn, 24000), Interruption(self.turn), AudioStart(16000, 2, 1)
        )
        self.satellite.seen.clear()
        await self.satellite.send(*(chunk(pcm) for pcm in BEFORE + [VOICE] * frames + AFTER))

    async def expect(self, kind: type[Flush | Resume]) -> Flush | Resume:
        """Return what the hub decides."""
        return kind.from_event(await self.satellite.expect(kind.TYPE))


@asynccontextmanager
async def replying(info=INFO, **options):
    bench = quick(**options)
    bench.llm.text = REPLY
    async with serving(bench) as hub, hub.satellite(info=info) as satellite:
        turn = await satellite.ask()
        for _ in range(3):
            await satellite.expect("synthesize")
        bench.llm.text = "It is Rome."
        yield Room(hub, satellite, turn)


async def test_a_question_over_the_reply_is_answered_from_its_first_word_on():
    async with replying() as room:
        await room.speak("and what is the capital of Italy", frames=60)
        assert await room.expect(Flush) == Flush(room.turn, listen=True)
        transcribe = await room.satellite.expect("transcribe")
        assert await room.satellite.hear() == "It is Rome."
        one, two = await room.hub.turns(2)
        assert (one.id, one.outcome) == (room.turn, Outcome.INTERRUPTED)
        assert (two.id, two.outcome) == (turn_of(transcribe), Outcome.ANSWERED)
        assert two.transcript == "and what is the capital of Italy"
        assert room.hub.bench.stt.heard_seconds >= 60 * 0.02
        first, second = room.hub.bench.room().memory.exchanges
        assert first.interrupted
        assert first.assistant.startswith("One two")
        assert len(first.assistant) <= 16  # a second of it
        assert not second.interrupted


async def test_a_wake_word_that_is_stop_is_no_name_to_be_left_out_of_a_question():
    program = INFO.data["wake"][0]
    stop = {**program["models"][0], "name": "stop", "phrase": "Stop"}
    wake = [{**program, "models": [stop, *program["models"]]}]
    async with replying(info=Event("info", INFO.data | {"wake": wake})) as room:
        await room.speak("Stop the music.", frames=60)
        assert await room.expect(Flush) == Flush(room.turn, listen=True)
        await room.satellite.hear()
        _, turn = await room.hub.turns(2)
        assert turn.transcript == "Stop the music."


async def test_mhm_over_the_reply_lets_it_go_on_and_all_of_it_comes():
    async with replying() as room:
        await room.speak("Mhm.")
        assert await room.expect(Resume) == Resume(room.turn)
        await room.satellite.send(AudioStop())
        seen = room.satellite.seen
        if "audio-stop" not in [event.type for event in seen]:
            await room.satellite.expect("audio-stop")
        await room.satellite.send(Played())
        (turn,) = await room.hub.turns(1)
        assert turn.outcome is Outcome.ANSWERED
        (exchange,) = room.hub.bench.room().memory.exchanges
        assert exchange.assistant.split() == REPLY.split()


@pytest.mark.parametrize("stall", [0.0, 60.0])
async def test_stop_over_the_reply_ends_it_also_where_the_language_model_hangs(stall):
    async with replying() as room:
        room.hub.bench.llm.stall = stall
        await room.speak("Stop!")
        assert await room.expect(Flush) == Flush(room.turn)
        (turn,) = await room.hub.turns(1)
        assert turn.outcome is Outcome.INTERRUPTED
        await asyncio.sleep(0.1)
        assert room.hub.bench.room().turn is None
        assert "transcribe" not in [event.type for event in room.satellite.seen]
        room.hub.bench.llm.stall, room.hub.bench.stt.text = 0.0, "and in Italy"
        await room.satellite.ask()
        assert await room.satellite.hear() == "It is Rome."


async def test_a_stop_word_that_the_satellite_knows_ends_the_reply_at_once():
    async with replying() as room:
        calls = room.hub.bench.stt.work.calls
        await room.satellite.send(Interruption(room.turn, stop=True))
        assert await room.expect(Flush) == Flush(room.turn)
        (turn,) = await room.hub.turns(1)
        assert turn.outcome is Outcome.INTERRUPTED
        assert room.hub.bench.stt.work.calls == calls


async def test_speech_over_a_reply_that_is_none_any_more_changes_nothing():
    async with replying() as room:
        await room.satellite.send(Interruption("no-such-turn"))
        assert await room.expect(Resume) == Resume("no-such-turn")
        await room.satellite.send(Interruption("no-such-turn", stop=True))
        await room.satellite.send(Played())
        (turn,) = await room.hub.turns(1)
        assert turn.outcome is Outcome.ANSWERED


async def test_the_wake_word_while_speech_is_judged_begins_the_one_turn_that_counts():
    async with replying() as room:
        room.hub.bench.stt.text = "what is the capital of Italy"
        await room.satellite.send(Interruption(room.turn), AudioStart(16000, 2, 1))
        await room.satellite.send(*(chunk(pcm) for pcm in BEFORE + [VOICE] * 5))
        await room.satellite.send(Detection(name="hey_jarvis"), RUN, AudioStart(16000, 2, 1))
        await room.satellite.send(*(chunk(pcm) for pcm in [QUIET] * 10 + [VOICE] * 40 + AFTER))
        room.satellite.seen.clear()
        assert await room.expect(Flush) == Flush(room.turn)
        assert await room.satellite.hear() == "It is Rome."
        one, two = await room.hub.turns(2)
        assert [one.outcome, two.outcome] == [Outcome.INTERRUPTED, Outcome.ANSWERED]


async def test_the_wake_word_silences_a_reply_at_once_also_where_the_language_model_hangs():
    async with replying() as room:
        room.hub.bench.llm.stall = 60.0
        await room.satellite.send(Detection(name="hey_jarvis"), RUN)
        async with asyncio.timeout(1.0):
            assert await room.expect(Flush) == Flush(room.turn)


async def test_a_satellite_that_vanishes_while_it_is_judged_leaves_nothing_behind():
    async with replying() as room:
        await room.satellite.send(Interruption(room.turn), AudioStart(16000, 2, 1))
        await room.satellite.send(*(chunk(pcm) for pcm in BEFORE + [VOICE] * 5))
        room.satellite.connection._writer.transport.abort()
        (turn,) = await room.hub.turns(1)
        assert turn.outcome is Outcome.GONE


async def test_a_flood_of_interruptions_is_judged_one_at_a_time():
    async with replying() as room:
        for _ in range(200):
            await room.satellite.send(Interruption(room.turn), chunk(VOICE))
        assert sum(task.get_name().startswith("judge") for task in asyncio.all_tasks()) <= 1
        await room.speak("Mhm.")
        await room.expect(Resume)


@pytest.mark.parametrize("data", [{}, {"turn": 7}, {"turn": "x", "stop": "yes"}], ids=repr)
async def test_an_interruption_that_is_none_ends_the_connection_and_nothing_else(data):
    async with serving() as hub:
        async with hub.satellite() as satellite:
            await satellite.send(Event("interruption", data))
            (error,) = await satellite.closed()
        assert Error.from_event(error).code == "malformed"
        await hub.answers()
