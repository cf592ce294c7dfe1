"""`synthesize` and its streaming variant: words to sound, a sentence at a time."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import SynthesizeStopped

from hub.config import MOST_DESCRIPTION, Settings
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.patience import pieces_of
from hub.conversation.pipeline import Engines
from hub.conversation.speakable import Speakable
from hub.conversation.voice import Voice
from hub.engines.base import EngineError
from hub.service.feed import Feed
from hub.service.request import (
    LOADING_PATIENCE,
    MOST_TEXT,
    RequestError,
    Write,
    check_language,
    optional_text,
    text_in,
)
from hub.service.voices import check_voice, chosen, languages, voice_for, voices
from protocol.audio import PcmFormat
from protocol.connection import MalformedFrame
from protocol.engine_keys import DESCRIPTION

_PIECE = 500  # letters of a long text that are looked at without a break
_MOST_WAITING = 2000  # letters of streamed text; then the peer is not read until some are spoken
_TEXT_TIMEOUT = 120.0  # seconds between two pieces of streamed text: a language model writes them


@dataclass(frozen=True, slots=True)
class Asked:
    """How a text is to be spoken, as far as a request says.

    Args:
        voice: one of the engine's voices; "" for the configured one.
        description: how it is to sound, in words; "" as configured.
        language: of the text; "" for the hub's.
    """

    voice: str = ""
    description: str = ""
    language: str = ""


class Speaker:
    """Speaks for all who ask.

    Args:
        engines: the hub's.
        settings: the hub's, as they hold at each request.
    """

    def __init__(self, engines: Engines, settings: Settings) -> None:
        self._engines = engines
        self._settings = settings

    def request(self, event: Event, write: Write) -> "Speech":
        """Return the request that a `synthesize` or a `synthesize-start` begins.

        Raises:
            MalformedFrame: it is not as Wyoming has it.
            RequestError: no such voice or language, a format that is not plain text, or too long.
        """
        asked = self._asked(event)
        text_format = optional_text(event, "text_format", most=200)
        if text_format not in (None, "", "text"):
            raise RequestError("unsupported-format", "only plain text is spoken here")
        if event.type == "synthesize-start":
            return Speech(self, None, asked, write)
        return Speech(self, text_in(event, "text"), asked, write)

    def _asked(self, event: Event) -> Asked:
        description = optional_text(event, DESCRIPTION, most=MOST_DESCRIPTION) or ""
        voice = event.data.get("voice")
        if voice is None:
            return Asked(description=description)
        if not isinstance(voice, dict):
            raise MalformedFrame(f"{event.type}: voice is no object")
        about = Event(f"{event.type}: voice", voice)
        tts, settings = self._engines.tts, self._settings
        language = optional_text(about, "language", most=200)
        if language:
            language = check_language(language, languages(chosen(tts), settings))
        if name := optional_text(about, "name", most=200):
            check_voice(name, tts, settings)
        if optional_text(about, "speaker", most=200):
            name = name or voices(chosen(tts), settings)[0]
            raise RequestError("unknown-voice", f"{name} has no speakers")
        return Asked(name or "", description, language or "")

    async def voice(self, asked: Asked) -> Voice:
        """Return what will speak a text, from its first word to its last.

        Raises:
            EngineUnavailable: no voice is there.
            RequestError: no such voice.
        """
        tts, settings = self._engines.tts, self._settings
        engine = await tts.get(timeout=LOADING_PATIENCE)
        return voice_for(engine, tts, settings, asked.voice, asked.description, asked.language)

    async def say(self, text: AsyncIterator[str], asked: Asked, write: Write) -> None:
        """Send the speech of `text`, each sentence as soon as it is whole; all in one voice."""
        form: PcmFormat | None = None
        async with aclosing(self.speech(text, asked)) as pieces:
            async for its, pcm in pieces:
                if form is None:
                    form = its
                    await write(_start_of(form))
                await write(AudioChunk(form.rate, form.width, form.channels, pcm))
        if form is None:  # there was no word in it
            await write(_start_of((await self.voice(asked)).engine.format))
        await write(AudioStop())

    async def speech(
        self, text: AsyncIterator[str], asked: Asked
    ) -> AsyncGenerator[tuple[PcmFormat, bytes]]:
        """Yield the speech of `text`, each sentence as soon as it is whole; all in one voice.

        Each piece comes with its format, which is that of the first. A voice that fails before
        its first sound is replaced by another one that works.

        Raises:
            EngineUnavailable: no voice is there.
            EngineError: the voice failed.
            RequestError: no such voice.
        """
        tts, settings = self._engines.tts, self._settings
        voice, begun = await self.voice(asked), False
        async with aclosing(self._sentences(text, voice.engine.clause_letters[0])) as sentences:
            async for words in sentences:
                for again in (False, True):
                    engine = voice.engine
                    try:
                        with tts.using(engine):
                            async with aclosing(pieces_of(voice.say(words), "tts")) as pieces:
                                async for pcm in pieces:
                                    if pcm:
                                        begun = True
                                        yield engine.format, pcm
                        break
                    except EngineError as exc:
                        if begun or again or (other := tts.instead(engine, exc)) is None:
                            raise
                        voice = voice_for(
                            other, tts, settings, asked.voice, asked.description, asked.language
                        )

    async def _sentences(self, text: AsyncIterator[str], least: int) -> AsyncGenerator[str]:
        """Yield what is to be said, a sentence at a time; those of fewer letters with the next."""
        splitter = ClauseSplitter(quick_start=False, least=least)
        speakable = Speakable(self._settings.language)
        async for much in text:
            # A bit at a time: reading all of a long text at once would hold up the loop.
            for at in range(0, len(much), _PIECE):
                for sentence in splitter.push(much[at : at + _PIECE]):
                    if words := speakable.push(sentence):
                        yield words
        for sentence in splitter.flush():
            if words := speakable.push(sentence):
                yield words


def _start_of(form: PcmFormat) -> AudioStart:
    return AudioStart(rate=form.rate, width=form.width, channels=form.channels)


class Speech:
    """One text to speak.

    Args:
        speaker: does the work.
        text: what is to be said; None where it comes in pieces.
        asked: how it is to be spoken.
        write: sends to the peer.
    """

    def __init__(self, speaker: Speaker, text: str | None, asked: Asked, write: Write) -> None:
        self._speaker = speaker
        self._text = text
        self._asked = asked
        self._write = write
        self._pieces: Feed[str] = Feed("", _MOST_WAITING, _TEXT_TIMEOUT, "text")
        self._taken = 0  # letters

    async def take(self, event: Event) -> None:
        """Take `synthesize-chunk` or `synthesize-stop`; a `synthesize` in between is ignored."""
        if event.type == "synthesize-chunk":
            piece = text_in(event, "text")
            self._taken += len(piece)
            if self._taken > MOST_TEXT:
                raise RequestError("too-long", f"the text has more than {MOST_TEXT} letters")
            await self._pieces.put(piece)
        elif event.type == "synthesize-stop":
            self.end()

    def end(self) -> None:
        """Say that no more text comes."""
        self._pieces.end()

    async def run(self) -> None:
        """Send the speech; closing the connection stops it."""
        if self._text is not None:
            await self._pieces.put(self._text)
            self.end()
        await self._speaker.say(self._pieces, self._asked, self._write)
        if self._text is None:
            await self._write(SynthesizeStopped())
