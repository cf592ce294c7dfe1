"""Who may do what over HTTP, and what browsers are told to forbid.

On this machine (http://) nobody logs in, but web pages of others run here, too, in its browser:
they are told by `Host` (a name of theirs that points here), `Origin` and `Sec-Fetch-Site`. Over the
network (https://) each request needs a session or a token besides.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from hub.conversation.patience import where
from hub.web.callers import Caller, Callers, hang_up
from hub.web.errors import ApiError, Later, refusal

_LOGGER = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER = web.RequestKey("CALLER", Caller)
"""Who sent a request; missing where somebody unknown asks for what is public."""

COOKIE = (
    "__Host-parlour"  # the prefix: browsers take it from this host alone, over https, for all /
)
LOGIN = "/login"

_SAFE = ("GET", "HEAD", "OPTIONS")
_API = ("/api/", "/v1/", "/metrics", "/ready", "/health")  # what programs use; not pages
_PUBLIC = (LOGIN, "/login.css", "/page/styles/tokens.css", "/health")
_PUBLIC_FOLDER = "/page/fonts/"  # of that style sheet
_CODES = {
    400: "malformed",
    404: "no-such-page",
    405: "wrong-method",
    411: "no-length",
    413: "too-long",
    415: "wrong-type",
}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    # No stricter: with "no-referrer" a form of our own would come with the Origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""For every answer that does not say otherwise. No HSTS: the certificate is our own, and browsers
would no more let anybody past their warning."""


def is_local(host: str) -> bool:
    """Tell whether it is this machine; stricter than `protocol.access.is_loopback`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_websocket(request: web.BaseRequest) -> bool:
    """Tell whether a request asks for a websocket."""
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


def template_of(request: web.Request) -> str:
    """Return which kind of address was asked for ("/api/turns/{id}"); quotes nothing."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON, and quote nothing of what was sent."""
    try:
        return await handler(request)
    except Exception as exc:
        gone = request.transport is None or request.transport.is_closing()
        if gone and isinstance(exc, ConnectionError):
            raise
        answer = _answer_to(exc, request)
        if request.writer.output_size > 0:  # half of another answer is sent, or it is a websocket
            raise ConnectionError("cut off") from exc
        return answer


def _answer_to(error: Exception, request: web.Request) -> web.Response:
    if isinstance(error, ApiError):
        seconds = error.seconds if isinstance(error, Later) else None
        return refusal(error.status, error.code, str(error), seconds)
    if isinstance(error, web.HTTPException):
        answer = refusal(error.status, _CODES.get(error.status, "http"), error.reason)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    _LOGGER.error("web: %s: %s", template_of(request), where(error))  # a bug
    return refusal(500, "internal-error", "a bug in the hub; its log says where")


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Tell browsers what to forbid (aiohttp calls it before each answer)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "Parlour"  # and not which versions of what to attack
    if isinstance(response, web.WebSocketResponse) and (caller := request.get(CALLER)) is not None:
        if caller.over:
            raise ApiError(401, "not-logged-in", "signed out, or the token was revoked")
        caller.sockets[response] = request


