"""Live events: one websocket that tells all that goes on, as the page shows it."""

import asyncio
import logging

import msgspec
from aiohttp import WSMsgType, web

from hub.conversation.patience import where
from hub.live.live import Subscription
from hub.web.errors import ApiError, Later
from hub.web.parts import Parts

_LOGGER = logging.getLogger(__name__)

_MOST_READERS = 64
_HEARTBEAT = 20.0  # seconds; a reader that does not answer is gone
_SEND_TIMEOUT = 20.0  # seconds in which a reader takes a message


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the live events."""

    async def events(request: web.Request) -> web.StreamResponse:
        if parts.live.subscribers >= _MOST_READERS:
            raise Later("busy", f"{_MOST_READERS} readers are connected already")
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=1024, compress=True)
        if not socket.can_prepare(request):
            raise ApiError(426, "no-websocket", "this address is for websockets")
        await socket.prepare(request)
        subscription = parts.live.subscribe()
        telling = asyncio.create_task(_tell(socket, request, subscription), name="live events")
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


async def _tell(
    socket: web.WebSocketResponse, request: web.Request, subscription: Subscription
) -> None:
    while True:
        event = await subscription.next()
        try:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await socket.send_str(msgspec.json.encode(event).decode())
        except TimeoutError:  # nor would it take a farewell
            if request.transport is not None:
                request.transport.abort()
            return
        except ConnectionError:
            return  # whoever reads from it sees it, too
        except Exception as exc:  # a bug, but a reader who is told nothing must not believe it
            _LOGGER.error("live events: %s", where(exc))
            await socket.close()
            return
