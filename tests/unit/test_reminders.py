"""Alarms and reminders: which sentences set them, when they are due, and what becomes of them."""

import asyncio
import random
from datetime import datetime

import pytest
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted

from hub.home.base import HomeError, Place
from hub.home.clock_times import clock_time
from hub.home.commands import BuiltIn
from hub.home.kept import Keeper, Kept
from hub.home.reminders import CANNOT_REPEAT, REMIND
from hub.home.sentences import Sentences
from hub.home.timers import Timers
from hub.home.volume import Volumes

pytestmark = pytest.mark.looptime(noop_cycles=2)

THURSDAY = datetime(2026, 11, 26, 14, 30)


@pytest.fixture(scope="module")
def english():
    return Sentences(["en"])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("7", "Thu 19:00"),
        ("3", "Thu 15:00"),
        ("seven o'clock", "Thu 19:00"),
        ("7 am", "Fri 07:00"),
        ("7 a.m.", "Fri 07:00"),
        ("7pm", "Thu 19:00"),
        ("12 am", "Fri 00:00"),
        ("12 pm", "Fri 12:00"),
        ("7:30", "Thu 19:30"),
        ("6.45 p.m.", "Thu 18:45"),
        ("645", "Thu 18:45"),
        ("0645", "Fri 06:45"),
        ("1930", "Thu 19:30"),
        ("17:30", "Thu 17:30"),
        ("six forty-five", "Thu 18:45"),
        ("seven oh five", "Thu 19:05"),
        ("half past seven in the evening", "Thu 19:30"),
        ("a quarter to eight", "Thu 19:45"),
        ("ten past three", "Thu 15:10"),
        ("20 minutes to 8", "Thu 19:40"),
        ("seven in the morning", "Fri 07:00"),
        ("tomorrow at 7", "Fri 07:00"),
        ("7 tomorrow evening", "Fri 19:00"),
        ("tomorrow at two", "Fri 14:00"),
        ("tonight at 9", "Thu 21:00"),
        ("midnight tonight", "Fri 00:00"),
        ("one tonight", "Fri 01:00"),
        ("noon", "Fri 12:00"),
        ("on Saturday at ten", "Sat 10:00"),
        ("Monday at 9", "Mon 09:00"),
        ("today at 1", "Thu 13:00"),  # which has passed, and is refused
    ],
)
def test_times_of_day_are_read_as_they_are_said(said, meant):
    found = clock_time(said.lower())
    assert found is not None
    assert f"{found.after(THURSDAY):%a %H:%M}" == meant


@pytest.mark.parametrize("said", ["25", "7:61", "17 pm", "tomorrow", "", "1 2 3"])
def test_what_is_no_time_of_day_is_none(said):
    assert clock_time(said) is None


def test_a_time_of_day_is_always_ahead_and_never_more_than_a_week():
    rng = random.Random(5)
    for _ in range(2000):
        now = datetime(
            2026, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59)
        )
        day = rng.choice(["", " tomorrow", " on monday", " on sunday morning", " tonight"])
        found = clock_time(f"{rng.randint(1, 12)}{rng.choice(['', ' am', ' pm'])}{day}")
        if found is None or found.day == 0:
            continue
        ahead = (found.after(now) - now).total_seconds()
        assert 0 < ahead <= 7 * 86400, (now, day, found)


