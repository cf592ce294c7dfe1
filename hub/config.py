"""hub.toml as typed settings; deploy/hub.sample.toml shows every key."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.settings import load_toml

Seconds = Annotated[float, Meta(gt=0, le=600)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Uri = Annotated[str, Meta(pattern="^(tcp|unix)://.")]
Count = Annotated[int, Meta(ge=0, le=256)]


class LinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[link]: where satellites dial in.

    Args:
        listen: tcp://HOST:PORT or unix:///PATH; loopback unless told otherwise.
        max_satellites: more than so many are turned away.
        dial: satellites that wait to be dialled, as tcp://HOST:PORT or unix:///PATH; other makers'
            Wyoming satellites too.
    """

    listen: Uri = "tcp://127.0.0.1:10601"
    max_satellites: Annotated[int, Meta(ge=1, le=256)] = 32
    dial: Annotated[tuple[Uri, ...], Meta(max_length=64)] = ()


class SttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[stt]: speech-to-text.

    Args:
        engine: "faster-whisper".
        model: a name from `parlour-hub models list`, or a folder with a CTranslate2 model; unset
            takes the smallest that knows `language`.
        device: "cpu" or "cuda".
        compute_type: as CTranslate2 names them.
        threads: CPU threads; 0 takes every core.
        beam_size: hypotheses kept while decoding.
    """

    engine: Name = "faster-whisper"
    model: Name | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    compute_type: Name = "int8"
    threads: Count = 0
    beam_size: Annotated[int, Meta(ge=1, le=10)] = 1


class LlmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[llm]: the language model.

    Args:
        engine: "llama-cpp".
        model: a name from `parlour-hub models list`, or a GGUF file; unset takes the 1.5B model on
            four cores and 4 GB or more, else the 0.5B, and rather one that is here than one that
            is not (`serve` prints which).
        threads: CPU threads; 0 takes every core.
        gpu_layers: layers on the GPU; -1 for all.
        context_tokens: cache for all rooms together.
        max_rooms: rooms whose cache is held at once; others are parked in memory.
        max_reply_tokens: a reply is cut there.
        temperature: 0 always takes the likeliest word.
        persona: who Parlour is, in a sentence or two; replaces the default one.
    """

    engine: Name = "llama-cpp"
    model: Name | None = None
    threads: Count = 0
    gpu_layers: Annotated[int, Meta(ge=-1)] = 0
    context_tokens: Annotated[int, Meta(ge=1024, le=1_000_000)] = 4096
    max_rooms: Annotated[int, Meta(ge=1, le=64)] = 8
    max_reply_tokens: Annotated[int, Meta(ge=8, le=2000)] = 120
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.0
    persona: Annotated[str, Meta(max_length=2000)] | None = None


class TtsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[tts]: text-to-speech.

    Args:
        engine: "hibari".
        voice: one of the engine's voices.
        threads: CPU threads; one keeps up many times over.
    """

    engine: Name = "hibari"
    voice: Name = "heart"
    threads: Annotated[int, Meta(ge=1, le=64)] = 1


class TurnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[turn]: when somebody has finished speaking.

    Args:
        speech_threshold: probability from which a 32 ms frame counts as speech.
        min_speech: seconds of speech that begin an utterance; a click is shorter.
        silence: seconds of silence that end it.
        no_speech: seconds to wait for somebody to begin.
        max_speech: an utterance is cut there, in seconds.
    """

    speech_threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    min_speech: Seconds = 0.1
    silence: Seconds = 0.6
    no_speech: Seconds = 6.0
    max_speech: Seconds = 15.0


class MemorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[memory]: what a room remembers of its conversation.

    Args:
        budget: characters of history that the language model sees (about four a token).
        forget_after: seconds of quiet after which a conversation is over.
    """

    budget: Annotated[int, Meta(ge=0, le=100_000)] = 3000
    forget_after: Annotated[float, Meta(gt=0)] = 600.0


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[store]: the record of turns; never audio.

    Args:
        path: the SQLite file (mode 600); unset takes $XDG_STATE_HOME/parlour/hub.db.
        text: whether to keep what was said and answered, beside the times.
        days: turns older than that are deleted.
    """

    path: Name | None = None
    text: bool = True
    days: Annotated[int, Meta(ge=1, le=36500)] = 30


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[log].

    Args:
        level: "debug", "info", "warning" or "error".
        transcripts: whether the log may hold what was said and answered.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    transcripts: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Args:
        language: ISO 639-1 code; models and voice follow it.
        name: what the assistant calls itself.
    """

    language: Annotated[str, Meta(pattern="^[a-z]{2}$")] = "en"
    name: Name = "Parlour"
    link: LinkSettings = LinkSettings()
    stt: SttSettings = SttSettings()
    llm: LlmSettings = LlmSettings()
    tts: TtsSettings = TtsSettings()
    turn: TurnSettings = TurnSettings()
    memory: MemorySettings = MemorySettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()


def load_settings(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings.

    Args:
        path: a TOML file; None takes the defaults.
        overrides: values that win over the file, by dotted key, for example "link.listen".

    Raises:
        ConfigError: see `protocol.settings.load_toml`.
    """
    return load_toml(path, overrides or {}, Settings)


def store_path(settings: StoreSettings) -> Path:
    """Return where the record of turns is kept."""
    if settings.path is not None:
        return Path(settings.path).expanduser()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "parlour" / "hub.db"
