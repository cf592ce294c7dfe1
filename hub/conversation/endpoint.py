"""When somebody begins to speak and when they have finished: voice activity and a silence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto

from hub.config import TurnSettings
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS, VoiceActivityStream
from protocol.audio import SPEECH, Chunker

# Sound reaches us from just before the end of the wake word on: its last syllable is speech, but
# nobody's question. Speech that begins at once and is over this soon does not count.
_RESIDUE_START_SECONDS = 0.1
_RESIDUE_SECONDS = 0.45
_LEAD_IN_SECONDS = 0.3  # kept before the first voiced frame: a soft onset is not voiced
_LEAD_OUT_SECONDS = 0.2


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
    reason: EndReason
    speech_start: float
    speech_end: float
    speech_seconds: float  # voiced frames alone


class SpeechStarted:
    """Somebody began to speak."""


class SpeechPaused:
    """Silence after speech; if it lasts, the utterance is over."""


class Endpointer:
    """Follows one stream of sound to the end of the first utterance in it.

    Args:
        activity: tells speech from other sound.
        settings: when somebody has finished.
        wake_word: whether the sound may begin with the end of a wake word, which does not count.
    """

    def __init__(
        self, activity: VoiceActivityStream, settings: TurnSettings, *, wake_word: bool = True
    ) -> None:
        self._activity = activity
        self._settings = settings
        self._wake_word = wake_word

    async def listen(
        self, sound: AsyncIterator[bytes]
    ) -> AsyncIterator[SpeechStarted | SpeechPaused | Utterance]:
        """Yield what happens in `sound` (16 kHz mono 16-bit, any cut); last an `Utterance`."""
        cut = _Cut(self._settings, self._wake_word)
        chunker = Chunker(VAD_FRAME_BYTES)
        async for pcm in sound:
            for frame in chunker.push(pcm):
                voiced = await self._activity.probability(frame) >= self._settings.speech_threshold
                event = cut.push(frame, voiced=voiced)
                if event is not None:
                    yield event
                if isinstance(event, Utterance):
                    return
        yield cut.finish(EndReason.STOPPED)


class _Cut:
    """Decides frame by frame; holds the sound of the utterance and little before it."""

    def __init__(self, settings: TurnSettings, wake_word: bool) -> None:
        self._settings = settings
        self._wake_word = wake_word
        self._sound = bytearray()
        self._dropped = 0  # bytes cut off the beginning of `_sound`
        self._frames = 0
        self._voiced = 0  # frames of speech in this utterance
        self._run = 0  # voiced frames without a pause, before speech counts as begun
        self._first = 0
        self._last = 0
        self._speaking = False
        self._paused = False

    def push(
        self, frame: bytes, *, voiced: bool
    ) -> SpeechStarted | SpeechPaused | Utterance | None:
        self._sound += frame
        index, self._frames = self._frames, self._frames + 1
        event: SpeechStarted | SpeechPaused | None = None
        if voiced:
            self._run += 1
            self._paused = False
            if not self._speaking:
                if self._run == 1:
                    self._first = index
                if self._run * VAD_FRAME_SECONDS >= self._settings.min_speech:
                    self._speaking = True
                    self._voiced = self._run - 1
                    event = SpeechStarted()
            if self._speaking:
                self._voiced += 1
                self._last = index
        else:
            self._run = 0
            if self._speaking and not self._paused:
                self._paused = True
                event = SpeechPaused()
        if self._speaking:
            silence = (index - self._last) * VAD_FRAME_SECONDS
            if silence >= self._settings.silence:
                if self._is_residue():
                    self._speaking = self._paused = False
                    return None
                return self.finish(EndReason.SILENCE)
            if (index - self._first) * VAD_FRAME_SECONDS >= self._settings.max_speech:
                return self.finish(EndReason.TOO_LONG)
        else:
            waited = self._frames * VAD_FRAME_SECONDS >= self._settings.no_speech
            if waited and not voiced:  # (voiced: somebody may begin at this very moment)
                return self.finish(EndReason.NO_SPEECH)
            self._forget_before(index if self._run == 0 else self._first)
        return event

    def finish(self, reason: EndReason) -> Utterance:
        if not self._speaking or (reason is EndReason.STOPPED and self._is_residue()):
            now = self._frames * VAD_FRAME_SECONDS
            return Utterance(b"", reason, now, now, 0.0)
        start = self._first * VAD_FRAME_SECONDS
        end = (self._last + 1) * VAD_FRAME_SECONDS
        begin = SPEECH.bytes_for(max(0.0, start - _LEAD_IN_SECONDS)) - self._dropped
        stop = SPEECH.bytes_for(end + _LEAD_OUT_SECONDS) - self._dropped
        pcm = bytes(self._sound[max(0, begin) : stop])
        return Utterance(pcm, reason, start, end, self._voiced * VAD_FRAME_SECONDS)

    def _is_residue(self) -> bool:
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
