"""POST /v1/chat/completions."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Literal

import msgspec
from aiohttp import web

from hub.engines.base import GenerationStats
from hub.web.errors import ApiError
from hub.web.openai.bodies import BODY_PROBLEMS, body_of
from hub.web.openai.chat_request import ChatRequest, Task, task_of
from hub.web.openai.chats import Chats
from hub.web.openai.errors import BUSY, OpenAiRefused, in_openai_terms, problem_of
from hub.web.openai.models import TAG, Models
from hub.web.openai.stops import Stops
from hub.web.openai.tools import Reader, ToolCall
from hub.web.openapi import JSON, Call, Content, Endpoint, served
from hub.web.parts import Parts
from hub.web.streams import EVENTS, event_of, streamed

_LOGGER = logging.getLogger(__name__)

_DONE = b"data: [DONE]\n\n"


class WrittenFunction(msgspec.Struct, frozen=True):
    """A function that is to be called.

    Args:
        name: which.
        arguments: JSON.
    """

    name: str
    arguments: str


class WrittenCall(msgspec.Struct, frozen=True):
    """A call.

    Args:
        id: names it, for the message with its result.
        function: what is to be called.
        type: what it is.
    """

    id: str
    function: WrittenFunction
    type: Literal["function"] = "function"


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the assistant says.

    Args:
        role: whose it is.
        content: what it says; null where it calls tools alone.
        refusal: always null.
        tool_calls: what it calls.
    """

    role: str
    content: str | None
    refusal: str | None
    tool_calls: list[WrittenCall] | None = None


class Choice(msgspec.Struct, frozen=True):
    """The reply, and how it ended.

    Args:
        index: always 0.
        message: the reply.
        logprobs: always null.
        finish_reason: "stop", "length" or "tool_calls".
    """

    index: int
    message: Reply
    logprobs: None
    finish_reason: str


