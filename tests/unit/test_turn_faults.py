"""Turns that meet faults, races and hangs, on a virtual clock with scripted engines."""

import asyncio
import contextlib
import logging

import pytest
from scripted import (
    TTS_FORMAT,
    Bench,
    ScriptedGeneration,
    SimulatedSatellite,
    Speech,
    now,
    sound_of,
    until_ended,
)

from hub.conversation.pipeline import APOLOGY, NO_ANSWER
from hub.conversation.turn import Mark, Outcome, Turn
from hub.engines.base import EngineError

pytestmark = pytest.mark.looptime(noop_cycles=2)

QUESTION = Speech(0.5, 2.0)
SATELLITE_PATIENCE = 30.0  # seconds of thinking after which a satellite gives up


async def for_ever(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def silent_pieces(*_: object, **__: object):
    await for_ever()
    yield b""


async def begin(bench, at: float = 0.0, **options) -> tuple[Turn, SimulatedSatellite]:
    """Begin a turn and let `at` seconds of it pass."""
    satellite = SimulatedSatellite(**options)
    turn = await bench.room().begin(satellite, sound_of([QUESTION]))
    if at:
        await asyncio.sleep(at)
    return turn, satellite


def tasks_of(turn: Turn) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if turn.id in task.get_name()]


class TestRaces:
    async def test_of_turns_that_begin_at_the_same_moment_one_goes_on(self):
        bench = await Bench().open()
        await begin(bench, 1.0)
        begun = await asyncio.gather(*(begin(bench) for _ in range(5)))
        alive = [turn for turn, _ in begun if not turn.ended]
        assert alive == [bench.room().turn]
        await until_ended(alive[0])
        assert len(bench.ended) == len({turn.id for turn in bench.ended}) == 6
        assert [t.outcome for t in bench.ended] == [Outcome.INTERRUPTED] * 5 + [Outcome.ANSWERED]

    async def test_a_turn_that_is_stopped_before_its_first_step_has_ended(self):
        bench = await Bench().open()
        turn, satellite = await begin(bench)
        await bench.room().stop(Outcome.GONE)
        assert bench.ended == [turn]
        assert turn.outcome is Outcome.GONE
        assert bench.room().turn is None
        assert not satellite.events

    @pytest.mark.parametrize("at", [0.01, 1.0, 2.7, 2.9, 3.1, 4.0, 6.0])
    async def test_several_may_stop_a_turn_at_once(self, at):
        bench = await Bench().open()
        turn, satellite = await begin(bench, at)
        satellite.report(turn)
        heard = turn.playback.heard()
        await asyncio.gather(*(bench.room().stop(Outcome.GONE) for _ in range(3)))
        assert bench.ended == [turn]
        assert [e.assistant for e in bench.room().memory.exchanges] == ([heard] if heard else [])
        assert not tasks_of(turn)

    async def test_a_turn_ends_even_if_whoever_stops_it_is_stopped(self):
        bench = await Bench().open()
        closing = asyncio.Event()

        class Slow(ScriptedGeneration):
            async def aclose(self):
                closing.set()
                await asyncio.sleep(1.0)
                await super().aclose()

        bench.llm.generate = lambda room, messages, max_tokens: Slow(bench.llm, "Word " * 50)
        turn, _ = await begin(bench, 4.0)
        stopping = asyncio.create_task(bench.room().stop(Outcome.GONE))
        await closing.wait()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
        assert not bench.ended
        await asyncio.sleep(2)
        assert bench.ended == [turn]
        assert bench.llm.work.running == 0
        assert bench.room().turn is None

    async def test_a_stage_that_does_not_stop_does_not_keep_the_room(self, caplog):
        bench = await Bench().open()
        release = asyncio.Event()

        async def stubborn(pcm, **options):
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()

        transcribe, bench.stt.transcribe = bench.stt.transcribe, stubborn
        turn, satellite = await begin(bench, 3.0)
        began = now()
        await bench.room().stop(Outcome.INTERRUPTED)
        assert now() - began <= 12
        assert bench.ended == [turn]
        assert "does not stop" in caplog.text
        bench.stt.transcribe = transcribe
        again, _ = await bench.say(QUESTION)
        assert again.outcome is Outcome.ANSWERED
        seen = len(satellite.events)
        release.set()
        await asyncio.sleep(5)
        assert len(satellite.events) == seen
        assert not tasks_of(turn)

    async def test_a_turn_that_would_never_end_is_ended(self):
        bench = await Bench().open()
        bench.pipeline.run = for_ever
        turn, _ = await begin(bench)
        await asyncio.sleep(1000)
        assert bench.ended == [turn]
        assert turn.outcome is Outcome.FAILED

    async def test_thousands_of_turns_leave_nothing_behind(self):
        bench = await Bench().open()
        tasks = len(asyncio.all_tasks())
        for number in range(2000):
            turn, _ = await begin(bench)
            if number % 2:
                await asyncio.sleep(0)
            await bench.room().stop(Outcome.INTERRUPTED)
        assert len(bench.ended) == 2000
        assert len(asyncio.all_tasks()) == tasks
        assert bench.room().turn is bench.room()._task is None


