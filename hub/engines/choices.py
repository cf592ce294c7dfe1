"""What settings choose: which engines there are, and which model, voice and languages are meant.

Nothing here imports a model library, nor loads anything.
"""

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hub.config import LlmSettings, Settings
from hub.engines.base import WakeWordModel
from hub.engines.parler.voices import CHECKPOINTS, VOICES, languages_of
from hub.models.catalogue import find_model, load_catalogue
from hub.models.fetch import FileStatus, verify
from protocol.settings import ConfigError

_SMALL_LLM = "qwen2.5-coder-0.5b-instruct-q4_k_m"
_LARGE_LLM = "qwen2.5-coder-1.5b-instruct-q4_k_m"
_LARGE_LLM_CORES = 4
_LARGE_LLM_BYTES = 4 << 30
PIPER_VOICE = "en_US-joe-medium"  # where no model is set
THEIRS = "default"
"""The model or voice of a server, or of one not loaded yet, that is left to its own choice."""
STAND_INS = {"stt": ("faster-whisper",), "llm": ("llama-cpp",), "tts": ("hibari",)}
_WYOMING = ("wyoming://", "wyoming+unix:///")
_OPENAI = ("openai+http://", "openai+https://")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is known of an engine without loading it."""

    role: str
    name: str
    languages: tuple[str, ...]  # () for: those of its model
    package: str  # that its version is read from
    maker: str
    url: str
    environment: str = ""  # of its own, that it needs; "" for the hub's


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
        "tts",
        "parler",
        (),
        "parler-tts",
        "Hugging Face",
        "https://github.com/huggingface/parler-tts",
        "parler",
    ),
    EngineSpec(
        "tts",
        "piper",
        (),
        "piper-tts",
        "Open Home Foundation",
        "https://github.com/OHF-Voice/piper1-gpl",
        "piper",
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


def is_elsewhere(engine: str) -> bool:
    """Tell whether an engine's name is the address of another server."""
    return "://" in engine


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
    _check_engine("stt", settings.stt.engine, _WYOMING)
    if settings.stt.languages and settings.language not in settings.stt.languages:
        raise ConfigError(
            f"stt.languages: add {settings.language}, which is the hub's own language"
        )
    _check_engine("llm", settings.llm.engine, _OPENAI)
    _check_engine("tts", settings.tts.engine, _WYOMING)
    _check_voice(settings)
    chosen = [("turn", "turn.model", settings.turn.model)] if settings.turn.model else []
    for role in ("stt", "llm"):
        for key, those in (("model", settings), ("fallback_model", stand_in(role, settings))):
            if those is not None and not is_elsewhere(getattr(those, role).engine):
                chosen.append((role, f"{role}.{key}", _model(role, those)))
    models = load_catalogue()
    for role, key, name in chosen:
        known = [model.name for model in models.values() if model.role == role]
        if name in models and name not in known:
            raise ConfigError(f"{key}: {name} is no {role} model; there are: {', '.join(known)}")
        if name not in models and not Path(name).expanduser().exists():
            raise ConfigError(f"{key}: no file or model {name!r}; models are: {', '.join(known)}")


def _check_engine(role: str, engine: str, schemes: Sequence[str]) -> None:
    if not is_elsewhere(engine):
        spec_of(role, engine)
    elif not engine.startswith(tuple(schemes)):
        raise ConfigError(
            f"{role}.engine: {engine!r} is no address of one; they begin with: {', '.join(schemes)}"
        )


def _check_voice(settings: Settings) -> None:
    tts = settings.tts
    if is_elsewhere(tts.engine):
        return  # the server knows its voices
    if settings.language not in (languages := tts_languages(settings)):
        raise ConfigError(
            f"language: {tts.engine} does not speak {settings.language!r}, only: "
            f"{', '.join(languages)}; {_who_speaks(settings)}"
        )
    voices = _known_voices(settings)
    if voices and tts.voice is not None and tts.voice not in voices:
        raise ConfigError(f"tts.voice: no voice {tts.voice!r}; there are: {', '.join(voices)}")


