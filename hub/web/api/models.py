"""Engines that run, and models that there are."""

import asyncio
from typing import Literal

import msgspec
from aiohttp import web

from hub.config import Settings
from hub.engines.choices import default_models
from hub.live.state import EngineView
from hub.models.catalogue import Model, ModelFile, load_catalogue
from hub.models.installed import FileStatus, verify
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts


class EngineList(msgspec.Struct, frozen=True):
    """The engines.

    Args:
        engines: in the order in which a turn meets them.
    """

    engines: list[EngineView]


class ModelView(msgspec.Struct, frozen=True):
    """A model of the catalogue.

    Args:
        name: what settings and `parlour-hub models` call it.
        role: what it is for: "stt", "llm", "tts", "turn" or "wake".
        licence: an SPDX expression.
        languages: ISO 639 codes, or "multi".
        bytes: the size of all its files.
        provenance: how its digests were established.
        files: each with its size and SHA-256.
        installed: whether it is on this machine, "broken" where a file is not the catalogue's.
        in_use: whether the settings mean it.
        todo: what to run where it is not installed; "" where it is.
    """

    name: str
    role: str
    licence: str
    languages: list[str]
    bytes: int
    provenance: str
    files: list[ModelFile]
    installed: Literal["yes", "no", "broken"]
    in_use: bool
    todo: str


class ModelList(msgspec.Struct, frozen=True):
    """The catalogue of models.

    Args:
        models: in the catalogue's order.
    """

    models: list[ModelView]


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what tells of engines and models."""
    models = _Models(parts)
    return [
        served(
            Endpoint(
                "GET",
                "/api/engines",
                "Engines: loading, ready, failed",
                models.engines,
                answer=EngineList,
            )
        ),
        served(
            Endpoint(
                "GET",
                "/api/models",
                "Models, with licences and digests",
                models.models,
                answer=ModelList,
            )
        ),
    ]


class _Models:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looking = asyncio.Lock()  # a first look reads gigabytes

    async def engines(self, _: Call) -> EngineList:
        return EngineList(self._parts.live.engines())

    async def models(self, _: Call) -> ModelList:
        async with self._looking:
            return ModelList(await asyncio.to_thread(_views, self._parts.settings))


def _views(settings: Settings) -> list[ModelView]:
    used = default_models(settings)
    return [_view(model, in_use=model.name in used) for model in load_catalogue().values()]


def _view(model: Model, *, in_use: bool) -> ModelView:
    found = {state.status for state in verify(model)}
    installed: Literal["yes", "no", "broken"] = "broken"
    if found == {FileStatus.OK}:
        installed = "yes"
    elif found <= {FileStatus.OK, FileStatus.MISSING}:
        installed = "no"
    return ModelView(
        name=model.name,
        role=model.role,
        licence=model.licence,
        languages=list(model.languages),
        bytes=model.bytes,
        provenance=model.provenance,
        files=list(model.files),
        installed=installed,
        in_use=in_use,
        todo="" if installed == "yes" else f"parlour-hub models pull {model.name}",
    )
