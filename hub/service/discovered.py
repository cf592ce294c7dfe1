"""Other makers' satellites that are found on the network, and dialled for as long as they are."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wyoming.event import Event

from hub.conversation.patience import where
from hub.service.dialler import Drive, SatelliteDialler, info_of
from protocol.access import is_local
from protocol.connection import Connection, ConnectionClosed, Limits, MalformedFrame, ProtocolError
from protocol.discovery import WYOMING, look_for_services
from protocol.extensions import introduction_of
from protocol.transport import BadUri, connect
from protocol.uri import Inet

_LOGGER = logging.getLogger(__name__)

_MOST_FOUND = 64  # services; a network may be full of them, or of somebody's inventions
_TIMEOUT = 5.0  # seconds to connect
_FIRST_RETRY = 2.0
_LONGEST_RETRY = 60.0


@dataclass(slots=True, eq=False)
class _Found:
    """A service that was found.

    Args:
        task: asks what it is, and drives it.
        driven: whether a satellite is being driven.
        gone: whether it is announced no more.
    """

    task: asyncio.Task[None]
    driven: bool = False
    gone: bool = False


class Discoverer:
    """Drives the satellites on the network that are no Parlour satellites and are nobody's.

    Those of ours dial their hub, or are driven by Home Assistant. A satellite that is driven stays
    so while it answers, even if it is announced no more: multicast gets lost easily.

    Args:
        limits: of each connection.
        heartbeat: seconds between pings.
        drive: what to do with a satellite.
        taken: tells whether a room has a satellite; then the one that was found has to wait.
        plain: whether to dial satellites on other machines, too: nothing is encrypted then.
    """

    def __init__(
        self,
        limits: Limits,
        heartbeat: float,
        drive: Drive,
        taken: Callable[[str], bool],
        *,
        plain: bool,
    ) -> None:
        self._limits = limits
        self._heartbeat = heartbeat
        self._drive = drive
        self._taken = taken
        self._plain = plain
        self._found: dict[str, _Found] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # those that are being stopped, too

    async def run(self) -> None:
        """Find, ask and drive, until cancelled."""
        try:
            await look_for_services(self.found)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def found(self, name: str, addresses: Sequence[Inet]) -> None:
        """Take what was found on the network, or has gone: it has no address then."""
        before = self._found.get(name)
        if not addresses:
            if before is not None:
                before.gone = True
                if not before.driven:
                    before.task.cancel()
            return
        if before is not None:
            before.gone = False
            if before.driven:
                return
            before.task.cancel()  # it may be somewhere else now
        elif len(self._found) >= _MOST_FOUND:
            _LOGGER.warning("more than %d Wyoming services found; not asked: %s", _MOST_FOUND, name)
            return
        plain = name.removesuffix(f".{WYOMING}")
        task = asyncio.create_task(self._serve(name, plain, addresses), name=f"found {plain}")
        self._found[name] = _Found(task)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._served(name, task))

    def _served(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if (found := self._found.get(name)) is not None and found.task is task:
            del self._found[name]
        if not task.cancelled() and (bug := task.exception()) is not None:
            _LOGGER.error("%s: %s", name, where(bug))

    async def _serve(self, name: str, plain: str, addresses: Sequence[Inet]) -> None:
        """Ask what it is; if it is a satellite for us, dial and drive it until it has gone."""
        delay = _FIRST_RETRY
        while True:
            uri, info = await self._ask(addresses)
            if info is not None:
                room = _satellite_in(info)
                if room is None:
                    _LOGGER.debug("%s is no satellite of other makers", plain)
                    return
                if not self._taken(room):
                    break
                _LOGGER.debug("%s: there is a satellite called %r already", plain, room)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_RETRY)
        _LOGGER.info("found the satellite %r at %s", room, uri)
        found = self._found[name]

        async def drive(connection: Connection, info: Event) -> None:
            if (room := _satellite_in(info)) is None or self._taken(room):
                raise ProtocolError("it is not, or no longer, for us to drive")
            found.driven = True
            try:
                await self._drive(connection, info)
            finally:
                found.driven = False
                if found.gone:
                    found.task.cancel()

        await SatelliteDialler(uri, self._limits, self._heartbeat, drive).run()

    async def _ask(self, addresses: Sequence[Inet]) -> tuple[str, Event | None]:
        """Return where it answers, and its `info`; None if it does not."""
        for address in addresses:
            uri = str(address)
            if not self._plain and not is_local(uri):
                continue
            with contextlib.suppress(BadUri, ConnectionClosed, ProtocolError, OSError):
                async with await connect(uri, limits=self._limits, timeout=_TIMEOUT) as connection:
                    return uri, await info_of(connection)
        return "", None


def _satellite_in(info: Event) -> str | None:
    """Return the name of the stock satellite that an `info` is of; None for anything else."""
    try:
        if introduction_of(info) is not None:
            return None
    except MalformedFrame:
        return None
    satellite = info.data.get("satellite")
    if not isinstance(satellite, dict) or satellite.get("installed") is not True:
        return None
    name = satellite.get("name")
    return name if isinstance(name, str) else None
