"""What may be asked of an engine process, read from Wyoming's events and checked."""

from dataclasses import dataclass
from typing import Any

from wyoming.event import Event

from hub.config import Settings
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.understanding import bias_of
from hub.engines.base import SpeechToText, TextToSpeech
from hub.engines.choices import public_name, stt_model
from hub.service.request import (
    RequestError,
    check_language,
    optional_object,
    optional_text,
    text_in,
    texts_in,
)
from protocol.audio import SPEECH, BadFormat, Converter, PcmFormat
from protocol.connection import MalformedFrame
from protocol.engine_keys import DESCRIPTION, DRAFT

MOST_SECONDS = 120.0
"""Of sound in one request; the hub asks for 30 s at most."""

_BAD = "bad-input"
_MOST_NAME = 200  # letters


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a `synthesize` asks for.

    Args:
        clauses: of its text, each of a length that the engine is good at.
        voice: one of the engine's; None for its default.
        description: how the voice is to sound; "" leaves it to the voice.
    """

    clauses: tuple[str, ...]
    voice: str | None
    description: str


def spoken_of(event: Event, engine: TextToSpeech, settings: Settings) -> Spoken:
    """Read a `synthesize`.

    Raises:
        MalformedFrame: it is not as Wyoming has it.
        RequestError: no such voice or language, or too long, or no plain text.
    """
    text, description = text_in(event, "text"), optional_text(event, DESCRIPTION, most=2000)
    if optional_text(event, "text_format", most=_MOST_NAME) not in (None, "", "text"):
        raise RequestError(_BAD, "only plain text is spoken here")
    if description is None:  # a stock peer knows of no such thing
        description = settings.tts.description
    return Spoken(
        clauses_of(text, *engine.clause_letters),
        _voice_in(event, engine),
        " ".join(description.split()),
    )


def clauses_of(text: str, least: int, most: int) -> tuple[str, ...]:
    """Cut a text into clauses, at the ends of sentences; one that is short enough stays whole.

    Args:
        text: any; what has no letter and no digit gives no clause.
        least: letters that a clause should have: shorter sentences go with the next one.
        most: letters that it should have at most; a sentence that is longer is cut at a space.
    """
    if not any(map(str.isalnum, text)):
        return ()
    if len(text) <= most:
        return (text,)
    splitter = ClauseSplitter(quick_start=False)
    clauses: list[str] = []
    for sentence in (*splitter.push(text), *splitter.flush()):
        for part in _cut(sentence, most):
            if clauses and len(clauses[-1]) < least and len(clauses[-1]) + len(part) <= most:
                clauses[-1] += part
            else:
                clauses.append(part)
    return tuple(clauses)


def _cut(sentence: str, most: int) -> list[str]:
    parts = []
    while len(sentence) > most:
        at = sentence.rfind(" ", 1, most) + 1 or most
        parts.append(sentence[:at])
        sentence = sentence[at:]
    return [*parts, sentence] if any(map(str.isalnum, sentence)) else parts


def _voice_in(event: Event, engine: TextToSpeech) -> str | None:
    voice = optional_object(event, "voice")
    if voice is None:
        return None
    asked = Event(f"{event.type}: voice", voice)
    check_language(optional_text(asked, "language", most=_MOST_NAME), engine.languages)
    name = optional_text(asked, "name", most=_MOST_NAME)
    if name and name not in engine.voices:
        known = ", ".join(engine.voices[:50])
        raise RequestError(_BAD, f"no voice {name!r} here, only: {known}")
    if optional_text(asked, "speaker", most=_MOST_NAME):
        raise RequestError(_BAD, "these voices have no speakers; name one of the voices")
    return name or None


class Heard:
    """A `transcribe` and its sound, 16 kHz mono 16-bit in the end.

    Args:
        event: the `transcribe`; None for sound that came without one.
        engine: that it is for.
        settings: the engine's.

    Raises:
        MalformedFrame: it is not as Wyoming has it.
        RequestError: no such model or language.
    """

    def __init__(self, event: Event | None, engine: SpeechToText, settings: Settings) -> None:
        event = event or Event("transcribe")
        name, known = (
            optional_text(event, "name", most=_MOST_NAME),
            public_name(stt_model(settings)),
        )
        if name and name not in (known, engine.name):
            raise RequestError(_BAD, f"no model {name!r} here, only: {known}")
        asked = optional_text(event, "language", most=_MOST_NAME)
        self.language = ""  # whichever of several it is
        if asked or len(engine.languages) == 1:
            self.language = check_language(asked, engine.languages)
        self.draft = event.data.get(DRAFT) is True
        self.context: dict[str, Any] | None = optional_object(event, "context")
        names, terms = texts_in(event, "transcript_names"), texts_in(event, "transcript_terms")
        words = (*(names or ()), *(terms or ()))
        if names is None and terms is None and not self.draft:
            words = settings.stt.words  # a stock peer knows of none
        self.bias = bias_of(words)
        self._format: PcmFormat | None = None
        self._converter: Converter | None = None
        self._seconds = 0.0
        self._pcm = bytearray()

    def take(self, event: Event) -> None:
        """Take an `audio-start` or `audio-chunk`; the format may change from one to the next.

        Raises:
            MalformedFrame: its rate, width and channels are no format.
            RequestError: it is too long by now.
        """
        try:
            data = event.data
            form = PcmFormat(data["rate"], data["width"], data["channels"])
        except (KeyError, BadFormat) as exc:
            text = f"{event.type}: its rate, width and channels are no format"
            raise MalformedFrame(text) from exc
        if event.type == "audio-start" or not event.payload:
            return
        self._seconds += form.seconds(len(event.payload))
        if self._seconds > MOST_SECONDS:
            raise RequestError(_BAD, f"more than {MOST_SECONDS:g} s of sound; send it in parts")
        if self._converter is None or form != self._format:
            self._pcm += self._converter.flush() if self._converter is not None else b""
            self._format, self._converter = form, Converter(form, SPEECH)
        self._pcm += self._converter.process(event.payload)

    def whole(self) -> bytes:
        """Return all of the sound; no more comes."""
        if self._converter is not None:
            self._pcm += self._converter.flush()
        return bytes(self._pcm[: len(self._pcm) // SPEECH.bytes_per_frame * SPEECH.bytes_per_frame])
