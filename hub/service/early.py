"""Transcripts that are made while the sound still comes in, so that little is left at its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hub.conversation.endpoint import Utterance
from hub.conversation.nonsense import Verdict, judge
from hub.conversation.partials import StablePrefix
from hub.engines.base import VAD_FRAME_SECONDS, EngineError, Transcript
from hub.service.request import RequestError

SPEECH_THRESHOLD = 0.3
"""From which on a frame is speech. Lower than a turn's: here the peer says that somebody speaks."""

_QUIET = 0.15  # below it a frame holds nothing that a transcript could lack
# Of silence, after which all that was said is transcribed. With less the model took "weather" for
# "wedding": the end of a word may be too soft for voice activity.
_PAUSE_SECONDS = 0.3
_LONG_SECONDS = 12.0  # of sound, from which on that takes long enough to wait for a real pause
_LONG_PAUSE_SECONDS = 0.5
_DRAFT_SECONDS = 0.8  # of sound between two drafts
_SHARE = 4  # of the time is left to others: a draft that took 0.2 s is followed by 0.8 s without

Transcribe = Callable[[bytes, bool], Coroutine[Any, Any, Transcript]]
"""Transcribes sound; True for a draft."""


class Early:
    """Follows one window of sound, of somebody who speaks as they speak (not a file, read at once).

    At a pause all that was said is transcribed as well as can be: unless they go on, that is the
    transcript. In between come drafts; what two of them agree on will hardly change. One at a
    time, and none while `free` says that the engine has other things to do.

    Args:
        transcribe: does the work.
        free: whether nobody else wants the engine.
    """

    def __init__(self, transcribe: Transcribe, free: Callable[[], bool]) -> None:
        self._transcribe = transcribe
        self._free = free
        self._task: asyncio.Task[Transcript] | None = None
        self._task_frames = 0  # of the window, that the running try hears
        self._task_is_draft = False
        self._task_began = 0.0
        self._last: asyncio.Task[Transcript] | None = None
        self._rest_until = 0.0  # on the loop's clock; no draft before it
        self._drafted_frames = 0
        self._whole: Transcript | None = None  # of the newest pause
        self._whole_frames = 0
        self._stable = StablePrefix()
        self._loop = asyncio.get_running_loop()

    @property
    def stable(self) -> str:
        """What was said so far in this window, as far as it will hardly change."""
        return self._stable.text

    def heard(self, voice: list[float]) -> Transcript | None:
        """Return the transcript of all that was said in the window, if there is one already."""
        self._collect(voice)
        if self._whole is None or _speech_after(voice, self._whole_frames):
            return None
        return self._whole

    def coming(self, voice: list[float]) -> bool:
        """Whether it is being made."""
        self._collect(voice)
        return self._task is not None and self._hears_all(voice)

    def consider(self, pcm: bytearray, voice: list[float]) -> None:
        """Begin a transcript of the window so far, if it is time to.

        Args:
            pcm: the window's sound.
            voice: the probability of speech in each of its frames.
        """
        self._collect(voice)
        if self._task is not None or not self._free():
            return
        frames = len(voice)
        silence = _silence(voice)
        if silence == frames:  # nobody has spoken yet
            return
        rested = self._loop.time() >= self._rest_until
        long = frames * VAD_FRAME_SECONDS > _LONG_SECONDS
        if silence * VAD_FRAME_SECONDS >= (_LONG_PAUSE_SECONDS if long else _PAUSE_SECONDS):
            spoke = self._whole is None or _speech_after(voice, self._whole_frames)
            if spoke and (rested or frames - silence > self._whole_frames):
                self._begin(bytes(pcm), frames, draft=False)
        elif (
            silence == 0  # in mid-speech: no end is near, which a draft could delay
            and (frames - self._drafted_frames) * VAD_FRAME_SECONDS >= _DRAFT_SECONDS
            and rested
        ):
            self._begin(bytes(pcm), frames, draft=True)

    def finish(self, pcm: bytes) -> None:
        """Begin the transcript of the whole window, before it is known where somebody speaks."""
        if self._task is None and self._last is None:
            self._last = asyncio.create_task(self._transcribe(pcm, False), name="transcribe")

    async def final(self, voice: list[float]) -> Transcript | None:
        """Return the transcript of all that is said in the window; None where there is none yet.

        Waits for one that is being made, if it hears all of that.

        Raises:
            EngineError: what `finish` began has failed.
            RequestError: it had to wait for others for too long.
        """
        if self._last is not None:
            return await self._last
        self._collect(voice)
        if (task := self._task) is not None and self._hears_all(voice):
            await asyncio.wait([task])  # no time-out: what it does has one
        return self.heard(voice)

    async def aclose(self) -> None:
        """Stop what is being made, and forget what was: the window is over."""
        tasks = [task for task in (self._task, self._last) if task is not None]
        self._task = self._last = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._whole, self._whole_frames, self._drafted_frames = None, 0, 0
        self._stable = StablePrefix()

    def _hears_all(self, voice: list[float]) -> bool:
        """Whether the try that is running hears all that was said, and is no draft."""
        return not self._task_is_draft and not _speech_after(voice, self._task_frames)

    def _begin(self, pcm: bytes, frames: int, *, draft: bool) -> None:
        self._task_frames, self._task_is_draft = frames, draft
        self._task_began, self._drafted_frames = self._loop.time(), frames
        work = self._transcribe(pcm, draft)
        self._task = asyncio.create_task(work, name="transcribe early")

    def _collect(self, voice: list[float]) -> None:
        """Take the result of the try, if it is there."""
        task = self._task
        if task is None or not task.done():
            return
        self._task = None
        took = self._loop.time() - self._task_began
        self._rest_until = self._loop.time() + _SHARE * took
        if task.cancelled() or isinstance(task.exception(), EngineError | RequestError):
            return  # reported where it came from; the window's own transcript is still to come
        transcript = task.result()
        if not self._task_is_draft:
            self._whole, self._whole_frames = transcript, self._task_frames
        spoken = sum(p >= SPEECH_THRESHOLD for p in voice[: self._task_frames])
        if judge(transcript, spoken * VAD_FRAME_SECONDS) is Verdict.OK:
            self._stable.push(transcript.text)


