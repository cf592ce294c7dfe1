"""A room: one satellite (or browser tab, or Home Assistant conversation) and its turns."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from hub.config import MemorySettings
from hub.conversation.announcing import Announcement
from hub.conversation.memory import Exchange, Memory
from hub.conversation.patience import where
from hub.conversation.peer import Peer, SendClause
from hub.conversation.pipeline import Pipeline
from hub.conversation.turn import Mark, Outcome, Turn

_LOGGER = logging.getLogger(__name__)

_MOST_ROOMS = 256
_LONGEST_TURN = 900.0  # seconds; each wait within a turn is bounded, so only a bug lasts this long

Ended = Callable[[Turn], None]
"""Told of each turn that has ended."""


class Room:
    """Has one turn at a time and remembers what was heard of them.

    Args:
        name: the room's name.
        pipeline: runs its turns.
        memory: what it has said.
        ended: told of each turn that has ended.
        names: returns the names of all rooms.
    """

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        memory: Memory,
        ended: Ended,
        names: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.name = name
        self._names = names
        self.memory = memory
        self.turn: Turn | None = None
        self._pipeline = pipeline
        self._ended = ended
        self._asking = asyncio.Lock()  # held by a question in writing until it is answered
        self._questions = 0  # in writing, the one that is being answered and those that wait
        self._task: asyncio.Task[None] | None = None  # sees the turn out
        self._stopping: asyncio.Future[None]  # of that turn: done when it is to stop
        self._preparing: asyncio.Task[None] | None = None  # for the next turn

    @property
    def busy(self) -> bool:
        """Whether it has a turn, or is about to."""
        return self.turn is not None or self._questions > 0

    async def begin(
        self,
        peer: Peer,
        sound: AsyncIterator[bytes],
        wake_phrase: str | None = None,
        *,
        push_to_talk: bool = False,
    ) -> Turn:
        """Begin a turn; one that is under way is interrupted, and has stopped when this returns.

        With `push_to_talk` only the end of the sound says that they have finished.
        """
        turn = await self._next()
        work = self._pipeline.run(
            turn,
            sound,
            peer,
            self.memory,
            wake_phrase,
            self._names(),
            push_to_talk=push_to_talk,
        )
        self._start(turn, work)
        return turn

    async def ask(self, text: str, peer: Peer) -> Turn:
        """Begin a turn about `text`, which was typed, and is answered aloud; as `begin`."""
        turn = await self._next()
        self._start(turn, self._pipeline.ask(turn, text, peer, self.memory))
        return turn

    async def _next(self) -> Turn:
        """Return a turn that may start at once: whatever was under way has stopped."""
        while self.turn is not None or self._preparing is not None:
            # Again, where another turn came first while this waited.
            await self.stop(Outcome.INTERRUPTED)
            await self._stop_preparing()
        return Turn(self.name, asyncio.get_running_loop().time)

    async def answer(self, text: str, send: SendClause, device_id: str | None = None) -> Turn:
        """Answer `text` in writing, clause by clause, when what was asked before is answered.

        `device_id` is Home Assistant's of the device where it was asked, if that is known.

        Returns the turn, which has ended. Cancelling it stops the turn.
        """
        self._questions += 1
        try:
            async with self._asking:
                turn = Turn(self.name, asyncio.get_running_loop().time)
                self._start(turn, self._pipeline.write(turn, text, send, self.memory, device_id))
                try:
                    assert self._task is not None
                    await asyncio.wait([self._task])  # it has its own time-out
                except asyncio.CancelledError:
                    await self.stop(Outcome.GONE)
                    raise
                return turn
        finally:
            self._questions -= 1

    async def announce(
        self, announcement: Announcement, peer: Peer, begun: Callable[[Turn], None]
    ) -> Turn | None:
        """Play an announcement as a turn of its own; return it when it is over.

        None where another turn is under way. `begun` is told of it before anything is sent.
        """
        if self.busy:
            return None
        turn = Turn(self.name, asyncio.get_running_loop().time)
        turn.announcement = True
        self._start(turn, self._pipeline.announce(turn, announcement, peer))
        begun(turn)
        assert self._task is not None
        await asyncio.wait([self._task])  # it has its own time-out
        return turn

    async def quiet(self) -> None:
        """Wait until it has no turn; whoever waits bounds it."""
        while (task := self._task) is not None:
            await asyncio.wait([task])

    def _start(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        self.turn = turn
        turn.mark(Mark.WAKE)
        main = turn.spawn(work, "pipeline")
        self._stopping = asyncio.get_running_loop().create_future()
        see_out = self._see_out(turn, main, self._stopping)
        self._task = asyncio.create_task(see_out, name=f"turn {turn.id}")

    async def stop(self, outcome: Outcome) -> None:
        """End the turn that is under way, if any; it has stopped when this returns."""
        turn, task = self.turn, self._task
        if turn is None or task is None:
            return
        turn.cancel(outcome)
        if not self._stopping.done():
            self._stopping.set_result(None)
        # `wait` and no `gather`: whoever stops the turn may be cancelled, the task never is. No
        # time-out, since all that is left to it is bounded by the one of `Turn.stopped`.
        await asyncio.wait([task])

    async def _see_out(
        self, turn: Turn, main: asyncio.Task[None], stopping: asyncio.Future[None]
    ) -> None:
        """Wait for the end of `turn`, whichever it is; keep what was heard of it."""
        try:
            ends = [main, stopping]
            done, _ = await asyncio.wait(
                ends, timeout=_LONGEST_TURN, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                _LOGGER.error("turn %s: not over after %g s; stopped", turn.id, _LONGEST_TURN)
            elif main.done() and not main.cancelled() and (bug := main.exception()) is not None:
                _LOGGER.error("turn %s failed: %s", turn.id, where(bug))
        finally:
            turn.cancel(Outcome.FAILED)  # unless it has its outcome already
            await turn.stopped()
            remembered = self._remember(turn)
            self.turn = self._task = None
            self._ended(turn)
            if remembered:
                # Now nobody waits; at the next wake word they would.
                prepare = self._pipeline.prepare_quietly(self.name, self.memory)
                self._preparing = asyncio.create_task(prepare, name=f"prepare {self.name}")

    def new_conversation(self) -> None:
        """Forget what was said here; a turn that is under way goes on, and is the first."""
        self.memory.clear()
        for llm in self._pipeline.engines.llm.loaded:
            llm.forget(self.name)

    async def close(self) -> None:
        """End its turn and what it prepares for the next one."""
        await self.stop(Outcome.GONE)
        await self._stop_preparing()

    async def _stop_preparing(self) -> None:
        if (task := self._preparing) is not None:
            self._preparing = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # a prefill stops within a batch

    def _remember(self, turn: Turn) -> bool:
        """Keep what was heard; a reply of which nothing was heard did not happen.

        Returns:
            Whether there is anything to remember.
        """
        playback = turn.playback
        heard = playback.heard()
        if heard and not turn.transcript:
            self.memory.announced(heard)
        if not turn.transcript or not heard or turn.outcome is Outcome.FAILED:
            return False
        whole = turn.outcome is Outcome.ANSWERED and heard == playback.text
        self.memory.add(Exchange(turn.transcript, heard, interrupted=not whole))
        return True


class Rooms:
    """All rooms by name; they outlive their connections."""

    def __init__(self, pipeline: Pipeline, settings: MemorySettings, ended: Ended) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._ended = ended
        self._rooms: dict[str, Room] = {}

    def get(self, name: str) -> Room:
        """Return the room of that name, a new one if there is none.

        Over a bound, the room that nobody has asked for for longest makes place, if it has no
        turn.
        """
        if (room := self._rooms.pop(name, None)) is None:
            if len(self._rooms) >= _MOST_ROOMS:
                quiet = [key for key, room in self._rooms.items() if not room.busy]
                for key in quiet[:1]:
                    del self._rooms[key]
            clock = asyncio.get_running_loop().time
            memory = Memory(self._settings.budget, self._settings.forget_after, clock)
            room = Room(name, self._pipeline, memory, self._ended, lambda: tuple(self._rooms))
        self._rooms[name] = room  # the last one is the one asked for last
        return room

    def forget(self, name: str) -> None:
        """Forget a room and what it remembers, unless it has a turn."""
        if (room := self._rooms.get(name)) is not None and not room.busy:
            del self._rooms[name]

    async def close(self) -> None:
        """End all turns."""
        await asyncio.gather(*(room.close() for room in self._rooms.values()))
