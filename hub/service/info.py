"""What the service port offers, in Wyoming's words: known from settings, without any engine.

A voice that is loaded says more of itself, with facts of ours (`protocol.engine_keys`), too: the
hub may be another hub's voice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from wyoming.event import Event
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
from hub.engines.base import TextToSpeech, WakeWordModel
from hub.engines.choices import (
    EngineSpec,
    llm_model,
    public_name,
    spec_of,
    stt_languages,
    stt_model,
    wake_models,
)
from hub.engines.serve_info import artefact, facts_about, version_of
from hub.service.voices import languages, voices
from protocol.engine_keys import FACTS

_PARLOUR = "parlour"


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be asked for; the default first.

    Args:
        settings: the hub's.
        info: the answer to `describe` while no voice is loaded.
        stt_models: names that `transcribe` may have; the program's too.
        stt_languages: that are heard.
        wake_programs: names of programs that listen for wake words.
    """

    settings: Settings
    info: Info
    stt_models: tuple[str, ...]
    stt_languages: tuple[str, ...]
    wake_programs: tuple[str, ...]

    def told(self, tts: TextToSpeech | None) -> Event:
        """Return the answer to `describe`.

        Args:
            tts: the engine that the settings choose; None where it is not loaded.
        """
        if tts is None:
            return self.info.event()
        (program,) = self.info.tts
        speaks = list(languages(tts, self.settings))
        there = [
            replace(program.voices[0], name=name, description=f"Voice {name!r}", languages=speaks)
            for name in voices(tts, self.settings)
        ]
        event = replace(self.info, tts=[replace(program, voices=there)]).event()
        event.data["tts"][0][FACTS] = msgspec.to_builtins(facts_about(tts))
        return event

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
    heard, model, spoken = stt_languages(settings), stt_model(settings), languages(None, settings)
    by_program: dict[str, list[WakeWordModel]] = {}
    for wake_model in wake_models(settings):
        by_program.setdefault(wake_model.program, []).append(wake_model)
    info = Info(
        asr=[
            AsrProgram(
                **_of_engine(stt, "Speech-to-text on this hub"),
                models=[
                    AsrModel(
                        **artefact(stt, public_name(model), f"{_kind(stt)}, {', '.join(heard)}"),
                        languages=list(heard),
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
                    TtsVoice(**artefact(tts, voice, f"Voice {voice!r}"), languages=list(spoken))
                    for voice in voices(None, settings)
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
        settings=settings,
        info=info,
        stt_models=(public_name(model), stt.name),
        stt_languages=heard,
        wake_programs=tuple(by_program),
    )


def _handle_program(settings: Settings) -> HandleProgram:
    llm, model = spec_of("llm", settings.llm.engine), public_name(llm_model(settings.llm))
    return HandleProgram(
        name=_PARLOUR,
        attribution=Attribution(name="Parlour", url=""),
        installed=True,
        description="Answers questions with this hub's language model",
        version=version_of(_PARLOUR),
        models=[HandleModel(**artefact(llm, model, model), languages=[settings.language])],
        supports_handled_streaming=True,
        supports_home_control=bool(settings.home_assistant.url),
    )


def _wake_program(name: str, models: Sequence[WakeWordModel], language: str) -> WakeProgram:
    spec = spec_of("wake", name)
    return WakeProgram(
        **_of_engine(spec, "Wake words on this hub"),
        models=[
            WakeModel(
                **artefact(spec, model.name, model.phrase),
                languages=list(model.languages) or [language],  # a custom one does not say
                phrase=model.phrase,
            )
            for model in models
        ],
    )


def _of_engine(spec: EngineSpec, description: str) -> dict[str, Any]:
    return artefact(spec, spec.name, description)


def _kind(stt: EngineSpec) -> str:
    return "Whisper" if stt.package else "Another server"
