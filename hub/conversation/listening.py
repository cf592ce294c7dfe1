"""Hears one utterance out, and gets the answer ready before it is over.

Speech-to-text starts at every short pause, and the language model and the voice on its transcript
while the pause still lasts: what they make waits behind a gate (`Gate`). The turn is confirmed when
the speaker has finished, as far as can be told, and the first sound of the answer is there; until
then they may go on, and all that was made for less than they said is dropped. So deciding early
costs no one their sentence, and deciding late costs no time.

Speculation like this is Hugging Face's speech-to-speech's (revisions, an end that can be reopened)
and RealtimeVoiceChat's (the reply prepared during the silence).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from hub.config import Settings
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    Event,
    Finished,
    SoftEnd,
    SpeechEnded,
    SpeechGoesOn,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Utterance,
)
from hub.conversation.interruption import is_stop
from hub.conversation.nonsense import Verdict
from hub.conversation.patience import activity_of, finished_of
from hub.conversation.peer import Peer
from hub.conversation.stages import LOADING_PATIENCE, Attempt, Engines, Gate, Watcher
from hub.conversation.turn import Mark, Turn
from hub.conversation.understanding import Understanding, Words, same
from hub.engines.base import EngineError

_TRIES = 2  # replies that a turn may begin before its end is known
_LIKELY_END = 1.3  # seconds of silence wanted, beyond which the speaker will surely go on
_DOUBT_SECONDS = 0.4  # of more silence, after which they may have finished all the same
_DRAFT_SECONDS = 0.8  # of speech without a pause, after which a draft is made
_NOISE_SECONDS = 1.0  # of sound without words, from which on somebody meant something by it
_SECOND_THOUGHT = 0.3  # seconds from the end until something is done, which nobody can take back
_CLOCK_RESOLUTION = 0.001  # seconds, by which a timer may fire early

Answer = Callable[[str, Gate], Coroutine[Any, Any, None]]
"""Answers a text behind a gate; see `Answering.answer`."""

Prefill = Callable[[str], Awaitable[None]]
"""Fills the language model's cache with words that are certain already; raises nothing."""


class NothingSaid(Exception):
    """There is nothing to answer; the message says why."""


class Stopped(Exception):
    """They said "stop"; the message is how."""


