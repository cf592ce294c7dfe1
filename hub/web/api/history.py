"""The turns of the past: what was said, where the time went, and the sound of the last ones."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.live.state import Clause, TurnView
from hub.store import StoredTurn
from hub.web.api.conversations import conversation_room
from hub.web.errors import ApiError, Later, refusal
from hub.web.openapi import Call, Content, Endpoint, Handler, served
from hub.web.parts import Parts
from protocol.audio import PcmFormat, wav_of

_TAG = "Turns"
_NAMES = {"id": "The turn's id."}
_UNREADABLE = {503: ("no-history",)}
_WAVE = "audio/wav"


class TurnsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which turns.

    Args:
        limit: the most.
        room: only this one's; without it, all rooms'.
        before: only those that began before that, in seconds since the epoch: the `began` of the
            last one, to go on from there.
    """

    limit: Annotated[int, Meta(ge=1, le=200)] = 20
    room: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    before: Annotated[float, Meta(ge=0, le=1e12)] | None = None


class TurnList(msgspec.Struct, frozen=True):
    """Some turns.

    Args:
        turns: the newest first.
    """

    turns: list[TurnView]


class HoursQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since when.

    Args:
        hours: of the past.
    """

    hours: Annotated[float, Meta(gt=0, le=8784)] = 24.0


class Quantiles(msgspec.Struct, frozen=True):
    """How long something took.

    Args:
        count: how often it was measured.
        p50: the median, in seconds.
        p95: what one in twenty exceeds, in seconds.
    """

    count: int
    p50: float
    p95: float


class StatisticsView(msgspec.Struct, frozen=True):
    """The turns of the last hours in which somebody said something.

    Args:
        hours: of the past.
        turns: how many turns.
        failed: how many of them an engine failed.
        answer: from the end of speech to the first sound of the reply; null where there is none.
        stages: from one moment to the next, by name.
    """

    hours: float
    turns: int
    failed: int
    answer: Quantiles | None
    stages: dict[str, Quantiles]


class Erased(msgspec.Struct, frozen=True):
    """The history is deleted.

    Args:
        erased: true.
    """

    erased: bool = True


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the history."""
    history = _History(parts)
    missing = {404: ("no-such-turn",)}
    return [
        served(
            Endpoint(
                "GET",
                "/api/turns",
                "The last turns",
                history.turns,
                query=TurnsQuery,
                answer=TurnList,
                errors=_UNREADABLE,
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "DELETE",
                "/api/turns",
                "Delete all turns, for good",
                history.erase,
                answer=Erased,
                errors=_UNREADABLE,
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "GET",
                "/api/turns/{id}",
                "One turn",
                history.turn,
                answer=TurnView,
                errors={**missing, **_UNREADABLE},
                names=_NAMES,
                tag=_TAG,
            )
        ),
        served(_sound("reply", "The spoken reply", history.reply)),
        served(_sound("said", "What was said, where `[web] keep_sound` is on", history.said)),
        served(
            Endpoint(
                "GET",
                "/api/statistics",
                "How long turns took",
                history.statistics,
                query=HoursQuery,
                answer=StatisticsView,
                errors=_UNREADABLE,
                tag=_TAG,
            )
        ),
    ]


def _sound(which: str, summary: str, handler: Handler) -> Endpoint:
    return Endpoint(
        "GET",
        f"/api/turns/{{id}}/{which}.wav",
        summary,
        handler,
        answer=[Content(_WAVE, description="The whole file.")],
        errors={404: ("no-such-turn", "no-sound"), 416: ("bad-range",), **_UNREADABLE},
        names=_NAMES,
        tag=_TAG,
        statuses={206: "The part that `Range` asks for."},
    )


class _History:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def turns(self, call: Call) -> TurnList:
        query: TurnsQuery = call.query
        try:
            store, room = self._parts.store, query.room
            stored = await store.turns(query.limit, room, query.before)
            if not stored and room is not None:
                room = conversation_room(room)
                stored = await store.turns(query.limit, room, query.before)
        except OSError as exc:
            raise _no_history(exc) from None
        return TurnList([self._view(turn) for turn in stored])

    async def turn(self, call: Call) -> TurnView:
        name = call.name("id")
        if (live := self._parts.live.turn(name)) is not None:
            return live
        try:
            stored = await self._parts.store.turn(name)
        except OSError as exc:
            raise _no_history(exc) from None
        if stored is None:
            raise ApiError(404, "no-such-turn", "no such turn; it may have been deleted")
        return self._view(stored)

    async def erase(self, _: Call) -> Erased:
        try:
            await self._parts.store.erase()
        except (OSError, TimeoutError) as exc:
            raise _no_history(exc) from None
        self._parts.recordings.erase()
        self._parts.live.erased()
        return Erased()

    async def statistics(self, call: Call) -> StatisticsView:
        hours = call.query.hours
        try:
            found = await self._parts.store.statistics(hours)
        except OSError as exc:
            raise _no_history(exc) from None
        stages = {name: Quantiles(q.count, q.p50, q.p95) for name, q in found.stages.items()}
        answer = found.answer
        shown = None if answer is None else Quantiles(answer.count, answer.p50, answer.p95)
        return StatisticsView(hours, found.turns, found.failed, shown, stages)

    async def reply(self, call: Call) -> web.StreamResponse:
        return await self._sound(call, self._parts.recordings.reply(call.name("id")))

    async def said(self, call: Call) -> web.StreamResponse:
        return await self._sound(call, self._parts.recordings.said(call.name("id")))

    async def _sound(self, call: Call, kept: tuple[PcmFormat, bytes] | None) -> web.Response:
        if kept is None:
            await self.turn(call)  # which says that there is none
            raise ApiError(404, "no-sound", "its sound is not kept, or not any more")
        return ranged(call.request, wav_of(*kept), _WAVE)

    def _view(self, stored: StoredTurn) -> TurnView:
        reply = [Clause(stored.reply, True)] if stored.reply else []
        return TurnView(
            id=stored.id,
            room=stored.room,
            began=stored.began,
            state="ended",
            outcome=stored.outcome,
            announcement=stored.announcement,
            said=stored.said or "",
            reply=reply,
            heard=stored.heard or "",
            intent=stored.intent,
            marks=stored.marks,
            spans=list(stored.spans),
            work=stored.work,
            sound=self._parts.recordings.of(stored.id),
        )


def _no_history(exc: Exception) -> Later:
    return Later("no-history", f"the record of turns: {exc or 'the disk does not keep up'}")


def ranged(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """Return a body, or the one part of it that the request's `Range` asks for."""
    headers = {"Accept-Ranges": "bytes"}
    try:
        wanted = request.http_range
    except ValueError:  # several, or something else: they may be ignored (RFC 9110, 14.2)
        wanted = slice(None, None)
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=body, content_type=content_type, headers=headers)
    start, stop, _ = wanted.indices(len(body))
    if start >= stop:
        answer = refusal(416, "bad-range", f"the file has {len(body)} bytes")
        answer.headers["Content-Range"] = f"bytes */{len(body)}"
        return answer
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    part = body[start:stop]
    return web.Response(body=part, status=206, content_type=content_type, headers=headers)
