"""What is said over a reply: which words count, and how soon it is decided."""

import asyncio
import time

import pytest
from scripted import FRAME_SECONDS, Bench, ScriptedStt, Speech, now, sound_of

from hub.conversation.interruption import (
    DECIDE_SECONDS,
    Judge,
    Overheard,
    Ruling,
    is_backchannel,
    is_echo,
    is_stop,
)
from hub.conversation.playback import Playback
from hub.engines.base import EngineError
from protocol.audio import PcmFormat

FORM = PcmFormat(24000, 2, 1)
CLAUSES = [
    "The capital of France is Paris.",
    "It lies on the river Seine, in the north of the country.",
    "Its most famous building is the Eiffel Tower.",
]
FIRST = 0.8  # seconds of sound that come at once; somebody speaks from 0.55 s on


def playback(heard: float, clauses=CLAUSES) -> Playback:
    """A reply of which so many seconds, two a clause, were heard."""
    playback = Playback(lambda: 0.0)
    for clause in clauses:
        playback.begin_clause(clause, FORM)
        playback.sent(bytes(FORM.bytes_for(2.0)))
        playback.end_clause()
    playback.report(round(heard * FORM.rate))
    return playback


async def ruling(*timeline: Speech, said=None, seconds=6.0, **stt) -> tuple[Ruling, float]:
    """Return what the judge says of speech over a reply, and when, since it was asked."""
    bench = Bench(stt=ScriptedStt(**{"seconds": 0.15, **stt}))
    await bench.open()
    judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
    return await verdict_of(judge, timeline, said, seconds)


async def verdict_of(judge: Judge, timeline, said=None, seconds=6.0) -> tuple[Ruling, float]:
    """The same of a judge of one's own."""
    pieces = [pcm async for pcm in sound_of(timeline, seconds)]

    async def sound():
        began = now()
        for index, pcm in enumerate(pieces):
            await asyncio.sleep(max(0.0, began + index * FRAME_SECONDS - FIRST - now()))
            yield pcm

    began = now()
    verdict = await judge.rule("kitchen", Overheard(sound()), said or playback(3.0))
    return verdict, now() - began


@pytest.mark.looptime
async def test_a_reply_that_is_held_again_and_again_is_not_given_up_before_it_was_played():
    playback = Playback(now)
    playback.begin_clause("One two three.", FORM)
    playback.sent(bytes(FORM.bytes_for(4.0)))
    playback.end_clause()
    waiting = asyncio.create_task(playback.wait(5.0))
    for seconds in (1, 2, 3):  # 4 s to play and 5 s to spare, but it takes 24 s
        await asyncio.sleep(8.0)
        playback.report(seconds * FORM.rate)
        assert not waiting.done()
    playback.finish()
    assert await waiting
    assert not await _given_up_at_last()


async def _given_up_at_last() -> bool:
    playback = Playback(now)
    playback.begin_clause("One two three.", FORM)
    playback.sent(bytes(FORM.bytes_for(4.0)))
    playback.report(FORM.rate)
    async with asyncio.timeout(9.0):  # 3 s to play, 5 s to spare
        return await playback.wait(5.0)


def test_the_clause_that_is_being_heard_is_known():
    assert playback(0.0).saying == CLAUSES[0]
    assert playback(2.5).saying == CLAUSES[1]
    assert playback(6.0).saying == CLAUSES[2]
    assert Playback(lambda: 0.0).saying == ""


