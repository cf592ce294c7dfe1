"""Where an utterance begins and ends in a stream of sound, with scripted voice activity."""

import asyncio
import random
import tracemalloc
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
import pytest
from scripted import ScriptedVad, Speech

from hub.config import TurnSettings
from hub.conversation.end_of_turn import LOOKS, PAUSE_KEPT
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    SoftEnd,
    SpeechEnded,
    SpeechGoesOn,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Utterance,
)
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS
from protocol.audio import SPEECH

FRAME = VAD_FRAME_SECONDS
SETTINGS = TurnSettings()  # 0.1 s of speech begins, 0.6 s of silence ends, 6 s and 15 s at most


def pcm_of(seconds, *timeline):
    """Sound of that length; voiced where somebody speaks, each sample another value."""
    samples = bytearray(SPEECH.bytes_for(seconds))
    for speech in timeline:
        for at in range(SPEECH.bytes_for(speech.start), SPEECH.bytes_for(speech.end), 2):
            samples[at : at + 2] = (at // 2 % 30_000 + 257).to_bytes(2, "little")
    return bytes(samples)


async def events_of(pcm, *, cut=640, settings=SETTINGS, whole=False, finished=None):
    """Return what happens in `pcm` up to the end of the utterance, or to that of the sound."""

    async def sound():
        sizes = iter(lambda: cut if isinstance(cut, int) else cut.randrange(1, 5000), None)
        at = 0
        while at < len(pcm):
            size = next(sizes)
            yield pcm[at : at + size]
            await asyncio.sleep(0)
            at += size

    endpointer = Endpointer(ScriptedVad(), settings, finished=finished)
    events = []
    async with aclosing(endpointer.listen(sound())) as heard:
        async for event in heard:
            events.append(event)
            if isinstance(event, SpeechEnded) and not whole:
                break
    return events


@dataclass
class Ended:
    reason: EndReason
    pcm: bytes
    speech_start: float
    speech_end: float
    speech_seconds: float


def ended(event):
    assert isinstance(event, SpeechEnded)
    u = event.utterance
    return Ended(event.reason, u.pcm, u.speech_start, u.speech_end, u.speech_seconds)


async def utterance_of(pcm, **options):
    *before, last = await events_of(pcm, **options)
    assert not any(isinstance(event, SpeechEnded) for event in before)
    return ended(last)


async def test_an_utterance_ends_after_the_silence_and_holds_little_more_than_the_speech():
    pcm = pcm_of(10, Speech(1.0, 3.0))
    kinds = [type(event) for event in await events_of(pcm)]
    assert kinds == [SpeechStarted, SpeechPaused, SpeechEnded]
    utterance = await utterance_of(pcm)
    assert utterance.reason is EndReason.SILENCE
    assert utterance.speech_start == pytest.approx(1.0, abs=FRAME)
    assert utterance.speech_end == pytest.approx(3.0, abs=FRAME)
    assert utterance.speech_seconds == pytest.approx(2.0, abs=2 * FRAME)
    assert SPEECH.seconds(len(utterance.pcm)) == pytest.approx(0.3 + 2.0 + 0.2, abs=3 * FRAME)
    assert pcm[SPEECH.bytes_for(1.0) : SPEECH.bytes_for(3.0)] in utterance.pcm
    assert utterance.pcm in pcm


async def test_pauses_within_it_are_told_and_do_not_end_it():
    pcm = pcm_of(10, Speech(1.0, 2.0), Speech(2.5, 3.0), Speech(3.5, 4.5))
    kinds = [type(event) for event in await events_of(pcm)]
    going_on = [SpeechPaused, SpeechResumed, SpeechGoesOn]
    assert kinds == [SpeechStarted, *going_on, *going_on, SpeechPaused, SpeechEnded]
    utterance = await utterance_of(pcm)
    assert utterance.speech_end == pytest.approx(4.5, abs=FRAME)
    assert utterance.speech_seconds == pytest.approx(2.5, abs=6 * FRAME)
    assert pcm[SPEECH.bytes_for(1.0) : SPEECH.bytes_for(4.5)] in utterance.pcm


async def test_the_tail_of_the_wake_word_is_dropped():
    pcm = pcm_of(10, Speech(0.0, 0.3), Speech(2.0, 3.0))
    utterance = await utterance_of(pcm)
    assert utterance.speech_start == pytest.approx(2.0, abs=FRAME)
    assert utterance.speech_seconds == pytest.approx(1.0, abs=2 * FRAME)
    assert SPEECH.seconds(len(utterance.pcm)) == pytest.approx(1.5, abs=3 * FRAME)


@pytest.mark.parametrize(
    "timeline",
    [
        (Speech(0.0, 0.8),),  # "stop", said in one breath with the wake word
        (Speech(0.0, 0.3), Speech(0.6, 1.5)),  # the question follows at once
        (Speech(0.3, 0.6),),  # short, but not at the beginning
    ],
)
async def test_what_follows_the_wake_word_at_once_is_not_dropped_with_it(timeline):
    utterance = await utterance_of(pcm_of(5, *timeline))
    assert utterance.reason is EndReason.SILENCE
    assert utterance.speech_start == pytest.approx(timeline[0].start, abs=FRAME)
    assert utterance.speech_end == pytest.approx(timeline[-1].end, abs=FRAME)


async def test_after_the_tail_of_the_wake_word_alone_nobody_spoke():
    utterance = await utterance_of(pcm_of(10, Speech(0.0, 0.3)))
    assert (utterance.reason, utterance.pcm) == (EndReason.NO_SPEECH, b"")
    utterance = await utterance_of(pcm_of(0.4, Speech(0.0, 0.3)))
    assert (utterance.reason, utterance.pcm) == (EndReason.STOPPED, b"")


async def test_silence_is_given_up_after_a_while():
    utterance = await utterance_of(pcm_of(10))
    assert (utterance.reason, utterance.pcm) == (EndReason.NO_SPEECH, b"")
    assert utterance.speech_end == pytest.approx(6.0, abs=FRAME)
    assert utterance.speech_seconds == 0


async def test_clicks_are_not_speech():
    clicks = [Speech(at / 2, at / 2 + 0.06) for at in range(1, 12)]
    utterance = await utterance_of(pcm_of(10, *clicks))
    assert (utterance.reason, utterance.pcm) == (EndReason.NO_SPEECH, b"")


async def test_somebody_who_begins_at_the_last_moment_is_heard():
    utterance = await utterance_of(pcm_of(10, Speech(5.95, 7.0)))
    assert utterance.reason is EndReason.SILENCE
    assert utterance.speech_seconds == pytest.approx(1.05, abs=2 * FRAME)


async def test_what_is_too_long_is_cut():
    utterance = await utterance_of(pcm_of(30, Speech(1.0, 25.0)))
    assert utterance.reason is EndReason.TOO_LONG
    assert utterance.speech_end - utterance.speech_start == pytest.approx(15.0, abs=2 * FRAME)
    assert SPEECH.seconds(len(utterance.pcm)) == pytest.approx(15.3, abs=3 * FRAME)


async def test_sound_that_ends_in_mid_speech_is_an_utterance():
    pcm = pcm_of(2.0, Speech(0.5, 2.0))
    utterance = await utterance_of(pcm)
    assert utterance.reason is EndReason.STOPPED
    assert utterance.speech_seconds == pytest.approx(1.5, abs=2 * FRAME)
    assert pcm[SPEECH.bytes_for(0.5) : len(pcm) - VAD_FRAME_BYTES] in utterance.pcm


async def test_no_sound_at_all_is_an_empty_utterance():
    (event,) = await events_of(b"")
    assert event == SpeechEnded(Utterance(b"", 0.0, 0.0, 0.0), EndReason.STOPPED)


async def test_nothing_is_read_after_the_last_event():
    read = 0

    async def sound():
        nonlocal read
        pcm = pcm_of(30, Speech(0.5, 25.5))
        for at in range(0, len(pcm), VAD_FRAME_BYTES):
            read += 1
            yield pcm[at : at + VAD_FRAME_BYTES]

    async with aclosing(Endpointer(ScriptedVad(), SETTINGS).listen(sound())) as events:
        assert [event async for event in events]
    assert read * FRAME == pytest.approx(0.5 + SETTINGS.max_speech, abs=3 * FRAME)


async def test_they_may_go_on_after_the_end():
    pcm = pcm_of(10, Speech(1.0, 2.0), Speech(3.0, 4.0))
    kinds = [type(event) for event in await events_of(pcm, whole=True)]
    assert kinds == [
        SpeechStarted,
        *(SpeechPaused, SpeechEnded),
        *(SpeechResumed, SpeechGoesOn, SpeechPaused, SpeechEnded),
        SpeechEnded,  # the sound's
    ]


async def test_a_click_in_a_pause_is_no_speech():
    pcm = pcm_of(10, Speech(1.0, 2.0), Speech(2.3, 2.33))
    events = await events_of(pcm)
    assert [type(event) for event in events] == [SpeechStarted, SpeechPaused, SpeechEnded]
    assert ended(events[-1]).speech_end == pytest.approx(2.0, abs=FRAME)


async def test_a_cough_in_a_pause_is_heard_and_does_not_go_on():
    pcm = pcm_of(10, Speech(1.0, 2.0), Speech(2.3, 2.5))
    kinds = [type(event) for event in await events_of(pcm)]
    assert kinds == [SpeechStarted, SpeechPaused, SpeechResumed, SpeechPaused, SpeechEnded]


class TestWithAModel:
    """What it says decides how long a silence has to be; it is asked while the silence lasts."""

    async def test_what_sounds_finished_ends_sooner_and_what_does_not_later(self):
        silences = {}
        for probability in (0.02, 0.98):

            async def finished(pcm, probability=probability):
                return probability

            pcm = pcm_of(10, Speech(1.0, 3.0))
            events = await events_of(pcm, finished=finished, cut=VAD_FRAME_BYTES)
            assert [type(event) for event in events] == [
                SpeechStarted,
                SpeechPaused,
                SoftEnd,
                SpeechEnded,
            ]
            silences[probability] = await silence_before_the_end(pcm, finished)
        assert silences[0.98] <= 0.4
        assert silences[0.02] >= 1.0

    async def test_it_hears_all_that_was_said_and_the_silence(self):
        heard = []

        async def finished(pcm):
            heard.append(pcm)
            return 0.02

        pcm = pcm_of(10, Speech(1.0, 1.5), Speech(1.65, 3.0))
        await events_of(pcm, finished=finished)
        assert pcm[SPEECH.bytes_for(1.0) : SPEECH.bytes_for(3.15)] in heard[-1]

    async def test_it_hears_little_of_a_long_pause_and_all_of_the_words_around_it(self):
        heard = []

        async def finished(pcm):
            heard.append(pcm)
            return 0.02

        pcm = pcm_of(10, Speech(1.0, 1.5), Speech(2.3, 3.0))
        await events_of(pcm, finished=finished)
        before, after = heard
        assert pcm[SPEECH.bytes_for(1.0) : SPEECH.bytes_for(1.65)] in before
        assert pcm[SPEECH.bytes_for(1.0) : SPEECH.bytes_for(1.55)] in after
        assert pcm[SPEECH.bytes_for(2.25) : SPEECH.bytes_for(3.15)] in after
        whole = 0.3 + 2.0 + LOOKS[0]  # with what is kept before the first word
        assert SPEECH.seconds(len(after)) == pytest.approx(whole - 0.8 + PAUSE_KEPT, abs=0.1)

    async def test_what_it_said_of_an_earlier_pause_does_not_count(self):
        answers = iter([0.02] * len(LOOKS))  # for one pause

        async def finished(pcm):
            return next(answers, None)

        first, second = Speech(1.0, 1.5), Speech(2.4, 3.4)
        silence = await silence_before_the_end(pcm_of(10, first, second), finished)
        assert next(answers, "asked") == "asked"
        assert silence == await silence_before_the_end(pcm_of(10, second), lambda pcm: none())

    async def test_an_answer_that_does_not_come_is_not_waited_for(self):
        async def finished(pcm):
            await asyncio.Event().wait()

        pcm = pcm_of(10, Speech(1.0, 3.0))
        utterance = await utterance_of(pcm, finished=finished)
        assert utterance.reason is EndReason.SILENCE


async def none():
    return None


async def silence_before_the_end(pcm, finished):
    read = 0

    async def sound():
        nonlocal read
        for at in range(0, len(pcm), VAD_FRAME_BYTES):
            read = at + VAD_FRAME_BYTES
            yield pcm[at : at + VAD_FRAME_BYTES]
            await asyncio.sleep(0)

    async with aclosing(
        Endpointer(ScriptedVad(), SETTINGS, finished=finished).listen(sound())
    ) as e:
        async for event in e:
            if isinstance(event, SpeechEnded):
                return SPEECH.seconds(read) - event.utterance.speech_end
    raise AssertionError("it did not end")


async def test_the_result_does_not_depend_on_how_the_sound_is_cut():
    pcm = pcm_of(8, Speech(0.0, 0.3), Speech(1.5, 2.5), Speech(2.9, 3.6))
    expected = await events_of(pcm, cut=VAD_FRAME_BYTES)
    for cut in (1, 31, 640, 3200, len(pcm), random.Random(1), random.Random(2)):
        found = await events_of(pcm, cut=cut)
        assert [type(event) for event in found] == [type(event) for event in expected]
        assert found[-1] == expected[-1]


async def test_long_quiet_with_clicks_takes_no_memory():
    settings = msgspec.structs.replace(SETTINGS, no_speech=600.0)
    minute = pcm_of(60, *(Speech(at, at + 0.06) for at in range(1, 60, 7)))
    endpointer = Endpointer(ScriptedVad(), settings)

    async def sound():
        for _ in range(9):
            for at in range(0, len(minute), 3200):
                yield minute[at : at + 3200]

    tracemalloc.start()
    try:
        async with aclosing(endpointer.listen(sound())) as events:
            (event,) = [event async for event in events]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert event.reason is EndReason.STOPPED
    assert peak < 200_000  # nine minutes of sound have 17 MB
