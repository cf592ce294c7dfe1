"""Engines as the settings choose them, not loaded yet.

Nothing here imports a model library; the engine that is chosen does, when it is made.
"""

from pathlib import Path

from hub.config import Settings
from hub.engines.base import (
    EndOfTurn,
    EngineUnavailable,
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
    WakeWord,
)
from hub.engines.choices import is_elsewhere, llm_model, spec_of, stt_languages, stt_model
from hub.models.catalogue import load_catalogue
from hub.models.fetch import ModelMissing, path_of


def make_stt(settings: Settings) -> SpeechToText:
    """Return the configured speech-to-text engine, not loaded yet.

    Raises:
        ConfigError: no such engine, or no model for the language.
        EngineUnavailable: the model is not there; says how to get it.
    """
    stt = settings.stt
    if is_elsewhere(stt.engine):
        from hub.engines.remote.wyoming_stt import WyomingStt

        return WyomingStt(_wyoming_uri(stt.engine), stt.model, stt_languages(settings))
    if stt.process:
        from hub.engines.apart import SttProcess

        return SttProcess(settings)
    return make_stt_here(settings)


def make_stt_here(settings: Settings) -> SpeechToText:
    """Return the speech-to-text engine that is to run in this process; raises as `make_stt`."""
    spec_of("stt", settings.stt.engine)
    from hub.engines.faster_whisper import FasterWhisper

    stt = settings.stt
    return FasterWhisper(
        _model_path(stt_model(settings)),
        device=stt.device,
        compute_type=stt.compute_type,
        threads=stt.threads,
        beam_size=stt.beam_size,
        languages=stt_languages(settings),
    )


def make_llm(settings: Settings) -> LanguageModel:
    """Return the configured language model, not loaded yet; raises as `make_stt` does."""
    llm = settings.llm
    if is_elsewhere(llm.engine):
        from hub.engines.remote.openai_llm import OpenAiLlm

        return OpenAiLlm(
            llm.engine.removeprefix("openai+"),
            model=llm.model,
            key_file=Path(llm.key_file).expanduser() if llm.key_file else None,
            temperature=llm.temperature,
        )
    spec_of("llm", llm.engine)
    from hub.engines.llama_cpp import LlamaCpp

    path = _model_path(llm_model(llm))
    if path.is_dir():
        files = sorted(path.glob("*.gguf"))
        if not files:
            raise EngineUnavailable(f"llm.model: no GGUF file in {path}")
        path = files[0]
    return LlamaCpp(
        path,
        threads=llm.threads,
        gpu_layers=llm.gpu_layers,
        context_tokens=llm.context_tokens,
        max_rooms=llm.max_rooms,
        temperature=llm.temperature,
    )


def make_tts(settings: Settings) -> TextToSpeech:
    """Return the configured voice, not loaded yet; raises as `make_stt` does."""
    tts = settings.tts
    if is_elsewhere(tts.engine):
        from hub.engines.remote.wyoming_tts import WyomingTts

        return WyomingTts(_wyoming_uri(tts.engine), tts.voice, settings.language)
    if tts.process or spec_of("tts", tts.engine).environment:
        from hub.engines.apart import TtsProcess

        return TtsProcess(settings)
    return make_tts_here(settings)


def make_tts_here(settings: Settings) -> TextToSpeech:
    """Return the voice that is to run in this process; raises as `make_stt` does."""
    tts = settings.tts
    match spec_of("tts", tts.engine).name:
        case "parler":
            from hub.engines.parler.engine import Parler

            return Parler(tts)
        case "piper":
            from hub.engines.piper import Piper

            return Piper(tts)
    from hub.engines.hibari import Hibari

    return Hibari(tts.voice or Hibari.voices[0], tts.threads)


def make_vad(settings: Settings) -> VoiceActivity:
    """Return the voice activity detector, not loaded yet."""
    from hub.engines.silero import Silero

    return Silero()


def make_turn(settings: Settings) -> EndOfTurn:
    """Return the end-of-turn model, not loaded yet; for settings whose `turn.model` names one.

    Raises:
        EngineUnavailable: the model is not there; says how to get it.
    """
    from hub.engines.smart_turn import SmartTurn

    return SmartTurn(_model_path(settings.turn.model))


def make_wake(settings: Settings) -> WakeWord:
    """Return the wake words, not loaded yet.

    Raises:
        ConfigError: a word that does not exist.
    """
    from hub.engines.wake_words import WakeWords

    return WakeWords(settings.wake)


def _wyoming_uri(engine: str) -> str:
    """Return the address of a Wyoming server as `protocol.transport` has it."""
    if engine.startswith("wyoming+unix:"):
        return engine.removeprefix("wyoming+")
    return engine.replace("wyoming://", "tcp://", 1)


def _model_path(name: str) -> Path:
    """Return where a model is: a path as it stands, or a name of the catalogue."""
    if name not in load_catalogue():
        path = Path(name).expanduser()
        if path.exists():
            return path
    try:
        return path_of(name)
    except (ModelMissing, ValueError) as exc:
        raise EngineUnavailable(str(exc)) from exc
