"""How many recorded wake words each engine hears, and how often other speech wakes it.

Put recordings (any sound format) into folders named after the words, and what is none of them into
a folder named other, then

    PARLOUR_RECORDINGS=/path .venv/bin/python -m pytest -s tests/bench/test_wake_accuracy.py
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import soxr
from results import record

from protocol.audio import from_float32
from satellite.config import WakeSettings
from satellite.wake.words import open_wake

FRAME = 1024  # bytes
RATE = 16000
ENGINES = {
    "microwakeword": ["alexa", "hey_jarvis", "hey_mycroft", "okay_nabu"],
    "openwakeword": ["alexa", "hey_jarvis", "hey_mycroft", "okay_nabu", "hey_rhasspy"],
}


@pytest.fixture(scope="module")
def recordings():
    if "PARLOUR_RECORDINGS" not in os.environ:
        pytest.skip("PARLOUR_RECORDINGS names no folder of recordings")
    pytest.importorskip("av", reason="it reads the recordings")
    return Path(os.environ["PARLOUR_RECORDINGS"])


def load(path):
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono")
        stream = container.streams.audio[0]
        frames = [out for frame in container.decode(stream) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return soxr.resample(samples, stream.rate, RATE).astype(np.float32)


def cut(samples):
    """Return the sound from 10 ms before to 10 ms after what is within 30 dB of the loudest."""
    steps = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = 10 * np.log10(np.square(steps).mean(1) + 1e-12)
    audible = np.flatnonzero(level > level.max() - 30)
    return samples[max(0, audible[0] - 1) * 160 : (audible[-1] + 2) * 160]


def hits(wake, samples):
    pcm = from_float32(samples)
    pieces = [pcm[start : start + FRAME] for start in range(0, len(pcm), FRAME)]
    return [hit.name for piece in pieces if (hit := wake.process(piece)) is not None]


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


WAYS = {
    "as it is": lambda samples: [silence(1), samples, silence(1)],
    "20 dB quieter": lambda samples: [silence(1), samples * 0.1, silence(1)],
    "at the very start": lambda samples: [cut(samples), silence(1)],
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_recorded_wake_words_are_heard(recordings, engine):
    print()
    figures = {}
    for word in ENGINES[engine]:
        paths = sorted(path for path in (recordings / word).glob("*") if path.is_file())
        heard = dict.fromkeys(WAYS, 0)
        wake = open_wake(WakeSettings(words=(word,), engine=engine))
        for path in paths:
            samples = load(path)
            for way, arrange in WAYS.items():
                wake.reset()
                wake.process(bytes(32000 * 3))  # past the refractory time
                wake.reset()
                heard[way] += word in hits(wake, np.concatenate(arrange(samples)))
        for way, count in heard.items():
            if paths:
                share = f"{count:4} of {len(paths):4}  {count / len(paths):6.1%}"
                print(f"{engine:<14} {word:<12} {way:<18} {share}")
                figures[f"{word}, {way}"] = {"heard": count, "of": len(paths)}
    record("wake", {engine: figures})
    for name, one in figures.items():
        assert one["heard"] >= 0.9 * one["of"], name


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_other_speech_wakes_nobody(recordings, engine):
    wake = open_wake(WakeSettings(words=tuple(ENGINES[engine]), engine=engine))
    found, seconds, computing = [], 0.0, 0.0
    for path in sorted(path for path in (recordings / "other").rglob("*") if path.is_file()):
        samples = np.concatenate([load(path), silence(0.3)])
        seconds += len(samples) / RATE
        began = time.process_time()
        found += [(name, path.name) for name in hits(wake, samples)]
        computing += time.process_time() - began
    print(
        f"\n{engine}: {len(found)} false alarms in {seconds / 60:.0f} minutes; "
        f"{computing / seconds:.2%} of a core for {len(ENGINES[engine])} words"
    )
    for name, file in found:
        print(f"    {name:<12} {file}")
    costs = {"false alarms": len(found), "seconds": seconds, "share of a core": computing / seconds}
    record("wake", {f"{engine}, other speech": costs})
    assert len(found) <= seconds / 600
