"""A room: one satellite (or browser tab, or Home Assistant conversation) and its turns."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from hub.config import MemorySettings
from hub.conversation.memory import Exchange, Memory
from hub.conversation.pipeline import Peer, Pipeline
from hub.conversation.turn import Mark, Outcome, Turn

_LOGGER = logging.getLogger(__name__)

_MOST_ROOMS = 256

Ended = Callable[[Turn], None]
"""Told of each turn that has ended."""


class Room:
    """Has one turn at a time and remembers what was heard of them.

    Args:
        name: the room's name.
        pipeline: runs its turns.
        memory: what it has said.
        ended: told of each turn that has ended.
    """

    def __init__(self, name: str, pipeline: Pipeline, memory: Memory, ended: Ended) -> None:
        self.name = name
        self.memory = memory
        self.turn: Turn | None = None
        self._pipeline = pipeline
        self._ended = ended
        self._task: asyncio.Task[None] | None = None

    async def begin(
        self, peer: Peer, sound: AsyncIterator[bytes], wake_phrase: str | None = None
    ) -> Turn:
        """Begin a turn; one that is under way is interrupted, and has stopped when this returns."""
        await self.stop(Outcome.INTERRUPTED)
        turn = self.turn = Turn(self.name, asyncio.get_running_loop().time)
        turn.mark(Mark.WAKE)
        self._task = asyncio.create_task(
            self._run(turn, peer, sound, wake_phrase), name=f"turn {turn.id}"
        )
        return turn

    async def stop(self, outcome: Outcome) -> None:
        """End the turn that is under way, if any; it has stopped when this returns."""
        turn, task = self.turn, self._task
        if turn is None or task is None:
            return
        turn.end(outcome)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(
        self, turn: Turn, peer: Peer, sound: AsyncIterator[bytes], wake_phrase: str | None
    ) -> None:
        try:
            main = turn.spawn(
                self._pipeline.run(turn, sound, peer, self.memory, wake_phrase), "pipeline"
            )
            await main
        except asyncio.CancelledError:
            turn.end(Outcome.INTERRUPTED)
            raise
        except Exception:  # one turn's bug must not take the room, let alone the hub, with it
            _LOGGER.exception("turn %s failed", turn.id)
            turn.end(Outcome.FAILED)
        finally:
            await turn.cancel(turn.outcome or Outcome.FAILED)
            self._remember(turn)
            if self.turn is turn:
                self.turn = self._task = None
            self._ended(turn)

    def _remember(self, turn: Turn) -> None:
        """Keep what was heard; a reply of which nothing was heard did not happen."""
        heard = turn.playback.heard()
        record = turn.record
        record.clauses, record.reply_seconds = turn.playback.clauses, turn.playback.seconds_sent
        if turn.transcript and heard and turn.outcome is not Outcome.FAILED:
            whole = turn.outcome is Outcome.ANSWERED
            self.memory.add(Exchange(turn.transcript, heard, interrupted=not whole))


class Rooms:
    """All rooms by name; they outlive their connections."""

    def __init__(self, pipeline: Pipeline, settings: MemorySettings, ended: Ended) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._ended = ended
        self._rooms: dict[str, Room] = {}

    def get(self, name: str) -> Room:
        """Return the room of that name, a new one if there is none.

        Over a bound, the room that has been here longest and has no turn makes place.
        """
        if (room := self._rooms.get(name)) is None:
            if len(self._rooms) >= _MOST_ROOMS:
                quiet = [key for key, room in self._rooms.items() if room.turn is None]
                for key in quiet[:1]:
                    del self._rooms[key]
            clock = asyncio.get_running_loop().time
            memory = Memory(self._settings.budget, self._settings.forget_after, clock)
            room = self._rooms[name] = Room(name, self._pipeline, memory, self._ended)
        return room

    async def close(self) -> None:
        """End all turns."""
        await asyncio.gather(*(room.stop(Outcome.GONE) for room in self._rooms.values()))
