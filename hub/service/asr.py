"""`transcribe`: sound to words, while the sound still comes in."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from wyoming.asr import Transcript as TranscriptEvent
from wyoming.asr import TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from hub.config import TurnSettings
from hub.conversation.endpoint import Endpointer, SpeechEnded, SpeechPaused
from hub.conversation.nonsense import Verdict, judge
from hub.conversation.partials import Told
from hub.conversation.patience import activity_of, answer_of
from hub.conversation.pipeline import Engines
from hub.conversation.understanding import bias_of
from hub.engines.base import VAD_FRAME_BYTES, SpeechToText, Transcript
from hub.service.early import SPEECH_THRESHOLD, Command, Early
from hub.service.ending import Ending, Manners
from hub.service.request import (
    LOADING_PATIENCE,
    RequestError,
    Write,
    check_language,
    optional_object,
    optional_text,
    texts_in,
)
from hub.service.sound import IncomingSound, Sound
from hub.service.windows import WINDOW_SECONDS, Window, Windows
from protocol.audio import SPEECH, Chunker

_LOGGER = logging.getLogger(__name__)

_PATIENCE = 80.0  # seconds for one window; the engine says by itself when it hangs (60 s)
_TURN_PATIENCE = 300.0  # seconds to wait for other connections' windows
_AT_ONCE = 1  # window of all connections that the engine is given: rooms come in between
_LEAST_SPEECH = 0.1  # seconds
_FRAMES_BEHIND = 10  # that voice activity has still to hear, from which on nothing waits for it
# As Home Assistant has it, seconds of silence by `vad_sensitivity`.
_SILENCE = {"relaxed": 1.25, "default": 0.7, "aggressive": 0.25}
_COMMAND_NO_SPEECH = 15.0  # seconds to wait for somebody to begin
_NOISE_SECONDS = 1.0  # of sound without words, from which on somebody meant something by it


@dataclass(frozen=True, slots=True)
class Options:
    """What a `transcribe` asks for.

    Args:
        language: one of the model's; "" for whichever of them it is.
        bias: names and terms, most important first.
        silence: seconds of it that end the utterance, as the peer wants it; None where it does not.
        manners: how to hear the end of the utterance all the same; None leaves it to the peer.
        context: goes back with the transcript as it came.
    """

    language: str
    bias: tuple[str, ...] = ()
    silence: float | None = None
    manners: Manners | None = None
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What is said in a window of sound.

    Args:
        text: all of it, or as much as is known for certain.
        language: in which.
        final: whether it is all of it; what comes next is another window's.
        seconds: how long the window is, where it is all of it.
    """

    text: str
    language: str
    final: bool
    seconds: float = 0.0


