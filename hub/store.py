"""The record of turns: SQLite, text (if wanted) and times, never audio."""

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from hub.conversation.turn import Mark, Outcome, Turn
from hub.live.state import Clause, Span, TurnSound, TurnView
from hub.live.turn_view import spans_of

_LOGGER = logging.getLogger(__name__)

_CLOSE_TIMEOUT = 5.0  # seconds
_MOST_COUNTED = 5000  # turns, the newest, in statistics
_QUEUED = 256  # turns that wait for the disk; more are not recorded
_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id TEXT PRIMARY KEY,
    room TEXT NOT NULL,
    began REAL NOT NULL,      -- seconds since the epoch
    outcome TEXT NOT NULL,
    said TEXT,                -- NULL where text is not kept
    heard TEXT,
    stages TEXT NOT NULL,     -- JSON: [[moment, seconds since the one before it], ...]
    work TEXT,                -- JSON: what was reused and thrown away, see StoredTurn
    intent TEXT,              -- of the command that it was; '' where the model answered
    spans TEXT,               -- JSON: the bars of its waterfall, see hub.live.state.Span
    reply TEXT,               -- all that was sent of it, heard or not; NULL as above
    announcement INTEGER      -- 1 where nobody asked
) STRICT;
CREATE INDEX IF NOT EXISTS turns_began ON turns (began);
"""
_LATER = {"work": "TEXT", "intent": "TEXT", "spans": "TEXT", "reply": "TEXT", "announcement": "INT"}
"""Columns that databases of older versions lack, in their order."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One row.

    `intent` names the command that it was, "" where the language model answered.
    `stages` holds (moment, seconds since the one before it). `work` counts the tokens of the
    prompt, those of them that were cached, and those of the reply; replies begun before the end of
    the turn was known (`speculations`), whether the reply given is one (`speculated`), how often
    something was thrown away (`revisions`), and how often they went on after the end (`reopened`).
    """

    id: str
    room: str
    began: float
    outcome: str
    said: str | None
    heard: str | None
    stages: list[tuple[str, float]]  # (lists of two where they were read back)
    work: dict[str, int]
    intent: str = ""
    spans: tuple[Span, ...] = ()
    reply: str | None = None
    announcement: bool = False

    @property
    def marks(self) -> dict[str, float]:
        """The moments, in seconds since the first."""
        return _marks_of(self.stages)

    def view(self, sound: TurnSound) -> TurnView:
        """Return the turn as it is shown; `sound` is what of it is kept."""
        marks = self.marks
        first = next(iter(marks.values()), 0.0)
        return TurnView(
            id=self.id,
            room=self.room,
            began=self.began,
            state="ended",
            outcome=self.outcome,
            announcement=self.announcement,
            said=self.said or "",
            reply=[Clause(self.reply, sent=True)] if self.reply else [],
            heard=self.heard or "",
            intent=self.intent,
            marks={name: round(at - first, 4) for name, at in marks.items()},
            spans=list(self.spans),
            work=self.work,
            sound=sound,
        )


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of some seconds: the median, and what one in twenty exceeds."""

    count: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """The turns of the last hours in which somebody said something.

    Args:
        turns: how many.
        failed: how many of them an engine failed.
        answer: from the end of speech to the first sound of the reply; None where there is none.
        stages: from one moment to another, by name; see `_STAGES`.
    """

    turns: int
    failed: int
    answer: Quantiles | None
    stages: dict[str, Quantiles]


