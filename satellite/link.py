"""The connection to whoever drives us: we dial the hub, or a driver dials us.

The conversation is the same either way. Each peer has its own bounded queue and writer, so that
the session never waits for the network; one peer at a time, the first that sends `run-satellite`,
is the driver, and only its events reach the session.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe
from wyoming.satellite import PauseSatellite, RunSatellite

from protocol.access import AllowList
from protocol.connection import Connection, ConnectionClosed, Limits, ProtocolError
from protocol.service_manager import notify
from protocol.transport import WrongCertificate, connect, serve

_LOGGER = logging.getLogger(__name__)

HEARTBEAT = 2.0  # seconds between pings
IDLE_TIMEOUT = 8.0  # seconds without any frame after which the peer counts as gone
FIRST_RETRY = 0.2  # seconds
LAST_RETRY = 2.0  # seconds; a restarted hub has us back within 3
JITTER = 0.2  # share by which a wait is varied, so that not all rooms dial at once
FIRST_YIELD = 30.0  # seconds for which we leave the hub to another satellite of our name
LAST_YIELD = 600.0  # seconds; until somebody gives one of the two another name
STABLE = 10.0  # seconds after which a connection counts as good, and its loss as a new problem
CONNECT_TIMEOUT = 2.0  # seconds, when it is known where the hub is
FIRST_DISTRUST = 5.0  # seconds, where token or certificate are wrong
LAST_DISTRUST = 60.0  # seconds; seldom enough that the hub does not stop listening to our address
NEXT_PING = 2.2  # seconds in which a driver pings once; Home Assistant every 2
LAST_WORDS = 0.3  # seconds for what a driver still sends when we end
DROPPED = 4.0  # seconds in which a dropped driver has to hang up; Home Assistant takes 3
MAX_QUEUED = 1000  # events, about 20 s of microphone
MAX_PEERS = 8
_DISTRUST = ("not-paired", "wrong-token", "wrong-room", "revoked")  # codes of a hub's errors
_LIMITS = Limits(idle_timeout=IDLE_TIMEOUT)


class Conversation(Protocol):
    """What the link calls; `Session` is one."""

    def received(self, event: Event) -> None:
        """Take an event from the driver."""
        ...

    def link_lost(self) -> None:
        """The driver is gone."""
        ...


class Refused(ConnectionClosed):
    """The hub answered our introduction with an error; the message is its text."""


class Distrusted(ConnectionClosed):
    """Our pairing is not, or no longer, the hub's; the message is its text."""


class Replaced(ConnectionClosed):
    """The hub took another satellite of our name in our place; the message is its text."""


