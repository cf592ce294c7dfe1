"""One turn from sound to speech: listening, confirming, answering; and what can go wrong."""

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import aclosing

from hub.config import Settings
from hub.conversation.announcing import Announcement
from hub.conversation.answering import NO_ANSWER, Answering, NothingToSay
from hub.conversation.interruption import is_stop
from hub.conversation.listening import Listener, NothingSaid, Stopped
from hub.conversation.memory import Memory
from hub.conversation.patience import answer_of, where
from hub.conversation.peer import Peer, PeerGone, SendClause
from hub.conversation.speaking import APOLOGY, Speaking
from hub.conversation.stages import LOADING_PATIENCE, Engines, Gate, Watcher
from hub.conversation.turn import Mark, Outcome, Turn
from hub.engines.base import EngineError, Message
from hub.engines.thread import client
from hub.home.base import Home, Place

__all__ = ["APOLOGY", "NO_ANSWER", "Engines", "Pipeline", "Watcher"]

_LOGGER = logging.getLogger(__name__)

_PREFILL_PATIENCE = 60.0  # seconds; nobody waits for it, and it ends with its turn


class Pipeline:
    """Runs turns; holds no state of any of them.

    Args:
        engines: the models.
        settings: the hub's.
        watch: told of each step.
        home: does what is asked for; None where nothing can be done.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        watch: Watcher,
        home: Home | None = None,
    ) -> None:
        self.engines = engines
        self._settings = settings
        self._watch = watch
        self._home = home
        self._speaking = Speaking(engines, settings, watch)
        self._answering = Answering(engines, settings, self._speaking, watch, home)

    @property
    def system(self) -> Message:
        """What every prompt begins with."""
        return self._answering.system

    async def prepare(self, room: str, memory: Memory, said: str = "") -> None:
        """Fill the language model's cache with what the room's next prompt begins with.

        Args:
            room: the room.
            memory: what it has said.
            said: words of the next question that are certain already.

        Raises:
            EngineError: the model failed, or is not there.
        """
        llm = await self.engines.llm.get(timeout=LOADING_PATIENCE)
        messages = [self.system, *memory.messages()]
        if said:
            messages.append(Message("user", said))
        prefill = llm.prefill(room, messages, unfinished=bool(said))
        await answer_of(prefill, "llm", timeout=_PREFILL_PATIENCE)

    async def prepare_quietly(self, room: str, memory: Memory, said: str = "") -> None:
        """Do the same where it is no matter if it fails."""
        try:
            await self.prepare(room, memory, said)
        except EngineError as exc:
            _LOGGER.debug("%s: no prefill: %s", room, exc)

    async def run(
        self,
        turn: Turn,
        sound: AsyncIterator[bytes],
        peer: Peer,
        memory: Memory,
        wake_phrase: str | None = None,
        names: Sequence[str] = (),
        *,
        push_to_talk: bool = False,
    ) -> None:
        """Answer what is said in `sound` (16 kHz mono 16-bit), aloud, through `peer`.

        Returns when the reply was played. An engine that fails ends the turn with an apology, and
        so does a bug; a peer that goes ends it quietly. The caller remembers the turn, if it is
        to be. `names` are those of rooms, which may be said; `push_to_talk` is whether only the
        end of the sound says that they have finished.
        """
        listen = self._listen(turn, sound, peer, memory, wake_phrase, names, push_to_talk)
        await self._aloud(turn, peer, listen)

    async def ask(self, turn: Turn, text: str, peer: Peer, memory: Memory) -> None:
        """Answer `text`, which was typed, aloud, through `peer`; otherwise as `run`."""
        await self._aloud(turn, peer, self._read(turn, text, peer, memory))

    async def _aloud(self, turn: Turn, peer: Peer, work: Awaitable[None]) -> None:
        """Do the work of a turn that is answered aloud, whatever goes wrong."""
        client.set(turn.room)  # in this task and those of its stages
        try:
            try:
                await work
            except NothingSaid as exc:
                await peer.voice_stopped(turn)
                turn.end(Outcome.NOTHING_SAID)
                self._watch(turn, "nothing-said", str(exc))
                await peer.failed(turn, "stt-no-text-recognized", f"Nothing to answer: {exc}")
            except Stopped as exc:
                await peer.voice_stopped(turn)
                await peer.transcript(turn, str(exc))
                turn.end(Outcome.STOPPED)
                self._watch(turn, "stopped", str(exc))
                await peer.stopped(turn)
            except NothingToSay:
                turn.end(Outcome.STOPPED)
                await peer.stopped(turn)
            except PeerGone:
                raise
            except Exception as exc:  # whatever it is, the person must hear of it
                if self._failed(turn, exc):
                    turn.drop_work()
                    turn.unmark(Mark.AUDIO_READY)  # the apology has its own
                    await self._speaking.apologise(turn, peer)
            else:
                turn.end(Outcome.ANSWERED)
        except PeerGone as exc:
            _LOGGER.info("turn %s: %s", turn.id, exc)
            turn.end(Outcome.GONE)

    async def _read(self, turn: Turn, text: str, peer: Peer, memory: Memory) -> None:
        if is_stop(text, self._settings.language):
            raise Stopped(text)
        turn.mark(Mark.TRANSCRIPT)
        turn.mark(Mark.CONFIRMED)
        turn.transcript = text
        await peer.transcript(turn, text)
        self._watch(turn, "transcript", text)
        gate = Gate(lambda: None)
        gate.open()
        await self._answering.answer(turn, text, peer, memory, gate)

    async def _listen(
        self,
        turn: Turn,
        sound: AsyncIterator[bytes],
        peer: Peer,
        memory: Memory,
        wake_phrase: str | None,
        names: Sequence[str],
        push_to_talk: bool,
    ) -> None:
        async def answer(text: str, gate: Gate) -> None:
            await self._answering.answer(turn, text, peer, memory, gate)

        async def prefill(said: str) -> None:
            await self.prepare_quietly(turn.room, memory, said)

        turn.spawn(self.prepare_quietly(turn.room, memory), "prefill")
        listener = Listener(
            turn,
            peer,
            self.engines,
            self._settings,
            self._watch,
            answer,
            prefill,
            wake_phrase,
            (*(self._home.names(turn.room) if self._home is not None else ()), *names),
            push_to_talk,
        )
        attempt = await listener.listen(sound)
        turn.mark(Mark.CONFIRMED)
        turn.transcript = attempt.text
        if self._settings.web.keep_sound and (utterance := listener.heard) is not None:
            turn.said = utterance.pcm
        turn.record.speculated = attempt.speculative
        await peer.voice_stopped(turn)
        await peer.transcript(turn, attempt.text)
        self._watch(turn, "transcript", attempt.text)
        attempt.gate.open()
        await attempt.task

    def _failed(self, turn: Turn, exc: Exception) -> bool:
        """Tell of a failure; False where it is none: cancelled, an engine complained of that."""
        if turn.ended:
            return False
        why = str(exc) if isinstance(exc, EngineError) else where(exc)
        _LOGGER.error("turn %s failed: %s", turn.id, why)
        self._watch(turn, "failed", why)
        return True

    async def announce(self, turn: Turn, announcement: Announcement, peer: Peer) -> None:
        """Play what nobody asked for; returns when it was played."""
        await self._to_its_end(turn, self._speaking.play(turn, peer, announcement))

    async def write(
        self,
        turn: Turn,
        text: str,
        send: SendClause,
        memory: Memory,
        device_id: str | None = None,
    ) -> None:
        """Answer `text` in writing: `send` is given the clauses, and may raise `PeerGone`.

        Returns when all of it was sent. An engine that fails, or a bug, ends the turn as failed;
        the caller says so to the peer. `device_id` is where it was asked, in Home Assistant.
        """
        place = Place(turn.room, False, device_id, memory.last_reply)
        turn.transcript = text
        self._watch(turn, "transcript", text)
        await self._to_its_end(turn, self._write(turn, text, place, send, memory))

    async def _to_its_end(self, turn: Turn, work: Awaitable[None]) -> None:
        """Do the work of a turn whose caller sees how it ended."""
        try:
            await work
        except PeerGone as exc:
            _LOGGER.info("turn %s: %s", turn.id, exc)
            turn.end(Outcome.GONE)
        except Exception as exc:  # whatever it is, the caller must hear of it
            if self._failed(turn, exc):
                turn.end(Outcome.FAILED)
        else:
            turn.end(Outcome.ANSWERED)

    async def _write(
        self, turn: Turn, text: str, place: Place, send: SendClause, memory: Memory
    ) -> None:
        wrote = False
        async with aclosing(self._answering.written(turn, text, place, memory)) as reply:
            async for clause in reply:
                await self._send(turn, clause, send)
                wrote = True
        if not wrote:
            await self._send(turn, NO_ANSWER, send)

    async def _send(self, turn: Turn, clause: str, send: SendClause) -> None:
        turn.mark(Mark.FIRST_CLAUSE)
        await send(clause)
        turn.playback.wrote(clause)
        self._watch(turn, "clause", clause)
