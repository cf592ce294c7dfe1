"""The satellite link: satellites dial in, or are dialled, and are driven."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from wyoming.event import Event

from hub.certificate import load_certificate
from hub.config import Settings, state_folder
from hub.conversation.interruption import Judge
from hub.conversation.patience import where
from hub.conversation.room import Rooms
from hub.engines.base import VoiceActivity, WakeWord
from hub.engines.supervisor import Supervised
from hub.home.controls import Controls, NotSet
from hub.live.state import RoomKind
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
from hub.service.connections import EventConnection
from hub.service.dialler import SatelliteDialler
from hub.service.discovered import Discoverer
from hub.service.link import SatelliteLink, nobody_listens, nobody_reads
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


async def _nobody_cares(room: str) -> None:
    """Take no notice of a satellite that arrives."""


class Presence(Protocol):
    """Who is told of what goes on in rooms; `hub.live.Live` is one."""

    def room_arrived(self, name: str, kind: RoomKind, controls: list[str]) -> None:
        """Say that somebody is in a room now."""

    def room_left(self, name: str) -> None:
        """Say that nobody is there any more."""

    def heard(self, name: str, pcm: bytes) -> None:
        """Take what a room's microphone hears (16 kHz mono 16-bit)."""


@dataclass(frozen=True, slots=True)
class _Here:
    """Who is connected as a room.

    Args:
        connection: to the satellite.
        digest: of its token; None where it needed none.
        link: drives it.
        tab: whether it is a browser tab.
    """

    connection: EventConnection
    digest: str | None
    link: SatelliteLink
    tab: bool = False


