"""POST /v1/audio/transcriptions and /v1/audio/translations."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Literal

import msgspec
from aiohttp import web

from hub.conversation.understanding import bias_of
from hub.web.openai.errors import BUSY, OpenAiRefused, Refusal, in_openai_terms, named
from hub.web.openai.models import TAG, Models
from hub.web.openai.subtitles import srt_of, vtt_of
from hub.web.openapi import JSON, Call, Content, Endpoint, served
from hub.web.parts import Parts
from hub.web.sound_decoding import READS, BadSound, decoded
from hub.web.steps import Heard, Segment
from hub.web.streams import EVENTS, event_of, streamed
from hub.web.uploads import UPLOAD_PROBLEMS, Upload, received

_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_TERMS = re.compile(r"[,;.\n]")
_TRUE = ("true", "1")

FORM = Content(
    "multipart/form-data",
    {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary", "description": f"The sound: {READS}."},
            "model": {"type": "string", "description": "Any name that stands for it."},
            "language": {"type": "string", "description": "What is spoken, ISO 639-1."},
            "prompt": {
                "type": "string",
                "description": "Names and terms, with commas between them.",
            },
            "response_format": {"type": "string", "enum": list(_FORMATS)},
            "temperature": {"type": "string", "description": "Ignored."},
            "stream": {"type": "string", "enum": ["true", "false"]},
        },
        "required": ["file", "model"],
    },
)
_PROBLEMS = {status: tuple(map(named, codes)) for status, codes in UPLOAD_PROBLEMS.items()}


class Duration(msgspec.Struct, frozen=True):
    """What it took.

    Args:
        seconds: how long the sound is.
        type: what is counted.
    """

    seconds: int
    type: Literal["duration"] = "duration"


class Transcription(msgspec.Struct, frozen=True):
    """What is said in some sound.

    Args:
        text: all of it.
        usage: what it took.
    """

    text: str
    usage: Duration


class HeardSegment(msgspec.Struct, frozen=True):
    """What is said in a part of the sound; what is not known of it is 0 or empty.

    Args:
        id: its number.
        start: seconds since the sound began.
        end: seconds since the sound began.
        text: what is said there.
    """

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0


class VerboseTranscription(msgspec.Struct, frozen=True):
    """What is said in some sound, and where.

    Args:
        language: in which, ISO 639-1.
        duration: how long the sound is, in seconds.
        text: all of it.
        segments: of at most 30 s each.
        usage: what it took.
        task: what was done.
    """

    language: str
    duration: float
    text: str
    segments: list[HeardSegment]
    usage: Duration
    task: Literal["transcribe"] = "transcribe"


class _Transcriptions:
    def __init__(self, parts: Parts, models: Models) -> None:
        self._parts = parts
        self._models = models

    async def transcribe(self, call: Call) -> web.StreamResponse:
        """Answer POST /v1/audio/transcriptions."""
        request = call.request
        if request.content_type != "multipart/form-data":
            raise Refusal(
                "send a form (multipart/form-data) with the sound as `file`",
                status=415,
                code="unsupported_media_type",
            )
        async with received(request, self._parts) as upload:
            fields = upload.fields
            kind = await self._checked(fields)
            with self._parts.steps.place():
                if fields.get("stream", "").lower() in _TRUE:
                    return await streamed(request, EVENTS, self._events(upload))
                return _answer(await self._heard(upload), kind)

    async def translate(self, call: Call) -> web.StreamResponse:
        """Answer POST /v1/audio/translations."""
        raise Refusal(
            "nothing here translates speech; transcribe it (/v1/audio/transcriptions), and ask "
            "the language model to translate the text",
            code="translation_unsupported",
        )

    async def _checked(self, fields: Mapping[str, str]) -> str:
        """Return the form of the answer, if what is asked for can be done."""
        if not (model := fields.get("model", "")):
            raise Refusal("you must provide a model", "model", "invalid_request")
        await self._models.named(model, "stt")
        kind = fields.get("response_format") or "json"
        if kind not in _FORMATS:
            raise Refusal(
                f"response_format {kind[:40]!r} is not made here, only: {', '.join(_FORMATS)}",
                "response_format",
                "unsupported_value",
            )
        times = fields.get("timestamp_granularities[]", fields.get("timestamp_granularities"))
        if times not in (None, "segment"):
            raise Refusal(
                "only segments have times here, words have none",
                "timestamp_granularities",
                "unsupported_value",
            )
        return kind

    async def _heard(self, upload: Upload, told: Callable[[Segment], None] | None = None) -> Heard:
        bias = bias_of(_TERMS.split(upload.fields.get("prompt", "")))
        async with aclosing(decoded(upload.file)) as pieces:
            try:
                return await self._parts.steps.transcribe(
                    pieces, upload.fields.get("language") or None, bias=bias, told=told
                )
            except BadSound as exc:
                raise Refusal(str(exc), "file", "invalid_audio") from None

    async def _events(self, upload: Upload) -> AsyncGenerator[bytes]:
        # Bounded by the sound: a segment has half a minute of it.
        segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        hearing = asyncio.create_task(self._heard(upload, segments.put_nowait), name="transcribe")
        hearing.add_done_callback(lambda _: segments.put_nowait(None))
        first = True
        try:
            while (segment := await segments.get()) is not None:  # ends with the task
                text = segment.text if first else f" {segment.text}"
                first = False
                yield event_of({"type": "transcript.text.delta", "delta": text})
            heard = await hearing
            yield event_of({"type": "transcript.text.done", "text": heard.text})
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


def _answer(heard: Heard, kind: str) -> web.Response:
    """Return what was heard in the form that was asked for."""
    if kind == "text":
        return web.Response(text=f"{heard.text}\n")
    if kind == "srt":
        return web.Response(text=srt_of(heard.segments), content_type="application/x-subrip")
    if kind == "vtt":
        return web.Response(text=vtt_of(heard.segments), content_type="text/vtt")
    usage = Duration(round(heard.seconds))
    if kind == "json":
        body = msgspec.json.encode(Transcription(heard.text, usage))
    else:
        segments = [
            HeardSegment(number, round(s.begin, 2), round(s.end, 2), s.text)
            for number, s in enumerate(heard.segments)
        ]
        body = msgspec.json.encode(
            VerboseTranscription(
                heard.language, round(heard.seconds, 3), heard.text, segments, usage
            )
        )
    return web.Response(body=body, content_type=JSON)


def routes(parts: Parts, models: Models) -> list[web.RouteDef]:
    """Return what serves transcriptions."""
    transcriptions = _Transcriptions(parts, models)
    return [
        served(
            Endpoint(
                "POST",
                "/v1/audio/transcriptions",
                "Sound to words",
                in_openai_terms(transcriptions.transcribe),
                body=[FORM],
                answer=[
                    Content(JSON, Transcription),
                    Content("text/plain", {"type": "string"}),
                    Content("application/x-subrip", {"type": "string"}),
                    Content("text/vtt", {"type": "string"}),
                    Content(EVENTS, {"type": "string"}),
                ],
                errors={
                    **_PROBLEMS,
                    400: (*_PROBLEMS[400], "unsupported_value", "unsupported_language"),
                    404: ("model_not_found",),
                    415: ("unsupported_media_type",),
                    503: BUSY,
                },
                tag=TAG,
                description="As OpenAI's. With `stream` what is said comes as it is known.",
                problem=OpenAiRefused,
            )
        ),
        served(
            Endpoint(
                "POST",
                "/v1/audio/translations",
                "Not here",
                in_openai_terms(transcriptions.translate),
                body=[FORM],
                errors={400: ("translation_unsupported",)},
                tag=TAG,
                problem=OpenAiRefused,
            )
        ),
    ]
