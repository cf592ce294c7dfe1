"""What Parlour does without Home Assistant: timers, alarms, volume, the time, repeat."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from hub.conversation.about_now import about_now, time_of
from hub.home.base import Command, HomeError, Place
from hub.home.english import clock, duration, in_seconds, plain
from hub.home.phrases import REPEAT, RESTART, SNOOZE, UNMUTE, VOLUME
from hub.home.recognised import Recognised
from hub.home.reminders import CANNOT_REPEAT, REMIND, answer
from hub.home.sentences import Sentences
from hub.home.timers import Timer, Timers, about
from hub.home.volume import Volumes

_HOW_LONG = "For how long?"
_HOW_LONG_NAMED = re.compile(r"How long should the (.+) timer run\?$")
_ONLY_A_DURATION = re.compile(
    r"(?:for |to |make it |set it (?:for|to) )?(\d+) seconds(?: from now)?"
)
_WHAT_TIME = "For what time?"
_WHEN_REMINDED = re.compile(r"At what time should I remind you(?: (.+))?\?$")
_SNOOZE = 600.0  # seconds
_QUIET = frozenset(
    {"HassTimerStatus", "HassGetCurrentTime", "HassGetCurrentDate", REPEAT, CANNOT_REPEAT}
)
_MOST_TOLD = 5  # timers; nobody listens to more

Do = Callable[[Recognised, Place], Awaitable[str | None]]


class BuiltIn:
    """The built-in commands.

    Args:
        timers: the hub's.
        volumes: the rooms'.
        clock: the local time.
    """

    def __init__(
        self, timers: Timers, volumes: Volumes, clock: Callable[[], datetime] = datetime.now
    ) -> None:
        self.sentences: Sentences | None = None  # until they are loaded
        self._timers = timers
        self._volumes = volumes
        self._clock = clock
        self._does: dict[str, Do] = {
            "HassStartTimer": self._start,
            "HassCancelTimer": self._cancel,
            "HassCancelAllTimers": self._cancel_all,
            "HassIncreaseTimer": self._increase,
            "HassDecreaseTimer": self._decrease,
            "HassPauseTimer": self._pause,
            "HassUnpauseTimer": self._resume,
            "HassTimerStatus": self._status,
            RESTART: self._restart,
            SNOOZE: self._snooze,
            REMIND: self._remind,
            CANNOT_REPEAT: self._cannot_repeat,
            VOLUME: self._volume,
            UNMUTE: self._unmute,
            "HassSetVolume": self._set_volume,
            "HassSetVolumeRelative": self._step_volume,
            "HassGetCurrentTime": self._time,
            "HassGetCurrentDate": self._date,
            "HassNevermind": self._nothing,
            REPEAT: self._repeat,
        }

    def understand(self, text: str, place: Place) -> Command | None:
        """Return the command that `text` is, or None; without any effect."""
        found = self._answer_to(place.last_reply, text)
        if found is None and self.sentences is not None:
            found = self.sentences.recognise(text)
        if found is None or (found.needs and not self._is_there(found, place)):
            return None
        does, asked = self._does[found.intent], found
        return Command(found.intent, found.intent not in _QUIET, lambda: does(asked, place))

    def _is_there(self, found: Recognised, place: Place) -> bool:
        """Tell whether there is anything that a sentence may mean."""
        if found.name and found.needs == "timer":
            return found.name in self._timers.names
        return bool(self._timers.running(what=self._kind(found)) or self._timers.rang(place.room))

    def _kind(self, asked: Recognised) -> str:
        """Return what is meant; where there is no alarm, timers are called so, too."""
        if asked.what == "alarm" and not self._timers.running(what="alarm"):
            return "timer"
        return asked.what

    @staticmethod
    def _answer_to(question: str, text: str) -> Recognised | None:
        """Take a duration, or a time, alone for the answer to "For how long?"."""
        if (reminded := _WHEN_REMINDED.search(question)) is not None:
            return answer(plain(text), "reminder", reminded[1] or "")
        if question.endswith(_WHAT_TIME):
            return answer(plain(text), "alarm", "")
        named = _HOW_LONG_NAMED.search(question)
        if named is None and not question.endswith(_HOW_LONG):
            return None
        said = _ONLY_A_DURATION.fullmatch(in_seconds(plain(text)))
        if said is None:
            return None
        slots = {"seconds": float(said[1]), **({"name": named[1]} if named else {})}
        return Recognised("HassStartTimer", slots)

    # -- timers -------------------------------------------------------------------------------

    async def _start(self, asked: Recognised, place: Place) -> str:
        if not place.satellite:
            raise HomeError("I can't set timers here, since nothing here could ring.")
        if asked.seconds is None:
            paused = [t for t in self._timers.running(place.room) if t.paused]
            if len(paused) == 1 and not asked.name:
                return await self._resumed(paused[0], place)
            return f"How long should the {asked.name} timer run?" if asked.name else _HOW_LONG
        return await _each(asked, place, self._start_once)

    async def _start_once(self, asked: Recognised, place: Place) -> str:
        timer = await self._timers.set(place.room, asked.seconds or 0, asked.name)
        kind = f"{timer.name} timer" if timer.name else "Timer"
        return f"{_capital(kind)} set for {duration(timer.seconds)}."

    async def _cancel(self, asked: Recognised, place: Place) -> str:
        specific = asked.name or asked.start_seconds is not None or "at" in asked.slots
        if not specific and await self._timers.hush(place.room):
            here = self._timers.running(place.room, self._kind(asked))
            return f"Okay. {self._all_told(here, place)}" if here else "Okay."
        timer = self._find(asked, place)
        await self._timers.cancel([timer])
        return f"{self._the(timer, place)} is cancelled."

    async def _cancel_all(self, asked: Recognised, place: Place) -> str:
        kind, everywhere = self._kind(asked), asked.slots.get("everywhere") or not place.satellite
        hushed = await self._timers.hush(place.room)
        timers = self._timers.running(None if everywhere else place.room, kind)
        if not timers and hushed:
            return "Okay."
        if not timers:
            raise HomeError(f"There is no {kind}." if everywhere else f"There is no {kind} here.")
        await self._timers.cancel(timers)
        if len(timers) == 1:
            return f"{_capital(kind)} cancelled."
        return f"{len(timers)} {kind}s are cancelled."

    async def _increase(self, asked: Recognised, place: Place) -> str:
        return await self._changed(asked, place, asked.seconds or 0)

    async def _decrease(self, asked: Recognised, place: Place) -> str:
        return await self._changed(asked, place, -(asked.seconds or 0))

    async def _changed(self, asked: Recognised, place: Place, seconds: float) -> str:
        if seconds > 0 and not self._timers.running() and self._timers.rang(place.room):
            return await self._snooze(asked, place)
        timer = self._find(asked, place)
        await self._timers.change(timer, seconds)
        return f"{self._the(timer, place)} has {about(timer.left)} left now."

    async def _pause(self, asked: Recognised, place: Place) -> str:
        timer = self._find(asked, place)
        await self._timers.pause(timer)
        return f"{self._the(timer, place)} is paused, with {about(timer.left)} left."

    async def _resume(self, asked: Recognised, place: Place) -> str:
        if not asked.name and asked.start_seconds is None:
            paused = [t for t in self._timers.running(place.room) if t.paused]
            if len(paused) == 1:
                return await self._resumed(paused[0], place)
        return await self._resumed(self._find(asked, place), place)

    async def _resumed(self, timer: Timer, place: Place) -> str:
        await self._timers.resume(timer)
        return f"{self._the(timer, place)} goes on, with {about(timer.left)} left."

    async def _restart(self, asked: Recognised, place: Place) -> str:
        timer = self._find(asked, place)
        await self._timers.resume(timer)
        await self._timers.change(timer, timer.seconds - timer.left)
        return f"{self._the(timer, place)} starts again, with {about(timer.left)}."

    async def _snooze(self, asked: Recognised, place: Place) -> str:
        if (rang := self._timers.rang(place.room)) is None:
            raise HomeError("Nothing has rung just now.")
        await self._timers.hush(place.room)
        what = "reminder" if rang.what == "reminder" else "timer"
        timer = await self._timers.set(place.room, asked.seconds or _SNOOZE, rang.name, what)
        return f"Okay, again in {duration(timer.seconds)}."

    async def _status(self, asked: Recognised, place: Place) -> str:
        kind = self._kind(asked)
        if asked.name or asked.start_seconds is not None:
            timers = [self._find(asked, place)]
        else:
            timers = self._timers.running(place.room, kind) or self._timers.running(what=kind)
        return self._all_told(timers, place) if timers else f"There is no {asked.what}."

    def _all_told(self, timers: Sequence[Timer], place: Place) -> str:
        told = [self._told(timer, place) for timer in timers[:_MOST_TOLD]]
        if len(timers) == 1:
            return f"{_capital(told[0])}."
        more = "" if len(timers) <= _MOST_TOLD else " The first ones:"
        said = ", ".join(told[:-1]) + f", and {told[-1]}"
        return f"There are {len(timers)} {timers[0].what}s.{more} {_capital(said)}."

    def _told(self, timer: Timer, place: Place) -> str:
        which = self._timers.described(timer, place.room)
        if timer.due is not None:
            return f"{which} is set for {self._time_of_day(timer.due)}"
        paused = " is paused and" if timer.paused else ""
        return f"{which}{paused} has {about(timer.left)} left"

    def _find(self, asked: Recognised, place: Place) -> Timer:
        if (at := asked.slots.get("at")) is not None:
            for room in (place.room, None):
                for timer in self._timers.running(room, asked.what):
                    if timer.due is not None and at.fits(datetime.fromtimestamp(timer.due)):
                        return timer
            raise HomeError(f"There is no such {asked.what}.")
        kind = self._kind(asked)
        return self._timers.find(place.room, asked.name, asked.start_seconds, kind)

    def _the(self, timer: Timer, place: Place) -> str:
        return _capital(self._timers.described(timer, place.room))

    # -- alarms and reminders -----------------------------------------------------------------

    async def _remind(self, asked: Recognised, place: Place) -> str:
        return await _each(asked, place, self._remind_once)

    async def _remind_once(self, asked: Recognised, place: Place) -> str:
        if not place.satellite:
            raise HomeError(f"I can't set {asked.what}s here, since nothing here could ring.")
        text = f" {asked.name}" if asked.name else ""
        due = None
        if (at := asked.slots.get("at")) is not None:
            now = self._clock()
            moment = at.after(now, morning=bool(asked.slots.get("morning")))
            due = moment.timestamp()
            seconds, when = due - now.timestamp(), f"at {self._time_of_day(due)}"
            if seconds < 1:
                raise HomeError("That time has passed.")
        elif asked.seconds is not None:
            seconds, when = asked.seconds, f"in {duration(asked.seconds)}"
        elif asked.what == "alarm":
            return _WHAT_TIME
        else:
            return f"At what time should I remind you{text}?"
        await self._timers.set(place.room, seconds, asked.name, asked.what, due)
        if asked.what == "reminder":
            return f"I'll remind you {when}{text}."
        return f"Alarm set {when.replace('at ', 'for ')}."

    def _time_of_day(self, due: float) -> str:
        """Say when that is: "7 AM tomorrow"."""
        at = datetime.fromtimestamp(due)
        days = (at.date() - self._clock().date()).days
        return clock(at) + {0: "", 1: " tomorrow"}.get(days, f" on {at:%A}")

    async def _cannot_repeat(self, _: Recognised, __: Place) -> str:
        return "I can't repeat alarms or reminders. I can set one, up to a week ahead."

    # -- volume -------------------------------------------------------------------------------

    async def _set_volume(self, asked: Recognised, place: Place) -> str:
        percent = asked.slots.get("volume_level")
        if percent is None:
            percent = 10 * asked.slots["tenths"]  # "volume 7" is that of a knob from 0 to 10
        return await self._volumes.set(self._loud(place), abs(percent) / 100)

    async def _step_volume(self, asked: Recognised, place: Place) -> str:
        step = asked.slots["volume_step"]
        if step in ("up", "down"):
            return await self._volumes.step(self._loud(place), None, up=step == "up")
        return await self._volumes.step(self._loud(place), abs(step) / 100, up=step > 0)

    async def _volume(self, _: Recognised, place: Place) -> str:
        return await self._volumes.tell(self._loud(place))

    async def _unmute(self, _: Recognised, place: Place) -> str:
        return await self._volumes.unmute(self._loud(place))

    @staticmethod
    def _loud(place: Place) -> str:
        if not place.satellite:
            raise HomeError("There is no volume to change here.")
        return place.room

    # -- the rest -----------------------------------------------------------------------------

    async def _time(self, _: Recognised, __: Place) -> str:
        return time_of(self._clock())

    async def _date(self, _: Recognised, __: Place) -> str:
        return about_now("what date is it", self._clock()) or ""

    async def _nothing(self, _: Recognised, __: Place) -> str:
        return ""

    async def _repeat(self, _: Recognised, place: Place) -> str:
        return place.last_reply or "I haven't said anything yet."


async def _each(
    asked: Recognised, place: Place, do: Callable[[Recognised, Place], Awaitable[str]]
) -> str:
    """Do all that a sentence asks for; what cannot be done keeps nothing else from being told."""
    if not asked.also:
        return await do(asked, place)
    said = []
    for each in (asked, *asked.also):
        try:
            said.append(await do(each, place))
        except HomeError as exc:
            said.append(str(exc))
    return " ".join(said)


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
