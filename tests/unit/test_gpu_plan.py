"""What fits into a GPU's memory together."""

import pytest

from hub.engines.gguf import NoGguf, read_shape
from hub.engines.gpu_plan import _LEVELS, _SHAPES, CONTEXT, PARLER, Plan, llm_memory, plan, reserve
from hub.models.catalogue import find_model
from hub.models.fetch import ModelMissing, path_of

CARDS = [2, 3, 4, 6, 8, 10, 11, 12, 16, 24, 48, 80]  # GB


@pytest.mark.parametrize("gigabytes", CARDS)
@pytest.mark.parametrize("used", [0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("parler", [True, False])
def test_a_plan_never_takes_more_than_is_free_and_leaves_a_reserve(gigabytes, used, parler):
    memory = gigabytes * 1024
    free = round(memory * (1 - used))
    chosen = plan(memory, free, parler=parler)
    assert chosen.memory + reserve(memory) <= free or chosen.memory == 0
    assert parler or not chosen.parler


@pytest.mark.parametrize(
    ("gigabytes", "stt", "llm", "parler"),
    [
        (1, None, None, False),
        (2, "whisper-base", None, False),
        (4, "whisper-base", "qwen2.5-coder-1.5b-instruct-q4_k_m", False),
        (6, "whisper-base", "qwen2.5-coder-1.5b-instruct-q4_k_m", True),
        (8, "whisper-large-v3-turbo", "qwen2.5-coder-1.5b-instruct-q4_k_m", True),
        (12, "whisper-large-v3-turbo", "qwen2.5-7b-instruct-q4_k_m", True),
        (16, "whisper-large-v3-turbo", "qwen2.5-7b-instruct-q4_k_m", True),
        (24, "whisper-large-v3-turbo", "qwen2.5-7b-instruct-q4_k_m", True),
        (80, "whisper-large-v3-turbo", "qwen2.5-7b-instruct-q4_k_m", True),
    ],
)
def test_each_size_of_card_has_the_best_that_fits(gigabytes, stt, llm, parler):
    memory = gigabytes * 1024
    chosen = plan(memory, memory - 150)  # what a driver keeps
    assert (chosen.stt.model if chosen.stt else None) == stt
    assert (chosen.llm.model if chosen.llm else None) == llm
    assert chosen.parler == parler


def test_more_free_memory_never_makes_a_plan_worse():
    ranks = []
    for free in range(0, 24 * 1024, 100):
        chosen = plan(24 * 1024, free)
        level = (chosen.stt, chosen.llm, chosen.parler)
        ranks.append(_LEVELS.index(level) if level in _LEVELS else len(_LEVELS))
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) > 6


def test_a_card_that_somebody_else_uses_half_of_is_planned_as_what_is_left():
    half, whole = plan(24 * 1024, 12 * 1024), plan(24 * 1024, 24 * 1024)
    assert half.memory < whole.memory
    assert half.parler  # speech-to-text, language model and voice are all there yet
    assert half.stt is not None
    assert half.llm is not None


def test_cuda_takes_its_share_once_for_the_hub_and_once_for_parler():
    stt, llm, _ = _LEVELS[0]
    assert Plan(stt, llm, True, 0).memory == stt.memory + llm.memory + CONTEXT + PARLER
    assert Plan(None, None, True, 0).memory == PARLER
    assert Plan(None, None, False, 0).memory == 0


def test_models_of_plans_are_the_catalogue_s_and_their_weights_are_counted():
    for stt, llm, _ in _LEVELS:
        weights = sum(file.bytes for file in find_model(stt.model).files) / (1 << 20)
        share = 0.5 if stt.compute_type.startswith("int8") else 1.0
        assert stt.memory > weights * share
        if llm is not None:
            (file,) = find_model(llm.model).files
            assert file.bytes == llm.shape.file_bytes
            assert llm.memory > file.bytes / (1 << 20)


@pytest.mark.models
@pytest.mark.parametrize("name", [name for name in _SHAPES if "coder" in name])
def test_a_model_s_file_says_the_shape_that_plans_count_with(name):
    try:
        (path,) = path_of(name).glob("*.gguf")
    except ModelMissing:
        pytest.skip(f"run: make models MODELS={name}")
    assert read_shape(path) == _SHAPES[name]


def test_the_cache_grows_with_the_context():
    shape = _SHAPES["qwen3-4b-instruct-2507-q4_k_m"]
    # 36 layers, 8 heads of 128 for keys and for values, in 16 bits: 144 KiB a token
    assert llm_memory(shape, 9216) - llm_memory(shape, 1024) == 8192 * 144 // 1024


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"GGML" + bytes(100),
        b"GGUF" + (9).to_bytes(4, "little") + bytes(100),
        b"GGUF" + (3).to_bytes(4, "little") + bytes(8) + b"\xff" * 8,
        b"GGUF" + (3).to_bytes(4, "little") + bytes(8) + (1).to_bytes(8, "little") + b"\xff" * 8,
        b"GGUF" + (3).to_bytes(4, "little") + bytes(16),
    ],
    ids=["empty", "cut", "another", "future", "endless", "long key", "silent"],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(NoGguf, match=r"model\.gguf"):
        read_shape(path)
