"""Timers, alarms and reminders."""

import time
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.home.base import HomeError
from hub.home.timers import LONGEST
from hub.live.state import TimerView
from hub.web.errors import ApiError
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts

_TAG = "Timers"


class TimerList(msgspec.Struct, frozen=True):
    """All timers, alarms and reminders.

    Args:
        timers: the one that ends first at the front.
    """

    timers: list[TimerView]


class NewTimer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A timer to set: by `seconds`, or `at` a time of day.

    Args:
        room: where it rings.
        seconds: for how long; up to a day.
        at: when it rings, in seconds since the epoch; up to a week ahead.
        name: what it is called; of a reminder, of what it reminds: "to call mum".
        what: "timer", "alarm" or "reminder".
    """

    room: Annotated[str, Meta(min_length=1, max_length=100)]
    seconds: Annotated[float, Meta(ge=1, le=LONGEST)] | None = None
    at: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    name: Annotated[str, Meta(max_length=150)] = ""
    what: Literal["timer", "alarm", "reminder"] = "timer"


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves timers."""
    timers = _Timers(parts)
    return [
        served(
            Endpoint("GET", "/api/timers", "All timers", timers.every, answer=TimerList, tag=_TAG)
        ),
        served(
            Endpoint(
                "POST",
                "/api/timers",
                "Set a timer",
                timers.set,
                body=NewTimer,
                answer=TimerView,
                errors={400: ("bad-time",), 404: ("no-such-room",), 409: ("not-set",)},
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "DELETE",
                "/api/timers/{id}",
                "Cancel a timer",
                timers.cancel,
                answer=TimerList,
                errors={404: ("no-such-timer",)},
                names={"id": "The timer's id."},
                tag=_TAG,
            )
        ),
    ]


class _Timers:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def every(self, _: Call) -> TimerList:
        return TimerList(self._parts.live.snapshot().timers)

    async def set(self, call: Call) -> TimerView:
        asked: NewTimer = call.body
        rooms = self._parts.live.rooms()
        if not any(room.name == asked.room and room.kind != "text" for room in rooms):
            raise ApiError(404, "no-such-room", "nothing can ring there: no such room")
        if (asked.seconds is None) == (asked.at is None):
            raise ApiError(400, "bad-time", "give `seconds`, or `at`; one of them")
        if asked.seconds is not None:
            seconds = asked.seconds
        else:
            assert asked.at is not None
            seconds = asked.at - time.time()
        try:
            timer = await self._parts.home.timers.set(
                asked.room, seconds, asked.name, asked.what, asked.at
            )
        except HomeError as exc:
            raise ApiError(409, "not-set", str(exc)) from None
        every = await self.every(call)
        found = next((view for view in every.timers if view.id == timer.id), None)
        if found is None:  # it was shorter than telling its room took
            raise ApiError(409, "not-set", "the timer has rung already")
        return found

    async def cancel(self, call: Call) -> TimerList:
        timers = self._parts.home.timers
        named = [timer for timer in timers.running() if timer.id == call.name("id")]
        if not named:
            raise ApiError(404, "no-such-timer", "no such timer; it may have rung")
        await timers.cancel(named)
        return await self.every(call)
