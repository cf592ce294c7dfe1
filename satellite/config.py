"""satellite.toml as typed settings; deploy/satellite.sample.toml shows every key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from protocol.settings import load_toml

Seconds = Annotated[float, Meta(gt=0, le=600)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Uri = Annotated[str, Meta(pattern="^(tcp|unix)://.")]


class MicrophoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[microphone].

    Args:
        device: "silence", "wave:FILE" or "spool:FOLDER".
        delay: seconds of silence before a "wave:" file begins.
    """

    device: Name = "silence"
    delay: Annotated[float, Meta(ge=0, le=3600)] = 0.0


class SpeakerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[speaker].

    Args:
        device: "null" or "wave:FILE".
        rate: sample rate in Hz.
    """

    device: Name = "null"
    rate: Annotated[int, Meta(ge=8000, le=192000)] = 24000


class WakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[wake].

    Args:
        words: names of microWakeWord models, or as spoken.
        threshold: probability from which a word counts; None takes each model's own.
        refractory: seconds after a detection in which no other is reported.
        pre_roll: seconds of audio from before the detection that are sent. microWakeWord reports
            a word 0.18 s before to 0.12 s after its end (measured), so 0.2 s never clips what is
            said next, and at worst sends 0.4 s of the word itself.
    """

    words: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)] = ("hey_jarvis",)
    threshold: Annotated[float, Meta(gt=0, lt=1)] | None = None
    refractory: Annotated[float, Meta(ge=0, le=60)] = 2.0
    pre_roll: Annotated[float, Meta(ge=0, le=2)] = 0.2


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

    enabled: bool = False
    seconds: Seconds = 5.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Args:
        hub: where to dial the hub: tcp://HOST:PORT or unix:///PATH.
        listen: where to be dialled instead, by Home Assistant or a hub; then `hub` is not used.
        room: this satellite's name.
        area: the area that Home Assistant shall put it in.
        muted: start deaf; announcements still play.
    """

    hub: Uri = "tcp://127.0.0.1:10601"
    listen: Uri | None = None
    room: Name = "Living room"
    area: Name | None = None
    muted: bool = False
    microphone: MicrophoneSettings = MicrophoneSettings()
    speaker: SpeakerSettings = SpeakerSettings()
    wake: WakeSettings = WakeSettings()
    sounds: SoundSettings = SoundSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    follow_up: FollowUpSettings = FollowUpSettings()


def load_settings(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings.

    Args:
        path: a TOML file; None takes the defaults.
        overrides: values that win over the file, by dotted key, for example "wake.words".

    Raises:
        ConfigError: see `protocol.settings.load_toml`.
    """
    return load_toml(path, overrides or {}, Settings)
