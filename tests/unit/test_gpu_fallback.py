"""Engines that are to compute on a GPU, and cannot: real libraries on a machine without one."""

import asyncio
import logging
import struct

import pytest

from hub.engines import faster_whisper, llama_cpp
from hub.engines.base import EngineError
from hub.engines.faster_whisper import FasterWhisper
from hub.engines.gpu import Gpu, GpuReport
from hub.engines.gpu_libraries import llama_library
from hub.engines.llama_cpp import LlamaCpp
from hub.models.fetch import ModelMissing, path_of

WHISPER = "whisper-tiny.en"
QWEN = "qwen2.5-coder-0.5b-instruct-q4_k_m"
NO_CARD = GpuReport((), "no NVIDIA GPU is in this machine", present=False)


def report(free=8000):
    return GpuReport((Gpu("NVIDIA RTX", "GPU-a", 8192, free, "580.95", (8, 6)),))


def here(name):
    try:
        return path_of(name)
    except ModelMissing:
        pytest.skip("run: make models")


async def loaded(engine):
    await engine.load()
    await engine.close()
    return engine


@pytest.fixture(autouse=True)
def only_without_gpu():
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a GPU")


@pytest.mark.models
async def test_speech_to_text_says_that_it_fell_back_and_why(monkeypatch, caplog):
    monkeypatch.setattr(faster_whisper, "look", lambda: NO_CARD)
    engine = FasterWhisper(here(WHISPER), device="cuda", compute_type="float16")
    await engine.load()
    assert engine.device == "cpu"
    assert engine.note == "on the processor, not on the GPU: no NVIDIA GPU is in this machine"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    heard = await engine.transcribe(bytes(32000), language="en")
    assert heard.no_speech_prob > 0.5  # it works
    await engine.close()


@pytest.mark.models
async def test_auto_takes_it_for_right_that_there_is_no_gpu(monkeypatch, caplog):
    monkeypatch.setattr(faster_whisper, "look", lambda: NO_CARD)
    engine = FasterWhisper(here(WHISPER), device="auto", compute_type="float16")
    await loaded(engine)
    assert (engine.device, engine.note, caplog.records) == ("cpu", "", [])


@pytest.mark.models
async def test_auto_says_so_where_there_is_one_that_cannot_be_used(monkeypatch):
    monkeypatch.setattr(faster_whisper, "look", lambda: GpuReport((), "no driver: install it"))
    engine = await loaded(FasterWhisper(here(WHISPER), device="auto"))
    assert engine.note.endswith("no driver: install it")


@pytest.mark.models
async def test_cuda_that_refuses_at_load_is_one_reason_to_fall_back(monkeypatch):
    monkeypatch.setattr(faster_whisper, "look", report)
    monkeypatch.setattr(faster_whisper, "obstacle", lambda library, card: "")
    engine = await loaded(FasterWhisper(here(WHISPER), device="cuda", compute_type="int8_float16"))
    assert engine.device == "cpu"
    assert "CUDA" in engine.note  # what CTranslate2 itself said


def test_memory_that_ran_out_is_told_with_what_is_free(monkeypatch):
    monkeypatch.setattr(faster_whisper, "look", lambda: report(free=512))
    text = faster_whisper._reason(RuntimeError("CUDA failed with error out of memory"))
    assert text.startswith("not enough of its memory is free (0.5 of 8.0 GB free)")


async def test_a_folder_that_is_no_model_is_no_question_of_the_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(faster_whisper, "look", lambda: NO_CARD)
    engine = FasterWhisper(tmp_path, device="cuda")
    with pytest.raises(EngineError, match="does not load"):
        await engine.load()
    await engine.close()


@pytest.mark.models
async def test_a_llama_cpp_without_cuda_computes_on_the_processor_and_says_what_to_do(caplog):
    if llama_library() is not None:
        pytest.skip("llama-cpp-python is built with CUDA here")
    (path,) = here(QWEN).glob("*.gguf")
    engine = await loaded(LlamaCpp(path, gpu_layers=-1, context_tokens=1024))
    assert engine.device == "cpu"
    assert engine.note.endswith("built without CUDA; run make install-gpu")
    assert len(caplog.records) == 1


def gguf(path, layers, heads, width):
    """Write the header of a model with these shapes, and nothing else of it."""

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    numbers = {"block_count": layers, "attention.head_count": heads, "embedding_length": width}
    entries = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    for key, value in numbers.items():
        entries += text(f"llama.{key}") + struct.pack("<II", 4, value)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1 + len(numbers)) + entries)
    return path


@pytest.mark.parametrize(
    ("layers", "tokens", "free", "fits"),
    [
        (-1, 4096, 3000, True),
        (-1, 4096, 2000, False),
        (8, 4096, 2000, True),
        (-1, 1024, 1000, True),
    ],
    ids=["all", "too little", "a few layers", "less context"],
)
def test_too_little_memory_is_known_before_a_model_is_loaded(tmp_path, layers, tokens, free, fits):
    # 32 layers of 32 heads of 128, without grouping: 512 KiB a token, 2 GiB for 4096
    path = gguf(tmp_path / "model.gguf", 32, 32, 4096)
    engine = LlamaCpp(path, gpu_layers=layers, context_tokens=tokens)
    why = engine._why_too_little(report(free).gpus)
    assert bool(why) != fits
    if why:
        assert why == (
            "it takes about 2.3 GB, and of the GPU's memory are 2.0 of 8.0 GB free; "
            "set llm.model or llm.context_tokens smaller"
        )


async def test_a_file_that_is_no_model_fails_as_it_does_without_a_gpu(monkeypatch, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF, or so it says")
    monkeypatch.setattr(LlamaCpp, "_why_no_gpu", lambda self: "")
    engine = LlamaCpp(path, gpu_layers=-1)
    async with asyncio.timeout(60):
        with pytest.raises(EngineError, match="is not a GGUF model"):
            await engine.load()
    await engine.close()
    assert llama_cpp.LlamaCpp.device == "cpu"
