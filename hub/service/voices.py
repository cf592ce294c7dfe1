"""Which voices may be asked for, and which one speaks a request."""

from collections.abc import Sequence

from hub.config import Settings, TtsSettings
from hub.conversation.voice import Voice
from hub.engines.base import EngineUnavailable, TextToSpeech
from hub.engines.choices import is_elsewhere, tts_languages, tts_voices
from hub.engines.stand_in import Backed
from hub.engines.supervisor import Supervised
from hub.service.request import RequestError

_FILES_KNOW = ("piper",)  # engines whose voices are known only once they are loaded


def chosen(tts: Supervised[TextToSpeech]) -> TextToSpeech | None:
    """Return the engine that the settings choose, where it is loaded; never a stand-in."""
    return tts.own if isinstance(tts, Backed) else tts.current


def voices(tts: TextToSpeech | None, settings: Settings) -> tuple[str, ...]:
    """Return the voices that may be asked for, the default first.

    Args:
        tts: the engine that the settings choose; None where it is not loaded.
        settings: the hub's.
    """
    if tts is None or not tts.voices:
        return tts_voices(settings)
    first = settings.tts.voice
    if first not in tts.voices:
        return tts.voices
    return (first, *(voice for voice in tts.voices if voice != first))


def languages(tts: TextToSpeech | None, settings: Settings) -> tuple[str, ...]:
    """Return the languages that are spoken; see `voices`."""
    return tts.languages if tts is not None and tts.languages else tts_languages(settings)


def check_voice(name: str, tts: Supervised[TextToSpeech], settings: Settings) -> None:
    """Make sure, as far as can be known without waiting, that there is a voice of that name.

    Raises:
        RequestError: there is none.
    """
    own = chosen(tts)
    if own is None and _only_it_knows(settings.tts):
        return  # it may well have it
    known = voices(own, settings)
    others = tts.current.voices if tts.current is not None else ()
    if name not in known and name not in others:
        raise _unknown(name, known)


def voice_for(
    engine: TextToSpeech,
    tts: Supervised[TextToSpeech],
    settings: Settings,
    name: str | None = None,
    description: str = "",
    language: str = "",
) -> Voice:
    """Return how an engine is to speak what was asked for.

    One that stands in speaks with a voice of its own where it lacks the one that is asked for.

    Args:
        engine: that will speak: the one that works now.
        tts: which watches over it.
        settings: the hub's.
        name: the voice that is asked for; None for the configured one.
        description: how it is to sound, in words; "" as configured.
        language: that is asked for; "" for none.

    Raises:
        RequestError: there is no such voice.
        EngineUnavailable: what stands in does not speak the language.
    """
    voice = Voice.of(engine, settings.tts)
    stands_in = isinstance(tts, Backed) and engine is not tts.own
    if stands_in and language and language not in engine.languages:
        raise EngineUnavailable(f"no voice that speaks {language!r} is loaded at the moment")
    if name and name != voice.name:
        if name in engine.voices:
            voice = Voice(engine, name)  # what is configured describes the configured one
        elif stands_in:
            check_voice(name, tts, settings)
        else:
            raise _unknown(name, engine.voices)
    if description and engine.describable:
        voice = Voice(engine, voice.name, description)
    return voice


def _unknown(name: str, known: Sequence[str]) -> RequestError:
    return RequestError("unknown-voice", f"no voice {name[:100]!r} here, only: {', '.join(known)}")


def _only_it_knows(tts: TtsSettings) -> bool:
    return is_elsewhere(tts.engine) or tts.engine in _FILES_KNOW
