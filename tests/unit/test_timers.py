"""Timers and volume, as commands give them, on a virtual clock."""

import asyncio
import random
import sqlite3

import pytest
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from hub.home.base import HomeError, Place
from hub.home.everything import Everything
from hub.home.timers import Timers
from hub.store import Store
from protocol.control import Volume

pytestmark = pytest.mark.looptime(noop_cycles=2)


class House:
    """Satellites that may be away, and what they were told."""

    def __init__(self, *rooms):
        self.there = set(rooms)
        self.stock = set()
        self.events = []
        self.said = []
        self.home = None

    async def send(self, room, event):
        if room not in self.there:
            return False
        self.events.append((asyncio.get_running_loop().time(), room, event))
        return True

    async def send_level(self, room, event):
        return room not in self.stock and await self.send(room, event)

    async def say(self, room, text):
        self.said.append((room, text))

    def of(self, kind):
        return [kind.from_event(e) for _, _, e in self.events if kind.is_type(e.type)]

    def rang(self):
        return [room for _, room, e in self.events if TimerFinished.is_type(e.type)]

    async def open(self, path):
        self.home = Everything(path, ["en"], self.send, self.send_level, self.say)
        self.home.start()
        await self.home.ready()
        return self

    async def ask(self, text, room="Kitchen", **place):
        command = self.home.understand(text, Place(room, **place))
        assert command is not None, text
        try:
            return await command.do()
        except HomeError as error:
            return f"! {error}"


@pytest.fixture
async def house(tmp_path):
    house = await House("Kitchen", "Bedroom").open(tmp_path / "hub.db")
    yield house
    await house.home.close()


async def test_a_timer_rings_when_its_time_is_up_and_not_before(house):
    assert await house.ask("Set a timer for ten minutes.") == "Timer set for 10 minutes."
    started = house.of(TimerStarted)[0]
    assert (started.total_seconds, started.start_minutes, started.name) == (600, 10, None)
    await asyncio.sleep(599)
    assert house.rang() == []
    await asyncio.sleep(1.1)
    assert house.rang() == ["Kitchen"]
    assert house.of(TimerFinished)[0].id == started.id
    assert house.said == [("Kitchen", "Your 10 minute timer is done.")]
    assert await house.ask("How much time is left on the timer?") == "There is no timer."


async def test_many_timers_in_many_rooms_ring_each_in_its_own(house):
    await house.ask("Set a pizza timer for 12 minutes.")
    await house.ask("Set a timer for 3 minutes.", room="Bedroom")
    await house.ask("Set a timer for 2 minutes called eggs.")
    await asyncio.sleep(13 * 60)
    assert house.rang() == ["Kitchen", "Bedroom", "Kitchen"]
    assert [text for _, text in house.said] == [
        "Your eggs timer is done.",
        "Your 3 minute timer is done.",
        "Your pizza timer is done.",
    ]


async def test_a_timer_is_found_by_its_name_its_duration_or_because_it_is_the_only_one(house):
    await house.ask("Set a pizza timer for 12 minutes.")
    assert await house.ask("Cancel the timer.") == "The pizza timer is cancelled."
    await house.ask("Set a pizza timer for 12 minutes.")
    await house.ask("Set a timer for five minutes.")
    answer = await house.ask("Cancel the timer.")
    assert answer == (
        "! There are 2 timers: the 5 minute timer and the pizza timer. Say which one."
    )
    assert await house.ask("Cancel the 5 minute timer.") == "The 5 minute timer is cancelled."
    assert await house.ask("Cancel the egg timer.") == "! There is no egg timer."
    assert await house.ask("Stop the pizza timer.") == "The pizza timer is cancelled."
    assert len(house.of(TimerCancelled)) == 3
    assert await house.ask("Cancel the timer.") == "! There is no timer."


