"""Rooms: who is there, how they are set, and a new conversation."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hub.conversation.turn import Outcome
from hub.home.base import HomeError
from hub.home.controls import NotSet
from hub.live.state import RoomView
from hub.web.api.conversations import conversation_room
from hub.web.errors import ApiError
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts

_TAG = "Rooms"
_NAMES = {"name": "The room's name."}
_NOT_SET = {
    "no-satellite": 409,
    "not-possible": 409,
    "unknown-wake-word": 400,
    "not-done": 409,
    "no-answer": 409,
}


class RoomList(msgspec.Struct, frozen=True):
    """All rooms: satellites, browser tabs, and the last conversations in writing.

    Args:
        rooms: by name.
    """

    rooms: list[RoomView]


class RoomChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to set in a room; what is left out stays as it is.

    Args:
        volume: how loud it plays, 0 to 1.
        muted: whether its microphone is off.
        wake_words: the names of those that it listens for.
    """

    volume: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    wake_words: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=200)]],
            Meta(min_length=1, max_length=16),
        ]
        | UnsetType
    ) = UNSET


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the rooms."""
    rooms = _Rooms(parts)
    missing = {404: ("no-such-room",)}
    return [
        served(Endpoint("GET", "/api/rooms", "All rooms", rooms.every, answer=RoomList, tag=_TAG)),
        served(
            Endpoint(
                "GET",
                "/api/rooms/{name}",
                "One room",
                rooms.one,
                answer=RoomView,
                errors=missing,
                names=_NAMES,
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "PATCH",
                "/api/rooms/{name}",
                "Set volume, microphone and wake words",
                rooms.change,
                body=RoomChange,
                answer=RoomView,
                errors={
                    **missing,
                    400: ("unknown-wake-word",),
                    409: ("not-possible", "no-satellite", "not-done", "no-answer"),
                },
                names=_NAMES,
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "POST",
                "/api/rooms/{name}/forget",
                "Begin a new conversation",
                rooms.forget,
                answer=RoomView,
                errors=missing,
                names=_NAMES,
                tag=_TAG,
                description="What was said there before is remembered no more, and what is being "
                "said is stopped. The history keeps it; `DELETE /api/turns` deletes that.",
            )
        ),
    ]


class _Rooms:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def every(self, _: Call) -> RoomList:
        return RoomList(self._parts.live.rooms())

    async def one(self, call: Call) -> RoomView:
        return self._view(call.name("name"))

    async def change(self, call: Call) -> RoomView:
        room, change = self._view(call.name("name")).name, call.body
        home = self._parts.home
        try:
            if change.volume is not UNSET:
                await home.volumes.set(room, change.volume)
            muted = None if change.muted is UNSET else change.muted
            words = None if change.wake_words is UNSET else change.wake_words
            if muted is not None or words is not None:
                await self._parts.satellites.configure(room, muted=muted, wake_words=words)
        except HomeError as exc:
            raise ApiError(409, "not-possible", str(exc)) from None
        except NotSet as exc:
            raise ApiError(_NOT_SET[exc.code], exc.code, str(exc)) from None
        return self._view(room)

    async def forget(self, call: Call) -> RoomView:
        parts, view = self._parts, self._view(call.name("name"))
        rooms = parts.conversations if view.kind == "text" else parts.rooms
        room = rooms.get(view.name)
        if (link := parts.satellites.links.get(view.name)) is not None:
            await link.stop()
        await room.stop(Outcome.INTERRUPTED)
        room.new_conversation()
        parts.live.conversation_cleared(view.name)
        return view

    def _view(self, name: str) -> RoomView:
        rooms, names = self._parts.live.rooms(), (name, conversation_room(name))
        if (found := next((room for room in rooms if room.name in names), None)) is None:
            known = ", ".join(room.name for room in rooms if room.kind != "text")
            text = f"no such room; there are: {known}" if known else "no such room; there is none"
            raise ApiError(404, "no-such-room", text)
        return found
