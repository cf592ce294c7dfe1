"""Timers that have ended: they ring until somebody stops them.

Whoever drives us keeps the timers, and says with Wyoming's `timer-*` events what becomes of them.
Those that run are known here only in case that the driver is lost before they end.
"""

import logging
from collections.abc import Callable
from functools import partial

from wyoming.event import Event
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from protocol.connection import MalformedFrame
from satellite.audio.gain import gain, scaled
from satellite.config import TimerSettings
from satellite.player import Player
from satellite.ports import Clock, Timer

_LOGGER = logging.getLogger(__name__)

PERIOD = 2.0  # seconds from ring to ring; the wake word is said in between
_TICK = 0.5  # seconds; how soon it rings when the room has become free
_FIRST_LEVEL = 0.4  # of the volume; nobody wants to be frightened
_RISE = 0.2  # from ring to ring
_MOST_TIMERS = 64  # that are told apart; any more ring with them
_GRACE = 2.0  # seconds after its end in which a driver may still say so itself
_LONGEST = 7 * 86400.0  # seconds of a timer that may ring without its driver
_FORGOTTEN = 60.0  # seconds after its end in which it may still ring, should the driver be lost


class Alarm:
    """Ring for timers that have ended, several as one.

    It rings when the room is at rest; a reply or announcement waits for the end of one ring at
    most, and the ring goes on behind it. A timer that ends while a reply plays rings once there and
    then, since it cannot wait for a long answer. While somebody speaks or waits for an answer it is
    silent. A lost link and a mute change nothing.

    Args:
        settings: whether it rings, how long and how loud.
        player: where it rings.
        ring: the sound, in the speaker's format.
        clock: the event loop.
        at_rest: tells whether there is no conversation now.
    """

    def __init__(
        self,
        settings: TimerSettings,
        *,
        player: Player,
        ring: bytes,
        clock: Clock,
        at_rest: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._player = player
        self._ring = ring
        self._clock = clock
        self._at_rest = at_rest
        self._timers: set[str] = set()
        self._ends: dict[str, float] = {}  # of those that run, on the clock
        self._orphans: dict[tuple[str, float], Timer] = {}  # their driver was lost
        self._rang_alone: set[str] = set()
        self._tick_timer: Timer | None = None
        self._until = 0.0
        self._rings = 0
        self._next = 0.0  # earliest time of the next ring
        self._rung = False  # for the timer that ended last
        self.handlers: dict[str, Callable[[Event], None]] = {
            TimerFinished("").event().type: self._on_finished,
            TimerCancelled("").event().type: self._on_gone,
            TimerStarted("", 0).event().type: self._on_started,
            TimerUpdated("", True, 0).event().type: self._on_updated,
        }

    def dismiss(self) -> bool:
        """Stop ringing; say whether it rang."""
        if not self._timers:
            return False
        _LOGGER.info("the timers' ring is stopped")
        self._end()
        return True

    def driver_lost(self) -> None:
        """Ring by ourselves for the timers that it has told of: it may be gone for good.

        Home Assistant forgets its timers when it is restarted.
        """
        now = self._clock.time()
        for name, end in self._ends.items():
            if now < end + _FORGOTTEN and (name, end) not in self._orphans:
                wait = max(0.0, end + _GRACE - now)
                ring = partial(self._ring_alone, name, end)
                self._orphans[name, end] = self._clock.call_later(wait, ring)

    def close(self) -> None:
        """Ring no more, without a word."""
        for ring in self._orphans.values():
            ring.cancel()
        self._orphans.clear()
        self._stop_ticking()

    def _ring_alone(self, name: str, end: float) -> None:
        del self._orphans[name, end]
        if self._ends.get(name) == end:
            self._start(name)
            if len(self._rang_alone) >= _MOST_TIMERS:
                self._rang_alone.clear()
            self._rang_alone.add(name)

    def _on_started(self, event: Event) -> None:
        self._on_gone(event)  # it runs again, under the same name
        if "total_seconds" in event.data:
            self._ends_in(event)

    def _ends_in(self, event: Event) -> None:
        name, seconds = _name(event), _seconds(event)
        if len(self._ends) < _MOST_TIMERS and 0 <= seconds <= _LONGEST:
            self._ends[name] = self._clock.time() + seconds

    def _on_finished(self, event: Event) -> None:
        name = _name(event)
        if name in self._rang_alone:  # it is no news
            self._rang_alone.remove(name)
        else:
            self._start(name)

    def _start(self, name: str) -> None:
        self._ends.pop(name, None)
        if not self._settings.ring:
            return
        _LOGGER.info("a timer has ended: it rings")
        if not self._timers:
            self._rings, self._next = 0, self._clock.time()
        self._rung = False
        if len(self._timers) < _MOST_TIMERS:
            self._timers.add(name)
        self._until = self._clock.time() + self._settings.seconds
        if self._tick_timer is None:
            self._tick()

    def _on_gone(self, event: Event) -> None:
        name = _name(event)
        self._ends.pop(name, None)
        self._rang_alone.discard(name)
        if name in self._timers:
            self._timers.remove(name)
            if not self._timers:
                _LOGGER.info("the timer that rang is gone")
                self._end()

    def _on_updated(self, event: Event) -> None:
        if _seconds(event) > 0:  # it was given more time
            self._on_gone(event)
        if event.data.get("is_active") is False:
            self._ends.pop(_name(event), None)
        else:
            self._ends_in(event)

    def _tick(self) -> None:
        now = self._clock.time()
        if now >= self._until:
            _LOGGER.warning("nobody stopped the timer in %g s", self._settings.seconds)
            self._end()
            return
        self._tick_timer = self._clock.call_later(_TICK, self._tick)
        free = self._at_rest() and not self._player.active
        over_reply = self._player.active and not self._player.held and not self._rung
        if now >= self._next and (free or over_reply) and not self._player.sounding:
            self._rung = True
            self._next = now + PERIOD
            level = min(1.0, _FIRST_LEVEL + _RISE * self._rings)
            self._rings += 1
            self._player.sound(scaled(self._ring, gain(level)), least=self._settings.least_volume)

    def _stop_ticking(self) -> None:
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None

    def _end(self) -> None:
        self._stop_ticking()
        if self._clock.time() < self._next:
            self._player.stop_sound()
        self._timers.clear()


def _name(event: Event) -> str:
    name = event.data.get("id")
    if not isinstance(name, str):
        raise MalformedFrame(f"{event.type}: id must be a string")
    return name


def _seconds(event: Event) -> float:
    seconds = event.data.get("total_seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise MalformedFrame(f"{event.type}: total_seconds must be a number")
    return seconds