class TestAPeerThatGoes:
    @pytest.mark.parametrize(
        "event",
        [
            "listening",
            "voice-started",
            "voice-stopped",
            "transcript",
            "audio-start",
            "clause",
            "audio",
            "audio-stop",
        ],
    )
    async def test_it_ends_its_turn_quietly_in_any_stage(self, event, caplog):
        caplog.set_level(logging.INFO)
        bench = await Bench().open()
        satellite = SimulatedSatellite()
        note = satellite._note

        async def note_until(name, text=""):
            satellite.gone = satellite.gone or name == event
            await note(name, text)

        satellite._note = note_until
        turn = await bench.room().begin(satellite, sound_of([QUESTION]))
        await until_ended(turn)
        assert turn.outcome is Outcome.GONE
        assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
        ended = turn.record.marks[Mark.DONE]
        await asyncio.sleep(5)
        for engine in (bench.stt, bench.llm, bench.tts):
            assert not engine.work.after(ended)
            assert not bench.engines.llm.restarts

    async def test_it_may_go_while_it_is_told_that_there_is_nothing_to_answer(self):
        bench = await Bench().open()
        satellite = SimulatedSatellite()
        turn = await bench.room().begin(satellite, sound_of([]))
        await asyncio.sleep(3)
        satellite.gone = True
        await until_ended(turn)
        assert len(bench.ended) == 1

    async def test_what_it_heard_is_remembered(self):
        bench = await Bench().open()
        turn, satellite = await begin(bench, 5.0)
        satellite.report(turn)
        await bench.room().stop(Outcome.GONE)
        (exchange,) = bench.room().memory.exchanges
        assert exchange.interrupted
        assert bench.llm.text.startswith(exchange.assistant)


class TestEnginesThatRaiseAnything:
    @pytest.mark.parametrize("role", ["stt", "llm", "tts", "vad"])
    @pytest.mark.parametrize("error", [ValueError, TimeoutError, KeyError, StopIteration])
    async def test_the_person_hears_of_it_the_engine_is_restarted_the_log_quotes_nothing(
        self, role, error, caplog
    ):
        bench = await Bench().open()
        secret = error("what somebody said")
        if role == "vad":

            async def broken(frame):
                raise secret

            bench.vad.probability = broken
        elif role == "tts":
            bench.tts.error, bench.tts.error_after = secret, 1
        else:
            getattr(bench, role).error = secret
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.FAILED
        assert getattr(bench.engines, role).restarts >= 1
        if role != "tts":
            assert satellite.texts("clause") == [APOLOGY]
        assert "somebody said" not in caplog.text
        assert not bench.room().memory.exchanges

    async def test_a_bug_of_our_own_is_apologised_for_too(self, caplog):
        bench = await Bench().open()
        bench.pipeline._watch = lambda turn, step, text: {}["what somebody said"]
        turn, satellite = await begin(bench)
        bench.pipeline._watch = lambda turn, step, text: (
            {}["what somebody said"] if step == "transcript" else None
        )
        await until_ended(turn)
        assert turn.outcome is Outcome.FAILED
        assert satellite.texts("clause") == [APOLOGY]
        assert "KeyError" in caplog.text
        assert "somebody said" not in caplog.text

    async def test_an_apology_that_is_interrupted_is_not_remembered_as_an_answer(self):
        bench = await Bench().open()
        bench.llm.error = EngineError("it broke")
        turn, satellite = await begin(bench, 4.5)
        satellite.report(turn)
        assert turn.playback.heard()
        await bench.room().stop(Outcome.INTERRUPTED)
        assert turn.outcome is Outcome.FAILED
        assert not bench.room().memory.exchanges


