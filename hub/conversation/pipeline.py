"""Sound → transcript → reply → clauses → speech, each part while the one before still works."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from hub.config import Settings
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    SpeechPaused,
    SpeechStarted,
    Utterance,
)
from hub.conversation.memory import Memory
from hub.conversation.nonsense import Verdict, judge
from hub.conversation.patience import NoAnswer, PatientActivity, answer_of, pieces_of, where
from hub.conversation.peer import Peer, PeerGone, SendClause
from hub.conversation.prompt import DEFAULT_PERSONA, system_prompt
from hub.conversation.reply import write_reply
from hub.conversation.speakable import Speakable
from hub.conversation.turn import Mark, Outcome, Turn
from hub.conversation.wake_phrase import strip_wake_phrase
from hub.engines.base import (
    EngineError,
    LanguageModel,
    Message,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
)
from hub.engines.supervisor import Supervised
from hub.engines.thread import client

_LOGGER = logging.getLogger(__name__)

_QUEUED_CLAUSES = 8
_LOADING_PATIENCE = 20.0  # seconds that a turn waits for an engine which is still loading
_PREFILL_PATIENCE = 60.0  # seconds; nobody waits for it, and it ends with its turn
_PLAYED_MARGIN = 5.0  # seconds that a reply may take longer to play than its speech is long
_APOLOGY_TIMEOUT = 10.0
APOLOGY = "Sorry, something went wrong. Please try again."
NO_ANSWER = "Sorry, I have no answer to that."

Watcher = Callable[[Turn, str, str], None]
"""Told of each step of a turn as it happens: the turn, the step's name, its text or ''."""


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each role, shared by all rooms."""

    stt: Supervised[SpeechToText]
    llm: Supervised[LanguageModel]
    tts: Supervised[TextToSpeech]
    vad: Supervised[VoiceActivity]


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause on its way to the voice, with the revision that it belongs to."""

    revision: int
    text: str


class _NothingSaid(Exception):
    """There is nothing to answer; the message says why."""