_STAGES = {
    "end of speech to transcript": (Mark.SPEECH_END, Mark.TRANSCRIPT),
    "end of speech to end of turn": (Mark.SPEECH_END, Mark.END_OF_TURN),
    "transcript to first token": (Mark.TRANSCRIPT, Mark.FIRST_TOKEN),
    "first token to first clause": (Mark.FIRST_TOKEN, Mark.FIRST_CLAUSE),
    "first clause to sound": (Mark.FIRST_CLAUSE, Mark.AUDIO_READY),
    "sound ready to sent": (Mark.AUDIO_READY, Mark.FIRST_AUDIO_SENT),
    "sent to played": (Mark.FIRST_AUDIO_SENT, Mark.FIRST_AUDIO_PLAYED),
}


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open a database with the tables of `schema`; a new one gets mode 600. Blocks.

    Raises:
        sqlite3.Error: it is no database, is locked for 5 s, or the disk fails.
        OSError: it cannot be made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=5)
    try:
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Store:
    """Writes turns from a task of its own; a disk that fails costs the history, never a turn.

    Args:
        path: the database; made with mode 600 if it is missing.
        text: whether to keep what was said and heard.
        days: older turns are deleted.
    """

    def __init__(self, path: Path, *, text: bool, days: int) -> None:
        self._path = path
        self._text = text
        self._days = days
        self._queue: asyncio.Queue[StoredTurn] = asyncio.Queue(_QUEUED)
        self._task: asyncio.Task[None] | None = None
        self.problem = ""  # why there is no history, in words for people

    @property
    def waiting(self) -> int:
        """How many turns wait for the disk."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to write; returns at once."""
        self._task = asyncio.create_task(self._write(), name="store")

    def add(self, turn: Turn) -> None:
        """Record a turn that has ended; never waits and never raises."""
        row = StoredTurn(
            turn.id,
            turn.room,
            turn.began,
            str(turn.outcome),
            turn.transcript if self._text else None,
            turn.playback.heard() if self._text else None,
            turn.record.stages(),
            turn.record.work(),
            turn.record.intent,
            spans_of(turn),
            turn.playback.text if self._text else None,
            turn.announcement,
        )
        try:
            self._queue.put_nowait(row)
        except asyncio.QueueFull:
            self._report("the disk does not keep up")

    async def close(self) -> None:
        """Write what waits, then stop."""
        if self._task is not None:
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self._queue.join()
            except TimeoutError:
                _LOGGER.warning("%d turns were not recorded", self._queue.qsize())
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def turns(
        self, limit: int = 20, room: str | None = None, before: float | None = None
    ) -> list[StoredTurn]:
        """Return the last turns, newest first.

        Args:
            limit: the most.
            room: only this one's; None for all.
            before: only those that began before that, in seconds since the epoch.

        Raises:
            OSError: the database cannot be read, or is no database.
        """
        wanted = ["began < ?"]
        values: list[str | float] = [before if before is not None else inf]
        if room is not None:
            wanted.append("room = ?")
            values.append(room)
        return await asyncio.to_thread(self._read, " AND ".join(wanted), values, limit)

    async def turn(self, turn: str) -> StoredTurn | None:
        """Return the turn of that id; None where there is none.

        Raises:
            OSError: the database cannot be read, or is no database.
        """
        return next(iter(await asyncio.to_thread(self._read, "id = ?", [turn], 1)), None)

    async def statistics(self, hours: float) -> Statistics:
        """Return how long the stages of the turns of the last hours took.

        Raises:
            OSError: the database cannot be read, or is no database.
        """
        return await asyncio.to_thread(self._statistics, time.time() - hours * 3600)

    async def erase(self) -> None:
        """Delete all turns, for good.

        Raises:
            OSError: the database cannot be written.
        """
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await self._queue.join()  # or what waits would come back
        await asyncio.to_thread(self._erase)

    async def _write(self) -> None:
        await asyncio.to_thread(self._try, self._clean)
        while True:
            row = await self._queue.get()
            try:
                await asyncio.to_thread(self._try, partial(self._insert, row))
            finally:
                self._queue.task_done()

    # -- on a thread --------------------------------------------------------------------------

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError, ValueError) as exc:  # ValueError: text that is no Unicode
            self._report(str(exc))
        else:
            self.problem = ""

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            _LOGGER.warning("no history of turns: %s: %s", self._path, problem)
        self.problem = problem

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(self._path, _SCHEMA)
        try:
            known = {row[1] for row in connection.execute("PRAGMA table_info(turns)")}
            for column, kind in _LATER.items():
                if column not in known:  # a database of an older version
                    connection.execute(f"ALTER TABLE turns ADD COLUMN {column} {kind}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _insert(self, row: StoredTurn) -> None:
        columns = (row.id, row.room, row.began, row.outcome, row.said, row.heard)
        later = (row.intent, msgspec.json.encode(row.spans).decode(), row.reply, row.announcement)
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*columns, json.dumps(row.stages), json.dumps(row.work), *later),
            )
            self._delete_old(connection)  # here too, since a hub runs for months

    def _clean(self) -> None:
        with closing(self._connect()) as connection, connection:
            self._delete_old(connection)

    def _delete_old(self, connection: sqlite3.Connection) -> None:
        oldest = time.time() - self._days * 86400
        connection.execute("DELETE FROM turns WHERE began < ?", (oldest,))

    def _erase(self) -> None:
        try:
            with closing(self._connect()) as connection:
                connection.execute("DELETE FROM turns")
                connection.commit()
                connection.execute("VACUUM")  # the words are in the file no more
        except sqlite3.Error as exc:
            raise OSError(f"{self._path}: {exc}") from exc

    def _statistics(self, since: float) -> Statistics:
        rows = self._select(
            "outcome, stages",
            "began >= ? AND outcome != ? AND ifnull(announcement, 0) = 0",
            (since, str(Outcome.NOTHING_SAID)),
            _MOST_COUNTED,
        )
        marks = [_marks_of(json.loads(stages)) for _, stages in rows]
        failed = sum(outcome == Outcome.FAILED for outcome, _ in rows)
        return _statistics(marks, failed)

    def _read(self, where: str, values: Sequence[str | float], limit: int) -> list[StoredTurn]:
        return [_turn_of(row) for row in self._select("*", where, values, limit)]

    def _select(
        self, what: str, where: str, values: Sequence[str | float], limit: int
    ) -> list[tuple[Any, ...]]:
        """Return columns of turns, the newest first."""
        try:
            with closing(self._connect()) as connection:
                return connection.execute(
                    f"SELECT {what} FROM turns WHERE {where} ORDER BY began DESC LIMIT ?",  # noqa: S608 - ours
                    (*values, limit),
                ).fetchall()
        except sqlite3.Error as exc:
            raise OSError(f"{self._path}: {exc}") from exc


