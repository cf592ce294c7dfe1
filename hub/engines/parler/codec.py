"""The codec of older checkpoints (descript's DAC) as transformers' DacModel, exactly.

Mini-v1, large-v1 and others hold the codec's weights under descript's names, with weight norms that
are not folded in. Renamed and folded, DacModel computes the same samples from them, bit for bit.
"""

import re
from collections.abc import Mapping
from typing import Any

from hub.engines.base import EngineUnavailable

_PREFIX = "audio_encoder."
_OLD = _PREFIX + "model."
_NORM_PARTS = {
    "weight_g": "g",
    "weight_v": "v",
    "parametrizations.weight.original0": "g",
    "parametrizations.weight.original1": "v",
}
_ENDS = "|".join(map(re.escape, (*_NORM_PARTS, "weight", "bias", "alpha")))
_KEY = re.compile(rf"(.+?)\.({_ENDS})")
_RESIDUAL = ("snake1", "conv1", "snake2", "conv2")
_BLOCKS = 4


def is_old(config: Mapping[str, Any]) -> bool:
    """Tell whether a checkpoint's config.json names descript's codec and not transformers'."""
    codec = config.get("audio_encoder", {})
    return codec.get("model_type") in ("dac", "dac_on_the_hub") and (
        "downsampling_ratios" not in codec
    )


def convert(
    config: Mapping[str, Any], state: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a checkpoint's configuration and weights with the codec as DacModel.

    Args:
        config: its config.json.
        state: its weights, by name; the codec's under either style of weight norm.

    Raises:
        EngineUnavailable: the codec's weights are not those of descript's DAC.
    """
    import torch

    modules = _new_names()
    weights: dict[str, Any] = {}
    norms: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        if not key.startswith(_OLD):
            weights[key] = value
            continue
        match = _KEY.fullmatch(key.removeprefix(_OLD))
        name = match and (match[1] if match[1].startswith("quantizer.") else modules.get(match[1]))
        if not match or not name:
            raise EngineUnavailable(f"parler: unknown weight of a codec: {key}")
        if part := _NORM_PARTS.get(match[2]):
            norms.setdefault(_PREFIX + name, {})[part] = value
        else:
            weights[f"{_PREFIX}{name}.{match[2]}"] = value
    for name, parts in norms.items():
        if len(parts) != 2:
            raise EngineUnavailable(f"parler: half of a weight norm is missing: {name}")
        folded = torch._weight_norm(parts["v"].float(), parts["g"].float(), 0)
        weights[name + ".weight"] = folded.to(parts["v"].dtype)
    return _new_config(config, weights), weights


def _new_names() -> dict[str, str]:
    """Return DacModel's name of each of descript's modules that has weights, quantizers apart."""
    names = {}
    for side, inner in (("encoder", "block"), ("decoder", "model")):
        # Residual units stand before a block's own convolution in the encoder, behind it in the
        # decoder.
        own, first = (("snake1", 3), ("conv1", 4)), 0
        if side == "decoder":
            own, first = (("snake1", 0), ("conv_t1", 1)), 2
        for name, index in (("conv1", 0), ("snake1", _BLOCKS + 1), ("conv2", _BLOCKS + 2)):
            names[f"{side}.{inner}.{index}"] = f"{side}.{name}"
        for block in range(_BLOCKS):
            old, new = f"{side}.{inner}.{block + 1}.block", f"{side}.block.{block}"
            names |= {f"{old}.{index}": f"{new}.{name}" for name, index in own}
            for unit in range(3):
                for index, name in enumerate(_RESIDUAL):
                    names[f"{old}.{first + unit}.block.{index}"] = (
                        f"{new}.res_unit{unit + 1}.{name}"
                    )
    return names


def _new_config(config: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with the codec's shapes, which the old format leaves to the weights."""
    old = config["audio_encoder"]
    try:
        # A transposed convolution's kernel is twice its stride.
        strides = [
            weights[f"{_PREFIX}decoder.block.{block}.conv_t1.weight"].shape[2] // 2
            for block in range(_BLOCKS)
        ]
        codec = {
            "model_type": "dac",
            "encoder_hidden_size": weights[f"{_PREFIX}encoder.conv1.weight"].shape[0],
            "decoder_hidden_size": weights[f"{_PREFIX}decoder.conv1.weight"].shape[0],
            "downsampling_ratios": strides[::-1],
            "n_codebooks": old.get("num_codebooks", 9),
            "codebook_size": old.get("codebook_size", 1024),
            "codebook_dim": weights[f"{_PREFIX}quantizer.quantizers.0.codebook.weight"].shape[1],
            "sampling_rate": old.get("sampling_rate", 44100),
        }
    except KeyError as exc:
        raise EngineUnavailable(f"parler: a weight of the codec is missing: {exc}") from exc
    # parler_tts takes the codec of configurations of older versions for descript's.
    return {**config, "audio_encoder": codec, "transformers_version": "4.46.1"}
