"""The connection on which Home Assistant tells what is exposed, kept up and current."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from hub.home.exposed import Exposed, Listing, ListingError, State
from hub.home.home_assistant_api import Api, NotReached, Refused

_LOGGER = logging.getLogger(__name__)

_REQUEST_TIMEOUT = 10.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between tries; a restarted one is back in 10
_SETTLE = 1.0  # seconds after a change of the registries in which more may come
_REFRESH = 300.0  # seconds; some changes are not told of, as those of entities from YAML
_REGISTRIES = tuple(f"{what}_registry_updated" for what in ("entity", "device", "area", "floor"))


class Lost(Exception):
    """The connection ended, or what came on it cannot be read."""


class _Declined(Exception):
    """Home Assistant declined a request, with this code."""


class Link:
    """Keeps what is exposed current.

    Args:
        api: an open one.
        changed: awaited with all that is exposed, when any of it has another name or place.
        report: called with what is wrong, or "" when all is well again.
    """

    def __init__(
        self, api: Api, changed: Callable[[Exposed], Awaitable[None]], report: Callable[[str], None]
    ) -> None:
        self.version = ""  # Home Assistant's, once it was reached
        self._api = api
        self._changed = changed
        self._report = report
        self._session: _Session | None = None  # that is up

    async def run(self) -> None:
        """Connect, and connect again, until cancelled or refused.

        Raises:
            Refused: the token is no good.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._api.websocket() as socket:
                    session = _Session(socket, self._api.token, self._changed)
                    await session.begin()
                    self.version = session.version
                    self._report("")
                    pause = _FIRST_PAUSE
                    self._session = session
                    try:
                        await session.follow()
                    finally:
                        self._session = None
                        session.end()
            except Refused:
                raise
            except (aiohttp.ClientError, OSError, NotReached) as error:  # TimeoutError is one
                self._report(str(error) if isinstance(error, NotReached) else self._api.why(error))
            except (Lost, ListingError) as error:
                self._report(f"the connection to Home Assistant was lost: {error}")
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def ask(self, kind: str, *, patience: float, **fields: Any) -> Any:
        """Ask something that changes nothing; return the result.

        Args:
            kind: the request's type.
            patience: seconds that an answer may take.
            fields: of the request.

        Raises:
            Lost: there was no answer, or a refusal.
        """
        if self._session is None:
            raise Lost("not connected")
        try:
            return await self._session.ask(kind, patience, fields)
        except _Declined as code:
            raise Lost(f"it declines {kind} ({code})") from code
        except TimeoutError as error:
            raise Lost(f"no answer to {kind} within {patience:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(f"the connection broke: {type(error).__name__}") from error


class _Session:
    """One connection: our own requests one after the other, events between their answers.

    Others may `ask` at any time; whoever reads then gives them their answers.
    """

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        token: str,
        changed: Callable[[Exposed], Awaitable[None]],
    ) -> None:
        self.version = ""
        self._socket = socket
        self._token = token
        self._changed = changed
        self._last_id = 0
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}  # by the request's id
        self._states_id: int | None = None  # of the subscription to states
        self._states: dict[str, State] = {}
        self._listing: Listing | None = None
        self._due = 0.0  # when all is to be read anew, on the loop's clock
        self._renamed = False
        self._told = False  # whether states were told of since they were asked for

    async def begin(self) -> None:
        """Introduce ourselves, and read all for the first time."""
        async with asyncio.timeout(_REQUEST_TIMEOUT):
            hello = await self._next()
            if hello.get("type") != "auth_required":
                raise Lost("it is no Home Assistant")
            await self._socket.send_json({"type": "auth", "access_token": self._token})
            hello = await self._next()
        if hello.get("type") == "auth_invalid":
            raise Refused("Home Assistant refuses the token: make a new one, and restart the hub")
        self.version = str(hello.get("ha_version", ""))
        for event in _REGISTRIES:
            try:
                await self._request("subscribe_events", event_type=event)
            except _Declined as code:  # older versions have no floors
                _LOGGER.debug("home assistant does not tell of %s: %s", event, code)
        await self._read_all()

    async def follow(self) -> None:
        """Take what it tells until the connection ends."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(self._due):
                    message = await self._next()
            except TimeoutError:
                if loop.time() >= self._due:
                    await self._read_all()
                continue
            self._take(message)
            if self._renamed:
                await self._tell()

    async def ask(self, kind: str, patience: float, fields: dict[str, Any]) -> Any:
        """Send a request while somebody else reads; return its result. See `Link.ask`."""
        self._last_id += 1
        mine, answer = self._last_id, asyncio.get_running_loop().create_future()
        self._asked[mine] = answer
        try:
            async with asyncio.timeout(patience):
                await self._socket.send_json({"id": mine, "type": kind, **fields})
                return _result_of(await answer)
        finally:
            del self._asked[mine]

    def end(self) -> None:
        """Say to all who still wait that no answer comes any more."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Lost("it was closed"))

    async def _read_all(self) -> None:
        """Read the registries, and the states of all that is exposed."""
        if self._states_id is not None:
            await self._request("unsubscribe_events", subscription=self._states_id)
            self._states_id = None
        try:
            found = await self._request("homeassistant/expose_entity/list")
        except _Declined as code:
            raise NotReached(
                "Home Assistant does not say what is exposed: the token must be an "
                f"administrator's ({code})"
            ) from code
        marked = found.get("exposed_entities") if isinstance(found, dict) else None
        if not isinstance(marked, dict):
            raise ListingError("the list of exposed entities is none")
        wanted = [name for name, to in marked.items() if isinstance(to, dict)]
        try:
            entries = await self._request("config/entity_registry/get_entries", entity_ids=wanted)
            devices = await self._request("config/device_registry/list")
            areas = await self._request("config/area_registry/list")
        except _Declined as code:
            raise ListingError(f"a registry cannot be read ({code})") from code
        try:
            floors = await self._request("config/floor_registry/list")
        except _Declined:  # before 2024.4 there were none
            floors = []
        self._listing = Listing.read(marked, entries, devices, areas, floors)
        self._states = {}
        self._due = asyncio.get_running_loop().time() + _REFRESH
        ids = sorted(self._listing.exposed)
        if ids:  # an empty list would ask for all there are
            self._told = False
            self._states_id = self._last_id + 1  # its first event may come with the answer
            try:
                await self._request("subscribe_entities", entity_ids=ids)
                async with asyncio.timeout(_REQUEST_TIMEOUT):
                    while not self._told:
                        self._take(await self._next())
            except _Declined as code:
                raise ListingError(f"no states of exposed entities ({code})") from code
        await self._tell()

    async def _tell(self) -> None:
        assert self._listing is not None
        self._renamed = False
        await self._changed(self._listing.exposed_now(self._states))

    async def _request(self, kind: str, **fields: Any) -> Any:
        """Send a request; return its result. Events that come before it are taken."""
        self._last_id += 1
        mine = self._last_id
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                await self._socket.send_json({"id": mine, "type": kind, **fields})
                while True:
                    message = await self._next()
                    if message.get("type") == "result" and message.get("id") == mine:
                        break
                    self._take(message)
        except TimeoutError as error:
            raise Lost(f"no answer to {kind}") from error
        return _result_of(message)

    async def _next(self) -> dict[str, Any]:
        """Return the next message.

        No time-out of its own: the heartbeat ends a connection whose other end is gone.
        """
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Lost("it was closed")
        try:
            content = message.json()
        except ValueError as error:
            raise Lost("no JSON") from error
        if not isinstance(content, dict):
            raise Lost("no message")
        return content

    def _take(self, message: dict[str, Any]) -> None:
        """Take an event, or somebody else's answer."""
        if message.get("type") == "result":
            answer = self._asked.get(message.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(message)
            return
        event = message.get("event")
        if message.get("type") != "event" or not isinstance(event, dict):
            return
        if message.get("id") == self._states_id:
            self._take_states(event)
        elif event.get("event_type") in _REGISTRIES:
            soon = asyncio.get_running_loop().time() + _SETTLE
            self._due = min(self._due, soon)

    def _take_states(self, event: dict[str, Any]) -> None:
        """Take Home Assistant's compressed states: added "a", changed "c", removed "r"."""
        self._told = True
        try:
            for name, full in event.get("a", {}).items():
                self._states[name] = State(str(full["s"]), dict(full.get("a", {})))
                self._renamed = True
            for name, change in event.get("c", {}).items():
                state = self._states[name]
                more, less = change.get("+", {}), change.get("-", {})
                state.value = str(more.get("s", state.value))
                was = state.attributes.get("friendly_name")
                state.attributes.update(more.get("a", {}))
                for gone in less.get("a", ()):
                    state.attributes.pop(gone, None)
                self._renamed |= state.attributes.get("friendly_name") != was
            for name in event.get("r", ()):
                self._states.pop(name, None)
                self._renamed = True
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Lost(f"states that cannot be read: {type(error).__name__}") from error


def _result_of(message: dict[str, Any]) -> Any:
    """Return what an answer holds.

    Raises:
        _Declined: it is a refusal.
    """
    if not message.get("success"):
        trouble = message.get("error")
        raise _Declined(trouble.get("code", "") if isinstance(trouble, dict) else "")
    return message.get("result")
