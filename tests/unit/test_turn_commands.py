"""Commands in a turn: done once, when it is sure that they were said, and for nobody else."""

import asyncio
import random

import msgspec
import pytest
from scripted import (
    Bench,
    ScriptedLlm,
    ScriptedStt,
    SimulatedSatellite,
    Speech,
    now,
    sound_of,
    until_ended,
)
from scripted_home import ScriptedHome, ScriptedTools

from hub.config import Settings, TurnSettings
from hub.conversation.turn import Mark, Outcome
from hub.engines.base import EngineError
from hub.home.base import HomeError

pytestmark = pytest.mark.looptime(noop_cycles=2)

LAMP = "turn on the lamp"
BEDROOM = "turn on the lamp in the bedroom"
TIMERS = "how long is left"
PERU = "what is the capital of peru"
MOVIES = "it is movie night"
DARK = "it is so dark"


async def bench_of(*, asks: bool = False, **turn) -> Bench:
    home = ScriptedHome()
    home.acts = {LAMP: "The lamp is on.", BEDROOM: "The bedroom lamp is on."}
    home.tells = {TIMERS: "Two minutes."}
    home.asks = asks
    bench = Bench(
        stt=ScriptedStt(seconds=0.15),
        llm=ScriptedLlm("It is Lima, I think.", first=0.3),
        settings=msgspec.structs.replace(Settings(), turn=TurnSettings(**turn)),
        home=home,
    )
    return await bench.open()


async def test_a_command_is_done_once_after_the_turn_is_confirmed_and_takes_no_language_model():
    bench = await bench_of()
    turn, satellite = await bench.say(Speech(0.5, 1.5, LAMP))
    assert turn.outcome is Outcome.ANSWERED
    assert [said for _, said in bench.home.done] == [LAMP]
    assert bench.home.done[0][0] >= turn.record.marks[Mark.CONFIRMED]
    assert bench.llm.work.calls == 0
    assert satellite.texts("clause") == ["The lamp is on."]
    assert turn.record.intent == "Act"
    assert bench.room().memory.exchanges[-1].assistant == "The lamp is on."


async def test_half_of_a_command_is_never_done():
    """They go on where they sounded finished, a moment after the end: that is one turn."""
    for pause in (0.3, 0.4, 0.45, 0.5):
        bench = await bench_of()
        speech = (
            Speech(0.5, 1.5, LAMP),
            Speech(1.5 + pause, 2.3 + pause, "in the bedroom"),
        )
        turn, _ = await bench.say(*speech)
        assert [said for _, said in bench.home.done] == [BEDROOM], pause
        assert turn.outcome is Outcome.ANSWERED


async def test_a_question_to_the_home_is_answered_without_waiting_for_a_second_thought():
    bench = await bench_of()
    turn, satellite = await bench.say(Speech(0.5, 1.5, TIMERS))
    assert satellite.texts("clause") == ["Two minutes."]
    assert bench.llm.work.calls == 0
    acting, _ = await bench.say(Speech(0.5, 1.5, LAMP))
    waited = acting.record.between(Mark.SPEECH_END, Mark.FIRST_AUDIO_SENT)
    assert turn.record.between(Mark.SPEECH_END, Mark.FIRST_AUDIO_SENT) < waited - 0.1


async def test_what_could_not_be_done_is_said():
    bench = await bench_of()
    bench.home.acts[LAMP] = HomeError("The lamp does not answer.")
    turn, satellite = await bench.say(Speech(0.5, 1.5, LAMP))
    assert satellite.texts("clause") == ["The lamp does not answer."]
    assert turn.outcome is Outcome.ANSWERED
    assert len(bench.home.done) == 1


async def test_a_home_that_does_not_answer_is_given_up_and_not_asked_again():
    bench = await bench_of()
    bench.home.seconds = 600.0
    turn, satellite = await bench.say(Speech(0.5, 1.5, LAMP))
    assert "took too long" in satellite.texts("clause")[0]
    assert len(bench.home.done) == 1
    assert turn.record.total() < 30


