"""Where an utterance begins and ends in a stream of sound, with scripted voice activity."""

import random
import tracemalloc

import msgspec
import pytest
from scripted import ScriptedVad, Speech

from hub.config import TurnSettings
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    SpeechPaused,
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


async def events_of(pcm, *, cut=640, settings=SETTINGS):
    async def sound():
        sizes = iter(lambda: cut if isinstance(cut, int) else cut.randrange(1, 5000), None)
        at = 0
        while at < len(pcm):
            size = next(sizes)
            yield pcm[at : at + size]
            at += size

    return [event async for event in Endpointer(ScriptedVad(), settings).listen(sound())]


async def utterance_of(pcm, **options):
    *before, last = await events_of(pcm, **options)
    assert isinstance(last, Utterance)
    assert not any(isinstance(event, Utterance) for event in before)
    return last


async def test_an_utterance_ends_after_the_silence_and_holds_little_more_than_the_speech():
    pcm = pcm_of(10, Speech(1.0, 3.0))
    kinds = [type(event) for event in await events_of(pcm)]
    assert kinds == [SpeechStarted, SpeechPaused, Utterance]
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
    assert kinds == [SpeechStarted, SpeechPaused, SpeechPaused, SpeechPaused, Utterance]
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
    (utterance,) = await events_of(pcm_of(10))
    assert (utterance.reason, utterance.pcm) == (EndReason.NO_SPEECH, b"")
    assert utterance.speech_end == pytest.approx(6.0, abs=FRAME)
    assert utterance.speech_seconds == 0


async def test_clicks_are_not_speech():
    clicks = [Speech(at / 2, at / 2 + 0.06) for at in range(1, 12)]
    (utterance,) = await events_of(pcm_of(10, *clicks))
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
    (utterance,) = await events_of(b"")
    assert utterance == Utterance(b"", EndReason.STOPPED, 0.0, 0.0, 0.0)


async def test_nothing_is_read_after_the_end():
    read = 0

    async def sound():
        nonlocal read
        pcm = pcm_of(10, Speech(0.5, 1.5))
        for at in range(0, len(pcm), VAD_FRAME_BYTES):
            read += 1
            yield pcm[at : at + VAD_FRAME_BYTES]

    assert [event async for event in Endpointer(ScriptedVad(), SETTINGS).listen(sound())]
    assert read * FRAME == pytest.approx(1.5 + SETTINGS.silence, abs=2 * FRAME)


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
        (utterance,) = [event async for event in endpointer.listen(sound())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert utterance.reason is EndReason.STOPPED
    assert peak < 200_000  # nine minutes of sound have 17 MB