class Transcriber:
    """Transcribes for all connections.

    Args:
        engines: the hub's.
        languages: those of the model.
        models: the names by which it may be asked for.
        settings: when somebody has finished speaking, where that is for us to say.
        turns: where others take turns with it; None for turns of its own.
    """

    def __init__(
        self,
        engines: Engines,
        languages: Sequence[str],
        models: Sequence[str],
        settings: TurnSettings,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self._engines = engines
        self._languages = languages
        self._models = models
        self._settings = settings
        self._turns = turns or asyncio.Semaphore(_AT_ONCE)

    def request(
        self, event: Event, write: Write, manners: Manners | None = None
    ) -> "Transcription":
        """Return the request that a `transcribe` begins.

        Args:
            event: the `transcribe`.
            write: sends to the peer.
            manners: how to hear the end of what is said; None leaves it to the peer.

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
            language=self._language(optional_text(event, "language", most=200)),
            bias=bias_of(
                [
                    *(texts_in(event, "transcript_names") or ()),
                    *(texts_in(event, "transcript_terms") or ()),
                ]
            ),
            silence=None if sensitivity is None else _SILENCE.get(sensitivity, _SILENCE["default"]),
            manners=manners,
            context=optional_object(event, "context"),
        )
        return Transcription(self, options, write)

    def _language(self, asked: str | None) -> str:
        """Return the language that is asked for, or "" for whichever of several it is."""
        if not asked and len(self._languages) > 1:
            return ""
        return check_language(asked, self._languages)

    async def parts(self, sound: Sound, options: Options) -> AsyncGenerator[Part]:
        """Yield what is said in `sound` as it becomes known; no words for silence and noise.

        Returns at the end of the sound, or earlier, as `options.manners` has it.
        """
        windows, chunker, rest = Windows(), Chunker(VAD_FRAME_BYTES), b""
        activity = await activity_of(self._engines.vad, timeout=LOADING_PATIENCE)
        early = Early(partial(self._transcript, options=options), self._is_free)
        language = options.language or self._languages[0]
        ending: Ending[Part] = Ending(self._engines.turn, self._settings, language, options.manners)
        async with aclosing(early), aclosing(ending):  # `ending` first: it may use `early`
            async for pcm in sound:
                frames = list(chunker.push(pcm))
                if sound.over and len(frames) > _FRAMES_BEHIND:
                    # Voice activity and speech-to-text at once: each has a thread of its own.
                    rest = chunker.flush()
                    whole = b"".join([windows.sound, *frames, rest])
                    if SPEECH.seconds(len(whole)) <= WINDOW_SECONDS:
                        early.finish(whole[: len(whole) - len(whole) % SPEECH.bytes_per_frame])
                for frame in frames:
                    voice = await activity.probability(frame)
                    await ending.push(frame, voice)
                    if (window := windows.push(frame, voice)) is not None:
                        await early.aclose()  # it heard another window
                        yield await self._part(window, None, options)
                if sound.live and not ending.asked:
                    early.consider(windows.sound, windows.voice)
                    if (heard := early.heard(windows.voice)) is not None:
                        ending.transcribed(heard.text)
                    yield Part(early.stable, options.language, final=False)
                if ending.over and sound.paced and not early.coming(windows.voice):
                    ending.ask(lambda: self._part(windows.so_far(), early, options))
                if (part := ending.answer()) is not None:
                    spoken = ending.speech_seconds
                    if part.text or spoken is None or spoken >= _NOISE_SECONDS:
                        yield part
                        return
                    ending.forget()
            if (part := await ending.last()) is not None and part.text:
                yield part
                return
            window = windows.flush(rest + chunker.flush())
            yield await self._part(window, early, options)

    async def command(self, sound: Sound, options: Options) -> AsyncGenerator[Part]:
        """Yield what is said in `sound` up to a silence of `options.silence`; "" for no words."""
        settings = msgspec.structs.replace(
            self._settings,
            silence=options.silence,
            no_speech=_COMMAND_NO_SPEECH,
            max_speech=WINDOW_SECONDS - 1,
        )
        utterance, transcript = None, None
        command = Command(partial(self._transcript, options=options), self._is_free)
        activity = await activity_of(self._engines.vad, timeout=LOADING_PATIENCE)
        endpointer = Endpointer(activity, settings, wake_word=False)
        async with aclosing(command):
            async with aclosing(endpointer.listen(sound)) as events:
                async for event in events:
                    if isinstance(event, SpeechPaused) and sound.live:
                        await command.paused(event.utterance)
                    elif isinstance(event, SpeechEnded):
                        utterance = event.utterance
                        break
            sound.drop()
            assert utterance is not None  # an endpointer ends with one
            if utterance.pcm:
                transcript = await command.ended(utterance)
        yield _judged(transcript, utterance.speech_seconds, options)

    def _is_free(self) -> bool:
        """Whether nobody wants the engine at the moment."""
        return not self._turns.locked() and self._engines.stt.idle

    async def _part(self, window: Window, early: Early | None, options: Options) -> Part:
        """Return what is said in one window."""
        seconds, transcript = window.speech_seconds(SPEECH_THRESHOLD), None
        if seconds >= _LEAST_SPEECH:  # below it, whatever Whisper wrote would be an invention
            if early is not None:
                transcript = await early.final(window.voice)
            if transcript is None:
                if early is not None:
                    await early.aclose()  # what it is at heard less
                transcript = await self._transcript(window.pcm, False, options=options)
        part = _judged(transcript, seconds, options)
        return replace(part, seconds=SPEECH.seconds(len(window.pcm)))

    async def _transcript(self, pcm: bytes, draft: bool, *, options: Options) -> Transcript:
        """Transcribe, after those who asked before."""

        def work(stt: SpeechToText) -> Awaitable[Transcript]:
            asked = stt.transcribe(pcm, language=options.language, bias=options.bias, draft=draft)
            return answer_of(asked, "stt", timeout=_PATIENCE)

        try:
            async with asyncio.timeout(_TURN_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise RequestError("engine-busy", "too much to transcribe for others") from None
        try:
            return await self._engines.stt.do(work, timeout=LOADING_PATIENCE)
        finally:
            self._turns.release()


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
        """Send what is said as it becomes known, and the transcript at the end.

        What is sent early are words that will hardly change; where one does all the same, the
        transcript is what counts.
        """
        options, told, said = self._options, Told(), ""
        language, started = options.language or None, False
        listen = self._transcriber.parts if options.silence is None else self._transcriber.command
        async with aclosing(listen(self._sound, options)) as parts:
            async for part in parts:
                language = part.language or None
                if part.final and part.text:
                    said = f"{said} {part.text}" if said else part.text
                if piece := told.more(part.text, final=part.final):
                    if not started:
                        started = True
                        await self._write(TranscriptStart(options.context, language))
                    await self._write(TranscriptChunk(piece))
        self._sound.drop()
        if not started:
            await self._write(TranscriptStart(options.context, language))
        await self._write(TranscriptEvent(said, options.context, language))
        await self._write(TranscriptStop())


def _judged(transcript: Transcript | None, speech_seconds: float, options: Options) -> Part:
    """Return the words of a transcript, or none where nobody said them."""
    if transcript is None:
        return Part("", options.language, final=True)
    verdict = judge(transcript, speech_seconds)
    if verdict is not Verdict.OK:
        _LOGGER.debug("a window of sound has no words: %s", verdict.value)
        return Part("", transcript.language, final=True)
    return Part(transcript.text.strip(), transcript.language, final=True)
