"""A browser tab as a room: the satellite link's events over a websocket.

A text frame is one event, `{"type", "data"}`. A binary frame is sound: of the tab's microphone,
16 kHz mono 16-bit; to the tab, in the format of the last `audio-start`.
"""

import asyncio
import json
import re
from typing import Self

from aiohttp import WSMsgType, web
from wyoming.audio import AudioChunk
from wyoming.event import Event, Eventable
from wyoming.ping import Ping

from hub.service.admission import dismiss
from hub.web.errors import ApiError
from hub.web.parts import Parts
from hub.web.tabs import MOST_TABS, Tabs
from protocol.audio import SPEECH
from protocol.connection import ConnectionClosed, MalformedFrame, ProtocolError, WriteTimeout
from protocol.extensions import Accepted

_MOST_TEXT = 16 * 1024  # letters of an event
_MOST_SOUND = SPEECH.bytes_for(1.0)  # of a frame
_MOST_FRAME = 1024 * 1024  # bytes; what is longer is not even read
_WRITE_TIMEOUT = 10.0  # seconds for a tab that takes nothing
_CLOSE_TIMEOUT = 1.0
_HEARTBEAT = 8.0  # seconds between the websocket's own pings, which a frozen page answers, too
_BEAT = 4.0  # seconds between `ping` events, by which a page notices that the hub is gone
_TAB = re.compile(r"[A-Za-z0-9_-]{16,64}")


class TabConnection:
    """One tab, spoken to in Wyoming events; an `EventConnection`.

    Args:
        socket: its websocket, which is open.
        transport: below it.
        peer: its name in logs.
    """

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, peer: str
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._peer = peer
        self._lock = asyncio.Lock()

    @property
    def peer(self) -> str:
        """The tab's name in logs."""
        return self._peer

    async def write(self, event: Event | Eventable) -> None:
        """Send one event, after those that were given to `write` before it.

        Raises:
            WriteTimeout: the tab took nothing for too long.
            ConnectionClosed: it has gone.
        """
        plain = event if isinstance(event, Event) else event.event()
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT) as clock, self._lock:
                if AudioChunk.is_type(plain.type):
                    await self._socket.send_bytes(plain.payload or b"")
                else:
                    data = {"type": plain.type, "data": plain.data}
                    await self._socket.send_str(json.dumps(data))
        except (OSError, RuntimeError) as exc:  # aiohttp raises either where it is closed
            if isinstance(exc, TimeoutError) and clock.expired():
                raise WriteTimeout(f"the tab took nothing for {_WRITE_TIMEOUT:g} s") from None
            raise ConnectionClosed("the tab has gone") from exc

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        # No time-out: the websocket's pings notice that nobody is there.
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            pcm: bytes = message.data
            if len(pcm) > _MOST_SOUND or len(pcm) % SPEECH.bytes_per_frame:
                raise MalformedFrame("sound: at most 1 s of 16-bit samples in a frame")
            return AudioChunk(SPEECH.rate, SPEECH.width, SPEECH.channels, pcm).event()
        if message.type is WSMsgType.TEXT:
            return _event(message.data)
        raise StopAsyncIteration

    async def close(self) -> None:
        """End it; takes a bounded time, may be called again."""
        try:
            async with asyncio.timeout(2 * _CLOSE_TIMEOUT):
                await self._socket.close()
        except TimeoutError:  # it takes nothing, and would hold up the one that takes its place
            self._transport.abort()
        except (OSError, RuntimeError):
            pass  # the socket is closed now; there is nobody left to tell


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves tabs."""
    tabs: Tabs | None = None  # made on the loop, whose time it takes

    async def talk(request: web.Request) -> web.StreamResponse:
        nonlocal tabs
        if tabs is None:
            clock = asyncio.get_running_loop().time
            tabs = Tabs(parts.rooms, parts.satellites.is_taken, clock)
        tab = request.query.get("tab", "")
        if _TAB.fullmatch(tab) is None:
            raise ApiError(400, "malformed", '"tab" has to be 16 to 64 letters, digits, "-" or "_"')
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT,
            timeout=_CLOSE_TIMEOUT,
            max_msg_size=_MOST_FRAME,
            compress=False,  # sound does not shrink
        )
        if not socket.can_prepare(request):
            raise ApiError(426, "no-websocket", "this address is for websockets")
        await socket.prepare(request)
        if (transport := request.transport) is None:
            return socket  # it has gone meanwhile
        connection = TabConnection(socket, transport, f"tab at {request.remote}")
        try:
            await _serve(connection, tab, request.query.get("name", ""), tabs, parts)
        except (ProtocolError, ConnectionClosed):
            pass  # its own affair; it was told as far as it listens
        finally:
            await connection.close()
        return socket

    return [web.get("/api/talk", talk)]


async def _serve(
    connection: TabConnection, tab: str, wished: str, tabs: Tabs, parts: Parts
) -> None:
    room = tabs.enter(tab, wished)
    if room is None:
        text = f"The hub takes no more than {MOST_TABS} tabs at once: close one"
        await dismiss(connection, "too-many-connections", text)
        return
    beating = asyncio.create_task(_beat(connection), name=f"heartbeat {room}")
    try:
        await connection.write(Accepted(room))
        await parts.satellites.join(connection, room)
    finally:
        tabs.leave(tab, room)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(connection: TabConnection) -> None:
    """Let the page hear from us, until one of us has gone."""
    while True:
        await asyncio.sleep(_BEAT)
        try:
            await connection.write(Ping())
        except (ProtocolError, ConnectionClosed):
            await connection.close()
            return


def _event(text: str) -> Event:
    if len(text) > _MOST_TEXT:
        raise MalformedFrame(f"an event has at most {_MOST_TEXT} letters")
    try:
        event = json.loads(text)
        if (
            "\\u" in text
        ):  # half a letter (a lone surrogate) could be told to nobody: it is left out
            event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="ignore"))
    except (ValueError, RecursionError):  # ValueError: also a number of too many digits
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise MalformedFrame('an event is {"type": ..., "data": {...}}')
    data = event.get("data", {})
    if not isinstance(data, dict) or AudioChunk.is_type(event["type"]):
        raise MalformedFrame("the data of an event is an object, and sound a binary frame")
    return Event(event["type"], data)
