"""microWakeWord: small streaming models that share one feature frontend.

One word takes 0.4 % of a core (a 2.x GHz Xeon), each further one 0.1 %.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

from protocol.audio import SPEECH
from satellite.wake.base import Score, WakeError, WakeModel, require_tflite

PROGRAM = "microwakeword"
_STEP = SPEECH.rate // 100  # samples from one feature frame to the next
_WINDOW = 3 * _STEP  # samples in a frame
# Measured on recordings of people; docs/wake-words.md has the table. The models' own thresholds
# (0.9, 0.97, 0.95) miss some that they needn't, and "may I have a ..." is "Hey Mycroft" to its
# model: 11 times in 95 minutes of orders for coffee, but never for as long as the word itself.
THRESHOLDS = {"alexa": 0.74, "hey_jarvis": 0.8, "hey_mycroft": 0.95}
HOLD = {"alexa": 0.12, "hey_mycroft": 0.3}  # seconds that the probability must stay above


class MicroWakeWords:
    """The probabilities of several microWakeWord models.

    Args:
        words: name → a built-in model (None), or a model's .json file.

    Raises:
        WakeError: an unknown name, or a model that cannot be loaded.
    """

    def __init__(self, words: dict[str, Path | None]) -> None:
        self._features = MicroWakeWordFeatures()
        self._words = [(name, _load(name, path)) for name, path in words.items()]
        self.models: Sequence[WakeModel] = [
            WakeModel(
                name,
                word.wake_word,
                tuple(word.trained_languages),
                PROGRAM,
                THRESHOLDS.get(name if words[name] is None else "", word.probability_cutoff),
                HOLD.get(name if words[name] is None else "", 0.0),
            )
            for name, word in self._words
        ]
        self._heard = 0
        self._origin = 0  # the position at which the frames begin
        self._frames = 0

    def score(self, pcm: bytes) -> list[Score]:
        """Hear the next audio; see `Scorer.score`. A model speaks up every 30 ms."""
        self._heard += len(pcm) // SPEECH.bytes_per_frame
        scores = []
        for frame in self._features.process_streaming(pcm):
            position = self._origin + _WINDOW + self._frames * _STEP
            self._frames += 1
            for name, word in self._words:
                # Every model must see every frame: they keep state between frames. They decide
                # only on every third.
                probability = word.process_streaming_prob(frame)
                if probability is not None and self._frames % word.stride == 0:
                    scores.append(Score(name, probability, position))
        return scores

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        self._features.reset()
        for _, word in self._words:
            word.reset()
        self._origin = self._heard
        self._frames = 0


def _load(name: str, path: Path | None) -> MicroWakeWord:
    if path is None and name not in [model.value for model in Model]:
        known = ", ".join(model.value for model in Model)
        raise WakeError(f"{PROGRAM} has no wake word {name!r}; there are: {known}")
    try:
        if path is None:
            return MicroWakeWord.from_builtin(Model(name))
        require_tflite(path.parent / json.loads(path.read_bytes())["model"])
        return MicroWakeWord.from_config(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WakeError(f"cannot load wake word {name!r}: {error}") from error
