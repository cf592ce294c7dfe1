from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import recording

from hub.conversation.nonsense import Verdict, judge
from hub.engines.base import VAD_FRAME_BYTES, Transcript
from hub.engines.faster_whisper import FasterWhisper
from hub.engines.silero import Silero
from hub.models.installed import ModelMissing, path_of

pytestmark = pytest.mark.models

RATE = 16000  # Hz


class Ears:
    """Speech-to-text and voice activity, as the pipeline has them."""

    def __init__(self, stt: FasterWhisper, vad: Silero) -> None:
        self.stt, self.vad = stt, vad

    async def judged(
        self, pcm: bytes, speech_seconds: float | None = None
    ) -> tuple[Verdict, Transcript]:
        if speech_seconds is None:
            stream, voiced = self.vad.stream(), 0
            for at in range(0, len(pcm) - VAD_FRAME_BYTES + 1, VAD_FRAME_BYTES):
                voiced += await stream.probability(pcm[at : at + VAD_FRAME_BYTES]) > 0.5
            speech_seconds = voiced * VAD_FRAME_BYTES / 2 / RATE
        heard = await self.stt.transcribe(pcm, language="en")
        return judge(heard, speech_seconds), heard


@pytest.fixture
async def ears() -> AsyncIterator[Ears]:
    try:
        model = path_of("whisper-tiny.en")
    except ModelMissing:
        pytest.skip("run make models")
    stt, vad = FasterWhisper(model, threads=1), Silero()
    await stt.load()
    await vad.load()
    yield Ears(stt, vad)
    await stt.close()
    await vad.close()


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2") / 32768


def as_pcm(sound: NDArray[np.float64]) -> bytes:
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


async def test_silence_white_noise_and_hum_never_reach_the_language_model(ears: Ears) -> None:
    rng, t = np.random.default_rng(3), np.arange(2 * RATE) / RATE
    sounds = {"silence": np.zeros(t.size)}
    for level in (0.01, 0.1, 0.3):
        sounds[f"white noise at {level}"] = rng.standard_normal(t.size) * level
        hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5))
        sounds[f"hum at {level}"] = np.asarray(hum) * level
    for name, sound in sounds.items():
        for speech_seconds in (0.3, 1.0):  # even where voice activity was fooled
            verdict, heard = await ears.judged(as_pcm(sound), speech_seconds)
            assert verdict is not Verdict.OK, f"{name}: {heard.text!r} passed"


async def test_room_noise_never_reaches_the_language_model(ears: Ears) -> None:
    noise = recording("noise_coffee_shop.wav")
    pieces = [noise, *(noise[at * 2 * RATE : (at + 2) * 2 * RATE] for at in range(0, 8, 2))]
    for pcm in [*pieces, as_pcm(samples(noise) * 0.1), as_pcm(samples(noise) * 3)]:
        verdict, heard = await ears.judged(pcm)
        assert verdict is not Verdict.OK, f"{heard.text!r} passed"


@pytest.mark.parametrize("decibels", [None, 10, 5])
async def test_real_speech_passes_in_quiet_and_in_noise(ears: Ears, decibels: int | None) -> None:
    for name in (
        "en_whats_the_weather.wav",
        "en_set_a_timer_for_30_seconds.wav",
        "en_light_roast_house_coffee.wav",
        "en_librivox_ill_disposed.wav",
        "en_jfk_ask_not.wav",
    ):
        speech = samples(recording(name))
        if decibels is not None:
            noise = np.resize(samples(recording("noise_coffee_shop.wav")), speech.size)
            gain = np.sqrt(np.mean(speech**2) / np.mean(noise**2)) / 10 ** (decibels / 20)
            speech = speech + noise * gain
        verdict, heard = await ears.judged(as_pcm(speech))
        assert verdict is Verdict.OK, f"{name}: {heard.text!r} was {verdict.value}"
