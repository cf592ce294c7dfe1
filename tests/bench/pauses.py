"""People who pause in mid-sentence: recordings with their own pauses, and with one put in.

A pause is put in between two words, half a second to a second of the recording's own quiet. What
the speaker would have done with the words before it, had they meant to pause, is missing: such
pauses are harder for the ear than real ones, and what is good at them is good at those.
"""

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SAMPLES, VAD_FRAME_SECONDS, VoiceActivity
from protocol.audio import SPEECH, to_float32

TAIL = 4.0  # seconds of quiet after the last word
SHORTEST, LONGEST = 0.5, 1.0  # seconds of a pause that is put in
OWN = 0.3  # seconds of a pause of their own, from which on it counts
VOICED = 0.5
_EDGE = 0.3  # seconds of speech at either end of a pause, at least
_NEAR = 0.06  # seconds around a border between words, of which the quietest spot is cut
_FADE = 160  # samples

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Said:
    """One utterance and the quiet after it.

    `activity` is the probability of speech in each frame of 32 ms. `pauses` are seconds of silence
    inside the utterance, from `OWN` on.
    """

    pcm: bytes
    activity: tuple[float, ...]
    pauses: tuple[float, ...]


async def said(pcm: bytes, vad: VoiceActivity) -> Said | None:
    """Return a recording as it is, its last word followed by quiet; None: no speech in it."""
    activity = await _activity(pcm, vad)
    voiced = np.flatnonzero(np.array(activity) >= VOICED)
    if len(voiced) * VAD_FRAME_SECONDS < _EDGE:
        return None
    samples = np.frombuffer(pcm, np.int16)[: (voiced[-1] + 1) * VAD_FRAME_SAMPLES]
    tail = np.frombuffer(pcm, np.int16)[len(samples) :][: round(TAIL * SPEECH.rate)]
    missing = round(TAIL * SPEECH.rate) - len(tail)
    quiet = _quiet(pcm, activity, missing)
    whole = np.concatenate([samples, tail, quiet]).astype("<i2").tobytes()
    gaps = (np.diff(voiced) - 1) * VAD_FRAME_SECONDS
    return Said(whole, await _activity(whole, vad), tuple(gap for gap in gaps if gap >= OWN))


async def interrupted(pcm: bytes, vad: VoiceActivity, whisper: Any) -> Said | None:
    """Return a recording with a pause put in; None: it has one, or no place for one.

    Args:
        pcm: 16 kHz mono 16-bit.
        vad: loaded.
        whisper: a faster_whisper.WhisperModel, which finds the words.
    """
    whole = await said(pcm, vad)
    if whole is None or whole.pauses:
        return None
    rng = np.random.default_rng(zlib.crc32(pcm))
    voiced = np.flatnonzero(np.array(whole.activity) >= VOICED) * VAD_FRAME_SECONDS
    borders = [at for at in _borders(pcm, whisper) if voiced[0] + _EDGE < at < voiced[-1] - _EDGE]
    if not borders:
        return None
    samples = np.frombuffer(whole.pcm, np.int16)
    at = _quietest(samples, borders[rng.integers(len(borders))])
    pause = rng.uniform(SHORTEST, LONGEST)
    quiet = _quiet(whole.pcm, whole.activity, round(pause * SPEECH.rate))
    fade = np.linspace(1, 0, _FADE)
    before, after = samples[:at].astype(float), samples[at:].astype(float)
    before[-_FADE:] *= fade
    after[:_FADE] *= fade[::-1]
    return await said(np.concatenate([before, quiet, after]).astype("<i2").tobytes(), vad)


async def _activity(pcm: bytes, vad: VoiceActivity) -> tuple[float, ...]:
    stream = vad.stream()
    starts = range(0, len(pcm) - VAD_FRAME_BYTES + 1, VAD_FRAME_BYTES)
    return tuple([await stream.probability(pcm[at : at + VAD_FRAME_BYTES]) for at in starts])


def _borders(pcm: bytes, whisper: Any) -> list[float]:
    segments, _ = whisper.transcribe(to_float32(pcm), language="en", word_timestamps=True)
    words = [word for segment in segments for word in segment.words]
    return [(a.end + b.start) / 2 for a, b in pairwise(words)]


def _quietest(samples: Samples, seconds: float) -> int:
    around = range(
        max(_FADE, round((seconds - _NEAR) * SPEECH.rate)),
        min(len(samples) - _FADE, round((seconds + _NEAR) * SPEECH.rate)),
        _FADE // 2,
    )
    energy = [np.sum(samples[at - _FADE : at + _FADE].astype(float) ** 2) for at in around]
    return around[int(np.argmin(energy))]


def _quiet(pcm: bytes, activity: tuple[float, ...], count: int) -> Samples:
    """Return so many samples of a recording's own quiet: its stillest frames, overlapping."""
    count = max(0, count)
    frames = np.frombuffer(pcm, np.int16)[: len(activity) * VAD_FRAME_SAMPLES].astype(float)
    frames = frames.reshape(-1, VAD_FRAME_SAMPLES)
    quiet = frames[np.array(activity[: len(frames)]) < VOICED]
    frames = quiet if len(quiet) >= 3 else frames
    level = np.sqrt(np.mean(frames**2, axis=1))
    still = frames[np.argsort(level)[: max(3, len(frames) // 2)]]
    rng = np.random.default_rng(count)
    out = np.zeros(count + 2 * VAD_FRAME_SAMPLES)
    window = np.hanning(VAD_FRAME_SAMPLES)
    for at in range(0, count + VAD_FRAME_SAMPLES, VAD_FRAME_SAMPLES // 2):
        out[at : at + VAD_FRAME_SAMPLES] += still[rng.integers(len(still))] * window
    return out[VAD_FRAME_SAMPLES // 2 :][:count].astype(np.int16)
