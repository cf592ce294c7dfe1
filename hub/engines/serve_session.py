"""One connection to an engine process: a request at a time, and an eye on the peer meanwhile."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Protocol

from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event

from hub.config import Settings
from hub.conversation.patience import where
from hub.engines.base import (
    BadInput,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    SpeechToText,
    TextToSpeech,
)
from hub.engines.serve_requests import Heard, Spoken, spoken_of
from hub.engines.thread import client
from hub.service.request import RequestError
from protocol.connection import (
    Connection,
    ConnectionClosed,
    IdleTimeout,
    ProtocolError,
    WriteTimeout,
)
from protocol.engine_keys import ErrorCode

_LOGGER = logging.getLogger(__name__)
_REFUSAL_TIME = 1.0  # seconds in which a peer may take the reason before the connection is closed
_STOPPING = 10.0  # seconds for an engine to stop when it is told to; then it hangs
_IDLE = 300.0  # seconds that a peer may rest while nothing is worked on for it
_NUMBERS = itertools.count()
_AUDIO = frozenset(("audio-start", "audio-chunk", "audio-stop"))


class Served(Protocol):
    """The engine that all connections share.

    Attributes:
        settings: that it was made from.
        stt: it, where it hears and is loaded.
        tts: it, where it speaks and is loaded.
        role: "stt" or "tts".
    """

    settings: Settings
    stt: SpeechToText | None
    tts: TextToSpeech | None
    role: str

    def info(self) -> Event:
        """Return the answer to `describe`."""

    def failed(self, error: EngineError) -> None:
        """Take a report that the engine is to be given up."""


class Session:
    """Serves one connection.

    A request that comes while another is worked on takes its place, and a peer that goes ends what
    is worked on for it: the engine stops at once.

    Args:
        connection: to the peer.
        served: the engine.
    """

    def __init__(self, connection: Connection, served: Served) -> None:
        self._connection = connection
        self._served = served
        self._heard: Heard | None = None  # takes the sound that comes
        self._refused = False  # the sound that comes belongs to a request that was refused
        self._work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve it until it goes."""
        client.set(f"{self._connection.peer} {next(_NUMBERS)}")  # here and in the work
        try:
            while True:
                await self._take(await self._next())
        except (ConnectionClosed, IdleTimeout):
            pass
        except WriteTimeout as exc:
            _LOGGER.info("%s: %s", self._connection.peer, exc)
        except ProtocolError as exc:
            await self._stop()
            _LOGGER.info("%s: %s", self._connection.peer, exc)
            await self._refuse("bad-input", str(exc), linger=True)
        finally:
            await self._stop()

    async def _next(self) -> Event:
        """Wait for the next event of the peer.

        Raises:
            IdleTimeout: none came for 300 s in which nothing was worked on for it.
        """
        while True:
            working = self._work is not None and not self._work.done()
            try:
                async with asyncio.timeout(_IDLE) as clock:
                    return await self._connection.read()
            except TimeoutError:
                if not clock.expired():
                    raise
                if not working:
                    raise IdleTimeout(f"no request for {_IDLE:g} s") from None

    async def _take(self, event: Event) -> None:
        try:
            match event.type:
                case "describe":
                    await self._connection.write(self._served.info())
                case "synthesize":
                    await self._stop()
                    tts = self._tts()
                    await self._begin(
                        self._speak(spoken_of(event, tts, self._served.settings), tts)
                    )
                case "transcribe":
                    await self._stop()
                    self._refused, self._heard = False, None
                    self._heard = Heard(event, self._stt(), self._served.settings)
                case kind if kind in _AUDIO and not self._refused and self._served.role == "stt":
                    await self._hear(event)
                # Anything else is to be ignored, as Wyoming has it.
        except RequestError as exc:
            self._drop()
            await self._refuse("bad-input", str(exc))
        except EngineUnavailable as exc:
            self._drop()
            await self._refuse("unavailable", str(exc))

    def _drop(self) -> None:
        self._heard, self._refused = None, True

    async def _hear(self, event: Event) -> None:
        if self._heard is None:
            if event.type != "audio-start":
                return  # it comes too late
            await self._stop()
            self._heard = Heard(None, self._stt(), self._served.settings)  # sound alone will do
        if event.type != "audio-stop":
            self._heard.take(event)
            return
        heard, self._heard = self._heard, None
        await self._begin(self._transcribe(heard, self._stt()))

    def _stt(self) -> SpeechToText:
        if self._served.role != "stt":
            raise RequestError("bad-input", "this is text-to-speech; it transcribes nothing")
        if self._served.stt is None:
            raise EngineUnavailable("speech-to-text is still loading")
        return self._served.stt

    def _tts(self) -> TextToSpeech:
        if self._served.role != "tts":
            raise RequestError("bad-input", "this is speech-to-text; it says nothing")
        if self._served.tts is None:
            raise EngineUnavailable("the voice is still loading")
        return self._served.tts

    async def _begin(self, work: Awaitable[None]) -> None:
        await self._stop()
        self._work = asyncio.create_task(
            self._answer(work), name=f"engine works for {self._connection.peer}"
        )

    async def _stop(self) -> None:
        """Stop what is worked on for this peer, and wait until the engine has."""
        if (work := self._work) is None:
            return
        work.cancel()
        if (await asyncio.wait([work], timeout=_STOPPING))[1]:
            self._served.failed(EngineError(f"the engine does not stop in {_STOPPING:g} s"))
        self._work = None

    async def _answer(self, work: Awaitable[None]) -> None:
        """Work, and tell the peer where that fails."""
        try:
            await work
        except ConnectionClosed:
            pass  # the reader learns it by itself
        except WriteTimeout as exc:
            _LOGGER.info("%s: %s", self._connection.peer, exc)
            await self._connection.close()  # the reader might hear the peer for ever
        except BadInput as exc:
            await self._refuse("bad-input", str(exc))
        except EngineBusy as exc:
            await self._refuse("busy", str(exc))
        except Exception as exc:  # whatever it is, a fresh engine is to come
            error = exc if isinstance(exc, EngineError) else EngineError(where(exc))
            await self._refuse("failed", str(error))
            self._served.failed(error)

    async def _speak(self, spoken: Spoken, tts: TextToSpeech) -> None:
        form, write = tts.format, self._connection.write
        await write(AudioStart(form.rate, form.width, form.channels))
        for clause in spoken.clauses:
            speech = tts.synthesize(clause, voice=spoken.voice, description=spoken.description)
            async with aclosing(speech) as pieces:
                async for pcm in pieces:
                    if pcm:
                        await write(AudioChunk(form.rate, form.width, form.channels, pcm))
        await write(AudioStop())

    async def _transcribe(self, heard: Heard, stt: SpeechToText) -> None:
        found = await stt.transcribe(
            heard.whole(), language=heard.language, bias=heard.bias, draft=heard.draft
        )
        event = Transcript(found.text, heard.context, found.language or None).event()
        event.data |= {
            "no_speech_prob": found.no_speech_prob,
            "avg_logprob": found.avg_logprob,
            "compression_ratio": found.compression_ratio,
        }
        await self._connection.write(event)

    async def _refuse(self, code: ErrorCode, text: str, *, linger: bool = False) -> None:
        """Say why; `linger` for the peer to take it, as hanging up on unread data would lose it."""
        with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_REFUSAL_TIME):
                await self._connection.write(Error(text, code))
                while linger:
                    await self._connection.read()
