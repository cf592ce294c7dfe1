"""The hub as a whole: health, everything at once, announcements."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.live.state import Snapshot
from hub.service.announcer import MOST_TEXT, NotAnnounced
from hub.web.errors import ApiError, Later
from hub.web.guard import CALLER
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts

_STATUS = {"no-such-room": 404, "busy": 409, "no-satellite": 409, "gone": 409, "engine-failed": 503}


class Health(msgspec.Struct, frozen=True):
    """Whether the hub is ready.

    Args:
        ready: whether a turn would be answered now.
        waits_for: the roles of the engines that it waits for, as "stt, llm"; "" if it is ready.
        rooms: where something can be announced; none are told to who is not logged in.
    """

    ready: bool
    waits_for: str
    rooms: list[str]


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to announce.

    Args:
        text: what to say, behind a chime.
        room: where; without one, in all rooms.
    """

    text: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)]
    room: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class Announced(msgspec.Struct, frozen=True):
    """What came of an announcement.

    Args:
        rooms: for each room "heard", "interrupted", or the code of what went wrong there.
    """

    rooms: dict[str, str]


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what tells of the hub, and announces."""
    hub = _Hub(parts)
    return [
        served(Endpoint("GET", "/health", "Whether it is ready", hub.health, answer=Health)),
        served(
            Endpoint(
                "GET",
                "/api/live",
                "Everything as it is",
                hub.live,
                answer=Snapshot,
                description="The first message of the live events at /api/events.",
            )
        ),
        served(
            Endpoint(
                "POST",
                "/api/announce",
                "Say something in one room, or in all",
                hub.announce,
                body=Announcement,
                answer=Announced,
                errors={
                    400: ("bad-text",),
                    404: ("no-such-room",),
                    409: ("busy", "no-satellite", "gone"),
                    503: ("engine-failed",),
                },
                tag="Rooms",
                description="Answers when it was heard everywhere; it waits for conversations.",
            )
        ),
    ]


class _Hub:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def health(self, call: Call) -> Health:
        hub = self._parts.live.snapshot().hub
        rooms = self._parts.announcer.rooms if CALLER in call.request else []
        return Health(hub.ready, ", ".join(hub.waits_for), rooms)

    async def live(self, _: Call) -> Snapshot:
        return self._parts.live.snapshot()

    async def announce(self, call: Call) -> Announced:
        asked: Announcement = call.body
        try:
            return Announced(await self._parts.announcer.announce(asked.text, asked.room))
        except NotAnnounced as exc:
            if (status := _STATUS[exc.code]) == 503:
                raise Later(exc.code, str(exc)) from None
            raise ApiError(status, exc.code, str(exc)) from None
        except ValueError as exc:
            raise ApiError(400, "bad-text", f"the text: {exc}") from None
