"""What the satellite needs of a microphone and of a speaker, and how settings name one."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol

from protocol.audio import PcmFormat
from satellite.audio.error import DeviceError as DeviceError
from satellite.audio.error import UnknownDevice as UnknownDevice
from satellite.audio.orders import Decide

FRAME_SAMPLES = 512
"""Samples in one microphone frame: 32 ms at 16 kHz, what voice activity detection takes at once.
Shorter frames cost an idle satellite more: waking up is most of what it does."""

MICROPHONES = "default | pyaudio:NAME | silence | wave:FILE | spool:FOLDER"
SPEAKERS = "default | pyaudio:NAME | null | wave:FILE"

Source = Callable[[int], bytes]
"""Given a number of frames, returns exactly that much audio, silence where there is none. A device
calls it from its own thread."""


class Microphone(Protocol):
    """Something that hears."""

    def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield 32 ms frames of 16 kHz mono 16-bit audio at real-time pace, for ever.

        Raises:
            DeviceError: the device cannot be opened, or is gone.
        """
        ...


class Speaker(Protocol):
    """Something that plays what it pulls from a source, as a callback-driven sound card does."""

    @property
    def format(self) -> PcmFormat:
        """The format that `source` must return."""
        ...

    async def start(self, source: Source) -> None:
        """Begin to pull from `source`.

        Raises:
            DeviceError: the device cannot be opened.
        """
        ...

    def order(self, decide: Decide) -> None:
        """Have `decide` say what becomes of what was pulled and is not played yet.

        It is called at once, and nothing is pulled meanwhile. For the event loop; does not wait for
        the device.
        """
        ...

    async def close(self) -> None:
        """Stop pulling; idempotent."""
        ...


def open_microphone(
    name: str,
    *,
    delay: float = 0.0,
    rate: int | None = None,
    channels: int | None = None,
    channel: int | None = None,
) -> Microphone:
    """Return the microphone that a settings file calls `name`.

    Args:
        name: "default", the operating system's; "pyaudio:NAME", a name or part of one as
            `parlour-satellite devices` prints it; "silence"; "wave:FILE", played once; or
            "spool:FOLDER", where each *.wav that is renamed into the folder is played and then
            renamed to *.wav.done.
        delay: seconds of silence before a "wave:" file begins.
        rate: sample rate to open a real device at, in Hz; None for the best.
        channels: how many channels of a real device to open; None for the best.
        channel: which of them to hear, counted from 1; None mixes them.

    Raises:
        UnknownDevice: no such kind of device; the message lists what there is.
    """
    from satellite.audio import wave_files

    kind, _, place = name.partition(":")
    if name == "default" or (kind == "pyaudio" and place):
        from satellite.audio.pyaudio_devices import PyAudioMicrophone

        return PyAudioMicrophone(place or name, rate=rate, channels=channels, channel=channel)
    if name == "silence":
        return wave_files.SilenceMicrophone()
    if kind == "wave" and place:
        return wave_files.WaveMicrophone(Path(place), delay=delay)
    if kind == "spool" and place:
        return wave_files.SpoolMicrophone(Path(place))
    raise UnknownDevice(f"no microphone {name!r}: expected {MICROPHONES}")


def open_speaker(name: str, *, rate: int) -> Speaker:
    """Return the speaker that a settings file calls `name`.

    Args:
        name: "default", the operating system's; "pyaudio:NAME", a name or part of one as
            `parlour-satellite devices` prints it; "null", which plays to nobody at real-time pace;
            or "wave:FILE", which records the true timeline, silence included.
        rate: its sample rate in Hz; 16-bit mono.

    Raises:
        UnknownDevice: no such kind of device; the message lists what there is.
    """
    from satellite.audio import wave_files

    audio_format = PcmFormat(rate, 2, 1)
    kind, _, place = name.partition(":")
    if name == "default" or (kind == "pyaudio" and place):
        from satellite.audio.pyaudio_devices import PyAudioSpeaker

        return PyAudioSpeaker(place or name, audio_format)
    if name == "null":
        return wave_files.WaveSpeaker(None, audio_format)
    if kind == "wave" and place:
        return wave_files.WaveSpeaker(Path(place), audio_format)
    raise UnknownDevice(f"no speaker {name!r}: expected {SPEAKERS}")
