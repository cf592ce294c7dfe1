"""The satellite link: satellites dial in, or are dialled, and are driven."""

import asyncio
import logging
import ssl

from wyoming.event import Event

from hub.certificate import load_certificate
from hub.config import Settings, state_folder
from hub.conversation.interruption import Judge
from hub.conversation.patience import where
from hub.conversation.room import Rooms
from hub.pairings import Pairings
from hub.service.admission import (
    MOST_STRANGERS,
    Admission,
    Introduced,
    check_exposure,
    dismiss,
    phrases_of,
    room_name,
)
from hub.service.dialler import SatelliteDialler
from hub.service.link import SatelliteLink
from protocol.connection import Connection, Limits, MalformedFrame, ProtocolError
from protocol.extensions import Accepted, introduction_of
from protocol.settings import ConfigError
from protocol.throttle import Throttle
from protocol.tls import server_context
from protocol.transport import Server, serve

_LOGGER = logging.getLogger(__name__)

_HEARTBEAT = 2.0  # seconds between pings
_LIMITS = Limits(idle_timeout=8.0)
_LOOK_AGAIN = 1.0  # seconds, at the pairings: what is revoked is gone within two
_STILL_HERE = 600.0  # seconds, after which "last seen" is written again


class SatelliteServer:
    """Where satellites dial in, and from where those that wait for it are dialled.

    Args:
        rooms: the hub's rooms.
        settings: the hub's.
        judge: says whether speech over a reply interrupts it.

    Raises:
        ConfigError: other machines could reach it, or be reached, in plain text.
    """

    def __init__(self, rooms: Rooms, settings: Settings, judge: Judge) -> None:
        check_exposure(settings.link)
        self._rooms = rooms
        self._judge = judge
        self._settings = settings.link
        self._language = settings.language
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._connected: dict[str, tuple[Connection, str | None]] = {}
        secure = self._settings.listen.startswith("tls:")
        self._throttle = Throttle() if secure else None
        self._admission = Admission(Pairings(state_folder()) if secure else None, self._throttle)

    @property
    def needs_pairing(self) -> bool:
        """Whether satellites must be paired to dial in, and none is yet."""
        return self._throttle is not None and not self._admission.rooms

    async def start(self) -> str:
        """Listen, and dial; return the address that is listened on.

        Raises:
            OSError: the address is taken or cannot be had.
            ConfigError: the certificate or the pairings are broken, or others can read them.
        """
        context = await self._secure() if self._throttle is not None else None
        self._server = await serve(
            self._settings.listen,
            self._serve,
            limits=_LIMITS,
            heartbeat=_HEARTBEAT,
            # Strangers, and those who are being told why they have to go, take nobody's place.
            max_connections=self._settings.max_satellites + 4 * MOST_STRANGERS,
            tls=context,
            throttle=self._throttle,
        )
        if self._throttle is not None:
            self._tasks.append(asyncio.create_task(self._watch(), name="pairings"))
        for uri in self._settings.dial:
            dialler = SatelliteDialler(uri, _LIMITS, _HEARTBEAT, self._drive_dialled)
            self._tasks.append(asyncio.create_task(dialler.run(), name=f"dial {uri}"))
        return self._server.uri

    async def _secure(self) -> ssl.SSLContext:
        try:
            await self._admission.load()
            certificate = await asyncio.to_thread(load_certificate, state_folder())
            return await asyncio.to_thread(server_context, certificate.path)
        except OSError as exc:
            text = f"certificate and pairings in {state_folder()}: {exc}"
            if isinstance(exc, PermissionError | ssl.SSLError):
                raise ConfigError(text) from exc
            raise OSError(text) from exc  # a full disk, a lock that is held: it may pass

    async def close(self) -> None:
        """Send all satellites away, stop dialling and listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.close()
            await self._admission.refresh()  # writes down who was here

    async def _watch(self) -> None:
        """Let new pairings count at once, and satellites go whose pairing was revoked."""
        loop = asyncio.get_running_loop()
        written, told, changed = loop.time(), "", False
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            try:
                if loop.time() - written > _STILL_HERE:
                    written = loop.time()
                    for room, (_, digest) in self._connected.items():
                        self._admission.saw(room, digest)
                changed = await self._admission.refresh() or changed
                if changed:
                    await self._revoke()
                    changed = False
                told = ""
            except Exception as exc:  # a bug, but without this loop nobody is ever revoked
                if (bug := where(exc)) != told:
                    _LOGGER.error("pairings: not looked at: %s (trying again)", bug)
                told = bug

    async def _revoke(self) -> None:
        """Send away whoever would not be let in now."""
        gone = [
            (room, connection)
            for room, (connection, digest) in self._connected.items()
            if digest is not None and not self._admission.holds(room, digest)
        ]
        for room, _ in gone:
            _LOGGER.warning("%s: its pairing was revoked or made anew; sent away", room)
        await asyncio.gather(*(dismiss(connection, "revoked") for _, connection in gone))

    async def _serve(self, connection: Connection) -> None:
        introduced = await self._admission.introduced(connection)
        if introduced is None:
            return
        room = introduced.room
        if room not in self._connected and len(self._connected) >= self._settings.max_satellites:
            _LOGGER.warning("%s: %s is one satellite too many", connection.peer, room)
            await dismiss(connection, "too-many-connections", "The hub takes no more satellites")
            return
        if introduced.check:  # as the satellite's doctor does, beside the satellite that is here
            _LOGGER.info("%s: only asked whether %s would be let in: yes", connection.peer, room)
            await connection.write(Accepted(room))
            return
        try:
            await self._drive(connection, introduced)
        except MalformedFrame as exc:
            await dismiss(connection, "malformed", str(exc))
            raise

    async def _drive_dialled(self, connection: Connection, info: Event) -> None:
        """Drive a satellite that was dialled; a stock one is its room by the name that it has."""
        introduction = introduction_of(info)
        satellite = info.data.get("satellite")
        name = satellite.get("name") if isinstance(satellite, dict) else None
        if introduction is not None:
            name = introduction.room
        if not isinstance(name, str):
            raise MalformedFrame("info: it names no satellite")
        room = room_name(name)
        if self._admission.is_paired(room) or self._connected.get(room, (None, None))[1]:
            # It shows no token, and would hear what that room remembers.
            text = f"{room!r} is a paired satellite's room; give this satellite another name"
            await dismiss(connection, "wrong-room", text)
            raise ProtocolError(text)
        stock = introduction is None
        await self._drive(connection, Introduced(room, phrases_of(info)), stock=stock)

    async def _drive(
        self, connection: Connection, introduced: Introduced, *, stock: bool = False
    ) -> None:
        room, digest = introduced.room, introduced.digest
        older = self._connected.get(room)
        self._connected[room] = connection, digest  # before any wait: two may come at once
        self._admission.saw(room, digest)
        try:
            if older is not None:
                # Most often the same satellite, whose old connection has not been missed yet.
                _LOGGER.warning("%s: a newer satellite takes the place of %s", room, older[0].peer)
                await dismiss(older[0], "replaced", f"Another satellite says that it is {room!r}")
            _LOGGER.info("%s: connected from %s", room, connection.peer)
            link = SatelliteLink(
                connection,
                self._rooms.get(room),
                introduced.phrases,
                self._language,
                self._judge,
                stock=stock,
            )
            await link.run()
        finally:
            if (latest := self._connected.get(room)) and latest[0] is connection:
                del self._connected[room]
            self._admission.saw(room, digest)
            _LOGGER.info("%s: disconnected", room)
