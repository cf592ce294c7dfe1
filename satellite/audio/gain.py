"""Volume in software."""

import numpy as np
from numpy.typing import NDArray

from protocol.audio import PcmFormat

RAMP_SECONDS = 0.02
"""A change from silence to full volume takes so long; at once, it would click."""


def gain(level: float) -> float:
    """Return by how much to multiply samples, for a volume from 0 to 1.

    Half the volume is heard as half as loud: loudness grows with the 0.6th power of sound pressure
    (S. S. Stevens, "The measurement of loudness", 1955). Plain halves, 6 dB, are hardly noticed.
    """
    return float(level ** (1 / 0.6))


def scaled(pcm: bytes, factor: float) -> bytes:
    """Multiply 16-bit samples by a factor from 0 to 1."""
    if factor == 1.0:
        return pcm
    return _encoded(np.frombuffer(pcm, "<i2") * factor)


def faded_out(pcm: bytes, audio_format: PcmFormat) -> bytes:
    """Return the first 10 ms of 16-bit audio, fading to silence: its end without a click."""
    samples = np.frombuffer(pcm[: audio_format.bytes_for(0.01)], "<i2")
    return _encoded(samples * np.linspace(1.0, 0.0, len(samples)))


class Gain:
    """Make a stream of 16-bit audio as loud as it shall be.

    `apply` is for the device's thread.

    Args:
        audio_format: of the stream.
        level: the volume, 0 to 1.
    """

    def __init__(self, audio_format: PcmFormat, level: float) -> None:
        self._channels = audio_format.channels
        self._step = 1 / (RAMP_SECONDS * audio_format.rate)
        self._now = self._wanted = gain(level)
        self._level = level

    @property
    def level(self) -> float:
        """The volume, 0 to 1."""
        return self._level

    @level.setter
    def level(self, level: float) -> None:
        self._level, self._wanted = level, gain(level)

    def apply(self, pcm: bytes) -> bytes:
        """Return the stream's next audio, whole frames, as loud as it shall be."""
        now, wanted = self._now, self._wanted
        if now == wanted:
            return scaled(pcm, now)
        samples = np.frombuffer(pcm, "<i2").reshape(-1, self._channels)
        steps = np.arange(1, len(samples) + 1) * self._step
        ramp = np.minimum(now + steps, wanted) if wanted > now else np.maximum(now - steps, wanted)
        if len(ramp):
            self._now = float(ramp[-1])
        return _encoded(samples * ramp[:, None])


def _encoded(samples: NDArray[np.float64]) -> bytes:
    return bytes(np.rint(samples).astype("<i2"))
