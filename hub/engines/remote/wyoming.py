"""What the hub's clients of Wyoming servers share: connections, `describe`, health, errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
from wyoming.event import Event
from wyoming.info import Describe

from hub.engines.base import BadInput, EngineBusy, EngineError, EngineUnavailable
from protocol.connection import Connection, ConnectionClosed, IdleTimeout, Limits, ProtocolError
from protocol.engine_keys import VoiceFacts, facts_of
from protocol.names import LOOK_UP_TIMEOUT
from protocol.transport import connect
from protocol.uri import BadUri, Inet, parse

CONNECT_TIMEOUT = 5.0  # seconds
_INFO_TIMEOUT = 5.0  # seconds
_HEALTH_INTERVAL = 5.0  # seconds
_LOADING_PATIENCE = 60.0  # seconds; then it is tried again as a server that is not there
_LOADING_LOOK = 0.5  # seconds
_MISSES = 2  # in a row; then the server is lost
_MOST_INFO = 8 * 1024 * 1024  # bytes: some servers offer hundreds of voices
_MOST_WORDS = 200  # letters of what a peer says of itself
_MOST_NAME = 60
# `error` codes, by what they mean here: those of `protocol.engine_keys`, and those of a hub's
# service port. Of all others nothing is known; a fresh start is the best that can be tried.
_ERRORS: dict[str, type[EngineError]] = {
    "bad-input": BadInput,
    "too-long": BadInput,
    "unknown-voice": BadInput,
    "unsupported-format": BadInput,
    "unsupported-language": BadInput,
    "busy": EngineBusy,
    "too-many-connections": EngineBusy,
    "unavailable": EngineUnavailable,
    "not-allowed": EngineUnavailable,
    "failed": EngineError,
    "engine-failed": EngineError,
}


class Remote:
    """A Wyoming server: opens a connection for each request, and sees whether it is still there.

    Args:
        uri: where it is, as `protocol.transport` has it.
        setting: that names it, for messages: "stt.engine" or "tts.engine".

    Attributes:
        where: its address for people, "host:port" or the path of a socket.
        local: whether it is on this machine for certain, behind a Unix socket.

    Raises:
        EngineUnavailable: the address is none.
    """

    def __init__(self, uri: str, setting: str) -> None:
        try:
            address = parse(uri)
        except BadUri:  # whose text quotes the address, and with it what might be a password
            raise EngineUnavailable(
                f"{setting}: that is no address; write wyoming://HOST:PORT, an IPv6 address in "
                "brackets, or wyoming+unix:///PATH (there are no passwords)"
            ) from None
        self.local = not isinstance(address, Inet)
        self.where = str(address).partition("://")[2]
        self._uri = uri
        self._setting = setting
        self._open: set[Connection] = set()
        self._closed = False
        self._heard = 0.0  # when it last said anything, on the loop's clock

    @asynccontextmanager
    async def request(self, *, silence: float, payload: int) -> AsyncIterator[Exchange]:
        """Connect for one request; leaving ends the connection, and with it the server's work.

        What goes wrong with the connection inside is raised as an EngineError in words.

        Args:
            silence: seconds that the server may say nothing.
            payload: bytes that one event may carry.

        Raises:
            EngineUnavailable: nobody is there, or `close` was called.
        """
        limits = Limits(
            data=_MOST_INFO,
            payload=payload,
            frame_timeout=silence,
            idle_timeout=silence,
            write_timeout=silence,
        )
        connection = await self._connect(limits)
        self._open.add(connection)
        try:
            if self._closed:  # meanwhile
                raise EngineUnavailable(f"{self.where}: this connection was closed")
            with self._in_words(silence):
                yield Exchange(connection, self._has_heard)
        finally:
            self._open.discard(connection)
            await connection.close()

    async def info(self) -> dict[str, Any]:
        """Ask the server what it offers.

        Raises:
            EngineUnavailable: nobody is there.
            EngineError: it does not answer in time, or not in Wyoming.
        """
        async with self.request(silence=_INFO_TIMEOUT, payload=0) as exchange:
            try:
                async with asyncio.timeout(_INFO_TIMEOUT) as clock:
                    await exchange.write(Describe().event())
                    while (event := await exchange.read()).type != "info":
                        pass
            except TimeoutError:
                if not clock.expired():
                    raise
                raise EngineError(f"{self.where}: no answer in {_INFO_TIMEOUT:g} s") from None
            return event.data

    async def loaded(self, role: str) -> dict[str, Any]:
        """Return what the server offers, once all of the role is loaded; stock servers do not say.

        Args:
            role: "asr" or "tts", the key of its programs.

        Raises:
            EngineUnavailable: nobody is there, or it is still loading after a minute.
            EngineError: as `info`.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + _LOADING_PATIENCE
        while True:
            info = await self.info()
            facts = [checked_facts(program) for program in objects_in(info, role)]
            if not any(each is not None and each.loading for each in facts):
                return info
            if clock() >= until:
                raise EngineUnavailable(f"{self.where}: it is still loading; its log says more")
            await asyncio.sleep(_LOADING_LOOK)

    async def lost(self, tell: Callable[[dict[str, Any]], None]) -> EngineError:
        """Ask every 5 s whether the server is there; return why not once two answers are missing.

        One that is too busy to answer but says something elsewhere meanwhile is there.

        Args:
            tell: is given each `info`.
        """
        misses = 0
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL)
            began = asyncio.get_running_loop().time()
            try:
                tell(await self.info())
                misses = 0
            except EngineError as exc:
                misses = 0 if self._heard >= began else misses + 1
                if misses == _MISSES:
                    return exc

    async def close(self) -> None:
        """End all connections; whoever reads from one gets an EngineError."""
        self._closed = True
        await asyncio.gather(*(connection.close() for connection in list(self._open)))

    async def _connect(self, limits: Limits) -> Connection:
        if self._closed:
            raise EngineUnavailable(f"{self.where}: this connection was closed")
        try:
            # A name is looked up before, which has a time-out of its own.
            async with asyncio.timeout(CONNECT_TIMEOUT + LOOK_UP_TIMEOUT):
                return await connect(self._uri, limits=limits, timeout=CONNECT_TIMEOUT)
        except OSError as exc:
            nobody = isinstance(exc, ConnectionRefusedError | FileNotFoundError)
            why = "nobody listens there" if nobody else exc.strerror or str(exc) or "no answer"
            raise EngineUnavailable(
                f"{self.where}: {why}; start it, or change {self._setting}"
            ) from exc

    @contextmanager
    def _in_words(self, silence: float) -> Iterator[None]:
        try:
            yield
        except ConnectionClosed as exc:
            why = "the connection was closed" if self._closed else "it went away in mid-work"
            raise EngineError(f"{self.where}: {why}") from exc
        except IdleTimeout as exc:
            raise EngineError(f"{self.where}: no answer for {silence:g} s") from exc
        except ProtocolError as exc:
            raise EngineError(f"{self.where}: {exc}") from exc

    def _has_heard(self) -> None:
        self._heard = asyncio.get_running_loop().time()


