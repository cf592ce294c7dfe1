"""What the session needs of the world around it, so that tests can bring their own."""

from collections.abc import Callable
from typing import Protocol

from wyoming.event import Event, Eventable


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Don't make it."""
        ...


class Clock(Protocol):
    """The part of an event loop that the session uses."""

    def time(self) -> float:
        """Return seconds on a monotonic clock."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` after `delay` seconds."""
        ...


class Driver(Protocol):
    """The way to whoever drives us."""

    def send(self, event: Event | Eventable) -> None:
        """Queue an event; dropped where nobody drives us."""
        ...

    def drop(self, reason: str) -> None:
        """Close the connection, because only a new one helps."""
        ...
