"""The whole turn, on a virtual clock with scripted engines: seconds of dialogue in milliseconds."""

import asyncio

import pytest
from scripted import (
    SECONDS_PER_LETTER,
    Bench,
    SimulatedSatellite,
    Speech,
    now,
    sound_of,
    until_ended,
)

from hub.conversation.pipeline import APOLOGY, NO_ANSWER
from hub.conversation.room import Rooms
from hub.conversation.turn import Mark, Outcome, Turn
from hub.engines.base import EngineError

pytestmark = pytest.mark.looptime(noop_cycles=2)

QUESTION = Speech(0.5, 2.0)


async def test_a_question_is_answered_aloud():
    bench = await Bench().open()
    turn, satellite = await bench.say(QUESTION)
    assert turn.outcome is Outcome.ANSWERED
    assert satellite.texts("transcript") == ["what is the capital of france"]
    assert "".join(satellite.texts("clause")).split() == bench.llm.text.split()
    order = [name for name in dict.fromkeys(satellite.names()) if name != "clause"]
    assert order == [
        "listening",
        "voice-started",
        "partial",
        "voice-stopped",
        "transcript",
        "audio-start",
        "audio",
        "audio-stop",
    ]


async def test_speech_begins_while_the_model_is_still_writing():
    bench = await Bench().open()
    turn, _ = await bench.say(QUESTION)
    assert turn.record.marks[Mark.FIRST_AUDIO_SENT] < turn.record.marks[Mark.LAST_TOKEN]


async def test_the_stages_of_a_turn_come_in_order_and_add_up():
    bench = await Bench().open()
    turn, _ = await bench.say(QUESTION)
    stages = turn.record.stages()
    assert all(seconds >= 0 for _, seconds in stages)
    assert sum(seconds for _, seconds in stages) == pytest.approx(turn.record.total())
    marks = turn.record.marks
    ways = {  # the end is decided on while the answer is made
        "deciding": (Mark.PAUSE, Mark.SOFT_END, Mark.END_OF_TURN, Mark.CONFIRMED),
        "answering": (
            Mark.PAUSE,
            Mark.TRANSCRIPT,
            Mark.FIRST_TOKEN,
            Mark.FIRST_CLAUSE,
            Mark.AUDIO_READY,
            Mark.CONFIRMED,
        ),
    }
    for way in ways.values():
        order = (Mark.WAKE, Mark.SPEECH_START, Mark.SPEECH_END, *way, Mark.FIRST_AUDIO_SENT)
        assert [marks[m] for m in order] == sorted(marks[m] for m in order)
    assert set(marks) >= set(Mark) - {Mark.FIRST_AUDIO_PLAYED}


async def test_the_turn_ends_when_the_reply_was_played_and_not_when_it_was_sent():
    bench = await Bench().open()
    turn, satellite = await bench.say(QUESTION)
    sent = next(at for at, name, _ in satellite.events if name == "audio-stop")
    length = sum(len(text) for text in bench.tts.spoken) * SECONDS_PER_LETTER
    assert turn.record.marks[Mark.DONE] - turn.record.marks[Mark.FIRST_AUDIO_SENT] >= length - 0.5
    assert turn.record.marks[Mark.DONE] > sent


async def test_the_prompt_is_prefilled_while_the_person_still_speaks():
    bench = await Bench().open()
    turn = await bench.room().begin(SimulatedSatellite(), sound_of([QUESTION]))
    await asyncio.sleep(0.3)
    assert bench.llm.prefills == ["kitchen"]
    assert not turn.ended
    await until_ended(turn)


async def test_a_pause_within_a_sentence_does_not_end_it():
    bench = await Bench().open()
    turn, satellite = await bench.say(Speech(0.3, 1.0), Speech(1.4, 2.2))
    assert satellite.names().count("voice-stopped") == 1
    assert bench.stt.heard_seconds == pytest.approx(2.2 - 0.3 + 0.5, abs=0.1)
    assert turn.record.between(Mark.SPEECH_START, Mark.SPEECH_END) == pytest.approx(1.9, abs=0.2)


async def test_the_tail_of_the_wake_word_is_not_taken_for_the_question():
    bench = await Bench().open()
    turn, _ = await bench.say(Speech(0.0, 0.3), Speech(1.8, 3.0))
    assert turn.outcome is Outcome.ANSWERED
    assert bench.stt.heard_seconds == pytest.approx(1.2 + 0.5, abs=0.1)


async def test_stop_said_at_once_after_the_wake_word_is_heard():
    bench = await Bench().open()
    turn, _ = await bench.say(Speech(0.0, 0.8))
    assert bench.stt.work.calls
    assert turn.outcome is Outcome.ANSWERED


