"""Engine names to engines; errors that say what to do; nothing loaded before it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hub.config import LlmSettings, Settings, SttSettings, TtsSettings, TurnSettings
from hub.engines import choices
from hub.engines.base import EngineUnavailable
from hub.engines.choices import (
    available_memory,
    check,
    default_models,
    llm_model,
    stt_languages,
    stt_model,
)
from hub.engines.registry import make_llm, make_stt, make_tts, make_vad
from protocol.settings import ConfigError

ROOT = Path(__file__).resolve().parents[2]
MODEL_LIBRARIES = ("faster_whisper", "ctranslate2", "llama_cpp", "hibari", "onnxruntime", "torch")


def settings(**changes):
    return msgspec.structs.replace(Settings(), **changes)


@pytest.mark.parametrize(
    ("make", "changes", "there_are"),
    [
        (make_stt, {"stt": SttSettings(engine="whispr")}, "faster-whisper"),
        (make_llm, {"llm": LlmSettings(engine="gpt")}, "llama-cpp"),
        (make_tts, {"tts": TtsSettings(engine="espeak")}, "hibari"),
    ],
)
def test_an_unknown_engine_is_refused_with_those_that_there_are(make, changes, there_are):
    with pytest.raises(ConfigError, match=rf"engine: no engine '\w+'; there are: .*{there_are}"):
        make(settings(**changes))


def test_a_language_that_the_voice_does_not_speak_is_refused():
    with pytest.raises(ConfigError, match="hibari does not speak 'de', only: en") as german:
        check(settings(language="de"))
    assert 'tts.model = "parler-tts-mini-multilingual-v1.1", or tts.engine = "piper"' in (
        str(german.value)
    )
    with pytest.raises(ConfigError, match="hibari does not speak 'sv'") as swedish:
        check(settings(language="sv"))
    assert "parler" not in str(swedish.value)


def test_an_unknown_voice_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match="no voice 'bella'; there are: heart"):
        check(settings(tts=TtsSettings(voice="bella")))


def test_a_model_of_another_role_is_refused():
    with pytest.raises(ConfigError, match=r"whisper-tiny\.en is no llm model; there are: qwen"):
        check(settings(llm=LlmSettings(model="whisper-tiny.en")))


def test_the_defaults_pass_the_check():
    check(Settings())


def test_the_smallest_model_that_knows_the_language_is_taken():
    assert stt_model(Settings()) == "whisper-tiny.en"
    assert stt_model(settings(language="de")) == "whisper-base"
    assert stt_model(settings(language="de", stt=SttSettings(model="mine"))) == "mine"


def test_the_default_models_are_one_for_each_role_and_of_the_catalogue():
    stt, llm, turn = default_models(Settings())
    assert stt == "whisper-tiny.en"
    assert llm == llm_model(LlmSettings())
    assert turn == "smart-turn-v3.2"
    mine = settings(llm=LlmSettings(model="elsewhere.gguf"), turn=TurnSettings(model=""))
    assert default_models(mine) == ["whisper-tiny.en"]


def test_the_end_of_turn_model_may_be_none_or_a_file_but_no_other_kind(tmp_path):
    check(settings(turn=TurnSettings(model="")))
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(b"")
    check(settings(turn=TurnSettings(model=str(mine))))
    with pytest.raises(ConfigError, match=r"whisper-tiny\.en is no turn model; there are: smart"):
        check(settings(turn=TurnSettings(model="whisper-tiny.en")))
    with pytest.raises(ConfigError, match=r"turn\.model: no file or model 'smart-turn'"):
        check(settings(turn=TurnSettings(model="smart-turn")))


def test_an_unknown_model_is_refused_with_a_spelling():
    with pytest.raises(EngineUnavailable, match=r"Did you mean 'whisper-tiny\.en'"):
        make_stt(settings(stt=SttSettings(model="whisper-tiny-en")))
    with pytest.raises(EngineUnavailable, match="Did you mean 'qwen2"):
        make_llm(settings(llm=LlmSettings(model="qwen2.5-coder-0.5b-instruct")))


@pytest.mark.parametrize("make", [make_stt, make_llm])
def test_a_model_that_is_not_here_is_named_with_what_to_run(make, tmp_path, monkeypatch):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path / "nothing"))
    with pytest.raises(EngineUnavailable, match=r"missing; run: parlour-hub models pull \w+"):
        make(Settings())


def test_a_folder_without_a_gguf_is_named(tmp_path):
    with pytest.raises(EngineUnavailable, match=f"no GGUF file in {tmp_path}"):
        make_llm(settings(llm=LlmSettings(model=str(tmp_path))))


def test_a_path_is_taken_as_it_stands(tmp_path):
    (tmp_path / "mine.gguf").touch()
    for name in (tmp_path, tmp_path / "mine.gguf"):
        assert make_llm(settings(llm=LlmSettings(model=str(name)))).name == "llama-cpp"
    assert make_stt(settings(stt=SttSettings(model=str(tmp_path)))).name == "faster-whisper"


def test_making_an_engine_loads_no_library():
    program = f"""
import sys
import hub.app, hub.__main__, hub.commands.serve
from hub.config import Settings
from hub.engines import registry
registry.make_tts(Settings()); registry.make_vad(Settings())
import hub.engines.llama_cpp, hub.engines.faster_whisper
print([name for name in {MODEL_LIBRARIES!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr


async def test_the_detector_needs_no_settings():
    vad = make_vad(Settings())
    assert vad.name == "silero"
    await vad.close()


@pytest.mark.parametrize(
    ("cores", "gigabytes", "here", "chosen"),
    [
        (2, 16, "", "0.5b"),
        (8, 3, "", "0.5b"),
        (8, 16, "", "1.5b"),
        (8, 16, "0.5b", "0.5b"),
        (8, 16, "0.5b 1.5b", "1.5b"),
        (2, 16, "1.5b", "1.5b"),
        (2, 16, "0.5b 1.5b", "0.5b"),
    ],
)
def test_the_machine_and_what_is_here_choose_the_language_model(
    monkeypatch, cores, gigabytes, here, chosen
):
    monkeypatch.setattr(choices.os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(choices, "available_memory", lambda: gigabytes << 30)
    monkeypatch.setattr(choices, "_is_here", lambda name: any(s in name for s in here.split()))
    assert chosen in llm_model(LlmSettings())


def test_memory_that_caches_hold_counts_as_available():
    assert available_memory() >= os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def test_several_languages_take_a_model_that_knows_them_all_the_house_s_own_first():
    several = settings(language="de", stt=SttSettings(languages=("en", "de")))
    assert stt_model(several) == "whisper-base"
    assert stt_languages(several) == ("de", "en")
    assert stt_languages(settings(language="de")) == ("de",)
    assert stt_languages(Settings()) == ("en",)


def test_a_model_that_lacks_one_of_the_languages_is_refused():
    lacking = SttSettings(model="whisper-tiny.en", languages=("en", "fr"))
    with pytest.raises(ConfigError, match=r"whisper-tiny\.en does not know fr, only: en"):
        stt_languages(settings(stt=lacking))


def test_the_hubs_own_language_is_among_those_that_are_spoken():
    with pytest.raises(ConfigError, match=r"stt\.languages: add en"):
        check(settings(stt=SttSettings(languages=("de", "fr"))))
