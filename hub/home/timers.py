"""Timers, alarms and reminders: any number in each room, over restarts, until they ring.

The satellite is told by Wyoming's timer events, as Home Assistant tells it, and rings by itself.
Time runs on the event loop's clock, so that setting the machine's clock moves no timer. Only over
a restart does the machine's clock count, and for what is to ring at a time of day.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wyoming.event import Event
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from hub.conversation.patience import where
from hub.home.base import HomeError
from hub.home.english import clock, duration, kind, listed
from hub.home.kept import KeptTimer

_LOGGER = logging.getLogger(__name__)

LONGEST = 24 * 3600.0  # seconds
_FARTHEST = 7 * 24 * 3600.0  # seconds until an alarm
MOST = 20  # in a room
_MOST_NAME = 150  # letters
_RINGS_LATE = 3600.0  # seconds; who was away for longer is told nothing
_LATE = 10.0  # seconds, from which on it is said how late it is
_KEEP_AGAIN = 60.0  # seconds; in case the machine's clock is set meanwhile
_LEAST_WAIT = 0.001  # seconds; clocks have a resolution
_JUST_RANG = 120.0  # seconds in which "stop the timer" may mean one that rings

Send = Callable[[str, Event], Awaitable[bool]]
"""Sends an event to a room's satellite; whether one is there."""

Say = Callable[[str, str], Awaitable[None]]
"""Says something in a room when it is quiet there; raises nothing."""


@dataclass(slots=True, eq=False)
class Timer:
    """One timer.

    Args:
        id: names it to satellites.
        room: where it was set, and rings.
        name: what it is for, or ""; a reminder's is "to call mum".
        seconds: for which it was set.
        ends: when it ends, on the loop's clock; while it is paused, the seconds that are left.
        paused: whether it is.
        what: "timer", "alarm" or "reminder".
        due: the time of day at which it is to ring, in seconds since the epoch; None if it was set
            for so many seconds.
    """

    id: str
    room: str
    name: str
    seconds: float
    ends: float
    paused: bool = False
    what: str = "timer"
    due: float | None = None

    @property
    def left(self) -> float:
        """The seconds that are left; below 0 it ended so long ago."""
        return self.ends if self.paused else self.ends - asyncio.get_running_loop().time()

    @property
    def label(self) -> str:
        """What it is called: "pizza timer", "10 minute timer", "7 AM alarm"."""
        if self.what == "reminder" and self.name:
            return f"reminder {self.name}"
        span = kind(self.seconds) if self.due is None else clock(datetime.fromtimestamp(self.due))
        return f"{self.name or span} {self.what}"


