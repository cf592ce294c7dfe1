"""Custom openWakeWord models in ONNX, on the original openwakeword package.

That package needs Python < 3.12, 200 MB of disk and 200 MB of memory (it brings scipy and
scikit-learn), so it is an extra, for what pyopen-wakeword cannot load. A word takes 3 % of a core.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from protocol.audio import SPEECH
from satellite.wake.base import Score, WakeError, WakeModel, phrase_of
from satellite.wake.openwakeword import PROGRAM, THRESHOLD

_STEP = 1280  # samples from one decision to the next
_STEP_BYTES = _STEP * SPEECH.bytes_per_frame
# Of silence: the package fills its memory with random noise and says 0 five times.
_PRIMING_STEPS = 40
_FEATURES = ("melspectrogram.onnx", "embedding_model.onnx")


class OnnxWakeWords:
    """The probabilities of several custom models.

    Args:
        words: name → an .onnx file with one output.
        features: the folder with melspectrogram.onnx and embedding_model.onnx; None takes that of
            the package, into which `openwakeword.utils.download_models` puts them.

    Raises:
        WakeError: the package or a file is missing, or a model cannot be loaded.
    """

    def __init__(self, words: dict[str, Path], features: Path | None) -> None:
        package = find_spec("openwakeword")
        if package is None or package.origin is None:
            raise WakeError(
                f"wake word {next(iter(words))!r}: an .onnx model needs Python < 3.12 and "
                "the extra 'openwakeword'; a .tflite model does not"
            )
        if features is None:
            features = Path(package.origin).parent / "resources" / "models"
        for path in [features / name for name in _FEATURES] + list(words.values()):
            if not path.is_file():
                hint = "" if path in words.values() else "; set wake.onnx_features to its folder"
                raise WakeError(f"{path} is missing{hint}")
        # The package calls a model by its file's name.
        self._names = {path.stem: name for name, path in words.items()}
        if len(self._names) < len(words):
            raise WakeError("two .onnx wake word models have the same file name")
        from openwakeword.model import Model

        try:
            self._model = Model(
                wakeword_models=[str(path) for path in words.values()],
                inference_framework="onnx",
                melspec_model_path=str(features / _FEATURES[0]),
                embedding_model_path=str(features / _FEATURES[1]),
            )
            self._prime()  # a model of another kind fails only here
        except Exception as error:  # onnxruntime has no public base class of its errors
            raise WakeError(f"cannot load wake words {', '.join(words)}: {error}") from error
        for stem, outputs in self._model.model_outputs.items():
            if outputs != 1:
                raise WakeError(f"wake word {self._names[stem]!r}: its model knows several words")
        self.models: Sequence[WakeModel] = [
            WakeModel(name, phrase_of(name), (), PROGRAM, THRESHOLD) for name in words
        ]
        self._heard = 0
        self._waiting = b""

    def score(self, pcm: bytes) -> list[Score]:
        """Hear the next audio; see `Scorer.score`. A model speaks up every 80 ms."""
        pcm = self._waiting + pcm
        whole = len(pcm) - len(pcm) % _STEP_BYTES
        self._waiting = pcm[whole:]
        scores = []
        for start in range(0, whole, _STEP_BYTES):
            self._heard += _STEP
            step = np.frombuffer(pcm, "<i2", _STEP, start)
            scores += [
                Score(self._names[stem], float(probability), self._heard)
                for stem, probability in self._model.predict(step).items()
            ]
        return scores

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        self._heard += len(self._waiting) // SPEECH.bytes_per_frame
        self._waiting = b""
        self._prime()

    def _prime(self) -> None:
        """Begin as after a long silence, so that a word is heard at once and always alike."""
        for _ in range(_PRIMING_STEPS):
            self._model.predict(np.zeros(_STEP, np.int16))
