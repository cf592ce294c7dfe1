"""Who is let in at the satellite link: where it may listen, introductions, tokens."""

import asyncio
import contextlib
import hmac
import logging
from dataclasses import dataclass

from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Info

from hub.config import LinkSettings
from hub.pairings import Paired, Pairings, digest_of
from hub.service.connections import EventConnection
from protocol.access import is_local
from protocol.connection import Connection, ConnectionClosed, MalformedFrame, ProtocolError
from protocol.extensions import introduction_of
from protocol.pairing import is_room
from protocol.settings import ConfigError
from protocol.throttle import Throttle

_LOGGER = logging.getLogger(__name__)

MOST_STRANGERS = 16  # not introduced yet; one more, and the oldest has to go
_INTRODUCTION_TIMEOUT = 5.0  # seconds
_REFUSAL_TIMEOUT = 1.0  # seconds in which a peer that is sent away may take the reason

_REASONS = {
    "not-introduced": "A satellite introduces itself first",
    "not-paired": "This satellite is not paired: run `parlour-hub pair --room NAME` on the hub, "
    "and `parlour-satellite pair STRING` on the satellite",
    "wrong-certificate": "Pair the satellite again",
    "wrong-token": "The token is not, or no longer, the one of this room: pair the satellite again",
    "wrong-room": "This satellite was paired as another room: use that name, or pair it again",
    "revoked": "The pairing was revoked or made anew: pair the satellite again",
}


