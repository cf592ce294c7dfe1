"""Settings that take effect at once, and are saved when asked."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.live.state import SettingView
from hub.web.errors import ApiError
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts
from protocol.settings import ConfigError

_TAG = "Settings"

Key = Annotated[str, Meta(min_length=1, max_length=100)]


class SettingList(msgspec.Struct, frozen=True):
    """All settings that can be changed.

    Args:
        settings: each with what holds, what hub.toml says, and what was saved.
    """

    settings: list[SettingView]


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to hold from now on, until the hub stops.

    Args:
        values: by key, as "tts.voice"; null for what hub.toml says.
    """

    values: dict[Key, str | float | list[str] | None]


class SettingsSave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to hold after a restart, too.

    Args:
        keys: whose values are kept as they are now.
    """

    keys: Annotated[list[Key], Meta(max_length=100)]


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the settings."""
    settings = _Settings(parts)
    return [
        served(
            Endpoint(
                "GET",
                "/api/settings",
                "Settings that can be changed",
                settings.every,
                answer=SettingList,
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "PATCH",
                "/api/settings",
                "Change settings, all of them or none",
                settings.change,
                body=SettingsChange,
                answer=SettingList,
                errors={400: ("bad-value",)},
                tag=_TAG,
            )
        ),
        served(
            Endpoint(
                "POST",
                "/api/settings/save",
                "Save settings for the next start",
                settings.save,
                body=SettingsSave,
                answer=SettingList,
                errors={400: ("bad-value",), 507: ("not-saved",)},
                tag=_TAG,
            )
        ),
    ]


class _Settings:
    def __init__(self, parts: Parts) -> None:
        self._adjust = parts.adjust

    async def every(self, _: Call) -> SettingList:
        return SettingList(self._adjust.views())

    async def change(self, call: Call) -> SettingList:
        try:
            return SettingList(self._adjust.change(call.body.values))
        except ConfigError as exc:
            raise ApiError(400, "bad-value", str(exc)) from None

    async def save(self, call: Call) -> SettingList:
        try:
            return SettingList(await self._adjust.save(call.body.keys))
        except ConfigError as exc:
            raise ApiError(400, "bad-value", str(exc)) from None
        except OSError as exc:
            raise ApiError(507, "not-saved", f"not saved: {exc}") from None