class TestEnginesThatHang:
    @pytest.mark.parametrize("role", ["stt", "llm", "tts", "vad"])
    async def test_the_person_hears_of_it_before_the_satellite_gives_up(self, role):
        bench = await Bench().open()
        spoken = bench.tts.synthesize
        if role == "stt":
            bench.stt.transcribe = for_ever
        elif role == "vad":
            bench.vad.probability = for_ever
        elif role == "llm":

            class Hung(ScriptedGeneration):
                async def __anext__(self):
                    await for_ever()

                aclose = for_ever

            bench.llm.generate = lambda room, messages, max_tokens: Hung(bench.llm, "")
        else:
            bench.tts.synthesize = silent_pieces
        turn, satellite = await begin(bench, 4.0)
        if role == "tts":
            await asyncio.sleep(15)
            bench.tts.synthesize = spoken  # as the restarted engine would
        await until_ended(turn)
        assert turn.outcome is Outcome.FAILED
        assert satellite.texts("clause")[-1] == APOLOGY
        thought = turn.record.marks[Mark.FIRST_AUDIO_SENT] - turn.record.marks.get(
            Mark.END_OF_TURN, turn.record.marks[Mark.WAKE]
        )
        assert thought < SATELLITE_PATIENCE
        assert getattr(bench.engines, role).restarts

    async def test_a_model_that_is_slow_and_stops_when_told_to_is_not_restarted(self):
        bench = await Bench().open()
        bench.llm.first = 100.0
        turn, satellite = await bench.say(QUESTION)
        assert satellite.texts("clause") == [APOLOGY]
        assert turn.outcome is Outcome.FAILED
        assert bench.engines.llm.restarts == 0
        assert bench.llm.work.running == 0

    async def test_a_model_that_hangs_in_mid_reply_is_apologised_for(self):
        bench = await Bench().open()
        turn, satellite = await begin(bench, 3.1)
        assert "audio" in satellite.names()
        bench.llm.stall = 1000.0
        await until_ended(turn)
        assert turn.outcome is Outcome.FAILED
        assert satellite.texts("clause")[-1] == APOLOGY
        assert satellite.names().count("audio-start") == 1

    async def test_an_engine_that_complains_of_being_stopped_is_not_apologised_for(self):
        bench = await Bench().open()

        class Complaining(ScriptedGeneration):
            async def aclose(self):
                await super().aclose()
                raise EngineError("it does not stop")

        bench.llm.generate = lambda room, messages, max_tokens: Complaining(bench.llm, "Word " * 50)
        turn, satellite = await begin(bench, 3.5)
        stopped = now()
        await bench.room().stop(Outcome.INTERRUPTED)
        await asyncio.sleep(20)
        assert satellite.after(stopped) == []
        assert bench.tts.spoken[-1:] != [APOLOGY]
        assert turn.outcome is Outcome.INTERRUPTED
        assert bench.engines.llm.restarts == 1

    async def test_a_prefill_that_fails_is_nobodys_problem(self, caplog):
        bench = await Bench().open()

        async def broken(room, messages, **options):
            raise RuntimeError("what somebody said")

        bench.llm.prefill = broken
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert not [r for r in caplog.records if r.levelno >= logging.WARNING]

    async def test_other_rooms_are_answered_while_one_waits_for_a_hung_engine(self):
        bench = await Bench().open()
        transcribe, bench.stt.transcribe = bench.stt.transcribe, for_ever
        hung, _ = await begin(bench, 3.0)
        bench.stt.transcribe = transcribe
        other, _ = await bench.say(QUESTION, room="bedroom")
        assert other.outcome is Outcome.ANSWERED
        assert not hung.ended
        await until_ended(hung)