class TestStop:
    @pytest.mark.parametrize(
        "text",
        [
            "Stop.",
            "stop",
            "Stop, stop, stop!",
            "Please stop.",
            "Okay, stop it.",
            "No, stop talking, please.",
            "Be quiet!",
            "Quiet.",
            "Shut up.",
            "Cancel.",
            "Cancel that.",
            "Never mind.",
            "Nevermind.",
            "Oh, never mind.",
            "Forget it.",
            "Enough.",
            "That's enough, thanks.",
            "OK, that's enough for now.",
            "That's all, thank you.",
            "Wait.",
            "Wait a minute.",
            "Hold on.",
            "Will you be quiet?",
            "Not now.",
        ],
    )
    def test_the_wish_for_silence_is_understood_in_many_words(self, text):
        assert is_stop(text, "en")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "...",
            "Stop the music.",
            "Stop the timer in the kitchen.",
            "When does the bus stop?",
            "Where is the next stop?",
            "Cancel my alarm.",
            "How do I stop a nosebleed?",
            "Is that enough flour?",
            "What does never mind mean?",
            "Is it quiet in the bedroom?",
            "Wait for me at the station.",
            "No.",
            "Okay.",
            "Thanks.",
            "That is a nice one.",
        ],
    )
    def test_what_wants_anything_else_is_no_wish_for_silence(self, text):
        assert not is_stop(text, "en")

    def test_in_other_languages_the_word_stop_alone_is_known(self):
        assert is_stop("Stop!", "de")
        assert is_stop("Stop, stop.", "nl")
        assert not is_stop("Stoppuhr", "de")
        assert not is_stop("", "de")


class TestBackchannel:
    @pytest.mark.parametrize(
        "text",
        ["Mhm.", "Mm-hmm.", "Uh-huh.", "Uh huh, uh huh.", "Hmm.", "Yeah.", "Yeah, yeah, okay.",
         "Oh, I see.", "Right.", "Wow!", "Haha.", "Ha ha ha!", "Oh wow, really?", "That's great.",
         "All right.", "Got it, thanks.", "Sure, makes sense.", "Thank you."],
    )  # fmt: skip
    def test_signs_that_somebody_listens_are_known(self, text):
        assert is_backchannel(text)

    @pytest.mark.parametrize(
        "text",
        ["", "No.", "What?", "Why?", "And in Rome?", "Really, how old is it?", "Paris?",
         "Yes but how?", "What is the capital of Italy?", "Tell me more.", "Right lamp off.",
         "Ham", "Mars"],
    )  # fmt: skip
    def test_what_says_something_is_none(self, text):
        assert not is_backchannel(text)

    @pytest.mark.parametrize("text", ["ha ha " * 200 + "x", "uh huh " * 200 + "x", "m" * 999 + "x",
                                      "stop please " * 200 + "x", "no " * 500 + "x"])  # fmt: skip
    def test_no_text_takes_long(self, text):
        began = time.perf_counter()
        is_backchannel(text)
        is_stop(text, "en")
        assert time.perf_counter() - began < 1.0


class TestEcho:
    @pytest.mark.parametrize(
        "text", ["It lies on the river Seine.", "lies on the river same in the", "river Seine"]
    )
    def test_words_of_the_reply_where_it_was_held_are_its_echo(self, text):
        assert is_echo(text, playback(2.8))

    @pytest.mark.parametrize(
        ("text", "heard"),
        [
            ("What is the capital of Italy?", 2.8),
            ("How long is the river?", 2.8),
            ("Its most famous building is the Eiffel Tower.", 0.5),  # not said yet
            ("", 2.8),
        ],
    )
    def test_other_words_are_not(self, text, heard):
        assert not is_echo(text, playback(heard))