class SatelliteServer:
    """Where satellites dial in, and from where those that wait for it are dialled.

    Args:
        rooms: the hub's rooms.
        settings: the hub's.
        judge: says whether speech over a reply interrupts it.
        arrived: told of each room whose satellite is there, when it can be sent something.
        wake: the hub's wake words, for satellites that listen for none.
        vad: tells speech in what browser tabs hear.
        presence: told of rooms, and of what is heard there.
        controls: sets satellites.

    Raises:
        ConfigError: other machines could reach it, or be reached, in plain text.
    """

    def __init__(
        self,
        rooms: Rooms,
        settings: Settings,
        judge: Judge,
        arrived: Callable[[str], Awaitable[None]] = _nobody_cares,
        wake: Supervised[WakeWord] | None = None,
        *,
        vad: Supervised[VoiceActivity] | None = None,
        presence: Presence | None = None,
        controls: Controls | None = None,
    ) -> None:
        check_exposure(settings.link)
        self._rooms = rooms
        self._judge = judge
        self._settings = settings.link
        self._all_settings = settings
        self._vad = vad
        self._presence = presence
        self._controls = controls
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._connected: dict[str, _Here] = {}
        self._arrived = arrived
        self._wake = wake
        secure = self._settings.listen.startswith("tls:")
        self._throttle = Throttle() if secure else None
        self._admission = Admission(Pairings(state_folder()) if secure else None, self._throttle)

    @property
    def needs_pairing(self) -> bool:
        """Whether satellites must be paired to dial in, and none is yet."""
        return self._throttle is not None and not self._admission.rooms

    @property
    def links(self) -> dict[str, SatelliteLink]:
        """The satellites that are connected, by room."""
        return {room: here.link for room, here in self._connected.items()}

    async def send(self, room: str, event: Event, *, extension: bool = False) -> bool:
        """Send an event to a room's satellite; False where none is there, or it does not know it.

        Args:
            room: the room's name.
            event: what to send.
            extension: whether only Parlour's own satellites know it.
        """
        here = self._connected.get(room)
        return here is not None and await here.link.send(event, extension=extension)

    async def configure(
        self, room: str, *, muted: bool | None = None, wake_words: Sequence[str] | None = None
    ) -> None:
        """Switch the microphone of a room's satellite, choose its wake words; kept for it.

        Raises:
            NotSet: it cannot be done, or was not; see `hub.home.controls.Controls.configure`.
        """
        if (here := self._connected.get(room)) is None or self._controls is None:
            raise NotSet("no-satellite", f"No satellite is connected in {room}.")
        if here.tab:
            raise NotSet("not-possible", f"{room} is a browser tab; switch its microphone there.")
        await self._controls.configure(room, muted=muted, wake_words=wake_words)
        if muted:
            await here.link.hear_no_more()  # a stock satellite does not say that it is muted

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
        if self._settings.discover:
            discoverer = Discoverer(
                _LIMITS,
                _HEARTBEAT,
                self._drive_dialled,
                self._has_no_place_for,
                plain=self._settings.dial_plain,
            )
            self._tasks.append(asyncio.create_task(discoverer.run(), name="discover"))
        return self._server.uri

    def _has_no_place_for(self, room: str) -> bool:
        """Tell whether a satellite that was found has to wait."""
        return room in self._connected or self._satellites >= self._settings.max_satellites

    @property
    def _satellites(self) -> int:
        """How many are connected; tabs take nobody's place."""
        return sum(not here.tab for here in self._connected.values())

    def is_taken(self, room: str) -> bool:
        """Tell whether a room is a satellite's, so that no tab may be called so."""
        others = {name.casefold() for name, here in self._connected.items() if not here.tab}
        return self._admission.is_paired(room) or room.casefold() in others

    async def join(self, connection: EventConnection, room: str) -> None:
        """Drive a browser tab as a satellite, until it goes.

        Args:
            connection: to the tab; a tab that is in the room already makes place.
            room: the room's name, which is no satellite's (`is_taken`).

        Raises:
            MalformedFrame: it says what no tab says; it was told so.
            ProtocolError: it takes nothing of what is sent.
            ConnectionClosed: it went while something was being sent to it.
        """
        try:
            await self._drive(connection, Introduced(room, {}), tab=True)
        except MalformedFrame as exc:
            await dismiss(connection, "malformed", str(exc))
            raise

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
                    for room, here in self._connected.items():
                        self._admission.saw(room, here.digest)
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
            (room, here.connection)
            for room, here in self._connected.items()
            if here.digest is not None and not self._admission.holds(room, here.digest)
        ]
        for room, _ in gone:
            _LOGGER.warning("%s: its pairing was revoked or made anew; sent away", room)
        await asyncio.gather(*(dismiss(connection, "revoked") for _, connection in gone))

    async def _serve(self, connection: Connection) -> None:
        introduced = await self._admission.introduced(connection)
        if introduced is None:
            return
        room = introduced.room
        if room not in self._connected and self._satellites >= self._settings.max_satellites:
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
        here = self._connected.get(room)
        if self._admission.is_paired(room) or (here is not None and here.digest):
            # It shows no token, and would hear what that room remembers.
            text = f"{room!r} is a paired satellite's room; give this satellite another name"
            await dismiss(connection, "wrong-room", text)
            raise ProtocolError(text)
        stock = introduction is None
        await self._drive(connection, Introduced(room, phrases_of(info)), stock=stock)

    async def _drive(
        self,
        connection: EventConnection,
        introduced: Introduced,
        *,
        stock: bool = False,
        tab: bool = False,
    ) -> None:
        room, digest = introduced.room, introduced.digest
        presence, controls = self._presence, self._controls
        link = SatelliteLink(
            connection,
            self._rooms.get(room),
            introduced.phrases,
            self._all_settings,
            self._judge,
            stock=stock,
            wake=self._wake,
            vad=self._vad if tab else None,
            hears=partial(presence.heard, room) if presence is not None else nobody_listens,
            reports=partial(controls.reported, room) if controls is not None else nobody_reads,
        )
        older = self._connected.get(room)
        # Before any wait: two may come at once.
        self._connected[room] = _Here(connection, digest, link, tab)
        self._admission.saw(room, digest)
        if presence is not None:
            can = ["volume"] if tab else ["mute"] if stock else ["mute", "volume"]
            if introduced.phrases and not stock:
                can.append("wake-words")
            presence.room_arrived(room, "tab" if tab else "satellite", can)
        try:
            if older is not None:
                # Most often the same satellite, whose old connection has not been missed yet.
                before = older.connection
                _LOGGER.warning("%s: a newer satellite takes the place of %s", room, before.peer)
                await dismiss(before, "replaced", f"Another satellite says that it is {room!r}")
            _LOGGER.info("%s: connected from %s", room, connection.peer)
            await link.run(partial(self._arrived, room))
        finally:
            if (latest := self._connected.get(room)) and latest.connection is connection:
                del self._connected[room]
                if controls is not None:
                    controls.left(room)
                if presence is not None:
                    presence.room_left(room)
            self._admission.saw(room, digest)
            _LOGGER.info("%s: disconnected", room)
