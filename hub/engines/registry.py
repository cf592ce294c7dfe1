"""Engine names to engines: which there are, what they can, and how each is made from settings.

Nothing here imports a model library; the engine that is chosen does, when it is made.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from hub.config import LlmSettings, Settings
from hub.engines.base import (
    EndOfTurn,
    EngineUnavailable,
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
    WakeWord,
    WakeWordModel,
)
from hub.models.catalogue import find_model, load_catalogue
from hub.models.fetch import FileStatus, ModelMissing, path_of, verify
from protocol.settings import ConfigError

_SMALL_LLM = "qwen2.5-coder-0.5b-instruct-q4_k_m"
_LARGE_LLM = "qwen2.5-coder-1.5b-instruct-q4_k_m"
_LARGE_LLM_CORES = 4
_LARGE_LLM_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is known of an engine without loading it."""

    role: str
    name: str
    languages: tuple[str, ...]  # () for: those of its model
    package: str  # that its version is read from
    maker: str
    url: str


ENGINES = (
    EngineSpec(
        "stt",
        "faster-whisper",
        (),
        "faster-whisper",
        "SYSTRAN",
        "https://github.com/SYSTRAN/faster-whisper",
    ),
    EngineSpec(
        "llm",
        "llama-cpp",
        (),
        "llama-cpp-python",
        "Andrei Betlen",
        "https://github.com/abetlen/llama-cpp-python",
    ),
    EngineSpec(
        "tts",
        "hibari",
        ("en",),
        "hibari-tts",
        "Maureese Williams",
        "https://github.com/MMWilliams/hibari",
    ),
    EngineSpec(
        "wake",
        "microwakeword",
        (),
        "pymicro-wakeword",
        "Kevin Ahrendt",
        "https://github.com/kahrendt/microWakeWord",
    ),
    EngineSpec(
        "wake",
        "openwakeword",
        (),
        "pyopen-wakeword",
        "David Scripka",
        "https://github.com/dscripka/openWakeWord",
    ),
)


def make_stt(settings: Settings) -> SpeechToText:
    """Return the configured speech-to-text engine, not loaded yet.

    Raises:
        ConfigError: no such engine, or no model for the language.
        EngineUnavailable: the model is not there; says how to get it.
    """
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
    spec_of("llm", settings.llm.engine)
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
    spec_of("tts", settings.tts.engine)
    from hub.engines.hibari import Hibari

    return Hibari(settings.tts.voice, settings.tts.threads)


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


def wake_models(settings: Settings) -> tuple[WakeWordModel, ...]:
    """Return the wake words there are, the configured program's first; raises as `make_wake`."""
    from hub.engines.wake_words import known_wake_words

    return known_wake_words(settings.wake)


def check(settings: Settings) -> None:
    """Make sure that the settings can ever work; whether the models are here is another matter.

    Raises:
        ConfigError: an engine, model, voice, wake word or language that does not exist.
    """
    wake_models(settings)
    spec_of("stt", settings.stt.engine)
    if settings.stt.languages and settings.language not in settings.stt.languages:
        raise ConfigError(
            f"stt.languages: add {settings.language}, which is the hub's own language"
        )
    spec_of("llm", settings.llm.engine)
    tts = spec_of("tts", settings.tts.engine)
    if settings.language not in tts.languages:
        raise ConfigError(
            f"language: {tts.name} does not speak {settings.language!r}, only: "
            f"{', '.join(tts.languages)}"
        )
    from hub.engines.hibari import Hibari

    if settings.tts.voice not in Hibari.voices:
        raise ConfigError(
            f"tts.voice: no voice {settings.tts.voice!r}; there are: {', '.join(Hibari.voices)}"
        )
    models = load_catalogue()
    chosen = [("stt", stt_model(settings)), ("llm", llm_model(settings.llm))]
    if settings.turn.model:
        chosen.append(("turn", settings.turn.model))
    for role, name in chosen:
        known = [model.name for model in models.values() if model.role == role]
        if name in models and name not in known:
            raise ConfigError(
                f"{role}.model: {name} is no {role} model; there are: {', '.join(known)}"
            )
        if name not in models and not Path(name).expanduser().exists():
            raise ConfigError(
                f"{role}.model: no file or model {name!r}; models are: {', '.join(known)}"
            )


def stt_model(settings: Settings) -> str:
    """Return the speech-to-text model that the settings mean.

    Raises:
        ConfigError: none knows the language.
    """
    if settings.stt.model is not None:
        return settings.stt.model
    wanted = set(settings.stt.languages or (settings.language,))
    for model in load_catalogue().values():
        if model.role == "stt" and (wanted <= set(model.languages) or "multi" in model.languages):
            return model.name
    raise ConfigError(f"language: no speech-to-text model for {settings.language!r}; set stt.model")


def stt_languages(settings: Settings) -> tuple[str, ...]:
    """Return the languages that speech-to-text takes, the house's own first.

    A multilingual model takes those that are configured.

    Raises:
        ConfigError: no model knows them, or the one that is set does not.
    """
    wanted = settings.stt.languages or (settings.language,)
    name = stt_model(settings)
    model = load_catalogue().get(name)
    if model is None or model.languages == ("multi",):
        return tuple(sorted(wanted, key=lambda language: language != settings.language))
    if unknown := [language for language in wanted if language not in model.languages]:
        raise ConfigError(
            f"stt.model: {name} does not know {', '.join(unknown)}, only: "
            f"{', '.join(model.languages)}"
        )
    return model.languages


def tts_voices(settings: Settings) -> tuple[str, ...]:
    """Return the voices of the configured engine, the configured one first."""
    from hub.engines.hibari import Hibari

    return (settings.tts.voice, *(v for v in Hibari.voices if v != settings.tts.voice))


def public_name(model: str) -> str:
    """Return how a model is called in public: of a path, its last part."""
    return model.rstrip("/").rpartition("/")[2]


def llm_model(settings: LlmSettings) -> str:
    """Return the language model that the settings mean.

    Where they leave it open: the larger one on four cores and 4 GB or more, else the smaller; but
    rather one that is here than one that is not.
    """
    if settings.model is not None:
        return settings.model
    cores = len(os.sched_getaffinity(0))
    large = cores >= _LARGE_LLM_CORES and available_memory() >= _LARGE_LLM_BYTES
    first, other = (_LARGE_LLM, _SMALL_LLM) if large else (_SMALL_LLM, _LARGE_LLM)
    return other if not _is_here(first) and _is_here(other) else first


def available_memory() -> int:
    """Return the bytes that programs can still have; what caches hold counts as theirs."""
    try:
        with Path("/proc/meminfo").open() as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _is_here(name: str) -> bool:
    return all(state.status is FileStatus.OK for state in verify(find_model(name)))


def default_models(settings: Settings) -> list[str]:
    """Return the catalogue's models that these settings need."""
    wanted = [stt_model(settings), llm_model(settings.llm), settings.turn.model]
    return [name for name in wanted if name in load_catalogue()]


def spec_of(role: str, name: str) -> EngineSpec:
    """Return what is known of an engine.

    Raises:
        ConfigError: there is none of that name.
    """
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
