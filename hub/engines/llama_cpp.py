"""Local language models through llama.cpp: one thread, one context, all rooms in one batch."""

import asyncio
import codecs
import contextlib
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.engines.base import EngineError, EngineUnavailable, GenerationStats, Message

if TYPE_CHECKING:
    from hub.engines.chat_prompt import Prompter
    from hub.engines.llama_context import LlamaContext

_SILENCE_TIMEOUT = 60.0  # seconds without a token (a cold prefill of a long prompt is the longest)
_LOAD_TIMEOUT = 600.0
_MAX_WAITING = 256
_SHARED = ""  # the "room" of the beginning that all prompts have in common

# A prefill is nobody's reply yet. It waits while another room waits for its first clause, which is
# about so many tokens; later it adds so many to a step that the reply is still written faster than
# it is spoken (9 tokens a second on two cores; speech is 4).
_URGENT_TOKENS = 16
_PREFILL_TOKENS = 16


class _Request:
    """One prompt on its way through the model; made on the loop, worked on by the thread."""

    def __init__(
        self, room: str, messages: Sequence[Message], max_tokens: int, *, unfinished: bool = False
    ) -> None:
        self.room = room
        self.messages = messages
        self.max_tokens = max_tokens  # 0: only fill the cache
        self.unfinished = unfinished  # the last message goes on
        self.stats = GenerationStats()
        self.cancelled = False
        self.prompt: list[int] = []
        self.pending: list[int] = []  # tokens to compute next
        self.sampler: Any = None  # made and freed by the thread
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
        try:
            async with asyncio.timeout(_SILENCE_TIMEOUT):
                item = await self._output.get()
        except TimeoutError:
            self.cancelled = True
            raise EngineError(f"llama.cpp: no word for {_SILENCE_TIMEOUT:g} s") from None
        except asyncio.CancelledError:
            self.cancelled = True  # whoever read it has gone: nobody may come to close it
            raise
        if isinstance(item, str):
            return item
        self._output.put_nowait(item)  # so that asking again ends again
        if item is None:
            raise StopAsyncIteration
        raise item

    async def aclose(self) -> None:
        """Stop computing; returns within one step of the batch."""
        self.cancelled = True
        try:
            async with asyncio.timeout(_SILENCE_TIMEOUT):
                await self._ended.wait()
        except TimeoutError:
            raise EngineError("llama.cpp does not stop; it hangs") from None