class _NotAdmitted(Exception):
    """A peer that has to go; the message says why, for the log."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Introduced:
    """A satellite that is let in.

    Attributes:
        room: its name.
        phrases: wake-word model names to what is said.
        digest: of the token that it showed; None where none is needed.
        check: it only asks whether it would be let in.
    """

    room: str
    phrases: dict[str, str]
    digest: str | None = None
    check: bool = False


def check_exposure(settings: LinkSettings) -> None:
    """See that nothing goes in plain text to or from other machines.

    Raises:
        ConfigError: it would; the message says what to write instead.
        BadUri: an address is not supported.
    """
    listen = settings.listen
    if listen.startswith("tcp:") and not is_local(listen):
        raise ConfigError(
            f"link.listen: other machines can reach {listen}, and it is not encrypted; write "
            f'"tls{listen[3:]}", and pair each satellite: parlour-hub pair --room NAME'
        )
    if settings.discover and not settings.dial_plain:
        raise ConfigError(
            "link.discover: what is said to and by satellites that are found is not encrypted; on "
            "a network that you trust, set link.dial_plain = true"
        )
    for uri in settings.dial:
        if not settings.dial_plain and not is_local(uri):
            raise ConfigError(
                f"link.dial: what is said to and by {uri} is not encrypted; let a satellite of "
                "ours dial this hub instead (parlour-hub pair --room NAME); for others, on a "
                "network that you trust, set link.dial_plain = true"
            )


class Admission:
    """Decides about peers that say they are satellites.

    Args:
        pairings: tokens; None where none is needed, since only this machine gets so far.
        throttle: where failures are counted; None counts none.
    """

    def __init__(self, pairings: Pairings | None, throttle: Throttle | None) -> None:
        self._pairings = pairings
        self._throttle = throttle
        self._version: tuple[int, int, int] | None = None
        self._rooms: dict[str, Paired] = {}
        self._strangers: dict[Connection, asyncio.Timeout] = {}  # the oldest first
        self._seen: set[tuple[str, str]] = set()
        self._told = ""

    @property
    def rooms(self) -> int:
        """How many satellites are paired."""
        return len(self._rooms)

    async def load(self) -> None:
        """Read the pairings.

        Raises:
            ConfigError: they are broken, or others can read them.
            OSError: they cannot be read.
        """
        if self._pairings is not None:
            self._version = await asyncio.to_thread(self._pairings.version)
            self._rooms = await asyncio.to_thread(self._pairings.read)

    async def refresh(self) -> bool:
        """Write down who was seen, and read the pairings again if they changed; say if they did.

        While they cannot be read those that were known still count, and the log says so once.
        """
        if self._pairings is None:
            return False
        try:
            while self._seen:
                room, digest = self._seen.pop()
                await asyncio.to_thread(self._pairings.saw, room, digest)
            if await asyncio.to_thread(self._pairings.version) == self._version:
                return False
            await self.load()
        except (ConfigError, OSError) as exc:
            if str(exc) != self._told:
                _LOGGER.error("pairings: %s; the ones known so far still count", exc)
            self._told = str(exc)
            return False
        self._told = ""
        return True

    def holds(self, room: str, digest: str | None) -> bool:
        """Tell whether a satellite that was let in would be let in now."""
        if self._pairings is None:
            return True
        paired = self._rooms.get(room)
        return paired is not None and paired.digest == digest

    def is_paired(self, room: str) -> bool:
        """Tell whether a room is a paired satellite's."""
        return room in self._rooms

    def saw(self, room: str, digest: str | None) -> None:
        """Note that a satellite is or was connected; `refresh` writes it down."""
        if digest is not None:
            self._seen.add((room, digest))

    async def introduced(self, connection: Connection) -> Introduced | None:
        """Wait for a peer's introduction; None if it was sent away.

        Raises:
            MalformedFrame: what it says is not as Wyoming has it; it was sent away, too.
            ProtocolError: it broke the protocol.
            ConnectionClosed: it went.
        """
        throttle = self._throttle if connection.host is not None else None
        try:
            introduced = self._judge(await self._first_event(connection))
        except _NotAdmitted as exc:
            _LOGGER.warning("%s refused (%s): it %s", connection.peer, exc.code, exc)
            if throttle is not None:
                throttle.failed(connection.host or "")
            await dismiss(connection, exc.code)
            return None
        except (ProtocolError, ConnectionClosed) as exc:
            # Hanging up without a word counts, too, however politely: a handshake costs a
            # millisecond of ours, and no friend has to do that (see `Introduction.check`).
            if throttle is not None:
                throttle.failed(connection.host or "")
            if isinstance(exc, MalformedFrame):
                await dismiss(connection, "malformed", str(exc))
            raise
        if throttle is not None:
            throttle.succeeded(connection.host or "")
        return introduced

    def _judge(self, event: Event | None) -> Introduced:
        """Decide by the first event of a peer, or None if it sent none in time."""
        if event is None:
            raise _NotAdmitted("not-introduced", "said nothing in time")
        if Error.is_type(event.type) and event.data.get("code") == "wrong-certificate":
            raise _NotAdmitted(
                "wrong-certificate",
                "was paired with another hub, or before this hub's certificate was made anew",
            )
        introduction = introduction_of(event) if Info.is_type(event.type) else None
        if introduction is None:
            raise _NotAdmitted("not-introduced", "is no satellite")
        room, phrases = room_name(introduction.room), phrases_of(event)
        if self._pairings is None:
            return Introduced(room, phrases, check=introduction.check)
        if introduction.token is None:
            raise _NotAdmitted("not-paired", f"has no token for {room!r}")
        digest = digest_of(introduction.token)
        owner = self._owner(digest)
        if owner is None:
            raise _NotAdmitted("wrong-token", f"shows a wrong or revoked token for {room!r}")
        if owner != room:
            raise _NotAdmitted("wrong-room", f"is paired as {owner!r}, says that it is {room!r}")
        return Introduced(room, phrases, digest, introduction.check)

    async def _first_event(self, connection: Connection) -> Event | None:
        if len(self._strangers) >= MOST_STRANGERS:
            # A satellite introduces itself at once: it is a silent one that waits here longest.
            oldest = self._strangers.pop(next(iter(self._strangers)))
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(_INTRODUCTION_TIMEOUT) as patience:
                self._strangers[connection] = patience
                try:
                    return await connection.read()
                finally:
                    self._strangers.pop(connection, None)
        except TimeoutError:
            return None

    def _owner(self, digest: str) -> str | None:
        """Return the room with this token's digest; takes as long whichever it is, or none."""
        owner = None
        for room, paired in self._rooms.items():
            if hmac.compare_digest(paired.digest, digest):
                owner = room
        return owner


def room_name(name: str) -> str:
    """Return a room's name as the peer sent it.

    Raises:
        MalformedFrame: it is none.
    """
    if not is_room(name):
        raise MalformedFrame("info: a room's name has 1 to 100 printable letters")
    return name


def phrases_of(event: Event) -> dict[str, str]:
    """Return what is said for each wake-word model in an `info`.

    Raises:
        MalformedFrame: the `info` is none.
    """
    try:
        models = [model for program in Info.from_event(event).wake for model in program.models]
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as exc:
        raise MalformedFrame("info: not as Wyoming has it") from exc
    return {
        model.name: model.phrase if isinstance(model.phrase, str) else model.name
        for model in models
        if isinstance(model.name, str)
    }


async def dismiss(connection: EventConnection, code: str, text: str = "") -> None:
    """Tell a peer why it has to go, and close the connection; takes a bounded time."""
    # Neither error matters: it is being closed anyway.
    with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
        async with asyncio.timeout(_REFUSAL_TIMEOUT):
            await connection.write(Error(text or _REASONS.get(code, code), code).event())
    await connection.close()
