"""What Parlour does without Home Assistant: timers, volume, time and date, repeat, never mind."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from hub.conversation.about_now import about_now, time_of
from hub.home.base import Command, HomeError, Place
from hub.home.english import duration, in_seconds, plain
from hub.home.phrases import REPEAT
from hub.home.sentences import Recognised, Sentences
from hub.home.timers import Timer, Timers, about
from hub.home.volume import Volumes

_HOW_LONG = "For how long?"
_HOW_LONG_NAMED = re.compile(r"How long should the (.+) timer run\?$")
_ONLY_A_DURATION = re.compile(
    r"(?:for |to |make it |set it (?:for|to) )?(\d+) seconds(?: from now)?"
)
_QUIET = frozenset({"HassTimerStatus", "HassGetCurrentTime", "HassGetCurrentDate", REPEAT})
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
        if found is None or (found.needs == "timer" and not self._means_timer(found)):
            return None
        does, asked = self._does[found.intent], found
        return Command(found.intent, found.intent not in _QUIET, lambda: does(asked, place))

    def _means_timer(self, found: Recognised) -> bool:
        return found.name in self._timers.names if found.name else bool(self._timers.running())

    @staticmethod
    def _answer_to(question: str, text: str) -> Recognised | None:
        """Take a duration alone for the answer to "For how long?"."""
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
        timer = await self._timers.set(place.room, asked.seconds, asked.name)
        kind = f"{timer.name} timer" if timer.name else "Timer"
        return f"{kind[0].upper()}{kind[1:]} set for {duration(asked.seconds)}."

    async def _cancel(self, asked: Recognised, place: Place) -> str:
        if not self._timers.running(place.room) and await self._timers.hush(place.room):
            return "Okay."
        timer = self._find(asked, place)
        await self._timers.cancel([timer])
        return f"{self._the(timer, place)} is cancelled."

    async def _cancel_all(self, asked: Recognised, place: Place) -> str:
        here = None if asked.slots.get("everywhere") or not place.satellite else place.room
        timers = self._timers.running(here)
        if not timers:
            raise HomeError("There is no timer." if here is None else "There is no timer here.")
        await self._timers.cancel(timers)
        return f"{len(timers)} timers are cancelled." if len(timers) > 1 else "Timer cancelled."

    async def _increase(self, asked: Recognised, place: Place) -> str:
        return await self._changed(asked, place, asked.seconds or 0)

    async def _decrease(self, asked: Recognised, place: Place) -> str:
        return await self._changed(asked, place, -(asked.seconds or 0))

    async def _changed(self, asked: Recognised, place: Place, seconds: float) -> str:
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

    async def _status(self, asked: Recognised, place: Place) -> str:
        if asked.name or asked.start_seconds is not None:
            timers = [self._find(asked, place)]
        else:
            timers = self._timers.running(place.room) or self._timers.running()
        if not timers:
            return "There is no timer."
        told = [self._told(timer, place) for timer in timers[:_MOST_TOLD]]
        if len(timers) == 1:
            return f"{told[0][0].upper()}{told[0][1:]}."
        more = "" if len(timers) <= _MOST_TOLD else " The first ones:"
        said = ", ".join(told[:-1]) + f", and {told[-1]}"
        return f"There are {len(timers)} timers.{more} {said[0].upper()}{said[1:]}."

    def _told(self, timer: Timer, place: Place) -> str:
        which = self._timers.described(timer, place.room)
        paused = " is paused and" if timer.paused else ""
        return f"{which}{paused} has {about(timer.left)} left"

    def _find(self, asked: Recognised, place: Place) -> Timer:
        return self._timers.find(place.room, asked.name, asked.start_seconds)

    def _the(self, timer: Timer, place: Place) -> str:
        which = self._timers.described(timer, place.room)
        return f"{which[0].upper()}{which[1:]}"

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