ALARM, REMINDER = {"what": "alarm"}, {"what": "reminder"}
CALL = {"name": "to call mum"}


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        ("Set an alarm for 7 AM.", ALARM),
        ("Set my alarm for half past six, please.", ALARM),
        ("Set an alarm to go off at 7.", ALARM),
        ("Set a 7 a.m. alarm.", ALARM),
        ("Alarm at 19:30.", ALARM),
        ("Wake me up at six thirty tomorrow.", ALARM | {"morning": True}),
        ("Can you wake me at 7?", ALARM | {"morning": True}),
        ("I need to be up at six.", ALARM | {"morning": True}),
        ("Make sure I'm up by 7.", ALARM | {"morning": True}),
        ("Remind me at 5 PM to call mum.", REMINDER | CALL),
        ("Remind me to call mum at half past five.", REMINDER | CALL),
        ("Remind me tomorrow at 9 to call mum.", REMINDER | CALL),
        ("Remind me to call mum tomorrow at 9.", REMINDER | CALL),
        ("At 5, remind me to call mum.", REMINDER | CALL),
        ("Set a reminder for 5 pm to call mum.", REMINDER | CALL),
        ("Remind me in ten minutes to call mum.", REMINDER | CALL | {"seconds": 600}),
        ("Remind me to call mum in an hour and a half.", REMINDER | CALL | {"seconds": 5400}),
        ("In 10 minutes, remind me to call mum.", REMINDER | CALL | {"seconds": 600}),
        (
            "Set a reminder to call mum in 1 hour and 5 minutes.",
            REMINDER | CALL | {"seconds": 3900},
        ),
        (
            "Remind me to take my pie out of the oven in 20 minutes.",
            REMINDER | {"name": "to take your pie out of the oven", "seconds": 1200},
        ),
        ("Don't let me forget to call mum at 5.", REMINDER | CALL),
        ("Set an alarm for 5 PM to call mum.", REMINDER | CALL),
        ("Tell me to call mum in ten minutes.", REMINDER | CALL | {"seconds": 600}),
        ("Remind me to call mum.", REMINDER | CALL),
        ("Remind me to run for ten minutes.", REMINDER | {"name": "to run for ten minutes"}),
        ("Set an alarm.", ALARM),
    ],
)
def test_alarms_and_reminders_are_recognised(english, said, slots):
    found = english.recognise(said)
    assert found is not None
    assert found.intent == REMIND
    assert {key: value for key, value in found.slots.items() if key != "at"} == slots
    wants_time = "seconds" not in slots and any(c in said for c in ("5", "7", "9", "six", "five"))
    assert ("at" in found.slots) == wants_time


@pytest.mark.parametrize(
    "said",
    [
        "Set an alarm for every day at 7.",
        "Wake me up every morning at six.",
        "Remind me to take my pills every day at 9 PM.",
        "Remind me every hour to drink.",
        "Set an alarm for 7 on weekdays.",
        "Set a daily alarm for 7.",
    ],
)
def test_what_would_have_to_repeat_is_understood_and_refused(english, said):
    found = english.recognise(said)
    assert found is not None
    assert found.intent == CANNOT_REPEAT


@pytest.mark.parametrize(
    "said",
    [
        "Who sang wake me up when September ends?",
        "Wake me up before you go-go.",
        "Remind me who wrote Hamlet.",
        "Remind me what the capital of Peru is.",
        "Remind me to call mum when I get home.",
        "Remind me about the plot of Hamlet.",
        "That reminds me of a song.",
        "Set the alarm.",
        "Arm the alarm.",
        "Why do alarm clocks ring every morning?",
        "My alarm did not go off at seven.",
        "Get me a beer at seven.",
        "The alarm woke me up at six.",
        "Should I set an alarm for seven?",
        "Set an alarm for the weekend.",
        "Set an alarm for 7 and turn off the light.",
        "Tell me to go away.",
        "I have to get up early.",
        "Wake up!",
        "I want to wake up to music at 7.",
        "Remind me what happens every day at noon.",
        "Remind me of all the birthdays.",
        "Set the table for ten and another for five minutes.",
        "Alarm.",
    ],
)
def test_what_sets_no_alarm_is_no_command(english, said):
    assert english.recognise(said) is None


class House:
    """A room with a satellite; its hub's clock shows Thursday, half past two."""

    def __init__(self, sentences):
        self.events, self.said, self.there = [], [], True
        self.offset = THURSDAY.timestamp()  # (a test's own time begins at 0)
        self.last = ""
        self.timers = Timers(self.send, self.say, lambda: None, self.wall)
        clock = lambda: datetime.fromtimestamp(self.wall())  # noqa: E731 - short
        self.home = BuiltIn(self.timers, Volumes(self.send, lambda: None), clock)
        self.home.sentences = sentences

    def wall(self):
        return asyncio.get_running_loop().time() + self.offset

    async def send(self, room, event):
        if self.there:
            self.events.append(event)
        return self.there

    async def say(self, room, text):
        self.said.append(text)

    def of(self, kind):
        return [kind.from_event(event) for event in self.events if kind.is_type(event.type)]

    async def ask(self, text, satellite=True):
        command = self.home.understand(text, Place("Kitchen", satellite, last_reply=self.last))
        if command is None:
            return None
        try:
            self.last = await command.do()
        except HomeError as error:
            self.last = f"! {error}"
        return self.last


@pytest.fixture
async def house(english):
    house = House(english)
    house.timers.start()
    yield house
    await house.timers.close()


async def test_an_alarm_rings_at_its_time_and_says_so(house):
    assert await house.ask("Set an alarm for 7 AM.") == "Alarm set for 7 AM tomorrow."
    assert house.of(TimerStarted)[0].name == "alarm"
    await asyncio.sleep(16.5 * 3600 - 1)
    assert house.said == []
    await asyncio.sleep(2)
    assert len(house.of(TimerFinished)) == 1
    assert house.said == ["It's 7 AM. This is your alarm."]


