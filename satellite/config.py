"""satellite.toml as typed settings; deploy/satellite.sample.toml shows every key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.settings import load_toml

Seconds = Annotated[float, Meta(gt=0, le=600)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Uri = Annotated[str, Meta(pattern="^(tcp|unix)://.")]
HubUri = Annotated[str, Meta(pattern="^(tcp|tls|unix)://.")]
WakeEngine = Literal["microwakeword", "openwakeword"]
Probability = Annotated[float, Meta(gt=0, lt=1)]
Refractory = Annotated[float, Meta(ge=0, le=60)]
Level = Annotated[float, Meta(ge=0, le=1)]


class MicrophoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[microphone].

    Args:
        device: "default", "pyaudio:NAME" (a name or part of one as `parlour-satellite devices`
            prints it), "silence", "wave:FILE" or "spool:FOLDER".
        delay: seconds of silence before a "wave:" file begins.
        rate: sample rate to open a real device at, in Hz; None for 16000 where it does that, else
            its own.
        channels: how many of its channels to open; None for one where it does that, else all.
        channel: which of its channels to hear, counted from 1; None mixes them.
    """

    device: Name = "silence"
    delay: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    rate: Annotated[int, Meta(ge=8000, le=192000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=8)] | None = None
    channel: Annotated[int, Meta(ge=1, le=8)] | None = None


class SpeakerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[speaker].

    Args:
        device: "default", "pyaudio:NAME" (as for the microphone), "null" or "wave:FILE".
        rate: sample rate in Hz; where a real device does not do it, sound is converted.
        volume: how loud it is at the start, 0 to 1: half of it is heard as half as loud. A hub may
            change it.
    """

    device: Name = "null"
    rate: Annotated[int, Meta(ge=8000, le=192000)] = 24000
    volume: Level = 1.0


class WordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[wake.word]], what is special about one word.

    Args:
        name: its id, or as spoken.
        engine: as for all words.
        model: a file with a custom model: .json of microWakeWord; .tflite or, on Python < 3.12 with
            the extra "openwakeword", .onnx of openWakeWord.
        threshold: as for all words.
        refractory: as for all words.
    """

    name: Name
    engine: WakeEngine | None = None
    model: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    threshold: Probability | None = None
    refractory: Refractory | None = None


class WakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[wake]; docs/wake-words.md tells more.

    Args:
        words: which words to listen for: their ids, or as spoken. Left out: those of [[wake.word]];
            without any of them, "hey_jarvis".
        engine: whose models.
        threshold: probability above which a word counts; None takes each model's own.
        refractory: seconds after a detection in which the same word is not reported again.
        pre_roll: seconds of audio from before the detection that are sent. A detection is dated
            0.1 s before to 0.2 s after the word's end (measured, both engines), so 0.2 s does not
            clip what is said next, and mostly sends less than 0.3 s of the word itself.
        onnx_features: the folder with melspectrogram.onnx and embedding_model.onnx, which custom
            .onnx models need; None takes that of the openwakeword package.
        word: what is special about single words.
        remote: let whoever drives us hear the wake words: no model is loaded, and all that the
            microphone hears in a room at rest goes there. The words are set there, too.
    """

    words: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)] | None = None
    engine: WakeEngine = "microwakeword"
    threshold: Probability | None = None
    refractory: Refractory = 2.0
    pre_roll: Annotated[float, Meta(ge=0, le=2)] = 0.2
    onnx_features: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    word: Annotated[tuple[WordSettings, ...], Meta(max_length=8)] = ()
    remote: bool = False


class SoundSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[sounds].

    Args:
        awake: at the wake word, while the microphone already streams.
        done: when listening ends.
        error: when a turn fails.
    """

    awake: bool = True
    done: bool = False
    error: bool = True


class TimerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[timer]: what happens when a timer has ended.

    Args:
        ring: whether it rings.
        seconds: how long, where nobody stops it.
        least_volume: the volume that it has at least, 0 to 1, whatever that of replies is.
    """

    ring: bool = True
    seconds: Seconds = 600.0
    least_volume: Level = 0.3


class TimeoutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[timeouts], the watchdog of every state.

    Args:
        listening: the longest thing that can be said, in seconds.
        thinking: from the end of listening to the first audio of the reply, in seconds.
        stalled: a reply that makes no progress for so many seconds is given up.
        margin: seconds that a complete reply may take longer than its audio.
    """

    listening: Seconds = 15.0
    thinking: Seconds = 30.0
    stalled: Seconds = 10.0
    margin: Seconds = 5.0


class FollowUpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[follow_up]: listen again without a wake word after a reply that ends in a question.

    Args:
        enabled: whether to.
        seconds: how long to wait for an answer to begin.
    """

    enabled: bool = True
    seconds: Seconds = 5.0


class BargeInSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[barge_in]: what interrupts a reply, beside the wake word; docs/turn-taking.md tells more.

    Args:
        speech: whether speech does. Only for microphones that do not hear the loudspeaker: others
            would hear Parlour itself, and it would stop at its own first word.
        stop_word: one of the wake words' ids, whose model knows "stop" or the like: it ends a
            reply and begins nothing.
    """

    speech: bool = False
    stop_word: Name | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Args:
        hub: where to dial the hub: tls://HOST:PORT with a pairing; on this machine also
            tcp://127.0.0.1:PORT or unix:///PATH. None takes that of the pairing; without one,
            tcp://127.0.0.1:10601.
        listen: where to be dialled instead, by Home Assistant or a hub; then `hub` is not used.
        allow: addresses and networks that may dial from beyond this machine.
        announce: whether others on the network may find it by zeroconf, where it listens beyond
            this machine.
        pairing: file with what `parlour-satellite pair` stores; None takes
            $XDG_CONFIG_HOME/parlour/pairing.toml.
        room: this satellite's name; None takes that of the pairing; without one, "Living room".
        area: the area that Home Assistant shall put it in.
        muted: start deaf; announcements still play.
    """

    hub: HubUri | None = None
    listen: Uri | None = None
    allow: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    announce: bool = True
    pairing: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    room: Name | None = None
    area: Name | None = None
    muted: bool = False
    microphone: MicrophoneSettings = MicrophoneSettings()
    speaker: SpeakerSettings = SpeakerSettings()
    wake: WakeSettings = WakeSettings()
    sounds: SoundSettings = SoundSettings()
    timer: TimerSettings = TimerSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    follow_up: FollowUpSettings = FollowUpSettings()
    barge_in: BargeInSettings = BargeInSettings()


def load_settings(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings.

    Args:
        path: a TOML file; None takes the defaults.
        overrides: values that win over the file, by dotted key, for example "wake.words".

    Raises:
        ConfigError: see `protocol.settings.load_toml`.
    """
    return load_toml(path, overrides or {}, Settings)
