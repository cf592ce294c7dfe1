"""Live events: one websocket that tells all that goes on, as the page shows it."""

import asyncio

import msgspec
from aiohttp import WSMsgType, web

from hub.live.live import Subscription
from hub.web.errors import ApiError
from hub.web.parts import Parts

_MOST_READERS = 64
_HEARTBEAT = 20.0  # seconds; a reader that does not answer is gone
_SEND_TIMEOUT = 20.0  # seconds in which a reader takes a message


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the live events."""

    async def events(request: web.Request) -> web.StreamResponse:
        if parts.live.subscribers >= _MOST_READERS:
            raise ApiError(503, "busy", f"{_MOST_READERS} readers are connected already")
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=1024, compress=True)
        await socket.prepare(request)
        subscription = parts.live.subscribe()
        telling = asyncio.create_task(_tell(socket, subscription), name="live events")
        try:
            # Nothing is asked of readers; this notices that one has gone. No time-out: heartbeats.
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
        finally:
            parts.live.unsubscribe(subscription)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return socket

    return [web.get("/api/events", events)]


async def _tell(socket: web.WebSocketResponse, subscription: Subscription) -> None:
    while True:
        event = await subscription.next()
        try:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await socket.send_str(msgspec.json.encode(event).decode())
        except (TimeoutError, ConnectionError):
            await socket.close()
            return