async def test_a_reminder_says_what_it_is_for(house):
    asked = "Remind me to take my pills in ten minutes."
    assert await house.ask(asked) == "I'll remind you in 10 minutes to take your pills."
    asked = "Remind me at five to call mum."
    assert await house.ask(asked) == "I'll remind you at 5 PM to call mum."
    await asyncio.sleep(3 * 3600)
    assert house.said == [
        "This is your reminder to take your pills.",
        "This is your reminder to call mum.",
    ]


async def test_a_time_that_is_missing_is_asked_for(house):
    asked = await house.ask("Remind me to call mum.")
    assert asked == "At what time should I remind you to call mum?"
    assert await house.ask("At half past five.") == "I'll remind you at 5:30 PM to call mum."
    await house.ask("Remind me to call dad.")
    assert await house.ask("In ten minutes.") == "I'll remind you in 10 minutes to call dad."
    assert await house.ask("Set an alarm.") == "For what time?"
    assert await house.ask("6:30 AM, please.") == "Alarm set for 6:30 AM tomorrow."
    await house.ask("Set an alarm.")
    assert await house.ask("Why is the sky blue?") is None


async def test_a_day_that_was_said_before_the_time_counts(house):
    asked = await house.ask("Remind me tomorrow to call mum.")
    assert asked == "At what time should I remind you to call mum tomorrow?"
    assert await house.ask("At five.") == "I'll remind you at 5 AM tomorrow to call mum."
    asked = await house.ask("Remind me to call mum this evening.")
    assert asked == "At what time should I remind you to call mum this evening?"
    assert await house.ask("Half past six.") == "I'll remind you at 6:30 PM to call mum."


async def test_several_alarms_are_set_by_one_sentence(house):
    told = await house.ask("Set an alarm for 7 AM and another one for half past 7.")
    assert told == "Alarm set for 7 AM tomorrow. Alarm set for 7:30 AM tomorrow."

    told = await house.ask("Set alarms for 6 and 7:15 tomorrow morning.")
    assert told == "Alarm set for 6 AM tomorrow. Alarm set for 7:15 AM tomorrow."


async def test_more_minutes_are_for_the_timer_that_runs_or_has_just_rung(house):
    assert await house.ask("Five more minutes.") is None
    await house.ask("Set a pizza timer for one minute.")
    assert await house.ask("Five more minutes.") == "The pizza timer has 6 minutes left now."
    await asyncio.sleep(361)
    assert await house.ask("Five more minutes, please.") == "Okay, again in 5 minutes."
    await asyncio.sleep(301)
    assert house.said == ["Your pizza timer is done."] * 2


async def test_alarms_and_timers_are_told_apart(house):
    await house.ask("Set an alarm for 7 AM.")
    await house.ask("Set a timer for ten minutes.")
    assert await house.ask("What alarms do I have?") == "The 7 AM alarm is set for 7 AM tomorrow."
    assert await house.ask("What timers do I have?") == "The 10 minute timer has 10 minutes left."
    assert await house.ask("Do I have any reminders?") == "There is no reminder."
    assert await house.ask("Cancel all timers.") == "Timer cancelled."
    assert await house.ask("Cancel the 8 AM alarm.") == "! There is no such alarm."
    assert await house.ask("Cancel the 7 AM alarm.") == "The 7 AM alarm is cancelled."
    assert await house.ask("What alarms do I have?") == "There is no alarm."
    assert await house.ask("Cancel my alarm.") is None  # so that it may be another's business


async def test_a_reminder_is_cancelled_by_what_it_is_for(house):
    await house.ask("Remind me to call mum at 5.")
    await house.ask("Remind me to feed the cat at 6.")
    several = await house.ask("Cancel my reminder.")
    assert several.startswith("! There are 2 reminders: the reminder to call mum and")
    told = await house.ask("Cancel the reminder to call mum.")
    assert told == "The reminder to call mum is cancelled."
    told = "The reminder to feed the cat is set for 6 PM."
    assert await house.ask("What reminders do I have?") == told
    assert await house.ask("Cancel all reminders.") == "Reminder cancelled."


async def test_an_alarm_follows_the_clock_when_that_is_set_and_a_reminder_in_minutes_does_not(
    house,
):
    await house.ask("Set an alarm for 5 PM.")
    await house.ask("Remind me in an hour to call mum.")
    house.offset += 2 * 3600
    await asyncio.sleep(1800 + 61)
    assert house.said == ["It's 5 PM. This is your alarm."]
    await asyncio.sleep(1800)
    assert house.said[1:] == ["This is your reminder to call mum."]


