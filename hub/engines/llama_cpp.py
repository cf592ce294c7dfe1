"""Local language models through llama.cpp: one thread, one context, all rooms in one batch."""

import asyncio
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.engines.base import EngineError, EngineUnavailable, Message, Sampling
from hub.engines.gguf import NoGguf, read_shape
from hub.engines.gpu import Gpu, look, memory_text, obstacle
from hub.engines.gpu_libraries import llama_library, missing_cuda
from hub.engines.gpu_plan import llm_memory
from hub.engines.llama_request import Beat, Request

_LOGGER = logging.getLogger(__name__)
_LOAD_TIMEOUT = 600.0
_MAX_WAITING = 256


class LlamaCpp:
    """A GGUF chat model.

    Args:
        model: the GGUF file.
        threads: CPU threads; 0 takes every core (at most 8: more does not help decoding).
        gpu_layers: layers on the GPU; 0 for none, -1 for all. Where they cannot be there, all are
            computed by the processor, and `note` says why.
        context_tokens: KV cells for all rooms together.
        max_rooms: rooms whose cache is held at once.
        temperature: 0 always takes the likeliest word.
    """

    name = "llama-cpp"
    device = "cpu"
    note = ""

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
        self.model = model.name
        self._path = model
        self._threads = threads or min(os.cpu_count() or 1, 8)
        self._gpu_layers = gpu_layers
        self._context_tokens = context_tokens
        self._max_rooms = max_rooms
        self._temperature = temperature
        self._inbox: queue.Queue[Request | str | None] = queue.Queue(_MAX_WAITING)
        self._beat = Beat()
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
        await _drain(self._request(Request(room, messages, 0, unfinished=unfinished)))

    def generate(
        self,
        room: str,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        sampling: Sampling | None = None,
        background: bool = False,
    ) -> Request:
        """Begin a reply; see `LanguageModel`. Iterate over it, `aclose` it.

        A room has one reply at a time; a second one waits for the first to end.
        """
        return self._request(
            Request(room, messages, max_tokens, sampling=sampling, background=background)
        )

    def forget(self, room: str) -> None:
        """Drop a room's cache."""
        if self._loaded:
            self._send(room)

    def _request(self, request: Request) -> Request:
        if not self._loaded:
            raise EngineUnavailable("llama.cpp is not loaded")
        request.beat = self._beat
        self._send(request)
        if not self._loaded:  # it stopped meanwhile, and may have missed this request
            raise EngineUnavailable("llama.cpp was stopped")
        return request

    def _send(self, item: Request | str | None) -> None:
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            raise EngineError(f"llama.cpp: {_MAX_WAITING} requests are waiting already") from None

    # -- on the thread ------------------------------------------------------------------------

    def _why_no_gpu(self) -> str:
        """Say why the layers cannot be on a GPU, and what to do; "" where nothing is in the way."""
        import llama_cpp

        library = llama_library()
        if library is None:
            return "llama-cpp-python was built without CUDA; run make install-gpu"
        report = look()
        if why := report.problem or obstacle(library, report.gpus[0]):
            return why
        if not llama_cpp.llama_supports_gpu_offload():
            return "llama.cpp finds no GPU that it can use; see docs/gpu.md"
        return self._why_too_little(report.gpus)

    def _why_too_little(self, gpus: Sequence[Gpu]) -> str:
        """Say what to do where the cards have too little memory left for the model; "" else.

        It is looked at before: llama.cpp ends the process where it finds out in mid-work.
        """
        try:
            shape = read_shape(self._path)
        except (NoGguf, OSError):
            return ""  # whoever loads it knows better what is wrong
        share = min(self._gpu_layers, shape.layers) / shape.layers if self._gpu_layers > 0 else 1.0
        needed = round(llm_memory(shape, self._context_tokens) * share)
        if needed <= sum(gpu.free for gpu in gpus):  # llama.cpp spreads a model over all of them
            return ""
        return (
            f"it takes about {needed / 1024:.1f} GB, and of the GPU's memory are "
            f"{memory_text(gpus[0])}; set llm.model or llm.context_tokens smaller"
        )

    def _work(self, loaded: Callable[[Exception | None], None]) -> None:
        try:
            if (library := llama_library()) is not None:
                missing_cuda(library)  # loads them; without them the import fails, and says so
            from hub.engines.chat_prompt import Prompter
            from hub.engines.llama_context import LlamaContext
            from hub.engines.llama_schedule import Schedule
        except Exception as exc:  # it loads shared libraries, which can fail in any way
            todo = "run make install-gpu again" if library else "install the extra 'hub'"
            loaded(EngineUnavailable(f"llama.cpp: {exc}; {todo}"))
            return

        def open_with(gpu_layers: int) -> LlamaContext:
            return LlamaContext(
                self._path,
                context_tokens=self._context_tokens,
                threads=self._threads,
                gpu_layers=gpu_layers,
                max_rooms=self._max_rooms,
                temperature=self._temperature,
            )

        try:
            why = self._why_no_gpu() if self._gpu_layers else ""
            context = None
            if self._gpu_layers and not why:
                try:
                    context = open_with(self._gpu_layers)
                    self.device = "cuda"
                except EngineError as exc:  # or it is no model at all, as the processor will say
                    why = f"{str(exc).removeprefix('llama.cpp: ')}; see docs/gpu.md"
            if context is None:
                context = open_with(0)
            if why:
                self.note = f"on the processor, not on the GPU: {why}"
                _LOGGER.warning("the language model runs %s", self.note)
            schedule = Schedule(context, Prompter(context), self._inbox, self._beat)
        except Exception as exc:  # whatever it was, the loader must hear of it
            loaded(exc if isinstance(exc, EngineError) else EngineError(f"llama.cpp: {exc}"))
            return
        loaded(None)
        try:
            schedule.run()
        except EngineError as exc:
            schedule.fail(exc)
        except Exception as exc:  # nobody may wait for a thread that is gone
            schedule.fail(EngineError(f"llama.cpp: {exc}"))
        finally:
            self._loaded = False
            schedule.fail(EngineUnavailable("llama.cpp was stopped"))
            context.close()


async def _drain(request: Request) -> None:
    try:
        async for _ in request:
            pass
    finally:
        await request.aclose()
