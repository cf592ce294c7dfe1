"""Hears when somebody has finished, for a client that leaves that to us; slower than for a room.

A room's turn may be reopened after its end was decided. A transcript that was sent cannot, and
whoever dictates may be cut off. So more silence is waited for, and how much depends on whether the
client can know that we end its sound: only who has read our `info` (`requires_external_vad: false`)
can. Home Assistant has.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from hub.config import TurnSettings
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    Event,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Utterance,
)
from hub.conversation.patience import finished_of
from hub.engines.base import EndOfTurn
from hub.engines.supervisor import Supervised
from hub.service.feed import Feed
from protocol.audio import SPEECH

MOST_SECONDS = 29.0
"""Of sound, in which an end is looked for: a command fits the model's window."""

_NEVER = 3600.0  # seconds, more than `MOST_SECONDS`
_WITHOUT_MODEL = 0.7  # seconds of silence, as Home Assistant's own voice activity detection has it
_AT_ONCE = 0.1  # seconds; speech that begins so soon may be the end of a wake word
_RESIDUE = 0.45  # seconds; if it is no longer than that
_RESIDUE_SILENCE = 1.2
_QUEUED = SPEECH.bytes_for(2.0)
_NO_SOUND = 60.0  # seconds; the sound itself is given up long before

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manners:
    """How to treat a client.

    Args:
        silence: the least seconds of it that end the sound.
        impatient: whether to end also the sound of one who says nothing, or who does not stop.
    """

    silence: float
    impatient: bool


KNOWING = Manners(0.5, impatient=True)
"""It has read that we end its sound, and waits for that."""

UNKNOWING = Manners(2.0, impatient=False)
"""It may pause for a breath and go on to the next sentence."""


class _Known:
    """Voice activity that was computed already."""

    def __init__(self) -> None:
        self.values: deque[float] = deque()

    async def probability(self, frame: bytes) -> float:
        return self.values.popleft()


class _Patient(Endpointer):
    """An endpointer with a least silence."""

    least = 0.0

    @property
    def silence_wanted(self) -> float:
        return max(self.least, super().silence_wanted)

    @property
    def quiet_enough(self) -> bool:
        """Whether the silence lasts long enough for what is known by now."""
        return self._cut.silence >= self.silence_wanted


class Ending(Generic[T]):
    """Follows one request's sound, up to its transcript. Close it (`contextlib.aclosing`).

    Args:
        turn: the end-of-turn model, or None.
        settings: when somebody has finished.
        language: of what is said.
        manners: how long to wait; None never ends the sound.
    """

    def __init__(
        self,
        turn: Supervised[EndOfTurn] | None,
        settings: TurnSettings,
        language: str,
        manners: Manners | None,
    ) -> None:
        self._manners = manners
        self._seconds = 0.0
        self._voice = _Known()
        self._sound: Feed[bytes] = Feed(b"", _QUEUED, _NO_SOUND, "sound")
        self._paused: Utterance | None = None
        self._ended: SpeechEnded | None = None
        self._task: asyncio.Task[None] | None = None
        self._words: asyncio.Task[T] | None = None  # of all that was said up to the end
        if manners is None:
            return
        impatient = manners.impatient
        settings = msgspec.structs.replace(
            settings,
            silence=max(settings.silence, _WITHOUT_MODEL),
            no_speech=settings.no_speech if impatient else _NEVER,
            max_speech=_NEVER,
        )
        self._endpointer = _Patient(
            self._voice,
            settings,
            wake_word=False,
            finished=finished_of(turn),
            language=language,
        )
        self._endpointer.least = manners.silence
        self._task = asyncio.create_task(self._follow(), name="end of speech")

    @property
    def over(self) -> bool:
        """Whether they have finished, as far as can be told now; they may still go on."""
        if self._manners is None:
            return False
        if self._seconds >= MOST_SECONDS:
            return self._manners.impatient
        if self._ended is None:
            return False
        return self._ended.reason is not EndReason.SILENCE or self._endpointer.quiet_enough

    @property
    def speech_seconds(self) -> float | None:
        """How long they spoke before a silence that is the end; None where it ends otherwise."""
        if self._ended is None or self._ended.reason is not EndReason.SILENCE:
            return None
        return self._ended.utterance.speech_seconds

    async def push(self, frame: bytes, voice: float) -> None:
        """Take a frame, and the probability of speech in it."""
        if self._task is None or self._task.done():
            return
        self._seconds += SPEECH.seconds(len(frame))
        if self._seconds >= MOST_SECONDS:
            await self._stop_following()  # it keeps the sound
            return
        self._voice.values.append(voice)
        await self._sound.put(frame)

    def transcribed(self, text: str) -> None:
        """Take the words of all that was said up to the pause that lasts."""
        if self._paused is not None:
            self._endpointer.transcribed(self._paused, text)

    @property
    def asked(self) -> bool:
        """Whether the transcript of all of it is under way, or there."""
        return self._words is not None

    def ask(self, transcribe: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Begin the transcript, unless that is done; it is dropped if they go on after all."""
        if self._words is None:
            self._words = asyncio.create_task(transcribe(), name="transcribe the end")

    def answer(self) -> T | None:
        """Return the transcript, if it is there; raises what `transcribe` raised."""
        if self._words is None or not self._words.done():
            return None
        return self._words.result()

    async def last(self) -> T | None:
        """Wait for the transcript at the end of the sound; None where none was begun."""
        return None if self._words is None else await self._words

    def forget(self) -> None:
        """Say that it was no speech: a cough, or a door."""
        self._words = None
        self._ended = self._paused = None
        self._endpointer.forget()

    async def aclose(self) -> None:
        """Stop following, and what was begun."""
        await self._stop_following()
        await self._drop_words()

    async def _stop_following(self) -> None:
        self._sound.drop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drop_words(self) -> None:
        words, self._words = self._words, None
        if words is not None:
            words.cancel()
            await asyncio.gather(words, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            async with aclosing(self._endpointer.listen(self._sound)) as events:
                async for event in events:
                    await self._on(event)
        finally:
            self._sound.drop()

    async def _on(self, event: Event) -> None:
        if isinstance(event, SpeechPaused):
            self._paused = event.utterance
            early = event.utterance.speech_start <= _AT_ONCE
            short = event.utterance.speech_end - event.utterance.speech_start <= _RESIDUE
            assert self._manners is not None
            least = _RESIDUE_SILENCE if early and short else 0.0
            self._endpointer.least = max(self._manners.silence, least)
        elif isinstance(event, SpeechStarted | SpeechResumed):
            self._ended = self._paused = None
            await self._drop_words()
        elif isinstance(event, SpeechEnded) and event.reason is not EndReason.STOPPED:
            self._ended = event
