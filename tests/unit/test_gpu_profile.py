"""`parlour-hub doctor --profile`, and what doctor says of a GPU, with a program for nvidia-smi."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from hub.__main__ import main
from hub.commands import doctor
from hub.commands.profile import fits, profile, told
from hub.config import LlmSettings, Settings, SttSettings, load_settings
from hub.engines.choices import check, default_models
from hub.engines.gpu import Gpu, GpuReport
from hub.engines.gpu_plan import plan
from hub.engines.registry import make_llm, make_stt
from hub.models.fetch import ModelMissing, path_of
from protocol.settings import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"
NONE = GpuReport((), "no NVIDIA GPU is in this machine", present=False)


def card(gigabytes, free=None, uuid="GPU-aaaa"):
    memory = gigabytes * 1024
    left = memory - 150 if free is None else free
    return Gpu("NVIDIA RTX", uuid, memory, left, "580.95", (8, 6))


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(*lines, code=0):
        said = "\n".join(lines)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit {code}\n")
        program.chmod(0o755)

    return put


@pytest.mark.parametrize("gigabytes", [1, 2, 4, 6, 8, 12, 16, 24, 80])
@pytest.mark.parametrize("language", ["en", "de", "sv"])
def test_what_a_profile_says_passes_the_hub_s_own_check(tmp_path, gigabytes, language):
    path = tmp_path / "hub.toml"
    path.write_text(profile(GpuReport((card(gigabytes),)), language))
    settings = load_settings(path)
    check(settings)
    assert settings.language == language
    chosen = plan(gigabytes * 1024, gigabytes * 1024 - 150, parler=language != "sv")
    assert (settings.stt.device == "cuda") == (chosen.stt is not None)
    assert (settings.llm.gpu_layers == -1) == (chosen.llm is not None)
    assert (settings.tts.engine == "parler") == chosen.parler
    if language == "de" and chosen.parler:
        assert "multilingual" in settings.tts.model


@pytest.mark.parametrize(("gigabytes", "alone"), [(4, 0), (8, 1), (16, 2)])
def test_a_profile_says_of_which_models_the_package_index_has_none(gigabytes, alone):
    text = profile(GpuReport((card(gigabytes),)), "en")
    assert text.count("It comes from the model hub alone.") == alone


@pytest.mark.parametrize("language", ["en", "de"])
def test_without_a_gpu_the_profile_is_for_the_processor_and_says_so(tmp_path, language):
    path = tmp_path / "hub.toml"
    path.write_text(profile(NONE, language))
    assert "# For the processor: no NVIDIA GPU is in this machine." in path.read_text()
    settings = load_settings(path)
    check(settings)
    assert settings.stt.device == "cpu"
    assert settings.llm.gpu_layers == 0


def test_of_two_cards_the_one_with_more_free_memory_is_planned_for_and_named():
    text = profile(GpuReport((card(12, uuid="GPU-big"), card(8, uuid="GPU-small"))), "en")
    assert "CUDA_VISIBLE_DEVICES=GPU-big" in text
    assert "GPU-small" not in text
    assert "CUDA_VISIBLE_DEVICES" not in profile(GpuReport((card(12),)), "en")


def test_a_profile_is_written_once_and_replaced_only_when_told(
    tmp_path, nvidia_smi, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    nvidia_smi("NVIDIA RTX, GPU-a, 8192, 8000, 580.95, 8.6")
    assert main(["doctor", "--profile"]) == 0
    said = capsys.readouterr().out
    assert "together fit: whisper-large-v3-turbo (int8_float16)" in said
    assert "make install-gpu" in said
    assert "make parler MODEL=parler-tts-mini-v1" in said
    assert load_settings(Path("hub.toml")).stt.device == "cuda"
    Path("hub.toml").write_text("mine")
    assert main(["doctor", "--profile"]) == 1
    assert "hub.toml is there already; name another file, or add --replace" in (
        capsys.readouterr().err
    )
    assert Path("hub.toml").read_text() == "mine"
    assert main(["doctor", "--profile", "hub.toml", "--replace"]) == 0
    assert load_settings(Path("hub.toml")).tts.engine == "parler"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bin", tmp_path / "hub.toml"]


def test_a_profile_for_a_folder_that_is_not_there_names_the_folder(tmp_path, nvidia_smi, capsys):
    nvidia_smi("NVIDIA RTX, GPU-a, 8192, 8000, 580.95, 8.6")
    assert main(["doctor", "--profile", str(tmp_path / "none" / "hub.toml")]) == 1
    assert f"there is no folder {tmp_path}/none; make it" in capsys.readouterr().err


def test_a_profile_for_piper_says_that_it_takes_its_environment_and_a_voice(
    tmp_path, nvidia_smi, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    nvidia_smi("NVIDIA RTX, GPU-a, 8192, 8000, 580.95, 8.6")
    Path("sv.toml").write_text('language = "sv"\n')
    assert main(["--config", "sv.toml", "doctor", "--profile"]) == 0
    assert "  make piper " in capsys.readouterr().out
    text = Path("hub.toml").read_text()
    assert "# model = " in text
    assert "voice =" not in text


def test_a_driver_that_is_too_old_for_parler_is_told():
    old = Gpu("NVIDIA RTX", "GPU-a", 8192, 8000, "550.163", (8, 6))
    said = told(GpuReport((old,)), "en")
    assert "Parler stays on the processor" in said
    assert "update it to 580 or newer" in said
    assert "Parler stays" not in told(GpuReport((card(8),)), "en")


def test_a_profile_that_cannot_be_written_leaves_nothing_behind(
    tmp_path, nvidia_smi, monkeypatch, capsys
):
    nvidia_smi("No devices were found", code=6)
    assert main(["doctor", "--profile", str(tmp_path / "nowhere" / "hub.toml")]) == 1
    assert "nowhere" in capsys.readouterr().err

    def refuse(_):
        raise ConfigError("tts.engine: no engine 'parler'")

    monkeypatch.setattr("hub.commands.profile.check", refuse)
    assert main(["doctor", "--profile", str(tmp_path / "hub.toml")]) == os.EX_CONFIG
    assert list(tmp_path.iterdir()) == [tmp_path / "bin"]


def test_what_a_gpu_is_worth_is_told_in_two_lines():
    text = told(GpuReport((card(8), card(4))), "en")
    first, second = text.splitlines()
    assert first == "NVIDIA RTX (and 1 more), 7.9 of 8.0 GB free, driver 580.95, can compute 8.6"
    assert second.endswith("Parler mini; about 6.4 GB")
    assert "together fit: nothing" in told(GpuReport((card(8, free=300),)), "en")


@pytest.mark.models
@pytest.mark.parametrize(
    ("section", "make"),
    [
        ({"stt": SttSettings(model="whisper-tiny.en", device="cuda")}, make_stt),
        (
            {"llm": LlmSettings(model="qwen2.5-coder-0.5b-instruct-q4_k_m", gpu_layers=-1)},
            make_llm,
        ),
    ],
    ids=["speech-to-text", "language model"],
)
def test_doctor_marks_an_engine_that_fell_back_and_says_what_to_do(
    nvidia_smi, section, make, caplog
):
    for name in default_models(Settings(**section)):
        try:
            path_of(name)
        except ModelMissing:
            pytest.skip("run: make models")
    nvidia_smi("NVIDIA RTX, GPU-a, 8192, 8000, 470.10, 8.6")
    good, text = asyncio.run(doctor._engine(make, Settings(**section)))
    assert good is None
    assert "on cpu; on the processor, not on the GPU: " in text
    assert re.search("update it to|run make install-gpu", text)
    assert len([1 for record in caplog.records if "not on the GPU" in record.message]) == 1


async def test_doctor_marks_a_driver_that_does_not_work_but_not_a_machine_without_gpu(nvidia_smi):
    nvidia_smi("Failed to initialize NVML: Driver/library version mismatch", code=18)
    good, text = await doctor._gpu(Settings())
    assert good is None
    assert "restart the machine" in text


def test_the_page_about_gpus_says_what_the_plan_says():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| \d+ GB \|", line)
    ]
    assert [row[0] for row in rows] == [f"{size} GB" for size in (2, 4, 6, 8, 10, 12, 16, 24)]
    for size, *cells in rows:
        memory = int(size.split()[0]) * 1024
        chosen = plan(memory, memory - 150)
        stt = f"{chosen.stt.model}, {chosen.stt.compute_type}" if chosen.stt else "processor"
        llm = (
            f"{chosen.llm.model}, {chosen.llm.context_tokens} tokens" if chosen.llm else "processor"
        )
        voice = "Parler mini" if chosen.parler else "hibari, on the processor"
        assert cells == [stt, llm, voice, f"{chosen.memory / 1024:.1f} GB"]
        assert fits(chosen).endswith(cells[-1])
