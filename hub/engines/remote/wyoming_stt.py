"""Speech-to-text by any Wyoming server."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import SelectProgram

from hub.engines.base import BadInput, EngineError, EngineUnavailable, Transcript
from hub.engines.remote.wyoming import (
    Client,
    Exchange,
    checked_facts,
    installed,
    languages_in,
    name_of,
    objects_in,
)
from protocol.audio import SPEECH
from protocol.connection import ConnectionClosed, MalformedFrame
from protocol.engine_keys import DRAFT

_CHUNK_BYTES = SPEECH.bytes_for(0.256)
_SILENCE = 60.0  # seconds that a server may work without a word
_FIRST_SILENCE = 120.0  # the first time: some load the model only then
_WARM = bytes(SPEECH.bytes_for(0.5))
_MOST_PAYLOAD = 64 * 1024  # bytes; a transcript has none
_MOST_TEXT = 20_000  # letters: more than anybody says


class WyomingStt(Client):
    """Speech-to-text by a Wyoming server.

    Args:
        uri: where it is, as `protocol.transport` has it.
        model: its name for a model or a program; None for its first.
        languages: that are spoken to it, the first one by default.

    Raises:
        EngineUnavailable: `uri` is no address.
    """

    def __init__(self, uri: str, model: str | None, languages: tuple[str, ...]) -> None:
        super().__init__(uri, "stt.engine")
        self.languages = languages
        self._wanted = model
        self._program = ""  # that is to be selected; "" for the server's first
        self._model = ""  # that is to be named; "" leaves it to the server

    async def load(self) -> None:
        """Connect, see that it offers what is wanted, and let it load its model.

        Raises:
            EngineUnavailable: nobody is there, or it lacks the model or a language.
            EngineError: it does not answer, or not in Wyoming.
        """
        info = await self._remote.loaded("asr")
        first = True
        for program in installed(objects_in(info, "asr")):
            models = installed(objects_in(program, "models"))
            if self._wanted not in (None, program["name"]):
                models = [model for model in models if model["name"] == self._wanted]
                if not models:
                    first = False
                    continue
                self._model = str(models[0]["name"])
            self._program = "" if first else str(program["name"])
            self._check_languages(models)
            self._take_facts(program)
            if checked_facts(program) is None:  # our own processes say when they are loaded
                await self._ask(_WARM, self._request(""), _FIRST_SILENCE)
            return
        raise EngineUnavailable(_lacking(self.name, self._wanted, info))

    def _check_languages(self, models: Sequence[dict[str, Any]]) -> None:
        known = {language for model in models for language in languages_in(model)}
        missing = [language for language in self.languages if language not in known]
        if missing and known:  # a server that says none takes what it gets
            raise EngineUnavailable(
                f"{self.name} does not know {', '.join(missing)}, only: "
                f"{', '.join(sorted(known))}; change stt.model or stt.engine"
            )

    def _take_facts(self, program: dict[str, Any]) -> None:
        self.name = name_of(program) or self._remote.where
        if (facts := checked_facts(program)) is not None:
            self.note = facts.note
            if self._remote.local and facts.device:
                self.device = facts.device

    async def transcribe(
        self, pcm: bytes, *, language: str, bias: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """Return what was said; see `hub.engines.base.SpeechToText`.

        Cancelling it ends the connection, and with it the work of servers that notice.

        Args:
            pcm: 16 kHz mono 16-bit samples.
            language: one of `languages`, or "" for whichever of them it is.
            bias: names and terms that may be said; servers that know no such thing ignore them.
            draft: the quickest try will do; only our own engine processes know that.

        Raises:
            BadInput: another language, or half a sample, or the server says so.
            EngineBusy: the server says so.
            EngineUnavailable: nobody is there.
            EngineError: it failed, went away or says nothing for 60 s.
        """
        if language and language not in self.languages:
            raise BadInput(f"{self.name}: {language!r} is none of the languages spoken to it")
        if len(pcm) % SPEECH.bytes_per_frame:
            raise BadInput(f"{self.name}: {len(pcm)} bytes are no whole number of samples")
        asked = self._request(language)
        if bias:
            asked["transcript_names"] = list(bias)
        if draft:
            asked[DRAFT] = True
        return await self._ask(pcm, asked, _SILENCE)

    def _request(self, language: str) -> dict[str, Any]:
        """Return the data of a `transcribe`."""
        asked: dict[str, Any] = {"name": self._model} if self._model else {}
        if language or len(self.languages) == 1:
            asked["language"] = language or self.languages[0]
        return asked

    async def _ask(self, pcm: bytes, asked: dict[str, Any], silence: float) -> Transcript:
        async with self._remote.request(silence=silence, payload=_MOST_PAYLOAD) as exchange:
            data = await _answer(exchange, Event("transcribe", asked), pcm, self._program)
            spoken = languages_in({"languages": [data.get("language")]})
            return Transcript(
                text=_text_in(data).strip(),
                language=spoken[0] if spoken else asked.get("language", self.languages[0]),
                no_speech_prob=min(1.0, max(0.0, _number_in(data, "no_speech_prob", 0.0))),
                avg_logprob=_number_in(data, "avg_logprob", 0.0),
                compression_ratio=_number_in(data, "compression_ratio", 1.0),
            )


async def _answer(
    exchange: Exchange, transcribe: Event, pcm: bytes, program: str
) -> dict[str, Any]:
    """Send the sound and return the data of the transcript, which may come before all is sent."""
    sending = asyncio.create_task(_send(exchange, transcribe, pcm, program), name="send sound")
    try:
        return await _transcript(exchange)
    except ConnectionClosed:
        # The other side of the same end; where the server stopped reading, its reason comes first.
        raise EngineError("the server went away without a transcript") from None
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(exchange: Exchange, transcribe: Event, pcm: bytes, program: str) -> None:
    if program:
        await exchange.write(SelectProgram(program).event())
    await exchange.write(transcribe)
    form = {"rate": SPEECH.rate, "width": SPEECH.width, "channels": SPEECH.channels}
    await exchange.write(AudioStart(**form).event())
    for at in range(0, len(pcm), _CHUNK_BYTES):
        await exchange.write(AudioChunk(audio=pcm[at : at + _CHUNK_BYTES], **form).event())
    await exchange.write(AudioStop().event())


async def _transcript(exchange: Exchange) -> dict[str, Any]:
    """Read until the transcript; one in pieces alone is put together."""
    pieces: list[str] = []
    letters = 0
    while True:
        event = await exchange.read()
        if event.type == "transcript":
            return event.data
        if event.type == "transcript-chunk":
            pieces.append(_text_in(event.data))
            letters += len(pieces[-1])
            if letters > _MOST_TEXT:
                raise MalformedFrame("a transcript without an end")
        elif event.type == "transcript-stop":
            return {"text": "".join(pieces)}


def _text_in(data: dict[str, Any]) -> str:
    text = data.get("text")
    if not isinstance(text, str) or len(text) > _MOST_TEXT:
        raise MalformedFrame("a transcript without a text, or with one that nobody could say")
    return text


def _number_in(data: dict[str, Any], key: str, default: float) -> float:
    value = data.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return default
    try:
        number = float(value)
    except OverflowError:
        return default
    return number if math.isfinite(number) else default


def _lacking(where: str, model: str | None, info: dict[str, Any]) -> str:
    programs = installed(objects_in(info, "asr"))
    if not programs:
        return f"{where} has no speech-to-text; change stt.engine"
    names = [
        name_of(one)
        for program in programs
        for one in (program, *installed(objects_in(program, "models")))
    ]
    return f"{where} has no model {model!r}, only: {', '.join(names)}; change stt.model"
