"""Wake-word models that come as files: ONNX on the original openwakeword package, and TFLite."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from wake_sounds import SILENCE, hits, names

from hub.models.catalogue import Model, ModelFile, Package, PackageSource, find_model
from hub.models.fetch import FetchFailed, fetch, models_dir
from satellite.config import WakeSettings, WordSettings
from satellite.wake.base import WakeError
from satellite.wake.words import open_wake

# A model that the package openwakeword 0.6 does not have, and so is as custom as any. It is for
# non-commercial use, so the project neither ships nor offers it.
PARROT = Model(
    name="test-wake-word",
    role="wake",
    licence="CC-BY-NC-SA-4.0",
    languages=("en",),
    provenance="dscripka/openWakeWord 0.5.1: its alexa_v0.1",
    files=(
        ModelFile(
            "parrot.onnx",
            854_246,
            "6ff566a01d12670e8d9e3c59da32651db1575d17272a601b7f8a39283dfbae3e",
        ),
    ),
    sources=(
        PackageSource(
            (
                Package(
                    "openwakeword",
                    "0.5.1",
                    {"openwakeword/resources/models/alexa_v0.1.onnx": "parrot.onnx"},
                ),
            )
        ),
    ),
)


def fetched(model, root=None):
    try:
        return fetch(model, root)
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def onnx():
    """Settings of a word with an ONNX model, and what makes its features."""
    if find_spec("openwakeword") is None:
        pytest.skip("the extra openwakeword is not installed (Python < 3.12 only)")
    features = fetched(find_model("openwakeword-features"))
    word = fetched(PARROT, models_dir().parent / "test-models") / "parrot.onnx"
    return word, features


def parrot(onnx, **word):
    path, features = onnx
    table = WordSettings("Hey Parrot", model=str(path), **word)
    return WakeSettings(word=(table,), onnx_features=str(features))


def test_a_custom_onnx_model_hears_its_word_alone(onnx, speak):
    wake = open_wake(parrot(onnx))
    assert [(m.name, m.phrase, m.program) for m in wake.models] == [
        ("hey_parrot", "Hey Parrot", "openwakeword")
    ]
    said = SILENCE + speak("Alexa.") + SILENCE * 2 + speak("What is the weather?") + SILENCE
    found = hits(wake, said)
    assert names(found) == ["hey_parrot"]
    wake = open_wake(parrot(onnx))
    assert hits(wake, said, 640) == found  # however it is cut


def test_it_hears_a_word_at_the_very_start_and_after_a_reset(onnx, speak):
    said = speak("Alexa.") + SILENCE * 3
    wake = open_wake(parrot(onnx))
    first = hits(wake, said)
    wake.reset()
    second = hits(wake, said)
    assert names(first + second) == ["hey_parrot"] * 2
    # Within one step: the first one may begin in mid-step.
    assert abs(second[0].position - first[0].position - len(said) // 2) <= 1280


def test_it_is_heard_beside_a_built_in_word_of_each_engine(onnx, speak):
    settings = parrot(onnx)
    words = (*settings.word, WordSettings("hey_jarvis"))
    words += (WordSettings("hey_mycroft", engine="openwakeword"),)
    wake = open_wake(WakeSettings(word=words, onnx_features=settings.onnx_features))
    said = SILENCE.join(speak(text) for text in ("Hey Jarvis.", "Alexa.", "Hey Mycroft."))
    assert names(hits(wake, said + SILENCE)) == ["hey_jarvis", "hey_parrot", "hey_mycroft"]


def test_without_the_feature_models_it_says_what_to_set(onnx, tmp_path):
    settings = WakeSettings(word=parrot(onnx).word, onnx_features=str(tmp_path))
    with pytest.raises(WakeError, match=re.escape("set wake.onnx_features to its folder")):
        open_wake(settings)


def test_a_file_that_is_no_onnx_model_is_refused(onnx, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    table = WordSettings("bad", model=str(tmp_path / "bad.onnx"))
    with pytest.raises(WakeError, match="cannot load wake words bad"):
        open_wake(WakeSettings(word=(table,), onnx_features=parrot(onnx).onnx_features))


def test_an_onnx_model_of_another_kind_is_refused(onnx):
    table = WordSettings("bad", model=str(onnx[1] / "embedding_model.onnx"))
    with pytest.raises(WakeError, match="cannot load wake words bad"):
        open_wake(WakeSettings(word=(table,), onnx_features=str(onnx[1])))


@pytest.mark.skipif(find_spec("openwakeword") is not None, reason="the package is installed")
def test_without_the_package_an_onnx_model_is_refused_with_what_to_install():
    with pytest.raises(WakeError, match=r"Python < 3\.12"):
        open_wake(WakeSettings(word=(WordSettings("a", model="/nowhere/a.onnx"),)))


@pytest.mark.parametrize(
    ("package", "file", "program"),
    [
        ("pyopen_wakeword", "alexa.tflite", "openwakeword"),
        ("pymicro_wakeword", "alexa.json", "microwakeword"),
    ],
)
def test_a_custom_model_of_the_light_engines_is_a_file_too(
    package,
    file,
    program,
    speak,
):
    model = Path(find_spec(package).origin).parent / "models" / file
    wake = open_wake(WakeSettings(word=(WordSettings("hey_parrot", model=str(model)),)))
    assert [model.program for model in wake.models] == [program]
    said = SILENCE + speak("Alexa.") + SILENCE + speak("What is the weather?") + SILENCE
    assert names(hits(wake, said)) == ["hey_parrot"]
