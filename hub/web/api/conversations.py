"""Conversations by HTTP: rooms of their own, in which one thing is asked after the other."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from hub.conversation.room import Room
from hub.service.handle import PREFIX
from hub.web.errors import ApiError, Later
from hub.web.parts import Parts
from protocol.pairing import is_room

_PATIENCE = 60.0  # seconds to wait for what was asked before in the same conversation


def conversation_room(name: str) -> str:
    """Return the room of the conversation that a client calls `name`.

    No satellite's room is called so: nobody's conversation is mixed up with theirs.
    """
    return f"{PREFIX}http {name}"


class Conversations:
    """Opens conversations.

    Args:
        parts: of the hub.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Of those that are open, or waited for: whoever does so holds the lock's only reference.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def open(self, name: str | None) -> AsyncIterator[Room]:
        """Yield the room of a conversation, when nothing else is asked in it.

        Args:
            name: what it is called; None for one that ends with this question.

        Raises:
            ApiError: it cannot be called so.
            Later: what was asked before takes long.
        """
        if name is not None and not is_room(name):
            raise ApiError(400, "bad-room", "the room: its name has 1 to 100 printable letters")
        room = conversation_room(name or uuid.uuid4().hex[:12])
        lock = self._locks.setdefault(room, asyncio.Lock())
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await lock.acquire()
            except TimeoutError:
                text = f"what was asked before in {name!r} is not answered yet; try again"
                raise Later("busy", text) from None
            try:
                yield self._parts.conversations.get(room)
            finally:
                lock.release()
        finally:
            if name is None:
                await self._end(room)

    async def _end(self, room: str) -> None:
        """Forget a conversation that nobody can come back to."""
        rooms = self._parts.conversations
        ended = rooms.get(room)
        await ended.close()
        ended.new_conversation()
        rooms.forget(room)