async def test_silence_never_reaches_the_language_model():
    bench = await Bench().open()
    turn, satellite = await bench.say()
    assert turn.outcome is Outcome.NOTHING_SAID
    assert satellite.texts("failed") == ["stt-no-text-recognized"]
    assert bench.stt.work.calls == bench.llm.work.calls == bench.tts.work.calls == 0


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech"),
    [("", -0.3, 0.9), ("Thanks for watching!", -0.9, 0.7), ("[BLANK_AUDIO]", -0.2, 0.1)],
)
async def test_whispers_inventions_never_reach_the_language_model(text, logprob, no_speech):
    bench = Bench()
    bench.stt.text, bench.stt.avg_logprob, bench.stt.no_speech_prob = text, logprob, no_speech
    await bench.open()
    turn, satellite = await bench.say(Speech(0.5, 0.8))
    assert turn.outcome is Outcome.NOTHING_SAID
    assert satellite.texts("failed") == ["stt-no-text-recognized"]
    assert bench.llm.work.calls == 0


async def test_sound_that_stops_ends_the_question_at_once():
    bench = await Bench().open()
    satellite = SimulatedSatellite()
    began = now()
    turn = await bench.room().begin(satellite, sound_of([Speech(0.5, 2.0)], seconds=2.0))
    await until_ended(turn)
    assert turn.record.marks[Mark.END_OF_TURN] - began == pytest.approx(2.0, abs=0.05)
    assert turn.outcome is Outcome.ANSWERED


async def test_somebody_who_never_pauses_is_cut_off_and_answered():
    bench = await Bench().open()
    turn, _ = await bench.say(Speech(0.5, 500.0))
    assert bench.stt.heard_seconds < 17
    assert turn.outcome is Outcome.ANSWERED


async def test_what_was_heard_is_remembered_and_told_to_the_model_next_time():
    bench = await Bench().open()
    await bench.say(QUESTION)
    bench.stt.text = "and of spain"
    await bench.say(QUESTION)
    roles = [message.role for message in bench.llm.prompts[-1]]
    assert roles == ["system", "user", "assistant", "user"]
    assert bench.llm.prompts[-1][2].content == bench.llm.text


async def test_rooms_do_not_share_memories():
    bench = await Bench().open()
    await bench.say(QUESTION, room="kitchen")
    await bench.say(QUESTION, room="bedroom")
    assert len(bench.llm.prompts[-1]) == 2


async def test_an_interruption_keeps_only_what_was_heard():
    bench = Bench()
    bench.llm.text = "One two three four five six. " + "Seven eight nine ten eleven twelve. " * 5
    await bench.open()
    satellite = SimulatedSatellite()
    first = await bench.room().begin(satellite, sound_of([QUESTION]))
    while satellite.played_seconds() < 3.0:
        await asyncio.sleep(0.05)
    satellite.report(first)
    second = await bench.room().begin(SimulatedSatellite(), sound_of([QUESTION]))
    assert first.outcome is Outcome.INTERRUPTED
    (exchange,) = bench.room().memory.exchanges
    assert exchange.interrupted
    assert exchange.assistant.startswith("One two three")
    assert len(exchange.assistant) == pytest.approx(3.0 / SECONDS_PER_LETTER, abs=8)
    await until_ended(second)
    assert bench.llm.prompts[-1][2].content == exchange.assistant


async def test_a_peer_that_cannot_report_is_believed_to_play_in_real_time():
    bench = await Bench().open()
    turn, satellite = await bench.say(QUESTION, reports=False)
    assert turn.outcome is Outcome.ANSWERED
    assert bench.room().memory.exchanges[0].assistant == bench.llm.text


class TestCancelledAtAnyPoint:
    """Nothing is played, remembered or computed after a turn is cancelled."""

    STEP = 0.04
    END = 10.0

    @pytest.mark.parametrize("at", [round(0.02 + 0.04 * i, 2) for i in range(190)])
    async def test_nothing_goes_on(self, at):
        bench = await Bench().open()
        satellite = SimulatedSatellite()
        turn = await bench.room().begin(satellite, sound_of([QUESTION]))
        await asyncio.sleep(at)
        satellite.report(turn)
        heard = satellite.played_seconds()
        over = turn.ended
        await bench.room().stop(Outcome.INTERRUPTED)
        cancelled = now()
        assert turn.ended
        left = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
        assert not [name for name in left if turn.id in name]
        await asyncio.sleep(20)
        assert satellite.after(cancelled) == []
        for engine in (bench.stt, bench.llm, bench.tts):
            assert engine.work.after(cancelled) == []
        assert bench.llm.work.running == 0
        memory = bench.room().memory.exchanges
        if not over and heard < SECONDS_PER_LETTER * 2:
            assert not memory
        for exchange in memory:
            assert len(exchange.assistant) * SECONDS_PER_LETTER <= heard + 2
        assert len(bench.ended) == 1

    async def test_the_room_can_go_on_at_once(self):
        bench = await Bench().open()
        turn = await bench.room().begin(SimulatedSatellite(), sound_of([QUESTION]))
        await asyncio.sleep(2.9)
        await bench.room().stop(Outcome.INTERRUPTED)
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED


