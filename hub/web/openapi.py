"""Routes that are declared with their types; the OpenAPI document follows from them.

A module of handlers makes its routes out of declarations:

    class Question(msgspec.Struct, forbid_unknown_fields=True):
        '''What to answer. (And its `Args:`, which the document shows beside each field.)'''

        text: Annotated[str, Meta(min_length=1, max_length=2000)]

    async def ask(call: Call) -> Answer:
        question: Question = call.body
        return Answer(...)

    def routes(parts: Parts) -> list[web.RouteDef]:
        return [
            served(Endpoint("POST", "/api/ask", "Answer a question", ask, body=Question,
                            answer=Answer, errors={503: ("engine-loading",)}, tag="Steps")),
        ]

`served` decodes query and body, refuses what does not fit before the handler sees it, and encodes
the answer. `/api/openapi.json` (hub/web/openapi_document.py) is made from whatever the application
serves, so there is no list to add to: a module whose routes come from `served` is in it. What the
docstrings say of classes and their fields is what the document says of them.

A body that is no JSON (an upload) is declared with `Content` and read by the handler; an answer
that is no JSON is a `web.StreamResponse`, and declared with `Content`, too. Errors that any
endpoint may have (who is not let in, or asks too often) need no declaration.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from hub.web.bodies import whole_body
from hub.web.errors import ApiError

MOST_JSON = 64 * 1024
"""Bytes of a JSON body."""

JSON = "application/json"
HUB = "Hub"
"""The tag of what is about the hub as a whole."""

_BODY_TIMEOUT = 10.0  # seconds for a JSON body


class Problem(msgspec.Struct, frozen=True):
    """What is wrong.

    Args:
        code: for programs.
        text: for people; says what to do.
    """

    code: str
    text: str


class Refused(msgspec.Struct, frozen=True):
    """A request that was not served.

    Args:
        error: what is wrong.
    """

    error: Problem


@dataclass(frozen=True, slots=True)
class Content:
    """A body, of a request or of an answer, of one media type.

    Args:
        media: its type; that of a request may be a range, as "audio/*".
        schema: the class that it is, or its JSON schema; None for bytes.
        description: what it holds.
    """

    media: str
    schema: type | Mapping[str, Any] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose query and body are what its endpoint declares.

    Args:
        request: as aiohttp has it: for bodies that are no JSON, names in the path, and peers that
            take an answer bit by bit.
        query: of the endpoint's `query` class; None where it has none.
        body: of the endpoint's `body` class; None where it has none, or reads it by itself.
    """

    request: web.Request
    query: Any = None
    body: Any = None

    def name(self, key: str) -> str:
        """Return what stands in the path for `{key}`."""
        return self.request.match_info[key]


Handler = Callable[[Call], Awaitable[msgspec.Struct | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    Args:
        method: "GET", "POST", "PATCH", "PUT" or "DELETE".
        path: as aiohttp has it: "/api/turns/{id}".
        summary: what it does, in a few words.
        handler: serves it.
        query: what may stand behind the "?": a class with `forbid_unknown_fields`.
        body: the class of the JSON body, or the media types that the handler reads by itself.
        answer: the class of the JSON answer (the handler returns an object of it), or the media
            types of the response that the handler returns.
        errors: the codes by status with which the handler refuses. Those that follow from `query`
            and `body` need not be named, nor those of every endpoint.
        names: what each name in the path means.
        tag: under what it is listed.
        description: more about it.
        problem: the class of the bodies of its errors.
        statuses: other statuses with which it may answer, and what each means.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | Sequence[Content] | None = None
    answer: type | Sequence[Content] = ()
    errors: Mapping[int, Sequence[str]] | None = None
    names: Mapping[str, str] | None = None
    tag: str = HUB
    description: str = ""
    problem: type[msgspec.Struct] = Refused
    statuses: Mapping[int, str] | None = None

    @property
    def takes_json(self) -> type[msgspec.Struct] | None:
        """The class of its JSON body; None where it has none."""
        return self.body if isinstance(self.body, type) else None

    def refusals(self) -> dict[int, list[str]]:
        """Return the codes by status with which it refuses, without those of every endpoint."""
        codes = {status: list(known) for status, known in (self.errors or {}).items()}
        if self.query is not None or self.takes_json is not None:
            codes.setdefault(400, []).append("malformed")
        if self.takes_json is not None:
            for status, code in ((408, "too-slow"), (413, "too-long"), (415, "not-json")):
                codes.setdefault(status, []).append(code)
        return codes


def served(endpoint: Endpoint) -> web.RouteDef:
    """Return the route that serves an endpoint."""
    return web.route(endpoint.method, endpoint.path, partial(_serve, endpoint))


def endpoints_of(app: web.Application) -> list[Endpoint]:
    """Return all declared endpoints that an application serves, in its order."""
    handlers = (route.handler for route in app.router.routes())
    return [h.args[0] for h in handlers if isinstance(h, partial) and h.func is _serve]


async def _serve(endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    query = _query_of(request, endpoint.query) if endpoint.query is not None else None
    kind = endpoint.takes_json
    body = await _body_of(request, kind) if kind is not None else None
    answer = await endpoint.handler(Call(request, query, body))
    if isinstance(answer, web.StreamResponse):
        return answer
    return web.Response(body=msgspec.json.encode(answer), content_type=JSON)


def _query_of(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    query = request.query
    if twice := sorted({key for key in query if len(query.getall(key)) > 1}):
        raise ApiError(400, "malformed", f"the query: twice: {', '.join(twice)}")
    try:
        return msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise ApiError(400, "malformed", f"the query: {exc}") from None


async def _body_of(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    if request.content_type != JSON:  # also, since a page of another site can't send it unasked
        raise ApiError(415, "not-json", "send application/json")
    body = await whole_body(request, most=MOST_JSON, seconds=_BODY_TIMEOUT)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise ApiError(400, "malformed", f"the body: {exc}") from None
    except (ValueError, RecursionError):  # ValueError: no JSON, or half of a letter in it
        raise ApiError(400, "malformed", "the body is no JSON in UTF-8") from None