class Guard:
    """Lets requests in.

    Args:
        callers: who there is; None where only this machine can reach us.
        stranger: told of each address whose request is not let in, or asks for what is public;
            returns the answer where there are too many of them.
    """

    def __init__(
        self, callers: Callers | None, stranger: Callable[[str], web.Response | None]
    ) -> None:
        self._callers = callers
        self._stranger = stranger
        self._scheme = "http" if callers is None else "https"
        self._here = Caller("this machine", "")

    @property
    def sockets(self) -> int:
        """How many websockets are open."""
        return sum(len(caller.sockets) for caller in self._everybody())

    async def close(self) -> None:
        """Close all websockets."""
        await hang_up([self._here])
        if self._callers is not None:
            await self._callers.close()

    def _everybody(self) -> list[Caller]:
        return [self._here, *(self._callers.everybody() if self._callers is not None else ())]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or refuse it."""
        refused = self._foreign(request)
        caller: Caller | None = self._here
        if self._callers is not None:
            if refused is None:
                caller, refused = await self._who(request, self._callers)
            if refused is not None or caller is None:
                refused = self._stranger(request.remote or "") or refused
        if refused is not None:
            return refused
        if caller is None:
            return await handler(request)
        request[CALLER] = caller
        try:
            return await handler(request)
        finally:
            for socket, its in tuple(caller.sockets.items()):
                if its is request:
                    del caller.sockets[socket]

    def _foreign(self, request: web.Request) -> web.Response | None:
        """Refuse what a page of somebody else's sends."""
        host = request.headers.get("Host", "")
        if not (is_local(_host_of(host)) if self._callers is None else _host_of(host)):
            local = "this is only for programs on this machine"
            text = local if self._callers is None else "the request says no host"
            return refusal(403, "wrong-host", text)
        origins = request.headers.getall("Origin", [])
        site = request.headers.get("Sec-Fetch-Site", "none")
        ours = all(origin == f"{self._scheme}://{host}" for origin in origins)
        if ours and (site in ("none", "same-origin") or _is_link(request)):
            return None
        return refusal(403, "wrong-origin", "this is not for pages of other sites")

    async def _who(
        self, request: web.Request, callers: Callers
    ) -> tuple[Caller | None, web.Response | None]:
        """Return who it is, or nobody where that does not matter; or the refusal."""
        if (header := request.headers.get("Authorization")) is not None:
            return await self._program(request, header, callers)
        # By what serves it and not by how it is written: "/x/../login" is not always "/login".
        asked = template_of(request)
        public = asked in _PUBLIC or asked.startswith(_PUBLIC_FOLDER)
        caller = callers.by_cookie(request.cookies.get(COOKIE, ""))
        if caller is None:
            return None, None if public else _log_in(request)
        # The cookie alone says nothing about which page it was that sent the request.
        acts = request.method not in _SAFE or is_websocket(request)
        if acts and "Origin" not in request.headers:
            return None, refusal(403, "no-origin", "a browser says where it is from; use a token")
        return caller, None

    async def _program(
        self, request: web.Request, header: str, callers: Callers
    ) -> tuple[Caller | None, web.Response | None]:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None, _unknown("send a token: Authorization: Bearer TOKEN")
        caller = callers.by_token(token.strip())
        if caller is None:  # it may just have been made; but nobody makes us look all the time
            if (late := self._stranger(request.remote or "")) is not None:
                return None, late
            await callers.refresh()
            caller = callers.by_token(token.strip())
        return caller, None if caller is not None else _unknown("a wrong or revoked token")


def _is_link(request: web.Request) -> bool:
    """Tell whether somebody follows a link from another site to a page of ours, which may be."""
    return (
        request.method == "GET"
        and not is_websocket(request)
        and not request.path.startswith(_API)
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )


def _log_in(request: web.Request) -> web.Response:
    """Refuse somebody unknown; a person is sent to the login page."""
    wants_page = (
        request.method in ("GET", "HEAD")
        and "text/html" in request.headers.get("Accept", "")
        and not request.path.startswith(_API)
        and not is_websocket(request)
    )
    if not wants_page:
        return _unknown("log in, or send a token")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        # A strict cookie does not come along with a link from elsewhere: so once more, from here.
        page = '<!doctype html><meta http-equiv="refresh" content="0"><title>Parlour</title>'
        return web.Response(text=page, content_type="text/html")
    return web.Response(status=303, headers={"Location": LOGIN})


def _unknown(text: str) -> web.Response:
    answer = refusal(401, "not-logged-in", text)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Parlour"'
    return answer


def _host_of(header: str) -> str:
    """Return the host of a `Host` header; "" where it is none."""
    try:
        parts = urlsplit(f"http://{header}")
        bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
        return (parts.hostname or "") if bare and (parts.port is None or parts.port) else ""
    except ValueError:
        return ""
