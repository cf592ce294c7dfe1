"""A voice for the tests of wake words."""

import numpy as np
import pytest
import soxr

from protocol.audio import from_float32


@pytest.fixture(scope="session")
def speak():
    hibari = pytest.importorskip("hibari", reason="the hub's voice is not installed")
    voice = hibari.Hibari(threads=1)

    def say(text, seed=1):
        audio = np.concatenate(list(voice.stream(text, seed=seed))).astype(np.float32)
        speech = soxr.resample(audio, hibari.SAMPLE_RATE, 16000) * 0.6
        audible = np.flatnonzero(np.abs(speech) > 0.02 * np.abs(speech).max())
        return from_float32(speech[audible[0] : audible[-1] + 1])

    return say