async def test_timers_of_other_rooms_are_meant_where_the_own_room_has_none(house):
    await house.ask("Set a pizza timer for 12 minutes.")
    told = await house.ask("How long is left on the pizza timer?", room="Bedroom")
    assert told == "The pizza timer in Kitchen has 12 minutes left."
    await house.ask("Set a timer for an hour.", room="Bedroom")
    assert await house.ask("Cancel the timer.", room="Bedroom") == "The 1 hour timer is cancelled."
    answer = await house.ask("Cancel the kitchen timer.", room="Bedroom")
    assert answer == "The pizza timer in Kitchen is cancelled."


async def test_time_is_added_and_taken_off(house):
    await house.ask("Set a timer for five minutes.")
    await asyncio.sleep(60)
    told = await house.ask("Add two minutes to the timer.")
    assert told == "The 5 minute timer has 6 minutes left now."
    assert house.of(TimerUpdated)[-1].total_seconds == 360
    told = await house.ask("Take one minute off the timer.")
    assert told == "The 5 minute timer has 5 minutes left now."
    told = await house.ask("Take ten minutes off the timer.")
    assert told == "! The 5 minute timer has only 5 minutes left."
    await asyncio.sleep(299)
    assert house.rang() == []
    await asyncio.sleep(1.1)
    assert house.rang() == ["Kitchen"]


async def test_a_paused_timer_waits(house):
    await house.ask("Set a timer for five minutes.")
    await asyncio.sleep(60)
    told = await house.ask("Pause the timer.")
    assert told == "The 5 minute timer is paused, with 4 minutes left."
    assert house.of(TimerUpdated)[-1].is_active is False
    await asyncio.sleep(3600)
    assert house.rang() == []
    told = await house.ask("How long is left on the timer?")
    assert told == "The 5 minute timer is paused and has 4 minutes left."
    told = await house.ask("Resume the timer.")
    assert told == "The 5 minute timer goes on, with 4 minutes left."
    await asyncio.sleep(239)
    assert house.rang() == []
    await asyncio.sleep(1.1)
    assert house.rang() == ["Kitchen"]


async def test_all_timers_of_a_room_are_cancelled_and_those_of_others_only_on_request(house):
    for minutes in (1, 2, 3):
        await house.ask(f"Set a timer for {minutes} minutes.")
    await house.ask("Set a timer for 4 minutes.", room="Bedroom")
    assert await house.ask("Cancel all timers.") == "3 timers are cancelled."
    assert len(house.home.timers.running()) == 1
    assert await house.ask("Cancel all timers.") == "! There is no timer here."
    assert await house.ask("Cancel all timers in the house.") == "Timer cancelled."


async def test_the_status_tells_the_timer_that_ends_first_at_the_front(house):
    assert await house.ask("What timers do I have?") == "There is no timer."
    await house.ask("Set a pizza timer for 12 minutes.")
    await house.ask("Set a timer for 90 seconds.")
    await asyncio.sleep(10)
    assert await house.ask("What timers do I have?") == (
        "There are 2 timers. The 1 minute 30 second timer has 1 minute and 20 seconds left, "
        "and the pizza timer has 12 minutes left."
    )


async def test_a_timer_without_a_duration_is_asked_for_it(house):
    asked = await house.ask("Set a timer.")
    assert asked == "For how long?"
    told = await house.ask("Ten minutes.", last_reply=asked)
    assert told == "Timer set for 10 minutes."
    asked = await house.ask("I need a timer for the pasta.")
    assert asked == "How long should the pasta timer run?"
    told = await house.ask("Make it nine minutes.", last_reply=asked)
    assert told == "Pasta timer set for 9 minutes."
    assert house.home.understand("Ten minutes.", Place("Kitchen")) is None


