"""hibari: a small, fast English voice on the CPU (model inside the package, Apache-2.0)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from hub.engines.base import BadInput, EngineError, EngineUnavailable
from hub.engines.thread import EngineThread
from protocol.audio import PcmFormat, from_float32

_SEED = 1  # the same clause always sounds the same
_FIRST_PIECE_SECONDS = 0.12
_PIECE_SECONDS = 0.5
_TIMEOUT = 30.0  # seconds for one sentence


class Hibari:
    """Speaks a 2 s phrase in 30 to 100 ms on one core, a sentence at a time."""

    name = "hibari"
    languages: tuple[str, ...] = ("en",)
    voices: tuple[str, ...] = ("heart",)
    format = PcmFormat(24000, 2, 1)

    def __init__(self, voice: str = "heart", threads: int = 1) -> None:
        if voice not in self.voices:
            raise EngineUnavailable(
                f"hibari: no voice {voice!r}; choose one of: {', '.join(self.voices)}"
            )
        self._threads = threads
        self._thread = EngineThread("hibari")
        self._model: Any = None

    async def load(self) -> None:
        """Load the model and speak one word, since the first one is slow."""
        self._model = await self._thread.run(self._load, timeout=120)

    def _load(self) -> Any:
        try:
            from hibari import Hibari as Model
        except ImportError as exc:
            raise EngineUnavailable(f"hibari: {exc}; install the extra 'hub'") from exc
        model = Model(threads=self._threads)
        model("Ready.", seed=_SEED)
        return model

    async def close(self) -> None:
        """Free the model."""
        self._model = None
        await self._thread.close()

    async def synthesize(self, text: str, *, voice: str | None = None) -> AsyncGenerator[bytes]:
        """Yield the speech of `text`: first piece 0.12 s long, then pieces of 0.5 s.

        Raises:
            BadInput: an unknown voice.
            EngineUnavailable: not loaded.
            EngineError: the model failed or hangs.
        """
        if self._model is None:
            raise EngineUnavailable("hibari is not loaded")
        if voice is not None and voice not in self.voices:
            raise BadInput(f"hibari: no voice {voice!r}")
        sentences = self._model.stream(text, seed=_SEED)

        def next_sentence() -> Any:
            try:
                return next(sentences, None)
            except Exception as exc:
                # Its type alone: what it says may quote the text, and this may be logged.
                raise EngineError(f"hibari: {type(exc).__name__} while speaking") from exc

        seconds = _FIRST_PIECE_SECONDS
        while (samples := await self._thread.run(next_sentence, timeout=_TIMEOUT)) is not None:
            pcm = from_float32(samples)
            offset = 0
            while offset < len(pcm):
                size = self.format.bytes_for(seconds)
                yield pcm[offset : offset + size]
                offset += size
                seconds = _PIECE_SECONDS
                await asyncio.sleep(0)  # a long sentence must not hold the loop
