"""The hub's HTTP server: composes what is served, listens, stops in order."""

import asyncio
import errno
import logging
import secrets
import ssl
from collections.abc import Callable

from aiohttp import web

from hub.certificate import load_certificate
from hub.config import state_folder
from hub.web import events, login, metrics, pages, talk
from hub.web.api import rest
from hub.web.callers import Callers
from hub.web.credentials import Credentials, own_token_path
from hub.web.guard import Guard, add_headers, answer_errors
from hub.web.limits import Limits
from hub.web.listening import KEEP_ALIVE, Connection, Listener, WebAddress, stop_when_gone
from hub.web.openai import interface as openai
from hub.web.openai.errors import openai_errors
from hub.web.parts import Parts
from protocol.private_files import write_private
from protocol.settings import ConfigError
from protocol.tls import server_context

_LOGGER = logging.getLogger(__name__)

_MOST_BODY = 16 * 1024  # bytes, where a handler does not say otherwise
_MOST_HEADERS = 64  # of a request, each of 8 KiB at most
_LONGEST_HEADER = 8190  # bytes
_LINGERING = 5.0  # seconds in which the rest of a refused body is read, or its sender hears nothing
_RETRY = 5.0  # seconds, while another program has the port
_CLOSING = 2.0  # seconds that requests under way get when the hub stops

Routes = Callable[[Parts], list[web.RouteDef]]

_ROUTES: tuple[Routes, ...] = (
    events.routes,
    talk.routes,
    metrics.routes,
    rest.routes,
    openai.routes,
    pages.routes,
)
"""What is served: a function of each module that serves something."""


class WebServer:
    """Serves HTTP.

    Args:
        listen: http://HOST:PORT, on this machine, or https://HOST:PORT; "" serves nothing.
        parts: of the hub.

    Raises:
        ConfigError: other machines could reach it in plain text, or it is no address.
    """

    def __init__(self, listen: str, parts: Parts) -> None:
        self._address = WebAddress.read(listen) if listen else None
        self._parts = parts
        self._own_token = ""
        self.callers: Callers | None = None
        if self._address is not None and self._address.secure:
            self._own_token = secrets.token_urlsafe(32)
            self.callers = Callers(Credentials(state_folder()), self._own_token)
        self._limits = Limits(rates=self.callers is not None)
        self._guard = Guard(self.callers, self._limits.stranger)
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.address = ""  # where it listens, once it does
        parts.metrics.connections["http"] = lambda: self.connections
        parts.metrics.connections["websocket"] = lambda: self.websockets

    def app(self) -> web.Application:
        """Return what answers requests."""
        app = web.Application(
            client_max_size=_MOST_BODY,
            middlewares=[
                self._parts.metrics.middleware,
                stop_when_gone,
                openai_errors,
                answer_errors,
                self._guard.middleware,
                self._limits.middleware,
            ],
        )
        app.on_response_prepare.append(add_headers)
        app.add_routes(login.routes(self.callers))
        for routes in _ROUTES:
            app.add_routes(routes(self._parts))
        return app

    async def start(self) -> str:
        """Listen; return the address.

        Where another program has the port, the hub does without: that is one line in the log,
        "" is returned, and it is tried again until the port is free.

        Raises:
            ConfigError: others could reach it, and there is no password; or password or certificate
                are broken.
            OSError: password or certificate cannot be read.
        """
        if self._address is None:
            return ""
        tls = await self._secure(self.callers) if self.callers is not None else None
        runner = self._runner = web.AppRunner(
            self.app(), access_log=None, shutdown_timeout=_CLOSING
        )
        await runner.setup()
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            assert runner.server is not None
            return Connection(
                runner.server,
                loop=loop,
                keepalive_timeout=KEEP_ALIVE,
                lingering_time=_LINGERING,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
                max_headers=_MOST_HEADERS,
                access_log=None,  # type: ignore[arg-type]  # None is for none
            )

        self._listener = Listener(connection, tls)
        if (problem := await self._listen()) is not None:
            hint = "another program has the port" if problem.errno == errno.EADDRINUSE else problem
            _LOGGER.warning(
                "web.listen: %s: %s; no page and no announcements until it is free (or set "
                "another one in hub.toml)",
                self._address,
                hint,
            )
            self._tasks.append(asyncio.create_task(self._keep_trying(), name="web"))
        return self.address

    async def close(self) -> None:
        """Stop listening; close websockets; requests under way are cut off after 2 s."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            await self._listener.close()
        await self._guard.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._listener.connections if self._listener is not None else 0

    @property
    def websockets(self) -> int:
        """How many of them are websockets."""
        return self._guard.sockets

    async def _secure(self, callers: Callers) -> ssl.SSLContext:
        try:
            await callers.load()
            certificate = await asyncio.to_thread(load_certificate, state_folder())
            context = await asyncio.to_thread(server_context, certificate.path)
            own = own_token_path(state_folder())
            await asyncio.to_thread(write_private, own, self._own_token.encode())
        except OSError as exc:
            text = f"certificate and password in {state_folder()}: {exc}"
            if isinstance(exc, PermissionError | ssl.SSLError):
                raise ConfigError(text) from exc
            raise OSError(text) from exc  # a full disk, a lock that is held: it may pass
        if not callers.has_password:
            raise ConfigError(
                f"web.listen: at {self._address} everybody has to log in, and there is no password "
                "yet; run, as the user that the hub runs as: parlour-hub password"
            )
        self._tasks.append(asyncio.create_task(callers.watch(), name="web: password and tokens"))
        return context

    async def _listen(self) -> OSError | None:
        assert self._address is not None
        assert self._listener is not None
        try:
            port = await self._listener.start(self._address)
        except OSError as exc:
            return exc
        self.address = str(WebAddress(self._address.host, port, self._address.secure))
        return None

    async def _keep_trying(self) -> None:
        while self.address == "":
            await asyncio.sleep(_RETRY)
            await self._listen()
        _LOGGER.info("web.listen: listening on %s now", self.address)
