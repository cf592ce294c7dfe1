"""openWakeWord (as pyopen-wakeword): larger models that share one speech embedding.

The embedding takes 5 % of a core (a 2.x GHz Xeon), each word 0.2 % more. It works 80 ms at a time,
4 ms of which are computing: little enough for the event loop.
"""

import ctypes
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures
from pyopen_wakeword.wakeword import TfLiteWakeWord

from protocol.audio import SPEECH
from satellite.wake.base import Score, WakeError, WakeModel, phrase_of, require_tflite

PROGRAM = "openwakeword"
_STEP = 1280  # samples from one decision to the next
_STEP_BYTES = _STEP * SPEECH.bytes_per_frame
_PRIMING_STEPS = 12  # of silence, until its embedding no longer changes
THRESHOLD = 0.5
# Measured on recordings of people; docs/wake-words.md has the table. Ordinary speech never is above
# 0.1 for these models, and 0.5 misses people whom they do hear.
THRESHOLDS = {"alexa": 0.25, "hey_jarvis": 0.15, "hey_mycroft": 0.4}


class OpenWakeWords:
    """The probabilities of several openWakeWord models.

    Args:
        words: name → a built-in model (None), or a .tflite file.

    Raises:
        WakeError: an unknown name, or a model that cannot be loaded.
    """

    def __init__(self, words: dict[str, Path | None]) -> None:
        _use_one_thread()
        self._words = [(name, _load(name, path)) for name, path in words.items()]
        self._features = OpenWakeWordFeatures.from_builtin()
        self.models: Sequence[WakeModel] = [
            WakeModel(
                name,
                phrase_of(name),
                ("en",) if path is None else (),
                PROGRAM,
                THRESHOLDS.get(name if path is None else "", THRESHOLD),
            )
            for name, path in words.items()
        ]
        self._heard = 0
        self._waiting = b""
        self._prime()

    def score(self, pcm: bytes) -> list[Score]:
        """Hear the next audio; see `Scorer.score`. A model speaks up every 80 ms."""
        return list(self._score(pcm))

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        self._heard += len(self._waiting) // SPEECH.bytes_per_frame
        self._waiting = b""
        self._prime()

    def _score(self, pcm: bytes) -> Iterator[Score]:
        # In steps: each call of the library moves its whole 10 s buffer, and one longer than that
        # would fail.
        pcm = self._waiting + pcm
        whole = len(pcm) - len(pcm) % _STEP_BYTES
        self._waiting = pcm[whole:]
        for start in range(0, whole, _STEP_BYTES):
            self._heard += _STEP
            for embedding in self._features.process_streaming(pcm[start : start + _STEP_BYTES]):
                for name, word in self._words:
                    for probability in word.process_streaming(embedding):
                        yield Score(name, float(probability), self._heard)

    def _prime(self) -> None:
        """Begin as after a long silence, so that a word is heard at once.

        The library would compute 8 s of silence, for 0.7 s. Every step of silence has the same
        embedding, so one will do.
        """
        self._features.reset()
        self._features.new_audio_samples = 0
        # 480: the first step is complete at once and not only with the second.
        silence = bytes((_PRIMING_STEPS * _STEP + 480) * SPEECH.bytes_per_frame)
        *_, embedding = self._features.process_streaming(silence)
        for _, word in self._words:
            word.embeddings[:] = embedding[0, 0, -1]
            word.new_embeddings = word.input_windows - 1


@cache
def _use_one_thread() -> None:
    """Let the models compute on the thread that asks.

    The library gives each model TensorFlow Lite's default options, with which it starts a thread
    for each core and lets them spin: twice the processor time, and no result sooner.
    """
    load = TfLiteWakeWord.__init__

    def load_for_one_thread(self: TfLiteWakeWord, path: str | Path) -> None:
        load(self, path)
        lib = self.lib
        lib.TfLiteInterpreterOptionsCreate.restype = ctypes.c_void_p
        lib.TfLiteInterpreterOptionsSetNumThreads.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        lib.TfLiteInterpreterOptionsSetNumThreads.restype = None
        options = lib.TfLiteInterpreterOptionsCreate()  # some bytes, for good
        lib.TfLiteInterpreterOptionsSetNumThreads(options, 1)
        create = lib.TfLiteInterpreterCreate
        lib.TfLiteInterpreterCreate = lambda model, _: create(model, options)

    TfLiteWakeWord.__init__ = load_for_one_thread


def _load(name: str, path: Path | None) -> OpenWakeWord:
    if path is None and name not in [model.value for model in Model]:
        known = ", ".join(model.value for model in Model)
        raise WakeError(f"{PROGRAM} has no wake word {name!r}; there are: {known}")
    try:
        if path is None:
            return OpenWakeWord.from_builtin(Model(name))
        require_tflite(path)
        return OpenWakeWord.from_model(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise WakeError(f"cannot load wake word {name!r}: {error}") from error
