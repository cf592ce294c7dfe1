"""The record of turns: what it keeps, and that a disk which fails never costs a turn."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hub.conversation.turn import Mark, Outcome, Turn
from hub.live.turn_view import spans_of
from hub.store import Store
from protocol.audio import PcmFormat

ROOT = Path(__file__).resolve().parents[2]


def a_turn(said="what is the capital of france", reply="Paris.", room="kitchen"):
    turn = Turn(room)
    for mark in (Mark.WAKE, Mark.SPEECH_START, Mark.SPEECH_END, Mark.TRANSCRIPT):
        turn.mark(mark)
    turn.transcript = said
    turn.playback.begin_clause(reply, PcmFormat(24000, 2, 1))
    turn.playback.sent(bytes(48000))
    turn.playback.end_clause()
    turn.playback.finish()
    turn.end(Outcome.ANSWERED)
    return turn


async def recorded(store, *turns):
    """Run a store until it has written `turns`."""
    store.start()
    for turn in turns:
        store.add(turn)
    await store.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "hub.db"


async def test_a_turn_is_kept_with_its_text_and_times(path):
    store, turn = Store(path, text=True, days=30), a_turn()
    began = time.time()
    await recorded(store, turn)
    (row,) = await store.turns()
    assert (row.id, row.room, row.outcome) == (turn.id, "kitchen", "answered")
    assert (row.said, row.heard) == ("what is the capital of france", "Paris.")
    assert [tuple(stage) for stage in row.stages] == turn.record.stages()
    assert row.began == pytest.approx(began, abs=5)
    assert store.problem == ""


async def test_the_newest_come_first_and_no_more_than_asked_for(path):
    store, turns = Store(path, text=True, days=30), [a_turn(said=str(i)) for i in range(5)]
    for number, turn in enumerate(turns):
        turn.record.marks = {Mark.WAKE: 0.0, Mark.DONE: 10.0 - number}
    await recorded(store, *turns)
    assert [row.said for row in await store.turns(limit=2)] == ["4", "3"]


async def test_nobody_else_can_read_it(path):
    await recorded(Store(path, text=True, days=30), a_turn())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["hub.db"]


async def test_where_text_is_off_no_word_reaches_the_disk(path):
    store = Store(path, text=False, days=30)
    await recorded(store, a_turn(said="my secret question", reply="my secret answer"))
    (row,) = await store.turns()
    assert row.said is row.heard is None
    assert b"secret" not in path.read_bytes()


async def test_closing_writes_what_waits(path):
    store = Store(path, text=True, days=30)
    await recorded(store, *(a_turn(said=str(i)) for i in range(20)))
    assert len(await store.turns(limit=1000)) == 20


async def holds(store, *said):
    """Wait until the store holds these turns alone, newest first."""
    async with asyncio.timeout(30):
        while [row.said for row in await store.turns(1000)] != list(said):
            await asyncio.sleep(0.02)


def make_older(path, said):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE turns SET began = began - 31 * 86400 WHERE said = ?", (said,))


async def test_a_hub_that_starts_deletes_old_turns(path):
    await recorded(Store(path, text=True, days=30), a_turn(said="old"), a_turn(said="new"))
    make_older(path, "old")
    store = Store(path, text=True, days=30)
    store.start()
    await holds(store, "new")
    await store.close()


async def test_a_hub_that_runs_for_months_deletes_old_turns_too(path):
    store = Store(path, text=True, days=30)
    store.start()
    store.add(a_turn(said="old"))
    await holds(store, "old")
    make_older(path, "old")
    store.add(a_turn(said="new"))
    await holds(store, "new")
    await store.close()


async def test_a_corrupt_database_is_a_problem_in_words_and_no_more(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database, " * 500)
    store = Store(path, text=True, days=30)
    await recorded(store, a_turn())
    assert "not a database" in store.problem
    with pytest.raises(OSError, match="not a database"):
        await store.turns()
    assert path.read_bytes().startswith(b"this is no database")  # kept for its owner to look at


@pytest.mark.parametrize("what", ["a file where its folder should be", "a folder in its place"])
async def test_a_place_that_cannot_be_written_is_a_problem_in_words_and_no_more(path, what):
    if what == "a file where its folder should be":
        path.parent.write_text("in the way")
    else:
        path.mkdir(parents=True)
    store = Store(path, text=True, days=30)
    await recorded(store, a_turn())
    assert store.problem
    with pytest.raises(OSError, match=r"hub\.db|exists|unable to open"):
        await store.turns()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_folder_is_a_problem_in_words_and_no_more(path):
    path.parent.mkdir(mode=0o500)
    store = Store(path, text=True, days=30)
    await recorded(store, a_turn())
    assert "Permission denied" in store.problem


async def test_text_that_is_no_unicode_costs_its_turn_alone(path):
    store = Store(path, text=True, days=30)
    await recorded(store, a_turn(said="half a pair: \ud800"), a_turn(said="whole"))
    assert [row.said for row in await store.turns()] == ["whole"]


async def test_a_disk_that_does_not_keep_up_loses_turns_and_blocks_nobody(path):
    store = Store(path, text=True, days=30)  # not started: nothing is taken out of its queue
    for number in range(300):
        store.add(a_turn(said=str(number)))
    assert store.problem == "the disk does not keep up"
    store.start()
    async with asyncio.timeout(120):
        while store.problem or len(await store.turns(limit=1000)) < 256:
            await asyncio.sleep(0.1)
    await store.close()
    assert {row.said for row in await store.turns(1000)} == {str(i) for i in range(256)}


async def test_closing_a_store_that_never_started_is_fine(path):
    await Store(path, text=True, days=30).close()


def test_a_full_disk_costs_the_history_until_there_is_space_again(path):
    program = """
