"""One prompt on its way through a language model, from the event loop to its thread and back."""

import asyncio
import codecs
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from hub.engines.base import EngineError, GenerationStats, Message, Sampling

if TYPE_CHECKING:
    from hub.engines.llama_sampling import Sampler

_SILENCE_TIMEOUT = 60.0  # seconds without a token (a cold prefill of a long prompt is the longest)


class Beat:
    """When the thread last computed something, on the monotonic clock."""

    def __init__(self) -> None:
        self.at = time.monotonic()


class Request:
    """One prompt; made on the loop, worked on by the thread.

    Args:
        room: whose cache is used.
        messages: the conversation.
        max_tokens: of the reply; 0 only fills the cache.
        unfinished: the last message goes on.
        sampling: how words are chosen; None is as the settings have it.
        background: it makes way for the others.
    """

    def __init__(
        self,
        room: str,
        messages: Sequence[Message],
        max_tokens: int,
        *,
        unfinished: bool = False,
        sampling: Sampling | None = None,
        background: bool = False,
    ) -> None:
        self.room = room
        self.messages = messages
        self.max_tokens = max_tokens
        self.unfinished = unfinished
        self.sampling = sampling
        self.background = background
        self.stats = GenerationStats()
        self.cancelled = False
        self.tokens: list[int] = []  # of the prompt, then also of the reply
        self.pending: list[int] = []  # tokens to compute next
        self.beat = Beat()  # the thread's own, once it has the request
        self.place = 0  # how many tokens its cache has place for
        self.sampler: Sampler | None = None  # made and freed by the thread
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        # Bounded by what can come: a piece for each token, and the end.
        self._output: asyncio.Queue[str | EngineError | None] = asyncio.Queue(max_tokens + 2)
        self._ended = asyncio.Event()

    def feed(self, piece: bytes) -> None:
        """(thread) Hand out a token's bytes; a character that is not complete yet waits."""
        if text := self._decoder.decode(piece):
            self._put(text)

    def end(self, error: EngineError | None = None) -> None:
        """(thread) No more will come."""
        self._put(error)

    def _put(self, item: str | EngineError | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, item)
        except RuntimeError:
            self.cancelled = True  # the loop is gone

    def _deliver(self, item: str | EngineError | None) -> None:
        self._output.put_nowait(item)
        if not isinstance(item, str):
            self._ended.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self.cancelled:
            raise StopAsyncIteration
        item = await self._next()
        if isinstance(item, str):
            return item
        self._output.put_nowait(item)  # so that asking again ends again
        if item is None:
            raise StopAsyncIteration
        raise item

    async def _next(self) -> str | EngineError | None:
        while True:
            try:
                async with asyncio.timeout(_SILENCE_TIMEOUT):
                    return await self._output.get()
            except TimeoutError:
                # What is in the background waits for the others, as long as they take.
                if self.background and time.monotonic() - self.beat.at < _SILENCE_TIMEOUT:
                    continue
                self.cancelled = True
                raise EngineError(f"llama.cpp: no word for {_SILENCE_TIMEOUT:g} s") from None
            except asyncio.CancelledError:
                self.cancelled = True  # whoever read it has gone: nobody may come to close it
                raise

    async def aclose(self) -> None:
        """Stop computing; returns within one step of the batch."""
        self.cancelled = True
        try:
            async with asyncio.timeout(_SILENCE_TIMEOUT):
                await self._ended.wait()
        except TimeoutError:
            raise EngineError("llama.cpp does not stop; it hangs") from None
