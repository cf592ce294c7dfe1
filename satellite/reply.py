"""The reply that plays: whose it is, what it says, and whether it gets on."""

from protocol.extensions import Playback
from satellite.config import TimeoutSettings
from satellite.player import Player
from satellite.ports import Clock


class Reply:
    """One reply after the other, each as it is told of and played.

    Args:
        player: plays it.
        timeouts: when it counts as stuck.
        clock: the event loop.
    """

    def __init__(self, player: Player, timeouts: TimeoutSettings, clock: Clock) -> None:
        self._player = player
        self._timeouts = timeouts
        self._clock = clock
        self.turn: str | None = None  # that it belongs to, where the driver named one
        self.orphaned = False  # it came over a link that is gone
        self.cut_off = False  # and is not complete
        self._said = ""
        self._progress = (0, 0)
        self._progress_at = 0.0
        self._ends_by = 0.0

    @property
    def report(self) -> Playback | None:
        """What to tell of it to the hub; None where it is not of this hub's turn."""
        if self.turn is None or self.orphaned:
            return None
        return Playback(self.turn, self._player.samples_played)

    @property
    def is_question(self) -> bool:
        """Whether it ends in a question."""
        return self._said.endswith("?")

    def is_stuck(self) -> bool:
        """Whether it makes no progress any more, or should be over."""
        now = self._clock.time()
        progress = (self._player.samples_played, self._player.samples_received)
        if progress != self._progress:
            self._progress, self._progress_at = progress, now
        stalled = now - self._progress_at >= self._timeouts.stalled
        over = not self._player.open and not self._player.held and now >= self._ends_by
        return stalled or over

    def watch(self) -> None:
        """Begin to look for progress."""
        self._progress, self._progress_at = (-1, -1), self._clock.time()

    def told(self, text: str) -> None:
        """Take what its next speech says."""
        self._said = f"{self._said} {text}".strip()

    def says(self, phrase: str) -> bool:
        """Whether these words are in what it says."""
        return phrase.lower() in self._said.lower()

    def forget_words(self) -> None:
        """What is told from now on is another reply's."""
        self._said = ""

    def complete(self) -> None:
        """All of it has come."""
        self._player.end()
        self._set_end()

    def resume(self) -> None:
        """Go on where it was held."""
        self._player.resume()
        self._set_end()

    def _set_end(self) -> None:
        self._ends_by = self._clock.time() + self._player.remaining + self._timeouts.margin