async def test_a_bug_in_the_home_is_apologised_for():
    bench = await bench_of()
    bench.home.acts[LAMP] = ValueError("a bug")
    turn, satellite = await bench.say(Speech(0.5, 1.5, LAMP))
    assert "something went wrong" in satellite.texts("clause")[0]
    assert turn.outcome is Outcome.FAILED


async def test_what_was_not_understood_after_all_is_for_the_language_model():
    bench = await bench_of()
    bench.home.acts[PERU] = None
    turn, satellite = await bench.say(Speech(0.5, 1.5, PERU))
    assert " ".join(c.strip() for c in satellite.texts("clause")).startswith("It is Lima")
    assert turn.record.intent == ""


async def test_a_command_that_wants_no_answer_ends_the_turn_in_silence():
    bench = await bench_of()
    bench.home.acts["never mind"] = ""
    turn, satellite = await bench.say(Speech(0.5, 1.5, "never mind"))
    assert turn.outcome is Outcome.STOPPED
    assert satellite.names()[-1] == "stopped"
    assert "audio-start" not in satellite.names()


async def test_another_intent_engine_is_asked_once_while_the_model_already_writes():
    bench = await bench_of(asks=True)
    bench.home.asked = {MOVIES: "I know no movies."}
    turn, satellite = await bench.say(Speech(0.5, 1.5, MOVIES))
    assert satellite.texts("clause") == ["I know no movies."]
    assert [said for _, said in bench.home.done] == [MOVIES]
    assert bench.llm.work.calls == 1
    assert bench.llm.work.running == 0
    assert turn.record.tokens.prompt_tokens == 0
    assert Mark.FIRST_TOKEN not in turn.record.marks
    assert turn.record.intent == "HomeAssistant"


async def test_what_no_intent_engine_knows_the_model_answers_without_a_pause_for_asking():
    without, _ = await (await bench_of()).say(Speech(0.5, 1.5, PERU))
    bench = await bench_of(asks=True)
    turn, satellite = await bench.say(Speech(0.5, 1.5, PERU))
    assert "Lima" in " ".join(satellite.texts("clause"))
    assert turn.outcome is Outcome.ANSWERED
    assert bench.llm.work.calls == 1
    delays = [t.record.between(Mark.SPEECH_END, Mark.FIRST_AUDIO_SENT) for t in (without, turn)]
    assert delays[1] - delays[0] < 2 * bench.home.seconds


async def test_a_model_that_fails_loses_no_command_that_the_intent_engine_knows():
    bench = await bench_of(asks=True)
    bench.llm.error = EngineError("llm: it broke")
    bench.home.asked = {MOVIES: "The film begins."}
    turn, satellite = await bench.say(Speech(0.5, 1.5, MOVIES))
    assert satellite.texts("clause") == ["The film begins."]
    assert turn.outcome is Outcome.ANSWERED


async def test_an_intent_engine_that_knows_nothing_and_a_model_that_fails_are_apologised_for():
    bench = await bench_of(asks=True)
    bench.llm.error = EngineError("llm: it broke")
    turn, satellite = await bench.say(Speech(0.5, 1.5, PERU))
    assert "something went wrong" in satellite.texts("clause")[0]
    assert turn.outcome is Outcome.FAILED


async def test_what_the_model_chooses_is_done_once_after_the_intent_engine_was_asked():
    bench = await bench_of(asks=True)
    bench.home.tools = {DARK: ScriptedTools(bench.home, DARK, "The lamp is on.")}
    bench.llm.answer = lambda said: "1" if said == "1. do it" else "Is it?"
    turn, satellite = await bench.say(Speech(0.5, 1.5, DARK))
    assert satellite.texts("clause") == ["The lamp is on."]
    assert [said for _, said in bench.home.done] == [DARK]
    assert bench.home.done[0][0] > turn.record.marks[Mark.CONFIRMED] + bench.home.seconds - 0.01
    assert turn.record.intent == "Tool"
    bench.home.asked = {DARK: "Home Assistant did it."}
    _, satellite = await bench.say(Speech(0.5, 1.5, DARK))
    assert satellite.texts("clause") == ["Home Assistant did it."]
    assert len(bench.home.done) == 2


