"""Dials satellites that wait to be dialled, and drives them as those that dial in."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from wyoming.event import Event
from wyoming.info import Describe, Info

from hub.conversation.patience import where
from protocol.connection import Connection, ConnectionClosed, Limits, ProtocolError
from protocol.transport import BadUri, connect

_LOGGER = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 5.0  # seconds
_INFO_TIMEOUT = 5.0
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 10.0
_STEADY = 10.0  # a connection that lasts so long was a good one

Drive = Callable[[Connection, Event], Awaitable[None]]
"""Drives a satellite, given its `info`, until it goes."""


class SatelliteDialler:
    """Keeps a connection to one satellite.

    Args:
        uri: where the satellite waits.
        limits: of the connection.
        heartbeat: seconds between pings.
        drive: what to do with it.
    """

    def __init__(self, uri: str, limits: Limits, heartbeat: float, drive: Drive) -> None:
        self._uri = uri
        self._limits = limits
        self._heartbeat = heartbeat
        self._drive = drive
        self._told = ""  # why it is not there

    async def run(self) -> None:
        """Dial, drive, and dial again with back-off and jitter, until cancelled.

        Returns, with a line in the log, where the address can never be dialled.
        """
        loop, delay = asyncio.get_running_loop(), _FIRST_RETRY
        while True:
            began = loop.time()
            try:
                await self._once()
            except BadUri as exc:
                _LOGGER.error("link.dial: %s", exc)
                return
            except (ConnectionClosed, ProtocolError, OSError) as exc:  # OSError: time-outs too
                why = str(exc) or "no answer in time"
                if why != self._told or loop.time() - began > _STEADY:
                    _LOGGER.warning("no satellite at %s: %s; dialling on", self._uri, why)
                self._told = why
            except Exception as exc:  # a bug, and no reason to give the satellite up
                _LOGGER.error("the satellite at %s: %s; dialling on", self._uri, where(exc))
            if loop.time() - began > _STEADY:
                delay = _FIRST_RETRY
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, _LONGEST_RETRY)

    async def _once(self) -> None:
        connection = await connect(
            self._uri, limits=self._limits, heartbeat=self._heartbeat, timeout=_CONNECT_TIMEOUT
        )
        async with connection:
            await self._drive(connection, await info_of(connection))


async def info_of(connection: Connection) -> Event:
    """Ask a peer what it is, and return its `info`.

    Raises:
        ProtocolError: it broke the protocol.
        ConnectionClosed: it went.
        TimeoutError: it does not say in time.
    """
    await connection.write(Describe())
    async with asyncio.timeout(_INFO_TIMEOUT):
        while not Info.is_type((event := await connection.read()).type):
            pass  # it may say other things first
    return event
