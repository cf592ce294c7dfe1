"""Whatever people do, what was prepared for less than they said leaves no trace.

Random conversations on a virtual clock: people pause, go on, cough, and interrupt, and the engines
take their time. The model answers "You said ..." with what it was given, so that each text shows
which words it belongs to.
"""

import asyncio
import sqlite3
from dataclasses import dataclass

import looptime
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import Bench, ScriptedLlm, ScriptedStt, SimulatedSatellite, Speech, sound_of

from hub.config import Settings, TurnSettings
from hub.conversation.turn import Outcome
from hub.store import Store

WORD_SECONDS = 0.25
ROOMS = ("kitchen", "bedroom")


@dataclass(frozen=True)
class Part:
    """Some words (0: a cough) after a pause of so many seconds."""

    words: int
    pause: float
    finished: bool


@dataclass(frozen=True)
class Said:
    """One turn: its parts, and after how many seconds the next one begins; None: at its end."""

    parts: tuple[Part, ...]
    next_after: float | None


parts = st.builds(
    Part,
    words=st.integers(0, 6),
    pause=st.sampled_from([0.05, 0.12, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5]),
    finished=st.booleans(),
)
turns = st.builds(
    Said,
    parts=st.lists(parts, min_size=1, max_size=4).map(tuple),
    next_after=st.none() | st.floats(0.2, 8.0),
)
conversations = st.lists(turns, min_size=1, max_size=3)
seconds = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.4, 0.9])


def timeline_of(said: Said, names: list[int]) -> list[Speech]:
    at, lines = 0.4, []
    for part in said.parts:
        at += part.pause
        end = at + max(part.words, 1) * WORD_SECONDS
        text = " ".join(f"word{names.pop()}" for _ in range(part.words))
        lines.append(Speech(at, end, text, part.finished))
        at = end
    return lines


async def converse(bench: Bench, room: str, conversation, names, begun) -> None:
    for said in conversation:
        satellite, timeline = SimulatedSatellite(), timeline_of(said, names)
        turn = await bench.room(room).begin(satellite, sound_of(timeline))
        begun.append((turn, satellite, timeline))
        if said.next_after is not None:
            await asyncio.sleep(said.next_after)
        else:
            async with asyncio.timeout(300):
                while not turn.ended:
                    await asyncio.sleep(0.05)
    await bench.room(room).stop(Outcome.GONE)


async def live(bench: Bench, conversations) -> list:
    begun: list = []
    names = list(range(1000, 0, -1))  # every word is said once
    await asyncio.gather(
        *(converse(bench, *each, names, begun) for each in zip(ROOMS, conversations, strict=True))
    )
    await bench.rooms.close()
    return begun


def echo(said: str) -> str:
    return f"You said {said}. That is all."


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    conversations=st.tuples(conversations, conversations),
    stt=seconds,
    first=seconds,
    each=st.sampled_from([0.002, 0.02, 0.1]),
    looking=seconds,
)
def test_no_speculative_text_in_memory_store_or_speech(
    tmp_path_factory, conversations, stt, first, each, looking
):
    bench = Bench(stt=ScriptedStt(seconds=stt), llm=ScriptedLlm(first=first, each=each))
    bench.llm.answer = echo
    bench.turn.seconds = looking
    bench.settings = msgspec.structs.replace(Settings(), turn=TurnSettings())

    async def evening():
        await bench.open()
        return await live(bench, conversations)

    loop = looptime.new_event_loop(noop_cycles=2, _enabled=True)
    try:
        begun = loop.run_until_complete(evening())
    finally:
        loop.close()

    path = tmp_path_factory.mktemp("store") / "hub.db"
    store = Store(path, text=True, days=30)
    for turn in bench.ended:
        store.add(turn)
        store._insert(store._queue.get_nowait())
    with sqlite3.connect(path) as database:
        stored = {row[0]: row[1:] for row in database.execute("SELECT id, said, heard FROM turns")}
    assert set(stored) == {turn.id for turn, _, _ in begun}

    for turn, satellite, timeline in begun:
        # What is answered is the beginning of what was said, up to a pause, and never less than
        # what had been said when it was.
        wholes = [" ".join(line.text for line in timeline[:n] if line.text) for n in range(1, 9)]
        assert turn.transcript.rstrip(".") in ("", *wholes)
        said, heard = stored[turn.id]
        assert said == turn.transcript
        assert echo(turn.transcript).startswith(heard)
        for text in (*satellite.texts("clause"), *(t for _, t in confirmed_steps(bench, turn))):
            assert text.strip() in echo(turn.transcript)
        assert satellite.texts("transcript") in ([], [turn.transcript])
        if turn.transcript:
            confirmed = turn.record.marks["confirmed"]
            began = satellite.events[0][0]
            late = [line for line in timeline if line.text and began + line.end < confirmed - 0.4]
            assert all(line.text in turn.transcript for line in late)
    for room in ROOMS:
        transcripts = {turn.transcript for turn, _, _ in begun if turn.room == room}
        for exchange in bench.room(room).memory.exchanges:
            assert exchange.user in transcripts
            assert echo(exchange.user).startswith(exchange.assistant)
            assert exchange.interrupted or exchange.assistant == echo(exchange.user)
    assert bench.llm.work.running == 0


def confirmed_steps(bench: Bench, turn) -> list[tuple[str, str]]:
    return [(step, text) for who, step, text in bench.told if who == turn.id and step == "clause"]
