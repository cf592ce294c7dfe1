"""What is told of turns, rooms and engines as they go on, to however many readers."""

import asyncio

import msgspec
import pytest
from scripted import (
    Bench,
    ScriptedEndOfTurn,
    ScriptedLlm,
    SimulatedSatellite,
    Speech,
    now,
    sound_of,
)

from hub.conversation.pipeline import Pipeline
from hub.conversation.room import Rooms
from hub.conversation.turn import Outcome
from hub.engines.base import EngineError
from hub.live.live import Live
from hub.live.state import (
    EngineView,
    HubView,
    Level,
    RoomChanged,
    Snapshot,
    TimersChanged,
    TimerView,
    TurnChanged,
    TurnSound,
)

pytestmark = pytest.mark.looptime(noop_cycles=2)


class Told:
    """What a hub would tell of itself."""

    def __init__(self):
        self.engine = EngineView("llm", "scripted", "ready", "", "", "cpu", 1.0, 0, 0, True)
        self.timer = TimerView("1", "Hall", "timer", "", 60.0, 60.0, False, 1000.0)
        self.all_timers = []

    def hub(self):
        return HubView("Parlour", "1", 0.0, True, [], "", False)

    def engines(self):
        return [self.engine]

    def timers(self):
        return list(self.all_timers)

    def settings(self):
        return []

    def sound_of(self, turn):
        return TurnSound(False, False)


class House:
    """A bench whose turns are followed."""

    def __init__(self, **options):
        self.bench = Bench(**options)
        self.told = Told()
        self.live = Live(self.told)

    async def __aenter__(self):
        bench = await self.bench.open()
        bench.pipeline = Pipeline(bench.engines, bench.settings, self.live.step, bench.home)
        bench.rooms = Rooms(bench.pipeline, bench.settings.memory, self.live.ended)
        self.live.start()
        self.live.room_arrived("kitchen", "satellite", ["volume"])
        return self

    async def __aexit__(self, *_):
        await self.live.close()

    def read(self, events):
        """Note all that is told from now on."""
        subscription = self.live.subscribe()

        async def reading():
            while True:
                events.append((now(), await subscription.next()))

        return asyncio.create_task(reading())


async def turn_of(house, *timeline):
    turn, _ = await house.bench.say(*timeline)
    await asyncio.sleep(0.5)
    return turn


async def test_a_turn_is_told_from_its_first_word_to_its_last_in_order():
    async with House(turn=ScriptedEndOfTurn()) as house:
        events = []
        reading = house.read(events)
        await turn_of(house, Speech(0.5, 3.5, "what is the capital of france my dear friend"))
        reading.cancel()
    first = events[0][1]
    assert isinstance(first, Snapshot)
    assert [room.name for room in first.rooms] == ["kitchen"]
    views = [event.turn for _, event in events if isinstance(event, TurnChanged)]
    states = list(dict.fromkeys(view.state for view in views))
    assert states == ["listening", "thinking", "speaking", "ended"]
    partials = list(dict.fromkeys(view.partial for view in views if view.partial))
    assert partials, "nothing was told while they spoke"
    assert views[-1].said == "what is the capital of france my dear friend."
    assert views[-1].outcome == "answered"
    assert views[-1].heard == " ".join(clause.text for clause in views[-1].reply)
    heard = [len(view.heard) for view in views]
    assert heard == sorted(heard)
    assert len({view.heard for view in views}) > 2, "it is told as it is heard"
    rooms = [event.room.state for _, event in events if isinstance(event, RoomChanged)]
    assert list(dict.fromkeys(rooms)) == ["listening", "thinking", "speaking", "idle"]


async def test_the_spans_of_a_turn_say_where_its_time_went():
    async with House(turn=ScriptedEndOfTurn()) as house:
        turn = await turn_of(house, Speech(0.5, 1.5, "what is the capital of france"))
        view = house.live.turn(turn.id)
    stages = {span.stage for span in view.spans}
    assert {"speech", "transcribe", "end_of_turn", "write", "speak", "play"} <= stages
    assert all(span.end is not None and span.end >= span.begin for span in view.spans)
    assert max(span.end for span in view.spans) <= view.marks["done"] + 0.001
    assert not any(span.dropped for span in view.spans if span.stage in ("write", "speak"))
    assert any(span.speculative for span in view.spans if span.stage == "transcribe")


async def test_speculation_that_was_thrown_away_is_shown_as_such():
    async with House() as house:
        turn = await turn_of(
            house, Speech(0.5, 1.5, "what is the"), Speech(2.0, 3.0, "capital of france")
        )
        view = house.live.turn(turn.id)
    dropped = [span for span in view.spans if span.dropped]
    assert {"transcribe", "write"} <= {span.stage for span in dropped}
    kept = [span.stage for span in view.spans if not span.dropped]
    assert {"transcribe", "write", "speak"} <= set(kept)
    assert view.said == "what is the capital of france."
    assert all(clause.sent for clause in view.reply)