async def test_what_is_too_much_is_refused_in_words(house):
    assert "24 hours" in await house.ask("Set a timer for 25 hours.")
    assert "second" in await house.ask("Set a timer for zero seconds.")
    for _ in range(20):
        await house.ask("Set a timer for 24 hours.")
    assert await house.ask("Set a timer for one minute.") == (
        "! There are 20 timers here already, and no more fit."
    )
    assert "24 hours" in await house.ask("Add one hour to the timer.")
    assert await house.ask("Set a timer for one minute.", room="Bedroom") == (
        "Timer set for 1 minute."
    )


async def test_where_nothing_can_ring_no_timer_is_set(house):
    told = await house.ask("Set a timer for one minute.", room="a chat", satellite=False)
    assert told == "! I can't set timers here, since nothing here could ring."
    assert house.home.timers.running() == []


async def test_understanding_changes_nothing(house):
    for text in ("Set a timer for one minute.", "Volume up.", "Cancel all timers.", "Set a timer"):
        assert house.home.understand(text, Place("Kitchen")).acts
    await asyncio.sleep(120)
    assert house.events == []
    for text in ("How much time is left on the timer?", "Say that again."):
        assert not house.home.understand(text, Place("Kitchen")).acts


async def test_what_means_a_timer_only_where_there_is_one_is_else_no_command(house):
    assert house.home.understand("How much time is left?", Place("Kitchen")) is None
    assert house.home.understand("How much time is left on the pizza?", Place("Kitchen")) is None
    await house.ask("Set a pizza timer for one minute.")
    assert await house.ask("How much time is left?") == "The pizza timer has 1 minute left."
    assert await house.ask("How much time is left on the pizza?") == (
        "The pizza timer has 1 minute left."
    )


async def test_a_satellite_that_was_away_rings_when_it_is_back(house):
    await house.ask("Set a pizza timer for one minute.")
    house.there.discard("Kitchen")
    await asyncio.sleep(60 + 600)
    assert house.rang() == []
    house.there.add("Kitchen")
    await house.home.arrived("Kitchen")
    await asyncio.sleep(1)
    assert house.rang() == ["Kitchen"]
    assert house.said == [("Kitchen", "Your pizza timer ended 10 minutes ago.")]


async def test_a_satellite_that_was_away_for_an_hour_is_told_nothing(house):
    await house.ask("Set a pizza timer for one minute.")
    house.there.discard("Kitchen")
    await asyncio.sleep(60 + 3700)
    house.there.add("Kitchen")
    await house.home.arrived("Kitchen")
    await asyncio.sleep(100)
    assert house.rang() == []
    assert house.home.timers.kept() == ()


async def test_a_timer_that_rings_is_not_missed_by_who_stops_it(house):
    await house.ask("Set a timer for one minute.")
    await asyncio.sleep(62)
    assert await house.ask("Stop the timer.") == "Okay."
    assert house.of(TimerCancelled)[-1].id == house.of(TimerFinished)[-1].id
    assert await house.ask("Stop the timer.") == "! There is no timer."


async def test_one_satellite_that_takes_nothing_keeps_no_other_timer_from_ringing(house):
    blocked = asyncio.Event()
    send = house.send

    async def slow(room, event):
        if room == "Bedroom" and TimerFinished.is_type(event.type):
            await blocked.wait()
        return await send(room, event)

    house.home.timers._send = slow
    await house.ask("Set a timer for 59 seconds.", room="Bedroom")
    await house.ask("Set a timer for one minute.")
    await asyncio.sleep(61)
    assert house.rang() == ["Kitchen"]
    blocked.set()
    await asyncio.sleep(0.1)
    assert house.rang() == ["Kitchen", "Bedroom"]


# -- restarts ---------------------------------------------------------------------------------


class Wall:
    """The machine's clock, which may be set."""

    def __init__(self):
        self.offset = 1_700_000_000.0

    def __call__(self):
        return asyncio.get_running_loop().time() + self.offset


