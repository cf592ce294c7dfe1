import zlib

import pytest

from hub.conversation.nonsense import Verdict, judge
from hub.engines.base import Transcript


def verdict(
    text: str,
    *,
    seconds: float = 1.0,
    no_speech: float = 0.05,
    logprob: float = -0.3,
    compression: float | None = None,
) -> Verdict:
    data = text.encode()
    ratio = len(data) / len(zlib.compress(data)) if compression is None else compression
    return judge(Transcript(text, "en", no_speech, logprob, ratio), seconds)


@pytest.mark.parametrize("text", ["", " ", ".", "...", "?!", "♪", "♪ ♪", "- -", "…"])
def test_a_text_without_words_is_empty(text: str) -> None:
    assert verdict(text) is Verdict.EMPTY


@pytest.mark.parametrize("text", ["[BLANK_AUDIO]", "(music)", "*sighs*", "[Music] (applause)"])
def test_a_description_of_a_sound_is_no_request(text: str) -> None:
    assert verdict(text) is Verdict.SOUND


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for watching!",
        "Thank you so much for watching.",
        "Please subscribe to my channel.",
        "Don't forget to like and subscribe!",
        "Subtitles by the Amara.org community",
        "Transcription by CastingWords",
        "I'll see you in the next video.",
    ],
)
def test_subtitles_that_nobody_says_are_inventions_whatever_the_confidence(text: str) -> None:
    assert verdict(text, seconds=4.0, no_speech=0.0, logprob=-0.1) is Verdict.INVENTED


@pytest.mark.parametrize("text", ["Thank you.", "you", "Bye.", "Okay.", "Oh.", "I'm sorry."])
def test_well_known_inventions_need_speech_and_confidence(text: str) -> None:
    assert verdict(text, seconds=0.0) is Verdict.INVENTED
    assert verdict(text, no_speech=0.5) is Verdict.INVENTED
    assert verdict(text, logprob=-0.9) is Verdict.INVENTED
    assert verdict(text, seconds=0.6) is Verdict.OK


@pytest.mark.parametrize(
    "text", ["yes", "No.", "Stop!", "you", "Thank you.", "Lights.", "Help", "Peter"]
)
def test_short_answers_said_clearly_pass(text: str) -> None:
    assert verdict(text, seconds=0.5) is Verdict.OK


def test_the_papers_thresholds_need_both_measures() -> None:
    sentence = "the old man walked slowly down the road"
    seconds = 3.0
    assert verdict(sentence, seconds=seconds, no_speech=0.7, logprob=-1.1) is Verdict.NO_SPEECH
    assert verdict(sentence, seconds=seconds, no_speech=0.7, logprob=-0.9) is Verdict.OK
    assert verdict(sentence, seconds=seconds, no_speech=0.5, logprob=-1.1) is Verdict.OK


def test_a_few_doubtful_words_are_held_to_a_stricter_threshold() -> None:
    assert verdict("I love it.", no_speech=0.74, logprob=-0.9) is Verdict.NO_SPEECH
    assert verdict("I love it.", no_speech=0.1, logprob=-0.9) is Verdict.OK


@pytest.mark.parametrize(
    "text",
    [
        "no no no no no no",
        "I'm going to go. I'm going to go. I'm going to go. I'm going to go.",
        "So what is it? the the the the the the the the the the",
    ],
)
def test_a_loop_is_recognised_by_its_repeated_phrases(text: str) -> None:
    assert verdict(text, seconds=9.0, compression=1.0) is Verdict.LOOP


def test_a_loop_is_recognised_by_how_well_it_compresses() -> None:
    assert verdict("many words that vary little", seconds=9.0, compression=2.5) is Verdict.LOOP
    assert verdict("many words that vary little", seconds=9.0, compression=2.3) is Verdict.OK


@pytest.mark.parametrize("text", ["no, no, no", "very very good", "knock knock", "ha ha ha"])
def test_words_said_two_or_three_times_are_no_loop(text: str) -> None:
    assert verdict(text, seconds=1.0) is Verdict.OK


def test_more_words_than_the_time_allows_are_not_believed() -> None:
    text = "And so my fellow Americans, ask not what your country can do for you."
    assert verdict(text, seconds=0.5) is Verdict.TOO_LONG
    assert verdict(text, seconds=3.0) is Verdict.OK


def test_words_beside_a_described_sound_are_kept() -> None:
    assert verdict("[Music] turn on the lamp", seconds=1.0) is Verdict.OK
