"""microWakeWord: small streaming models that share one feature frontend.

Measured with the built-in models: a word is reported between 0.18 s before and 0.12 s after its
last audible sample.
"""

from collections.abc import Sequence

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

from protocol.audio import SPEECH
from satellite.wake.base import WakeError, WakeHit, WakeModel

# A word stays above its threshold for about half a second, but a model speaks up only every 30 ms:
# a silence shorter than this, in samples, is still the same word.
_SAME_WORD = SPEECH.rate // 10


class MicroWakeWords:
    """Listen for several built-in microWakeWord models at once.

    Args:
        names: model names, for example "hey_jarvis", or as spoken: "Hey Jarvis".
        threshold: probability from which a word counts, 0..1; None takes each model's own.
        refractory: seconds after a hit in which nothing else is reported; a word said
            in that time is not reported later either.

    Raises:
        WakeError: an unknown name, or a model that cannot be loaded.
    """

    def __init__(
        self, names: Sequence[str], *, threshold: float | None = None, refractory: float = 2.0
    ) -> None:
        self._features = MicroWakeWordFeatures()
        self._words = [_load(name) for name in names]
        for word in self._words:
            if threshold is not None:
                word.probability_cutoff = threshold
        self._refractory = round(refractory * SPEECH.rate)
        self._position = 0
        self._quiet_until = 0
        self._last_above = {word.id: -_SAME_WORD for word in self._words}

    @property
    def models(self) -> Sequence[WakeModel]:
        """The loaded wake words."""
        return [WakeModel(w.id, w.wake_word, tuple(w.trained_languages)) for w in self._words]

    def process(self, pcm: bytes) -> WakeHit | None:
        """Hear the next audio; see `WakeWords.process`."""
        self._position += len(pcm) // SPEECH.bytes_per_frame
        hit = None
        for features in self._features.process_streaming(pcm):
            for word in self._words:
                # Every model must see every frame, hit or not: they keep state between frames.
                if not word.process_streaming(features):
                    continue
                begins = self._position - self._last_above[word.id] >= _SAME_WORD
                self._last_above[word.id] = self._position
                if begins and self._position >= self._quiet_until:
                    self._quiet_until = self._position + self._refractory
                    hit = WakeHit(word.id, self._position)
        return hit

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        self._features.reset()
        for word in self._words:
            word.reset()


def _load(name: str) -> MicroWakeWord:
    try:
        return MicroWakeWord.from_builtin(Model("_".join(name.lower().split())))
    except ValueError as error:
        known = ", ".join(model.value for model in Model)
        raise WakeError(f"cannot load wake word {name!r} ({error}); there are: {known}") from error
    except OSError as error:
        raise WakeError(f"cannot load wake word {name!r}: {error}") from error
