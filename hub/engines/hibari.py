"""hibari: a small, fast English voice on the CPU (model inside the package, Apache-2.0)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import BadInput, EngineUnavailable, Speed
from hub.engines.thread import EngineThread
from protocol.audio import PcmFormat, from_float32

_SEED = 1  # the same clause always sounds the same
_FIRST_PIECE_SECONDS = 0.12
_PIECE_SECONDS = 0.5
_TIMEOUT = 30.0  # seconds for one sentence

# The model puts 0.3 s of silence before what it says and 0.4 s behind it: every reply would come
# 0.3 s later, with a gap of 0.7 s between two clauses. What is quieter than this is cut off, and a
# pause put in its place that fits how the text ends; inside a sentence the model itself pauses 0.06
# to 0.3 s at a comma.
_SILENCE = 10 ** (-48 / 20)  # of the loudest moment; the weakest sounds, as in "fish", are above it
_LOOK_SECONDS = 0.002  # the moments that are looked at
_LEAD_SECONDS = 0.01  # kept before the first sound
_TAIL_SECONDS = 0.03  # kept behind the last
_PAUSES = ((".!?…", 0.3), (",;:—–", 0.15))  # noqa: RUF001 - dashes; seconds behind a clause
_NO_PAUSE = 0.05  # seconds: it goes on in mid-sentence
_CLOSERS = " \n\"'”’)]»"  # noqa: RUF001 - typographic quotes


class Hibari:
    """Speaks a 2 s phrase in 30 to 100 ms on one core, a sentence at a time."""

    name = "hibari"
    device = "cpu"
    note = ""
    describable = False
    clause_letters = (1, 400)
    speed: Speed | None = None  # many times faster than it has to be
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

    async def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes]:
        """Yield the speech of `text`: first piece 0.12 s long, then pieces of 0.5 s.

        It begins with the first sound, and ends with a pause that suits the end of the text.

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
        seconds, pause = _FIRST_PIECE_SECONDS, 0.0
        async with aclosing(self._thread.each(sentences, timeout=_TIMEOUT)) as made:
            async for samples in made:
                if not len(samples := _without_silence(samples)):
                    continue
                pcm = bytes(self.format.bytes_for(pause)) + from_float32(samples)
                offset, pause = 0, _pause_after(".")
                while offset < len(pcm):
                    size = self.format.bytes_for(seconds)
                    yield pcm[offset : offset + size]
                    offset += size
                    seconds = _PIECE_SECONDS
                    await asyncio.sleep(0)  # a long sentence must not hold the loop
        if pause:
            yield bytes(self.format.bytes_for(_pause_after(text)))


def _without_silence(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `samples` from just before the first sound to just behind the last."""
    size = int(_LOOK_SECONDS * Hibari.format.rate)
    moments = samples[: len(samples) // size * size].reshape(-1, size)
    levels = np.abs(moments).max(axis=1, initial=0.0)
    sounding = np.flatnonzero(levels > _SILENCE * levels.max(initial=0.0))
    if not len(sounding):
        return samples[:0]
    first = sounding[0] * size - int(_LEAD_SECONDS * Hibari.format.rate)
    last = (sounding[-1] + 1) * size + int(_TAIL_SECONDS * Hibari.format.rate)
    return samples[max(0, first) : last]


def _pause_after(text: str) -> float:
    """Return the seconds of silence that belong behind `text`."""
    end = text.rstrip(_CLOSERS)[-1:]
    return next((pause for marks, pause in _PAUSES if end and end in marks), _NO_PAUSE)
