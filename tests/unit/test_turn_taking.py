"""Who speaks when, and what Parlour makes of it: conversations on a virtual clock.

The language model answers "You said ..." with what it was given, so every reply shows which words
it belongs to.
"""

import asyncio
import gc
import itertools
from dataclasses import dataclass

import msgspec
import pytest
from scripted import (
    Bench,
    ScriptedLlm,
    ScriptedStt,
    SimulatedSatellite,
    Speech,
    lines_in,
    now,
    sound_of,
    until_ended,
)

from hub.config import Settings, TurnSettings
from hub.conversation.listening import Listener
from hub.conversation.pipeline import APOLOGY
from hub.conversation.turn import Mark, Outcome
from hub.engines.base import EngineError

pytestmark = pytest.mark.looptime(noop_cycles=2)

LONG = "tell me all about the history of the city of rome please"


def echo(said: str) -> str:
    return f"You said {said}."


async def bench_of(*, stt: float = 0.15, first: float = 0.15, each: float = 0.03, **turn) -> Bench:
    bench = Bench(
        stt=ScriptedStt(seconds=stt),
        llm=ScriptedLlm(first=first, each=each),
        settings=msgspec.structs.replace(Settings(), turn=TurnSettings(**turn)),
    )
    bench.llm.answer = echo
    return await bench.open()


def words(text: str) -> str:
    return " ".join(text.replace(".", "").split())


def said(satellite: SimulatedSatellite) -> list[str]:
    return [words(text) for text in satellite.texts("transcript")]


@dataclass(frozen=True)
class Case:
    """One thing said, perhaps with pauses, and what must come of it.

    `said` is what is answered, `delay` the longest time from the last word to the reply (seconds).
    """

    name: str
    speech: tuple[Speech, ...]
    said: str
    delay: float = 0.75
    revisions: int | None = None
    reopened: int = 0
    outcome: Outcome = Outcome.ANSWERED


