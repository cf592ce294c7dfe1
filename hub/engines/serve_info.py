"""What an engine process answers to `describe`: Wyoming's words, and our own keys beside them."""

from functools import cache
from importlib import metadata
from typing import Any

import msgspec
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info, TtsProgram, TtsVoice

from hub.config import Settings
from hub.engines.base import SpeechToText, TextToSpeech
from hub.engines.choices import (
    THEIRS,
    EngineSpec,
    public_name,
    spec_of,
    stt_languages,
    stt_model,
    tts_languages,
    tts_voices,
)
from protocol.engine_keys import FACTS, VoiceFacts


def stt_info(settings: Settings, engine: SpeechToText | None) -> Event:
    """Return the `info` of speech-to-text.

    Args:
        settings: the engine's.
        engine: once it is loaded; None before.

    Raises:
        ConfigError: no such engine, or no model for the language.
    """
    spec, model = spec_of("stt", settings.stt.engine), public_name(stt_model(settings))
    languages = stt_languages(settings) if engine is None else engine.languages
    program = AsrProgram(
        **artefact(spec, spec.name, "Speech-to-text"),
        models=[AsrModel(**artefact(spec, model, model), languages=list(languages))],
        # As the hub's own service port has it.
        prefers_auto_gain_enabled=False,
        prefers_noise_reduction_enabled=False,
    )
    event = Info(asr=[program]).event()
    facts = VoiceFacts(loading=True)
    if engine is not None:
        facts = VoiceFacts(device=engine.device, note=engine.note)
    event.data["asr"][0][FACTS] = msgspec.to_builtins(facts)
    return event


def tts_info(settings: Settings, engine: TextToSpeech | None) -> Event:
    """Return the `info` of text-to-speech; arguments and errors as those of `stt_info`."""
    spec = spec_of("tts", settings.tts.engine)
    voices = tts_voices(settings) if engine is None else engine.voices
    languages = tts_languages(settings) if engine is None else engine.languages
    described = [
        TtsVoice(**artefact(spec, voice, voice), languages=list(languages)) for voice in voices
    ]
    event = Info(tts=[TtsProgram(**artefact(spec, spec.name, "Speech"), voices=described)]).event()
    program = event.data["tts"][0]
    program["installed"] = engine is not None or voices != (THEIRS,)  # which only it knows
    program[FACTS] = msgspec.to_builtins(facts_about(engine))
    return event


def facts_about(engine: TextToSpeech | None) -> VoiceFacts:
    """Return what a voice says of itself beyond Wyoming; None is one that is still loading."""
    if engine is None:
        return VoiceFacts(loading=True)
    speed = engine.speed
    return VoiceFacts(
        describable=engine.describable,
        clause_letters=engine.clause_letters,
        device=engine.device,
        note=engine.note,
        real_time_factor=None if speed is None else speed.real_time_factor,
        first_audio=None if speed is None else speed.first_audio,
    )


def artefact(spec: EngineSpec, name: str, description: str) -> dict[str, Any]:
    """Return what every artefact of an `info` has.

    Args:
        spec: the engine that it is of.
        name: its own.
        description: in words.
    """
    return {
        "name": name,
        "attribution": Attribution(name=spec.maker or "Another server", url=spec.url),
        "installed": True,
        "description": description,
        "version": version_of(spec.package) if spec.package else None,
    }


@cache  # it reads files
def version_of(package: str) -> str | None:
    """Return the version of a package that is installed; None where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
