"""When somebody begins to speak, pauses, goes on, and has finished."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from msgspec.structs import replace

from hub.config import TurnSettings
from hub.conversation.end_of_turn import LOOKS, PAUSE_KEPT, silence_wanted
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS, VoiceActivityStream
from protocol.audio import SPEECH, Chunker

# Sound reaches us from just before the end of the wake word on: its last syllable is speech, but
# nobody's question. Speech that begins at once and is over this soon does not count.
_RESIDUE_START_SECONDS = 0.1
_RESIDUE_SECONDS = 0.45
_RESIDUE_SILENCE = 0.4  # after which it is over; a question that follows sooner keeps it
_LEAD_IN_SECONDS = 0.3  # kept before the first voiced frame: a soft onset is not voiced
_LEAD_OUT_SECONDS = 0.2
_RESUMED_FRAMES = 2  # voiced ones in a row that end a pause; a click is one
_LONGEST_HELD = 60.0  # seconds
_GOES_ON_SECONDS = 0.3  # of speech after a pause, from which on it is more than a cough

Finished = Callable[[bytes], Awaitable[float | None]]
"""Asked with the sound of an utterance and the pause behind it; returns the probability that the
speaker has finished, or None where that is not known. Raises nothing."""


class EndReason(Enum):
    """Why an utterance is over."""

    SILENCE = auto()  # they have finished
    STOPPED = auto()  # the peer says so, or its sound ended
    TOO_LONG = auto()
    NO_SPEECH = auto()


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said.

    `pcm` is 16 kHz mono 16-bit, from just before the first word to just after the last one;
    empty where nobody spoke. Times are seconds of sound since its first sample.
    """

    pcm: bytes
    speech_start: float
    speech_end: float
    speech_seconds: float  # voiced frames alone

    def says_as_much_as(self, other: "Utterance") -> bool:
        """Whether all that is said in one is said in the other, too, whatever silence follows."""
        return self.speech_end == other.speech_end


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Some silence after speech; if it lasts, `utterance` is all there was."""

    utterance: Utterance
    silence: float  # seconds since the last voiced frame


@dataclass(frozen=True, slots=True)
class SoftEnd:
    """The pause has lasted until it is worth asking whether they have finished."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """They go on after a pause, maybe after an end; or they coughed."""


@dataclass(frozen=True, slots=True)
class SpeechGoesOn:
    """What began with the last `SpeechResumed` is more than a cough."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """They have finished. After a silence they may still resume; otherwise it is the last event."""

    utterance: Utterance
    reason: EndReason


Event = SpeechStarted | SpeechPaused | SoftEnd | SpeechResumed | SpeechGoesOn | SpeechEnded


class Endpointer:
    """Follows one stream of sound through one utterance.

    Args:
        activity: tells speech from other sound.
        settings: when somebody has finished.
        wake_word: whether the sound may begin with the end of a wake word, which does not count.
        finished: says at a pause whether it sounded finished; without it, a fixed silence ends.
        until_closed: no silence ends it, only that the sound does: a button is held.
        language: ISO 639-1 code of what is said.
    """

    def __init__(
        self,
        activity: VoiceActivityStream,
        settings: TurnSettings,
        *,
        wake_word: bool = True,
        finished: Finished | None = None,
        until_closed: bool = False,
        language: str = "en",
    ) -> None:
        if until_closed:
            settings = replace(settings, no_speech=_LONGEST_HELD, max_speech=_LONGEST_HELD)
        self._activity = activity
        self._settings = settings
        self._finished = None if until_closed else finished
        self._until_closed = until_closed
        self._language = language
        self._cut = _Cut(settings, wake_word, lambda: self.silence_wanted)
        self._text: str | None = None  # of the utterance up to the pause that lasts
        self._probability: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._looks = 0  # how often it was asked in this pause

    async def listen(self, sound: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
        """Yield what happens in `sound` (16 kHz mono 16-bit, any cut) until nothing can follow.

        Close it (`contextlib.aclosing`).
        """
        chunker = Chunker(VAD_FRAME_BYTES)
        try:
            async for pcm in sound:
                for frame in chunker.push(pcm):
                    probability = await self._activity.probability(frame)
                    voiced = probability >= self._settings.speech_threshold
                    for event in self._cut.push(frame, voiced=voiced):
                        if isinstance(event, SpeechStarted | SpeechResumed):
                            await self._forget_pause()
                        yield event
                        if isinstance(event, SpeechEnded) and event.reason is not EndReason.SILENCE:
                            return
                    if self._look():
                        yield SoftEnd()
            yield self._cut.finish(EndReason.STOPPED)
        finally:
            await self._forget_pause()

    def transcribed(self, utterance: Utterance, text: str) -> None:
        """Take the words of `utterance`: they help to tell whether it is finished."""
        if self._cut.paused and utterance.speech_end == self._cut.speech_end:
            self._text = text

    def forget(self) -> None:
        """Say that what was heard so far was no speech: wait for somebody to begin."""
        self._cut.forget()

    @property
    def silence_wanted(self) -> float:
        """Seconds of silence after which this pause would be the end, as far as is known."""
        if self._until_closed:
            return inf
        if self._finished is None:
            return self._settings.silence
        return silence_wanted(self._probability, self._text, self._settings, self._language)

    @property
    def speaking(self) -> bool:
        """Whether somebody has begun to speak; pauses count."""
        return self._cut.speaking

    @property
    def paused(self) -> bool:
        """Whether it is quiet after speech."""
        return self._cut.paused

    def so_far(self) -> Utterance:
        """Return what was said so far."""
        return self._cut.utterance()

    def _look(self) -> bool:
        """Ask whether they have finished, when the pause has lasted for so long; True: at first."""
        if self._finished is None or self._looks >= len(LOOKS):
            return False
        if not self._cut.paused or self._cut.is_residue():
            return False
        if self._cut.silence < LOOKS[self._looks] or self._asking is not None:
            return False
        self._looks += 1
        ask = self._ask(self._finished, self._cut.with_silence())
        self._asking = asyncio.create_task(ask, name="end of turn")
        return self._looks == 1

    async def _ask(self, finished: Finished, pcm: bytes) -> None:
        try:
            self._probability = await finished(pcm)
        finally:
            self._asking = None

    async def _forget_pause(self) -> None:
        if (task := self._asking) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._asking = self._text = self._probability = None
        self._looks = 0


class _Cut:
    """Decides frame by frame; holds the sound of the utterance and little before it."""

    def __init__(
        self, settings: TurnSettings, wake_word: bool, silence_wanted: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._wake_word = wake_word
        self._silence_wanted = silence_wanted
        self._sound = bytearray()
        self._dropped = 0  # bytes cut off the beginning of `_sound`
        self._frames = 0
        self._voiced = 0  # frames of speech in this utterance
        self._run = 0  # voiced frames in a row that do not count yet
        self._first = 0
        self._last = 0
        self._pauses: list[tuple[int, int]] = []  # in it: first silent frame, first voiced one
        self.speaking = False
        self._ended = False
        self._resumed_at: int | None = None  # frame, until it is more than a cough
        self.paused = False

    @property
    def silence(self) -> float:
        """Seconds since the last voiced frame."""
        return (self._frames - 1 - self._last) * VAD_FRAME_SECONDS

    @property
    def speech_end(self) -> float:
        return (self._last + 1) * VAD_FRAME_SECONDS

    def push(self, frame: bytes, *, voiced: bool) -> list[Event]:
        self._sound += frame
        index, self._frames = self._frames, self._frames + 1
        if not self.speaking:
            return self._before(index, voiced)
        return self._within(index, voiced)

    def _before(self, index: int, voiced: bool) -> list[Event]:
        """Wait for somebody to begin."""
        if voiced:
            self._run += 1
            if self._run == 1:
                self._first = index
            if self._run * VAD_FRAME_SECONDS >= self._settings.min_speech:
                self.speaking, self.paused, self._ended = True, False, False
                self._voiced, self._run, self._last = self._run, 0, index
                self._pauses.clear()
                return [SpeechStarted()]
        else:
            self._run = 0
        waited = self._frames * VAD_FRAME_SECONDS >= self._settings.no_speech
        if waited and not voiced:  # (voiced: somebody may begin at this very moment)
            return [self.finish(EndReason.NO_SPEECH)]
        self._forget_before(index if self._run == 0 else self._first)
        return []

    def _within(self, index: int, voiced: bool) -> list[Event]:
        """Follow them; a pause takes more than one voiced frame to be over."""
        self._run = self._run + 1 if voiced else 0
        if voiced and not self.paused:
            self._last = index
            self._voiced += 1
            self._run = 0
        elif self._run >= self._frames_to_resume():
            self._pauses.append((self._last + 1, index + 1 - self._run))
            self._last = index
            self._voiced += self._run
            self._run = 0
            self.paused = self._ended = False
            self._resumed_at = index
            return [SpeechResumed()]
        return self._after(index)

    def _after(self, index: int) -> list[Event]:
        """Say what has lasted for long enough: speech, silence, or all of it."""
        seconds = self._settings.max_speech
        if not self._ended and (index - self._first) * VAD_FRAME_SECONDS >= seconds:
            return [self.finish(EndReason.TOO_LONG)]
        if not self.paused:
            began = self._resumed_at
            if began is not None and (index - began) * VAD_FRAME_SECONDS >= _GOES_ON_SECONDS:
                self._resumed_at = None
                return [SpeechGoesOn()]
            if self.silence >= self._settings.pause:
                self.paused, self._resumed_at = True, None
                if not self.is_residue():
                    return [SpeechPaused(self.utterance(), self.silence)]
        elif self.is_residue():
            if self.silence >= _RESIDUE_SILENCE:
                self.forget()
        elif not self._ended and self.silence >= self._silence_wanted():
            self._ended = True
            return [SpeechEnded(self.utterance(), EndReason.SILENCE)]
        return []

    def forget(self) -> None:
        self.speaking = self.paused = self._ended = False
        self._run = 0

    def finish(self, reason: EndReason) -> SpeechEnded:
        if not self.speaking or (reason is EndReason.STOPPED and self.is_residue()):
            now = self._frames * VAD_FRAME_SECONDS
            return SpeechEnded(Utterance(b"", now, now, 0.0), reason)
        return SpeechEnded(self.utterance(), reason)

    def utterance(self) -> Utterance:
        start = self._first * VAD_FRAME_SECONDS
        pcm = self._between(start - _LEAD_IN_SECONDS, self.speech_end + _LEAD_OUT_SECONDS)
        return Utterance(pcm, start, self.speech_end, self._voiced * VAD_FRAME_SECONDS)

    def with_silence(self) -> bytes:
        """Return the sound of the utterance, its pauses shortened, and of all that came since."""
        sound, start = b"", self._first * VAD_FRAME_SECONDS - _LEAD_IN_SECONDS
        for silent, voiced in self._pauses:
            if (voiced - silent) * VAD_FRAME_SECONDS > PAUSE_KEPT:
                sound += self._between(start, silent * VAD_FRAME_SECONDS + PAUSE_KEPT / 2)
                start = voiced * VAD_FRAME_SECONDS - PAUSE_KEPT / 2
        return sound + self._between(start, self._frames * VAD_FRAME_SECONDS)

    def _between(self, start: float, end: float) -> bytes:
        begin = SPEECH.bytes_for(max(0.0, start)) - self._dropped
        return bytes(self._sound[max(0, begin) : SPEECH.bytes_for(end) - self._dropped])

    def _frames_to_resume(self) -> int:
        if not self._ended:
            return _RESUMED_FRAMES
        return max(_RESUMED_FRAMES, round(self._settings.min_speech / VAD_FRAME_SECONDS))

    def is_residue(self) -> bool:
        return (
            self._wake_word
            and self._first * VAD_FRAME_SECONDS <= _RESIDUE_START_SECONDS
            and (self._last - self._first + 1) * VAD_FRAME_SECONDS <= _RESIDUE_SECONDS
        )

    def _forget_before(self, index: int) -> None:
        """Drop what no utterance can begin with any more, so that long quiet takes no memory."""
        keep_from = SPEECH.bytes_for(max(0.0, index * VAD_FRAME_SECONDS - _LEAD_IN_SECONDS))
        if (surplus := keep_from - self._dropped) > 0:
            del self._sound[:surplus]
            self._dropped += surplus
