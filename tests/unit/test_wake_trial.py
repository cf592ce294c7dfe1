"""Custom wake word models that are damaged or another program's: refused, and nothing crashes."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from hub.config import WakeSettings as HubWakeSettings
from hub.config import WordSettings as HubWordSettings
from hub.engines.base import EngineError
from hub.engines.wake_words import WakeWords
from satellite.command import run_command
from satellite.config import WakeSettings, WordSettings
from satellite.wake.base import WakeError
from satellite.wake.words import open_wake

OPEN, MICRO = (
    Path(find_spec(package).origin).parent / "models"
    for package in ("pyopen_wakeword", "pymicro_wakeword")
)


def described(folder, model):
    """A microWakeWord .json that names `model`."""
    path = folder / "word.json"
    path.write_text(json.dumps(json.loads((MICRO / "alexa.json").read_text()) | {"model": model}))
    return path


def half(folder, model):
    data = model.read_bytes()
    (folder / "half.tflite").write_bytes(data[: len(data) // 2])
    return folder / "half.tflite"


def microwakeword_s_own_file(folder):
    return MICRO / "alexa.tflite"


def half_an_openwakeword_model(folder):
    return half(folder, OPEN / "alexa.tflite")


def half_a_microwakeword_model(folder):
    return described(folder, half(folder, MICRO / "alexa.tflite").name)


def an_openwakeword_model_as_microwakeword_s(folder):
    return described(folder, shutil.copy(OPEN / "alexa.tflite", folder / "open.tflite").name)


def another_kind_of_model(folder):
    return OPEN / "melspectrogram.tflite"


WRONG = pytest.mark.parametrize(
    "make",
    [
        half_an_openwakeword_model,
        microwakeword_s_own_file,
        half_a_microwakeword_model,
        an_openwakeword_model_as_microwakeword_s,
        another_kind_of_model,
    ],
)


@WRONG
def test_the_satellite_refuses_a_wrong_model_in_one_line(make, tmp_path):
    settings = WakeSettings(word=(WordSettings("parrot", model=str(make(tmp_path))),))
    with pytest.raises(WakeError, match=r"^cannot load wake word 'parrot': .+$"):
        open_wake(settings)


@WRONG
async def test_the_hub_refuses_a_wrong_model_in_one_line(make, tmp_path):
    word = HubWordSettings("parrot", model=str(make(tmp_path)))
    engine = WakeWords(HubWakeSettings(word=(word,)))
    try:
        with pytest.raises(EngineError, match=r"^cannot load wake word 'parrot': .+$"):
            await engine.load()
    finally:
        await engine.close()


async def test_the_hub_takes_a_right_one(tmp_path):
    words = (
        HubWordSettings("parrot", model=str(OPEN / "alexa.tflite")),
        HubWordSettings("budgie", model=str(MICRO / "alexa.json")),
    )
    engine = WakeWords(HubWakeSettings(word=words))
    try:
        await engine.load()
    finally:
        await engine.close()


def test_a_microwakeword_model_without_its_json_is_refused_with_what_to_name(tmp_path, capsys):
    config = tmp_path / "satellite.toml"
    model = MICRO / "alexa.tflite"
    config.write_text(f'[[wake.word]]\nname = "parrot"\nmodel = "{model}"\n')
    devices = ("--microphone", "silence", "--speaker", "null")
    hub = ("--hub", "tcp://127.0.0.1:1")
    assert run_command(["run", "--config", str(config), *hub, *devices]) == 78
    assert "is named by its .json file" in capsys.readouterr().err


def test_it_is_tried_with_nothing_that_lies_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text(f"import os; os.mkdir({str(tmp_path / 'was run')!r})")
    monkeypatch.chdir(tmp_path)
    open_wake(WakeSettings(word=(WordSettings("parrot", model=str(MICRO / "alexa.json")),)))
    assert not (tmp_path / "was run").exists()
