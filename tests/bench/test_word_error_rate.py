"""Word errors: through the service port, and in a window of the sound's own length, against the
same faster-whisper model called directly.

Directly means `WhisperModel.transcribe(sound, language="en")` and nothing else: faster-whisper's
own defaults (its window of 30 s, five beams, timestamps, higher temperatures where it doubts). All
hear the same samples; errors are counted over the same words, and the interval is that of their
difference, from 2000 resamplings of the clips.
"""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import pytest
from results import bar, progress, record, table
from speech_clips import Clip, clip_sets, errors, of_people, words
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop

from hub.config import Settings
from hub.engines.choices import stt_model
from hub.engines.faster_whisper import FasterWhisper
from hub.models.fetch import path_of
from protocol.audio import to_float32
from protocol.connection import Limits
from protocol.transport import connect

RESAMPLINGS = 2000
CHUNK = 2048  # bytes
TIMEOUT = 600.0
POINTS = 1.0  # of word error rate, that we may be worse than the model called directly
WORDS = 500  # that make a figure
COMMAND = 12.0  # seconds; longer sound is heard in Whisper's own window anyway


@dataclass(frozen=True)
class Score:
    words: int
    ours: int  # errors
    direct: int
    ours_seconds: float = 0.0
    direct_seconds: float = 0.0


async def through_the_port(uri: str, pcm: bytes) -> str:
    patient = Limits(idle_timeout=None)
    async with asyncio.timeout(TIMEOUT), await connect(uri, limits=patient) as connection:
        await connection.write(Transcribe(language="en"))
        await connection.write(AudioStart(16000, 2, 1))
        for at in range(0, len(pcm), CHUNK):
            await connection.write(AudioChunk(16000, 2, 1, pcm[at : at + CHUNK]))
        await connection.write(AudioStop())
        while True:
            event = await connection.read()
            if Transcript.is_type(event.type):
                return event.data["text"]
            assert event.type != "error", event.data


async def scores(uri: str, model, clips: list[Clip]) -> list[Score]:
    found = []
    for clip in clips:
        port = await through_the_port(uri, clip.pcm)
        count, direct = len(words(clip.said)), directly(model, clip)
        found.append(Score(count, errors(clip.said, port), errors(clip.said, direct)))
    return found


async def engine_scores(engine: FasterWhisper, model, clips: list[Clip]) -> list[Score]:
    """Return the same without a hub in between, with the processor time that each took."""
    found = []
    for clip in clips:
        began = time.process_time()
        ours = (await engine.transcribe(clip.pcm, language="en")).text
        between = time.process_time()
        direct = directly(model, clip)
        seconds = between - began, time.process_time() - between
        count = len(words(clip.said))
        found.append(Score(count, errors(clip.said, ours), errors(clip.said, direct), *seconds))
    return found


def directly(model, clip: Clip) -> str:
    segments, _ = model.transcribe(to_float32(clip.pcm), language="en")
    return " ".join(segment.text.strip() for segment in segments)


def summary(found: list[Score]) -> dict[str, float]:
    """Return the figures of some clips; rates in percent, times as medians in seconds."""
    counts = np.array([(s.words, s.ours, s.direct) for s in found], float)
    rng = np.random.default_rng(1)
    drawn = counts[rng.integers(0, len(counts), (RESAMPLINGS, len(counts)))].sum(axis=1)
    low, high = np.percentile(100 * (drawn[:, 1] - drawn[:, 2]) / drawn[:, 0], (2.5, 97.5))
    total, ours, direct = counts.sum(axis=0)
    return {
        "clips": len(found),
        "words": int(total),
        "ours": 100 * ours / total,
        "direct": 100 * direct / total,
        "points worse": 100 * (ours - direct) / total,
        "low": float(low),
        "high": float(high),
        "our seconds": float(np.median([s.ours_seconds for s in found])),
        "direct seconds": float(np.median([s.direct_seconds for s in found])),
    }


def judge(section: str, title: str, sets: dict[str, list[Score]]) -> float:
    """Print the sets and all of them, record them; return by how many points we are worse."""
    people = [score for label, found in sets.items() if of_people(label) for score in found]
    own = [score for label, found in sets.items() if not of_people(label) for score in found]
    sets = {**sets, "all of people": people, "all of our own voice": own, "all": [*people, *own]}
    figures = {label: summary(found) for label, found in sets.items() if found}
    rows = []
    for label, f in figures.items():
        interval = f"{f['low']:+.2f} to {f['high']:+.2f}"
        rates = [
            f"{f['ours']:.2f} %",
            f"{f['direct']:.2f} %",
            f"{f['points worse']:+.2f}",
            interval,
        ]
        rows.append([label, f["words"], *rates, f["our seconds"], f["direct seconds"]])
    table(title, ("clips", "words", "ours", "direct", "worse", "95 %", "ours s", "direct s"), rows)
    record(section, figures)
    for label in ("all of people", "all of our own voice"):
        if label in figures and figures[label]["words"] >= WORDS:
            worse = figures[label]["points worse"]
            bar(section, f"{label}: {title}", worse, at_most=POINTS, unit="points")
    assert figures["all"]["words"] >= WORDS
    return max(f["points worse"] for label, f in figures.items() if label.startswith("all"))


@pytest.fixture(scope="module")
def model():
    from faster_whisper import WhisperModel

    path = str(path_of(stt_model(Settings())))
    return WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=1)


@pytest.mark.slow
async def test_the_port_hears_as_well_as_the_model_called_directly(house, model, voice):
    found = {}
    async with house.hub() as hub:
        for label, clips in clip_sets(voice).items():
            progress(f"{label}: {len(clips)} clips")
            found[label] = await scores(hub.service, model, clips)
    title = "word errors through the service port"
    assert judge("word errors, port", title, found) <= POINTS


@pytest.mark.slow
async def test_a_window_of_the_clips_own_length_hears_as_well_as_one_of_30_seconds(model, voice):
    engine, found = FasterWhisper(path_of(stt_model(Settings())), threads=1), {}
    await engine.load()
    for label, clips in clip_sets(voice).items():
        short = [clip for clip in clips if clip.seconds <= COMMAND]
        progress(f"{label}: {len(short)} clips")
        found[label] = await engine_scores(engine, model, short)
    await engine.close()
    title = "word errors in a window of the clip's length, one thread"
    assert judge("word errors, window", title, found) <= POINTS