class TestWhatIsSaid:
    @pytest.mark.parametrize("text", ["", " ", "😀", "***", "..."])
    async def test_a_reply_without_a_word_that_can_be_said_is_not_silence(self, text):
        bench = Bench()
        bench.llm.text = text
        await bench.open()
        turn, satellite = await bench.say(QUESTION)
        assert satellite.texts("clause") == [NO_ANSWER]
        assert turn.outcome is Outcome.ANSWERED

    async def test_a_voice_without_a_sound_is_an_error_and_not_silence(self):
        bench = await Bench().open()

        async def mute(text, *, voice=None):
            yield b""

        bench.tts.synthesize = mute
        turn, satellite = await bench.say(QUESTION)
        assert satellite.texts("failed") == ["engine-failed"]
        assert turn.outcome is Outcome.FAILED

    async def test_a_first_piece_without_a_sample_begins_no_second_reply(self):
        bench = await Bench().open()

        async def late(text, **_):
            yield b""
            yield bytes(TTS_FORMAT.bytes_for(0.5))

        bench.tts.synthesize = late
        _, satellite = await bench.say(QUESTION)
        assert satellite.names().count("audio-start") == 1

    async def test_a_reply_that_was_not_played_to_its_end_is_remembered_as_cut_off(self):
        bench = await Bench().open()
        satellite = SimulatedSatellite(reports=False)
        turn = await bench.room().begin(satellite, sound_of([QUESTION]))
        while "audio-stop" not in satellite.names():
            await asyncio.sleep(0.05)
        turn.playback.report(TTS_FORMAT.rate)  # it stalls there
        await until_ended(turn)
        assert turn.outcome is Outcome.ANSWERED
        (exchange,) = bench.room().memory.exchanges
        assert exchange.interrupted
        assert len(exchange.assistant) < len(bench.llm.text)

    async def test_what_was_heard_does_not_grow_after_the_end(self):
        bench = await Bench().open()
        turn, _ = await begin(bench, 5.0, reports=False)
        await bench.room().stop(Outcome.INTERRUPTED)
        heard = turn.playback.heard()
        assert heard
        await asyncio.sleep(60)
        turn.playback.finish()  # too late
        assert turn.playback.heard() == heard == bench.room().memory.exchanges[0].assistant


class TestTimes:
    async def test_the_tail_of_the_wake_word_is_no_beginning_of_speech(self):
        bench = await Bench().open()
        began = now()
        turn, _ = await bench.say(Speech(0.0, 0.3), Speech(1.8, 3.0))
        marks = turn.record.marks
        assert marks[Mark.SPEECH_START] - began == pytest.approx(1.9, abs=0.1)
        assert marks[Mark.SPEECH_END] - began == pytest.approx(3.0, abs=0.1)

    async def test_where_nobody_spoke_no_speech_has_a_time(self):
        bench = await Bench().open()
        turn, _ = await bench.say(Speech(0.0, 0.3))
        assert turn.outcome is Outcome.NOTHING_SAID
        assert not {Mark.SPEECH_START, Mark.SPEECH_END} & set(turn.record.marks)

    async def test_speech_that_is_cut_off_ends_there(self):
        bench = await Bench().open()
        turn, _ = await bench.say(Speech(0.5, 5.0), Speech(5.3, 500.0))
        marks = turn.record.marks
        assert marks[Mark.SPEECH_END] == marks[Mark.END_OF_TURN]

    async def test_nothing_is_noted_after_the_end(self):
        turn = Turn("kitchen", now)
        turn.mark(Mark.WAKE)
        turn.end(Outcome.GONE)
        await asyncio.sleep(1)
        turn.mark(Mark.FIRST_AUDIO_PLAYED)
        turn.end(Outcome.ANSWERED)
        assert turn.outcome is Outcome.GONE
        assert list(turn.record.marks) == [Mark.WAKE, Mark.DONE]
        assert turn.record.total() == 0
