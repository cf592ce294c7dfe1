"""How much each caller may ask of the hub, and how much is done at once."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from hub.web.errors import refusal
from hub.web.guard import CALLER, Handler, is_websocket, template_of
from protocol.throttle import site_of

_MOST_AT_ONCE = 256  # requests under way; the heavy ones have narrower limits of their own
_MOST_SOCKETS = 128  # websockets
_MOST_BUCKETS = 1024  # callers that are counted; of more, the one that asked longest ago is not
_ALWAYS = ("/health", "/ready")  # whoever watches the hub has to see that it is overrun

_HEAVY = ("/v1/", "/api/transcribe", "/api/ask", "/api/speak", "/api/turn", "/api/announce")
"""Where an engine works for whoever posts something there."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket's size and flow.

    Args:
        burst: requests at once, after a rest.
        flow: requests a second, on end.
    """

    burst: float
    flow: float


LIGHT = Rate(300, 30)  # a page is some fifty files; it asks little after that
HEAVY = Rate(30, 2)
ANONYMOUS = Rate(120, 5)  # the login page; and whoever is refused


class Buckets:
    """Token buckets by caller.

    Args:
        rate: of each.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level, when

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, who: str) -> float:
        """Take one; return 0, or the seconds until there is one."""
        now = self._clock()
        level, when = self._levels.pop(who, (self._rate.burst, now))
        level = min(self._rate.burst, level + (now - when) * self._rate.flow)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate.flow
        self._levels[who] = (level - 1 if level >= 1 else level, now)
        if len(self._levels) > _MOST_BUCKETS:
            self._levels.popitem(last=False)
        return wait


class Limits:
    """Refuses what is too much.

    Args:
        rates: whether callers are counted; not on this machine alone.
        clock: seconds, monotonic.
    """

    def __init__(self, *, rates: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._light = Buckets(LIGHT, clock)
        self._heavy = Buckets(HEAVY, clock)
        self._anonymous = Buckets(ANONYMOUS, clock)
        self._at_once = 0
        self._sockets = 0

    def stranger(self, host: str) -> web.Response | None:
        """Count a request of nobody that we know; return the answer where there are too many."""
        wait = self._anonymous.take(site_of(host)) if self._rates else 0.0
        return too_many(wait) if wait else None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or refuse it."""
        asked = template_of(request)
        if self._rates and (caller := request.get(CALLER)) is not None:
            heavy = request.method == "POST" and asked.startswith(_HEAVY)
            wait = (self._heavy if heavy else self._light).take(caller.name)
            if wait:
                return too_many(wait)
        if asked in _ALWAYS:
            return await handler(request)
        if is_websocket(request):
            if self._sockets >= _MOST_SOCKETS:
                return _busy(f"{_MOST_SOCKETS} websockets are open already; close some")
            self._sockets += 1
            try:
                return await handler(request)
            finally:
                self._sockets -= 1
        if self._at_once >= _MOST_AT_ONCE:
            return _busy("the hub has too many requests under way; try again in a moment")
        self._at_once += 1
        try:
            return await handler(request)
        finally:
            self._at_once -= 1


def too_many(wait: float) -> web.Response:
    """Return the answer to a caller that asks too often."""
    seconds = math.ceil(wait)
    return refusal(429, "too-many-requests", f"too many requests; wait {seconds} s", seconds)


def _busy(text: str) -> web.Response:
    return refusal(503, "busy", text, 1)