def _turn_of(row: tuple[Any, ...]) -> StoredTurn:
    turn, room, began, outcome, said, heard, stages, work, intent, spans, reply, announcement = row
    return StoredTurn(
        turn,
        room,
        began,
        outcome,
        said,
        heard,
        json.loads(stages),
        json.loads(work or "{}"),
        intent or "",
        msgspec.json.decode(spans or "[]", type=tuple[Span, ...]),
        reply,
        bool(announcement),
    )


def _marks_of(stages: Sequence[Sequence[Any]]) -> dict[str, float]:
    moments = accumulate(seconds for _, seconds in stages)
    return {name: at for (name, _), at in zip(stages, moments, strict=True)}


def _statistics(turns: Sequence[Mapping[str, float]], failed: int) -> Statistics:
    def between(one: Mark, other: Mark) -> Quantiles | None:
        both = [marks[other] - marks[one] for marks in turns if one in marks and other in marks]
        return _quantiles([seconds for seconds in both if seconds >= 0])

    stages = {name: between(*ends) for name, ends in _STAGES.items()}
    return Statistics(
        len(turns),
        failed,
        _quantiles([seconds for marks in turns if (seconds := _answer_of(marks)) is not None]),
        {name: found for name, found in stages.items() if found is not None},
    )


def _answer_of(marks: Mapping[str, float]) -> float | None:
    """Return the seconds from the end of speech to the first sound of the reply."""
    sounds = (Mark.FIRST_AUDIO_PLAYED, Mark.FIRST_AUDIO_SENT)  # (not all report what they played)
    sound = next((marks[mark] for mark in sounds if mark in marks), None)
    if sound is None or Mark.SPEECH_END not in marks:
        return None
    return max(0.0, sound - marks[Mark.SPEECH_END])


def _quantiles(seconds: list[float]) -> Quantiles | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return Quantiles(len(ordered), ordered[round(last * 0.5)], ordered[round(last * 0.95)])
