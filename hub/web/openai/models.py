"""Which models there are, and by which names they may be asked for."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Literal

import msgspec
from aiohttp import web

from hub.config import LlmSettings, Settings, SttSettings, TtsSettings
from hub.engines.choices import is_elsewhere, llm_model, public_name, stt_model
from hub.web.openai.errors import OpenAiRefused, Refusal, in_openai_terms
from hub.web.openapi import Call, Endpoint, served
from hub.web.parts import Parts

TAG = "OpenAI-compatible"

Role = Literal["llm", "stt", "tts"]

# Clients that were written for OpenAI often cannot be told another name. What a name is for can be
# seen from it; so each stands for the one model here that does it.
_ALIASES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("stt", re.compile(r"whisper(-.*)?|gpt-.*transcribe.*")),
    ("tts", re.compile(r"tts-1(-.*)?|gpt-.*-tts(-.*)?")),
    ("llm", re.compile(r"parlour|chatgpt-.*|gpt-(?!.*(audio|realtime|image)).*|o\d(-.*)?")),
)
_WORK = {"llm": "chats", "stt": "transcribes", "tts": "speaks"}


class Model(msgspec.Struct, frozen=True):
    """A model.

    Args:
        id: what it is called.
        created: when the hub started, in seconds since 1970.
        object: what this is.
        owned_by: who serves it.
    """

    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "parlour"


class ModelList(msgspec.Struct, frozen=True):
    """All models.

    Args:
        data: the one that chats, the one that transcribes, the one that speaks.
        object: what this is.
    """

    data: list[Model]
    object: Literal["list"] = "list"


@dataclass(frozen=True, slots=True)
class Names:
    """What the models are called."""

    llm: str
    stt: str
    tts: str

    def of(self, role: Role) -> str:
        """Return the name of the model that does it."""
        return str(getattr(self, role))

    def role(self, asked: str) -> Role | None:
        """Return what the model does that is asked for; None where there is none."""
        roles: tuple[Role, ...] = ("stt", "tts", "llm")
        for role in roles:
            if asked == self.of(role):
                return role
        return next((role for role, alias in _ALIASES if alias.fullmatch(asked)), None)


class Models:
    """Knows the models by their names.

    Args:
        settings: the hub's, as they hold at each request.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began = int(time.time())

    async def names(self) -> Names:
        """Return what the models are called now."""
        return await asyncio.to_thread(self._names)  # which looks for files

    def _names(self) -> Names:
        settings = self._settings
        tts = settings.tts.engine
        return Names(
            _own_name("llm", settings.llm) or public_name(llm_model(settings.llm)),
            _own_name("stt", settings.stt) or public_name(stt_model(settings)),
            _own_name("tts", settings.tts) or tts,
        )

    async def named(self, asked: str, role: Role) -> str:
        """Return the name of the model that is asked for, and does what is wanted.

        Raises:
            Refusal: there is none.
        """
        names = await self.names()
        if (found := names.role(asked)) == role:
            return names.of(role)
        why = "does not exist" if found is None else f"is not one that {_WORK[role]}"
        raise Refusal(
            f"The model {asked[:100]!r} {why} here; use {names.of(role)!r}",
            "model",
            "model_not_found",
            404,
        )

    async def list(self, call: Call) -> ModelList:
        """Answer GET /v1/models."""
        names = await self.names()
        return ModelList([Model(name, self._began) for name in (names.llm, names.stt, names.tts)])

    async def get(self, call: Call) -> Model:
        """Answer GET /v1/models/{model}."""
        asked, names = call.name("model"), await self.names()
        if (role := names.role(asked)) is None:
            raise Refusal(
                f"The model {asked[:100]!r} does not exist here",
                "model",
                "model_not_found",
                404,
            )
        return Model(names.of(role), self._began)


def _own_name(role: Role, section: LlmSettings | SttSettings | TtsSettings) -> str:
    """Return a name for the model of another server that chooses it itself; "" for all others."""
    return f"parlour-{role}" if is_elsewhere(section.engine) and section.model is None else ""


def routes(parts: Parts, models: Models) -> list[web.RouteDef]:
    """Return what serves the models' names."""
    return [
        served(
            Endpoint(
                "GET",
                "/v1/models",
                "The models",
                in_openai_terms(models.list),
                answer=ModelList,
                tag=TAG,
                problem=OpenAiRefused,
            )
        ),
        served(
            Endpoint(
                "GET",
                "/v1/models/{model}",
                "One model",
                in_openai_terms(models.get),
                answer=Model,
                errors={404: ("model_not_found",)},
                names={"model": "its name, or one of OpenAI's that stands for it"},
                tag=TAG,
                problem=OpenAiRefused,
            )
        ),
    ]
