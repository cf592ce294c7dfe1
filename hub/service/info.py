"""What the service port offers, in Wyoming's words: known from settings, without any engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    HandleModel,
    HandleProgram,
    Info,
    TtsProgram,
    TtsVoice,
    WakeModel,
    WakeProgram,
)

from hub.config import Settings
from hub.engines.base import WakeWordModel
from hub.engines.registry import (
    EngineSpec,
    llm_model,
    public_name,
    spec_of,
    stt_languages,
    stt_model,
    tts_voices,
    wake_models,
)

_PARLOUR = "parlour"


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be asked for; the default first.

    Args:
        info: the answer to `describe`.
        stt_models: names that `transcribe` may have; the program's too.
        stt_languages: that are heard.
        tts_voices: names that `synthesize` may have.
        tts_languages: that are spoken.
        wake_programs: names of programs that listen for wake words.
    """

    info: Info
    stt_models: tuple[str, ...]
    stt_languages: tuple[str, ...]
    tts_voices: tuple[str, ...]
    tts_languages: tuple[str, ...]
    wake_programs: tuple[str, ...]

    def programs(self) -> set[str]:
        """Return the names that `select-program` may have."""
        info = self.info
        return {program.name for program in (*info.asr, *info.tts, *info.handle, *info.wake)}


def offer_of(settings: Settings) -> Offer:
    """Return what a hub with these settings offers.

    It reads the catalogue and the versions of packages, so it has no place on the event loop.

    Raises:
        ConfigError: an engine or a wake word that does not exist, or no model for the language.
    """
    stt, tts = spec_of("stt", settings.stt.engine), spec_of("tts", settings.tts.engine)
    languages, model, voices = stt_languages(settings), stt_model(settings), tts_voices(settings)
    by_program: dict[str, list[WakeWordModel]] = {}
    for wake_model in wake_models(settings):
        by_program.setdefault(wake_model.program, []).append(wake_model)
    info = Info(
        asr=[
            AsrProgram(
                **_of_engine(stt, "Speech-to-text on this hub"),
                models=[
                    AsrModel(
                        **_part(stt, public_name(model), f"Whisper, {', '.join(languages)}"),
                        languages=list(languages),
                    )
                ],
                supports_transcript_streaming=True,
                requires_external_vad=not settings.service.endpointing,
                # Whisper was trained on sound as it is: it normalises the level itself, and what
                # noise reduction does to voices costs it words.
                prefers_auto_gain_enabled=False,
                prefers_noise_reduction_enabled=False,
            )
        ],
        tts=[
            TtsProgram(
                **_of_engine(tts, "Text-to-speech on this hub"),
                voices=[
                    TtsVoice(**_part(tts, voice, f"Voice {voice!r}"), languages=list(tts.languages))
                    for voice in voices
                ],
                supports_synthesize_streaming=True,
            )
        ],
        handle=[_handle_program(settings)],
        wake=[
            _wake_program(name, models, settings.language) for name, models in by_program.items()
        ],
    )
    return Offer(
        info=info,
        stt_models=(public_name(model), stt.name),
        stt_languages=languages,
        tts_voices=voices,
        tts_languages=tts.languages,
        wake_programs=tuple(by_program),
    )


def _handle_program(settings: Settings) -> HandleProgram:
    llm, model = spec_of("llm", settings.llm.engine), public_name(llm_model(settings.llm))
    return HandleProgram(
        name=_PARLOUR,
        attribution=Attribution(name="Parlour", url=""),
        installed=True,
        description="Answers questions with this hub's language model",
        version=_version(_PARLOUR),
        models=[HandleModel(**_part(llm, model, model), languages=[settings.language])],
        supports_handled_streaming=True,
        supports_home_control=bool(settings.home_assistant.url),
    )


def _wake_program(name: str, models: Sequence[WakeWordModel], language: str) -> WakeProgram:
    spec = spec_of("wake", name)
    return WakeProgram(
        **_of_engine(spec, "Wake words on this hub"),
        models=[
            WakeModel(
                **_part(spec, model.name, model.phrase),
                languages=list(model.languages) or [language],  # a custom one does not say
                phrase=model.phrase,
            )
            for model in models
        ],
    )


def _of_engine(spec: EngineSpec, description: str) -> dict[str, Any]:
    return _part(spec, spec.name, description)


def _part(spec: EngineSpec, name: str, description: str) -> dict[str, Any]:
    """What every artefact has."""
    return {
        "name": name,
        "attribution": Attribution(name=spec.maker, url=spec.url),
        "installed": True,
        "description": description,
        "version": _version(spec.package),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
