"""Transcripts made while sound still comes in: when they are, and which of them count."""

import asyncio
from collections.abc import Iterable

import pytest

from hub.conversation.endpoint import Utterance
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS, EngineError, Transcript
from hub.service.early import Command, Early

pytestmark = pytest.mark.looptime

TOOK = 0.1  # seconds, of each transcript


class Microphone:
    """Gives frames to an `Early` in real time; its transcripts are as long as the sound."""

    def __init__(self, *, took: float = TOOK) -> None:
        self.took = took
        self.asked: list[tuple[int, bool]] = []  # frames heard, and whether for a draft
        self.cancelled = 0
        self.free = True
        self.error: Exception | None = None
        self.pcm, self.voice = bytearray(), list[float]()
        self.early = Early(self.transcribe, lambda: self.free)

    async def transcribe(self, pcm: bytes, draft: bool) -> Transcript:
        frames = len(pcm) // VAD_FRAME_BYTES
        self.asked.append((frames, draft))
        try:
            await asyncio.sleep(self.took)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return Transcript(" ".join(f"w{n}" for n in range(frames // 10)), "en", 0.0, -0.2)

    async def hear(self, voice: Iterable[float]) -> None:
        for probability in voice:
            await asyncio.sleep(VAD_FRAME_SECONDS)
            self.pcm += bytes(VAD_FRAME_BYTES)
            self.voice.append(probability)
            self.early.consider(self.pcm, self.voice)

    async def final(self) -> tuple[Transcript | None, float]:
        """Return the transcript, and how long it took from now on."""
        now = asyncio.get_running_loop().time()
        transcript = await self.early.final(self.voice)
        return transcript, asyncio.get_running_loop().time() - now


def speech(seconds: float) -> list[float]:
    return [0.9] * round(seconds / VAD_FRAME_SECONDS)


def quiet(seconds: float) -> list[float]:
    return [0.01] * round(seconds / VAD_FRAME_SECONDS)


async def test_at_the_end_of_the_sound_the_transcript_of_the_pause_before_it_is_there():
    mic = Microphone()
    await mic.hear(speech(0.6) + quiet(0.5))
    transcript, took = await mic.final()
    assert transcript is not None
    assert took == 0
    assert [draft for _, draft in mic.asked] == [False]


async def test_one_that_is_being_made_is_waited_for():
    mic = Microphone(took=0.5)
    await mic.hear(speech(0.6) + quiet(0.4))
    transcript, took = await mic.final()
    assert transcript is not None
    assert 0 < took < 0.5
    assert len(mic.asked) == 1


@pytest.mark.parametrize("soft", [0.9, 0.2])
async def test_one_that_did_not_hear_all_that_may_be_speech_does_not_count(soft: float):
    mic = Microphone()
    await mic.hear([*speech(0.6), *quiet(0.4), soft])
    transcript, took = await mic.final()
    assert transcript is None
    assert took == 0


async def test_speech_after_a_pause_is_transcribed_again_at_the_next_one_with_all_before_it():
    mic = Microphone()
    await mic.hear(speech(0.5) + quiet(0.4) + speech(0.5) + quiet(0.4))
    transcript, _ = await mic.final()
    whole = [frames for frames, draft in mic.asked if not draft]
    assert len(whole) == 2
    assert transcript is not None
    assert len(transcript.text.split()) == whole[1] // 10


async def test_nothing_is_transcribed_before_anybody_speaks():
    mic = Microphone()
    await mic.hear(quiet(20))
    assert mic.asked == []
    assert (await mic.final())[0] is None


async def test_drafts_come_while_somebody_speaks_and_what_two_agree_on_is_told():
    mic = Microphone()
    await mic.hear(speech(1.0))
    assert mic.early.stable == ""
    await mic.hear(speech(2.0))
    assert all(draft for _, draft in mic.asked)
    assert len(mic.asked) == 3
    words = mic.early.stable.split()
    assert words == [f"w{n}" for n in range(len(words))]
    assert len(words) == mic.asked[1][0] // 10


async def test_drafts_take_a_fifth_of_the_time_at_most_however_slow_they_are():
    mic = Microphone(took=1.0)
    await mic.hear(speech(29))
    assert 5 <= len(mic.asked) <= 6


async def test_noise_that_flickers_does_not_keep_the_engine_busy():
    mic = Microphone(took=0.2)
    await mic.hear(speech(0.5) + [0.2, 0.05] * 300)
    assert len(mic.asked) <= 1 + 19 / (5 * 0.2)


async def test_nothing_is_begun_while_others_want_the_engine():
    mic = Microphone()
    mic.free = False
    await mic.hear(speech(3) + quiet(1))
    assert mic.asked == []


async def test_a_draft_that_fails_is_no_failure_and_the_next_one_is_made():
    mic = Microphone()
    mic.error = EngineError("out of memory")
    await mic.hear(speech(1.0))
    mic.error = None
    await mic.hear(speech(0.5) + quiet(0.5))
    transcript, _ = await mic.final()
    assert transcript is not None


async def test_what_a_file_says_is_begun_at_once_and_its_failure_is_told():
    mic = Microphone()
    mic.early.finish(bytes(100 * VAD_FRAME_BYTES))
    transcript, took = await mic.final()
    assert transcript is not None
    assert took == pytest.approx(TOOK)
    mic.error = EngineError("out of memory")
    await mic.early.aclose()
    mic.early.finish(bytes(VAD_FRAME_BYTES))
    with pytest.raises(EngineError, match="out of memory"):
        await mic.final()


async def test_closing_stops_what_is_being_made_and_forgets_the_window():
    mic = Microphone(took=5)
    await mic.hear(speech(1.0))
    await mic.early.aclose()
    assert mic.cancelled == 1
    assert mic.early.stable == ""
    assert (await mic.final())[0] is None


def said(end: float) -> Utterance:
    return Utterance(bytes(round(end * 32000)), 0.0, end, end)


async def test_a_command_is_transcribed_at_its_pause_and_again_only_if_it_went_on():
    mic = Microphone()
    command = Command(mic.transcribe, lambda: mic.free)
    loop = asyncio.get_running_loop()
    await command.paused(said(1.0))
    await asyncio.sleep(0.6)
    now = loop.time()
    await command.ended(said(1.0))
    assert loop.time() == now
    await command.ended(said(2.0))
    assert loop.time() - now == pytest.approx(TOOK)
    assert len(mic.asked) == 2
    await command.aclose()


async def test_a_command_that_goes_on_stops_the_transcript_of_its_beginning():
    mic = Microphone()
    command = Command(mic.transcribe, lambda: mic.free)
    await command.paused(said(1.0))
    await asyncio.sleep(0.01)
    await command.paused(said(2.0))
    await command.ended(said(2.0))
    assert mic.cancelled == 1
    mic.free = False
    await command.paused(said(3.0))
    assert len(mic.asked) == 2
    mic.free = True
    await command.ended(said(3.0))
    assert len(mic.asked) == 3
    await command.aclose()
