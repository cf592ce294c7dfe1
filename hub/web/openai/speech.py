"""POST /v1/audio/speech."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.config import MOST_DESCRIPTION
from hub.web.openai.bodies import BODY_PROBLEMS, body_of
from hub.web.openai.errors import BUSY, OpenAiRefused, Refusal, in_openai_terms
from hub.web.openai.models import TAG, Models
from hub.web.openapi import JSON, Call, Content, Endpoint, served
from hub.web.parts import Parts
from hub.web.sound_encoding import MEDIA, Encoder, Tempo, encoded, kinds
from hub.web.streams import EVENTS, event_of, streamed

_OPENAI_VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx"}
    | {"sage", "shimmer", "verse"}
)
"""Clients cannot know our voices: each of these stands for the hub's own."""


class NamedVoice(msgspec.Struct, frozen=True):
    """A voice.

    Args:
        id: its name.
    """

    id: str


class SpeechRequest(msgspec.Struct, frozen=True):
    """What to say, and how. What is not listed here is ignored.

    Args:
        input: what to say.
        model: any name that stands for the voice's model.
        voice: one of the hub's voices; OpenAI's names stand for the hub's own.
        response_format: wav, pcm (24 kHz mono 16-bit, without a header), flac, mp3, opus or aac.
        speed: 0.25 to 4; 1 is the voice's own.
        stream_format: "audio", or "sse" for server-sent events.
        instructions: how the voice is to sound, where the hub's voice can do that; else ignored.
    """

    input: Annotated[str, Meta(min_length=1, max_length=20_000)]
    model: Annotated[str, Meta(min_length=1)]
    voice: Annotated[str, Meta(min_length=1, max_length=200)] | NamedVoice | None = None
    response_format: str | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream_format: str | None = None
    instructions: str | None = None


class _Speech:
    def __init__(self, parts: Parts, models: Models) -> None:
        self._parts = parts
        self._models = models

    async def speak(self, call: Call) -> web.StreamResponse:
        """Answer POST /v1/audio/speech."""
        request = call.request
        asked = await body_of(request, SpeechRequest)
        await self._models.named(asked.model, "tts")
        known = await asyncio.to_thread(kinds)  # which loads FFmpeg, the first time
        kind = asked.response_format or ("mp3" if "mp3" in known else "wav")
        if kind not in known:
            raise Refusal(
                f"response_format {kind[:40]!r} is not made here, only: {', '.join(known)}",
                "response_format",
                "unsupported_value",
            )
        if asked.stream_format not in (None, "audio", "sse"):
            raise Refusal(
                'stream_format has to be "audio" or "sse"', "stream_format", "unsupported_value"
            )
        voice = asked.voice.id if isinstance(asked.voice, NamedVoice) else asked.voice
        if voice in _OPENAI_VOICES:
            voice = None
        with self._parts.steps.place():
            spoken = await self._parts.steps.speak(
                asked.input, voice, (asked.instructions or "")[:MOST_DESCRIPTION]
            )
            encoder = Encoder(kind, spoken.form)
            speed = asked.speed or 1.0
            tempo = Tempo(spoken.form, speed) if speed != 1.0 else None
            sound = encoded(spoken.pieces, encoder, tempo)
            if asked.stream_format == "sse":
                return await streamed(request, EVENTS, _events(sound))
            return await streamed(request, encoder.content_type, sound)


async def _events(sound: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(sound):
        async for data in sound:
            audio = base64.b64encode(data).decode()
            yield event_of({"type": "speech.audio.delta", "audio": audio})
    yield event_of({"type": "speech.audio.done"})


def routes(parts: Parts, models: Models) -> list[web.RouteDef]:
    """Return what serves speech."""
    return [
        served(
            Endpoint(
                "POST",
                "/v1/audio/speech",
                "Words to sound",
                in_openai_terms(_Speech(parts, models).speak),
                body=[Content(JSON, SpeechRequest)],
                answer=[
                    *(Content(media) for media in MEDIA),
                    Content(EVENTS, {"type": "string"}),
                ],
                errors={
                    **BODY_PROBLEMS,
                    400: (
                        *BODY_PROBLEMS[400],
                        "unsupported_value",
                        "unknown_voice",
                        "invalid_text",
                    ),
                    404: ("model_not_found",),
                    503: BUSY,
                },
                tag=TAG,
                description="As OpenAI's. The sound is sent as it is made, sentence by sentence.",
                problem=OpenAiRefused,
            )
        )
    ]
