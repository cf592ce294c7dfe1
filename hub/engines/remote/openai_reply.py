"""One reply of a server with OpenAI's API, while it is written."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import aiohttp

from hub.engines.base import EngineBusy, EngineError, GenerationStats
from hub.engines.remote.openai_errors import TheirContext, broken_off
from hub.engines.remote.openai_servers import Server
from hub.engines.remote.sse import TooMuch, events, whole
from hub.engines.supervisor import being_cancelled

_OPEN, _CLOSE = "<think>", "</think>"
# What a token has at most, on average: a server that takes no notice of `max_tokens` is cut there.
_LETTERS_OF_A_TOKEN = 16
_MORE_LETTERS = 256  # for replies of a few long tokens

Ask = Callable[[dict[str, Any]], Awaitable[aiohttp.ClientResponse]]
"""Sends a request; raises an EngineError where the answer is none."""


class OpenAiReply:
    """A reply being written; see `hub.engines.base.Generation`.

    The request is sent when the first piece is asked for. Closing it, or cancelling whoever waits
    for a piece, closes the connection, at which llama-server, vLLM and Parlour stop computing.

    Args:
        ask: sends the request.
        body: of the request.
        where: the server's address.
        server: which one it is.
        key_file: where the key is; "" for none.
        turn: is held while the reply is written.
        heard: told of each sign of life.
    """

    def __init__(
        self,
        ask: Ask,
        body: dict[str, Any],
        *,
        where: str,
        server: Server,
        key_file: str,
        turn: AbstractAsyncContextManager[Any],
        heard: Callable[[], None],
    ) -> None:
        self.stats = GenerationStats()
        self.thought = False  # whether it thought aloud, which is not part of the reply
        self._ask = ask
        self._body = body
        self._where = where
        self._server = server
        self._key_file = key_file
        self._turn = turn
        self._heard = heard
        self._counted = False
        self._finished = ""
        self._closed = False
        self._asking: asyncio.Task[aiohttp.ClientResponse] | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._pieces = self._write()

    def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the pieces."""
        return self._pieces

    async def aclose(self) -> None:
        """Close the connection, so that the server stops computing."""
        self._closed = True
        self.drop()
        # While it runs, whoever reads it gets its end.
        if not self._pieces.ag_running:  # type: ignore[attr-defined]  # every generator has it
            await self._pieces.aclose()

    def drop(self) -> None:
        """Close the connection; whoever reads the reply is told that it broke off."""
        if self._response is not None:
            self._response.close()
        elif self._asking is not None:
            self._asking.cancel()  # some servers read the whole prompt before they answer

    async def _write(self) -> AsyncGenerator[str]:
        async with self._turn:
            if self._closed:
                return
            if (response := await self._asked()) is None:
                return
            self._response = response
            try:
                if self._closed:
                    return
                async with aclosing(self._spoken(response)) as spoken:
                    async for piece in spoken:
                        yield piece
            except (aiohttp.ClientError, OSError, TooMuch) as exc:  # TimeoutError is an OSError
                if self._closed:
                    return
                why = "no word for a minute" if isinstance(exc, TimeoutError) else "broke off"
                raise EngineError(f"llm: {self._where}: {why} in mid-reply") from None
            finally:
                response.close()
        if not self._closed:
            self._end()

    async def _asked(self) -> aiohttp.ClientResponse | None:
        """Send the request as a task, which `drop` can cancel; None where it was closed then."""
        asking = self._asking = asyncio.create_task(self._begin(), name="ask for a reply")
        try:
            return await asking  # no time-out: the session's are that of a silence
        except asyncio.CancelledError:
            if asking.done() and not asking.cancelled() and asking.exception() is None:
                asking.result().close()  # it came just then
            if being_cancelled():
                raise
        if self._closed:
            return None
        raise EngineError(f"llm: {self._where}: broke off in mid-reply")

    async def _begin(self) -> aiohttp.ClientResponse:
        """Send the request; where the context has less place than a reply may take, it is cut."""
        try:
            return await self._ask(self._body)
        except TheirContext as exc:
            if exc.tokens >= exc.place or exc.place - exc.tokens >= self._body["max_tokens"]:
                raise
            self._body = {**self._body, "max_tokens": exc.place - exc.tokens}
        return await self._ask(self._body)

    async def _spoken(self, response: aiohttp.ClientResponse) -> AsyncGenerator[str]:
        """Yield the text that is the reply; count it."""
        thoughts = Thoughts()
        left = _LETTERS_OF_A_TOKEN * self._body["max_tokens"] + _MORE_LETTERS
        async with aclosing(self._events(response)) as told:
            async for event in told:
                self._heard()
                for text in self._taken(event):
                    if not self._counted:
                        self.stats.generated_tokens += 1
                    if kept := thoughts.push(text[:left]):
                        yield kept
                    if (left := left - len(text)) <= 0:
                        self._finished = "length"
                        return
        if rest := thoughts.flush():
            yield rest
        self.thought |= thoughts.found

    def _taken(self, event: dict[str, Any]) -> list[str]:
        """Take an event; return the text in it.

        Raises:
            EngineError: it is not as OpenAI's API has it.
        """
        texts = []
        try:
            self._count(event)
            for choice in event.get("choices") or ():
                self._finished = choice.get("finish_reason") or self._finished
                delta = choice.get("delta") or choice.get("message") or {}
                # vLLM and Ollama call it `reasoning`, llama-server and DeepSeek the other.
                if delta.get("reasoning_content") or delta.get("reasoning"):
                    self.thought = True
                if isinstance(text := delta.get("content"), str) and text:
                    texts.append(_whole(text))
        except (AttributeError, TypeError):
            raise EngineError(f"llm: {self._where} sends what is no reply") from None
        return texts

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any]]:
        """Yield the objects that are sent.

        Raises:
            EngineError: one says that something is wrong, or the end is missing.
        """
        if response.content_type == "application/json":  # it knows no streams
            answer = await whole(response.content)
            yield self._checked(answer.decode("utf-8", "replace"))
            return
        async with aclosing(events(response.content.iter_any())) as told:
            async for data in told:
                if data.strip() == "[DONE]":
                    return
                yield self._checked(data)
        if not self._finished and not self._closed:
            raise EngineError(f"llm: {self._where} broke off in mid-reply")

    def _checked(self, data: str) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):  # the latter where it is nested very deeply
            event = None
        if (error := broken_off(self._where, event, key_file=self._key_file)) is not None:
            raise error
        assert isinstance(event, dict)
        return event

    def _count(self, event: dict[str, Any]) -> None:
        """Take what the server counted: `usage`, or llama-server's `timings`."""
        usage, timings = event.get("usage"), event.get("timings")
        if isinstance(usage, dict):
            self._counted = True
            self.stats.prompt_tokens = usage.get("prompt_tokens") or 0
            self.stats.generated_tokens = usage.get("completion_tokens") or 0
            details = usage.get("prompt_tokens_details") or {}
            self.stats.reused_tokens = details.get("cached_tokens") or self.stats.reused_tokens
        if isinstance(timings, dict):
            self.stats.reused_tokens = timings.get("cache_n") or self.stats.reused_tokens
            if not self._counted:
                self.stats.prompt_tokens = self.stats.reused_tokens + (timings.get("prompt_n") or 0)
                self.stats.generated_tokens = timings.get("predicted_n") or 0
                self._counted = True

    def _end(self) -> None:
        if self._finished == "length":
            self.stats.cut = True
            if not self._counted:  # a piece may be more than a token
                self.stats.generated_tokens = self._body["max_tokens"]
        elif not self._finished and self._server is Server.LLAMA_CPP_PYTHON:
            raise EngineBusy(
                f"llm: {self._where} broke off for another client: start it with "
                "--interrupt_requests false"
            )


def _whole(text: str) -> str:
    """Return a text with a mark in place of half a character, which nothing could encode."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Thoughts:
    """Takes what a model thinks aloud, `<think>...</think>`, out of a reply."""

    def __init__(self) -> None:
        self.found = False
        self._held = ""  # what may be the beginning of a mark
        self._thinking = False

    def push(self, text: str) -> str:
        """Take the next piece; return what of it is to be said."""
        held, kept = self._held + text, ""
        while True:
            mark = _CLOSE if self._thinking else _OPEN
            before, found, behind = held.partition(mark)
            if not found:
                break
            if self._thinking:
                behind = behind.lstrip()
            else:
                kept, self.found = kept + before, True
            self._thinking, held = not self._thinking, behind
        cut = next(n for n in range(len(mark) - 1, -1, -1) if held.endswith(mark[:n]))
        self._held = held[len(held) - cut :]
        if not self._thinking:
            kept += held[: len(held) - cut]
        return kept

    def flush(self) -> str:
        """Return what was held back, at the end."""
        return "" if self._thinking else self._held


async def drained(reply: OpenAiReply) -> str:
    """Return the whole reply."""
    try:
        return "".join([piece async for piece in reply])
    finally:
        await reply.aclose()
