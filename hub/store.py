"""The record of turns: SQLite, text (if wanted) and times, never audio."""

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hub.conversation.turn import Turn

_LOGGER = logging.getLogger(__name__)

_CLOSE_TIMEOUT = 5.0  # seconds
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
    intent TEXT               -- of the command that it was; '' where the model answered
) STRICT;
CREATE INDEX IF NOT EXISTS turns_began ON turns (began);
"""


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

    def start(self) -> None:
        """Begin to write; returns at once."""
        self._task = asyncio.create_task(self._write(), name="store")

    def add(self, turn: Turn) -> None:
        """Record a turn that has ended; never waits and never raises."""
        row = StoredTurn(
            turn.id,
            turn.room,
            time.time() - turn.record.total(),
            str(turn.outcome),
            turn.transcript if self._text else None,
            turn.playback.heard() if self._text else None,
            turn.record.stages(),
            turn.record.work(),
            turn.record.intent,
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

    async def turns(self, limit: int = 20) -> list[StoredTurn]:
        """Return the last turns, newest first.

        Raises:
            OSError: the database cannot be read, or is no database.
        """
        return await asyncio.to_thread(self._read, limit)

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
            for column in ("work", "intent"):
                if column not in known:  # a database of an older version
                    connection.execute(f"ALTER TABLE turns ADD COLUMN {column} TEXT")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _insert(self, row: StoredTurn) -> None:
        columns = (row.id, row.room, row.began, row.outcome, row.said, row.heard)
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*columns, json.dumps(row.stages), json.dumps(row.work), row.intent),
            )
            self._delete_old(connection)  # here too, since a hub runs for months

    def _clean(self) -> None:
        with closing(self._connect()) as connection, connection:
            self._delete_old(connection)

    def _delete_old(self, connection: sqlite3.Connection) -> None:
        oldest = time.time() - self._days * 86400
        connection.execute("DELETE FROM turns WHERE began < ?", (oldest,))

    def _read(self, limit: int) -> list[StoredTurn]:
        try:
            with closing(self._connect()) as connection:
                rows = connection.execute(
                    "SELECT * FROM turns ORDER BY began DESC LIMIT ?", (limit,)
                ).fetchall()
        except sqlite3.Error as exc:
            raise OSError(f"{self._path}: {exc}") from exc
        return [_turn_of(row) for row in rows]


def _turn_of(row: tuple[Any, ...]) -> StoredTurn:
    turn, room, began, outcome, said, heard, stages, work, intent = row
    known = json.loads(work or "{}")
    return StoredTurn(
        turn, room, began, outcome, said, heard, json.loads(stages), known, intent or ""
    )
