"""What was sent of a reply, and what of it was heard."""

import asyncio
from collections.abc import Callable

from hub.conversation.memory import SpokenClause, heard
from protocol.audio import PcmFormat

_SECONDS_PER_LETTER = 0.065  # of ordinary speech
_KEPT_SECONDS = 120.0


class Playback:
    """Follows one reply from the first sample sent to the last one played.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._format: PcmFormat | None = None
        self._began = 0.0
        self._clauses: list[SpokenClause] = []
        self._sent = 0  # samples
        self._sound = bytearray()  # to be played again
        self._reported: int | None = None  # None: this peer never said
        self._closed = False
        self._finished = asyncio.Event()

    @property
    def started(self) -> bool:
        """Whether anything was sent."""
        return self._sent > 0

    @property
    def finished(self) -> bool:
        """Whether the peer has played everything."""
        return self._finished.is_set()

    @property
    def seconds_sent(self) -> float:
        """How long the speech is that was sent so far."""
        return self._sent / self._format.rate if self._format else 0.0

    @property
    def sound(self) -> tuple[PcmFormat, bytes] | None:
        """What was sent so far, up to two minutes of it; None where nothing was."""
        return (self._format, bytes(self._sound)) if self._format and self._sound else None

    @property
    def text(self) -> str:
        """What was sent, the current clause included."""
        return " ".join(clause.text.strip() for clause in self._clauses)

    @property
    def clauses(self) -> int:
        """How many clauses were sent, the current one included."""
        return len(self._clauses)

    @property
    def saying(self) -> str:
        """The clause that is being heard, or was heard last; empty before the first."""
        played = self._played()
        clause = next((c for c in self._clauses if played < c.end), None)
        return (clause or self._clauses[-1]).text.strip() if self._clauses else ""

    def begin_clause(self, text: str, form: PcmFormat) -> None:
        """Say that what is sent from now on is the speech of `text`.

        How long it is turns out at `end_clause`; until then its letters tell.
        """
        if self._format is None:
            self._format, self._began = form, self._clock()
        letters = int(len(text.strip()) * _SECONDS_PER_LETTER * form.rate)
        self._clauses.append(SpokenClause(text, self._sent, self._sent + letters))

    def sent(self, pcm: bytes) -> None:
        """Say that this much of the current clause was sent."""
        assert self._format is not None
        self._sent += len(pcm) // self._format.bytes_per_frame
        if len(self._sound) < self._format.bytes_for(_KEPT_SECONDS):
            self._sound += pcm

    def end_clause(self) -> None:
        """Say that all of the current clause was sent, so that its length is known."""
        last = self._clauses[-1]
        self._clauses[-1] = SpokenClause(last.text, last.start, self._sent)

    def wrote(self, text: str) -> None:
        """Take a clause that is read and not heard: it counts whole and at once."""
        self._clauses.append(SpokenClause(text, self._sent, self._sent + 1))
        self._sent += 1
        self._reported = self._sent

    def report(self, samples_played: int) -> None:
        """Take the peer's word for how much it has played; it never goes back."""
        if not self._closed:
            self._reported = min(self._sent, max(self._reported or 0, samples_played))

    def seconds_ago(self) -> float:
        """Return how long ago the first sample was played, by the last report."""
        return (self._reported or 0) / self._format.rate if self._format else 0.0

    def finish(self) -> None:
        """Say that the peer has played everything."""
        self.report(self._sent)
        self._finished.set()

    def close(self) -> None:
        """Say that the turn is over: what was not heard by now never was."""
        self._reported = self._played()
        self._closed = True

    def heard(self) -> str:
        """Return the text that was heard so far; by elapsed time where the peer never reports."""
        return heard(self._clauses, self._played())

    def _played(self) -> int:
        if self._reported is not None or self._format is None:
            return self._reported or 0
        elapsed = int((self._clock() - self._began) * self._format.rate)
        return min(self._sent, elapsed)  # what was not sent was not heard

    async def wait(self, margin: float) -> bool:
        """Wait until all is played; False where the peer did not say so in time.

        The time is what is left to play, and `margin` seconds; and again, where it has played some
        of it meanwhile: it may have been held.
        """
        before = -1
        while (now := self._reported or 0) > before:
            before = now
            left = self.seconds_sent - now / (self._format.rate if self._format else 1)
            try:
                async with asyncio.timeout(left + margin):
                    await self._finished.wait()
                    return True
            except TimeoutError:
                continue
        return False