class Client:
    """What all engines that a Wyoming server is behind share.

    Args:
        uri: where it is, as `protocol.transport` has it.
        setting: that names it, for messages: "stt.engine" or "tts.engine".

    Raises:
        EngineUnavailable: `uri` is no address.
    """

    def __init__(self, uri: str, setting: str) -> None:
        self._remote = Remote(uri, setting)
        self.name = self.device = self._remote.where
        self.note = ""

    async def load(self) -> None:
        """Connect, see that it offers what is wanted, and let it load its model.

        Raises:
            EngineUnavailable: nobody is there, or it lacks what is wanted.
            EngineError: it does not answer, or not in Wyoming.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End all its connections."""
        await self._remote.close()

    async def lost(self) -> EngineError:
        """Wait until it answers no more; return why."""
        return await self._remote.lost(self._refresh)

    def _refresh(self, info: dict[str, Any]) -> None:
        """Take what a health check brings."""


class Exchange:
    """One request and its answer.

    Args:
        connection: of the request alone.
        heard: called whenever the server says something.
    """

    def __init__(self, connection: Connection, heard: Callable[[], None]) -> None:
        self._connection = connection
        self._heard = heard

    async def write(self, event: Event) -> None:
        """Send an event; raises as `Connection.write` does.

        Raises:
            BadInput: half a character is in a text of it.
        """
        try:
            await self._connection.write(event)
        except UnicodeEncodeError:
            raise BadInput("a text with half a character (a lone surrogate)") from None

    async def read(self) -> Event:
        """Wait for the next event; raises as `Connection.read` does.

        Raises:
            EngineError: it is an `error`.
        """
        event = await self._connection.read()
        self._heard()
        if event.type == "error":
            raise _error_of(event.data)
        return event


def _error_of(data: dict[str, Any]) -> EngineError:
    code = data.get("code")
    if isinstance(code, str) and (kind := _ERRORS.get(code)) is not None:
        return kind(words_of(data.get("text")) or code)
    # What a stranger says may quote what a person said, and this may be logged.
    name = words_of(code, most=40)
    return EngineError(f"the server answered with an error{f' ({name})' if name else ''}")


def words_of(value: object, most: int = _MOST_WORDS) -> str:
    """Return what a peer says of itself as one short line; "" where it is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join(value[: 4 * most].split())
    return "".join(letter for letter in line if letter.isprintable())[:most].strip()


def name_of(artefact: dict[str, Any]) -> str:
    """Return the name of a program, model or voice as people see it."""
    return words_of(artefact.get("name"), _MOST_NAME)


def objects_in(data: object, key: str) -> list[dict[str, Any]]:
    """Return the objects of a list, without what is no object."""
    values = data.get(key) if isinstance(data, dict) else None
    return (
        [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
    )


def installed(artefacts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that can be used and have a name."""
    return [one for one in artefacts if one.get("installed") is not False and one.get("name")]


def languages_in(artefact: dict[str, Any]) -> tuple[str, ...]:
    """Return the languages of a model or voice, "en_GB" as "en"; () where it says none."""
    tags = artefact.get("languages")
    if not isinstance(tags, list):
        return ()
    plain = (
        tag.replace("_", "-").partition("-")[0].lower() for tag in tags if isinstance(tag, str)
    )
    return tuple(dict.fromkeys(tag for tag in plain if tag))


def checked_facts(program: dict[str, Any]) -> VoiceFacts | None:
    """Return what a program of an engine process says of itself, without what cannot be true."""
    facts = facts_of(program)
    if facts is None:
        return None
    low, high = facts.clause_letters
    return msgspec.structs.replace(
        facts,
        clause_letters=(low, high) if 1 <= low <= high else VoiceFacts().clause_letters,
        device=words_of(facts.device, _MOST_NAME),
        note=words_of(facts.note),
        real_time_factor=_positive(facts.real_time_factor),
        first_audio=_positive(facts.first_audio),
    )


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None
