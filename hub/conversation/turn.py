"""A turn: one thing said and the answer to it. This one object owns everything about it."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hub.conversation.patience import where
from hub.conversation.playback import Playback
from hub.conversation.voice import Voice
from hub.engines.base import GenerationStats

_LOGGER = logging.getLogger(__name__)

_STOP_TIMEOUT = 10.0  # seconds; who does not stop by then never will
_MOST_SPANS = 100  # that are kept of a turn


class Mark(StrEnum):
    """The moments of a turn, in the order in which they come."""

    WAKE = "wake"
    SPEECH_START = "speech_start"
    SPEECH_END = "speech_end"
    PAUSE = "pause"  # seen: speech-to-text begins
    SOFT_END = "soft_end"  # a model is asked whether they have finished
    TRANSCRIPT = "transcript"
    END_OF_TURN = "end_of_turn"  # they have finished, as far as can be told
    FIRST_TOKEN = "first_token"  # noqa: S105 - a token of text
    FIRST_CLAUSE = "first_clause"
    AUDIO_READY = "audio_ready"
    CONFIRMED = "confirmed"  # from here on it is played, remembered and acted on
    FIRST_AUDIO_SENT = "first_audio_sent"
    FIRST_AUDIO_PLAYED = "first_audio_played"
    LAST_TOKEN = "last_token"  # noqa: S105
    DONE = "done"


_OF_A_REPLY = (Mark.FIRST_TOKEN, Mark.FIRST_CLAUSE, Mark.AUDIO_READY, Mark.LAST_TOKEN)


class Outcome(StrEnum):
    """How a turn ended."""

    ANSWERED = "answered"
    STOPPED = "stopped"  # they said "stop": that wants no answer
    NOTHING_SAID = "nothing-said"  # silence, noise, or words that nobody said
    INTERRUPTED = "interrupted"  # by the person
    GONE = "gone"  # the peer went away
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Span:
    """Some work of a turn: one bar of its waterfall; seconds on the monotonic clock.

    Args:
        stage: what it is: "transcribe", "end_of_turn", "act", "choose", "write", "speak", "gate".
        begin: when it began.
        speculative: whether it began before it was known that they had finished.
        provisional: whether it is dropped with its revision.
        detail: which one, or what came of it; no words of anybody.
        end: when it ended; None while it goes on.
        dropped: whether what came of it was thrown away, or nothing came of it.
    """

    stage: str
    begin: float
    speculative: bool
    provisional: bool = False
    detail: str = ""
    end: float | None = None
    dropped: bool = False


@dataclass(slots=True)
class TurnRecord:
    """Where the time of a turn went; seconds on the monotonic clock. Holds no text."""

    marks: dict[Mark, float] = field(default_factory=dict)
    tokens: GenerationStats = field(default_factory=GenerationStats)
    intent: str = ""  # of the command that it was; "" where the language model answered
    revisions: int = 0  # how often something computed was thrown away
    speculations: int = 0  # replies begun before the end of the turn was known
    speculated: bool = False  # and the reply that was given is one of them
    reopened: int = 0  # how often they went on after the turn seemed over
    spans: list[Span] = field(default_factory=list)  # in the order in which they began

    def stages(self) -> list[tuple[str, float]]:
        """Return the moments in order of time, each with the seconds since the one before it.

        They add up to the whole turn.
        """
        ordered = sorted(self.marks.items(), key=lambda item: item[1])
        stages, before = [], ordered[0][1] if ordered else 0.0
        for mark, moment in ordered:
            stages.append((mark.value, moment - before))
            before = moment
        return stages

    def work(self) -> dict[str, int]:
        """Return what was computed, reused and thrown away, by name."""
        return {
            "prompt_tokens": self.tokens.prompt_tokens,
            "reused_tokens": self.tokens.reused_tokens,
            "generated_tokens": self.tokens.generated_tokens,
            "speculations": self.speculations,
            "speculated": int(self.speculated),
            "revisions": self.revisions,
            "reopened": self.reopened,
        }

    def elapsed(self, clock: Callable[[], float] = time.monotonic) -> float:
        """Return the seconds since the first moment."""
        return clock() - min(self.marks.values()) if self.marks else 0.0

    def total(self) -> float:
        """Return the seconds from the first moment to the last."""
        return max(self.marks.values()) - min(self.marks.values()) if self.marks else 0.0

    def between(self, one: Mark, other: Mark) -> float | None:
        """Return the seconds from `one` to `other`, or None where either did not come."""
        if one not in self.marks or other not in self.marks:
            return None
        return self.marks[other] - self.marks[one]


class Turn:
    """One turn of a room: its revision, its tasks, its times, and the one place that cancels it.

    Everything computed for a turn carries the revision under which it was; what is of an older
    one is dropped by whoever receives it.

    Args:
        room: the room's name.
        clock: monotonic time in seconds.
    """

    def __init__(self, room: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.room = room
        self.began = time.time()
        self.announcement = False  # whether nobody asked
        self.said = b""  # the sound of what they said, 16 kHz mono 16-bit, where it is to be kept
        self.outcome: Outcome | None = None  # None while it goes on
        self.record = TurnRecord()
        self.transcript = ""
        self.playback = Playback(clock)
        self.voice: Voice | None = None  # that speaks the reply; None before its first clause
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._provisional: set[asyncio.Task[Any]] = set()  # those of the present revision
        self._cancelled = False
        self._failing = False

    @property
    def ended(self) -> bool:
        """Whether nothing of this turn may be played, remembered or computed any more."""
        return self.outcome is not None

    @property
    def revision(self) -> int:
        """How often what was computed for it has become stale."""
        return self.record.revisions

    def mark(
        self, mark: Mark, *, ago: float = 0.0, after: Mark | None = None, again: bool = False
    ) -> None:
        """Note that `mark` came `ago` seconds ago, though not before `after`.

        The first time counts, or with `again` the last. What comes after the end does not count.
        """
        if self.ended:
            return
        moment = self._clock() - ago
        if after is not None:
            moment = max(moment, self.record.marks.get(after, moment))
        if again:
            self.record.marks.pop(mark, None)
        self.record.marks.setdefault(mark, moment)

    def unmark(self, *marks: Mark) -> None:
        """Say that these did not come after all."""
        for mark in marks:
            self.record.marks.pop(mark, None)

    @contextmanager
    def span(self, stage: str, *, provisional: bool = False, detail: str = "") -> Iterator[Span]:
        """Note how long the work within takes, and whether it was broken off; see `Span`."""
        marks, spans = self.record.marks, self.record.spans
        known = Mark.END_OF_TURN in marks or Mark.CONFIRMED in marks
        span = Span(stage, self._clock(), not known, provisional, detail)
        if len(spans) < _MOST_SPANS and not self.ended:
            spans.append(span)
        try:
            yield span
        except BaseException:
            span.dropped = True
            raise
        finally:
            span.end = self._clock()

    def is_current(self, revision: int) -> bool:
        """Say whether what was computed under `revision` still counts."""
        return not self.ended and revision == self.revision

    def revise(self) -> int:
        """Stop and forget everything computed so far; return the new revision."""
        self.record.revisions += 1
        self.unmark(Mark.TRANSCRIPT)
        self.forget_reply()
        self.drop_work()
        return self.revision

    def forget_reply(self) -> None:
        """Say that the reply so far, of which nothing was heard, is not the one that is given."""
        self.record.tokens = GenerationStats()
        self.unmark(*_OF_A_REPLY)
        for span in self.record.spans:
            span.dropped = span.dropped or span.provisional

    def drop_work(self) -> None:
        """Stop what is computed under the present revision."""
        for task in self._provisional:
            task.cancel()
        self._provisional = set()

    def spawn(
        self, work: Coroutine[Any, Any, None], name: str, *, provisional: bool = False
    ) -> asyncio.Task[None]:
        """Run a part of the turn in a task that ends with it, or with its revision."""
        task = asyncio.create_task(work, name=f"{name} {self.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if provisional:
            self._provisional.add(task)
            task.add_done_callback(self._provisional.discard)
        return task

    def fail(self) -> None:
        """Say that it goes wrong: however it ends from now on, it failed."""
        self._failing = True

    def end(self, outcome: Outcome) -> None:
        """Say how the turn ended; the first outcome counts."""
        if self.outcome is None:
            self.mark(Mark.DONE)
            self.playback.close()
            self.outcome = Outcome.FAILED if self._failing else outcome

    def cancel(self, outcome: Outcome) -> None:
        """Stop everything that this turn computes, plays or waits for; the only place that does.

        `stopped` waits for it. Calling it again disturbs nobody's cleaning up.
        """
        self.end(outcome)
        if not self._cancelled:
            self._cancelled = True
            for task in self._tasks:
                task.cancel()

    async def stopped(self) -> None:
        """Wait until all of a cancelled turn has stopped; after 10 s the rest is left behind."""
        if not self._tasks:
            return
        done, stuck = await asyncio.wait(set(self._tasks), timeout=_STOP_TIMEOUT)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if error is not None and self.outcome is not Outcome.GONE:  # (then many complain)
                _LOGGER.warning("turn %s: a cancelled stage raised: %s", self.id, where(error))
        for task in stuck:
            _LOGGER.error("turn %s: %s does not stop; left behind", self.id, task.get_name())
