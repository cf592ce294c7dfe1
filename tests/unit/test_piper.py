"""Piper where it is not installed: each message says what to do. (It speaks in tests/e2e.)"""

import importlib.util

import pytest

from hub.config import Settings, TtsSettings
from hub.engines.base import EngineUnavailable
from hub.engines.choices import PIPER_VOICE, default_models
from hub.engines.piper import Piper
from hub.models.catalogue import find_model


def test_the_hubs_own_environment_has_no_piper():
    assert importlib.util.find_spec("piper") is None


def test_the_voice_of_piper_is_fetched_where_piper_is_chosen_and_only_there():
    assert find_model(PIPER_VOICE).role == "tts"
    assert PIPER_VOICE in default_models(Settings(tts=TtsSettings(engine="piper")))
    assert PIPER_VOICE not in default_models(Settings())
    own = Settings(tts=TtsSettings(engine="piper", model="/voices/de_DE-thorsten-low.onnx"))
    assert PIPER_VOICE not in default_models(own)


def test_a_voice_that_is_not_fetched_yet_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=f"models pull {PIPER_VOICE}"):
        Piper(TtsSettings(engine="piper"))


@pytest.mark.parametrize(
    ("files", "named"),
    [((), "v.onnx"), (("v.onnx",), "v.onnx"), (("v.bin", "v.bin.json"), "v.bin")],
)
def test_a_file_that_is_no_voice_of_pipers_is_told(tmp_path, files, named):
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(EngineUnavailable, match=r"tts\.model: no voice .*\.onnx\.json beside it"):
        Piper(TtsSettings(engine="piper", model=str(tmp_path / named)))


async def test_without_the_library_it_says_what_to_run(tmp_path):
    for file in ("v.onnx", "v.onnx.json"):
        (tmp_path / file).touch()
    engine = Piper(TtsSettings(engine="piper", model=str(tmp_path / "v.onnx")))
    try:
        with pytest.raises(EngineUnavailable, match="run: make piper"):
            await engine.load()
    finally:
        await engine.close()
