"""Announcements: in one room or in all, behind a chime, and never over a conversation."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from hub.config import Settings
from hub.conversation.announcing import Announcement, speak
from hub.conversation.turn import Outcome, Turn
from hub.engines.base import EngineError, TextToSpeech
from hub.engines.supervisor import Supervised
from hub.engines.thread import client
from hub.service.link import SatelliteLink

_LOGGER = logging.getLogger(__name__)

MOST_TEXT = 1000  # letters
_PATIENCE = 120.0  # seconds that a conversation is waited for, and the announcements before
_BREATH = 0.5  # seconds of quiet after a conversation; somebody may be about to go on
_MOST_WAITING = 8  # announcements in a room; more are refused


class NotAnnounced(Exception):
    """It was not heard; the message says why.

    Attributes:
        code: "no-such-room", "no-satellite", "busy", "gone" or "engine-failed".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Announcer:
    """Speaks in rooms where nobody asked.

    Args:
        links: returns the satellites that are connected, by room.
        tts: the voice.
        settings: the hub's.
    """

    def __init__(
        self,
        links: Callable[[], Mapping[str, SatelliteLink]],
        tts: Supervised[TextToSpeech],
        settings: Settings,
    ) -> None:
        self._links = links
        self._tts = tts
        self._settings = settings
        self._queues: dict[str, asyncio.Lock] = {}  # rooms in which something is announced
        self._waiting: dict[str, int] = {}

    @property
    def rooms(self) -> list[str]:
        """Where something can be announced."""
        return sorted(self._links())

    @property
    def waiting(self) -> int:
        """How many announcements are played, or wait for it, in all rooms together."""
        return sum(self._waiting.values())

    async def announce(self, text: str, room: str | None = None) -> dict[str, str]:
        """Announce `text` in one room, or in all; returns when it was heard everywhere.

        Returns:
            For each room "heard", "interrupted", or the code of what went wrong there.

        Raises:
            NotAnnounced: nobody heard it.
            ValueError: there is no word in it, or it is too long.
        """
        if len(text) > MOST_TEXT:
            raise ValueError(f"it has more than {MOST_TEXT} letters")
        rooms = [self._named(room)] if room is not None else self.rooms
        if not rooms:
            raise NotAnnounced("no-satellite", "no satellite is connected")
        with self._places_in(rooms) as free:
            announcement = await self._spoken(text, chime=True)
            played = (self._play(name, announcement, insist=True) for name in free)
            results = await asyncio.gather(*played, return_exceptions=True)
        told, failed = dict.fromkeys(rooms, "busy"), []
        for name, result in zip(free, results, strict=True):
            if isinstance(result, NotAnnounced):
                failed.append(result)
            elif isinstance(result, BaseException):
                raise result
            told[name] = result.code if isinstance(result, NotAnnounced) else result
        if free and len(failed) == len(free):
            raise failed[0]
        return told

    async def say(self, room: str, text: str) -> None:
        """Say something in a room, without a chime, when it is quiet there; raises nothing."""
        try:
            with self._places_in([room]):
                await self._play(room, await self._spoken(text, chime=False), insist=False)
        except (NotAnnounced, ValueError) as exc:
            _LOGGER.warning("%s: not said: %s", room, exc)

    async def _spoken(self, text: str, *, chime: bool) -> Announcement:
        client.set("announcements")  # whose share of the voice it takes
        try:
            return await speak(text, self._tts, self._settings, chime=chime)
        except EngineError as exc:
            raise NotAnnounced("engine-failed", f"the hub has no voice: {exc}") from exc

    def _named(self, room: str) -> str:
        """Return the room of that name, however its letters are written."""
        names = {name.casefold(): name for name in self._links()}
        if (name := names.get(room.strip().casefold())) is None:
            there = f"connected are: {', '.join(self.rooms)}" if names else "none is connected"
            raise NotAnnounced("no-such-room", f"no satellite in a room {room!r}; {there}")
        return name

    @contextmanager
    def _places_in(self, rooms: Sequence[str]) -> Iterator[list[str]]:
        """Take a place among the announcements of each room; yield the rooms that have one.

        Before anything is spoken, so that no number of them keeps the voice busy.

        Raises:
            NotAnnounced: none has.
        """
        free = [room for room in rooms if self._waiting.get(room, 0) < _MOST_WAITING]
        if not free:
            raise NotAnnounced("busy", f"too many announcements wait in {', '.join(rooms)}")
        for room in free:
            self._waiting[room] = self._waiting.get(room, 0) + 1
        try:
            yield free
        finally:
            for room in free:
                self._waiting[room] -= 1
                if not self._waiting[room]:
                    del self._waiting[room]
                    self._queues.pop(room, None)

    async def _play(self, room: str, announcement: Announcement, *, insist: bool) -> str:
        """Play it in a room when its turn comes; return how it ended.

        `insist` plays it again, if a conversation began before any of it was heard.
        """
        queue = self._queues.setdefault(room, asyncio.Lock())
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        try:
            async with asyncio.timeout_at(deadline):
                await queue.acquire()
        except TimeoutError:
            raise NotAnnounced("busy", f"other announcements go on in {room}") from None
        try:
            turn = await self._when_quiet(room, announcement, deadline, insist=insist)
        finally:
            queue.release()
        match turn.outcome:
            case Outcome.ANSWERED:
                return "heard"
            case Outcome.INTERRUPTED | Outcome.STOPPED:
                return "interrupted"
            case Outcome.GONE:
                raise NotAnnounced("gone", f"the satellite of {room} went away")
        raise NotAnnounced("engine-failed", f"it failed in {room}; the hub's log says why")

    async def _when_quiet(
        self, room: str, announcement: Announcement, deadline: float, *, insist: bool
    ) -> Turn:
        """Play it when nobody talks there."""
        while True:
            if (link := self._links().get(room)) is None:
                raise NotAnnounced("gone", f"the satellite of {room} went away")
            turn = await link.announce(announcement)
            if turn is not None:
                unheard = turn.outcome is Outcome.INTERRUPTED and not turn.playback.heard()
                if not (unheard and insist):
                    return turn
            try:
                async with asyncio.timeout_at(deadline):
                    await link.quiet()
                    await asyncio.sleep(_BREATH)
            except TimeoutError:
                waited = f"for {_PATIENCE:g} s"
                why = f"a conversation went on in {room} {waited}; try again later"
                raise NotAnnounced("busy", why) from None
