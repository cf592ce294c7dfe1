"""The streamer: early, exact, linear."""

import time

import numpy as np
import pytest
import torch

from hub.engines.parler.checkpoint import Checkpoint, load
from hub.engines.parler.codec import is_old
from hub.engines.parler.speaker import Speaker
from hub.engines.parler.streamer import FIRST_FRAMES, SIGHT

HOP = 512
TEXT, TOLD = "Hello to the kitchen.", "Jon speaks, very clear audio."


def speaker_of(folder: str) -> Speaker:
    from pathlib import Path

    torch.set_num_threads(1)
    return Speaker(load(Path(folder), "cpu", "float32"))


@pytest.fixture(scope="module")
def endless(make_checkpoint):
    return speaker_of(make_checkpoint())


def whole_decode(speaker: Speaker, seed: int, steps: int) -> np.ndarray:
    """Return what the library makes of the same chance, without a streamer."""
    checkpoint = speaker._checkpoint
    prompt = checkpoint.prompts(TEXT, return_tensors="pt")
    told = checkpoint.descriptions(TOLD, return_tensors="pt")
    with torch.random.fork_rng([]), torch.inference_mode():
        torch.manual_seed(seed)
        return (
            speaker.model.generate(
                input_ids=told.input_ids,
                attention_mask=told.attention_mask,
                prompt_input_ids=prompt.input_ids,
                prompt_attention_mask=prompt.attention_mask,
                max_new_tokens=steps,
            )
            .float()
            .numpy()
            .reshape(-1)
        )


def streamed(speaker: Speaker, seed: int, steps: int) -> list[np.ndarray]:
    chunks: list[np.ndarray] = []
    speaker.speak(TEXT, TOLD, seed=seed, most_steps=steps, emit=chunks.append)
    return chunks


@pytest.mark.parametrize("steps", [30, 61, 62, 200])
def test_the_chunks_joined_are_the_whole_decode(endless, steps):
    chunks = streamed(endless, 7, steps)
    whole = whole_decode(endless, 7, steps)
    assert len(np.concatenate(chunks)) == len(whole) == (steps - 8) * HOP
    assert np.abs(np.concatenate(chunks) - whole).max() < 1e-5
    assert np.sqrt(np.mean(whole**2)) > 0.02  # it is no silence that agrees


def test_speech_that_ends_by_itself_is_the_whole_decode_too(make_checkpoint):
    speaker = speaker_of(make_checkpoint(mean_steps=60.0))
    lengths = set()
    for seed in range(6):
        chunks = streamed(speaker, seed, 700)
        whole = whole_decode(speaker, seed, 700)
        joined = np.concatenate(chunks)
        assert len(joined) == len(whole)
        assert np.abs(joined - whole).max() < 1e-5
        lengths.add(len(joined))
    assert len(lengths) > 3
    assert max(lengths) < 690 * HOP


def test_the_first_chunk_is_small_and_comes_long_before_the_end(endless):
    arrived: list[tuple[float, int]] = []
    began = time.monotonic()
    endless.speak(
        TEXT,
        TOLD,
        seed=1,
        most_steps=400,
        emit=lambda sound: arrived.append((time.monotonic() - began, len(sound))),
    )
    took = time.monotonic() - began
    assert arrived[0][1] == FIRST_FRAMES * HOP
    assert arrived[0][0] < took / 3
    assert len(arrived) > 5


def test_each_frame_is_decoded_a_bounded_number_of_times(endless, monkeypatch):
    codec, decoded = endless.model.audio_encoder, []
    original = codec.decode

    def decode(audio_codes):
        decoded.append(audio_codes.shape[-1])
        return original(audio_codes=audio_codes)

    monkeypatch.setattr(codec, "decode", decode)
    chunks = streamed(endless, 1, 500)
    assert sum(decoded) <= 492 + 2 * SIGHT * len(chunks)


def test_the_same_seed_brings_the_same_samples_and_another_one_others(endless):
    first, again, other = (np.concatenate(streamed(endless, seed, 60)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_chances_of_the_rest_of_the_process_are_left_alone(endless):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    streamed(endless, 1, 30)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("style", ["weight_norm", "parametrizations"])
def test_a_codec_in_the_old_format_sounds_bit_for_bit_as_it_was(make_checkpoint, style):
    import json
    from pathlib import Path

    from safetensors.torch import load_file

    folder = Path(make_checkpoint(old_norms=style))
    assert is_old(json.loads((folder / "config.json").read_text()))
    converted = speaker_of(str(folder)).model.audio_encoder
    codec = dict(converted.named_parameters())
    old = load_file(folder / "model.safetensors")
    # what descript's own code computes: torch's weight norm of the two halves
    gain, direction = {
        "weight_norm": ("weight_g", "weight_v"),
        "parametrizations": (
            "parametrizations.weight.original0",
            "parametrizations.weight.original1",
        ),
    }[style]
    module = "audio_encoder.model.decoder.model.2.block.3.block.1"
    expected = torch._weight_norm(old[f"{module}.{direction}"], old[f"{module}.{gain}"], 0)
    assert torch.equal(codec["decoder.block.1.res_unit2.conv1.weight"], expected)
    module = "audio_encoder.model.encoder.block.3.block.4"
    expected = torch._weight_norm(old[f"{module}.{direction}"], old[f"{module}.{gain}"], 0)
    assert torch.equal(codec["encoder.block.2.conv1.weight"], expected)
    # and the whole: the same speech as from the checkpoint that was never converted
    plain = np.concatenate(streamed(speaker_of(make_checkpoint()), 2, 60))
    assert np.abs(np.concatenate(streamed(speaker_of(str(folder)), 2, 60)) - plain).max() < 1e-5


def test_fixed_lengths_and_a_static_cache_speak_again_and_again(make_checkpoint):
    from hub.engines.parler.compiled import Twin

    first = speaker_of(make_checkpoint())
    twin = Twin(first._checkpoint, TOLD, lambda forward: forward)
    twin.compile()
    twin.record()
    one, two = (np.concatenate(streamed(twin.speaker, 1, 60)) for _ in range(2))
    assert np.array_equal(one, two)
    for mine, shared in zip(first.model.parameters(), twin.speaker.model.parameters(), strict=True):
        assert mine.data_ptr() == shared.data_ptr()
    assert first.model.generation_config.cache_implementation is None


def test_padding_changes_nothing_that_dynamic_lengths_would_not(make_checkpoint):
    from hub.engines.parler.compiled import Twin

    first = speaker_of(make_checkpoint())
    twin = Twin(first._checkpoint, TOLD, lambda forward: forward)
    dynamic = Speaker(
        Checkpoint(first.model, first._checkpoint.prompts, first._checkpoint.descriptions),
        twin.speaker._lengths,
    )
    static, plain = (np.concatenate(streamed(each, 3, 60)) for each in (twin.speaker, dynamic))
    assert np.abs(static - plain).max() < 1e-4
