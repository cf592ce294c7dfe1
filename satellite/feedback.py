"""The satellite's own short sounds: heard you, got it, something went wrong, a timer has ended."""

import wave
from enum import StrEnum
from importlib import resources

from protocol.audio import Converter, PcmFormat


class Sound(StrEnum):
    """A sound in satellite/sounds/, made by deploy/make_sounds.py."""

    AWAKE = "awake"
    DONE = "done"
    ERROR = "error"
    RING = "ring"


def load_sounds(speaker_format: PcmFormat) -> dict[Sound, bytes]:
    """Return every sound in the speaker's format."""
    return {sound: _load(sound, speaker_format) for sound in Sound}


def _load(sound: Sound, speaker_format: PcmFormat) -> bytes:
    file = resources.files("satellite") / "sounds" / f"{sound}.wav"
    with file.open("rb") as stream, wave.open(stream) as reader:
        audio_format = PcmFormat(
            reader.getframerate(), reader.getsampwidth(), reader.getnchannels()
        )
        pcm = reader.readframes(reader.getnframes())
    converter = Converter(audio_format, speaker_format)
    return converter.process(pcm) + converter.flush()
