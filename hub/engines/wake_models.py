"""The wake-word libraries, and the rule for when a word counts; one detector for each stream.

The satellite has the same in satellite/wake, since neither side may import the other. Streams here
are never reset, and run no .onnx models.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from hub.engines.base import EngineError, WakeDetection
from protocol.audio import SPEECH

MICRO = "microwakeword"
OPEN = "openwakeword"
Score = tuple[str, float, int]  # name, probability, samples heard when the model decided

# Measured; see satellite/wake, which has the same.
MICRO_THRESHOLDS = {"alexa": 0.74, "hey_jarvis": 0.8, "hey_mycroft": 0.95}
MICRO_HOLD = {"alexa": 0.12, "hey_mycroft": 0.3}  # seconds
OPEN_THRESHOLDS = {"alexa": 0.25, "hey_jarvis": 0.15, "hey_mycroft": 0.4}
OPEN_THRESHOLD = 0.5

_SAME_WORD = round(0.3 * SPEECH.rate)  # samples; a shorter dip below the threshold is no new word
_SAME_SOUND = SPEECH.rate  # samples; two words in that time are one sound, and the first has it


@dataclass(frozen=True, slots=True)
class Word:
    """One word of one stream.

    Args:
        name: its id.
        program: `MICRO` or `OPEN`.
        model: a custom model's file; None for a built-in one.
        threshold: probability above which it counts; None takes the model's own.
        refractory: seconds after a hit in which it is not reported again.
    """

    name: str
    program: str
    model: Path | None
    threshold: float | None
    refractory: float


def hear(word: Word, pcm: bytes) -> list[Score]:
    """Return what one word's model says of 16 kHz mono 16-bit sound.

    Raises:
        EngineError: it cannot be loaded.
    """
    scorer = _MicroWakeWords([word]) if word.program == MICRO else _OpenWakeWords([word])
    return list(scorer.score(pcm))


class Detector:
    """Hears several words in one stream. Blocking: it belongs on the engine's thread.

    Raises:
        EngineError: a model cannot be loaded.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        programs: dict[str, type[_MicroWakeWords | _OpenWakeWords]] = {
            MICRO: _MicroWakeWords,
            OPEN: _OpenWakeWords,
        }
        self._scorers: list[_MicroWakeWords | _OpenWakeWords] = []
        self._thresholds: dict[str, float] = {}
        for program in dict.fromkeys(word.program for word in words):
            scorer = programs[program]([word for word in words if word.program == program])
            self._scorers.append(scorer)
            self._thresholds.update(scorer.thresholds)
        self._thresholds |= {w.name: w.threshold for w in words if w.threshold is not None}
        self._refractory = {w.name: round(w.refractory * SPEECH.rate) for w in words}
        self._hold = {
            w.name: round(MICRO_HOLD.get(w.name, 0) * SPEECH.rate)
            if w.program == MICRO and w.model is None
            else 0
            for w in words
        }
        self._last_above = {w.name: -_SAME_WORD for w in words}
        self._above_since: dict[str, int] = {}
        self._undecided: set[str] = set()  # words that began and did not hold long enough yet
        self._quiet_until = {w.name: 0 for w in words}
        self._all_quiet_until = 0

    def process(self, pcm: bytes) -> list[WakeDetection]:
        """Hear the next audio; return which words ended in it."""
        scores = [score for scorer in self._scorers for score in scorer.score(pcm)]
        if len(self._scorers) > 1:
            scores.sort(key=itemgetter(2))
        return [hit for score in scores if (hit := self._hit(*score)) is not None]

    def _hit(self, name: str, probability: float, position: int) -> WakeDetection | None:
        if probability <= self._thresholds[name]:
            self._above_since.pop(name, None)
            return None
        since = self._above_since.setdefault(name, position)
        if position - self._last_above[name] >= _SAME_WORD:
            self._undecided.add(name)
        self._last_above[name] = position
        if name not in self._undecided or position - since < self._hold[name]:
            return None
        self._undecided.remove(name)
        if since < max(self._quiet_until[name], self._all_quiet_until):
            return None
        self._quiet_until[name] = since + self._refractory[name]
        self._all_quiet_until = since + _SAME_SOUND
        return WakeDetection(name, since)


