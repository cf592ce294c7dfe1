"""What is kept of the rooms over a restart, in the hub's SQLite file.

Timers, and what was set at satellites: volume, microphone, wake words.
"""

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.store import open_database

_LOGGER = logging.getLogger(__name__)

_CLOSE_TIMEOUT = 5.0  # seconds
_SCHEMA = """
CREATE TABLE IF NOT EXISTS alarms (
    id TEXT PRIMARY KEY,
    room TEXT NOT NULL,
    name TEXT NOT NULL,
    seconds REAL NOT NULL,    -- for which it was set
    left REAL NOT NULL,       -- seconds, at the moment `at`; below 0 it has run out
    at REAL NOT NULL,         -- seconds since the epoch
    paused INTEGER NOT NULL,
    what TEXT NOT NULL,       -- "timer", "alarm" or "reminder"
    due REAL                  -- seconds since the epoch, of what rings at a time of day
) STRICT;
CREATE TABLE IF NOT EXISTS volumes (room TEXT PRIMARY KEY, level REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS controls (
    room TEXT PRIMARY KEY,
    muted INTEGER,            -- NULL where it was never set
    wake_words TEXT           -- JSON: their names; NULL where they were never chosen
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class KeptTimer:
    """One row; see the schema."""

    id: str
    room: str
    name: str
    seconds: float
    left: float
    at: float
    paused: bool
    what: str = "timer"
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was set at one room's satellite; None where nothing was."""

    muted: bool | None = None
    wake_words: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept."""

    timers: tuple[KeptTimer, ...] = ()
    volumes: dict[str, float] = field(default_factory=dict)  # by room
    controls: dict[str, Chosen] = field(default_factory=dict)  # by room


class Keeper:
    """Writes the newest state from a task of its own; a disk that fails costs no command.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: Kept | None = None  # that is still to be written
        self._changed = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._task: asyncio.Task[None] | None = None
        self.problem = ""  # why nothing is kept, in words for people

    async def load(self) -> Kept:
        """Return what was kept, nothing where it cannot be read; begin to write what `keep` has."""
        kept = await asyncio.to_thread(self._read)
        self._task = asyncio.create_task(self._write(), name="keeper")
        return kept

    def keep(self, state: Kept) -> None:
        """Have `state` written, in the place of all that was before; never waits, never raises."""
        self._newest = state
        self._written.clear()
        self._changed.set()

    async def close(self) -> None:
        """Write what waits, then stop."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._written.wait()
        except TimeoutError:
            _LOGGER.warning("%s: the disk does not keep up; timers may be lost", self._path)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._changed.wait()  # no time-out: there may be nothing to keep for days
            self._changed.clear()
            state, self._newest = self._newest, None
            if state is not None:
                await asyncio.to_thread(self._replace, state)
            if self._newest is None:
                self._written.set()

    # -- on a thread --------------------------------------------------------------------------

    def _read(self) -> Kept:
        try:
            with closing(open_database(self._path, _SCHEMA)) as connection:
                timers = connection.execute(
                    "SELECT id, room, name, seconds, left, at, paused, what, due FROM alarms"
                ).fetchall()
                volumes = dict(connection.execute("SELECT room, level FROM volumes").fetchall())
                controls = connection.execute(
                    "SELECT room, muted, wake_words FROM controls"
                ).fetchall()
        except (sqlite3.Error, OSError) as exc:
            self._report(str(exc))
            return Kept()
        return Kept(
            tuple(_timer(*row) for row in timers),
            volumes,
            {room: _chosen(*row) for room, *row in controls},
        )

    def _replace(self, state: Kept) -> None:
        rows = [astuple(timer) for timer in state.timers]
        try:
            with closing(open_database(self._path, _SCHEMA)) as connection, connection:
                connection.execute("DELETE FROM alarms")
                connection.executemany(
                    "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                connection.execute("DELETE FROM volumes")
                connection.executemany("INSERT INTO volumes VALUES (?, ?)", state.volumes.items())
                connection.execute("DELETE FROM controls")
                connection.executemany(
                    "INSERT INTO controls VALUES (?, ?, ?)",
                    [
                        (room, chosen.muted, chosen.wake_words and json.dumps(chosen.wake_words))
                        for room, chosen in state.controls.items()
                    ],
                )
        except (sqlite3.Error, OSError, ValueError) as exc:  # ValueError: text that is no Unicode
            self._report(str(exc))
        else:
            self.problem = ""

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            _LOGGER.warning("timers would not survive a restart: %s: %s", self._path, problem)
        self.problem = problem


def _timer(*row: Any) -> KeptTimer:
    kept = KeptTimer(*row)
    return replace(kept, paused=bool(kept.paused))


def _chosen(muted: int | None, wake_words: str | None) -> Chosen:
    return Chosen(
        None if muted is None else bool(muted),
        None if wake_words is None else tuple(json.loads(wake_words)),
    )