async def test_alarms_and_reminders_are_there_after_a_restart(house, english, tmp_path):
    await house.ask("Set an alarm for 5 PM.")
    await house.ask("Remind me in an hour to call mum.")
    keeper = Keeper(tmp_path / "hub.db")
    await keeper.load()
    keeper.keep(Kept(house.timers.kept()))
    await keeper.close()
    await house.timers.close()
    await asyncio.sleep(3600 + 300)  # the hub is away, and its clock is set meanwhile
    house.offset += 600
    again = Timers(house.send, house.say, lambda: None, house.wall)
    again.start((await (keeper := Keeper(tmp_path / "hub.db")).load()).timers)
    await keeper.close()
    await asyncio.sleep(0.1)
    assert house.said == ["Your reminder to call mum was due 15 minutes ago."]
    (alarm,) = again.running()
    assert alarm.label == "5 PM alarm"
    assert alarm.left == pytest.approx(2.5 * 3600 - 3600 - 300 - 600, abs=1)
    await again.close()


async def test_what_cannot_be_set_is_refused_in_words(house):
    assert await house.ask("Remind me today at 1 to call mum.") == "! That time has passed."
    told = await house.ask("Remind me every day at 5 to call mum.")
    assert told.startswith("I can't repeat alarms")
    told = "! I can't set alarms here, since nothing here could ring."
    assert await house.ask("Set an alarm for 5.", satellite=False) == told
    assert house.timers.running() == []


async def test_what_has_rung_is_snoozed(house):
    assert await house.ask("Snooze.") == "! Nothing has rung just now."
    await house.ask("Remind me in ten minutes to call mum.")
    await asyncio.sleep(601)
    assert await house.ask("Snooze for five minutes.") == "Okay, again in 5 minutes."
    assert house.of(TimerCancelled)[-1].id == house.of(TimerFinished)[-1].id
    await asyncio.sleep(301)
    assert house.said == ["This is your reminder to call mum."] * 2


async def test_stop_the_alarm_stops_what_rings_and_no_other(house):
    await house.ask("Set a timer for one minute.")
    await house.ask("Set a pizza timer for ten minutes.")
    await asyncio.sleep(62)
    told = await house.ask("Stop the alarm.")
    assert told == "Okay. The pizza timer has 8 minutes and 58 seconds left."
    assert house.of(TimerCancelled)[-1].id == house.of(TimerFinished)[-1].id
    assert await house.ask("Stop the timer.") == "The pizza timer is cancelled."


async def test_several_timers_are_set_by_one_sentence(house):
    told = await house.ask("Set a pasta timer for 8 minutes and another one for 20.")
    assert told == "Pasta timer set for 8 minutes. Timer set for 20 minutes."
    assert [round(timer.seconds) for timer in house.timers.running()] == [480, 1200]
    told = await house.ask("Set a timer for 5 minutes and another one for 30 hours.")
    assert told == "Timer set for 5 minutes. I can't set timers for more than 24 hours."


async def test_a_timer_is_restarted(house):
    await house.ask("Set a timer for ten minutes.")
    await asyncio.sleep(300)
    assert (
        await house.ask("Restart the timer.")
        == "The 10 minute timer starts again, with 10 minutes."
    )
    await asyncio.sleep(599)
    assert house.said == []
    await asyncio.sleep(2)
    assert house.said == ["Your 10 minute timer is done."]


async def test_a_satellite_that_reconnects_while_its_timer_ends_rings_at_once(house):
    send, blocked = house.send, asyncio.Event()

    async def old_connection(room, event):
        if TimerFinished.is_type(event.type) and not blocked.is_set():
            await blocked.wait()
            return False  # it was lost meanwhile
        return await send(room, event)

    house.timers._send = old_connection
    await house.ask("Set a timer for one minute.")
    await asyncio.sleep(61)
    house.timers.arrived("Kitchen")  # on a new connection
    blocked.set()
    await asyncio.sleep(0.1)
    assert len(house.of(TimerFinished)) == 1
    assert len(house.said) == 1


async def test_the_volume_is_told_muted_and_unmuted(house):
    await house.ask("Volume 70 percent.")
    assert await house.ask("Mute yourself.") == "Volume 5 percent."
    assert await house.ask("Mute.") == "Volume 5 percent."
    assert await house.ask("and mute.") == "Volume 70 percent."  # as Whisper writes "unmute"
    assert await house.ask("Unmute.") == "Volume 70 percent."
    assert await house.ask("What's the volume?") == "Volume 70 percent."