class _MicroWakeWords:
    _STEP = SPEECH.rate // 100  # samples from one feature frame to the next
    _WINDOW = 3 * _STEP  # samples in a frame

    def __init__(self, words: Sequence[Word]) -> None:
        from pymicro_wakeword import MicroWakeWordFeatures

        self._features = MicroWakeWordFeatures()
        self._words = [(word.name, self._load(word)) for word in words]
        custom = {word.name for word in words if word.model is not None}
        self.thresholds = {
            name: MICRO_THRESHOLDS.get("" if name in custom else name, word.probability_cutoff)
            for name, word in self._words
        }
        self._frames = 0

    def score(self, pcm: bytes) -> Iterator[Score]:
        for frame in self._features.process_streaming(pcm):
            position = self._WINDOW + self._frames * self._STEP
            self._frames += 1
            for name, word in self._words:
                # Every model must see every frame, but decides only on every third.
                probability = word.process_streaming_prob(frame)
                if self._frames % word.stride == 0:
                    yield name, probability, position

    @staticmethod
    def _load(word: Word) -> Any:
        from pymicro_wakeword import MicroWakeWord, Model

        try:
            if word.model is None:
                return MicroWakeWord.from_builtin(Model(word.name))
            _require_tflite(word.model.parent / json.loads(word.model.read_bytes())["model"])
            return MicroWakeWord.from_config(word.model)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise EngineError(f"cannot load wake word {word.name!r}: {error}") from error


class _OpenWakeWords:
    _STEP = 1280  # samples from one decision to the next
    _STEP_BYTES = _STEP * SPEECH.bytes_per_frame
    _PRIMING_STEPS = 12

    def __init__(self, words: Sequence[Word]) -> None:
        from pyopen_wakeword import OpenWakeWordFeatures

        _use_one_thread()
        self._features = OpenWakeWordFeatures.from_builtin()
        self._words = [(word.name, self._load(word)) for word in words]
        self.thresholds = {
            word.name: OPEN_THRESHOLDS.get("" if word.model else word.name, OPEN_THRESHOLD)
            for word in words
        }
        self._heard = 0
        self._waiting = b""
        # Begin as after a long silence, so that a word is heard at once. The library would compute
        # 8 s of it, for 0.7 s; but every step of silence has the same embedding.
        self._features.new_audio_samples = 0
        silence = bytes((self._PRIMING_STEPS * self._STEP + 480) * SPEECH.bytes_per_frame)
        *_, embedding = self._features.process_streaming(silence)
        for _, word in self._words:
            word.embeddings[:] = embedding[0, 0, -1]
            word.new_embeddings = word.input_windows - 1

    def score(self, pcm: bytes) -> Iterator[Score]:
        pcm = self._waiting + pcm
        whole = len(pcm) - len(pcm) % self._STEP_BYTES
        self._waiting = pcm[whole:]
        for start in range(0, whole, self._STEP_BYTES):
            self._heard += self._STEP
            step = pcm[start : start + self._STEP_BYTES]
            for embedding in self._features.process_streaming(step):
                for name, word in self._words:
                    for probability in word.process_streaming(embedding):
                        yield name, float(probability), self._heard

    @staticmethod
    def _load(word: Word) -> Any:
        from pyopen_wakeword import Model, OpenWakeWord

        try:
            if word.model is None:
                return OpenWakeWord.from_builtin(Model(word.name))
            _require_tflite(word.model)
            return OpenWakeWord.from_model(word.model)
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"cannot load wake word {word.name!r}: {error}") from error


@cache
def _use_one_thread() -> None:
    """Let pyopen-wakeword's models compute on the thread that asks.

    The library gives each model TensorFlow Lite's default options, with which it starts four
    threads, and lets them spin: eight more threads and twice the processor time for each stream,
    and no result sooner.
    """
    import ctypes

    from pyopen_wakeword.wakeword import TfLiteWakeWord

    load = TfLiteWakeWord.__init__

    def load_for_one_thread(self: Any, path: str | Path) -> None:
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


def _require_tflite(path: Path) -> None:
    """Raise ValueError for what is no TensorFlow Lite model: the libraries crash on it."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise ValueError(f"{path} is no TensorFlow Lite model")
