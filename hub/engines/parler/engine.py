"""Parler-TTS as an engine; runs in Parler's own environment (`make parler`)."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.config import TtsSettings
from hub.engines.base import EngineBusy, EngineError, EngineUnavailable, Speed
from hub.engines.parler import compiled
from hub.engines.parler.descriptions import (
    MOST_LETTERS,
    describe,
    most_steps,
    pieces,
    seed_of,
)
from hub.engines.parler.voices import CHECKPOINTS, VOICES, languages_of
from hub.engines.thread import EngineThread
from protocol.audio import PcmFormat, from_float32

_LOGGER = logging.getLogger(__name__)
_LOAD_TIMEOUT = 600.0  # seconds; the largest checkpoint from a slow disk
_SPEAK_TIMEOUT = 900.0  # seconds for one piece: 30 s of speech on a slow processor
_STALL = 60.0  # seconds without a step: it hangs
_TURN_TIMEOUT = 15.0  # seconds for the other model to end; after 20 the hub takes it for a hang
_TURN_LOOK = 0.05  # seconds; how often one that waits for it looks whether it is cancelled
_STOP_TIMEOUT = 10.0  # seconds for the step in which it is cancelled


@dataclass(slots=True, eq=False)
class _Job:
    """One piece being spoken, seen by both threads."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    looked: float = 0.0  # when the model last asked whether it is cancelled: once a step

    def is_cancelled(self) -> bool:
        self.looked = time.monotonic()
        return self.cancelled.is_set()


@dataclass(frozen=True, slots=True)
class _Way:
    """A model that can speak and the thread that it speaks on."""

    speaker: Any  # hub.engines.parler.speaker.Speaker, which imports torch
    thread: EngineThread


