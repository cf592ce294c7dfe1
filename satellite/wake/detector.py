"""From the probabilities of all models to one answer: this word was said, now."""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from protocol.audio import SPEECH
from satellite.wake.base import Score, Scorer, WakeHit, WakeModel

# A word stays above its threshold for about half a second, with dips: a pause shorter than this,
# in samples, is still the same word. Nobody says a word twice as fast.
_SAME_WORD = round(0.3 * SPEECH.rate)
# Two models may know the same sound ("Hey Mycroft" is a little like "Hey Jarvis", and the programs
# differ by 0.3 s in when they speak up): the first to be sure has it, and for so long, in samples,
# no other word is reported.
_SAME_SOUND = SPEECH.rate


class Detector:
    """Several words at once, of one program or several; each with threshold and refractory time.

    Args:
        scorers: the models, grouped by program.
        thresholds: of words by name; a word that is not there has its model's own.
        refractory: seconds after a hit in which the same word is not reported again, by name. Said
            in that time, it is not reported later either.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        *,
        thresholds: Mapping[str, float],
        refractory: Mapping[str, float],
    ) -> None:
        self._scorers = scorers
        self.models: Sequence[WakeModel] = [m for scorer in scorers for m in scorer.models]
        self._thresholds = {m.name: thresholds.get(m.name, m.threshold) for m in self.models}
        self._refractory = {m.name: round(refractory[m.name] * SPEECH.rate) for m in self.models}
        self._hold = {m.name: round(m.hold * SPEECH.rate) for m in self.models}
        self._last_above = {m.name: -_SAME_WORD for m in self.models}
        self._above_since: dict[str, int] = {}
        self._undecided: set[str] = set()  # words that began and did not hold long enough yet
        self._quiet_until = {m.name: 0 for m in self.models}
        self._all_quiet_until = 0

    def process(self, pcm: bytes) -> WakeHit | None:
        """Hear the next audio; see `WakeWords.process`. Of several hits, return the first."""
        scores = [score for scorer in self._scorers for score in scorer.score(pcm)]
        if len(self._scorers) > 1:
            scores.sort(key=attrgetter("position"))
        hits = [hit for score in scores if (hit := self._hit(score)) is not None]
        return hits[0] if hits else None

    def reset(self) -> None:
        """Forget what was heard; positions go on counting.

        What was not heard meanwhile counts nothing, however long it was: so no word stays quiet.
        """
        for scorer in self._scorers:
            scorer.reset()
        self._last_above = {m.name: -_SAME_WORD for m in self.models}
        self._quiet_until = {m.name: 0 for m in self.models}
        self._all_quiet_until = 0
        self._above_since.clear()
        self._undecided.clear()

    def _hit(self, score: Score) -> WakeHit | None:
        name, probability, position = score
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
        return WakeHit(name, since)
