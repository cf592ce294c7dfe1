"""Timers: any number in each room, over restarts, until they ring.

The satellite is told by Wyoming's timer events, as Home Assistant tells it, and rings by itself.
Time runs on the event loop's clock, so that setting the machine's clock moves no timer. Only over
a restart does the machine's clock count.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from wyoming.event import Event
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from hub.conversation.patience import where
from hub.home.base import HomeError
from hub.home.english import duration, kind
from hub.home.kept import KeptTimer

_LOGGER = logging.getLogger(__name__)

LONGEST = 24 * 3600.0  # seconds
MOST = 20  # in a room
_MOST_NAME = 40  # letters
_RINGS_LATE = 3600.0  # seconds; who was away for longer is told nothing
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
        name: what it is for, or "".
        seconds: for which it was set.
        ends: when it ends, on the loop's clock; while it is paused, the seconds that are left.
        paused: whether it is.
    """

    id: str
    room: str
    name: str
    seconds: float
    ends: float
    paused: bool = False

    @property
    def left(self) -> float:
        """The seconds that are left; below 0 it ended so long ago."""
        return self.ends if self.paused else self.ends - asyncio.get_running_loop().time()

    @property
    def label(self) -> str:
        """What it is called: "pizza timer", or "10 minute timer"."""
        return f"{self.name or kind(self.seconds)} timer"


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
        self._rang: dict[str, tuple[float, str]] = {}  # rooms: when one rang there last, and which
        self._away: set[str] = set()  # rooms without a satellite, where one should ring
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ringing: set[str] = set()  # timers that have ended and are being told of

    # -- what is kept -------------------------------------------------------------------------

    def kept(self) -> tuple[KeptTimer, ...]:
        """Return all timers as they are to be kept."""
        now = self._wall()
        return tuple(
            KeptTimer(t.id, t.room, t.name, t.seconds, t.left, now, t.paused)
            for t in self._timers.values()
        )

    def start(self, kept: Sequence[KeptTimer] = ()) -> None:
        """Let the timers run that were kept; those that ended meanwhile ring at once."""
        now, wall = asyncio.get_running_loop().time(), self._wall()
        for row in kept:
            # A clock that was set back meanwhile makes no timer longer.
            left = row.left if row.paused else row.left - max(0.0, wall - row.at)
            ends = left if row.paused else now + left
            timer = Timer(row.id, row.room, row.name, row.seconds, ends, row.paused)
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
        if room in self._away:
            self._away.discard(room)
            self._look.set()

    # -- what can be done ---------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """What timers are called."""
        return tuple(dict.fromkeys(t.name for t in self._timers.values() if t.name))

    def running(self, room: str | None = None) -> list[Timer]:
        """Return the timers of a room, or of all, the one that ends first at the front."""
        found = [t for t in self._timers.values() if room in (None, t.room) and t.left > 0]
        return sorted(found, key=lambda timer: (timer.paused, timer.left))

    async def hush(self, room: str) -> bool:
        """Stop what may be ringing in a room; whether a timer has rung there lately."""
        at, timer = self._rang.pop(room, (-_JUST_RANG, ""))
        if asyncio.get_running_loop().time() - at >= _JUST_RANG:
            return False
        await self._send(room, TimerCancelled(timer).event())
        return True

    def find(self, room: str, name: str = "", seconds: float | None = None) -> Timer:
        """Return the timer that is meant by somebody in `room`.

        Args:
            room: where it is asked; its timers come before those of other rooms.
            name: what the timer, or its room, is called; "" where that is not said.
            seconds: for which it was set, where that is said.

        Raises:
            HomeError: there is none, or it might be several.
        """
        wanted = _plain(name)
        for where_ in (room, None):
            found = self.running(where_)
            if seconds is not None:
                found = [t for t in found if round(t.seconds) == round(seconds)]
            if wanted:
                exact = [t for t in found if _plain(t.name) == wanted]
                exact = exact or [t for t in found if _plain(t.room) == wanted]
                found = exact or [t for t in found if t.name and _alike(t.name, wanted)]
            if len({(t.label, t.room) for t in found}) == 1:
                return found[0]  # of several alike, the one that ends first
            if found:
                said = _listed([self.described(timer, room) for timer in found[:5]])
                raise HomeError(f"There are {len(found)} timers: {said}. Say which one.")
        if not self.running():
            raise HomeError("There is no timer.")
        asked = name or (kind(seconds) if seconds is not None else "")
        raise HomeError(f"There is no {asked} timer." if asked else "There is no timer here.")

    async def set(self, room: str, seconds: float, name: str = "") -> Timer:
        """Start a timer.

        Raises:
            HomeError: it would be too long or one too many, or `room` has no satellite.
        """
        if seconds < 1:
            raise HomeError("A timer has to run for a second at least.")
        if seconds > LONGEST:
            raise HomeError("I can't set timers for more than 24 hours.")
        if len(self.running(room)) >= MOST:
            raise HomeError(f"There are {MOST} timers here already, and no more fit.")
        ends = asyncio.get_running_loop().time() + seconds
        timer = Timer(uuid.uuid4().hex, room, name[:_MOST_NAME].strip(), seconds, ends)
        self._timers[timer.id] = timer
        self._note()
        whole = round(seconds)
        started = TimerStarted(
            timer.id,
            whole,
            timer.name or None,
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
        if timer.room in self._away:
            return
        if not await self._send(timer.room, TimerFinished(timer.id).event()):
            self._away.add(timer.room)  # until `arrived`
            return
        self._rang[timer.room] = asyncio.get_running_loop().time(), timer.id
        self._forget(timer)
        text = f"Your {timer.label} is done."
        if late > 10:
            text = f"Your {timer.label} ended {about(late)} ago."
        await self._say(timer.room, text)

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


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _alike(name: str, wanted: str) -> bool:
    """Whether all words of one are in the other: "pizza" is "the frozen pizza"."""
    one, other = ({word.rstrip("s") for word in _plain(n).split()} for n in (name, wanted))
    return one <= other or other <= one


def _listed(things: Sequence[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)