class TestWhenAnEngineFails:
    @pytest.mark.parametrize("role", ["stt", "llm"])
    async def test_the_turn_ends_with_a_spoken_apology_and_the_engine_is_restarted(self, role):
        bench = await Bench().open()
        getattr(bench, role).error = EngineError("it broke")
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.FAILED
        assert satellite.texts("clause") == [APOLOGY]
        assert satellite.names()[-1] == "audio-stop"
        assert getattr(bench.engines, role).restarts >= 1
        getattr(bench, role).error = None
        again, _ = await bench.say(QUESTION)
        assert again.outcome is Outcome.ANSWERED

    async def test_a_model_that_breaks_in_mid_reply_is_apologised_for_in_the_same_breath(self):
        bench = await Bench().open()
        bench.llm.error, bench.llm.error_after = EngineError("it broke"), 9
        turn, satellite = await bench.say(QUESTION)
        assert satellite.names().count("audio-start") == 1
        assert satellite.texts("clause")[-1] == APOLOGY
        assert turn.outcome is Outcome.FAILED
        assert not bench.room().memory.exchanges

    async def test_without_a_voice_an_error_is_sent(self):
        bench = await Bench().open()
        bench.tts.error = EngineError("no voice")
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.FAILED
        assert satellite.texts("failed") == ["engine-failed"]

    async def test_other_rooms_are_not_touched(self):
        bench = await Bench().open()
        bench.llm.text = "Word " * 40
        slow = await bench.room("kitchen").begin(SimulatedSatellite(), sound_of([QUESTION]))
        await asyncio.sleep(4)
        bench.stt.error = EngineError("it broke")
        failed, _ = await bench.say(QUESTION, room="bedroom")
        assert failed.outcome is Outcome.FAILED
        await until_ended(slow)
        assert slow.outcome is Outcome.ANSWERED


async def test_an_empty_reply_is_not_silence():
    bench = Bench()
    bench.llm.text = ""
    await bench.open()
    turn, satellite = await bench.say(QUESTION)
    assert satellite.texts("clause") == [NO_ANSWER]
    assert turn.outcome is Outcome.ANSWERED


async def test_a_claimed_action_is_neither_spoken_nor_remembered():
    bench = Bench()
    bench.stt.text = "could you make the reading corner a bit cosier"
    bench.llm.text = "Sure, I have turned on the lamp for you. Enjoy your evening."
    await bench.open()
    _, satellite = await bench.say(QUESTION)
    assert "turned on" not in " ".join(satellite.texts("clause"))
    assert "Enjoy" not in " ".join(satellite.texts("clause"))
    assert "turned on" not in bench.room().memory.exchanges[0].assistant


async def test_what_needs_a_tool_is_answered_without_the_model():
    bench = Bench()
    bench.stt.text = "turn on the lamp"
    await bench.open()
    turn, _ = await bench.say(QUESTION)
    assert bench.llm.work.calls == 0
    assert turn.outcome is Outcome.ANSWERED


async def test_a_peer_that_vanishes_ends_its_turn_and_nothing_else():
    bench = await Bench().open()
    satellite = SimulatedSatellite()
    turn = await bench.room().begin(satellite, sound_of([QUESTION]))
    await asyncio.sleep(2.5)
    satellite.gone = True
    await until_ended(turn)
    assert turn.outcome is Outcome.GONE
    again, _ = await bench.say(QUESTION)
    assert again.outcome is Outcome.ANSWERED


async def test_what_is_stale_is_dropped():
    turn = Turn("kitchen", now)
    revision = turn.revision
    assert turn.is_current(revision)
    turn.revise()
    assert not turn.is_current(revision)
    assert turn.is_current(turn.revision)
    turn.end(Outcome.ANSWERED)
    assert not turn.is_current(turn.revision)


async def test_a_room_whose_next_question_waits_does_not_make_place(monkeypatch):
    monkeypatch.setattr("hub.conversation.room._MOST_ROOMS", 1)
    bench = await Bench().open()
    kept = []

    def ended(turn):
        rooms.get("hall")  # the first time, between the two questions
        kept.append(rooms._rooms.get("den") is room)

    rooms = Rooms(bench.pipeline, bench.settings.memory, ended)
    room = rooms.get("den")

    async def send(clause):
        pass

    questions = [asyncio.create_task(room.answer(text, send)) for text in ("one", "two")]
    await asyncio.gather(*questions)
    assert kept == [True, True]
    rooms.get("cellar")
    assert "den" not in rooms._rooms  # now it may be forgotten


async def test_two_rooms_at_once_are_both_answered():
    bench = await Bench().open()
    results = await asyncio.gather(
        bench.say(QUESTION, room="kitchen"), bench.say(QUESTION, room="bedroom")
    )
    assert all(turn.outcome is Outcome.ANSWERED for turn, _ in results)