async def test_what_the_model_chooses_is_dropped_when_they_go_on():
    bench = await bench_of(asks=True)
    bench.home.tools = {DARK: ScriptedTools(bench.home, DARK, "The lamp is on.")}
    bench.llm.answer = lambda said: "1" if said == "1. do it" else "Is it?"
    speech = (Speech(0.5, 1.5, DARK, finished=False), Speech(2.3, 3.0, "in this cave"))
    await bench.say(*speech)
    assert not bench.home.done


async def test_a_model_that_chooses_nothing_answers_in_words():
    bench = await bench_of(asks=True)
    bench.home.tools = {DARK: ScriptedTools(bench.home, DARK, "The lamp is on.")}
    bench.llm.answer = lambda said: "0" if said == "1. do it" else "Then close your eyes."
    _, satellite = await bench.say(Speech(0.5, 1.5, DARK))
    assert satellite.texts("clause") == ["Then close your eyes."]
    assert not bench.home.done


async def test_names_in_the_home_are_expected_by_speech_to_text():
    bench = await bench_of()
    bench.home.known = ("Rosenkavalier lamp",)
    await bench.say(Speech(0.5, 1.5, LAMP))
    assert "Rosenkavalier lamp" in bench.stt.bias


async def test_commands_in_writing_are_done_and_what_is_none_is_answered():
    bench = await bench_of(asks=True)
    bench.home.asked = {MOVIES: "I know no movies."}
    written: list[str] = []

    async def send(clause: str) -> None:
        written.append(clause.strip())

    for text in (LAMP, MOVIES, PERU):
        turn = await bench.room().answer(text, send)
        assert turn.outcome is Outcome.ANSWERED
    assert written == ["The lamp is on.", "I know no movies.", "It is Lima, I think."]
    assert [said for _, said in bench.home.done] == [LAMP, MOVIES]


@pytest.mark.parametrize("seed", range(200))
async def test_each_confirmed_command_is_done_exactly_once_and_nothing_else(seed):
    """Over random evenings of commands that are paused in, gone on with, and interrupted."""
    rng = random.Random(seed)
    bench = await bench_of(asks=rng.random() < 0.5)
    commands = [LAMP, BEDROOM, MOVIES]
    bench.home.asked = {MOVIES: "The film begins."}
    began, satellites = [], []
    for _ in range(rng.randint(1, 3)):
        command = rng.choice(commands)
        words, at, timeline = command.split(), 0.3, []
        while words:
            taken, words = words[: (n := rng.randint(1, len(words)))], words[n:]
            timeline.append(Speech(at, at + 0.25 * len(taken), " ".join(taken), rng.random() < 0.7))
            at = timeline[-1].end + rng.uniform(0.1, 1.2)
        satellite = SimulatedSatellite()
        turn = await bench.room().begin(satellite, sound_of(timeline), "")
        began.append(turn)
        satellites.append(satellite)
        if rng.random() < 0.5:  # the wake word, again
            await asyncio.sleep(rng.uniform(0.2, at + 2.0))
        else:
            await until_ended(turn)
    await bench.rooms.close()
    ended = now()
    known = {LAMP, BEDROOM, *([MOVIES] if bench.home.asks else [])}
    told = [text.rstrip(".") for s in satellites for text in s.texts("transcript")]
    confirmed = [text for text in told if text in known]
    done = [said for _, said in bench.home.done]
    # What was confirmed in the very moment of its interruption may not have been begun.
    assert all(done.count(said) <= confirmed.count(said) for said in known), (told, done)
    whole = [
        text.rstrip(".")
        for turn, satellite in zip(began, satellites, strict=True)
        if turn.outcome is Outcome.ANSWERED
        for text in satellite.texts("transcript")
        if text.rstrip(".") in known
    ]
    assert all(done.count(said) >= whole.count(said) for said in known), (told, done)
    assert set(done) <= known
    await asyncio.sleep(5)
    assert not [at for at, _ in bench.home.done if at > ended]
