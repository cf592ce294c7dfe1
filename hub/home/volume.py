"""How loud each room's satellite plays; kept by the hub, since a satellite forgets."""

from collections.abc import Awaitable, Callable, Mapping

from wyoming.event import Event

from hub.home.base import HomeError
from protocol.control import Volume

_STEP = 0.15  # of full volume: "louder"
_UNMUTED = 0.5  # where it is not known how loud it was before
_LEAST = 0.05  # a satellite that is silent could not even be asked to be louder

Told = Callable[[str, float], None]
"""Told of a room and how loud its satellite is."""

SendExtension = Callable[[str, Event], Awaitable[bool]]
"""Sends an event that only Parlour's own satellites know; whether one is there."""


class Volumes:
    """The volume of each room, 0 to 1; 1 is as loud as the satellite is set up to be.

    Args:
        send: tells a room's satellite.
        changed: told when there is something to keep.
        told: told of each volume that is set.
    """

    def __init__(
        self,
        send: SendExtension,
        changed: Callable[[], None],
        told: Told = lambda room, level: None,
    ) -> None:
        self._send = send
        self._changed = changed
        self._told = told
        self._levels: dict[str, float] = {}
        self._reported: dict[str, float] = {}  # by satellites that begin with one of their own
        self._before: dict[str, float] = {}  # rooms that are muted: how loud they were

    def kept(self) -> dict[str, float]:
        """Return all volumes as they are to be kept."""
        return dict(self._levels)

    def start(self, kept: Mapping[str, float]) -> None:
        """Take the volumes that were kept."""
        self._levels = {**kept, **self._levels}

    async def arrived(self, room: str) -> None:
        """Tell a satellite that has come back how loud it is."""
        level = self._levels.get(room)
        if level is not None and await self._send(room, Volume(round(level, 3)).event()):
            self._told(room, level)

    def reported(self, room: str, level: float) -> None:
        """Take what a satellite says of its volume; one that was set here counts more."""
        self._reported[room] = level

    async def set(self, room: str, level: float) -> str:
        """Set a room's volume, and return what is said of it.

        Raises:
            HomeError: its satellite has none that could be set.
        """
        level = min(1.0, max(_LEAST, level))
        if not await self._send(room, Volume(round(level, 3)).event()):
            raise HomeError("I can't change the volume of this satellite.")
        before = self._level(room)
        if level > _LEAST:
            self._before.pop(room, None)
        elif before > _LEAST:
            self._before[room] = before
        self._levels[room] = level
        self._changed()
        self._told(room, level)
        return f"Volume {round(level * 100)} percent."

    async def tell(self, room: str) -> str:
        """Return what is said of a room's volume.

        Raises:
            HomeError: its satellite has none.
        """
        return await self.set(room, self._level(room))

    async def unmute(self, room: str) -> str:
        """Make a room as loud as it was before it was muted.

        Raises:
            HomeError: its satellite has none that could be set.
        """
        level = self._level(room)
        if level <= _LEAST:
            level = self._before.get(room, _UNMUTED)
        return await self.set(room, level)

    async def step(self, room: str, by: float | None, *, up: bool) -> str:
        """Make a room louder or quieter, by some share of full volume or by a step.

        Raises:
            HomeError: its satellite has none that could be set, or that is all there is.
        """
        level = self._level(room)
        if up and level >= 1.0:
            raise HomeError("This is as loud as I get.")
        if not up and level <= _LEAST:
            raise HomeError("This is as quiet as I get.")
        step = _STEP if by is None else by
        return await self.set(room, level + (step if up else -step))

    def _level(self, room: str) -> float:
        return self._levels.get(room, self._reported.get(room, 1.0))
