"""Answers that are sent as they are made; server-sent events among them."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from aiohttp import web

from hub.conversation.patience import where
from hub.web.errors import ApiError

_LOGGER = logging.getLogger(__name__)

EVENTS = "text/event-stream"

_TAKES = 30.0  # seconds in which a client has to take what it is sent


async def streamed(
    request: web.Request, content_type: str, pieces: AsyncGenerator[bytes]
) -> web.StreamResponse:
    """Send an answer as it is made; closes `pieces`, also when the client goes.

    What fails in the middle cuts the answer off, so that no client takes it for whole.

    Args:
        request: what it answers.
        content_type: of the answer.
        pieces: yields it; what it raises before the first piece is raised here.
    """
    async with aclosing(pieces):
        first = await anext(pieces, b"")
        response = web.StreamResponse(headers={"Content-Type": content_type})
        try:
            await response.prepare(request)
            await _send(response, first)
            async for piece in pieces:
                await _send(response, piece)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone
        except Exception as exc:  # the status is sent already
            why = str(exc) if isinstance(exc, ApiError) else where(exc)
            _LOGGER.warning("%s: cut off: %s", request.path, why)
            if request.transport is not None:
                request.transport.abort()
        return response


def event_of(data: Any, name: str = "") -> bytes:
    """Return a server-sent event with `data` as JSON; without a name it is a "message"."""
    head = f"event: {name}\n" if name else ""
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


async def _send(response: web.StreamResponse, piece: bytes) -> None:
    if piece:
        async with asyncio.timeout(_TAKES):
            await response.write(piece)