async def test_timers_run_on_through_a_restart_and_clocks_that_are_set():
    wall, house = Wall(), House("Kitchen")
    timers = Timers(house.send, house.say, lambda: None, wall)
    timers.start()
    await timers.set("Kitchen", 600, "pizza")
    paused = await timers.set("Kitchen", 300)
    await timers.pause(paused)
    wall.offset += 7200  # summer time, or a clock that was wrong
    await asyncio.sleep(100)
    kept = timers.kept()
    await timers.close()

    await asyncio.sleep(50)  # the hub is away
    again = Timers(house.send, house.say, lambda: None, wall)
    again.start(kept)
    assert {round(t.left) for t in again.running()} == {450, 300}
    await asyncio.sleep(449)
    assert house.rang() == []
    await asyncio.sleep(1.1)
    assert house.rang() == ["Kitchen"]
    await again.close()


async def test_timers_that_ended_while_the_hub_was_away_ring_at_its_start_and_say_so():
    wall, house = Wall(), House("Kitchen")
    timers = Timers(house.send, house.say, lambda: None, wall)
    timers.start()
    await timers.set("Kitchen", 60, "pizza")
    kept = timers.kept()
    await timers.close()
    await asyncio.sleep(360)
    again = Timers(house.send, house.say, lambda: None, wall)
    again.start(kept)
    await asyncio.sleep(0.1)
    assert house.rang() == ["Kitchen"]
    assert house.said == [("Kitchen", "Your pizza timer ended 5 minutes ago.")]
    await again.close()


async def test_a_clock_that_was_set_back_over_a_restart_makes_no_timer_longer():
    wall, house = Wall(), House("Kitchen")
    timers = Timers(house.send, house.say, lambda: None, wall)
    timers.start()
    await timers.set("Kitchen", 60)
    kept = timers.kept()
    await timers.close()
    wall.offset -= 86400
    again = Timers(house.send, house.say, lambda: None, wall)
    again.start(kept)
    assert round(again.running()[0].left) == 60
    await again.close()


async def test_timers_and_volumes_are_in_the_database_for_the_next_hub(tmp_path):
    path = tmp_path / "new" / "hub.db"
    first = await House("Kitchen").open(path)
    await first.ask("Set a pizza timer for 12 minutes.")
    await first.ask("Set a timer for five minutes.")
    await first.ask("Pause the 5 minute timer.")
    await first.ask("Set the volume to 40 percent.")
    await first.home.close()
    assert path.stat().st_mode & 0o777 == 0o600

    second = await House("Kitchen").open(path)
    told = await second.ask("What timers do I have?")
    assert told.startswith("There are 2 timers. The pizza timer has ")
    assert "The 5 minute timer is paused" in told or "the 5 minute timer is paused" in told
    await second.home.arrived("Kitchen")
    assert [v.level for v in second.of(Volume)] == [0.4, 0.4]  # was there at the start, came again
    await second.home.close()


async def test_a_database_that_cannot_be_read_or_written_costs_what_is_kept_and_no_timer(tmp_path):
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is no database at all" * 100)
    house = await House("Kitchen").open(path)
    assert await house.ask("Set a timer for one minute.") == "Timer set for 1 minute."
    await asyncio.sleep(61)
    assert house.rang() == ["Kitchen"]
    assert "not a database" in house.home._keeper.problem
    await house.home.close()


async def test_the_record_of_turns_lives_in_the_same_file(tmp_path):
    path = tmp_path / "hub.db"
    house = await House("Kitchen").open(path)
    await house.ask("Set a timer for one minute.")
    await house.home.close()
    store = Store(path, text=True, days=30)
    store.start()
    assert await store.turns() == []
    await store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM alarms").fetchone() == (1,)


