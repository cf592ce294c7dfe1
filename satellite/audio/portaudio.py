"""What PortAudio (through pyaudio) knows of this machine's sound devices, and one by its name.

Imports nothing but the standard library and pyaudio: device processes are to be small.
"""

import contextlib
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from satellite.audio.error import DeviceError

DEFAULT = "default"
NO_PYAUDIO = (
    "no sound devices without pyaudio: apt-get install portaudio19-dev python3-dev gcc, then in "
    "Parlour's folder pip install '.[mic]' (or make mic)"
)
_MOST_CHANNELS = 8  # a device that claims more does not tell how many it has: a sound server's
_USUAL_RATES = (48000, 44100)  # Hz


class Direction(StrEnum):
    """Whether a device hears or plays, as PortAudio calls it."""

    INPUT = "input"
    OUTPUT = "output"


KINDS = {Direction.INPUT: "microphone", Direction.OUTPUT: "speaker"}
"""What people call it."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the list; it may hear, play or both.

    Args:
        index: PortAudio's number for it, until PortAudio is started anew.
        name: what people call it.
        host_api: the system that it belongs to, for example ALSA.
        inputs: channels that it hears at most; 0 where it does not.
        outputs: channels that it plays at most; 0 where it does not.
        rate: its own sample rate in Hz; of a sound server's device just a usual one.
        default_for: the directions in which it is the default device.
    """

    index: int
    name: str
    host_api: str
    inputs: int
    outputs: int
    rate: int
    default_for: tuple[Direction, ...] = ()

    def channels(self, direction: Direction) -> int | None:
        """Return how many channels it has; None where it does not tell, 0 where it has none."""
        channels = self.inputs if direction is Direction.INPUT else self.outputs
        return channels if channels <= _MOST_CHANNELS else None


def load_pyaudio() -> Any:
    """Return the module.

    Raises:
        DeviceError: it is not installed, or cannot be loaded; says what to do.
    """
    os.environ.setdefault("JACK_NO_START_SERVER", "1")  # looking must not start a sound server
    try:
        # It prints to the standard output when its C part cannot be loaded.
        with contextlib.redirect_stdout(None):
            return importlib.import_module("pyaudio")
    except ModuleNotFoundError:
        raise DeviceError(NO_PYAUDIO) from None
    except ImportError as error:
        raise DeviceError(f"pyaudio cannot be loaded ({error}): install libportaudio2") from None


def list_devices(portaudio: Any) -> list[Device]:
    """Return every device that `portaudio`, a `pyaudio.PyAudio`, knows."""
    defaults: dict[Direction, int] = {}
    with contextlib.suppress(OSError):  # there is none
        defaults[Direction.INPUT] = portaudio.get_default_input_device_info()["index"]
    with contextlib.suppress(OSError):
        defaults[Direction.OUTPUT] = portaudio.get_default_output_device_info()["index"]
    devices = []
    for index in range(portaudio.get_device_count()):
        info = portaudio.get_device_info_by_index(index)
        device = Device(
            index=index,
            name=str(info["name"]),
            host_api=str(portaudio.get_host_api_info_by_index(info["hostApi"])["name"]),
            inputs=info["maxInputChannels"],
            outputs=info["maxOutputChannels"],
            rate=round(info["defaultSampleRate"]),
            default_for=tuple(d for d, default in defaults.items() if default == index),
        )
        devices.append(device)
    return devices


def find_device(devices: Sequence[Device], name: str, direction: Direction) -> Device:
    """Return the device that settings call `name`.

    Args:
        devices: what there is.
        name: "default"; or a device's name, or a part of one, in capitals or not.
        direction: what it is for.

    Raises:
        DeviceError: there is none, or a part of a name fits several; the message lists them.
    """
    what = KINDS[direction]
    able = [device for device in devices if device.channels(direction) != 0]
    if not able:
        raise DeviceError(f"no {what} on this machine")
    if name == DEFAULT:
        chosen = [device for device in able if direction in device.default_for]
        if not chosen:
            raise DeviceError(f"no default {what}; there are: {_names(able)}")
        return chosen[0]
    wanted = name.casefold()
    # Two host APIs may list one device under one name; PortAudio's order puts the native one first.
    exact = [device for device in able if device.name.casefold() == wanted]
    if exact:
        return exact[0]
    fitting = [device for device in able if wanted in device.name.casefold()]
    if not fitting:
        raise DeviceError(f"no {what} has {name!r} in its name; there are: {_names(able)}")
    if len(fitting) > 1:
        raise DeviceError(f"{name!r} fits more than one {what}: {_names(fitting)}")
    return fitting[0]


def formats_to_try(
    device: Device,
    direction: Direction,
    rate: int,
    channels: int | None = None,
    channel: int | None = None,
) -> list[tuple[int, int]]:
    """Return the rates (Hz) and channel counts at which to try to open a device, best first.

    Args:
        device: which.
        direction: what it is for.
        rate: the sample rate that would need no conversion, in Hz.
        channels: exactly so many channels; None for one where the device does that (a sound server
            mixes them better than we do), else all of them.
        channel: one of them that must be there by itself, counted from 1; None for no matter.

    Raises:
        DeviceError: it does not have that channel, or does not tell.
    """
    every = device.channels(direction)
    if channel is not None:
        channels = channels or every
        if channels is None:
            raise DeviceError(
                f'"{device.name}" does not tell how many channels it has: set channels, too'
            )
        if channel > channels:
            raise DeviceError(f'"{device.name}" has no channel {channel}, it has {channels}')
    counts = (channels,) if channels is not None else tuple(dict.fromkeys((1, every or 2)))
    rates = dict.fromkeys((rate, device.rate, *_USUAL_RATES))
    return [(r, c) for r in rates for c in counts]


def _names(devices: Sequence[Device]) -> str:
    return ", ".join(f'"{name}"' for name in dict.fromkeys(device.name for device in devices))