class Timers:
    """All timers of the hub.

    Args:
        send: tells a room's satellite.
        say: says in a room that a timer is done.
        changed: told when there is something to keep.
        wall: the machine's clock, in seconds since the epoch.
    """

    def __init__(
        self,
        send: Send,
        say: Say,
        changed: Callable[[], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._send = send
        self._say = say
        self._changed = changed
        self._wall = wall
        self._timers: dict[str, Timer] = {}
        self._rang: dict[str, tuple[float, Timer]] = {}  # rooms: when one rang last, and which
        self._away: set[str] = set()  # rooms where one should ring, until a satellite is there
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ringing: set[str] = set()  # timers that have ended and are being told of

    # -- what is kept -------------------------------------------------------------------------

    def kept(self) -> tuple[KeptTimer, ...]:
        """Return all timers as they are to be kept."""
        now = self._wall()
        return tuple(
            KeptTimer(t.id, t.room, t.name, t.seconds, t.left, now, t.paused, t.what, t.due)
            for t in self._timers.values()
        )

    def start(self, kept: Sequence[KeptTimer] = ()) -> None:
        """Let the timers run that were kept; those that ended meanwhile ring at once."""
        now, wall = asyncio.get_running_loop().time(), self._wall()
        for row in kept:
            # A clock that was set back meanwhile makes no timer longer.
            left = row.left if row.paused else row.left - max(0.0, wall - row.at)
            ends = left if row.paused else now + left
            timer = Timer(
                row.id, row.room, row.name, row.seconds, ends, row.paused, row.what, row.due
            )
            self._timers.setdefault(timer.id, timer)
        self._task = asyncio.create_task(self._run(), name="timers")

    async def close(self) -> None:
        """Stop; what is kept rings another time."""
        tasks = [*self._tasks, *((self._task,) if self._task is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def arrived(self, room: str) -> None:
        """Say that a room has a satellite again."""
        self._away.discard(room)
        self._look.set()

    # -- what can be done ---------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """What timers are called."""
        named = (t.name for t in self._timers.values() if t.name and t.what == "timer")
        return tuple(dict.fromkeys(named))

    def running(self, room: str | None = None, what: str = "") -> list[Timer]:
        """Return the timers of a room, or of all, the one that ends first at the front.

        `what` is that of those which are meant; "" for all.
        """
        found = [t for t in self._timers.values() if room in (None, t.room) and t.left > 0]
        found = [t for t in found if what in ("", t.what)]
        return sorted(found, key=lambda timer: (timer.paused, timer.left))

    def rang(self, room: str) -> Timer | None:
        """Return what has rung in a room just now, and may still ring."""
        at, timer = self._rang.get(room, (0.0, None))
        return timer if asyncio.get_running_loop().time() - at < _JUST_RANG else None

    async def hush(self, room: str) -> bool:
        """Stop what may be ringing in a room; whether a timer has rung there lately."""
        if (timer := self.rang(room)) is None:
            return False
        del self._rang[room]
        await self._send(room, TimerCancelled(timer.id).event())
        return True

    def find(
        self, room: str, name: str = "", seconds: float | None = None, what: str = "timer"
    ) -> Timer:
        """Return the timer that is meant by somebody in `room`.

        Args:
            room: where it is asked; its timers come before those of other rooms.
            name: what the timer, or its room, is called; "" where that is not said.
            seconds: for which it was set, where that is said.
            what: "timer", "alarm" or "reminder".

        Raises:
            HomeError: there is none, or it might be several.
        """
        wanted = _plain(name)
        for where_ in (room, None):
            found = self.running(where_, what)
            if seconds is not None:
                found = [t for t in found if round(t.seconds) == round(seconds)]
            if wanted:
                exact = [t for t in found if _plain(t.name) == wanted]
                exact = exact or [t for t in found if _plain(t.room) == wanted]
                found = exact or [t for t in found if t.name and _alike(t.name, wanted)]
            if len({(t.label, t.room) for t in found}) == 1:
                return found[0]  # of several alike, the one that ends first
            if found:
                said = listed([self.described(timer, room) for timer in found[:5]])
                raise HomeError(f"There are {len(found)} {what}s: {said}. Say which one.")
        asked = name or (kind(seconds) if seconds is not None else "")
        if not self.running(what=what) or not asked:
            raise HomeError(f"There is no {what}.")
        missing = f"reminder {asked}" if what == "reminder" else f"{asked} {what}"
        raise HomeError(f"There is no {missing}.")

    async def set(
        self,
        room: str,
        seconds: float,
        name: str = "",
        what: str = "timer",
        due: float | None = None,
    ) -> Timer:
        """Start a timer, an alarm or a reminder; see `Timer`.

        Raises:
            HomeError: it would be too long or one too many.
        """
        if seconds < 1:
            raise HomeError("A timer has to run for a second at least.")
        if due is None and seconds > LONGEST:
            raise HomeError("I can't set timers for more than 24 hours.")
        if seconds > _FARTHEST:
            raise HomeError("I can't set anything for more than a week ahead.")
        if len(self.running(room)) >= MOST:
            raise HomeError(f"There are {MOST} timers here already, and no more fit.")
        ends = asyncio.get_running_loop().time() + seconds
        name = name[:_MOST_NAME].strip()
        timer = Timer(uuid.uuid4().hex, room, name, seconds, ends, False, what, due)
        self._timers[timer.id] = timer
        self._rang.pop(room, None)  # from now on "stop the timer" means this one
        self._note()
        whole = round(seconds)
        started = TimerStarted(
            timer.id,
            whole,
            timer.name or (timer.what if timer.what != "timer" else None),
            whole // 3600 or None,
            whole // 60 % 60 or None,
            whole % 60 or None,
        )
        await self._tell(timer, started.event())
        return timer

    async def cancel(self, timers: Sequence[Timer]) -> None:
        """Cancel timers."""
        for timer in timers:
            self._timers.pop(timer.id, None)
        self._note()
        for timer in timers:
            await self._tell(timer, TimerCancelled(timer.id).event())

    async def change(self, timer: Timer, seconds: float) -> None:
        """Add seconds to a timer; negative ones are taken off.

        Raises:
            HomeError: it would be too long, or has no more than that.
        """
        left = timer.left
        if left + seconds > LONGEST:
            raise HomeError("A timer can't have more than 24 hours.")
        if left + seconds < 1:
            raise HomeError(f"The {timer.label} has only {about(left)} left.")
        timer.ends += seconds
        await self._updated(timer)

    async def pause(self, timer: Timer) -> None:
        """Stop a timer for now."""
        if not timer.paused:
            timer.ends, timer.paused = timer.left, True
        await self._updated(timer)

    async def resume(self, timer: Timer) -> None:
        """Let a paused timer go on."""
        if timer.paused:
            timer.ends, timer.paused = asyncio.get_running_loop().time() + timer.left, False
        await self._updated(timer)

    def described(self, timer: Timer, room: str) -> str:
        """Say which timer it is to somebody in `room`: "the pizza timer in Kitchen"."""
        return f"the {timer.label}" + (f" in {timer.room}" if timer.room != room else "")

    async def _updated(self, timer: Timer) -> None:
        self._note()
        event = TimerUpdated(timer.id, not timer.paused, round(timer.left)).event()
        await self._tell(timer, event)

    async def _tell(self, timer: Timer, event: Event) -> None:
        await self._send(timer.room, event)  # (a satellite that is away needs only the ring)

    def _note(self) -> None:
        self._changed()
        self._look.set()

    # -- ringing ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._look.clear()
            self._set_by_the_clock()
            for timer in self._timers.values():
                if timer.left <= 0 and not timer.paused and timer.id not in self._ringing:
                    self._ringing.add(timer.id)
                    self._spawn(self._ring(timer), f"ring {timer.id}")  # beside each other
            soon = [t.left for t in self._timers.values() if not t.paused and t.left > 0]
            wait = max(_LEAST_WAIT, min([*soon, _KEEP_AGAIN]))
            try:
                # No time-out where there is no timer: `set` wakes it.
                async with asyncio.timeout(wait if self._timers else None):
                    await self._look.wait()
            except TimeoutError:
                self._changed()

    def _set_by_the_clock(self) -> None:
        """Let alarms follow the machine's clock, which may be set, or go on while it sleeps."""
        now, wall = asyncio.get_running_loop().time(), self._wall()
        for timer in self._timers.values():
            if timer.due is not None:
                timer.ends = now + timer.due - wall

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ring(self, timer: Timer) -> None:
        try:
            await self._ended(timer)
        except Exception as exc:  # a bug, and no reason for the other timers not to ring
            _LOGGER.error("%s: a timer that ended: %s", timer.room, where(exc))
            self._forget(timer)
        finally:
            self._ringing.discard(timer.id)

    async def _ended(self, timer: Timer) -> None:
        """Ring, or wait with it for the satellite to come back."""
        late = -timer.left
        if late > _RINGS_LATE:
            _LOGGER.warning("%s: a timer ended %s ago; nobody was there", timer.room, about(late))
            self._forget(timer)
            return
        self._away.add(timer.room)
        if not await self._send(timer.room, TimerFinished(timer.id).event()):
            if timer.room not in self._away:
                self._look.set()  # its satellite arrived while an older connection was tried
            return  # until `arrived`
        self._away.discard(timer.room)
        self._rang[timer.room] = asyncio.get_running_loop().time(), timer
        self._forget(timer)
        await self._say(timer.room, _done(timer, late))

    def _forget(self, timer: Timer) -> None:
        if self._timers.pop(timer.id, None) is not None:
            self._changed()


def about(seconds: float) -> str:
    """Return a duration as exact as anybody wants to know it: "2 hours and 5 minutes"."""
    if seconds >= 3600:
        seconds = round(seconds / 60) * 60
    elif seconds >= 600:
        seconds = round(seconds / 30) * 30
    return duration(max(1, seconds))


def _done(timer: Timer, late: float) -> str:
    """Return what is said when a timer has ended `late` seconds ago."""
    if late > _LATE:
        ended = "ended" if timer.what == "timer" else "was due"
        return f"Your {timer.label} {ended} {about(late)} ago."
    if timer.what == "reminder":
        return f"This is your {timer.label}."
    if timer.due is not None:
        return f"It's {clock(datetime.fromtimestamp(timer.due))}. This is your alarm."
    return f"Your {timer.label} is done."


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _alike(name: str, wanted: str) -> bool:
    """Whether all words of one are in the other: "pizza" is "the frozen pizza"."""
    one, other = ({word.rstrip("s") for word in _plain(n).split()} for n in (name, wanted))
    return one <= other or other <= one