import asyncio, resource, sys
from pathlib import Path
sys.path.insert(0, "tests/unit")
from test_store import a_turn
from hub.store import Store
from hub.live.turn_view import spans_of

def limit(n):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))

async def main():
    path = Path(sys.argv[1])
    store = Store(path, text=True, days=30)
    store.start()
    async def write(text):
        store.add(a_turn(said=text))
        await store._queue.join()
    await write("before")
    print("before:", store.problem or "well")
    limit(path.stat().st_size)
    await write("lost " * 5000)
    print("full:", store.problem or "well")
    limit(resource.RLIM_INFINITY)
    await write("after")
    print("after:", store.problem or "well")
    await store.close()
    print([row.said for row in await store.turns()])
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "before: well"
    assert lines[1] in ("full: database or disk is full", "full: disk I/O error")
    assert lines[2:] == ["after: well", "['after', 'before']"]
    assert "no history of turns" in done.stderr
    assert "lost" not in done.stderr


async def test_turns_are_found_by_room_and_by_time(path):
    store = Store(path, text=True, days=30)
    some = [a_turn(room=room) for room in ("kitchen", "hall", "kitchen", "hall")]
    for age, turn in zip((40, 30, 20, 10), some, strict=True):
        turn.began -= age
    await recorded(store, *some)
    assert [row.id for row in await store.turns(room="hall")] == [some[3].id, some[1].id]
    older = await store.turns(before=some[2].began)
    assert [row.id for row in older] == [some[1].id, some[0].id]
    found = await store.turn(some[1].id)
    assert found.room == "hall"
    assert await store.turn("unknown") is None


async def test_a_turn_is_kept_with_where_its_time_went(path):
    store, turn = Store(path, text=True, days=30), a_turn()
    await recorded(store, turn)
    (row,) = await store.turns()
    assert row.reply == "Paris."
    assert row.marks.keys() == {mark.value for mark in turn.record.marks}
    assert row.spans == spans_of(turn)
    assert "speech" in {span.stage for span in row.spans}


async def test_statistics_are_of_the_last_hours_and_of_what_was_asked(path):
    store = Store(path, text=True, days=30)
    some = [Turn("kitchen", lambda: 0.0) for _ in range(21)]
    for number, turn in enumerate(some):
        marks = turn.record.marks
        marks[Mark.WAKE], marks[Mark.SPEECH_END] = 0.0, 1.0
        marks[Mark.TRANSCRIPT] = 1.5
        marks[Mark.FIRST_AUDIO_SENT] = 2.0 + number / 10
        turn.end(Outcome.ANSWERED)
    some[0].began -= 7200  # too long ago
    some[1].outcome = Outcome.FAILED
    some[2].announcement = True
    some[3].outcome = Outcome.NOTHING_SAID
    await recorded(store, *some)
    found = await store.statistics(1)
    assert (found.turns, found.failed) == (18, 1)
    assert found.answer.count == 18
    assert found.answer.p50 == pytest.approx(2.2, abs=0.11)
    assert found.answer.p95 == pytest.approx(2.9, abs=0.11)
    assert found.stages["end of speech to transcript"].p50 == pytest.approx(0.5)
    empty = await Store(path.with_name("other.db"), text=True, days=30).statistics(1)
    assert (empty.turns, empty.answer, empty.stages) == (0, None, {})


async def test_what_is_erased_is_not_in_the_file_any_more(path):
    store = Store(path, text=True, days=30)
    store.start()
    store.add(a_turn(said="my secret question"))
    await store.erase()
    await store.close()
    assert await store.turns() == []
    assert b"secret" not in path.read_bytes()


async def test_a_database_of_an_older_version_is_read_and_written(path):
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        old.execute(
            "CREATE TABLE turns (id TEXT PRIMARY KEY, room TEXT NOT NULL, began REAL NOT NULL, "
            "outcome TEXT NOT NULL, said TEXT, heard TEXT, stages TEXT NOT NULL) STRICT"
        )
        old.execute(
            "INSERT INTO turns VALUES ('old', 'hall', ?, 'answered', 'a', 'b', '[]')",
            (time.time() - 100,),
        )
    store = Store(path, text=True, days=30)
    await recorded(store, a_turn())
    new, old = await store.turns()
    assert (old.id, old.spans, old.reply, old.announcement) == ("old", (), None, False)
    assert new.spans