class LlamaCpp:
    """A GGUF chat model.

    Args:
        model: the GGUF file.
        threads: CPU threads; 0 takes every core (at most 8: more does not help decoding).
        gpu_layers: layers on the GPU; 0 for none, -1 for all.
        context_tokens: KV cells for all rooms together.
        max_rooms: rooms whose cache is held at once.
        temperature: 0 always takes the likeliest word.
    """

    name = "llama-cpp"

    def __init__(
        self,
        model: Path,
        *,
        threads: int = 0,
        gpu_layers: int = 0,
        context_tokens: int = 4096,
        max_rooms: int = 8,
        temperature: float = 0.0,
    ) -> None:
        self._path = model
        self._threads = threads or min(os.cpu_count() or 1, 8)
        self._gpu_layers = gpu_layers
        self._context_tokens = context_tokens
        self._max_rooms = max_rooms
        self._temperature = temperature
        self._inbox: queue.Queue[_Request | str | None] = queue.Queue(_MAX_WAITING)
        self._waiting: list[_Request] = []
        self._active: list[_Request] = []
        self._thread: threading.Thread | None = None
        self._loaded = False

    async def load(self) -> None:
        """Load the model.

        Raises:
            EngineUnavailable: llama-cpp-python or the file is missing.
            EngineError: the file does not load.
        """
        if not await asyncio.to_thread(self._path.is_file):
            raise EngineUnavailable(f"llama.cpp: no file {self._path}")
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if ready.done():
                return
            if error is None:
                ready.set_result(None)
            else:
                ready.set_exception(error)

        def loaded(error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and its wait with it
                loop.call_soon_threadsafe(settle, error)

        self._thread = threading.Thread(
            target=self._work, args=(loaded,), name="llama-cpp", daemon=True
        )
        self._thread.start()
        async with asyncio.timeout(_LOAD_TIMEOUT):
            await ready
        self._loaded = True

    async def close(self) -> None:
        """Stop all generations and free the model."""
        self._loaded = False
        if self._thread is not None:
            with contextlib.suppress(EngineError):  # a full inbox is that of a thread that hangs
                self._send(None)
            await asyncio.to_thread(self._thread.join, 10)

    async def prefill(
        self, room: str, messages: Sequence[Message], *, unfinished: bool = False
    ) -> None:
        """Compute the cache of a beginning; only what is not there yet is computed.

        The room's next prefill or reply takes over from it; other rooms' first clauses go before.

        Args:
            room: "" for what all rooms' prompts begin with.
            messages: the beginning.
            unfinished: the last message goes on: it is computed up to the end of its words.
        """
        await _drain(self._request(_Request(room, messages, 0, unfinished=unfinished)))

    def generate(self, room: str, messages: Sequence[Message], *, max_tokens: int) -> _Request:
        """Begin a reply of at most `max_tokens`; iterate over it, `aclose` it.

        A room has one reply at a time; a second one waits for the first to end.
        """
        return self._request(_Request(room, messages, max_tokens))

    def forget(self, room: str) -> None:
        """Drop a room's cache."""
        if self._loaded:
            self._send(room)

    def _request(self, request: _Request) -> _Request:
        if not self._loaded:
            raise EngineUnavailable("llama.cpp is not loaded")
        self._send(request)
        if not self._loaded:  # it stopped meanwhile, and may have missed this request
            raise EngineUnavailable("llama.cpp was stopped")
        return request

    def _send(self, item: _Request | str | None) -> None:
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            raise EngineError(f"llama.cpp: {_MAX_WAITING} requests are waiting already") from None

    # -- on the thread ------------------------------------------------------------------------

    def _work(self, loaded: Callable[[Exception | None], None]) -> None:
        try:
            from hub.engines.chat_prompt import Prompter
            from hub.engines.llama_context import LlamaContext
        except Exception as exc:  # it loads shared libraries, which can fail in any way
            loaded(EngineUnavailable(f"llama.cpp: {exc}; install the extra 'hub'"))
            return
        try:
            context = LlamaContext(
                self._path,
                context_tokens=self._context_tokens,
                threads=self._threads,
                gpu_layers=self._gpu_layers,
                max_rooms=self._max_rooms,
                temperature=self._temperature,
            )
            prompter = Prompter(context)
        except Exception as exc:  # whatever it was, the loader must hear of it
            loaded(exc if isinstance(exc, EngineError) else EngineError(f"llama.cpp: {exc}"))
            return
        loaded(None)
        try:
            while self._admit(context, prompter):
                if self._active:
                    self._step(context)
        except EngineError as exc:
            self._fail(exc)
        except Exception as exc:  # nobody may wait for a thread that is gone
            self._fail(EngineError(f"llama.cpp: {exc}"))
        finally:
            self._loaded = False
            self._fail(EngineUnavailable("llama.cpp was stopped"))
            context.close()

    def _fail(self, error: EngineError) -> None:
        requests = [*self._active, *self._waiting]
        self._active, self._waiting = [], []
        while not self._inbox.empty():
            if isinstance(item := self._inbox.get_nowait(), _Request):
                requests.append(item)
        for request in requests:
            request.end(error)

    def _admit(self, context: "LlamaContext", prompter: "Prompter") -> bool:
        """Take what waits; block where there is nothing else to do. False: stop."""
        while True:
            idle = not self._active and not self._waiting
            try:
                item = self._inbox.get(block=idle)
            except queue.Empty:
                break
            if item is None:
                return False
            if isinstance(item, str):
                if all(request.room != item for request in self._active):
                    context.forget(item)
                continue
            for other in [*self._active, *self._waiting]:
                # A reply takes over from the prefill of its own room.
                if other.room == item.room and other.max_tokens == 0:
                    other.cancelled = True
            self._waiting.append(item)
        for request in [r for r in self._active if r.cancelled]:
            self._finish(context, request)
        for request in list(self._waiting):
            if request.cancelled:
                self._waiting.remove(request)
                request.end()
            elif self._start(context, prompter, request):
                self._waiting.remove(request)
        return True

    def _start(self, context: "LlamaContext", prompter: "Prompter", request: _Request) -> bool:
        """Begin `request` if its room and the cache have place; True also if it failed."""
        try:
            if not request.prompt:
                request.prompt = prompter.tokens(
                    request.messages, reply=request.max_tokens > 0, unfinished=request.unfinished
                )
            if request.room == _SHARED:
                context.share(request.prompt)
                request.end()
                return True
            kept = context.acquire(request.room, request.prompt, request.max_tokens)
        except EngineError as exc:
            request.end(exc)
            return True
        if kept is None:
            if not self._active:
                request.end(EngineError("llama.cpp: no place in the cache"))
                return True
            return False
        request.stats.prompt_tokens = len(request.prompt)
        request.stats.reused_tokens = kept
        request.pending = request.prompt[kept:]
        if not request.pending:  # a prefill of what is there already
            context.release(request.room)
            request.end()
            return True
        if request.max_tokens:
            request.sampler = context.new_sampler()
        self._active.append(request)
        return True

    def _step(self, context: "LlamaContext") -> None:
        # Replies under way (one token each) come first, so that nobody's long prompt starves
        # them; what is left of the batch is shared among the prompts, so that neither does it
        # starve the short ones.
        work: list[tuple[_Request, list[int], bool]] = []
        replies = [request for request in self._active if request.max_tokens]
        prefills = [request for request in self._active if not request.max_tokens]
        left = context.batch_tokens
        for requests in (replies, prefills):
            if requests is prefills and replies:
                if any(r.stats.generated_tokens < _URGENT_TOKENS for r in replies):
                    break
                left = min(left, _PREFILL_TOKENS)
            waiting = len(requests)
            # Shortest first: what it does not take of its share goes to the longer ones.
            for request in sorted(requests, key=lambda r: len(r.pending)):
                part = request.pending[: -(-left // waiting)]
                waiting -= 1
                if not part:
                    break
                left -= len(part)
                request.pending = request.pending[len(part) :]
                work.append((request, part, not request.pending and request.max_tokens > 0))
        wanted = iter(context.step([(request.room, part, last) for request, part, last in work]))
        for request, _, last in work:
            if not last:
                if not request.pending:
                    self._finish(context, request)  # a prefill, and it is done
                continue
            assert request.sampler is not None
            token = context.sample(request.sampler, next(wanted))
            if context.ends(token):
                self._finish(context, request)
                continue
            request.stats.generated_tokens += 1
            request.feed(context.piece(token))
            request.pending = [token]
            if request.stats.generated_tokens >= request.max_tokens:
                self._finish(context, request)

    def _finish(self, context: "LlamaContext", request: _Request) -> None:
        if request.sampler is not None:
            context.free_sampler(request.sampler)
            request.sampler = None
        self._active.remove(request)
        context.release(request.room)
        request.end()


async def _drain(request: _Request) -> None:
    try:
        async for _ in request:
            pass
    finally:
        await request.aclose()