class Pipeline:
    """Runs turns; holds no state of any of them.

    Args:
        engines: the models.
        settings: the hub's.
        watch: told of each step.
        abilities: what tools can do here; see `hub.conversation.honesty`.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        watch: Watcher,
        abilities: frozenset[str] = frozenset(),
    ) -> None:
        self.engines = engines
        self._settings = settings
        self._watch = watch
        self._abilities = abilities
        self.system = Message(
            "system", system_prompt(settings.llm.persona or DEFAULT_PERSONA, settings.name)
        )

    async def prepare(self, room: str, memory: Memory) -> None:
        """Fill the language model's cache with what the room's next prompt begins with."""
        llm = await self.engines.llm.get(timeout=_LOADING_PATIENCE)
        prefill = llm.prefill(room, [self.system, *memory.messages()])
        await answer_of(prefill, "llm", timeout=_PREFILL_PATIENCE)

    async def run(
        self,
        turn: Turn,
        sound: AsyncIterator[bytes],
        peer: Peer,
        memory: Memory,
        wake_phrase: str | None = None,
    ) -> None:
        """Answer what is said in `sound` (16 kHz mono 16-bit), aloud, through `peer`.

        Returns when the reply was played. An engine that fails ends the turn with an apology, and
        so does a bug; a peer that goes ends it quietly. The caller remembers the turn, if it is
        to be.
        """
        client.set(turn.room)  # in this task and those of its stages
        try:
            try:
                await self._converse(turn, sound, peer, memory, wake_phrase)
            except _NothingSaid as exc:
                turn.end(Outcome.NOTHING_SAID)
                self._watch(turn, "nothing-said", str(exc))
                await peer.failed(turn, "stt-no-text-recognized", f"Nothing to answer: {exc}")
            except PeerGone:
                raise
            except Exception as exc:  # whatever it is, the person must hear of it
                if self._failed(turn, exc):
                    await self._apologise(turn, peer)
            else:
                turn.end(Outcome.ANSWERED)
        except PeerGone as exc:
            _LOGGER.info("turn %s: %s", turn.id, exc)
            turn.end(Outcome.GONE)

    def _failed(self, turn: Turn, exc: Exception) -> bool:
        """Tell of a failure; False where it is none: cancelled, an engine complained of that."""
        if turn.ended:
            return False
        why = str(exc) if isinstance(exc, EngineError) else where(exc)
        _LOGGER.error("turn %s failed: %s", turn.id, why)
        self._watch(turn, "failed", why)
        return True

    async def write(self, turn: Turn, text: str, send: SendClause, memory: Memory) -> None:
        """Answer `text` in writing: `send` is given the clauses, and may raise `PeerGone`.

        Returns when all of it was sent. An engine that fails, or a bug, ends the turn as failed;
        the caller says so to the peer.
        """
        turn.transcript = text
        self._watch(turn, "transcript", text)
        try:
            async with aclosing(self.reply(turn, text, memory)) as reply:
                async for clause in reply:
                    await self._send(turn, clause, send)
            if not turn.playback.started:
                await self._send(turn, NO_ANSWER, send)
        except PeerGone as exc:
            _LOGGER.info("turn %s: %s", turn.id, exc)
            turn.end(Outcome.GONE)
        except Exception as exc:  # whatever it is, the caller must hear of it
            if self._failed(turn, exc):
                turn.end(Outcome.FAILED)
        else:
            turn.end(Outcome.ANSWERED)

    async def _send(self, turn: Turn, clause: str, send: SendClause) -> None:
        turn.mark(Mark.FIRST_CLAUSE)
        await send(clause)
        turn.playback.wrote(clause)
        self._watch(turn, "clause", clause)

    async def _converse(
        self,
        turn: Turn,
        sound: AsyncIterator[bytes],
        peer: Peer,
        memory: Memory,
        wake_phrase: str | None,
    ) -> None:
        turn.spawn(self._prepare_quietly(turn, memory), "prefill")
        utterance = await self._listen(turn, sound, peer)
        text = await self._transcribe(turn, utterance, wake_phrase)
        turn.transcript = text
        await peer.transcript(turn, text)
        self._watch(turn, "transcript", text)
        await self._answer(turn, text, peer, memory)

    # -- listening ----------------------------------------------------------------------------

    async def _listen(self, turn: Turn, sound: AsyncIterator[bytes], peer: Peer) -> Utterance:
        await peer.listening(turn)  # at once: what it says is kept while the engine still loads
        self._watch(turn, "listening", "")
        vad = await self.engines.vad.get(timeout=_LOADING_PATIENCE)
        marks = turn.record.marks
        try:
            endpointer = Endpointer(PatientActivity(vad.stream()), self._settings.turn)
            async for event in endpointer.listen(sound):
                if isinstance(event, SpeechStarted):
                    marks.pop(Mark.SPEECH_START, None)  # that was the tail of the wake word
                    marks.pop(Mark.SPEECH_END, None)
                    turn.mark(Mark.SPEECH_START)
                    await peer.voice_started(turn)
                elif isinstance(event, SpeechPaused):
                    # Each pause may be the last: only the last one counts.
                    marks.pop(Mark.SPEECH_END, None)
                    turn.mark(Mark.SPEECH_END)
                else:
                    utterance = event
        except EngineError as exc:
            self.engines.vad.failed(vad, exc)
            raise
        if not utterance.pcm:
            marks.pop(Mark.SPEECH_START, None)
            marks.pop(Mark.SPEECH_END, None)
        elif utterance.reason is EndReason.TOO_LONG:
            marks.pop(Mark.SPEECH_END, None)
            turn.mark(Mark.SPEECH_END)
        elif utterance.reason is EndReason.STOPPED:
            turn.mark(Mark.SPEECH_END)  # where no pause came before it
        turn.mark(Mark.END_OF_TURN)
        await peer.voice_stopped(turn)
        if not utterance.pcm:
            waited = utterance.reason is EndReason.NO_SPEECH
            raise _NothingSaid("nobody spoke" if waited else "no speech in the sound")
        return utterance

    async def _transcribe(self, turn: Turn, utterance: Utterance, wake_phrase: str | None) -> str:
        async with self.engines.stt.lent(timeout=_LOADING_PATIENCE) as stt:
            transcript = await answer_of(
                stt.transcribe(utterance.pcm, language=self._settings.language), "stt"
            )
        turn.mark(Mark.TRANSCRIPT)
        text = strip_wake_phrase(transcript.text, wake_phrase)
        verdict = judge(
            text,
            speech_seconds=utterance.speech_seconds,
            no_speech_prob=transcript.no_speech_prob,
            avg_logprob=transcript.avg_logprob,
            compression_ratio=transcript.compression_ratio,
        )
        if verdict is not Verdict.OK:
            raise _NothingSaid(verdict.value)
        return text

    # -- answering ----------------------------------------------------------------------------

    async def _answer(self, turn: Turn, text: str, peer: Peer, memory: Memory) -> None:
        """Write the reply and speak it, both at once; returns when it was played."""
        revision = turn.revision
        clauses: asyncio.Queue[_Clause | None] = asyncio.Queue(_QUEUED_CLAUSES)
        try:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(self._think(turn, revision, text, memory, clauses))
                stages.create_task(self._speak(turn, peer, clauses))
        except ExceptionGroup as group:
            # Two stages may fail at once: without a peer nothing else matters.
            for kind in (PeerGone, Exception):
                if (errors := group.subgroup(kind)) is not None:
                    raise errors.exceptions[0] from None
            raise
        if not turn.playback.started:
            raise EngineError("tts: made no sound")
        await self._finish_speech(turn, peer)

    async def _think(
        self,
        turn: Turn,
        revision: int,
        text: str,
        memory: Memory,
        clauses: "asyncio.Queue[_Clause | None]",
    ) -> None:
        """Write the reply; put its clauses out one by one, and None behind the last."""
        async with aclosing(self.reply(turn, text, memory)) as reply:
            async for clause in reply:
                turn.mark(Mark.FIRST_CLAUSE)
                await clauses.put(_Clause(revision, clause))
        await clauses.put(None)

    async def reply(self, turn: Turn, text: str, memory: Memory) -> AsyncGenerator[str]:
        """Yield the clauses of the reply, honest ones only."""
        llm = await self.engines.llm.get(timeout=_LOADING_PATIENCE)
        messages = [self.system, *memory.messages(), Message("user", text)]
        reply = write_reply(
            turn,
            llm,
            messages,
            max_tokens=self._settings.llm.max_reply_tokens,
            abilities=self._abilities,
            name=self._settings.name,
        )
        try:
            async with aclosing(reply):
                async for clause in reply:
                    yield clause
        except NoAnswer:
            raise  # it stopped when it was told to, so it is slow and does not hang
        except EngineError as exc:
            self.engines.llm.failed(llm, exc)
            raise

    async def _speak(
        self, turn: Turn, peer: Peer, clauses: "asyncio.Queue[_Clause | None]"
    ) -> None:
        """Speak clauses as they come, until None."""
        speakable = Speakable(self._settings.language)
        while (clause := await clauses.get()) is not None:
            if turn.is_current(clause.revision) and (words := speakable.push(clause.text)):
                await self._say(turn, peer, clause.text, words)
        if not turn.playback.started:  # no reply, or one without a word that can be said
            await self._say(turn, peer, NO_ANSWER, NO_ANSWER)

    async def _say(self, turn: Turn, peer: Peer, text: str, words: str) -> None:
        """Send the speech of `words`, which is how `text` is said aloud."""
        tts = await self.engines.tts.get(timeout=_LOADING_PATIENCE)
        try:
            speech = tts.synthesize(words, voice=self._settings.tts.voice)
            async with aclosing(pieces_of(speech, "tts")) as pieces:
                first = True
                async for pcm in pieces:
                    if not pcm:
                        continue
                    if first:
                        first = False
                        if not turn.playback.started:
                            await peer.audio_start(turn, tts.format)
                        await peer.clause(turn, text)
                        self._watch(turn, "clause", text)
                        turn.playback.begin_clause(text, tts.format)
                    await peer.audio(turn, pcm)
                    turn.playback.sent(len(pcm))
                    turn.mark(Mark.FIRST_AUDIO_SENT)
                if not first:
                    turn.playback.end_clause()
        except EngineError as exc:
            self.engines.tts.failed(tts, exc)
            raise

    async def _finish_speech(self, turn: Turn, peer: Peer) -> None:
        """Say that all is sent, and wait until it was played."""
        await peer.audio_stop(turn)
        self._watch(turn, "sent", "")
        if not await turn.playback.wait(_PLAYED_MARGIN):
            _LOGGER.debug("turn %s: the peer did not say when it had played", turn.id)

    async def _apologise(self, turn: Turn, peer: Peer) -> None:
        """Say aloud that it failed; where even that fails, send an error."""
        turn.fail()  # an apology that is interrupted is no answer either
        try:
            async with asyncio.timeout(_APOLOGY_TIMEOUT):
                await self._say(turn, peer, APOLOGY, APOLOGY)
        except PeerGone:
            raise
        except Exception as exc:  # whatever it is, the peer must not wait for ever
            _LOGGER.warning("turn %s: no apology: %s", turn.id, where(exc))
        if turn.playback.started:
            await self._finish_speech(turn, peer)
        else:
            await peer.failed(turn, "engine-failed", "The hub could not answer")
        turn.end(Outcome.FAILED)

    async def _prepare_quietly(self, turn: Turn, memory: Memory) -> None:
        try:
            await self.prepare(turn.room, memory)
        except EngineError as exc:
            _LOGGER.debug("turn %s: no prefill: %s", turn.id, exc)
