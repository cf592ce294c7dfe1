"""A Parler-TTS checkpoint with random weights, in the real format; runs in Parler's environment.

    .venv-parler/bin/python tests/tiny_parler.py FOLDER [--shapes mini-v1] [--mean-steps 60] ...

The sound is noise; all else is as it is with published weights: tokenizers, text encoder, nine
codebooks that lag behind each other, the codec. Speed does not depend on weights, so the full-size
shapes are for measuring.
"""

import argparse
import json
import math
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from hub.engines.parler.libraries import import_parler

BOOKS = 9
RATE = 44100
STRIDES = [2, 4, 8, 8]
OLD_NORMS = {
    "weight_norm": ("weight_g", "weight_v"),
    "parametrizations": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
}


@dataclass(frozen=True)
class Shapes:
    """Widths of the parts; 0 for a vocabulary is as large as its tokenizer."""

    encoder: dict[str, int]
    decoder: dict[str, int]
    codes: int
    codec: tuple[int, int]
    descriptions: int = 0
    prompts: int = 0


_MINI_ENCODER = {"d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16}
_MINI_DECODER = {
    "hidden_size": 1024,
    "ffn_dim": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "max_position_embeddings": 4096,
}
SHAPES = {
    "tiny": Shapes(
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
        {
            "hidden_size": 64,
            "ffn_dim": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 1024,
        },
        codes=32,
        codec=(4, 64),
    ),
    # as fast as there can be, so that it keeps up with speech on a busy processor
    "least": Shapes(
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4},
        {
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "max_position_embeddings": 1024,
        },
        codes=32,
        codec=(4, 32),
    ),
    # the sizes of the published files follow from these (huggingface/parler-tts)
    "mini-v1": Shapes(_MINI_ENCODER, _MINI_DECODER, 1024, (64, 1536), 32128, 32128),
    "mini-multilingual-v1.1": Shapes(_MINI_ENCODER, _MINI_DECODER, 1024, (64, 1536), 32128, 90714),
}
_WORDS = "the a it is in of and to voice speaks very clear audio Jon Laura light kitchen hello day"


