"""Speech through the service port against the same faster-whisper model called directly.

Directly means `WhisperModel.transcribe(sound, language="en")` and nothing else: faster-whisper's
own defaults (five beams, timestamps, higher temperatures where it doubts). Both hear the same
samples; errors are counted over the same words, and the interval is that of their difference, from
2000 resamplings of the clips.

Recordings of people come from ../shared/audio and, as pairs of NAME.wav and NAME.txt, from the
folder that PARLOUR_SPEECH names; where there are none, the hub's own voice and noise must do.
"""

import asyncio
import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from num2words import num2words
from processes import VOICE
from sentences import SENTENCES
from words import distance
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop

from hub.config import Settings
from hub.engines.registry import stt_model
from hub.models.fetch import path_of
from protocol.audio import SPEECH, Converter, read_wav, to_float32
from protocol.connection import Limits
from protocol.transport import connect

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "audio"
NOISE_LEVELS = (20, 10, 5)  # dB below the speech
LONG_CLIPS = 8  # in one long recording, half a second between them
RESAMPLINGS = 2000
CHUNK = 2048  # bytes
TIMEOUT = 600.0


@dataclass(frozen=True)
class Clip:
    said: str
    pcm: bytes  # 16 kHz mono 16-bit


@dataclass(frozen=True)
class Score:
    words: int
    port: int  # errors
    direct: int


def to_speech(form, pcm: bytes) -> bytes:
    converter = Converter(form, SPEECH)
    return converter.process(pcm) + converter.flush()


def shared_recordings() -> list[Clip]:
    if not (AUDIO / "manifest.tsv").exists():
        return []
    with (AUDIO / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["kind"] == "speech"]
    return [
        Clip(r["transcript"], to_speech(*read_wav(AUDIO / r["file"])))
        for r in rows
        if r["lang"] == "en"
    ]


def other_recordings() -> list[Clip]:
    folder = os.environ.get("PARLOUR_SPEECH")
    if folder is None:
        return []
    return [
        Clip(path.read_text(encoding="utf-8"), to_speech(*read_wav(path.with_suffix(".wav"))))
        for path in sorted(Path(folder).glob("*.txt"))
    ]


def with_noise(clip: Clip, level: float, rng: np.random.Generator) -> Clip:
    samples = to_float32(clip.pcm)
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    noise *= np.sqrt(np.mean(samples**2)) / 10 ** (level / 20)
    mixed = np.clip((samples + noise) * 32768, -32768, 32767).astype("<i2")
    return Clip(clip.said, mixed.tobytes())


def joined(clips: list[Clip]) -> list[Clip]:
    pause = bytes(SPEECH.bytes_for(0.5))
    groups = [clips[at : at + LONG_CLIPS] for at in range(0, len(clips), LONG_CLIPS)]
    return [Clip(" ".join(c.said for c in g), pause.join(c.pcm for c in g)) for g in groups]


def words(text: str) -> list[str]:
    text = re.sub(r"\d+", lambda number: num2words(int(number[0])), text.lower())
    return re.findall(r"[\w']+", text.replace("mister", "mr"))


def errors(said: str, heard: str) -> int:
    """Levenshtein distance over words."""
    return distance(words(said), words(heard))


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
        segments, _ = model.transcribe(to_float32(clip.pcm), language="en")
        direct = " ".join(segment.text.strip() for segment in segments)
        count = len(words(clip.said))
        found.append(Score(count, errors(clip.said, port), errors(clip.said, direct)))
    return found


def show(label: str, found: list[Score]) -> float:
    """Print one line; return by how many points the port is worse."""
    table = np.array([(s.words, s.port, s.direct) for s in found], float)
    rng = np.random.default_rng(1)
    drawn = table[rng.integers(0, len(table), (RESAMPLINGS, len(table)))].sum(axis=1)
    low, high = np.percentile(100 * (drawn[:, 1] - drawn[:, 2]) / drawn[:, 0], (2.5, 97.5))
    total, port, direct = table.sum(axis=0)
    difference = 100 * (port - direct) / total
    print(
        f"{label:<34} {total:6.0f} words   port {100 * port / total:6.2f} %   "
        f"direct {100 * direct / total:6.2f} %   difference {difference:+.2f} points, "
        f"95 % of them {low:+.2f} to {high:+.2f}"
    )
    return difference


@pytest.fixture(scope="module")
def model():
    from faster_whisper import WhisperModel

    return WhisperModel(str(path_of(stt_model(Settings()))), device="cpu", compute_type="int8")


async def test_the_port_hears_as_well_as_the_model_called_directly(house, model, voice):
    spoken = [Clip(sentence, to_speech(VOICE, voice(sentence))) for sentence in SENTENCES]
    rng = np.random.default_rng(1)
    sets = {"recordings of ../shared/audio": shared_recordings()}
    sets["recordings of PARLOUR_SPEECH"] = other_recordings()
    people = [*sets["recordings of ../shared/audio"], *sets["recordings of PARLOUR_SPEECH"]]
    sets["people, many in one recording"] = joined(people)
    sets["our own voice"] = spoken
    for level in NOISE_LEVELS:
        sets[f"our own voice, noise {level} dB below"] = [
            with_noise(clip, level, rng) for clip in spoken
        ]
    sets["our own voice, many in one"] = joined(spoken)
    everything, of_people = [], []
    print()
    async with house.hub() as hub:
        for label, clips in sets.items():
            if not clips:
                print(f"{label:<34} none here")
                continue
            found = await scores(hub.service, model, clips)
            show(label, found)
            everything += found
            if "own voice" not in label:
                of_people += found
    if of_people:
        show("all of people", of_people)
    assert show("all", everything) <= 1.0
    assert sum(score.words for score in everything) >= 500
