"""A question in writing, answered in writing."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.conversation.room import Room
from hub.conversation.turn import Outcome, Turn
from hub.service.request import LOADING_PATIENCE
from hub.web.api.conversations import Conversations
from hub.web.api.sound import TAG
from hub.web.errors import ApiError, Later
from hub.web.openapi import JSON, Call, Content, Endpoint, Problem, served
from hub.web.parts import Parts
from hub.web.steps import ENGINE_PROBLEMS, problems_of
from hub.web.streams import EVENTS, event_of, streamed

_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["clause", "done", "error"]},
        "data": {"type": "string", "contentMediaType": JSON},
    },
    "required": ["event", "data"],
}

RoomName = Annotated[str, Meta(min_length=1, max_length=100)]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to answer.

    Args:
        text: the question.
        room: names a conversation, which remembers what was said in it before; without one, this
            question stands alone.
        stream: whether to send the answer clause by clause, as server-sent events.
    """

    text: Annotated[str, Meta(min_length=1, max_length=2000)]
    room: RoomName | None = None
    stream: bool = False


class ClauseText(msgspec.Struct, frozen=True):
    """A clause of an answer.

    Args:
        text: what it says.
    """

    text: str


class Answer(msgspec.Struct, frozen=True):
    """The answer to a question.

    Args:
        text: all of it.
        turn: the turn's id, see /api/turns/{id}.
        room: the conversation's name there.
    """

    text: str
    turn: str
    room: str


def routes(parts: Parts, conversations: Conversations) -> list[web.RouteDef]:
    """Return what serves questions in writing."""
    return [
        served(
            Endpoint(
                "POST",
                "/api/ask",
                "Words to an answer",
                _Asking(parts, conversations).ask,
                body=Question,
                answer=[
                    Content(JSON, Answer),
                    Content(EVENTS, _EVENT),
                ],
                errors={400: ("bad-text", "bad-room"), 503: ENGINE_PROBLEMS},
                tag=TAG,
                description="With `Accept: text/event-stream` or `stream` the answer comes as "
                'server-sent events: `clause` with `{"text"}` for each, then `done` with what '
                "would be the JSON answer, or `error` with what would be the error's.",
            )
        )
    ]


class _Asking:
    def __init__(self, parts: Parts, conversations: Conversations) -> None:
        self._parts = parts
        self._conversations = conversations

    async def ask(self, call: Call) -> Answer | web.StreamResponse:
        question: Question = call.body
        if not question.text.strip():
            raise ApiError(400, "bad-text", "the text: there is no word in it")
        with self._parts.steps.place():
            with problems_of(self._parts.engines.llm):
                await self._parts.engines.llm.get(timeout=LOADING_PATIENCE)
            async with self._conversations.open(question.room) as room:
                if question.stream or EVENTS in call.request.headers.get("Accept", ""):
                    return await streamed(call.request, EVENTS, _events(room, question.text))
                return await _answer(room, question.text)


async def _answer(room: Room, text: str) -> Answer:
    clauses: list[str] = []

    async def send(clause: str) -> None:
        clauses.append(clause.strip())

    return _answered(await room.answer(text, send), clauses)


def _answered(turn: Turn, clauses: Sequence[str]) -> Answer:
    if turn.outcome is not Outcome.ANSWERED:
        raise Later("engine-failed", "the hub could not answer; try again")
    return Answer(" ".join(clauses), turn.id, turn.room)


async def _events(room: Room, text: str) -> AsyncGenerator[bytes]:
    """Yield the answer as server-sent events."""
    # Unbounded, but a reply has so many tokens at most.
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    clauses: list[str] = []

    async def send(clause: str) -> None:
        queue.put_nowait(clause.strip())

    task = asyncio.create_task(room.answer(text, send), name="answer")
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        # No time-out: a turn has its own.
        while (clause := await queue.get()) is not None:
            clauses.append(clause)
            yield event_of(ClauseText(clause), "clause")
        yield event_of(_answered(task.result(), clauses), "done")
    except Later as exc:
        if not clauses:
            raise  # the status can still say it
        yield event_of(Problem(exc.code, str(exc)), "error")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
