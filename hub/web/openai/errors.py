"""Errors as OpenAI's clients understand them."""

from functools import wraps

import msgspec
from aiohttp import web

from hub.web import guard
from hub.web.errors import ApiError, Later
from hub.web.openapi import JSON, Call, Handler
from hub.web.steps import ENGINE_PROBLEMS

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# What the codes of the hub's own interface are called over there.
_CODES = {
    "not-logged-in": "invalid_api_key",
    "too-many-requests": "rate_limit_exceeded",
    "unsupported-language": "unsupported_language",
    "unknown-voice": "unknown_voice",
    "bad-sound": "invalid_audio",
    "bad-text": "invalid_text",
}


def named(code: str) -> str:
    """Return what a code of the hub's own interface is called here."""
    return _CODES.get(code, code.replace("-", "_"))


BUSY = tuple(map(named, ENGINE_PROBLEMS))
"""The codes of a 503."""


class OpenAiProblem(msgspec.Struct, frozen=True):
    """What is wrong.

    Args:
        message: for people; says what to do.
        type: "invalid_request_error", "server_error", ...
        param: the field that it is about.
        code: for programs.
    """

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiRefused(msgspec.Struct, frozen=True):
    """A request that was not served.

    Args:
        error: what is wrong.
    """

    error: OpenAiProblem


class Refusal(ApiError):
    """A request that is answered with an error about one of its fields.

    Args:
        text: for people; says what to do.
        param: the field; None for none in particular.
        code: for programs.
        status: of HTTP.
    """

    def __init__(
        self,
        text: str,
        param: str | None = None,
        code: str = "invalid_request",
        status: int = 400,
    ) -> None:
        super().__init__(status, code, text)
        self.param = param


def problem_of(exc: ApiError) -> OpenAiRefused:
    """Return the body that says what was raised."""
    param = exc.param if isinstance(exc, Refusal) else None
    return _refused(exc.status, exc.code, str(exc), param)


def in_openai_terms(handler: Handler) -> Handler:
    """Let a handler's errors be answered in OpenAI's way."""

    @wraps(handler)
    async def answered(call: Call) -> msgspec.Struct | web.StreamResponse:
        try:
            return await handler(call)
        except ApiError as exc:
            headers = {"Retry-After": str(exc.seconds)} if isinstance(exc, Later) else None
            body = msgspec.json.encode(problem_of(exc))
            return web.Response(body=body, status=exc.status, content_type=JSON, headers=headers)

    return answered


@web.middleware
async def openai_errors(request: web.Request, handler: guard.Handler) -> web.StreamResponse:
    """Put what others refuse below /v1/ (logins, limits, unknown paths) in OpenAI's terms, too."""
    response = await handler(request)
    if (
        not request.path.startswith("/v1/")
        or response.status < 400
        or not isinstance(response, web.Response)
        or response.content_type != JSON
    ):
        return response
    try:
        error = msgspec.json.decode(response.body or b"")["error"]  # type: ignore[arg-type]  # our own refusals have bytes
        refused = _refused(response.status, error["code"], error["text"], None)
    except (msgspec.DecodeError, KeyError, TypeError):
        return response  # it is in their terms already
    response.body = msgspec.json.encode(refused)
    return response


def _refused(status: int, code: str, text: str, param: str | None) -> OpenAiRefused:
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    return OpenAiRefused(OpenAiProblem(text, kind, param, named(code)))