class CachedTokens(msgspec.Struct, frozen=True):
    """Of the prompt's tokens.

    Args:
        cached_tokens: those that were not computed again.
    """

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """What it took.

    Args:
        prompt_tokens: what was read.
        completion_tokens: what was written.
        total_tokens: both.
        prompt_tokens_details: of the first.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class Completion(msgspec.Struct, frozen=True):
    """A reply.

    Args:
        id: names it.
        created: seconds since 1970.
        model: that wrote it.
        choices: the reply.
        usage: what it took.
        object: what this is.
    """

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    object: Literal["chat.completion"] = "chat.completion"


class _Writing:
    """A reply on its way, in its parts.

    Args:
        chats: lets the model reply.
        task: what it is to do.
    """

    def __init__(self, chats: Chats, task: Task) -> None:
        self.stats = GenerationStats()
        self.calls = 0
        self._chats = chats
        self._task = task
        self._stopped = False

    @property
    def finish_reason(self) -> str:
        """How it ended."""
        if self.calls:
            return "tool_calls"
        return "length" if self.stats.cut and not self._stopped else "stop"

    @property
    def usage(self) -> Usage:
        """What it took."""
        stats = self.stats
        return Usage(
            prompt_tokens=stats.prompt_tokens,
            completion_tokens=stats.generated_tokens,
            total_tokens=stats.prompt_tokens + stats.generated_tokens,
            prompt_tokens_details=CachedTokens(stats.reused_tokens),
        )

    async def parts(self) -> AsyncGenerator[str | ToolCall]:
        """Yield text and calls as the model writes them."""
        said = False
        async with aclosing(self._parts(self._task)) as parts:
            async for part in parts:
                if part in self._task.made and not said:
                    break
                said = True
                yield part
            else:
                return
        # The results of these calls are there, and a small model makes them again: it is asked once
        # more, in other words.
        self.calls, self._stopped = 0, False
        async with aclosing(self._parts(self._task.insisting())) as parts:
            async for part in parts:
                yield part

    async def _parts(self, task: Task) -> AsyncGenerator[str | ToolCall]:
        stops = Stops(task.stops)
        reader = Reader(frozenset(tool.name for tool in task.tools), one=task.one_call)

        def read(text: str, *, last: bool) -> Iterator[str | ToolCall]:
            if not task.tools:
                yield from [text] if text else ()
                return
            for part in (*reader.push(text), *(reader.flush() if last else ())):
                self.calls += isinstance(part, ToolCall)
                yield part

        async with self._chats.reply(task) as written:
            self.stats = written.stats
            async for piece in written:
                for part in read(stops.push(piece), last=False):
                    yield part
                if stops.found or reader.over:
                    self._stopped = True
                    break
            for part in read(stops.flush(), last=True):
                yield part


class Chat:
    """Serves chat completions.

    Args:
        chats: lets the model reply.
        models: knows its name.
    """

    def __init__(self, chats: Chats, models: Models) -> None:
        self._chats = chats
        self._models = models

    async def complete(self, call: Call) -> web.StreamResponse | msgspec.Struct:
        """Answer POST /v1/chat/completions."""
        asked = await body_of(call.request, ChatRequest)
        head = _Head(await self._models.named(asked.model, "llm"))
        writing = _Writing(self._chats, task_of(asked))
        if asked.stream:
            options = asked.stream_options
            usage = options is not None and bool(options.include_usage)
            return await streamed(call.request, EVENTS, _events(writing, head, usage=usage))
        return await _completion(writing, head)


async def _completion(writing: _Writing, head: "_Head") -> Completion:
    content, calls = "", []
    async with aclosing(writing.parts()) as parts:
        async for part in parts:
            if isinstance(part, ToolCall):
                calls.append(_call_of(part))
            else:
                content += part
    message = Reply("assistant", content if content or not calls else None, None, calls or None)
    choice = Choice(0, message, None, writing.finish_reason)
    return Completion(head.id, head.created, head.model, [choice], writing.usage)


async def _events(writing: _Writing, head: "_Head", *, usage: bool) -> AsyncGenerator[bytes]:
    first, calls = head.event({"role": "assistant", "content": "", "refusal": None}), 0
    try:
        async with aclosing(writing.parts()) as parts:
            async for part in parts:
                if first:
                    yield first
                    first = b""
                for delta in _deltas_of(part, calls):
                    yield head.event(delta)
                calls += isinstance(part, ToolCall)
    except ApiError as exc:
        if first:
            raise
        _LOGGER.warning("chat: cut off: %s", exc.code)
        yield event_of(problem_of(exc))
        return
    if first:
        yield first
    yield head.event({}, writing.finish_reason)
    if usage:
        yield head.event(None, usage=writing.usage)
    yield _DONE


class _Head:
    """What all events of one reply begin with."""

    def __init__(self, model: str) -> None:
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.model = model

    def event(
        self,
        delta: dict[str, Any] | None,
        finish_reason: str | None = None,
        usage: Usage | None = None,
    ) -> bytes:
        """Return an event; without a delta it has no choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        data = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [] if delta is None else [choice],
        }
        return event_of(data if usage is None else {**data, "usage": usage})


def _deltas_of(part: str | ToolCall, index: int) -> Iterator[dict[str, Any]]:
    if isinstance(part, str):
        yield {"content": part}
        return
    call = msgspec.to_builtins(_call_of(part))
    arguments, call["function"]["arguments"] = call["function"]["arguments"], ""
    yield {"tool_calls": [{"index": index, **call}]}
    yield {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def _call_of(call: ToolCall) -> WrittenCall:
    return WrittenCall(f"call_{secrets.token_hex(12)}", WrittenFunction(call.name, call.arguments))


def routes(parts: Parts, models: Models) -> list[web.RouteDef]:
    """Return what serves chats."""
    chat = Chat(Chats(parts.engines.llm), models)
    return [
        served(
            Endpoint(
                "POST",
                "/v1/chat/completions",
                "A chat",
                in_openai_terms(chat.complete),
                body=[Content(JSON, ChatRequest)],
                answer=[Content(JSON, Completion), Content(EVENTS, {"type": "string"})],
                errors={
                    **BODY_PROBLEMS,
                    400: (*BODY_PROBLEMS[400], "unsupported_value", "context_length_exceeded"),
                    404: ("model_not_found",),
                    503: BUSY,
                },
                tag=TAG,
                description="As OpenAI's, for the hub's own language model, without its persona. "
                "It makes way for whoever speaks in a room.",
                problem=OpenAiRefused,
            )
        )
    ]