class Parler:
    """A Parler-TTS checkpoint.

    Args:
        settings: [tts].
    """

    name = "parler"
    describable = True
    clause_letters = (24, MOST_LETTERS)

    def __init__(self, settings: TtsSettings) -> None:
        self.device = "cpu"
        self.note = ""
        self.format = PcmFormat(44100, 2, 1)
        first = (settings.voice,) if settings.voice in VOICES else ()
        self.voices: tuple[str, ...] = tuple(dict.fromkeys((*first, *VOICES)))
        self.languages = languages_of(settings.model or CHECKPOINTS[0])
        self.speed: Speed | None = None
        self._settings = settings
        self._thread = EngineThread("parler")
        self._compile_thread: EngineThread | None = None
        self._compiling: asyncio.Task[None] | None = None
        self._way: _Way | None = None
        self._fast: _Way | None = None  # the compiled model, once it is faster
        self._alone = threading.Lock()  # held by the one model that computes
        self._jobs: set[_Job] = set()
        self._checkpoint: Any = None
        self._steps_per_second = 0.0

    async def load(self) -> None:
        """Load the checkpoint, warm it up and measure it; begin to compile it, where that helps.

        Raises:
            EngineUnavailable: a library or the checkpoint is missing or damaged; says what to do.
            EngineError: it does not work on this machine.
        """
        speaker = await self._thread.run(self._load, timeout=_LOAD_TIMEOUT)
        self._way = _Way(speaker, self._thread)
        if self._settings.compile and self.device == "cuda":
            self.begin_compiling()

    def _load(self) -> Any:
        from hub.engines.parler import checkpoint, device
        from hub.engines.parler.libraries import import_parler

        import_parler()
        import torch

        from hub.engines.parler.measure import measure
        from hub.engines.parler.speaker import Speaker

        torch.set_num_threads(self._settings.threads)
        place = device.choose(self._settings.device)
        folder = checkpoint.find(self._settings.model or CHECKPOINTS[0])
        began = time.monotonic()
        try:
            try:
                loaded = checkpoint.load(folder, place.device, place.dtype)
            except torch.cuda.OutOfMemoryError:
                note = "on the processor: the GPU's memory is full; slower than speech"
                place = device.Place("cpu", device.CPU, note)
                loaded = checkpoint.load(folder, place.device, place.dtype)
            rate = loaded.model.config.audio_encoder.sampling_rate
            self.format = PcmFormat(rate, 2, 1)
            speaker = Speaker(loaded)
            found = measure(speaker, describe(self._settings.voice, self._settings.description))
        except EngineError:
            raise
        except Exception as exc:
            raise EngineError(f"parler: {folder.name} does not work: {_brief(exc)}") from exc
        self.device, self.note, self.speed = place.device, place.note, found.speed
        self._checkpoint, self._steps_per_second = loaded, found.steps_per_second
        _LOGGER.info(
            "parler: %s on %s (%s) after %.1f s: %.0f steps a second (speech needs 86), first "
            "sound after %.2f s",
            *(folder.name, place.device, place.dtype, time.monotonic() - began),
            *(found.steps_per_second, found.speed.first_audio),
        )
        return speaker

    def begin_compiling(self, compiles: compiled.Compile = compiled.torch_compile) -> None:
        """Compile the loaded model beside the work; `compiles` makes its `forward` a faster one."""
        self._compile_thread = EngineThread("parler-compiled")
        self._compiling = asyncio.create_task(self._compile(compiles, self._compile_thread))

    async def compiling(self) -> None:
        """Wait until the compiled model is taken or given up; at once where none is compiled."""
        if self._compiling is not None:
            await asyncio.shield(self._compiling)  # no time-out: its own is compiled.LIMIT

    async def _compile(self, compiles: compiled.Compile, thread: EngineThread) -> None:
        from hub.engines.parler.measure import Measured, measure

        description = describe(self._settings.voice, self._settings.description)
        began = time.monotonic()

        def prepare() -> compiled.Twin:
            twin = compiled.Twin(self._checkpoint, description, compiles)
            twin.compile()
            return twin

        def try_out(twin: compiled.Twin) -> Measured:
            with self._alone:
                twin.record()
                return measure(twin.speaker, description)

        try:
            async with asyncio.timeout(compiled.LIMIT):
                twin = await thread.run(prepare, timeout=compiled.LIMIT)
                found = await thread.run(partial(try_out, twin), timeout=compiled.LIMIT)
        except TimeoutError:
            self._add_note(f"not compiled: it took more than {compiled.LIMIT:g} s")
            return
        except Exception as exc:  # whatever the compiler has to say: it speaks without it
            _LOGGER.warning("parler: compiling failed: %s", _brief(exc))
            self._add_note(f"not compiled: {type(exc).__name__}")
            return
        gain = found.steps_per_second / self._steps_per_second
        _LOGGER.info(
            "parler: compiled after %.0f s: %.2f times as fast", time.monotonic() - began, gain
        )
        if gain >= compiled.FASTER:
            self._fast, self.speed = _Way(twin.speaker, thread), found.speed

    def _add_note(self, text: str) -> None:
        self.note = f"{self.note}; {text}" if self.note else text
        _LOGGER.warning("parler: %s", text)

    @property
    def is_compiled(self) -> bool:
        """Whether the compiled model speaks by now."""
        return self._fast is not None

    async def close(self) -> None:
        """Stop what is spoken, and free the model."""
        for job in self._jobs:
            job.cancelled.set()
        if self._compiling is not None:
            self._compiling.cancel()
            await asyncio.wait([self._compiling])  # no time-out: it only waits itself
        self._way = self._fast = self._checkpoint = None
        if self._compile_thread is not None:
            await self._compile_thread.close()
        await self._thread.close()

    async def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes]:
        """Yield the speech of one clause as it is made; see `hub.engines.base.TextToSpeech`.

        The description of the request counts, else the settings'. Closing it returns once the
        model has stopped, a step later.

        Raises:
            BadInput: an unknown voice, or too long a text or description.
            EngineBusy: others took all the time.
            EngineUnavailable: not loaded.
            EngineError: the model failed or hangs.
        """
        if self._way is None:
            raise EngineUnavailable("parler is not loaded")
        described = describe(
            voice or self._settings.voice, description or self._settings.description
        )
        for piece in pieces(text):
            async with contextlib.aclosing(self._piece(piece, described)) as sound:
                async for pcm in sound:
                    yield pcm

    async def _piece(self, text: str, description: str) -> AsyncGenerator[bytes]:
        way = self._way
        if way is None:
            raise EngineUnavailable("parler was stopped")
        if self._fast is not None and self._fast.speaker.fits(text, description):
            way = self._fast
        loop = asyncio.get_running_loop()
        # Bounded by the length of a piece: a chunk is half a second, and the sound is cut.
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        job = _Job()

        def emit(sound: NDArray[np.float32]) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, from_float32(sound))

        call = partial(self._speak, way, job, text, description, emit)
        work = asyncio.create_task(way.thread.run(call, timeout=_SPEAK_TIMEOUT))
        work.add_done_callback(lambda _: chunks.put_nowait(None))
        self._jobs.add(job)
        try:
            while (pcm := await self._next(chunks, job)) is not None:
                yield pcm
            await work
        finally:
            self._jobs.discard(job)
            job.cancelled.set()
            await _ended(work, job)

    async def _next(self, chunks: asyncio.Queue[bytes | None], job: _Job) -> bytes | None:
        while True:
            try:
                async with asyncio.timeout(_STALL):
                    return await chunks.get()
            except TimeoutError:
                if job.begun.is_set() and time.monotonic() - job.looked > _STALL:
                    raise EngineError(f"parler: no step for {_STALL:g} s") from None

    def _speak(
        self,
        way: _Way,
        job: _Job,
        text: str,
        description: str,
        emit: Callable[[NDArray[np.float32]], None],
    ) -> None:
        """(thread) Speak one piece, once no other model computes."""
        until = time.monotonic() + _TURN_TIMEOUT
        while not self._alone.acquire(timeout=_TURN_LOOK):
            if job.is_cancelled():
                return
            if time.monotonic() > until:
                raise EngineBusy(f"parler: the other model took all of {_TURN_TIMEOUT:g} s")
        try:
            if job.is_cancelled():
                return
            job.begun.set()
            try:
                way.speaker.speak(
                    text,
                    description,
                    seed=seed_of(description),
                    most_steps=most_steps(text, way.speaker.most_steps),
                    emit=emit,
                    is_cancelled=job.is_cancelled,
                )
            except EngineError:
                raise
            except Exception as exc:
                # Its type alone: what it says may quote the text, and this may be logged. A CUDA
                # error spoils the process for good: whoever runs it must replace it.
                raise EngineError(f"parler: {type(exc).__name__} while speaking") from exc
        finally:
            self._alone.release()


async def _ended(work: asyncio.Task[None], job: _Job) -> None:
    """Wait until a cancelled job computes no more, even if the waiting is cancelled, too."""
    if not job.begun.is_set():
        work.cancel()  # the thread skips it; or begins it now, and sees at once that it is over
    until = time.monotonic() + _STOP_TIMEOUT
    cancelled: asyncio.CancelledError | None = None
    while not work.done() and (left := until - time.monotonic()) > 0:
        try:
            await asyncio.wait([work], timeout=left)
        except asyncio.CancelledError as exc:
            cancelled = exc
    if not work.done():
        work.cancel()
        _LOGGER.warning("parler: a step takes more than %g s", _STOP_TIMEOUT)
    elif not work.cancelled():
        work.exception()  # whoever asked has gone: nobody else would look at it
    if cancelled is not None:
        raise cancelled


def _brief(exc: Exception) -> str:
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0][:200]}" if lines else type(exc).__name__
