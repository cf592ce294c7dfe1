"""Questions that are typed and answered aloud, and turns that last while a button is held."""

import asyncio

import pytest
from scripted import Bench, ScriptedLlm, SimulatedSatellite, Speech, now, sound_of, until_ended

from hub.conversation.turn import Mark, Outcome
from hub.engines.base import EngineError

pytestmark = pytest.mark.looptime(noop_cycles=2)


async def test_a_typed_question_is_answered_aloud_and_remembered():
    bench = await Bench().open()
    room, satellite = bench.room(), SimulatedSatellite()
    turn = await room.ask("what is the capital of france", satellite)
    await until_ended(turn)
    assert turn.outcome is Outcome.ANSWERED
    assert satellite.texts("transcript") == ["what is the capital of france"]
    assert turn.playback.started
    assert bench.stt.work.calls == 0
    assert [e.user for e in room.memory.exchanges] == ["what is the capital of france"]


async def test_a_typed_question_interrupts_the_reply_before_it():
    bench = await Bench(llm=ScriptedLlm("a long story. " * 20)).open()
    room, satellite = bench.room(), SimulatedSatellite()
    first = await room.ask("tell me a story", satellite)
    while not first.playback.heard():
        await asyncio.sleep(0.05)
    second = await room.ask("what is the capital of france", satellite)
    assert first.outcome is Outcome.INTERRUPTED
    await until_ended(second)
    assert second.outcome is Outcome.ANSWERED
    assert room.memory.exchanges[0].interrupted


async def test_typing_stop_stops():
    bench = await Bench().open()
    turn = await bench.room().ask("Stop!", SimulatedSatellite())
    await until_ended(turn)
    assert turn.outcome is Outcome.STOPPED
    assert bench.llm.work.calls == 0


async def test_a_typed_question_whose_model_fails_ends_in_an_apology():
    bench = await Bench().open()
    bench.llm.error = EngineError("broken")
    turn = await bench.room().ask("what is the capital of france", SimulatedSatellite())
    await until_ended(turn)
    assert turn.outcome is Outcome.FAILED
    assert turn.playback.started


async def test_while_the_button_is_held_no_silence_ends_the_turn():
    bench = await Bench().open()
    satellite, room = SimulatedSatellite(), bench.room()
    # Quiet for longer than anybody's patience, before the first word and between two.
    timeline = [Speech(9.0, 10.0, "what is the capital"), Speech(14.0, 15.0, "of france")]
    began = now()
    turn = await room.begin(satellite, sound_of(timeline, 15.2), push_to_talk=True)
    await until_ended(turn)
    assert turn.outcome is Outcome.ANSWERED
    assert turn.transcript == "what is the capital of france."
    assert turn.record.marks[Mark.CONFIRMED] - began >= 15.0


async def test_once_the_button_is_let_go_the_answer_comes_at_once():
    bench = await Bench().open()
    satellite, room = SimulatedSatellite(), bench.room()
    sound = sound_of([Speech(0.5, 1.5, "what is the capital of france")], 1.55)
    turn = await room.begin(satellite, sound, push_to_talk=True)
    await until_ended(turn)
    record = turn.record
    assert record.between(Mark.SPEECH_END, Mark.END_OF_TURN) < 0.2
    assert turn.outcome is Outcome.ANSWERED


async def test_a_button_held_in_silence_says_nothing():
    bench = await Bench().open()
    turn = await bench.room().begin(SimulatedSatellite(), sound_of([], 3.0), push_to_talk=True)
    await until_ended(turn)
    assert turn.outcome is Outcome.NOTHING_SAID