CASES = [
    Case(
        "one sentence",
        (Speech(0.5, 2.0, "why is the sky blue"),),
        "why is the sky blue",
        revisions=0,
    ),
    Case("a word", (Speech(0.5, 0.8, "yes"),), "yes", revisions=0),
    Case("no at once", (Speech(0.1, 0.45, "no thanks"),), "no thanks", revisions=0),
    Case("a long sentence", (Speech(0.5, 6.5, LONG),), LONG, 1.0, revisions=0),
    Case(
        "a short pause that does not sound finished",
        (Speech(0.5, 1.5, "tell a story about", finished=False), Speech(1.8, 2.5, "green dragons")),
        "tell a story about green dragons",
    ),
    Case(
        "half a second of thinking",
        (Speech(0.5, 1.5, "tell a story about", finished=False), Speech(2.0, 2.7, "green dragons")),
        "tell a story about green dragons",
    ),
    Case(
        "a second of thinking",
        (Speech(0.5, 1.5, "tell a story about", finished=False), Speech(2.5, 3.2, "green dragons")),
        "tell a story about green dragons",
        revisions=1,
    ),
    Case(
        "they sound finished and go on before the answer is ready",
        (Speech(0.5, 1.5, "what is the capital"), Speech(1.95, 2.6, "of france")),
        "what is the capital of france",
        revisions=1,
        reopened=1,
    ),
    Case(
        "two pauses",
        (
            Speech(0.5, 1.2, "tell me", finished=False),
            Speech(1.6, 2.2, "about the", finished=False),
            Speech(2.7, 3.3, "roman empire"),
        ),
        "tell me about the roman empire",
    ),
    Case(
        "three pauses that sound finished",
        (
            Speech(0.5, 1.2, "tell me something"),
            Speech(1.6, 2.2, "about old rome"),
            Speech(2.6, 3.2, "its roads"),
            Speech(3.6, 4.2, "and its end"),
        ),
        "tell me something about old rome its roads and its end",
        delay=0.9,
        reopened=3,
    ),
    Case(
        "a cough while the answer is made",
        (Speech(0.5, 2.0, "why is the sky blue"), Speech(2.35, 2.5, "")),
        "why is the sky blue",
        delay=0.95,
        revisions=0,
        reopened=1,
    ),
    Case(
        "a click",
        (Speech(0.5, 2.0, "why is the sky blue"), Speech(2.3, 2.32, "")),
        "why is the sky blue",
        revisions=0,
    ),
    Case(
        "not finished, but nothing follows",
        (Speech(0.5, 1.5, "and then there was", finished=False),),
        "and then there was",
        delay=3.2,
    ),
    Case(
        "a pause of a tenth of a second",
        (Speech(0.5, 1.0, "good"), Speech(1.1, 1.6, "morning")),
        "good morning",
        revisions=0,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_was_said_is_answered_as_a_whole_and_soon(case: Case):
    bench = await bench_of()
    turn, satellite = await bench.say(*case.speech, wake_phrase=None)
    assert turn.outcome is case.outcome
    assert said(satellite) == [case.said]
    assert words("".join(satellite.texts("clause"))) == words(echo(case.said))
    assert [words(e.user) for e in bench.room().memory.exchanges] == [case.said]
    spoken = max(s.end for s in case.speech if s.text)
    first = next(at for at, name, _ in satellite.events if name == "audio-start")
    assert first - spoken <= case.delay
    assert turn.record.reopened == case.reopened
    if case.revisions is not None:
        assert turn.record.revisions == case.revisions


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_without_speculation_the_same_is_answered_only_later(case: Case):
    bench = await bench_of(speculate=False)
    turn, satellite = await bench.say(*case.speech, wake_phrase=None)
    assert said(satellite) == [case.said]
    assert words("".join(satellite.texts("clause"))) == words(echo(case.said))
    assert turn.record.speculations == 0
    assert not turn.record.speculated


async def test_the_answer_is_ready_when_the_end_is_known():
    bench = await bench_of()
    turn, _ = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    marks = turn.record.marks
    assert turn.record.speculated
    assert marks[Mark.TRANSCRIPT] < marks[Mark.SOFT_END] + 0.1
    assert marks[Mark.CONFIRMED] - marks[Mark.AUDIO_READY] < 0.01


async def test_nothing_reaches_the_satellite_before_the_turn_is_confirmed():
    bench = await bench_of(first=0.01, each=0.001, stt=0.02)
    speech = (
        Speech(0.5, 1.5, "tell me", finished=False),
        Speech(2.4, 3.0, "a joke"),
    )
    turn, satellite = await bench.say(*speech)
    early = [name for at, name, _ in satellite.events if at < 3.0]
    assert set(early) <= {"listening", "voice-started", "partial"}
    assert turn.record.revisions >= 1  # there was an answer to hold back


async def test_no_more_than_two_replies_are_begun_before_the_end_is_known():
    bench = await bench_of(stt=0.05)
    speech = [Speech(0.5 + i, 1.0 + i, f"part {i}", finished=False) for i in range(6)]
    turn, satellite = await bench.say(*speech)
    assert said(satellite) == [" ".join(f"part {i}" for i in range(6))]
    assert turn.record.speculations <= 2
    assert bench.llm.work.calls <= 3


async def test_what_is_computed_for_less_than_was_said_stops_when_they_go_on():
    bench = await bench_of(stt=0.05, first=0.05, each=0.1)
    bench.llm.answer = lambda said: "Well, " + "word " * 80
    speech = (Speech(0.5, 1.5, "one thing"), Speech(1.9, 4.5, "and many other words to say here"))
    turn = await bench.room().begin(SimulatedSatellite(), sound_of(speech))
    await asyncio.sleep(2.6)  # they have gone on for 0.7 s
    assert bench.llm.work.running == 0
    assert turn.record.revisions == 1
    await bench.room().stop(Outcome.GONE)


async def test_a_late_transcript_does_not_lose_the_turn():
    bench = await bench_of(stt=2.0)
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert said(satellite) == ["why is the sky blue"]
    assert turn.outcome is Outcome.ANSWERED


async def test_a_transcript_that_comes_after_they_went_on_counts_for_nothing():
    bench = await bench_of(stt=0.6)
    speech = (Speech(0.5, 1.0, "name one"), Speech(1.4, 2.0, "good book"))
    turn, satellite = await bench.say(*speech)
    assert said(satellite) == ["name one good book"]
    assert len(satellite.texts("clause")) == 1
    assert turn.outcome is Outcome.ANSWERED


async def test_an_end_of_turn_model_that_stalls_costs_a_fixed_silence():
    bench = await bench_of()
    bench.turn.seconds = 1000.0
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert turn.outcome is Outcome.ANSWERED
    waited = turn.record.between(Mark.SPEECH_END, Mark.END_OF_TURN)
    assert waited is not None and waited <= 1.0


async def test_an_end_of_turn_model_that_fails_is_replaced_and_the_turn_goes_on():
    bench = await bench_of()
    bench.turn.error = EngineError("it broke")
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert turn.outcome is Outcome.ANSWERED
    assert bench.engines.turn.restarts == 1


async def test_a_model_that_fails_at_a_try_is_asked_again_when_the_end_is_known():
    bench = await bench_of()
    generate = bench.llm.generate

    def once(room, messages, *, max_tokens):
        bench.llm.generate = generate
        raise EngineError("it broke")

    bench.llm.generate = once
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert turn.outcome is Outcome.ANSWERED
    assert APOLOGY not in satellite.texts("clause")
    assert not turn.record.speculated


async def test_a_model_that_stalls_is_apologised_for():
    bench = await bench_of(first=1000.0)
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert turn.outcome is Outcome.FAILED
    assert satellite.texts("clause") == [APOLOGY]
    assert said(satellite) == ["why is the sky blue"]


async def test_a_slow_model_does_not_keep_the_satellite_from_knowing_that_it_was_heard():
    bench = await bench_of(first=5.0)
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    stopped = next(at for at, name, _ in satellite.events if name == "voice-stopped")
    assert stopped <= 2.0 + 0.6 + bench.settings.turn.reopen
    assert turn.outcome is Outcome.ANSWERED


async def test_with_a_slow_model_they_may_go_on_for_a_second_after_the_end():
    bench = await bench_of(first=2.0)
    speech = (Speech(0.5, 1.5, "what is the capital"), Speech(2.4, 3.0, "of france"))
    turn, satellite = await bench.say(*speech)
    assert said(satellite) == ["what is the capital of france"]
    assert turn.record.reopened == 1


@pytest.mark.parametrize("gap", [0.8, 1.5, 3.0])
async def test_a_cough_before_the_question_is_not_the_question(gap):
    bench = await bench_of()
    question = Speech(0.7 + gap, 2.2 + gap, "why is the sky blue")
    turn, satellite = await bench.say(Speech(0.5, 0.7, ""), question, wake_phrase=None)
    assert turn.outcome is Outcome.ANSWERED
    assert said(satellite) == ["why is the sky blue"]
    assert "failed" not in satellite.names()


async def test_coughs_alone_are_given_up_like_silence():
    bench = await bench_of()
    turn, satellite = await bench.say(Speech(0.5, 0.7, ""), wake_phrase=None)
    assert turn.outcome is Outcome.NOTHING_SAID
    assert satellite.events[-1][0] == pytest.approx(bench.settings.turn.no_speech, abs=0.3)


async def test_a_cough_that_makes_nonsense_of_the_words_does_not_lose_them():
    bench = await bench_of()
    bench.llm.first = 1.0
    heard = bench.stt._words
    bench.stt._words = lambda pcm: (
        "la " * 40 if any(not line.text for line, _ in lines_in(pcm)) else heard(pcm)
    )
    cough = Speech(2.35, 2.5, "")
    turn, satellite = await bench.say(Speech(0.5, 2.0, "why is the sky blue"), cough)
    assert said(satellite) == ["why is the sky blue"]
    assert turn.outcome is Outcome.ANSWERED


async def test_the_model_is_asked_about_the_question_and_not_about_the_wake_word():
    bench = await bench_of()
    tail = Speech(0.0, 0.25, "vis")
    unfinished = Speech(1.5, 2.5, "tell a story about", finished=False)
    turn, satellite = await bench.say(tail, unfinished, Speech(3.2, 4.0, "green dragons"))
    assert said(satellite) == ["tell a story about green dragons"]
    assert bench.turn.work.calls == 2
    assert all(at > 2.5 for at in bench.turn.work.times)


async def test_speech_to_text_that_fails_at_a_pause_is_asked_again_at_the_next():
    bench = await bench_of()
    transcribe, calls = bench.stt.transcribe, []

    async def once(pcm, **options):
        if not options.get("draft"):
            calls.append(now())
            if len(calls) == 1:
                raise EngineError("it broke")
        return await transcribe(pcm, **options)

    bench.stt.transcribe = once
    speech = (Speech(0.5, 1.5, "why is", finished=False), Speech(1.8, 2.6, "the sky blue"))
    turn, satellite = await bench.say(*speech)
    assert said(satellite) == ["why is the sky blue"]
    assert turn.outcome is Outcome.ANSWERED


async def test_waiting_for_a_transcript_takes_no_computing():
    bench = await bench_of(reopen=0.0)
    transcribe = bench.stt.transcribe

    async def slow(pcm, **options):
        if any(line.text == "" for line, _ in lines_in(pcm)):
            await asyncio.sleep(3.0)
        return await transcribe(pcm, **options)

    bench.stt.transcribe = slow
    bench.llm.first = 2.0
    rounds = 0
    confirmable = Listener._confirmable

    def counted(self):
        nonlocal rounds
        rounds += 1
        return confirmable(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Listener, "_confirmable", counted)
        cough = Speech(2.15, 2.3, "")
        turn, _ = await bench.say(Speech(0.5, 2.0, "why is the sky blue"), cough)
    assert turn.outcome is Outcome.ANSWERED
    assert rounds < 100


async def test_a_try_that_fails_and_is_dropped_leaves_nothing_in_the_log(caplog):
    bench = await bench_of(stt=0.05)

    def broken(room, messages, *, max_tokens):
        raise ValueError(f"secret: {messages[-1].content}")

    generate, bench.llm.generate = bench.llm.generate, broken
    speech = (
        Speech(0.5, 1.5, "tell me one", finished=False),
        Speech(2.0, 3.5, "and many other words"),
    )
    turn = await bench.room().begin(SimulatedSatellite(), sound_of(speech))
    await asyncio.sleep(2.6)
    assert turn.record.revisions == 1
    bench.llm.generate = generate
    await until_ended(turn)
    gc.collect()
    assert "secret" not in caplog.text
    assert turn.outcome is Outcome.ANSWERED


async def test_stop_wants_no_answer_and_no_model():
    bench = await bench_of()
    bench.llm.error = EngineError("it is never asked")
    turn, satellite = await bench.say(Speech(0.5, 0.9, "stop"))
    assert turn.outcome is Outcome.STOPPED
    assert satellite.names()[-1] == "stopped"
    assert bench.llm.work.calls == 0
    assert not bench.room().memory.exchanges


async def test_a_peer_that_says_when_speech_ends_is_answered_at_once():
    bench = await bench_of()
    speech = Speech(0.5, 2.0, "why is the sky blue")
    satellite = SimulatedSatellite()
    turn = await bench.room().begin(satellite, sound_of([speech], seconds=2.02))
    await until_ended(turn)
    assert said(satellite) == ["why is the sky blue"]
    marks = turn.record.marks
    assert marks[Mark.END_OF_TURN] <= 2.1
    assert marks[Mark.CONFIRMED] - marks[Mark.TRANSCRIPT] < 0.01


async def test_sound_that_ends_in_a_pause_has_its_transcript_already():
    bench = await bench_of(stt=0.1)
    speech = Speech(0.5, 2.0, "why is the sky blue", finished=False)
    turn = await bench.room().begin(SimulatedSatellite(), sound_of([speech], seconds=2.5))
    await until_ended(turn)
    assert bench.stt.work.calls <= 3  # two drafts, and the one at the pause
    assert turn.record.marks[Mark.TRANSCRIPT] < turn.record.marks[Mark.END_OF_TURN]


async def test_partial_transcripts_come_while_they_speak_and_are_never_taken_back():
    bench = await bench_of()
    turn, satellite = await bench.say(Speech(0.5, 6.5, LONG))
    partials = [(at, text) for at, name, text in satellite.events if name == "partial"]
    assert [at for at, _ in partials if at < 6.0]
    texts = [text for _, text in partials]
    assert all(b.startswith(a) for a, b in itertools.pairwise(texts))
    assert LONG.startswith(texts[-1])


async def test_what_is_certain_of_their_words_is_prefilled_while_they_speak():
    bench = await bench_of()
    prefilled = []

    async def prefill(room, messages, *, unfinished=False):
        prefilled.append((now(), messages[-1].content, unfinished))

    bench.llm.prefill = prefill
    turn, _ = await bench.say(Speech(0.5, 6.5, LONG))
    early = [text for at, text, unfinished in prefilled if unfinished and at < 6.5]
    assert early
    assert all(LONG.startswith(text) for text in early)


async def test_names_of_rooms_and_words_of_the_home_are_a_hint_to_speech_to_text():
    bench = await bench_of()
    bench.settings = msgspec.structs.replace(
        bench.settings, stt=msgspec.structs.replace(bench.settings.stt, words=("Zephyr",))
    )
    bench.pipeline._settings = bench.settings
    bench.room("conservatory")
    await bench.say(Speech(0.5, 2.0, "why is the sky blue"))
    assert bench.stt.bias == ("Zephyr", "conservatory", "kitchen")


class TestTwoRooms:
    async def test_each_is_answered_with_its_own_words(self):
        bench = await bench_of()
        one, other = await asyncio.gather(
            bench.say(Speech(0.5, 2.0, "why is the sky blue"), room="kitchen"),
            bench.say(Speech(0.7, 2.2, "how do birds fly"), room="bedroom"),
        )
        assert said(one[1]) == ["why is the sky blue"]
        assert said(other[1]) == ["how do birds fly"]
        assert words("".join(other[1].texts("clause"))) == words(echo("how do birds fly"))

    async def test_one_that_goes_on_disturbs_nobody_else(self):
        bench = await bench_of()
        on = (Speech(0.5, 1.5, "what is the capital"), Speech(1.95, 2.6, "of france"))
        one, other = await asyncio.gather(
            bench.say(*on, room="kitchen"),
            bench.say(Speech(0.5, 2.0, "how do birds fly"), room="bedroom"),
        )
        assert one[0].record.revisions == 1
        assert other[0].record.revisions == 0
        assert other[0].record.speculated
        exchanges = {room: bench.room(room).memory.exchanges for room in ("kitchen", "bedroom")}
        assert [words(e.user) for e in exchanges["kitchen"]] == ["what is the capital of france"]
        assert [words(e.user) for e in exchanges["bedroom"]] == ["how do birds fly"]


# Listening, pause, speculating, confirmed, first clause, later clauses, all sent.
@pytest.mark.parametrize("moment", [0.3, 1.0, 2.1, 2.2, 2.3, 2.45, 2.6, 2.8, 3.0, 3.5, 4.0, 5.0])
async def test_a_new_question_in_any_state_is_answered_and_the_old_one_leaves_no_trace(moment):
    bench = await bench_of()
    bench.llm.answer = lambda said: f"You said {said}. " + "And so it goes on and on. " * 3
    first = SimulatedSatellite()
    old = await bench.room().begin(first, sound_of([Speech(0.5, 2.0, "why is the sky blue")]))
    await asyncio.sleep(moment)
    began = now()
    new, satellite = await bench.say(Speech(0.5, 2.0, "how do birds fly"), wake_phrase=None)
    assert old.outcome is Outcome.INTERRUPTED
    assert new.outcome is Outcome.ANSWERED
    assert said(satellite) == ["how do birds fly"]
    assert not first.after(began + 0.05)
    heard = [e for e in bench.room().memory.exchanges if words(e.user) == "why is the sky blue"]
    assert len(heard) == (1 if "audio" in first.names() and heard else 0)
    assert all(e.interrupted for e in heard)
    assert bench.llm.work.running == 0
