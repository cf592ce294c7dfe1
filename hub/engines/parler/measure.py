"""How fast a model speaks here."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import Speed
from hub.engines.parler.speaker import Speaker

_SAID = "Good morning. It is a quarter past seven, the kettle is on, and it may rain later today."
_FIRST_STEPS = 28  # enough for the first chunk: the first of everything is slow
_STEPS = 130  # 1.4 s of speech


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took.

    Args:
        speed: as people see it.
        steps_per_second: of the decoder and the codec together; 86 keep up with speech.
    """

    speed: Speed
    steps_per_second: float


def measure(speaker: Speaker, description: str) -> Measured:
    """Warm the model up and measure it. Blocking."""
    _run(speaker, description, _FIRST_STEPS)
    return _run(speaker, description, _STEPS)


def _run(speaker: Speaker, description: str, steps: int) -> Measured:
    first: list[float] = []
    samples = 0

    def emit(sound: NDArray[np.float32]) -> None:
        nonlocal samples
        samples += len(sound)
        first.append(time.monotonic())

    began = time.monotonic()
    taken = speaker.speak(_SAID, description, seed=0, most_steps=steps, emit=emit)
    took = time.monotonic() - began
    rate = speaker.model.config.audio_encoder.sampling_rate
    return Measured(
        Speed(
            real_time_factor=took / max(samples / rate, 1e-3),
            first_audio=(first[0] if first else time.monotonic()) - began,
        ),
        taken / took,
    )
