"""Smart Turn v3: does somebody who pauses sound as if they had finished?

A Whisper-tiny encoder with a classifier on top (Daily, pipecat-ai/smart-turn), on onnxruntime. What
it expects was read from the pipecat package that ships it: the last 8 s of 16 kHz sound with zeros
in front of a shorter one, brought to zero mean and unit variance with the zeros counted in, then
Whisper's log-mel spectrogram. faster-whisper computes the latter to the same seventh digit.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines import importing
from hub.engines.base import BadInput, EngineError, EngineUnavailable
from hub.engines.onnx import open_model
from hub.engines.thread import EngineThread
from protocol.audio import SPEECH, to_float32

_SAMPLES = 8 * SPEECH.rate
_MELS = 80
_TINY = 1e-7  # keeps pure silence from being divided by zero; the model was trained with this one
_TIMEOUT = 10.0  # seconds; one question takes 0.05 s of a core


class SmartTurn:
    """Answers one question at a time; what it costs does not depend on how long the sound is.

    Args:
        model: the ONNX file, or the folder that it is in.
    """

    name = "smart-turn"
    device = "cpu"
    note = ""

    def __init__(self, model: Path) -> None:
        self._path = model
        self._thread = EngineThread("smart-turn")
        self._model: _Model | None = None

    async def load(self) -> None:
        """Load the model and ask it once, since the first time is slow.

        Raises:
            EngineUnavailable: a library or the model is missing.
            EngineError: the model does not load.
        """
        self._model = await self._thread.run(lambda: _load(self._path), timeout=60)

    async def close(self) -> None:
        """Free the model and end its thread."""
        self._model = None
        await self._thread.close()

    async def probability(self, pcm: bytes) -> float:
        """Return the probability (0..1) that the speaker has finished.

        Args:
            pcm: what was heard, 16 kHz mono 16-bit, up to and with the silence.

        Raises:
            BadInput: half a sample.
            EngineUnavailable: not loaded.
            EngineError: the model failed or hangs.
        """
        model = self._model
        if model is None:
            raise EngineUnavailable("smart-turn is not loaded")
        if len(pcm) % SPEECH.width:
            raise BadInput(f"smart-turn: {len(pcm)} bytes are no whole number of samples")
        return await self._thread.run(lambda: model(pcm), timeout=_TIMEOUT)


class _Model:
    def __init__(self, session: Any, mel: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._mel = mel

    def __call__(self, pcm: bytes) -> float:
        features = self.features(pcm)[np.newaxis]
        try:
            (finished,) = self._session.run(None, {self._input: features})
        except Exception as exc:  # onnxruntime has no public base class of its errors
            raise EngineError(f"smart-turn: {exc}") from exc
        return float(finished.flat[0])

    def features(self, pcm: bytes) -> NDArray[np.float32]:
        """Return the log-mel spectrogram, 80 bands by 800 steps of 10 ms."""
        samples = to_float32(pcm[-_SAMPLES * SPEECH.width :])
        window = np.zeros(_SAMPLES, np.float32)
        window[_SAMPLES - len(samples) :] = samples
        window = (window - window.mean()) / np.sqrt(window.var() + _TINY)
        features: NDArray[np.float32] = self._mel(window, padding=0)
        return features


def _load(path: Path) -> _Model:
    try:
        with importing:
            from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError as exc:
        raise EngineUnavailable(f"smart-turn: {exc}; install the extra 'hub'") from exc
    if path.is_dir():
        path = next(iter(sorted(path.glob("*.onnx"))), path)
    if not path.is_file():
        raise EngineUnavailable(f"smart-turn: no ONNX file {path}")
    model = _Model(open_model(path, "smart-turn"), FeatureExtractor(feature_size=_MELS))
    model(bytes(SPEECH.bytes_for(1.0)))
    return model
