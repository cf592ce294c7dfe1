"""Speech to transcribe, with what is said in it: recorded from people, mixed with noise, our own.

Recordings of people come from ../shared/audio and, as pairs of NAME.wav and NAME.txt, from the
folder that PARLOUR_SPEECH names; where there are none, the hub's own voice and noise must do.
"""

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from num2words import num2words
from processes import VOICE
from recordings import AUDIO
from sentences import SENTENCES
from words import distance

from protocol.audio import SPEECH, Converter, read_wav, to_float32

NOISE_LEVELS = (20, 10, 5)  # dB below the speech
ROOM_NOISE = AUDIO / "noise_coffee_shop.wav"
ROOM_LEVELS = (10, 5)
_LONG_CLIPS = 8  # in one long recording, half a second between them


@dataclass(frozen=True)
class Clip:
    said: str
    pcm: bytes  # 16 kHz mono 16-bit

    @property
    def seconds(self) -> float:
        return SPEECH.seconds(len(self.pcm))


def clip_sets(voice) -> dict[str, list[Clip]]:
    """Return all there is, by kind; a kind that this machine has none of is empty."""
    rng = np.random.default_rng(1)
    shared, other = shared_recordings(), other_recordings()
    people, own = [*shared, *other], own_voice(voice)
    sets = {"recordings of ../shared/audio": shared, "recordings of PARLOUR_SPEECH": other}
    for level in ROOM_LEVELS:
        label = f"recordings, room noise {level} dB below"
        sets[label] = [with_room_noise(clip, level, rng) for clip in people if ROOM_NOISE.exists()]
    sets["recordings, many in one"] = joined(people)
    sets["our own voice"] = own
    for level in NOISE_LEVELS:
        sets[f"our own voice, noise {level} dB below"] = [with_noise(c, level, rng) for c in own]
    sets["our own voice, many in one"] = joined(own)
    return sets


def of_people(label: str) -> bool:
    """Say whether a set of `clip_sets` was recorded from people."""
    return "own voice" not in label


def shared_recordings() -> list[Clip]:
    if not (AUDIO / "manifest.tsv").exists():
        return []
    with (AUDIO / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["kind"] == "speech"]
    return [
        Clip(r["transcript"], _to_speech(*read_wav(AUDIO / r["file"])))
        for r in rows
        if r["lang"] == "en"
    ]


def other_recordings() -> list[Clip]:
    folder = os.environ.get("PARLOUR_SPEECH")
    if folder is None:
        return []
    return [
        Clip(path.read_text(encoding="utf-8"), _to_speech(*read_wav(path.with_suffix(".wav"))))
        for path in sorted(Path(folder).glob("*.txt"))
    ]


def own_voice(voice) -> list[Clip]:
    return [Clip(sentence, _to_speech(VOICE, voice(sentence))) for sentence in SENTENCES]


def with_noise(clip: Clip, level: float, rng: np.random.Generator) -> Clip:
    """Mix with white noise, `level` dB below the speech."""
    noise = rng.standard_normal(len(clip.pcm) // 2).astype(np.float32)
    return _mixed(clip, noise, level)


def with_room_noise(clip: Clip, level: float, rng: np.random.Generator) -> Clip:
    """Mix with some of the restaurant of ../shared/audio, `level` dB below the speech."""
    _, pcm = read_wav(ROOM_NOISE)
    noise = to_float32(pcm)
    return _mixed(clip, np.roll(noise, rng.integers(len(noise))), level)


def _mixed(clip: Clip, noise, level: float) -> Clip:
    samples = to_float32(clip.pcm)
    noise = np.resize(noise, len(samples))
    gain = np.sqrt(np.mean(samples**2) / np.mean(noise**2)) / 10 ** (level / 20)
    mixed = np.clip((samples + noise * gain) * 32768, -32768, 32767).astype("<i2")
    return Clip(clip.said, mixed.tobytes())


def joined(clips: list[Clip]) -> list[Clip]:
    pause = bytes(SPEECH.bytes_for(0.5))
    groups = [clips[at : at + _LONG_CLIPS] for at in range(0, len(clips), _LONG_CLIPS)]
    return [Clip(" ".join(c.said for c in g), pause.join(c.pcm for c in g)) for g in groups]


def _to_speech(form, pcm: bytes) -> bytes:
    converter = Converter(form, SPEECH)
    return converter.process(pcm) + converter.flush()


def words(text: str) -> list[str]:
    text = re.sub(r"\d+", lambda number: num2words(int(number[0])), text.lower().replace("-", " "))
    return re.findall(r"[\w']+", text.replace("mister", "mr"))


def errors(said: str, heard: str) -> int:
    """Levenshtein distance over words."""
    return distance(words(said), words(heard))