async def test_what_is_kept_is_kept_again_each_minute_in_case_the_clock_is_set():
    wall, house, kept = Wall(), House("Kitchen"), []
    timers = Timers(house.send, house.say, lambda: kept.append(timers.kept()), wall)
    timers.start()
    await timers.set("Kitchen", 3600)
    await asyncio.sleep(30)
    wall.offset -= 5000
    await asyncio.sleep(90)
    (row,) = kept[-1]
    assert wall() - row.at <= 61
    assert row.left == pytest.approx(3600 - 120, abs=61)
    await timers.close()
    assert len(kept) < 5


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_done_to_timers_each_rings_once_and_when_it_should(seed):
    rng, wall, house = random.Random(seed), Wall(), House("A", "B")
    timers = Timers(house.send, house.say, lambda: None, wall)
    timers.start()
    due: dict[str, float] = {}  # when each is to ring, by its name
    left: dict[str, float] = {}  # of those that are paused
    now = asyncio.get_running_loop().time
    for number in range(60):
        await asyncio.sleep(rng.uniform(0, 40))
        running = timers.running()
        what = rng.choice(("set", "set", "cancel", "change", "pause", "resume", "restart"))
        timer = rng.choice(running) if running else None
        name = timer.name if timer else ""
        if what == "set" and len(running) < 20:
            seconds = rng.randint(1, 300)
            await timers.set(rng.choice("AB"), seconds, f"t{number}")
            due[f"t{number}"] = now() + seconds
        elif what == "restart":
            kept = timers.kept()
            await timers.close()
            wall.offset += rng.choice((0, 0, -3600))
            timers = Timers(house.send, house.say, lambda: None, wall)
            timers.start(kept)
        elif timer is None:
            continue
        elif what == "cancel":
            await timers.cancel([timer])
            due.pop(name, None)
            left.pop(name, None)
        elif what == "change" and timer.left > 60:
            more = rng.choice((-30, 45))
            await timers.change(timer, more)
            for times in (due, left):
                if name in times:
                    times[name] += more
        elif what == "pause" and name in due:
            await timers.pause(timer)
            left[name] = due.pop(name) - now()
        elif what == "resume" and name in left:
            await timers.resume(timer)
            due[name] = now() + left.pop(name)
    await asyncio.sleep(1000)
    started = {e.id: e.name for e in house.of(TimerStarted)}
    rang = [(started[e.data["id"]], at) for at, _, e in house.events if e.type == "timer-finished"]
    assert sorted(name for name, _ in rang) == sorted(due)
    assert all(at == pytest.approx(due[name], abs=0.5) for name, at in rang)
    assert {t.name for t in timers.running()} == set(left)
    await timers.close()


# -- volume and the rest ------------------------------------------------------------------------


async def test_the_volume_is_set_stepped_and_kept_for_a_satellite_that_comes_back(house):
    assert await house.ask("Louder!") == "! This is as loud as I get."
    assert await house.ask("Set the volume to 50%.") == "Volume 50 percent."
    assert await house.ask("Turn it up.") == "Volume 65 percent."
    assert await house.ask("Turn the volume down by 20 percent.") == "Volume 45 percent."
    assert await house.ask("Volume 3.") == "Volume 30 percent."
    assert await house.ask("Quieter.", room="Bedroom") == "Volume 85 percent."
    assert await house.ask("Set the volume to zero percent.") == "Volume 5 percent."
    assert await house.ask("Quieter, please.") == "! This is as quiet as I get."
    house.events.clear()
    await house.home.arrived("Kitchen")
    assert [v.level for v in house.of(Volume)] == [0.05]


async def test_a_satellite_of_another_maker_says_that_its_volume_cannot_be_changed(house):
    house.stock.add("Kitchen")
    told = await house.ask("Set the volume to 50%.")
    assert told == "! I can't change the volume of this satellite."
    assert await house.ask("Set a timer for one minute.") == "Timer set for 1 minute."
    assert house.home.volumes.kept() == {}


async def test_what_was_said_last_is_said_again(house):
    assert await house.ask("Say that again.", last_reply="It's noon.") == "It's noon."
    assert await house.ask("What did you say?") == "I haven't said anything yet."
    assert await house.ask("Never mind.") == ""