class Listener:
    """Listens to one turn until it is confirmed.

    Args:
        turn: the turn.
        peer: told of speech as it comes.
        engines: the models.
        settings: the hub's.
        watch: told of each step.
        answer: answers a text behind a gate.
        prefill: takes words that are certain, while they go on speaking.
        wake_phrase: what woke the satellite, "" where that is not known; None if nothing did.
        names: of rooms, which may be said.
        push_to_talk: whether only the end of the sound says that they have finished.
    """

    def __init__(
        self,
        turn: Turn,
        peer: Peer,
        engines: Engines,
        settings: Settings,
        watch: Watcher,
        answer: Answer,
        prefill: Prefill,
        wake_phrase: str | None = None,
        names: Sequence[str] = (),
        push_to_talk: bool = False,
    ) -> None:
        self._turn = turn
        self._peer = peer
        self._engines = engines
        self._settings = settings
        self._watch = watch
        self._answer = answer
        self._prefill = prefill
        self._wake_phrase = wake_phrase
        self._push_to_talk = push_to_talk
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._endpointer: Endpointer
        self._heard: Utterance | None = None  # up to the newest pause
        self._understanding = Understanding(engines.stt, settings, wake_phrase, names)
        self._ended: SpeechEnded | None = None
        self._ended_at = 0.0
        self._going_on = False  # since a pause; what is ready has to wait for what they say
        self._attempt: Attempt | None = None
        self._transcribing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def listen(self, sound: AsyncIterator[bytes]) -> Attempt:
        """Return the answer to what is said in `sound`, its gate still closed, at the right moment.

        Raises:
            NothingSaid: nobody spoke, or not in words.
            Stopped: they said "stop".
            EngineError: speech-to-text or voice activity failed.
            PeerGone: the peer went.
        """
        turn = self._turn
        await self._peer.listening(turn)  # what it says is kept while an engine still loads
        self._watch(turn, "listening", "")
        activity = await activity_of(self._engines.vad, timeout=LOADING_PATIENCE)
        self._endpointer = Endpointer(
            activity,
            self._settings.turn,
            wake_word=self._wake_phrase is not None,
            finished=self._timed(finished_of(self._engines.turn)),
            until_closed=self._push_to_talk,
            language=self._settings.language,
        )
        tasks = [
            turn.spawn(self._guarded(self._hear, sound), "listen"),
            turn.spawn(self._guarded(self._draft), "draft"),
        ]
        try:
            while (attempt := self._confirmable()) is None:
                await self._change()
        finally:
            if self._transcribing is not None:
                tasks.append(self._transcribing)
            for task in tasks:
                task.cancel()  # the turn waits for them at its end; the answer need not
        return attempt

    @property
    def heard(self) -> Utterance | None:
        """What was said, once it is confirmed."""
        return self._ended.utterance if self._ended is not None else None

    # -- deciding -----------------------------------------------------------------------------

    def _confirmable(self) -> Attempt | None:
        """Return the answer, if its time has come; begin it, if nobody has."""
        if self._failure is not None:
            raise self._failure
        end = self._ended
        if end is None or self._going_on:
            return None
        if not end.utterance.pcm:
            waited = end.reason is EndReason.NO_SPEECH
            raise NothingSaid("nobody spoke" if waited else "no speech in the sound")
        if (words := self._last_words()) is None:
            return None
        final = end.reason is not EndReason.SILENCE
        if words.verdict is not Verdict.OK:
            if final or end.utterance.speech_seconds >= _NOISE_SECONDS:
                raise NothingSaid(words.verdict.value)
            self._forget()
            return None
        if is_stop(words.text, self._settings.language):
            raise Stopped(words.text)
        attempt = self._attempt
        if attempt is not None and attempt.speculative and attempt.failed:
            self._drop()  # a turn is not lost because a try was
            attempt = None
            self._turn.mark(Mark.TRANSCRIPT, ago=self._loop.time() - words.at)
        if attempt is None:
            attempt = self._begin(words.text, speculative=False)
        now = self._loop.time() + _CLOCK_RESOLUTION
        return attempt if final or now >= self._reopens_until(attempt) else None

    async def _change(self) -> None:
        """Wait for something to happen, or for the time in which a turn may be reopened to end."""
        self._changed.clear()
        if self._failure is not None:
            return
        attempt = self._attempt if self._last_words() is not None else None
        try:
            # Otherwise no time-out: the endpointer has its own, and so has speech-to-text.
            async with asyncio.timeout_at(self._reopens_until(attempt) if attempt else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _last_words(self) -> Words | None:
        """Return the words up to the end; None where they go on or are not known yet."""
        end, words = self._ended, self._understanding.words
        if end is None or words is None or self._going_on:
            return None
        return words if words.utterance.says_as_much_as(end.utterance) else None

    def _reopens_until(self, attempt: Attempt) -> float:
        """Return when they can go on no longer, though the turn has ended; on the loop's clock."""
        reopen = self._settings.turn.reopen
        if attempt.waits:
            reopen = min(reopen, _SECOND_THOUGHT) if attempt.gate.acts else 0.0
        return self._ended_at + reopen

    def _begin(self, text: str, *, speculative: bool) -> Attempt:
        turn = self._turn
        gate = Gate(self._changed.set)
        task = turn.spawn(self._answer(text, gate), "answer", provisional=True)
        task.add_done_callback(self._attempted)
        if speculative:
            turn.record.speculations += 1
        self._attempt = Attempt(text, gate, task, speculative)
        return self._attempt

    def _attempted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # looked at; asyncio would log what nobody has, words and all
        self._changed.set()

    def _forget(self) -> None:
        """Go on as if nothing had been heard: it was a cough, or a door."""
        self._drop()
        self._heard = self._ended = self._understanding.words = None
        self._turn.unmark(
            Mark.SPEECH_START,
            Mark.SPEECH_END,
            Mark.PAUSE,
            Mark.SOFT_END,
            Mark.TRANSCRIPT,
            Mark.END_OF_TURN,
        )
        self._endpointer.forget()

    def _drop(self) -> None:
        """Drop what was made for less than they said."""
        if self._attempt is not None:
            self._attempt = None
            self._turn.revise()

    # -- hearing ------------------------------------------------------------------------------

    async def _guarded(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do a part of the listening; its failure is that of the listening."""
        try:
            await work(*args)
        except Exception as exc:  # whatever it is, `listen` raises it
            self._failure = self._failure or exc
            self._changed.set()

    async def _hear(self, sound: AsyncIterator[bytes]) -> None:
        async with aclosing(self._endpointer.listen(sound)) as events:
            async for event in events:
                await self._on(event)

    async def _on(self, event: Event) -> None:
        turn = self._turn
        if isinstance(event, SpeechStarted):
            # (Again, where the first was the tail of the wake word.)
            turn.mark(Mark.SPEECH_START, again=True)
            await self._peer.voice_started(turn)
        elif isinstance(event, SpeechPaused):
            turn.mark(Mark.SPEECH_END, ago=event.silence, after=Mark.SPEECH_START, again=True)
            turn.mark(Mark.PAUSE, again=True)
            self._going_on = False
            self._understand(event.utterance)
        elif isinstance(event, SoftEnd):
            turn.mark(Mark.SOFT_END, again=True)
        elif isinstance(event, SpeechResumed):
            turn.record.reopened += self._ended is not None
            self._ended = None
            self._going_on = True
            turn.unmark(Mark.SPEECH_END, Mark.PAUSE, Mark.SOFT_END, Mark.END_OF_TURN)
        elif isinstance(event, SpeechGoesOn):
            self._drop()
        else:
            self._on_end(event)
        self._changed.set()

    def _timed(self, finished: Finished | None) -> Finished | None:
        """Note how long the end-of-turn model takes, and what it says."""
        if finished is None:
            return None

        async def timed(pcm: bytes) -> float | None:
            with self._turn.span("end_of_turn") as span:
                probability = await finished(pcm)
                span.detail = "" if probability is None else f"{probability:.0%} finished"
            return probability

        return timed

    def _on_end(self, event: SpeechEnded) -> None:
        turn = self._turn
        self._ended, self._ended_at = event, self._loop.time()
        self._going_on = False
        turn.mark(Mark.END_OF_TURN, again=True)
        if not event.utterance.pcm:
            turn.unmark(Mark.SPEECH_START, Mark.SPEECH_END)
            return
        turn.mark(Mark.SPEECH_END)  # where no pause came before it
        self._understand(event.utterance)

    # -- understanding ------------------------------------------------------------------------

    def _understand(self, utterance: Utterance) -> None:
        """Transcribe `utterance`, unless that is done or under way."""
        if self._heard is not None and self._heard.says_as_much_as(utterance):
            return
        self._heard = utterance
        if self._transcribing is not None:
            self._transcribing.cancel()  # it heard less
        self._transcribing = self._turn.spawn(
            self._guarded(self._transcribe, utterance), "transcribe"
        )

    async def _transcribe(self, utterance: Utterance) -> None:
        for span in self._turn.record.spans:  # they hear less
            span.dropped = span.dropped or span.stage == "transcribe"
        try:
            with self._turn.span("transcribe"):
                words = await self._understanding.transcribe(utterance)
        except EngineError:
            if self._ended is not None:
                raise
            self._heard = None  # the next pause is another chance, or the end
            return
        if (attempt := self._attempt) is not None and not same(attempt.text, words.text):
            self._drop()
        if self._attempt is None:  # else what is answered is the earlier one
            self._turn.mark(Mark.TRANSCRIPT, again=True)
        self._endpointer.transcribed(utterance, words.text)
        likely = self._endpointer.silence_wanted <= _LIKELY_END
        if likely and self._worth_a_try():
            self._begin(words.text, speculative=True)
        self._changed.set()
        if words.verdict is Verdict.OK:
            await self._tell(words.text)
        if not likely:
            await asyncio.sleep(_DOUBT_SECONDS)
            if self._worth_a_try():
                self._begin(words.text, speculative=True)

    def _worth_a_try(self) -> bool:
        """Whether to begin the reply to the words that were just understood, on suspicion."""
        words, turn = self._understanding.words, self._turn
        return (
            self._settings.turn.speculate
            and self._attempt is None
            and self._ended is None
            and not self._going_on
            and words is not None
            and words.verdict is Verdict.OK
            and not is_stop(words.text, self._settings.language)
            and turn.record.speculations < _TRIES
        )

    async def _draft(self) -> None:
        """Transcribe what was said so far, now and then, where there is no pause to do it at."""
        pcm = 0
        while True:
            await asyncio.sleep(_DRAFT_SECONDS)
            # Never where it would keep a transcript waiting that somebody waits for.
            idle = self._engines.stt.idle
            if not idle or not self._endpointer.speaking or self._endpointer.paused:
                continue
            utterance = self._endpointer.so_far()
            if len(utterance.pcm) <= pcm:
                continue
            pcm = len(utterance.pcm)
            try:
                with self._turn.span("transcribe", detail="draft"):
                    text = await self._understanding.draft(utterance)
            except EngineError:  # reported; a turn does without drafts
                return
            await self._tell(text)

    async def _tell(self, text: str) -> None:
        """Tell what is certain of the words so far."""
        certain = self._understanding.certain(text)
        if certain is None or self._ended is not None:
            return
        await self._peer.partial(self._turn, certain)
        self._watch(self._turn, "partial", certain)
        if self._attempt is None:
            await self._prefill(certain)
