"""microWakeWord with its real models, on recordings and on the hub's own voice."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from protocol.audio import from_float32
from satellite.audio.wave_files import load_speech
from satellite.config import WakeSettings
from satellite.wake.base import WakeError
from satellite.wake.microwakeword import MicroWakeWords

pytestmark = pytest.mark.models

AUDIO = Path(__file__).resolve().parents[2].parent / "shared" / "audio"
FRAME = 1024  # bytes
SILENCE = bytes(32000)


def recording(name):
    path = AUDIO / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    return load_speech(path)


def hits(words, pcm):
    return [
        hit
        for start in range(0, len(pcm) - FRAME + 1, FRAME)
        if (hit := words.process(pcm[start : start + FRAME])) is not None
    ]


def last_audible(pcm, threshold=0.05):
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(int))
    return int(np.flatnonzero(samples > threshold * samples.max())[-1])


@pytest.fixture(scope="module")
def speak():
    hibari = pytest.importorskip("hibari", reason="the hub's voice is not installed")
    voice = hibari.Hibari(threads=1)

    def say(text):
        audio = np.concatenate(list(voice.stream(text, seed=1))).astype(np.float32)
        speech = soxr.resample(audio, hibari.SAMPLE_RATE, 16000) * 0.6
        audible = np.flatnonzero(np.abs(speech) > 0.02 * np.abs(speech).max())
        return from_float32(speech[audible[0] : audible[-1] + 1])

    return say


@pytest.mark.parametrize(
    ("name", "word"), [("wake_alexa.wav", "alexa"), ("wake_hey_mycroft.wav", "hey_mycroft")]
)
def test_a_recorded_wake_word_is_heard_soon_enough_for_the_pre_roll(name, word):
    pcm = recording(name)
    words = MicroWakeWords(["alexa", "hey_mycroft", "hey_jarvis", "okay_nabu"])
    found = hits(words, SILENCE * 2 + pcm + SILENCE * 2)
    assert [hit.name for hit in found] == [word]
    end = len(SILENCE) + last_audible(pcm)
    assert found[0].position - end <= WakeSettings().pre_roll * 16000


@pytest.mark.parametrize(("text", "word"), [("Hey Jarvis.", "hey_jarvis"), ("Alexa.", "alexa")])
@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_speech_right_after_the_wake_word_is_never_clipped(speak, text, word, gap):
    wake_word = speak(text)
    question = speak("What is the capital of France?")
    begin = len(SILENCE) * 2 + len(wake_word) + round(gap * 16000) * 2
    pcm = SILENCE * 2 + wake_word + bytes(round(gap * 16000) * 2) + question + SILENCE
    found = hits(MicroWakeWords([word]), pcm)
    assert len(found) == 1
    assert found[0].position - WakeSettings().pre_roll * 16000 <= begin // 2


@pytest.mark.parametrize(
    "name",
    [
        "en_jfk_ask_not.wav",
        "en_light_roast_house_coffee.wav",
        "en_whats_the_weather.wav",
        "noise_coffee_shop.wav",
    ],
)
def test_ordinary_speech_and_noise_wake_nobody(name):
    words = MicroWakeWords(["alexa", "hey_mycroft", "hey_jarvis", "okay_nabu"])
    assert hits(words, SILENCE + recording(name) + SILENCE) == []


def test_one_word_said_is_one_detection_and_after_the_refractory_time_another(speak):
    said = speak("Hey Jarvis.") + SILENCE
    words = MicroWakeWords(["hey_jarvis"], refractory=2.0)
    found = hits(words, SILENCE * 2 + said + said + SILENCE * 2 + said)
    assert len(found) == 2
    assert found[1].position - found[0].position >= 2 * 16000


def test_the_threshold_is_honoured(speak):
    said = SILENCE * 2 + speak("Hey Jarvis.") + SILENCE
    assert hits(MicroWakeWords(["hey_jarvis"], threshold=0.9999), said) == []


def test_after_a_reset_the_word_is_heard_again_and_positions_go_on(speak):
    said = SILENCE * 2 + speak("Hey Jarvis.") + SILENCE * 3
    words = MicroWakeWords(["hey_jarvis"])
    first = hits(words, said)
    words.reset()
    second = hits(words, said)
    assert len(first) == len(second) == 1
    assert second[0].position > first[0].position


def test_an_unknown_word_is_refused_with_what_there_is():
    with pytest.raises(WakeError, match="hey_jarvis"):
        MicroWakeWords(["hey_siri"])