class _Peer:
    """One connection and what waits to be sent on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.outgoing: asyncio.Queue[Event | Eventable] = asyncio.Queue(MAX_QUEUED)
        self.dropped = asyncio.Event()
        self.wants_to_drive = False
        self.paused = False  # it has muted us

    def put(self, event: Event | Eventable) -> None:
        try:
            self.outgoing.put_nowait(event)
        except asyncio.QueueFull:
            if not self.dropped.is_set():
                _LOGGER.warning("%s takes nothing: dropped", self.connection.peer)
                self.dropped.set()

    async def write_all(self) -> None:
        while True:  # no time-out: the queue may well stay empty; Connection.write has one
            await self.connection.write(await self.outgoing.get())
            self.outgoing.task_done()


class Link:
    """Keep a driver connected for as long as `run` runs.

    Args:
        info: the `info` event that describes this satellite; another one may be set for peers to
            come.
        on_driven: called each time a driver begins to drive, with its address.
    """

    def __init__(self, info: Event, *, on_driven: Callable[[str], None] = lambda _: None) -> None:
        self.info = info
        self._on_driven = on_driven
        self._driver: _Peer | None = None
        self._peers: list[_Peer] = []
        self._accepted = False  # this connection, or the one just lost, had begun to drive

    def send(self, event: Event | Eventable) -> None:
        """Queue an event for the driver; dropped when there is none.

        A driver that lets more than 1000 events pile up is disconnected.
        """
        if self._driver is not None:
            self._driver.put(event)

    def drop(self, reason: str) -> None:
        """Close the driver's connection; when we dialled it, dial again.

        One that dialled us may go on sending until it hangs up, too: Home Assistant comes back
        after 3 s, but only after 13 where it sends two pieces, and a ping is that, to a closed
        connection.
        """
        if self._driver is not None:
            _LOGGER.warning("dropping %s: %s", self._driver.connection.peer, reason)
            self._driver.dropped.set()

    async def sent(self) -> None:
        """Wait until all of `send` was given to the network; the caller has a time-out."""
        if self._driver is not None:
            await self._driver.outgoing.join()

    async def dial(self, uri: str, session: Conversation, *, pin: bytes | None = None) -> None:
        """Connect to the hub at `uri`, introduce ourselves, and again whenever it is lost.

        Waits 0.2 s, doubling to 2 s, give or take 20 %, between attempts. After the hub gave our
        place to another satellite of our name 30 s, doubling to 10 minutes: two that came back at
        once would throw each other out for ever. Where token or certificate are wrong 5 s,
        doubling to a minute. Runs until cancelled.

        Args:
            uri: the hub.
            session: what the hub talks to.
            pin: of the hub's certificate, where `uri` is ``tls://``.

        Raises:
            BadUri: `uri` can never be dialled.
        """
        wait, yielding, distrust = FIRST_RETRY, FIRST_YIELD, FIRST_DISTRUST
        told = ""
        loop = asyncio.get_running_loop()
        while True:
            self._accepted = replaced = distrusted = False
            began = loop.time()
            try:
                await self._dial_once(uri, session, pin)
                problem = ""
            except Refused as error:
                problem = f"hub {uri} refuses this satellite: {error}"
            except Distrusted as error:
                problem, distrusted = f"hub {uri} refuses this satellite: {error}", True
            except WrongCertificate as error:
                problem, distrusted = f"hub {uri}: {error}; if the hub is new, pair again", True
            except Replaced as error:
                problem, replaced = f"hub {uri}: {error}; give one of the two another name", True
            except (OSError, ProtocolError, ConnectionClosed) as error:
                problem = f"hub {uri}: {str(error) or 'no answer in time'}"
            if self._accepted:
                told = ""
                if loop.time() - began >= STABLE:  # two rooms of one name take turns no faster
                    wait = FIRST_RETRY
            pause = yielding if replaced else distrust if distrusted else wait
            if problem and problem != told:  # the same line every 2 s would fill the log
                when = f"in {pause:g} s" if replaced else "until it answers"
                _LOGGER.warning("%s; trying again %s", problem, when)
                notify(f"STATUS={problem}; trying again {when}")
                told = problem
            await asyncio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))
            yielding = min(2 * yielding, LAST_YIELD) if replaced else FIRST_YIELD
            distrust = min(2 * distrust, LAST_DISTRUST) if distrusted else FIRST_DISTRUST
            wait = FIRST_RETRY if replaced else min(2 * wait, LAST_RETRY)

    async def listen(
        self,
        uri: str,
        session: Conversation,
        on_listening: Callable[[str], None] = lambda _: None,
        *,
        bound: list[socket.socket] | None = None,
        admit: AllowList | None = None,
        published: Callable[[str], AbstractAsyncContextManager[object]] = nullcontext,
    ) -> None:
        """Accept drivers at `uri`, until cancelled.

        Every connection gets `describe` answered. The first that sends `run-satellite` drives; one
        that sends it meanwhile drives when the first is gone, or at once if that has paused us.

        Args:
            uri: where to listen; port 0 takes any free one.
            session: what the driver talks to.
            on_listening: called with the real address.
            bound: what `protocol.transport.bind` has made of `uri`; None binds now.
            admit: who may connect; None for everybody.
            published: told the real address, lets others find it for as long as we listen.

        Raises:
            BadUri: `uri` can never be listened on.
            OSError: the address is in use or not ours.
        """

        async def handle(connection: Connection) -> None:
            peer, patience = _Peer(connection), LAST_WORDS
            try:
                await self._serve(peer, session)
                patience = DROPPED
            except asyncio.CancelledError:
                if peer.wants_to_drive:
                    await connection.ignore_ping(NEXT_PING)
                raise
            finally:
                await connection.hang_up(patience)

        handler: Callable[[Connection], Awaitable[None]] = handle
        server = await serve(
            uri,
            handler,
            bound=bound,
            limits=_LIMITS,
            heartbeat=HEARTBEAT,
            max_connections=MAX_PEERS,
            admit=admit,
        )
        try:
            on_listening(server.uri)
            async with published(server.uri):
                await asyncio.Event().wait()  # no time-out: until cancelled
        finally:
            await server.close()

    async def _dial_once(self, uri: str, session: Conversation, pin: bytes | None) -> None:
        connection = await connect(
            uri, pin=pin, limits=_LIMITS, heartbeat=HEARTBEAT, timeout=CONNECT_TIMEOUT
        )
        async with connection:
            peer = _Peer(connection)
            peer.put(self.info)
            await self._serve(peer, session)

    async def _serve(self, peer: _Peer, session: Conversation) -> None:
        """Talk to one peer until it is gone."""
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(self._read(peer, session)),
            asyncio.create_task(peer.write_all()),
            asyncio.create_task(peer.dropped.wait()),
        ]
        self._peers.append(peer)
        try:
            # No time-out: the heartbeat ends a connection whose peer says nothing.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._peers.remove(peer)
            if self._driver is peer:
                self._driver = None
                notify(f"STATUS={peer.connection.peer} is gone; nobody drives this satellite")
                session.link_lost()
                waiting = next((other for other in self._peers if other.wants_to_drive), None)
                if waiting is not None:
                    self._promote(waiting, session)

    async def _read(self, peer: _Peer, session: Conversation) -> None:
        while True:  # Connection.read has the time-out
            event = await peer.connection.read()
            if Describe.is_type(event.type):
                peer.put(self.info)
            elif Error.is_type(event.type) and event.data.get("code") in _DISTRUST:
                raise Distrusted(str(event.data.get("text") or event.data["code"]))
            elif peer is self._driver:
                if Error.is_type(event.type) and event.data.get("code") == "replaced":
                    raise Replaced(str(event.data.get("text") or "replaced"))
                self._note_pause(peer, event)
                session.received(event)
            elif RunSatellite.is_type(event.type):
                peer.wants_to_drive = True
                if self._driver is None:
                    self._promote(peer, session)
                elif self._driver.paused:  # most often the same one, that comes back to unmute us
                    self.drop("another one wants to drive, and this one has paused")
            elif Error.is_type(event.type):
                raise Refused(str(event.data.get("text") or event.data.get("code") or "no reason"))

    def _note_pause(self, peer: _Peer, event: Event) -> None:
        """Expect no heartbeat of a driver that has paused us.

        Home Assistant answers no ping while its mute switch is on, and still wants to be heard: its
        timers end, and it makes announcements. TCP's keepalive tells whether it is there.
        """
        if PauseSatellite.is_type(event.type):
            peer.paused = True
            peer.connection.expect_silence()
        elif RunSatellite.is_type(event.type):
            peer.paused = False

    def _promote(self, peer: _Peer, session: Conversation) -> None:
        self._driver = peer
        self._accepted = True
        _LOGGER.info("driven by %s", peer.connection.peer)
        notify(f"STATUS=driven by {peer.connection.peer}")
        session.received(RunSatellite().event())
        self._on_driven(peer.connection.peer)
