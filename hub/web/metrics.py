"""Figures of the hub for Prometheus, and whether it is ready."""

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from hub.conversation.turn import Mark, Turn
from hub.engines.supervisor import EngineState
from hub.live.state import EngineView
from hub.web.errors import Later
from hub.web.guard import Handler, is_websocket, template_of
from hub.web.openapi import Call, Content, Endpoint, served

if TYPE_CHECKING:
    from hub.web.parts import Parts  # which has the metrics among its parts

_STAGES = {
    "answer": (Mark.SPEECH_END, Mark.FIRST_AUDIO_SENT),
    "end_of_turn": (Mark.SPEECH_END, Mark.END_OF_TURN),
    "transcript": (Mark.SPEECH_END, Mark.TRANSCRIPT),
    "first_token": (Mark.TRANSCRIPT, Mark.FIRST_TOKEN),
    "first_clause": (Mark.FIRST_TOKEN, Mark.FIRST_CLAUSE),
    "first_speech": (Mark.FIRST_CLAUSE, Mark.AUDIO_READY),
    "first_played": (Mark.FIRST_AUDIO_SENT, Mark.FIRST_AUDIO_PLAYED),
}
"""From which moment to which: docs/metrics.md."""

_SECONDS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)
_REQUEST_SECONDS = (0.01, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0)
_FILES = "/page/"  # the page is made of many, and nobody asks about each
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_GONE = 499  # as nginx has it: the client hung up before there was an answer
_TOKENS = ("prompt", "reused", "generated")

_Values = dict[tuple[str, ...], float]  # by the values of the labels


class Metrics:
    """Counts; one for each hub."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections: dict[str, Callable[[], int]] = {}
        """How many there are, by kind."""
        self._state: _State | None = None
        ProcessCollector(registry=self.registry)
        self._turns = Counter(
            "parlour_turns",
            "Turns that have ended.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "parlour_turn_stage_seconds",
            "Where the time of turns went.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "parlour_tokens",
            "Tokens of the language model in turns: of the prompt, reused of it, generated.",
            ["kind"],
            registry=self.registry,
        )
        self._requests = Counter(
            "parlour_http_requests",
            "HTTP requests that were answered.",
            ["method", "endpoint", "status"],
            registry=self.registry,
        )
        self._times = Histogram(
            "parlour_http_request_seconds",
            "How long HTTP requests took; no websockets.",
            ["endpoint"],
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )

    def watch(self, parts: "Parts") -> None:
        """Look at the hub's parts whenever somebody asks."""
        if self._state is None:
            self._state = _State(parts)
            self.registry.register(self._state)

    def ended(self, turn: Turn) -> None:
        """Count a turn that has ended."""
        record = turn.record
        self._turns.labels(_kind_of(turn), str(turn.outcome)).inc()
        for stage, moments in _STAGES.items():
            if (seconds := record.between(*moments)) is not None:
                # What was prepared before the end of the speech was there at once.
                self._stages.labels(stage).observe(max(0.0, seconds))
        self._stages.labels("whole").observe(record.total())
        for kind in _TOKENS:
            self._tokens.labels(kind).inc(record.work()[f"{kind}_tokens"])

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request."""
        began, status = time.monotonic(), _GONE
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            method = request.method if request.method in _METHODS else "other"
            endpoint = template_of(request)
            if endpoint.startswith(_FILES):
                endpoint = _FILES
            self._requests.labels(method, endpoint, str(status)).inc()
            if not is_websocket(request):
                self._times.labels(endpoint).observe(time.monotonic() - began)


def routes(parts: "Parts") -> list[web.RouteDef]:
    """Return what serves figures and readiness."""
    metrics = parts.metrics
    metrics.watch(parts)

    async def figures(call: Call) -> web.StreamResponse:
        encode, content_type = choose_encoder(call.request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    async def ready(_: Call) -> Ready:
        if waits := parts.engines.missing:
            raise Later("not-ready", f"the hub waits for {', '.join(waits)}")
        return Ready(True)

    return [
        served(
            Endpoint(
                "GET",
                "/metrics",
                "Figures for Prometheus",
                figures,
                answer=[Content("text/plain"), Content("application/openmetrics-text")],
            )
        ),
        served(
            Endpoint(
                "GET",
                "/ready",
                "Whether a turn would be answered now; an error where not",
                ready,
                answer=Ready,
                errors={503: ("not-ready",)},
            )
        ),
    ]


class Ready(msgspec.Struct, frozen=True):
    """A turn would be answered now.

    Args:
        ready: always true.
    """

    ready: bool


class _State(Collector):
    """What is so at the moment, looked at when somebody asks."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts
        self._began = time.time()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        parts = self._parts
        engines = {(_label(view),): view for view in parts.live.engines()}
        yield _gauge(
            "parlour_engine_state",
            "1 for the state in which an engine is.",
            {
                (*label, state.value): float(view.state == state.value)
                for label, view in engines.items()
                for state in EngineState
            },
            "role",
            "state",
        )
        yield _gauge(
            "parlour_engine_active",
            "1 for the engine of its role that works now.",
            {
                label: float(view.active and view.state == EngineState.READY.value)
                for label, view in engines.items()
            },
            "role",
        )
        yield _gauge(
            "parlour_engine_clients",
            "Who has an engine at the moment: one that it works for, and those that wait.",
            {label: float(view.in_use) for label, view in engines.items()},
            "role",
        )
        yield _gauge(
            "parlour_engine_real_time_factor",
            "Seconds of computing for one second of speech, as measured.",
            {
                label: view.speed.real_time_factor
                for label, view in engines.items()
                if view.speed is not None
            },
            "role",
        )
        restarts = CounterMetricFamily(
            "parlour_engine_restarts",
            "How often an engine failed and was replaced.",
            labels=["role"],
        )
        for label, view in engines.items():
            restarts.add_metric(label, view.restarts)
        yield restarts
        waiting: _Values = {
            ("announcements",): float(parts.announcer.waiting),
            ("store",): float(parts.store.waiting),
        }
        yield _gauge("parlour_queue", "What waits, by queue.", waiting, "queue")
        rooms = Counts(room.kind for room in parts.live.rooms() if room.state != "offline")
        connections: _Values = {(kind,): float(rooms[kind]) for kind in ("satellite", "tab")}
        for kind, read in parts.metrics.connections.items():
            connections[(kind,)] = float(read())
        yield _gauge("parlour_connections", "Connections, by kind.", connections, "kind")
        readers: _Values = {(): float(parts.live.subscribers)}
        yield _gauge("parlour_live_readers", "Readers of the live events.", readers)
        up: _Values = {(): time.time() - self._began}
        yield _gauge("parlour_uptime_seconds", "Seconds since the hub began.", up)


def _label(engine: EngineView) -> str:
    """Return its role; that of a stand-in is another, so that a role is one series."""
    return f"{engine.role}-standby" if engine.standby else engine.role


def _gauge(name: str, text: str, values: _Values, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for at, value in values.items():
        family.add_metric(at, value)
    return family


def _kind_of(turn: Turn) -> str:
    if turn.announcement:
        return "announcement"
    spoken = Mark.SPEECH_START in turn.record.marks or not turn.transcript
    return "spoken" if spoken else "written"
