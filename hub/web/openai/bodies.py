"""JSON that comes in, and events that go out, as OpenAI's clients have them."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from hub.web.errors import ApiError
from hub.web.openai.errors import Refusal
from hub.web.openapi import JSON

MOST_BODY = 2_000_000
"""Bytes of a JSON body: more than any model here has a context for."""

EVENTS = "text/event-stream"
DONE = b"data: [DONE]\n\n"
BODY_PROBLEMS: Mapping[int, tuple[str, ...]] = {
    400: ("invalid_request", "invalid_type", "invalid_json"),
    408: ("too_slow",),
    413: ("request_too_large",),
    415: ("unsupported_media_type",),
}
"""The codes by status with which a JSON body is refused."""

_BODY_TIMEOUT = 30.0  # seconds
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")

T = TypeVar("T")


async def body_of(request: web.Request, kind: type[T]) -> T:
    """Return a request's JSON body.

    Raises:
        ApiError: it is none, does not fit, is too long or too slow.
    """
    if request.content_type != JSON:  # also, since a page of another site can't send it unasked
        raise Refusal("send application/json", status=415, code="unsupported_media_type")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > MOST_BODY:
                    text = f"the body has more than {MOST_BODY} bytes"
                    raise Refusal(text, status=413, code="request_too_large")
        return msgspec.json.decode(body, type=kind)
    except TimeoutError:
        raise ApiError(408, "too-slow", f"the body took over {_BODY_TIMEOUT:g} s") from None
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        raise Refusal(str(exc), place[1] if place else None, "invalid_type") from None
    except (ValueError, RecursionError):  # ValueError: no JSON, or half of a letter in it
        raise Refusal("the body is no JSON in UTF-8", code="invalid_json") from None
    except web.RequestPayloadError:
        raise Refusal("the body is not whole", code="invalid_json") from None


def event_of(data: Any) -> bytes:
    """Return a server-sent event."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
