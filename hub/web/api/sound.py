"""Sound to words and words to sound, each alone."""

import asyncio
from contextlib import aclosing
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.config import MOST_DESCRIPTION
from hub.web.errors import ApiError
from hub.web.openapi import Call, Content, Endpoint, served
from hub.web.parts import Parts
from hub.web.sound_decoding import READS, BadSound, decoded
from hub.web.sound_encoding import MEDIA, Encoder, encoded, kinds
from hub.web.steps import ENGINE_PROBLEMS, Heard
from hub.web.streams import streamed
from hub.web.uploads import SOUND, UPLOAD_PROBLEMS, Upload, received

TAG = "Single steps"


class TranscribeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to hear it.

    Args:
        language: ISO 639-1 code of what is spoken; without one, the hub's own.
    """

    language: Annotated[str, Meta(pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*$", max_length=35)] = ""


class Segment(msgspec.Struct, frozen=True):
    """What is said in a part of the sound.

    Args:
        begin: seconds since the sound began.
        end: seconds since the sound began.
        text: what is said there.
    """

    begin: float
    end: float
    text: str


class Transcription(msgspec.Struct, frozen=True):
    """What is said in some sound.

    Args:
        text: all of it; "" where nobody says a word.
        language: in which.
        seconds: how long the sound is.
        segments: of at most 30 s each.
    """

    text: str
    language: str
    seconds: float
    segments: list[Segment]


class SpeakRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to say, and how.

    Args:
        text: what to say; Markdown, numbers and symbols are read as a person would.
        voice: one of the engine's voices; without one, the hub's own.
        description: how the voice is to sound, in words, where the engine can do that
            (/api/settings says so of "tts.description"); without it, as the settings have it.
        format: of the sound: "pcm" is 24 kHz mono 16-bit without a header.
    """

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    voice: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Meta(max_length=MOST_DESCRIPTION)] | None = None
    format: Literal["wav", "pcm", "flac", "mp3", "opus", "aac"] = "wav"


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves these steps."""
    sound = _Sound(parts)
    return [
        served(
            Endpoint(
                "POST",
                "/api/transcribe",
                "Sound to words",
                sound.transcribe,
                query=TranscribeQuery,
                body=SOUND,
                answer=Transcription,
                errors={
                    **UPLOAD_PROBLEMS,
                    400: (*UPLOAD_PROBLEMS[400], "unsupported-language"),
                    503: ENGINE_PROBLEMS,
                },
                tag=TAG,
                description=f"Takes {READS}, hours of it where `[web] max_upload` allows it.",
            )
        ),
        served(
            Endpoint(
                "POST",
                "/api/speak",
                "Words to sound",
                sound.speak,
                body=SpeakRequest,
                answer=[Content(media) for media in MEDIA],
                errors={
                    400: ("bad-text", "unknown-voice", "unknown-format"),
                    503: ENGINE_PROBLEMS,
                },
                tag=TAG,
                description="The sound is sent as it is made, a sentence at a time. A wave file's "
                "header says that it goes on for ever, since nobody knows yet how long it will be.",
            )
        ),
    ]


class _Sound:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def transcribe(self, call: Call) -> Transcription:
        async with received(call.request, self._parts) as upload:
            with self._parts.steps.place():
                heard = await self._heard(upload, call.query.language)
        segments = [Segment(round(s.begin, 2), round(s.end, 2), s.text) for s in heard.segments]
        return Transcription(heard.text, heard.language, round(heard.seconds, 3), segments)

    async def _heard(self, upload: Upload, language: str) -> Heard:
        async with aclosing(decoded(upload.file)) as pieces:
            try:
                return await self._parts.steps.transcribe(pieces, language or None)
            except BadSound as exc:
                raise ApiError(400, "bad-sound", str(exc)) from None

    async def speak(self, call: Call) -> web.StreamResponse:
        asked: SpeakRequest = call.body
        known = await asyncio.to_thread(kinds)  # which loads FFmpeg, the first time
        if asked.format not in known:
            text = f"no {asked.format} can be made here, only: {', '.join(known)}"
            raise ApiError(400, "unknown-format", text)
        with self._parts.steps.place():
            spoken = await self._parts.steps.speak(asked.text, asked.voice, asked.description)
            encoder = Encoder(asked.format, spoken.form)
            sound = encoded(spoken.pieces, encoder)
            return await streamed(call.request, encoder.content_type, sound)
