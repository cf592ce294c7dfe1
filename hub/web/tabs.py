"""Which room a browser tab is."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from hub.conversation.room import Rooms
from hub.live.live import TAB_KEPT
from protocol.pairing import is_room

MOST_TABS = 16
"""That are connected at once."""
NAME = "Browser"

_MOST_KEPT = 64  # tabs, those that are connected included
_NUMBER = re.compile(r" \d+$")


@dataclass(slots=True)
class _Tab:
    room: str
    connections: int = 0
    left: float = 0.0


class Tabs:
    """Gives tabs their rooms; a tab that is reloaded gets the same one back.

    Args:
        rooms: whose memory goes with the tab.
        is_taken: tells whether a room is somebody else's.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, rooms: Rooms, is_taken: Callable[[str], bool], clock: Callable[[], float]
    ) -> None:
        self._rooms = rooms
        self._is_taken = is_taken
        self._clock = clock
        self._tabs: dict[str, _Tab] = {}  # by id; the one that came last is last

    def enter(self, tab: str, wished: str) -> str | None:
        """Return the room of a tab that has come; None where there are too many.

        Args:
            tab: its id, a secret of its own.
            wished: what it would like to be called; "" where it does not matter.
        """
        self._forget()
        known = self._tabs.pop(tab, None)
        here = sum(other.connections > 0 for other in self._tabs.values())
        if here >= MOST_TABS:
            if known is not None:
                self._tabs[tab] = known
            return None
        if known is None or self._is_taken(known.room):
            known = _Tab(self._name(wished))
        self._tabs[tab] = known
        known.connections += 1
        return known.room

    def leave(self, tab: str, room: str) -> None:
        """Say that a connection of a tab has ended; another one may have taken its place.

        Args:
            tab: its id.
            room: what `enter` gave it; it may have another one by now.
        """
        if (known := self._tabs.get(tab)) is not None and known.room == room:
            known.connections -= 1
            known.left = self._clock()

    def _name(self, wished: str) -> str:
        wished = wished.strip() if is_room(wished) else NAME
        taken = {tab.room.casefold() for tab in self._tabs.values()}
        base, number, name = _NUMBER.sub("", wished) or NAME, 1, wished
        while name.casefold() in taken or self._is_taken(name) or not is_room(name):
            number += 1
            name = f"{base[:80]} {number}"
        return name

    def _forget(self) -> None:
        """Forget tabs that were closed, and what was said there."""
        gone = [key for key, tab in self._tabs.items() if not tab.connections]
        surplus = max(0, len(self._tabs) - _MOST_KEPT + 1)
        for index, key in enumerate(gone):
            if index < surplus or self._clock() - self._tabs[key].left >= TAB_KEPT:
                room = self._tabs.pop(key).room
                if not self._is_taken(room):  # or a satellite's, which came since, would be lost
                    self._rooms.forget(room)