async def test_what_was_written_is_told_before_it_is_sent_and_what_was_cut_off_remains():
    async with House(llm=ScriptedLlm("one thing. two things. three things. four things.")) as house:
        satellite, room = SimulatedSatellite(), house.bench.room()
        turn = await room.begin(satellite, sound_of([Speech(0.2, 1.0, "tell me")]))
        while not turn.playback.heard():
            await asyncio.sleep(0.02)
        view = house.live.turn(turn.id)
        assert view.state == "speaking"
        await room.stop(Outcome.INTERRUPTED)
        view = house.live.turn(turn.id)
    assert view.outcome == "interrupted"
    reply = " ".join(clause.text.strip() for clause in view.reply)
    assert reply.startswith(view.heard)
    assert len(view.heard) < len(reply)


async def test_a_failure_is_told_with_its_reason():
    async with House() as house:
        house.bench.llm.error = EngineError("out of memory")
        turn = await turn_of(house, Speech(0.5, 1.5, "what is the capital of france"))
        view = house.live.turn(turn.id)
    assert view.outcome == "failed"
    assert view.problem == "out of memory"


async def test_a_reader_that_is_too_slow_gets_a_new_snapshot_and_keeps_nothing_up():
    async with House() as house:
        subscription = house.live.subscribe()
        assert isinstance(await subscription.next(), Snapshot)
        for volume in range(1000):
            house.live.room_status("kitchen", volume=volume / 1000)
        event = await subscription.next()
        assert isinstance(event, Snapshot)
        assert event.rooms[0].volume == 0.999
        house.live.room_status("kitchen", muted=True)
        event = await subscription.next()
        assert isinstance(event, RoomChanged)
        assert event.room.state == "muted"


async def test_engines_and_timers_are_told_when_they_change_and_only_then():
    async with House() as house:
        events = []
        reading = house.read(events)
        await asyncio.sleep(2)
        before = len(events)
        await asyncio.sleep(5)
        assert len(events) == before, "nothing changed"
        house.told.engine = msgspec.structs.replace(house.told.engine, state="failed", reason="no")
        house.told.all_timers = [house.told.timer]
        await asyncio.sleep(1)
        house.told.all_timers = [msgspec.structs.replace(house.told.timer, left=50.0)]
        await asyncio.sleep(1)
        reading.cancel()
    news = [event for _, event in events[before:]]
    assert [type(event).__name__ for event in news] == ["EngineChanged", "TimersChanged"]
    assert isinstance(news[1], TimersChanged)


async def test_levels_are_told_ten_times_a_second_at_most_and_to_nobody_without_readers():
    async with House() as house:
        house.live.heard("kitchen", b"\x00\x40" * 320)
        events = []
        reading = house.read(events)
        await asyncio.sleep(0.1)
        for _ in range(100):
            house.live.heard("kitchen", b"\x00\x40" * 320)
        house.live.heard("attic", b"\x00\x40" * 320)  # nobody's
        house.live.heard("kitchen", b"\x00")  # half a sample
        await asyncio.sleep(0.1)
        reading.cancel()
    levels = [event for _, event in events if isinstance(event, Level)]
    assert 1 <= len(levels) <= 3
    assert all(event.room == "kitchen" and 0.85 < event.level < 0.95 for event in levels)


async def test_rooms_keep_their_last_turns_and_conversations_in_writing_make_place():
    async with House() as house:

        async def ignore(_):
            pass

        for number in range(30):
            await house.bench.room(f"writing {number}").answer("hello there", ignore)
        for _ in range(25):
            await house.bench.room("writing 29").answer("hello there", ignore)
        rooms = house.live.rooms()
        turns = house.live.snapshot().turns
    assert sum(room.kind == "text" for room in rooms) == 16
    assert sum(turn.room == "writing 29" for turn in turns) == 20


async def test_a_satellite_that_leaves_is_offline_and_a_tab_is_forgotten():
    gone = []
    live = Live(Told(), gone.append)
    live.start()
    for name, kind in (("Hall", "satellite"), ("Browser", "tab")):
        live.room_arrived(name, kind)
        live.room_left(name)
    assert [room.state for room in live.rooms()] == ["offline", "offline"]
    await asyncio.sleep(500)
    live.room_arrived("Browser", "tab")  # reloaded
    await asyncio.sleep(900)
    assert [room.name for room in live.rooms()] == ["Browser", "Hall"]
    live.room_left("Browser")
    await asyncio.sleep(900)
    assert [room.name for room in live.rooms()] == ["Hall"]
    assert gone == ["Browser"]
    await live.close()


async def test_history_that_is_erased_is_shown_no_more():
    async with House() as house:
        await turn_of(house, Speech(0.5, 1.5, "what is the capital of france"))
        assert house.live.snapshot().turns
        house.live.erased()
        assert not house.live.snapshot().turns
