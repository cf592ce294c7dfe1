"""`transcribe`: sound to words, while the sound still comes in."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
from wyoming.asr import Transcript as TranscriptEvent
from wyoming.asr import TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from hub.config import TurnSettings
from hub.conversation.endpoint import Endpointer, Utterance
from hub.conversation.nonsense import Verdict, judge
from hub.conversation.patience import PatientActivity, answer_of
from hub.conversation.pipeline import Engines
from hub.engines.base import VAD_FRAME_BYTES, EngineError
from hub.service.request import (
    LOADING_PATIENCE,
    RequestError,
    Write,
    check_language,
    optional_object,
    optional_text,
    texts_in,
)
from hub.service.sound import IncomingSound
from hub.service.windows import WINDOW_SECONDS, Windows
from protocol.audio import Chunker

_LOGGER = logging.getLogger(__name__)

_PATIENCE = 80.0  # seconds for one window; the engine says by itself when it hangs (60 s)
_TURN_PATIENCE = 300.0  # seconds to wait for other connections' windows
_AT_ONCE = 1  # window of all connections that the engine is given: rooms come in between
_SPEECH_THRESHOLD = 0.3  # lower than a turn's: here the peer says that somebody speaks
_LEAST_SPEECH = 0.1  # seconds
_MOST_BIAS = 400  # letters: about 100 of the 223 tokens that Whisper takes
_MOST_BIAS_ENTRY = 60
# As Home Assistant has it, seconds of silence by `vad_sensitivity`.
_SILENCE = {"relaxed": 1.25, "default": 0.7, "aggressive": 0.25}
_COMMAND_NO_SPEECH = 15.0  # seconds to wait for somebody to begin


@dataclass(frozen=True, slots=True)
class Options:
    """What a `transcribe` asks for.

    Args:
        language: one of the model's.
        bias: names and terms, most important first.
        silence: seconds of it that end the utterance; None leaves the end to the peer.
        context: goes back with the transcript as it came.
    """

    language: str
    bias: tuple[str, ...] = ()
    silence: float | None = None
    context: dict[str, Any] | None = None


class Transcriber:
    """Transcribes for all connections.

    Args:
        engines: the hub's.
        languages: those of the model.
        models: the names by which it may be asked for.
        settings: when somebody has finished speaking, where that is for us to say.
    """

    def __init__(
        self,
        engines: Engines,
        languages: Sequence[str],
        models: Sequence[str],
        settings: TurnSettings,
    ) -> None:
        self._engines = engines
        self._languages = languages
        self._models = models
        self._settings = settings
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def request(self, event: Event, write: Write) -> "Transcription":
        """Return the request that a `transcribe` begins.

        Raises:
            MalformedFrame: it is not as Wyoming has it.
            RequestError: no such model or language.
        """
        name = optional_text(event, "name", most=200)
        if name and name not in self._models:
            raise RequestError(
                "unknown-model", f"no model {name!r} here, only: {', '.join(self._models)}"
            )
        sensitivity = optional_text(event, "vad_sensitivity", most=200)
        options = Options(
            language=check_language(optional_text(event, "language", most=200), self._languages),
            bias=_bias(
                [
                    *(texts_in(event, "transcript_names") or ()),
                    *(texts_in(event, "transcript_terms") or ()),
                ]
            ),
            silence=None if sensitivity is None else _SILENCE.get(sensitivity, _SILENCE["default"]),
            context=optional_object(event, "context"),
        )
        return Transcription(self, options, write)

    async def parts(self, sound: IncomingSound, options: Options) -> AsyncGenerator[str]:
        """Yield what is said in `sound`, window by window; nothing for silence and noise."""
        if options.silence is not None:
            utterance = await self._utterance(sound, options.silence)
            sound.drop()
            if utterance.pcm and (
                text := await self._words(utterance.pcm, utterance.speech_seconds, options)
            ):
                yield text
            return
        windows, chunker = Windows(), Chunker(VAD_FRAME_BYTES)
        vad = await self._engines.vad.get(timeout=LOADING_PATIENCE)
        activity = PatientActivity(vad.stream())
        async for pcm in sound:
            for frame in chunker.push(pcm):
                try:
                    voice = await activity.probability(frame)
                except EngineError as exc:
                    self._engines.vad.failed(vad, exc)
                    raise
                if (window := windows.push(frame, voice)) is not None:
                    seconds = window.speech_seconds(_SPEECH_THRESHOLD)
                    if text := await self._words(window.pcm, seconds, options):
                        yield text
        window = windows.flush(chunker.flush())
        seconds = window.speech_seconds(_SPEECH_THRESHOLD)
        if text := await self._words(window.pcm, seconds, options):
            yield text

    async def _utterance(self, sound: IncomingSound, silence: float) -> Utterance:
        settings = msgspec.structs.replace(
            self._settings,
            silence=silence,
            no_speech=_COMMAND_NO_SPEECH,
            max_speech=WINDOW_SECONDS - 1,
        )
        async with self._engines.vad.lent(timeout=LOADING_PATIENCE) as vad:
            endpointer = Endpointer(PatientActivity(vad.stream()), settings, wake_word=False)
            async for event in endpointer.listen(sound):
                if isinstance(event, Utterance):
                    return event
        raise AssertionError("an endpointer ends with an utterance")

    async def _words(self, pcm: bytes, speech_seconds: float, options: Options) -> str:
        """Return what is said in one window, or "" where nobody speaks."""
        if speech_seconds < _LEAST_SPEECH:  # whatever Whisper wrote, it would be an invention
            return ""
        try:
            async with asyncio.timeout(_TURN_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise RequestError("engine-busy", "too much to transcribe for others") from None
        try:
            async with self._engines.stt.lent(timeout=LOADING_PATIENCE) as stt:
                transcript = await answer_of(
                    stt.transcribe(pcm, language=options.language, bias=options.bias),
                    "stt",
                    timeout=_PATIENCE,
                )
        finally:
            self._turns.release()
        verdict = judge(
            transcript.text,
            speech_seconds=speech_seconds,
            no_speech_prob=transcript.no_speech_prob,
            avg_logprob=transcript.avg_logprob,
            compression_ratio=transcript.compression_ratio,
        )
        if verdict is not Verdict.OK:
            _LOGGER.debug("a window of sound has no words: %s", verdict.value)
            return ""
        return transcript.text.strip()


class Transcription:
    """One `transcribe` and its sound.

    Args:
        transcriber: does the work.
        options: what is asked for.
        write: sends to the peer.
    """

    def __init__(self, transcriber: Transcriber, options: Options, write: Write) -> None:
        self._transcriber = transcriber
        self._options = options
        self._write = write
        self._sound = IncomingSound()

    async def take(self, event: Event) -> None:
        """Take an audio event; once the transcript is sent they are thrown away."""
        await self._sound.take(event)

    def end(self) -> None:
        """Say that no more sound comes."""
        self._sound.end()

    async def run(self) -> None:
        """Send the transcript, in parts as they are ready and as a whole at the end."""
        language, context, said = self._options.language, self._options.context, ""
        async with aclosing(self._transcriber.parts(self._sound, self._options)) as parts:
            async for part in parts:
                if not said:
                    await self._write(TranscriptStart(language=language, context=context))
                piece = f" {part}" if said else part
                said += piece
                await self._write(TranscriptChunk(piece))
        self._sound.drop()
        if not said:
            await self._write(TranscriptStart(language=language, context=context))
        await self._write(TranscriptEvent(text=said, language=language, context=context))
        await self._write(TranscriptStop())


def _bias(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words without repetition, as many as Whisper should be given."""
    chosen: dict[str, None] = {}
    left = _MOST_BIAS
    for word in words:
        plain = " ".join(word.split())
        if not plain or len(plain) > _MOST_BIAS_ENTRY or plain in chosen:
            continue
        left -= len(plain) + 2
        if left < 0:
            break
        chosen[plain] = None
    return tuple(chosen)
