"""The satellite's own sounds."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from protocol.audio import PcmFormat, level, read_wav
from satellite.feedback import Sound, load_sounds

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("sound", list(Sound))
def test_every_sound_is_short_audible_and_does_not_click(sound):
    audio_format, pcm = read_wav(ROOT / "satellite" / "sounds" / f"{sound}.wav")
    assert audio_format == PcmFormat(16000, 2, 1)
    assert audio_format.seconds(len(pcm)) < 0.5
    assert -30 < level(pcm) < -10
    samples = np.frombuffer(pcm, "<i2")
    assert abs(int(samples[0])) < 100
    assert abs(int(samples[-1])) < 100


def test_the_committed_sounds_are_what_the_script_makes(tmp_path):
    script = ROOT / "deploy" / "make_sounds.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    for sound in Sound:
        made = read_wav(tmp_path / f"{sound}.wav")
        kept = read_wav(ROOT / "satellite" / "sounds" / f"{sound}.wav")
        assert made[0] == kept[0]
        # another numpy may round a sample the other way
        difference = np.frombuffer(made[1], "<i2").astype(int) - np.frombuffer(kept[1], "<i2")
        assert np.abs(difference).max() <= 1


def test_sounds_come_in_the_speaker_s_format():
    sounds = load_sounds(PcmFormat(48000, 2, 2))
    assert set(sounds) == set(Sound)
    assert len(sounds[Sound.AWAKE]) == pytest.approx(0.15 * 48000 * 4, rel=0.01)
