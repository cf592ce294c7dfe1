"""`transcript`: a text to an answer in writing, with a memory for each conversation."""

import asyncio
import contextlib
import uuid
from typing import Any

from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, HandledStart, HandledStop, NotHandled

from hub.conversation.peer import PeerGone
from hub.conversation.pipeline import APOLOGY, Engines
from hub.conversation.room import Rooms
from hub.conversation.turn import Outcome
from hub.engines.base import EngineError, EngineUnavailable
from hub.service.request import LOADING_PATIENCE, Write, check_language, optional_object, text_in
from protocol.connection import ConnectionClosed, MalformedFrame, ProtocolError

_MOST_TEXT = 2000  # letters; the language model's context is for all rooms
_LONGEST_ID = 200
# What of a context says whose memory it is, and what the room is called then.
_IDS = {"device_id": "device", "satellite_id": "satellite", "conversation_id": "conversation"}
_AT_ONCE = 2  # questions that the language model is given: rooms come in between
_TURN_PATIENCE = 30.0  # seconds to wait for other questions
NOT_READY = "Sorry, I can't answer yet. Please try again in a moment."
BUSY = "Sorry, I have too many questions to answer just now. Please try again in a moment."
NOTHING_ASKED = "Sorry, I didn't get a question."

PREFIX = "\u200b"
"""Begins the names of conversations. It is not to be seen, and no satellite's room begins so,
since a room's name has printable letters alone."""


class Answerer:
    """Answers for all connections.

    Args:
        engines: the hub's.
        rooms: the memories of conversations; of the service port alone, so that no number of
            conversations drives out what a satellite's room remembers.
        language: of the conversations.
    """

    def __init__(self, engines: Engines, rooms: Rooms, language: str) -> None:
        self._engines = engines
        self._rooms = rooms
        self._language = language
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def request(self, event: Event, own: str, write: Write) -> "Question":
        """Return the request that a `transcript` is.

        Args:
            event: the `transcript`.
            own: the conversation where it names none; see `new_conversation`.
            write: sends to the peer.

        Raises:
            MalformedFrame: it is not as Wyoming has it.
            RequestError: another language, or too long.
        """
        text = text_in(event, "text", most=_MOST_TEXT)
        language = event.data.get("language")
        check_language(language if isinstance(language, str) else None, (self._language,))
        context = optional_object(event, "context")
        return Question(self, text, _room_of(context or {}, own), context, write)

    async def answer(self, question: "Question") -> bool:
        """Write the answer; False where there is none.

        Raises:
            ConnectionClosed, ProtocolError: the peer went, or takes nothing.
        """
        if not question.text.strip():  # the model would invent a question, too
            await question.failed(NOTHING_ASKED)
            return False
        try:
            await self._engines.llm.get(timeout=LOADING_PATIENCE)
        except EngineUnavailable:
            await question.failed(NOT_READY)
            return False
        try:
            async with asyncio.timeout(_TURN_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            await question.failed(BUSY)
            return False
        try:
            room = self._rooms.get(question.room)
            turn = await room.answer(question.text, question.send, question.device_id)
        finally:
            self._turns.release()
        if question.lost is not None:
            raise question.lost
        if turn.outcome is Outcome.ANSWERED:
            return True
        if turn.outcome is not Outcome.GONE:
            await question.failed(APOLOGY)
        return False

    async def forget(self, own: str) -> None:
        """Forget a conversation that was its connection's own."""
        self._rooms.forget(own)
        for llm in self._engines.llm.loaded:
            with contextlib.suppress(EngineError):  # it is closing: nothing is left to forget
                llm.forget(own)


class Question:
    """One `transcript`.

    Args:
        answerer: does the work.
        text: what is asked.
        room: the conversation's name.
        context: what the peer sent with it, and gets back.
        write: sends to the peer.
    """

    def __init__(
        self,
        answerer: Answerer,
        text: str,
        room: str,
        context: dict[str, Any] | None,
        write: Write,
    ) -> None:
        self.text = text
        self.room = room
        self.device_id = (context or {}).get("device_id") or None
        self.lost: Exception | None = None  # how the peer was, in mid-answer
        self._answerer = answerer
        self._context = context
        self._write = write
        self._said: list[str] = []

    async def take(self, event: Event) -> None:
        """Nothing follows a `transcript`."""

    def end(self) -> None:
        """Nothing follows a `transcript`."""

    async def run(self) -> None:
        """Send the answer clause by clause, and as a whole at the end; or `not-handled`."""
        if await self._answerer.answer(self):
            await self._write(Handled(text=" ".join(self._said), context=self._context))
            await self._write(HandledStop())

    async def send(self, clause: str) -> None:
        """Send a clause of the answer.

        Raises:
            PeerGone: the peer is not there any more.
        """
        piece = clause.strip()
        try:
            if not self._said:
                await self._write(HandledStart(context=self._context))
            await self._write(HandledChunk(f" {piece}" if self._said else piece))
        except (ConnectionClosed, ProtocolError) as exc:
            self.lost = exc
            raise PeerGone(str(exc)) from exc
        self._said.append(piece)

    async def failed(self, text: str) -> None:
        """Say that there is no answer; `text` is spoken to the person who asked."""
        await self._write(NotHandled(text=text, context=self._context))
        if self._said:
            await self._write(HandledStop())


def _room_of(context: dict[str, Any], own: str) -> str:
    """Return the room that a context names.

    A satellite's memory is its room's, from one of its conversations to the next, as that of
    our own satellites is. In writing each conversation has its own.

    Raises:
        MalformedFrame: an id is none.
    """
    rooms = []
    for key, what in _IDS.items():
        value = context.get(key)
        if not isinstance(value, str | None) or not _is_id(value or ""):
            raise MalformedFrame(f"transcript: {key} has at most {_LONGEST_ID} printable letters")
        if value:
            rooms.append(f"{PREFIX}{what} {value}")
    return rooms[0] if rooms else own


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and text.isprintable()


def new_conversation() -> str:
    """Return a name for a conversation that lives as long as its connection."""
    return f"{PREFIX}connection {uuid.uuid4().hex[:12]}"
