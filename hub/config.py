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
LinkUri = Annotated[str, Meta(pattern="^(tcp|tls|unix)://.")]
UriOrNone = Annotated[str, Meta(pattern="^$|^(tcp|unix)://.")]
HttpOrNone = Annotated[str, Meta(pattern="^$|^https?://[^/]")]
Language = Annotated[str, Meta(pattern="^[a-z]{2}$")]
Count = Annotated[int, Meta(ge=0, le=256)]
Probability = Annotated[float, Meta(gt=0, lt=1)]
Refractory = Annotated[float, Meta(ge=0, le=60)]

MOST_DESCRIPTION = 1000
"""Letters of how a voice is to sound."""


class LinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[link]: where satellites dial in.

    Args:
        listen: tls://HOST:PORT, for satellites that are paired; or, for this machine alone,
            tcp://127.0.0.1:PORT or unix:///PATH.
        max_satellites: more than so many are turned away.
        dial: satellites that wait to be dialled, as tcp://HOST:PORT or unix:///PATH; other makers'
            Wyoming satellites too.
        dial_plain: whether to dial those on other machines, too, without encryption.
        discover: whether to look for other makers' satellites on the network, and dial them.
    """

    listen: LinkUri = "tcp://127.0.0.1:10601"
    max_satellites: Annotated[int, Meta(ge=1, le=256)] = 32
    dial: Annotated[tuple[Uri, ...], Meta(max_length=64)] = ()
    dial_plain: bool = False
    discover: bool = False


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[service]: what Home Assistant and other Wyoming clients use of the hub.

    Args:
        listen: tcp://HOST:PORT or unix:///PATH; "" offers nothing.
        allow: addresses and networks that may use it from beyond this machine.
        max_connections: more clients at once are turned away.
        endpointing: whether to hear when somebody has finished, instead of the client.
        announce: whether others on the network may find it by zeroconf; not on this machine alone.
    """

    listen: UriOrNone = "tcp://127.0.0.1:10600"
    allow: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    max_connections: Annotated[int, Meta(ge=1, le=1024)] = 64
    endpointing: bool = True
    announce: bool = True


class SttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[stt]: speech-to-text.

    Args:
        engine: "faster-whisper", or another Wyoming server: wyoming://HOST:PORT.
        model: a name from `parlour-hub models list`, or a folder with a CTranslate2 model; unset
            takes the smallest that knows `language`.
        languages: those that are spoken to it, ISO 639-1; which of them, it hears. Empty is
            `language` alone, which is quicker and surer.
        device: "cpu", "cuda", or "auto" for whichever there is.
        compute_type: as CTranslate2 names them; a GPU takes "float16".
        threads: CPU threads; 0 takes every core.
        beam_size: hypotheses kept while decoding.
        words: names and terms that are said in this home, most important first; a hint.
        process: whether it runs in a process of its own.
        fallback: the engine that hears while this one cannot; unset takes "faster-whisper" where
            this one is another server, "" none.
        fallback_model: its model, as for `model`.
    """

    engine: Name = "faster-whisper"
    model: Name | None = None
    languages: Annotated[tuple[Language, ...], Meta(max_length=32)] = ()
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    compute_type: Name = "int8"
    threads: Count = 0
    beam_size: Annotated[int, Meta(ge=1, le=10)] = 5
    words: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    process: bool = False
    fallback: Literal["", "faster-whisper"] | None = None
    fallback_model: Name | None = None


class LlmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[llm]: the language model.

    Args:
        engine: "llama-cpp", or a server with OpenAI's API (llama-server, vLLM, Ollama, another
            Parlour): openai+http://HOST:PORT/v1 or openai+https://HOST/v1.
        model: a name from `parlour-hub models list`, or a GGUF file; unset takes the 1.5B model on
            four cores and 4 GB or more, else the 0.5B, and rather one that is here than one that
            is not (`serve` prints which). For a server, its name for one; unset takes its first.
        threads: CPU threads; 0 takes every core.
        gpu_layers: layers on the GPU; -1 for all.
        context_tokens: cache for all rooms together.
        max_rooms: rooms whose cache is held at once; others are parked in memory.
        max_reply_tokens: a reply is cut there.
        temperature: 0 always takes the likeliest word.
        persona: who Parlour is, in a sentence or two; replaces the default one.
        key_file: a file, mode 600, with the key that a server asks for.
        fallback: the engine that answers while this one cannot; unset takes "llama-cpp" where this
            one is a server, "" none.
        fallback_model: its model, as for `model`.
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
    key_file: Name | None = None
    fallback: Literal["", "llama-cpp"] | None = None
    fallback_model: Name | None = None


class TtsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[tts]: text-to-speech.

    Args:
        engine: "hibari"; "parler" or "piper", each in a process and an environment of its own
            (`make parler`, `make piper`); or another Wyoming server: wyoming://HOST:PORT.
        voice: one of the engine's voices; unset takes its first.
        description: how the voice is to sound, in words ("Laura speaks slowly, very clear audio.");
            for Parler.
        model: of parler: a checkpoint, by name or folder; of piper: a voice, by name or file.
        device: of parler: "cuda", "cpu", or "auto" for whichever there is.
        threads: CPU threads; one keeps up many times over.
        process: whether hibari runs in a process of its own, too.
        environment: the folder of the environment that parler or piper runs in; unset takes the
            one that `make` builds, beside the hub's own.
        compile: whether parler compiles its model for speed, once it speaks.
        fallback: the voice that speaks while this one cannot, or is too slow on this machine; unset
            takes "hibari" where this one is another, "" none.
    """

    engine: Name = "hibari"
    voice: Name | None = None
    description: Annotated[str, Meta(max_length=MOST_DESCRIPTION)] = ""
    model: Name | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    process: bool = False
    environment: Name | None = None
    compile: bool = True
    fallback: Literal["", "hibari"] | None = None


class WordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[wake.word]], what is special about one wake word.

    Args:
        name: its id, or as spoken.
        model: a file with a custom model: .json of microWakeWord or .tflite of openWakeWord.
        threshold: as for all words.
        refractory: as for all words.
    """

    name: Name
    model: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    threshold: Probability | None = None
    refractory: Refractory | None = None


class WakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[wake]: wake words in the sound of satellites that listen for none themselves.

    Args:
        engine: whose models are used where a client does not say.
        words: what is listened for where a client does not say; unset takes all of the engine's.
        threshold: probability above which a word counts; unset takes each model's own.
        refractory: seconds after a detection in which the same word is not reported again.
        max_streams: clients at once that openWakeWord listens for; each takes 5 % of a core.
        word: what is special about single words.
    """

    engine: Literal["microwakeword", "openwakeword"] = "microwakeword"
    words: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)] | None = None
    threshold: Probability | None = None
    refractory: Refractory = 2.0
    max_streams: Annotated[int, Meta(ge=0, le=64)] = 8
    word: Annotated[tuple[WordSettings, ...], Meta(max_length=16)] = ()


class TurnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[turn]: when somebody has finished speaking.

    Args:
        model: tells whether who pauses has finished, a name from `parlour-hub models list` or an
            ONNX file; "" always waits for `silence`.
        speech_threshold: probability from which a 32 ms frame counts as speech.
        min_speech: seconds of speech that begin an utterance; a click is shorter.
        pause: seconds of silence after which speech-to-text begins.
        silence: seconds of silence that end it, where no model says whether they have finished.
        patience: stretches the silences that are waited for where it is not sure whether they have
            finished; more for people who speak slowly.
        reopen: seconds after the end in which it goes on if they do, while no answer is ready.
        speculate: whether to prepare an answer before the end is known; costs computing.
        no_speech: seconds to wait for somebody to begin.
        max_speech: an utterance is cut there, in seconds.
    """

    model: Annotated[str, Meta(max_length=4096)] = "smart-turn-v3.2"
    speech_threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    min_speech: Seconds = 0.1
    pause: Seconds = 0.09
    silence: Seconds = 0.6
    patience: Annotated[float, Meta(ge=0.3, le=3)] = 1.0
    reopen: Annotated[float, Meta(ge=0, le=5)] = 1.0
    speculate: bool = True
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


class HomeAssistantSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[home_assistant]: the home that Parlour's own satellites control.

    Args:
        url: http://HOST:PORT or https://HOST; "" for none.
        token_file: a file, mode 600, with a long-lived access token; unset takes
            $XDG_STATE_HOME/parlour/home-assistant.token.
        certificate: a PEM file with the certificate that an https:// is known by, its own or its
            authority's; "" for those that this machine trusts.
        verify: whether the certificate is checked at all.
        control: whether the language model may switch things where Home Assistant did not
            understand; "auto" lets those models that do it well enough.
    """

    url: HttpOrNone = ""
    token_file: Name | None = None
    certificate: Annotated[str, Meta(max_length=4096)] = ""
    verify: bool = True
    control: Literal["auto", "on", "off"] = "auto"


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


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[web]: the page, and what programs use over HTTP.

    Args:
        listen: http://127.0.0.1:PORT for this machine alone; https://HOST:PORT for others, too,
            who have to log in; "" offers nothing.
        keep_sound: whether the sound of what was said is kept, for the last turns, in memory alone,
            so that the page can play it again.
        max_upload: megabytes of a sound file that is sent to be transcribed.
    """

    listen: HttpOrNone = "http://127.0.0.1:8080"
    keep_sound: bool = False
    max_upload: Annotated[int, Meta(ge=1, le=10_000)] = 100


class ProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[process]: engines that the hub runs in processes of their own.

    Args:
        memory: gigabytes of main memory that each may take; one that takes more is restarted.
    """

    memory: Annotated[float, Meta(ge=0.1, le=1000)] = 12.0


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file, or what holds instead of it by now: see `hub.adjust`.

    Sections are replaced and never changed, so that whoever looks twice may see two, but no half.

    Args:
        language: ISO 639-1 code; models and voice follow it.
        name: what the assistant calls itself.
    """

    language: Language = "en"
    name: Name = "Parlour"
    link: LinkSettings = LinkSettings()
    service: ServiceSettings = ServiceSettings()
    stt: SttSettings = SttSettings()
    llm: LlmSettings = LlmSettings()
    tts: TtsSettings = TtsSettings()
    process: ProcessSettings = ProcessSettings()
    wake: WakeSettings = WakeSettings()
    turn: TurnSettings = TurnSettings()
    memory: MemorySettings = MemorySettings()
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    store: StoreSettings = StoreSettings()
    web: WebSettings = WebSettings()
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


def spoken_language(settings: Settings) -> str:
    """Return the language that speech-to-text is to expect; "" for whichever of several it is."""
    several = len(settings.stt.languages) > 1
    return "" if several else settings.language


def store_path(settings: StoreSettings) -> Path:
    """Return where the record of turns is kept."""
    if settings.path is not None:
        return Path(settings.path).expanduser()
    return state_folder() / "hub.db"


def state_folder() -> Path:
    """Return the folder of what the hub keeps: turns, its certificate, its pairings."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "parlour"
