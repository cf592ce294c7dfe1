"""Lets the language model reply in chats, beside the rooms and never in their way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hub.conversation.patience import pieces_of
from hub.engines.base import BadInput, GenerationStats, LanguageModel, Message, TooLong
from hub.engines.supervisor import Supervised
from hub.service.request import LOADING_PATIENCE
from hub.web.errors import Later
from hub.web.openai.chat_request import Task
from hub.web.openai.errors import Refusal
from hub.web.steps import problems_of

_AT_ONCE = 3  # replies that are written at once; more would each be slow
_CACHES = 6  # conversations whose beginning is kept
_MOST_WAITING = 32
_TURN_PATIENCE = 120.0  # seconds to wait for others
_PATIENCE = 600.0  # seconds for a word: rooms go first, and the engine says by itself if it hangs
_PREFIX = "\u200bchat "
"""Begins the names of caches; no room's name begins so (see `hub.service.handle.PREFIX`)."""


@dataclass(slots=True, eq=False)
class _Cache:
    name: str
    messages: tuple[Message, ...] = ()
    used: int = 0
    busy: bool = False


class Written:
    """A reply while it is written.

    Args:
        pieces: its text.
        stats: what it costs.
    """

    def __init__(self, pieces: AsyncIterator[str], stats: GenerationStats) -> None:
        self.stats = stats
        self._pieces = pieces
        self._text: list[str] = []

    @property
    def text(self) -> str:
        """What was written so far."""
        return "".join(self._text)

    async def __aiter__(self) -> AsyncIterator[str]:
        async for piece in self._pieces:
            self._text.append(piece)
            yield piece


class Chats:
    """Replies for all clients.

    A few conversations' beginnings stay in the engine's cache. A request takes the cache that has
    most of its own beginning, so that a conversation that goes on is not read again.

    Args:
        llm: the language model.
    """

    def __init__(self, llm: Supervised[LanguageModel]) -> None:
        self._llm = llm
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._caches = [_Cache(f"{_PREFIX}{number}") for number in range(_CACHES)]
        self._count = 0

    @asynccontextmanager
    async def reply(self, task: Task) -> AsyncIterator[Written]:
        """Begin a reply, in its turn; leaving stops the model.

        Raises:
            Refusal: the conversation is too long, or the model does not take it.
            Later: too many others, or the model is not there or failed.
        """
        async with self._turn():
            cache = self._cache_for(task.messages)
            cache.busy = True
            try:
                with problems_of(self._llm):
                    async with self._llm.lent(timeout=LOADING_PATIENCE) as llm:
                        if task.sampling.seed is not None:
                            # What is cached was computed in other batches, whose numbers are not
                            # the very same: the same seed would bring other words.
                            llm.forget(cache.name)
                        generation = llm.generate(
                            cache.name,
                            task.messages,
                            max_tokens=task.max_tokens,
                            sampling=task.sampling,
                            background=True,
                        )
                        pieces = pieces_of(generation, "llm", timeout=_PATIENCE)
                        written = Written(pieces, generation.stats)
                        try:
                            yield written
                        except TooLong as exc:
                            raise _too_long(exc) from None
                        except BadInput as exc:
                            raise Refusal(str(exc), "messages") from None
                        finally:
                            await pieces.aclose()
                            reply = Message("assistant", written.text)
                            cache.messages = (*task.messages, reply)
            finally:
                self._count += 1
                cache.busy, cache.used = False, self._count

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= _MOST_WAITING:
            raise Later("busy", f"{_MOST_WAITING} others are waiting already; try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(_TURN_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Later("busy", "too much to write for others; try again later") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    def _cache_for(self, messages: Sequence[Message]) -> _Cache:
        free = [cache for cache in self._caches if not cache.busy]
        best = max(free, key=lambda cache: _common(cache.messages, messages))
        # The same system prompt alone is not worth another conversation's cache.
        if _common(best.messages, messages) > 1:
            return best
        return min(free, key=lambda cache: cache.used)


def _common(one: Sequence[Message], other: Sequence[Message]) -> int:
    """Return how many messages two conversations begin with in common."""
    length = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        length += 1
    return length


def _too_long(exc: TooLong) -> Refusal:
    return Refusal(
        f"This model's maximum context length is {exc.place} tokens. However, your messages "
        f"resulted in {exc.tokens} tokens. Shorten them, or raise [llm] context_tokens.",
        "messages",
        "context_length_exceeded",
    )
