"""Engine names to engines: what each is for, what it needs, and how it is made from settings.

Nothing here imports a model library; the engine that is chosen does, when it is made.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.config import LlmSettings, Settings
from hub.engines.base import (
    Engine,
    EngineUnavailable,
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
)
from hub.models.catalogue import load_catalogue
from hub.models.fetch import ModelMissing, path_of
from protocol.settings import ConfigError

_SMALL_LLM = "qwen2.5-coder-0.5b-instruct-q4_k_m"
_LARGE_LLM = "qwen2.5-coder-1.5b-instruct-q4_k_m"
_LARGE_LLM_CORES = 4
_LARGE_LLM_FREE_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is known of an engine without loading it."""

    role: str
    name: str
    extra: str  # the extra of the parlour distribution that installs it
    languages: tuple[str, ...]  # () for: those of its model
    make: Callable[[Settings], Engine]


def make_stt(settings: Settings) -> SpeechToText:
    """Return the configured speech-to-text engine, not loaded yet.

    Raises:
        ConfigError: no such engine, or no model for the language.
        EngineUnavailable: the model is not there; says how to get it.
    """
    _spec("stt", settings.stt.engine)
    from hub.engines.faster_whisper import FasterWhisper

    name = stt_model(settings)
    stt, language = settings.stt, settings.language
    model = load_catalogue().get(name)
    return FasterWhisper(
        _model_path(name),
        device=stt.device,
        compute_type=stt.compute_type,
        threads=stt.threads,
        beam_size=stt.beam_size,
        # A multilingual model takes whichever language is configured, and is told which.
        languages=model.languages if model and model.languages != ("multi",) else (language,),
    )


def make_llm(settings: Settings) -> LanguageModel:
    """Return the configured language model, not loaded yet; raises as `make_stt` does."""
    _spec("llm", settings.llm.engine)
    from hub.engines.llama_cpp import LlamaCpp

    llm = settings.llm
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
    spec = _spec("tts", settings.tts.engine)
    if settings.language not in spec.languages:
        raise ConfigError(
            f"tts.engine: {spec.name} does not speak {settings.language!r}, only: "
            f"{', '.join(spec.languages)}"
        )
    from hub.engines.hibari import Hibari

    return Hibari(settings.tts.voice, settings.tts.threads)


def make_vad(settings: Settings) -> VoiceActivity:
    """Return the voice activity detector, not loaded yet."""
    from hub.engines.silero import Silero

    return Silero()


ENGINES = (
    EngineSpec("stt", "faster-whisper", "hub", (), make_stt),
    EngineSpec("llm", "llama-cpp", "hub", (), make_llm),
    EngineSpec("tts", "hibari", "hub", ("en",), make_tts),
    EngineSpec("vad", "silero", "hub", (), make_vad),
)


def stt_model(settings: Settings) -> str:
    """Return the speech-to-text model that the settings mean.

    Raises:
        ConfigError: none knows the language.
    """
    if settings.stt.model is not None:
        return settings.stt.model
    for model in load_catalogue().values():
        if model.role == "stt" and {settings.language, "multi"} & set(model.languages):
            return model.name
    raise ConfigError(f"language: no speech-to-text model for {settings.language!r}; set stt.model")


def llm_model(settings: LlmSettings) -> str:
    """Return the language model that the settings mean, by this machine's size if they leave it."""
    if settings.model is not None:
        return settings.model
    cores = len(os.sched_getaffinity(0))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    large = cores >= _LARGE_LLM_CORES and free >= _LARGE_LLM_FREE_BYTES
    return _LARGE_LLM if large else _SMALL_LLM


def default_models(settings: Settings) -> list[str]:
    """Return the catalogue's models that these settings need."""
    wanted = [stt_model(settings), llm_model(settings.llm)]
    return [name for name in wanted if name in load_catalogue()]


def _spec(role: str, name: str) -> EngineSpec:
    known = {spec.name: spec for spec in ENGINES if spec.role == role}
    if name not in known:
        raise ConfigError(f"{role}.engine: no engine {name!r}; there are: {', '.join(known)}")
    return known[name]


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