def word_tokenizer() -> Any:
    """Return a tokenizer like T5's: pieces of words, bytes for the rest, </s> at the end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    pieces += [("\u2581", -4.0)]
    pieces += [(char, -6.0) for char in string.ascii_letters + string.digits + string.punctuation]
    pieces += [("\u2581" + word, -7.0) for word in _WORDS.split() if len(word) > 1]
    inner = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_ids=0,
        model_max_length=512,
    )


def byte_tokenizer() -> Any:
    """Return a tokenizer like that of the multilingual prompts: bytes, <s> at the beginning."""
    from tokenizers import Tokenizer, decoders, models, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))]
    inner = Tokenizer(
        models.BPE(
            {piece: index for index, piece in enumerate(pieces)},
            [],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=4096,
        padding_side="left",
    )


def make(
    folder: Path,
    shapes: str = "tiny",
    *,
    mean_steps: float = 0.0,
    seed: int = 0,
    multilingual: bool = False,
    old_norms: str = "",
    dtype: str = "float32",
) -> None:
    """Write a checkpoint.

    Args:
        folder: where to.
        shapes: one of SHAPES.
        mean_steps: after how many steps it ends by itself, on average; 0 for never.
        seed: of the weights.
        multilingual: a tokenizer of its own for prompts.
        old_norms: the codec in descript's format, with this style of weight norm.
        dtype: of the file.
    """
    parler = import_parler()
    import torch
    from safetensors.torch import save_file
    from transformers import DacConfig, GenerationConfig, T5Config

    chosen = SHAPES[shapes]
    descriptions = word_tokenizer()
    prompts = byte_tokenizer() if multilingual else descriptions
    end, begin = chosen.codes, chosen.codes + 1
    config = parler.ParlerTTSConfig.from_sub_models_config(
        T5Config(
            vocab_size=max(chosen.descriptions, len(descriptions)),
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            **chosen.encoder,
        ),
        DacConfig(
            encoder_hidden_size=chosen.codec[0],
            decoder_hidden_size=chosen.codec[1],
            downsampling_ratios=STRIDES,
            n_codebooks=BOOKS,
            codebook_size=chosen.codes,
            codebook_dim=8,
            sampling_rate=RATE,
        ),
        parler.ParlerTTSDecoderConfig(
            vocab_size=chosen.codes + 64,
            num_codebooks=BOOKS,
            activation_function="gelu",
            pad_token_id=end,
            eos_token_id=end,
            bos_token_id=begin,
            **chosen.decoder,
        ),
        vocab_size=max(chosen.prompts, len(prompts)),
        prompt_cross_attention=False,
        pad_token_id=end,
        decoder_start_token_id=begin,
    )
    torch.manual_seed(seed)
    model = parler.ParlerTTSForConditionalGeneration(config).eval()
    _make_audible(model)
    _set_mean_steps(model, mean_steps)
    model.to(getattr(torch, dtype))
    model.generation_config = GenerationConfig(
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=begin,
        do_sample=True,
        guidance_scale=1,
        max_length=min(2580, chosen.decoder["max_position_embeddings"] - 256),
        min_new_tokens=10,
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="20GB")
    prompts.save_pretrained(folder)
    if multilingual:
        descriptions.save_pretrained(folder / "description_tokenizer")
    if old_norms:
        state = {key: each.clone() for key, each in model.state_dict().items()}
        state.pop("text_encoder.encoder.embed_tokens.weight")
        save_file(as_descript(state, old_norms), folder / "model.safetensors", {"format": "pt"})
        _write_old_config(folder / "config.json", chosen)


def as_descript(state: dict[str, Any], style: str) -> dict[str, Any]:
    """Return weights with the codec as descript has it, whose `v` are the weights, scaled."""
    import torch

    gain, direction = OLD_NORMS[style]
    old: dict[str, Any] = {}
    for key, value in state.items():
        if not key.startswith("audio_encoder."):
            old[key] = value
            continue
        module, _, end = descript_name(key.removeprefix("audio_encoder.")).rpartition(".")
        module = f"audio_encoder.model.{module}"
        if end == "weight" and not module.endswith("codebook"):
            sizes = value.float().flatten(1).norm(dim=1)
            old[f"{module}.{gain}"] = sizes.reshape(-1, *[1] * (value.ndim - 1))
            old[f"{module}.{direction}"] = (value * torch.tensor(3.0)).contiguous()
        else:
            old[f"{module}.{end}"] = value
    return old


def descript_name(name: str) -> str:
    """Return what descript calls a weight of DacModel."""
    parts = name.split(".")
    if parts[0] == "quantizer":
        return name
    side, inner = parts[0], "block" if parts[0] == "encoder" else "model"
    if parts[1] != "block":
        return ".".join(
            [side, inner, {"conv1": "0", "snake1": "5", "conv2": "6"}[parts[1]], *parts[2:]]
        )
    block, part, rest = str(int(parts[2]) + 1), parts[3], parts[4:]
    if part.startswith("res_unit"):
        unit = int(part[-1]) - 1 if side == "encoder" else int(part[-1]) + 1
        layer = {"snake1": "0", "conv1": "1", "snake2": "2", "conv2": "3"}[rest[0]]
        return ".".join([side, inner, block, "block", str(unit), "block", layer, *rest[1:]])
    places = {"snake1": "3", "conv1": "4"} if side == "encoder" else {"snake1": "0", "conv_t1": "1"}
    return ".".join([side, inner, block, "block", places[part], *rest])


def _write_old_config(path: Path, shapes: Shapes) -> None:
    config = json.loads(path.read_text())
    config["transformers_version"] = "4.43.3"
    config["audio_encoder"] = {
        "model_type": "dac",
        "architectures": ["DACModel"],
        "codebook_size": shapes.codes,
        "frame_rate": 86,
        "latent_dim": 1024,
        "model_bitrate": 8,
        "num_codebooks": BOOKS,
        "sampling_rate": RATE,
    }
    path.write_text(json.dumps(config, indent=2))


def _make_audible(model: Any) -> None:
    """Scale the codec's last layer: random weights give near silence, or a constant."""
    import torch

    last, seen = model.audio_encoder.decoder.conv2, []
    hook = last.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        codes = torch.randint(0, model.config.audio_encoder.codebook_size, (1, BOOKS, 24))
        model.audio_encoder.decode(audio_codes=codes)
        hook.remove()
        gain = 0.1 / seen[0].std()
        last.weight.mul_(gain)
        last.bias.copy_((last.bias - seen[0].mean()) * gain)


def _set_mean_steps(model: Any, steps: float) -> None:
    """Give the heads a constant input, by way of the last norm, and so the end a probability."""
    import torch

    end = model.config.decoder.eos_token_id
    likely = min(32, end)  # generate samples from the 50 likeliest: the end must be among them
    with torch.no_grad():
        norm = model.decoder.model.decoder.layer_norm
        norm.weight[0], norm.bias[0] = 0.0, 1.0
        for book, head in enumerate(model.decoder.lm_heads):
            head.weight[:likely, 0] = 0.0
            head.weight[likely:, 0] = -100.0
            if steps > 0:
                head.weight[end, 1:] = 0.0
                # the first codebook ends by chance, each other one behind the one before it
                head.weight[end, 0] = 100.0 if book else math.log(likely / max(steps - 1, 1e-3))


def main() -> None:
    """Write the checkpoint that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", choices=SHAPES, default="tiny")
    parser.add_argument("--mean-steps", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--multilingual", action="store_true")
    parser.add_argument("--old-norms", choices=OLD_NORMS, default="")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    make(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
