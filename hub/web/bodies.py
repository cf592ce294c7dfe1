"""Bodies of requests that are small enough to be read whole."""

import asyncio

from aiohttp import web

from hub.web.errors import ApiError


async def whole_body(request: web.Request, *, most: int, seconds: float) -> bytes:
    """Return a request's body.

    Args:
        request: whose body was not read yet.
        most: bytes that it may have.
        seconds: in which it has to come.

    Raises:
        ApiError: it is too long (413), too slow (408) or not whole (400).
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise ApiError(413, "too-long", f"the body has more than {most} bytes")
    except TimeoutError:
        raise ApiError(408, "too-slow", f"the body took longer than {seconds:g} s") from None
    except (web.RequestPayloadError, ConnectionError):
        text = "the body is not whole, or not compressed as it says"
        raise ApiError(400, "malformed", text) from None
    return bytes(body)
