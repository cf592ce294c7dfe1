"""Codes to sound while they are written: each frame decoded once, and as in the whole.

The library's own streamer decodes everything from the start for each chunk, and is inexact at their
borders. The codec's decoder sees ten frames to either side (measured), so a frame decoded with ten
before and ten behind it is the frame of the whole decode.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGHT = 10
"""Frames to either side that a frame's sound depends on."""
FIRST_FRAMES = 8
"""In the first chunk: 93 ms, which are there after 8 + 10 + 8 steps."""
FRAMES = 43
"""In each later one: half a second."""


class Cancelled(Exception):
    """Nobody wants the rest; raised through `generate`, which ends at that step."""


class Done(Exception):
    """All is said; raised through `generate`, which would decode everything once more."""


class Streamer:
    """What `generate` hands each step's codes to.

    Args:
        model: the model that generates, with its codec.
        emit: takes each chunk of sound, 32-bit floats of -1..1.
        is_cancelled: asked at each step, and before each chunk is decoded.
        most_steps: the speech is cut there.
    """

    def __init__(
        self,
        model: Any,
        emit: Callable[[NDArray[np.float32]], None],
        is_cancelled: Callable[[], bool],
        most_steps: int,
    ) -> None:
        self._model = model
        self._emit = emit
        self._is_cancelled = is_cancelled
        self._most = most_steps
        self._books: int = model.decoder.num_codebooks
        self._end: int = model.config.audio_encoder.codebook_size  # and above: no code
        self._frames: list[list[int]] = []
        self._columns: list[list[int]] = []  # the last steps; a frame is spread over `books`
        self._wanted = FIRST_FRAMES
        self._sent = 0
        self.steps = 0

    def put(self, value: Any) -> None:
        """Take one step's codes, one of each codebook."""
        if self._is_cancelled():
            raise Cancelled
        if value.ndim == 2:  # the start, before the first step
            return
        self.steps += 1
        self._columns = [*self._columns[1 - self._books :], value.tolist()]
        if len(self._columns) == self._books:
            # Each codebook lags one step behind the one before it.
            frame = [self._columns[book][book] for book in range(self._books)]
            if max(frame) >= self._end:
                self.end()
            self._frames.append(frame)
            if len(self._frames) - SIGHT - self._sent >= self._wanted:
                self._decode(len(self._frames) - SIGHT)
                self._wanted = FRAMES
        if self.steps >= self._most:
            self.end()

    def end(self) -> None:
        """Decode what is left."""
        self._decode(len(self._frames))
        raise Done

    def _decode(self, upto: int) -> None:
        if upto <= self._sent:
            return
        if self._is_cancelled():
            raise Cancelled
        import torch

        start, stop = max(0, self._sent - SIGHT), min(len(self._frames), upto + SIGHT)
        codes = torch.tensor(self._frames[start:stop], device=self._model.device).T[None]
        sound = self._model.audio_encoder.decode(audio_codes=codes).audio_values
        samples: NDArray[np.float32] = sound.reshape(-1).float().cpu().numpy()
        hop = len(samples) // (stop - start)
        self._emit(samples[(self._sent - start) * hop : (upto - start) * hop])
        self._sent = upto