@pytest.mark.looptime
class TestRuling:
    async def test_a_question_over_the_reply_is_the_next_turn(self):
        verdict, took = await ruling(Speech(0.55, 2.4, "and what is the capital of Italy"))
        assert verdict is Ruling.LISTEN
        assert took < 1.2  # before it is over

    async def test_a_short_question_is_decided_at_its_first_pause(self):
        verdict, took = await ruling(Speech(0.55, 0.95, "why not"))
        assert verdict is Ruling.LISTEN
        assert took < 0.5

    @pytest.mark.parametrize("said", ["mhm", "yeah", "oh wow", "ha ha", "okay"])
    async def test_a_sign_of_listening_lets_the_reply_go_on(self, said):
        verdict, took = await ruling(Speech(0.55, 1.0, said))
        assert verdict is Ruling.RESUME
        assert took < 0.8

    async def test_a_cough_lets_the_reply_go_on(self):
        verdict, took = await ruling(Speech(0.55, 0.9, ""))
        assert verdict is Ruling.RESUME
        assert took < 0.8

    async def test_noise_that_is_no_speech_at_all_lets_the_reply_go_on(self):
        bench = await Bench().open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        began = now()
        assert await judge.rule("kitchen", Overheard(sound_of([])), playback(3.0)) is Ruling.RESUME
        assert now() - began < 1.2  # of which the satellite sends 0.8 s at once
        assert bench.stt.work.calls == 0

    async def test_what_whisper_makes_up_of_noise_lets_the_reply_go_on(self):
        verdict, _ = await ruling(Speech(0.55, 1.4), text="thanks for watching everybody")
        assert verdict is Ruling.RESUME

    async def test_a_word_that_whisper_is_not_sure_of_lets_the_reply_go_on(self):
        bench = Bench(stt=ScriptedStt("Hama", 0.15))
        bench.stt.avg_logprob = -1.44
        await bench.open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        for text, expected in [("Hama", Ruling.RESUME), ("cancel", Ruling.STOP)]:
            bench.stt.text = text
            sound = Overheard(sound_of([Speech(0.3, 0.7)], 3.0))
            assert await judge.rule("kitchen", sound, playback(3.0)) is expected

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("hey Jarvis", Ruling.RESUME),  # the satellite will notice by itself
            ("hey Jarvis stop", Ruling.STOP),
            ("hey Jarvis what about Rome", Ruling.LISTEN),
            ("stop", Ruling.STOP),
            ("stop it", Ruling.STOP),
        ],
    )
    async def test_the_wake_word_alone_says_nothing_unless_it_is_stop(self, said, expected):
        bench = await Bench().open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        sound = Overheard(sound_of([Speech(0.3, 1.0, said)], 3.0))
        phrases = ["Hey Jarvis", "Stop"]
        assert await judge.rule("kitchen", sound, playback(3.0), phrases) is expected

    async def test_the_reply_s_own_echo_lets_it_go_on(self):
        verdict, _ = await ruling(
            Speech(0.55, 2.0, "lies on the river Seine in the"), said=playback(2.8)
        )
        assert verdict is Ruling.RESUME

    @pytest.mark.parametrize("said", ["stop", "be quiet", "no stop"])
    async def test_the_wish_for_silence_stops_it(self, said):
        verdict, took = await ruling(Speech(0.55, 1.0, said))
        assert verdict is Ruling.STOP
        assert took < 0.9

    async def test_stop_that_goes_on_after_a_breath_is_a_request(self):
        verdict, _ = await ruling(
            Speech(0.55, 0.9, "stop"), Speech(1.05, 2.0, "the music in the kitchen")
        )
        assert verdict is Ruling.LISTEN

    async def test_okay_that_goes_on_after_a_breath_is_a_request(self):
        verdict, _ = await ruling(
            Speech(0.55, 0.9, "okay"), Speech(1.1, 2.0, "and what about Rome")
        )
        assert verdict is Ruling.LISTEN

    @pytest.mark.parametrize("seconds", [0.4, 0.6, 0.8, 1.2])
    @pytest.mark.parametrize("end", [1.4, 2.2])
    @pytest.mark.parametrize("first", ["stop", "okay"])
    async def test_what_is_said_while_speech_to_text_is_at_work_counts(self, first, end, seconds):
        bench = await Bench(stt=ScriptedStt(seconds=seconds)).open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        line = [Speech(0.55, 0.85, first), Speech(1.0, end, "the music please now")]
        verdict, took = await verdict_of(judge, line)
        assert verdict is Ruling.LISTEN
        assert took <= DECIDE_SECONDS + 0.01

    @pytest.mark.parametrize(("said", "ruled"), [("stop", "STOP"), ("okay", "RESUME")])
    async def test_a_word_with_nothing_after_it_counts_also_where_that_is_slow(self, said, ruled):
        bench = await Bench(stt=ScriptedStt(seconds=0.8)).open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        verdict, took = await verdict_of(judge, [Speech(0.55, 0.85, said)])
        assert verdict is Ruling[ruled]
        assert took < 1.1

    async def test_an_answer_may_be_a_word_of_the_question(self):
        asks = playback(3.9, ["I can help with that.", "Would you like tea or coffee?"])
        assert (await ruling(Speech(0.55, 1.0, "coffee"), said=asks))[0] is Ruling.LISTEN
        echo = Speech(0.55, 1.4, "would you like tea or coffee")
        assert (await ruling(echo, said=asks))[0] is Ruling.RESUME
        tells = playback(3.9, ["I can help with that.", "There is tea or coffee."])
        assert (await ruling(Speech(0.55, 1.0, "coffee"), said=tells))[0] is Ruling.RESUME

    async def test_voice_activity_that_fails_is_loaded_anew(self):
        bench = await Bench().open()
        broken = bench.engines.vad.current

        async def fails(frame):
            raise ValueError("broken")

        broken.probability = fails
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        sound = Overheard(sound_of([Speech(0.3, 1.0, "stop")], 3.0))
        assert await judge.rule("kitchen", sound, playback(3.0)) is Ruling.RESUME
        assert bench.engines.vad.restarts == 1
        assert bench.engines.stt.restarts == 0

    async def test_speech_to_text_that_fails_does_not_count_against_voice_activity(self):
        bench = Bench()
        bench.stt.error = EngineError("broken")
        await bench.open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        await verdict_of(judge, [Speech(0.3, 1.0, "and in Rome")])
        assert bench.engines.stt.restarts == 1
        assert bench.engines.vad.restarts == 0

    async def test_yes_over_the_end_of_a_question_is_its_answer(self):
        asks = playback(1.9, ["Shall I go on?"])
        assert (await ruling(Speech(0.55, 1.0, "yes"), said=asks))[0] is Ruling.LISTEN
        tells = playback(1.9, ["I shall go on."])
        assert (await ruling(Speech(0.55, 1.0, "yes"), said=tells))[0] is Ruling.RESUME

    async def test_it_is_decided_in_time_also_where_speech_to_text_is_slow(self):
        long = Speech(0.3, 6.0, "and what is the capital of Italy")
        for line, expected in [(long, Ruling.LISTEN), (Speech(0.55, 0.9, "mhm"), Ruling.RESUME)]:
            bench = await Bench(stt=ScriptedStt(seconds=30.0)).open()
            judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
            began = now()
            verdict = await judge.rule("kitchen", Overheard(sound_of([line], 9.0)), playback(3.0))
            assert verdict is expected
            assert now() - began <= DECIDE_SECONDS + 0.01

    async def test_it_is_decided_in_time_also_where_they_never_pause(self):
        verdict, took = await ruling(Speech(0.55, 9.0, "mhm " * 40), seconds=9.0)
        assert verdict is Ruling.RESUME
        assert took <= DECIDE_SECONDS + 0.01

    async def test_where_speech_to_text_fails_the_reply_goes_on(self):
        bench = Bench()
        bench.stt.error = EngineError("broken")
        await bench.open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        sound = Overheard(sound_of([Speech(0.3, 1.0, "and in Rome")], 3.0))
        assert await judge.rule("kitchen", sound, playback(3.0)) is Ruling.RESUME

    async def test_sound_that_ends_early_is_judged_by_what_there_is(self):
        verdict, _ = await ruling(Speech(0.55, 1.0, "what about Rome"), seconds=1.0)
        assert verdict is Ruling.LISTEN
        assert (await ruling(seconds=0.5))[0] is Ruling.RESUME

    async def test_the_next_turn_hears_all_of_it_from_its_beginning(self):
        bench = await Bench().open()
        judge = Judge(bench.engines.vad, bench.engines.stt, bench.settings)
        line = [Speech(0.3, 1.8, "and what is the capital of Italy")]
        heard = Overheard(sound_of(line, 3.0))
        assert await judge.rule("kitchen", heard, playback(3.0)) is Ruling.LISTEN
        again = b"".join([pcm async for pcm in heard.again()])
        assert again == b"".join([pcm async for pcm in sound_of(line, 3.0)])