class Command:
    """The transcript of a command whose end is ours to hear: begun at each pause, as it may be one.

    Args:
        transcribe: does the work.
        free: whether nobody else wants the engine.
    """

    def __init__(self, transcribe: Transcribe, free: Callable[[], bool]) -> None:
        self._transcribe = transcribe
        self._free = free
        self._task: asyncio.Task[Transcript] | None = None
        self._heard: Utterance | None = None  # what the task hears

    async def paused(self, utterance: Utterance) -> None:
        """Begin the transcript, in case that this pause is the end."""
        await self.aclose()  # what it is at heard less
        if self._free():
            self._begin(utterance)

    async def ended(self, utterance: Utterance) -> Transcript:
        """Return the transcript.

        Raises:
            EngineError: the model failed or hangs.
            RequestError: it had to wait for others for too long.
        """
        if self._heard is None or not self._heard.says_as_much_as(utterance):
            await self.aclose()
            self._begin(utterance)
        assert self._task is not None
        return await self._task

    async def aclose(self) -> None:
        """Stop what is being made."""
        task, self._task, self._heard = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _begin(self, utterance: Utterance) -> None:
        self._heard = utterance
        work = self._transcribe(utterance.pcm, False)
        self._task = asyncio.create_task(work, name="transcribe command")


def _silence(voice: list[float]) -> int:
    """Return the number of frames behind the last one of speech."""
    for back, probability in enumerate(reversed(voice)):
        if probability >= SPEECH_THRESHOLD:
            return back
    return len(voice)


def _speech_after(voice: list[float], frames: int) -> bool:
    """Whether anything in the frames from `frames` on might be speech."""
    return any(probability >= _QUIET for probability in voice[frames:])
