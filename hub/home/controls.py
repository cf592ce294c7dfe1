"""What is set at each room's satellite: microphone, wake words; kept by the hub.

A satellite forgets it, and is told again when it comes back.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from wyoming.satellite import PauseSatellite, RunSatellite

from hub.home.kept import Chosen
from hub.home.timers import Send
from hub.home.volume import SendExtension, Volumes
from hub.live.state import WakeWordView
from protocol.control import Configure, Status

_LOGGER = logging.getLogger(__name__)

_ANSWER = 40.0  # seconds; a wake word's model of one's own is tried for up to 30 s before
_MUTES = 5.0  # seconds; a satellite switches its microphone at once


class TellStatus(Protocol):
    """Told how a room's satellite is set; what is None is not known, or as it was."""

    def __call__(
        self,
        room: str,
        *,
        muted: bool | None = None,
        wake_words: list[WakeWordView] | None = None,
        volume: float | None = None,
    ) -> None:
        """Take it."""


def nobody_cares(
    room: str,
    *,
    muted: bool | None = None,
    wake_words: list[WakeWordView] | None = None,
    volume: float | None = None,
) -> None:
    """Take no notice of how a satellite is set."""


class NotSet(Exception):
    """A satellite could not be set so; the message says why, for people.

    Attributes:
        code: "no-satellite", "not-possible", "unknown-wake-word", "not-done" (the satellite says
            why), or "no-answer".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Controls:
    """Sets satellites, and follows how they are set.

    Args:
        send: tells a room's satellite.
        send_extension: tells one of Parlour's own.
        volumes: of the rooms.
        changed: told when there is something to keep.
        told: told how a satellite is set.
    """

    def __init__(
        self,
        send: Send,
        send_extension: SendExtension,
        volumes: Volumes,
        changed: Callable[[], None],
        told: TellStatus = nobody_cares,
    ) -> None:
        self._send = send
        self._send_extension = send_extension
        self._volumes = volumes
        self._changed = changed
        self._told = told
        self._chosen: dict[str, Chosen] = {}
        self._known: dict[str, Status] = {}  # of satellites that are here
        # Of rooms where somebody waits for news; None where the satellite has gone.
        self._news: dict[str, asyncio.Queue[Status | None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def kept(self) -> dict[str, Chosen]:
        """Return all that is set, as it is to be kept."""
        return dict(self._chosen)

    def start(self, kept: Mapping[str, Chosen]) -> None:
        """Take what was kept."""
        self._chosen = {**kept, **self._chosen}

    async def arrived(self, room: str) -> None:
        """Tell a satellite that has come how it is set, and have it say how it is."""
        self._known.pop(room, None)
        chosen = self._chosen.get(room, Chosen())
        if await self._send_extension(room, Configure(chosen.muted, chosen.wake_words).event()):
            return
        if chosen.muted and not await self._send(room, PauseSatellite().event()):
            return
        self._told(room, muted=bool(chosen.muted))  # a stock one has just been told to run

    def reported(self, room: str, status: Status) -> None:
        """Take what a satellite says of itself."""
        self._known[room] = status
        if status.problem:
            _LOGGER.warning("%s: %s", room, status.problem)
        self._volumes.reported(room, status.volume)
        words = [WakeWordView(word.name, word.phrase, word.active) for word in status.wake_words]
        self._told(room, muted=status.muted, wake_words=words, volume=status.volume)
        if (news := self._news.get(room)) is not None:
            news.put_nowait(status)

    def left(self, room: str) -> None:
        """Take it that a satellite has gone."""
        self._known.pop(room, None)
        if (news := self._news.get(room)) is not None:
            news.put_nowait(None)

    async def configure(
        self, room: str, *, muted: bool | None = None, wake_words: Sequence[str] | None = None
    ) -> None:
        """Switch a satellite's microphone, choose its wake words; returns when that is done.

        What is set is kept, and set again when the satellite comes back.

        Args:
            room: its room.
            muted: whether the microphone is off; None leaves it as it is.
            wake_words: names of those to listen for; None leaves them as they are.

        Raises:
            NotSet: it cannot be done, or was not; then as much of it as was done holds on, but is
                not kept.
        """
        async with self._locks.setdefault(room, asyncio.Lock()):
            names = None if wake_words is None else tuple(dict.fromkeys(wake_words))
            if names is not None:
                self._check(room, names)
            # Unbounded, but read as fast as the satellite is.
            news = self._news[room] = asyncio.Queue()
            try:
                if await self._send_extension(room, Configure(muted, names).event()):
                    await self._done(room, news, muted, names)
                elif names is not None:
                    raise NotSet(
                        "not-possible",
                        f"{room} has another maker's satellite; choose its wake words there.",
                    )
                elif muted is not None:
                    await self._pause(room, muted)
            finally:
                del self._news[room]
            before = self._chosen.get(room, Chosen())
            after = replace(
                before,
                muted=before.muted if muted is None else muted,
                wake_words=before.wake_words if names is None else names,
            )
            if after != before:
                self._chosen[room] = after
                self._changed()

    def _check(self, room: str, names: tuple[str, ...]) -> None:
        if not names:
            raise NotSet("unknown-wake-word", "Choose at least one wake word.")
        if (status := self._known.get(room)) is None:
            return
        if not status.wake_words:
            raise NotSet(
                "not-possible",
                f"{room} listens for no wake word itself; the hub hears those of [wake] in "
                "hub.toml.",
            )
        known = [word.name for word in status.wake_words]
        if unknown := [name for name in names if name not in known]:
            raise NotSet(
                "unknown-wake-word",
                f"{room} has no wake word {unknown[0]!r}; there are: {', '.join(known)}.",
            )

    async def _done(
        self,
        room: str,
        news: asyncio.Queue[Status | None],
        muted: bool | None,
        names: tuple[str, ...] | None,
    ) -> None:
        """Wait until the satellite says that it is so."""
        try:
            async with asyncio.timeout(_MUTES if names is None else _ANSWER):
                while True:
                    if (status := await news.get()) is None:
                        raise _nobody_in(room)
                    if status.problem:
                        raise NotSet("not-done", f"The satellite says: {status.problem}.")
                    active = {word.name for word in status.wake_words if word.active}
                    words_done = names is None or active == set(names)
                    if words_done and muted in (None, status.muted):
                        return
        except TimeoutError:
            raise NotSet(
                "no-answer",
                "The satellite does not answer. If its program is older than the hub's, update it.",
            ) from None

    async def _pause(self, room: str, muted: bool) -> None:
        """Switch another maker's microphone, with Wyoming's own events."""
        event = PauseSatellite().event() if muted else RunSatellite().event()
        if not await self._send(room, event):
            raise _nobody_in(room)
        self._told(room, muted=muted)


def _nobody_in(room: str) -> NotSet:
    return NotSet("no-satellite", f"No satellite is connected in {room}.")
