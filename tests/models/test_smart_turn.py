"""The real Smart Turn v3.2 on finished and unfinished speech, and on odd input."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recordings import recording

from hub.config import Settings, TurnSettings
from hub.conversation.end_of_turn import silence_wanted
from hub.engines import smart_turn
from hub.engines.base import BadInput, EngineError, EngineUnavailable
from hub.engines.registry import make_turn
from hub.engines.smart_turn import SmartTurn
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, from_float32

pytestmark = pytest.mark.models

PAUSE = bytes(SPEECH.bytes_for(0.2))


def model() -> Path:
    try:
        return path_of("smart-turn-v3.2")
    except ModelMissing:
        pytest.skip("run: make models")


@pytest.fixture(scope="module")
def turn() -> Iterator[SmartTurn]:
    engine = SmartTurn(model())
    asyncio.run(engine.load())
    yield engine
    asyncio.run(engine.close())


def up_to_its_last_word(name: str) -> bytes:
    pcm = recording(name)
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, np.int16).astype(int)) > 1000)
    return pcm[: 2 * int(loud[-1])]


def log_mel(samples):
    """Whisper's log-mel spectrogram, computed in another way: a DFT matrix, filters by formula."""
    samples = np.pad(samples[-128000:].astype(float), (128000 - len(samples[-128000:]), 0))
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    padded = np.pad(samples, 200, mode="reflect")
    frames = np.stack([padded[160 * k : 160 * k + 400] for k in range(800)])
    angles = 2 * np.pi * np.outer(np.arange(400), np.arange(201)) / 400
    frames = frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
    power = (frames @ np.cos(angles)) ** 2 + (frames @ np.sin(angles)) ** 2

    def hertz(mel):  # Slaney's scale: linear up to 1 kHz, then logarithmic
        return np.where(mel < 15, 200 / 3 * mel, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    edges = hertz(np.linspace(0, 15 + np.log(8) * 27 / np.log(6.4), 82))
    bins = np.arange(201) * 40.0
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    logs = np.log10(np.maximum(1e-10, filters @ power.T))
    return (np.maximum(logs, logs.max() - 8) + 4) / 4


@pytest.mark.parametrize("seconds", [0.2, 3.0, 8.0, 11.0])
def test_features_are_whispers_of_the_last_eight_seconds_with_zeros_in_front(seconds):
    rng = np.random.default_rng(3)
    loudness = 0.1 + 0.1 * np.sin(np.arange(round(seconds * 16000)) / 2000)
    pcm = from_float32((rng.standard_normal(len(loudness)) * loudness).astype(np.float32))
    features = smart_turn._load(model()).features(pcm)
    assert features.shape == (80, 800)
    assert features.dtype == np.float32
    expected = log_mel(np.frombuffer(pcm, np.int16) / 32768)
    assert np.abs(features - expected).max() < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "en_set_a_timer_for_30_seconds.wav",
        "en_whats_the_weather.wav",
        "en_light_roast_house_coffee.wav",
        "fr_allume_la_lumiere.wav",
        "fr_quelle_heure_est_il.wav",
    ],
)
async def test_people_who_have_finished_sound_finished(turn, name):
    assert await turn.probability(up_to_its_last_word(name) + PAUSE) > 0.9


async def test_somebody_who_speaks_half_a_sentence_does_not(turn):
    whole = up_to_its_last_word("en_light_roast_house_coffee.wav")
    assert await turn.probability(whole + PAUSE) > 0.9
    part = whole[: SPEECH.bytes_for(0.6 * SPEECH.seconds(len(whole)))]
    assert await turn.probability(part + PAUSE) < 0.5


async def test_our_own_voice_sounds_finished_at_the_end_far_more_often_than_within(turn, speak):
    within = []
    for sentence in (
        "Turn off the lights in the kitchen.",
        "What is the weather like in Berlin tomorrow?",
        "Please remind me to call my mother tonight.",
        "How long should I boil an egg?",
    ):
        whole = speak(sentence)
        assert await turn.probability(whole + PAUSE) > 0.94
        for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
            part = whole[: SPEECH.bytes_for(share * SPEECH.seconds(len(whole)))]
            within.append(await turn.probability(part + PAUSE))
    assert np.mean(np.array(within) > 0.94) <= 0.5


@pytest.mark.parametrize("word", ["Yes.", "No.", "Stop.", "Yes please."])
async def test_a_short_answer_ends_the_turn_at_once(turn, speak, word):
    probability = await turn.probability(speak(word) + PAUSE)
    assert probability > 0.5
    assert silence_wanted(probability, word, TurnSettings()) <= 0.3


@pytest.mark.parametrize("seconds", [0.0, 0.2, 60.0])
async def test_no_sound_a_little_and_a_minute_of_it_are_all_heard(turn, seconds):
    noise = np.random.default_rng(1).integers(-500, 500, round(16000 * seconds))
    assert 0.0 <= await turn.probability(noise.astype("<i2").tobytes()) <= 1.0


async def test_only_the_last_eight_seconds_count(turn):
    rng = np.random.default_rng(1)
    last = rng.integers(-500, 500, 8 * 16000).astype("<i2").tobytes()
    before = rng.integers(-20000, 20000, 4 * 16000).astype("<i2").tobytes()
    assert await turn.probability(before + last) == await turn.probability(last)


async def test_half_a_sample_is_refused_and_the_model_goes_on(turn):
    with pytest.raises(BadInput, match="no whole number of samples"):
        await turn.probability(b"\0\0\0")
    assert 0.0 <= await turn.probability(PAUSE) <= 1.0


async def test_a_model_that_is_not_loaded_says_so():
    engine = SmartTurn(model())
    try:
        with pytest.raises(EngineUnavailable, match="not loaded"):
            await engine.probability(PAUSE)
    finally:
        await engine.close()


async def test_a_file_that_is_no_model_is_refused_with_its_name(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    engine = SmartTurn(tmp_path)
    try:
        with pytest.raises(EngineError, match=r"broken\.onnx does not load"):
            await engine.load()
    finally:
        await engine.close()


async def test_a_folder_without_a_model_is_unavailable(tmp_path):
    engine = SmartTurn(tmp_path)
    try:
        with pytest.raises(EngineUnavailable, match="no ONNX file"):
            await engine.load()
    finally:
        await engine.close()


def test_a_model_that_was_not_fetched_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"models pull smart-turn-v3\.2"):
        make_turn(Settings())
    with pytest.raises(EngineUnavailable, match=r"Did you mean 'smart-turn-v3\.2'"):
        make_turn(Settings(turn=TurnSettings(model="smart-turn-v3")))
