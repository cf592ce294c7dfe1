"""JSON that comes in, as OpenAI's clients send it."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from hub.web.bodies import whole_body
from hub.web.errors import ApiError
from hub.web.openai.errors import Refusal
from hub.web.openapi import JSON

MOST_BODY = 2_000_000
"""Bytes of a JSON body: more than any model here has a context for."""

BODY_PROBLEMS: Mapping[int, tuple[str, ...]] = {
    400: ("invalid_request", "invalid_type", "invalid_json"),
    408: ("too_slow",),
    413: ("request_too_large",),
    415: ("unsupported_media_type",),
}
"""The codes by status with which a JSON body is refused."""

_BODY_TIMEOUT = 30.0  # seconds
_CODES = {400: "invalid_json", 408: "too_slow", 413: "request_too_large"}
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")

T = TypeVar("T")


async def body_of(request: web.Request, kind: type[T]) -> T:
    """Return a request's JSON body.

    Raises:
        ApiError: it is none, does not fit, is too long or too slow.
    """
    if request.content_type != JSON:  # also, since a page of another site can't send it unasked
        raise Refusal("send application/json", status=415, code="unsupported_media_type")
    try:
        body = await whole_body(request, most=MOST_BODY, seconds=_BODY_TIMEOUT)
    except ApiError as exc:
        raise Refusal(str(exc), status=exc.status, code=_CODES[exc.status]) from None
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        raise Refusal(str(exc), place[1] if place else None, "invalid_type") from None
    except (ValueError, RecursionError):  # ValueError: no JSON, or half of a letter in it
        raise Refusal("the body is no JSON in UTF-8", code="invalid_json") from None
