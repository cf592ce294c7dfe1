"""`parlour-satellite devices`: what can be put into the settings."""

from collections.abc import Sequence

from satellite.audio.portaudio import KINDS, Device


def missing(devices: Sequence[Device]) -> str:
    """Say in one line what to do where microphone or speaker is missing; else return ""."""
    lacking = [
        kind
        for direction, kind in KINDS.items()
        if all(device.channels(direction) == 0 for device in devices)
    ]
    if not lacking:
        return ""
    return (
        f"no {' and no '.join(lacking)} on this machine: plug one in, or start this user's sound "
        "server (PulseAudio, PipeWire); see docs/sound-devices.md"
    )


def table(devices: Sequence[Device]) -> str:
    """Return inputs and outputs as a table for people."""
    lines = []
    width = max((len(device.name) for device in devices), default=0)
    for direction, kind in KINDS.items():
        title = f"{kind.capitalize()}s:"
        lines.append(f"{title:<{width + 4}}  channels      rate  host API")
        for device in devices:
            channels = device.channels(direction)
            if channels == 0:
                continue
            mark = "*" if direction in device.default_for else " "
            count = "any" if channels is None else str(channels)
            about = f"{count:>8}  {device.rate:>5} Hz  {device.host_api}"
            lines.append(f"  {mark} {device.name:<{width}}  {about}")
        lines.append("")
    lines.append('* is what "default" means. Or choose by name, or by a part of one:')
    lines.append('  device = "pyaudio:NAME"')
    return "\n".join(lines)
