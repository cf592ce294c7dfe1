"""Ends a text before one of some others comes in it."""

from collections.abc import Sequence


class Stops:
    """Holds back what may become a stop.

    Args:
        stops: the texts that end it; none of them is empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = tuple(stops)
        self._held = ""

    def push(self, piece: str) -> str:
        """Take what comes next; return what is certain to belong to the text."""
        if self.found or not self._stops:
            return "" if self.found else piece
        text = self._held + piece
        places = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return text[: min(places)]
        keep = max(beginning_of(stop, text) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """End; return what was held back."""
        held, self._held = self._held, ""
        return held


def beginning_of(stop: str, text: str) -> int:
    """Return how many letters at the end of `text` may be the beginning of `stop`."""
    longest = min(len(stop) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
