"""`synthesize` and its streaming variant: words to sound, a sentence at a time."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import SynthesizeStopped

from hub.conversation.clauses import ClauseSplitter
from hub.conversation.patience import pieces_of
from hub.conversation.pipeline import Engines
from hub.conversation.speakable import Speakable
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
from protocol.audio import PcmFormat
from protocol.connection import MalformedFrame

_PIECE = 500  # letters of a long text that are looked at without a break
_MOST_WAITING = 2000  # letters of streamed text; then the peer is not read until some are spoken
_TEXT_TIMEOUT = 120.0  # seconds between two pieces of streamed text: a language model writes them


class Speaker:
    """Speaks for all connections.

    Args:
        engines: the hub's.
        languages: those of the voices.
        voices: the names of the voices, the default first.
        language: that the texts are in.
    """

    def __init__(
        self, engines: Engines, languages: Sequence[str], voices: Sequence[str], language: str
    ) -> None:
        self._engines = engines
        self._languages = languages
        self._voices = voices
        self._language = language

    def request(self, event: Event, write: Write) -> "Speech":
        """Return the request that a `synthesize` or a `synthesize-start` begins.

        Raises:
            MalformedFrame: it is not as Wyoming has it.
            RequestError: no such voice or language, a format that is not plain text, or too long.
        """
        voice = self._voice(event)
        text_format = optional_text(event, "text_format", most=200)
        if text_format not in (None, "", "text"):
            raise RequestError("unsupported-format", "only plain text is spoken here")
        if event.type == "synthesize-start":
            return Speech(self, None, voice, write)
        return Speech(self, text_in(event, "text"), voice, write)

    def _voice(self, event: Event) -> str:
        voice = event.data.get("voice")
        if voice is None:
            return self._voices[0]
        if not isinstance(voice, dict):
            raise MalformedFrame(f"{event.type}: voice is no object")
        asked = Event(f"{event.type}: voice", voice)
        check_language(optional_text(asked, "language", most=200), self._languages)
        name = optional_text(asked, "name", most=200)
        if name and name not in self._voices:
            raise RequestError(
                "unknown-voice", f"no voice {name!r} here, only: {', '.join(self._voices)}"
            )
        if optional_text(asked, "speaker", most=200):
            raise RequestError("unknown-voice", f"{name or self._voices[0]} has no speakers")
        return name or self._voices[0]

    async def say(self, text: AsyncIterator[str], voice: str, write: Write) -> None:
        """Send the speech of `text`, each sentence as soon as it is whole; all in one format."""
        form = (await self._engines.tts.get(timeout=LOADING_PATIENCE)).format
        await write(AudioStart(rate=form.rate, width=form.width, channels=form.channels))
        async with aclosing(self.speech(text, voice, form)) as pieces:
            async for pcm in pieces:
                await write(AudioChunk(form.rate, form.width, form.channels, pcm))
        await write(AudioStop())

    async def speech(
        self, text: AsyncIterator[str], voice: str, form: PcmFormat
    ) -> AsyncGenerator[bytes]:
        """Yield the speech of `text` in `form`, each sentence as soon as it is whole.

        Raises:
            EngineError: the voice failed, or is not there.
            RequestError: it has another format by now.
        """
        async with aclosing(self._sentences(text)) as sentences:
            async for words in sentences:
                async with aclosing(self._spoken(words, voice, form)) as pieces:
                    async for pcm in pieces:
                        yield pcm

    async def _sentences(self, text: AsyncIterator[str]) -> AsyncGenerator[str]:
        """Yield what is to be said, a sentence at a time."""
        splitter, speakable = ClauseSplitter(quick_start=False), Speakable(self._language)
        async for much in text:
            # A bit at a time: reading all of a long text at once would hold up the loop.
            for at in range(0, len(much), _PIECE):
                for sentence in splitter.push(much[at : at + _PIECE]):
                    if words := speakable.push(sentence):
                        yield words
        for sentence in splitter.flush():
            if words := speakable.push(sentence):
                yield words

    async def _spoken(self, words: str, voice: str, form: PcmFormat) -> AsyncGenerator[bytes]:
        async with self._engines.tts.lent(timeout=LOADING_PATIENCE) as tts:
            if tts.format != form:
                raise RequestError("engine-failed", "the voice changed in mid-text")
            async with aclosing(pieces_of(tts.synthesize(words, voice=voice), "tts")) as pieces:
                async for pcm in pieces:
                    if pcm:
                        yield pcm


class Speech:
    """One text to speak.

    Args:
        speaker: does the work.
        text: what is to be said; None where it comes in pieces.
        voice: the name of the voice.
        write: sends to the peer.
    """

    def __init__(self, speaker: Speaker, text: str | None, voice: str, write: Write) -> None:
        self._speaker = speaker
        self._text = text
        self._voice = voice
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
        await self._speaker.say(self._pieces, self._voice, self._write)
        if self._text is None:
            await self._write(SynthesizeStopped())
