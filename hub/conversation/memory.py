"""What a room has said and heard, cut to a budget and to what was heard."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.engines.base import Message


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing said, and as much of the answer as was heard."""

    user: str
    assistant: str
    interrupted: bool = False


class Memory:
    """The conversation of one room.

    Args:
        budget: characters of history that are kept.
        forget_after: seconds of quiet after which the conversation is over.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, budget: int, forget_after: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget = budget
        self._forget_after = forget_after
        self._clock = clock
        self._exchanges: list[Exchange] = []
        self._announced = ""  # since the newest of them
        self._touched = clock()

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The conversation so far, oldest first."""
        self._expire()
        return tuple(self._exchanges)

    @property
    def last_reply(self) -> str:
        """What was heard last, announcements too; "" if nothing was."""
        exchanges = self.exchanges
        if self._announced:
            return self._announced
        return exchanges[-1].assistant if exchanges else ""

    def messages(self) -> list[Message]:
        """Return the conversation as the language model reads it.

        What was interrupted breaks off, and has no other mark: small models copy any (a dash, dots,
        "I was interrupted") at the end of what they say next.
        """
        messages = []
        for exchange in self.exchanges:
            messages.append(Message("user", exchange.user))
            messages.append(Message("assistant", exchange.assistant))
        return messages

    def add(self, exchange: Exchange) -> None:
        """Remember `exchange`; over the budget, the older half is forgotten.

        Half at a time and not one by one, since each cut at the front costs the language model
        its cache from there on. The newest stays, unless it alone is over the budget.
        """
        self._expire()
        self._exchanges.append(exchange)
        self._announced = ""
        self._touched = self._clock()
        if self._size() > self._budget:
            while len(self._exchanges) > 1 and self._size() > self._budget // 2:
                del self._exchanges[0]
            if self._size() > self._budget:
                self.clear()

    def announced(self, text: str) -> None:
        """Take what was heard and no answer, so that it can be said again."""
        self._expire()
        self._announced = text
        self._touched = self._clock()

    def clear(self) -> None:
        """Begin a new conversation."""
        self._exchanges.clear()
        self._announced = ""

    def _expire(self) -> None:
        if self._clock() - self._touched > self._forget_after:
            self.clear()

    def _size(self) -> int:
        return sum(len(e.user) + len(e.assistant) for e in self._exchanges)


@dataclass(frozen=True, slots=True)
class SpokenClause:
    """A clause and where its speech ends in the reply, in samples since the reply's first."""

    text: str
    start: int
    end: int


def heard(clauses: Sequence[SpokenClause], samples_played: int) -> str:
    """Return the text that was heard: whole clauses, and of the current one its first words.

    The share of a clause is taken by time, at a word boundary, rounded down: what was not heard
    for sure was not heard.
    """
    parts = []
    for clause in clauses:
        if samples_played >= clause.end:
            parts.append(clause.text.strip())
            continue
        share = (samples_played - clause.start) / max(1, clause.end - clause.start)
        letters, words = len(clause.text.strip()) * share, clause.text.split()
        taken: list[str] = []
        while words and len(" ".join([*taken, words[0]])) <= letters:
            taken.append(words.pop(0))
        parts.append(" ".join(taken))
        break
    return " ".join(filter(None, parts))
