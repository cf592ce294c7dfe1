"""The hub's HTTP server: announcements and its health, for programs on this machine alone.

Web pages of others run on this machine, too, in its browser: who they are is checked by `Host`
(against a name of theirs that points here), `Origin` and the kind of the body.
"""

import asyncio
import errno
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from hub.conversation.patience import where
from hub.service.announcer import Announcer, NotAnnounced
from protocol.settings import ConfigError

_LOGGER = logging.getLogger(__name__)

_MOST_BODY = 16 * 1024  # bytes
_BODY_TIMEOUT = 10.0  # seconds for a request's body
_RETRY = 5.0  # seconds, while another program has the port
_CLOSING = 2.0  # seconds that requests under way get when the hub stops
_STATUS = {"no-such-room": 404, "busy": 409, "no-satellite": 503, "gone": 503, "engine-failed": 503}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves HTTP.

    Args:
        listen: http://HOST:PORT, on this machine; "" serves nothing.
        announcer: announces.
        ready: says what the hub waits for, "" if it is ready.

    Raises:
        ConfigError: other machines could reach it, or it is no address.
    """

    def __init__(self, listen: str, announcer: Announcer, ready: Callable[[], str]) -> None:
        self._address = address_of(listen) if listen else None
        self._announcer = announcer
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None
        self.address = ""  # where it listens, once it does

    def app(self) -> web.Application:
        """Return what answers requests."""
        app = web.Application(client_max_size=_MOST_BODY, middlewares=[_guard])
        app.router.add_get("/health", self._health)
        app.router.add_post("/api/announce", self._announce)
        return app

    async def start(self) -> str:
        """Listen; return the address.

        Where another program has the port, the hub does without: that is one line in the log,
        "" is returned, and it is tried again until the port is free.
        """
        if self._address is None:
            return ""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=_CLOSING)
        await self._runner.setup()
        if (problem := await self._listen()) is not None:
            hint = "another program has the port" if problem.errno == errno.EADDRINUSE else problem
            _LOGGER.warning(
                "web.listen: http://%s:%d: %s; no announcements until it is free (or set "
                "another one in hub.toml)",
                *self._address,
                hint,
            )
            self._task = asyncio.create_task(self._keep_trying(), name="web")
        return self.address

    async def close(self) -> None:
        """Stop listening; requests under way are cut off after 2 s."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> OSError | None:
        assert self._address is not None
        assert self._runner is not None
        site = web.TCPSite(self._runner, *self._address)
        try:
            await site.start()
        except OSError as exc:
            await site.stop()
            return exc
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        return None

    async def _keep_trying(self) -> None:
        while self.address == "":
            await asyncio.sleep(_RETRY)
            await self._listen()
        _LOGGER.info("web.listen: listening on %s now", self.address)

    async def _health(self, _: web.Request) -> web.Response:
        waits = self._ready()
        told = {"ready": not waits, "waits_for": waits, "rooms": self._announcer.rooms}
        return web.json_response(told)

    async def _announce(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _refusal(415, "not-json", "send application/json")
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                body = await request.read()
            asked = json.loads(body)
        except TimeoutError:
            return _refusal(408, "too-slow", f"the body took longer than {_BODY_TIMEOUT:g} s")
        except (ValueError, RecursionError):  # ValueError: also a number of too many digits
            return _refusal(400, "malformed", "the body is no JSON")
        if not isinstance(asked, dict) or not isinstance(asked.get("text"), str):
            return _refusal(400, "malformed", '"text" has to be a string')
        room = asked.get("room")
        if not isinstance(room, str | None):
            return _refusal(400, "malformed", '"room" has to be a string, or missing for all')
        if not _is_unicode(asked["text"]):
            return _refusal(400, "bad-text", "the text: it is no Unicode")
        if unknown := set(asked) - {"text", "room"}:
            return _refusal(400, "malformed", f"unknown: {', '.join(sorted(unknown))}")
        try:
            return web.json_response({"rooms": await self._announcer.announce(asked["text"], room)})
        except NotAnnounced as exc:
            return _refusal(_STATUS[exc.code], exc.code, str(exc))
        except ValueError as exc:
            return _refusal(400, "bad-text", f"the text: {exc}")


def address_of(listen: str) -> tuple[str, int]:
    """Return host and port of `listen`.

    Raises:
        ConfigError: other machines could reach it, or it is no address.
    """
    try:
        parts = urlsplit(listen)
        host, port = parts.hostname or "", parts.port
        bare = parts.path in ("", "/") and not parts.query and "@" not in parts.netloc
    except ValueError:
        bare, port = False, None
    if not bare or parts.scheme != "http" or not host or port is None:
        raise ConfigError(f"web.listen: {listen!r} is no http://HOST:PORT")
    if not _is_local(host):
        raise ConfigError(
            f"web.listen: {host} can be reached from other machines, and nobody has to show who "
            "they are there; use http://127.0.0.1:8080"
        )
    return host, port


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page of somebody else's sends, and answer errors as JSON."""
    host = _host_of(f"http://{request.headers.get('Host', '')}")
    if not _is_local(host):
        return _refusal(403, "wrong-host", "this is only for programs on this machine")
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    same = origin is None or origin == f"http://{request.headers.get('Host')}"
    if not same or site not in ("none", "same-origin"):
        return _refusal(403, "wrong-origin", "this is not for pages of other sites")
    try:
        return await handler(request)
    except web.HTTPException as exc:
        code = {404: "no-such-page", 405: "wrong-method", 413: "too-long"}.get(exc.status, "http")
        return _refusal(exc.status, code, exc.reason)
    except Exception as exc:  # a bug, which must not quote the request
        _LOGGER.error("web: %s: %s", request.path, where(exc))
        return _refusal(500, "internal-error", "a bug in the hub; its log says where")


def _is_unicode(text: str) -> bool:
    """Tell whether it has no half of a letter (a lone surrogate), as JSON can write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    """Tell whether it is this machine; stricter than `protocol.access.is_loopback`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"error": {"code": code, "text": text}}, status=status)
