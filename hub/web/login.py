"""The login page, for browsers beyond this machine. A plain form: it needs no script."""

from html import escape
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from hub.web.bodies import whole_body
from hub.web.callers import Callers, NotLoggedIn
from hub.web.errors import ApiError
from hub.web.guard import CALLER, COOKIE, LOGIN
from hub.web.openapi import Call, Endpoint, served

_MOST_BODY = 4096  # bytes
_BODY_TIMEOUT = 10.0  # seconds
_COOKIE_SECONDS = 30 * 86400  # the session itself ends sooner, if it is not used
_POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_STATUS = {"wrong-password": 403, "too-many-logins": 429, "busy": 503, "no-password": 503}
_TEXT = {
    "wrong-password": "That is not the password.",
    "too-many-logins": "Too many wrong passwords from here. Wait some minutes, then try again.",
    "busy": "Too many people log in at the moment. Try again.",
    "no-password": "No password is set. On the hub, run: parlour-hub password",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in to Parlour</title>
<link rel="stylesheet" href="/page/styles/tokens.css">
<link rel="stylesheet" href="/login.css">
</head>
<body>
<main>
<h1>Parlour</h1>
<form method="post" action="/login">
<input type="text" name="username" value="parlour" autocomplete="username" hidden>
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password"
 maxlength="256" required autofocus{wrong}>
{problem}<button type="submit">Log in</button>
</form>
<p class="aside">It was set on the hub, with <code>parlour-hub password</code>.</p>
</main>
</body>
</html>
"""
_STYLE = Path(__file__).with_name("login.css")


class Session(msgspec.Struct, frozen=True):
    """Who sent a request.

    Args:
        login: whether one logs in here, and can log out.
        who: "this machine", "session" and a number, or "token" and its name.
    """

    login: bool
    who: str


def routes(callers: Callers | None) -> list[web.RouteDef]:
    """Return what lets people in and out; on this machine alone (None) all are in."""

    async def session(call: Call) -> Session:
        return Session(callers is not None, call.request[CALLER].name)

    told = served(
        Endpoint("GET", "/api/session", "Who this is, for the hub", session, answer=Session)
    )
    return [told] if callers is None else [told, *_login_routes(callers)]


def _login_routes(callers: Callers) -> list[web.RouteDef]:
    style = _STYLE.read_bytes()

    async def page(request: web.Request) -> web.StreamResponse:
        return _to_the_page() if CALLER in request else _page()

    async def sheet(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=style,
            content_type="text/css",
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )

    async def log_in(request: web.Request) -> web.StreamResponse:
        if "Origin" not in request.headers:  # or another site might log a browser in
            raise ApiError(403, "no-origin", "a browser says where it is from; use a token")
        password = await _password(request)
        try:
            secret = await callers.log_in(password, request.remote or "")
        except NotLoggedIn as exc:
            return _page(exc.code)
        if (before := request.get(CALLER)) is not None:
            callers.log_out(before)
        answer = _to_the_page()
        answer.set_cookie(
            COOKIE,
            secret,
            path="/",
            max_age=_COOKIE_SECONDS,
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def log_out(request: web.Request) -> web.StreamResponse:
        callers.log_out(request[CALLER])
        answer = web.Response(status=303, headers={"Location": LOGIN})
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    return [
        web.get(LOGIN, page),
        web.post(LOGIN, log_in),
        web.post("/logout", log_out),
        web.get("/login.css", sheet),
    ]


async def _password(request: web.Request) -> str:
    """Return what was typed.

    Raises:
        ApiError: it is no form, too long or too slow.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise ApiError(415, "wrong-type", "send the form")
    body = await whole_body(request, most=_MOST_BODY, seconds=_BODY_TIMEOUT)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, strict_parsing=False)
        return fields.get("password", [""])[0]
    except ValueError:
        raise ApiError(400, "malformed", "this is no form") from None


def _page(problem: str = "") -> web.Response:
    told = f'<p class="problem" id="problem" role="alert">{escape(_TEXT.get(problem, ""))}</p>\n'
    page = _PAGE.format(
        problem=told if problem else "",
        wrong=' aria-invalid="true" aria-describedby="problem"' if problem else "",
    )
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    if problem == "too-many-logins":
        headers["Retry-After"] = "60"
    status = _STATUS.get(problem, 200)
    return web.Response(text=page, content_type="text/html", status=status, headers=headers)


def _to_the_page() -> web.Response:
    return web.Response(status=303, headers={"Location": "/"})