def _who_speaks(settings: Settings) -> str:
    """Say which engine may speak the language."""
    able = [name for name in CHECKPOINTS if settings.language in languages_of(name)]
    parler = f'tts.engine = "parler" with tts.model = "{able[0]}", or ' if able else ""
    return f'set {parler}tts.engine = "piper" with a voice of that language (docs/engines.md)'


def stt_model(settings: Settings) -> str:
    """Return the speech-to-text model that the settings mean.

    Raises:
        ConfigError: none knows the language.
    """
    if settings.stt.model is not None:
        return settings.stt.model
    if is_elsewhere(settings.stt.engine):
        return THEIRS
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
    model = None if is_elsewhere(settings.stt.engine) else load_catalogue().get(name)
    if model is None or model.languages == ("multi",):
        return tuple(sorted(wanted, key=lambda language: language != settings.language))
    if unknown := [language for language in wanted if language not in model.languages]:
        raise ConfigError(
            f"stt.model: {name} does not know {', '.join(unknown)}, only: "
            f"{', '.join(model.languages)}"
        )
    return model.languages


def tts_languages(settings: Settings) -> tuple[str, ...]:
    """Return the languages of the configured voice, as far as is known without loading it."""
    tts = settings.tts
    if is_elsewhere(tts.engine) or tts.engine == "piper":
        return (settings.language,)  # the server and the voice's file say more
    if tts.engine == "parler":
        return languages_of(tts.model or CHECKPOINTS[0])
    return spec_of("tts", tts.engine).languages


def tts_voices(settings: Settings) -> tuple[str, ...]:
    """Return the voices of the configured engine, the configured one first."""
    first, known = settings.tts.voice, _known_voices(settings)
    if first is None:
        return known or (THEIRS,)
    return (first, *(voice for voice in known if voice != first))


def _known_voices(settings: Settings) -> tuple[str, ...]:
    """Return what voices there are; empty where only the engine knows."""
    match settings.tts.engine:
        case "parler":
            return VOICES
        case "hibari":
            from hub.engines.hibari import Hibari

            return Hibari.voices
    return ()


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
    if is_elsewhere(settings.engine):
        return THEIRS
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


def _model(role: str, settings: Settings) -> str:
    return stt_model(settings) if role == "stt" else llm_model(settings.llm)


def default_models(settings: Settings) -> list[str]:
    """Return the catalogue's models that these settings need, for engines that stand in, too."""
    wanted = [settings.turn.model]
    for role in ("llm", "stt"):
        for those in (settings, stand_in(role, settings)):
            if those is not None and not is_elsewhere(getattr(those, role).engine):
                wanted.insert(0, _model(role, those))
    if settings.tts.engine == "piper":
        wanted.append(settings.tts.model or PIPER_VOICE)
    return [name for name in dict.fromkeys(wanted) if name in load_catalogue()]


def spec_of(role: str, name: str) -> EngineSpec:
    """Return what is known of an engine; of another server nothing but its address.

    Raises:
        ConfigError: there is none of that name.
    """
    known = {spec.name: spec for spec in ENGINES if spec.role == role}
    if is_elsewhere(name):
        return EngineSpec(role, name.partition("://")[2], (), "", "", "")
    if name not in known:
        raise ConfigError(f"{role}.engine: no engine {name!r}; there are: {', '.join(known)}")
    return known[name]


def stand_in(role: str, settings: Settings) -> Settings | None:
    """Return the settings of the engine that stands in for the configured one; None for no such.

    Args:
        role: "stt", "llm" or "tts".
        settings: the hub's.
    """
    section = getattr(settings, role)
    name = section.fallback
    if name is None:
        name = "" if section.engine in STAND_INS[role] else STAND_INS[role][0]
        if role == "tts" and name and settings.language not in spec_of(role, name).languages:
            return None
    if not name:
        return None
    changes: dict[str, Any] = {"engine": name, "fallback": ""}
    if role == "tts":
        changes |= {"voice": None, "model": None, "process": False, "description": ""}
    else:
        changes |= {"model": section.fallback_model}
    if role == "stt":
        changes |= {"process": False}
    other = copy.copy(settings)
    setattr(other, role, msgspec.structs.replace(section, **changes))
    return other
