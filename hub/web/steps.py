"""Single steps over HTTP: sound to words, words to sound; and how many may go on at once.

The work itself is the service port's (`hub.service.asr`, `hub.service.tts`): windows, silence and
inventions, sentences, loading engines.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from hub.config import Settings
from hub.conversation.stages import Engines
from hub.engines.base import EngineBusy, EngineError, EngineUnavailable
from hub.engines.supervisor import EngineState, Supervised
from hub.engines.thread import client
from hub.service.asr import Options, Transcriber
from hub.service.request import LOADING_PATIENCE, RequestError, check_language
from hub.service.tts import Asked, Speaker
from hub.web.errors import ApiError, Later
from protocol.audio import PcmFormat

ENGINE_PROBLEMS = ("engine-loading", "engine-failed", "busy")
"""The codes of a 503 with which `Steps` refuses."""

_AT_ONCE = 8  # requests that take an engine's time; more are told to come back
_UPLOADS = 16  # requests whose sound is received, or worked on


@dataclass(frozen=True, slots=True)
class Segment:
    """What is said in a part of some sound; `begin` and `end` in seconds."""

    begin: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
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
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech that is being made.

    Args:
        form: of its sound.
        pieces: yields it as it is made; closing it stops the work. The first piece is there.
    """

    form: PcmFormat
    pieces: AsyncGenerator[bytes]


class Steps:
    """Does single steps for whoever asks over HTTP.

    Args:
        engines: the hub's.
        settings: the hub's, as they hold at each request.
    """

    def __init__(self, engines: Engines, settings: Settings) -> None:
        self._engines = engines
        self._settings = settings
        self._speaker = Speaker(engines, settings)
        self._turns = asyncio.Semaphore(1)  # windows of all requests; rooms come in between
        self._places = _AT_ONCE
        self._uploads = _UPLOADS
        self._numbers = itertools.count(1)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of a few places for work that takes an engine's time.

        Whoever has one has a share of each engine of their own.

        Raises:
            Later: none is free.
        """
        if not self._places:
            raise Later("busy", f"{_AT_ONCE} others are being served; try again")
        self._places -= 1
        client.set(f"http {next(self._numbers)}")
        try:
            yield
        finally:
            self._places += 1

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Take one of some places for receiving sound, which takes as long as its sender wants.

        Raises:
            Later: none is free.
        """
        if not self._uploads:
            raise Later("busy", f"{_UPLOADS} others send sound; try again")
        self._uploads -= 1
        try:
            yield
        finally:
            self._uploads += 1

    async def transcribe(
        self,
        sound: AsyncIterator[bytes],
        language: str | None = None,
        *,
        bias: Sequence[str] = (),
        told: Callable[[Segment], None] | None = None,
    ) -> Heard:
        """Return what is said in some sound, of any length.

        Args:
            sound: 16 kHz mono 16-bit, read no faster than it is heard.
            language: in which; None for the configured one, or whichever of several it is.
            bias: names and terms that may be said.
            told: told of each segment as soon as it is known.

        Raises:
            ApiError: another language, or an engine is not there or failed.
            ValueError: as `sound` raises.
        """
        stt, vad = self._engines.stt, self._engines.vad
        with problems_of(stt, vad):
            known = (await stt.get(timeout=LOADING_PATIENCE)).languages
            chosen = check_language(language, known) if language else self._language(known)
            transcriber = Transcriber(self._engines, known, (), self._settings.turn, self._turns)
            segments, at = [], 0.0
            options = Options(chosen, tuple(bias))
            async with aclosing(transcriber.parts(_Stored(sound), options)) as parts:
                async for part in parts:
                    chosen = part.language or chosen
                    if part.text:
                        segments.append(Segment(at, at + part.seconds, part.text))
                        if told is not None:
                            told(segments[-1])
                    at += part.seconds
        text = " ".join(segment.text for segment in segments)
        return Heard(text, chosen or known[0], at, tuple(segments))

    async def speak(
        self, text: str, voice: str | None = None, description: str | None = None
    ) -> Spoken:
        """Begin to speak a text; returns when the first of it is there.

        Args:
            text: what to say.
            voice: one of the engine's voices; None for the configured one.
            description: how it is to sound, in words, where the engine can do that; None for what
                is configured.

        Raises:
            ApiError: an unknown voice, no word to say, or the engine is not there or failed.
        """
        with problems_of(self._engines.tts):
            asked = Asked(voice or "", description or "")
            pieces = self._speaker.speech(_once(text), asked)
            first = await anext(pieces, None)
            if first is None:
                raise ApiError(400, "bad-text", "the text: there is no word in it")
            form, pcm = first
            return Spoken(form, self._pieces(pcm, pieces))

    async def _pieces(
        self, first: bytes, rest: AsyncGenerator[tuple[PcmFormat, bytes]]
    ) -> AsyncGenerator[bytes]:
        async with aclosing(rest):
            yield first
            with problems_of(self._engines.tts):
                async for _, pcm in rest:
                    yield pcm

    def _language(self, known: Sequence[str]) -> str:
        """Return the language that is heard where a request names none; "" for any of several."""
        wanted = self._settings.language
        several = len(self._settings.stt.languages) > 1
        return "" if several else wanted if wanted in known else known[0]


@contextmanager
def problems_of(*engines: Supervised[Any]) -> Iterator[None]:
    """Turn what goes wrong with engines into the answer that says so.

    Args:
        engines: those whose work it is.

    Raises:
        Later: 503: they load, have too much to do, or failed and are being replaced.
        ApiError: 400: what was asked for is not there.
    """
    try:
        yield
    except EngineUnavailable as exc:
        failed = any(engine.state is EngineState.FAILED for engine in engines)
        raise Later("engine-failed" if failed else "engine-loading", str(exc)) from None
    except EngineBusy as exc:
        raise Later("busy", str(exc)) from None
    except EngineError as exc:
        text = f"it failed and is being restarted; try again ({exc})"
        raise Later("engine-failed", text) from None
    except RequestError as exc:
        if exc.code == "engine-busy":
            raise Later("busy", str(exc)) from None
        if exc.code == "engine-failed":
            raise Later(exc.code, str(exc)) from None
        raise ApiError(400, exc.code, str(exc)) from None


async def _once(text: str) -> AsyncIterator[str]:
    yield text


class _Stored:
    """Sound that was recorded before, as `hub.service.sound.Sound` has it."""

    live = False
    paced = False
    over = False  # that it ends is known when it does

    def __init__(self, sound: AsyncIterator[bytes]) -> None:
        self._sound = sound

    def drop(self) -> None:
        """Nothing more comes by itself."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._sound)
