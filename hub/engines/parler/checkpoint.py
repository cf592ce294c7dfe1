"""A Parler checkpoint on disk: found, read, checked and made a model of."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.engines.base import EngineError, EngineUnavailable
from hub.engines.parler import codec
from hub.engines.parler.libraries import import_parler
from hub.engines.parler.voices import CHECKPOINTS
from hub.models.installed import models_dir

OWNER = "parler-tts"
"""Who publishes the checkpoints, on the Hugging Face hub."""

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_SHARED = "text_encoder.shared.weight"
_TIED = "text_encoder.encoder.embed_tokens.weight"  # the same, under a second name


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded one.

    Args:
        model: a ParlerTTSForConditionalGeneration.
        prompts: the tokenizer of what is said.
        descriptions: the tokenizer of how it is said; in most checkpoints the same.
    """

    model: Any
    prompts: Any
    descriptions: Any


def find(name: str) -> Path:
    """Return a checkpoint's folder.

    Args:
        name: a folder, or one of CHECKPOINTS: looked for among Parlour's models, then in the cache
            of the Hugging Face hub. Nothing is fetched.

    Raises:
        EngineUnavailable: it is not there; says how to get it.
    """
    if name not in CHECKPOINTS:
        folder = Path(name).expanduser()
        if folder.is_dir():
            return folder
        raise EngineUnavailable(
            f"parler: tts.model: no folder or checkpoint {name!r}; there are: "
            f"{', '.join(CHECKPOINTS)}"
        )
    folder = models_dir() / name
    if folder.is_dir():
        return folder
    if (cached := _in_hub_cache(f"{OWNER}/{name}")) is not None:
        return cached
    raise EngineUnavailable(f"parler: {name} is not here; run: make parler MODEL={name}")


def _in_hub_cache(repository: str, file: str = "config.json") -> Path | None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found).parent if isinstance(found, str) else None


def load(folder: Path, device: str, dtype: str) -> Checkpoint:
    """Load a checkpoint. Blocking.

    Args:
        folder: with config.json, *.safetensors and tokenizer.json.
        device: "cuda" or "cpu".
        dtype: torch's name of the numbers to compute with; the codec always takes float32.

    Raises:
        EngineUnavailable: a file is missing or damaged, or they do not belong together; says what
            to do.
    """
    parler = import_parler()
    import torch
    from transformers import GenerationConfig
    from transformers.modeling_utils import no_init_weights

    config, state = _read_json(folder / "config.json"), _read_weights(folder)
    if codec.is_old(config):
        config, state = codec.convert(config, state)
    if (shared := state.get(_SHARED, state.get(_TIED))) is not None:
        state[_SHARED] = state[_TIED] = shared
    try:
        with no_init_weights():
            model = parler.ParlerTTSForConditionalGeneration(
                parler.ParlerTTSConfig.from_dict(config)
            )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise EngineUnavailable(f"parler: {folder}/config.json is not Parler's: {exc}") from exc
    try:
        # assign: nothing is copied, and the model's own empty weights are never touched
        missing, unknown = model.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as exc:
        why = str(exc).strip().splitlines()[-1].strip()
        raise EngineUnavailable(f"parler: {folder}: weights do not fit config.json: {why}") from exc
    for what, names in (("lacks", missing), ("has unknown", unknown)):
        if names:
            raise EngineUnavailable(
                f"parler: {folder} {what} {len(names)} weights, {names[0]} for one; fetch it again"
            )
    model.text_encoder.set_input_embeddings(model.text_encoder.shared)
    model.requires_grad_(False)
    model.eval()
    model.to(device=device, dtype=getattr(torch, dtype))
    model.audio_encoder.float()  # 150 MB more, and no roughness
    try:
        model.generation_config = GenerationConfig.from_pretrained(folder)
    except (OSError, ValueError) as exc:
        raise EngineUnavailable(f"parler: {folder}/generation_config.json: {exc}") from exc
    prompts, descriptions = _tokenizers(folder, config)
    _check_tokens(folder, "tokenizer", prompts, model.embed_prompts.num_embeddings)
    shared_rows = model.text_encoder.shared.num_embeddings
    _check_tokens(folder, "description tokenizer", descriptions, shared_rows)
    return Checkpoint(model, prompts, descriptions)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise EngineUnavailable(
            f"parler: {path.parent} is no checkpoint: it has no {path.name}"
        ) from exc
    except (OSError, ValueError) as exc:
        raise EngineUnavailable(f"parler: {path} cannot be read: {exc}; fetch it again") from exc
    if not isinstance(found, dict):
        raise EngineUnavailable(f"parler: {path} is no JSON object; fetch it again")
    return found


def _read_weights(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = [_WEIGHTS]
    if not (folder / _WEIGHTS).exists():
        if not (folder / _INDEX).exists():
            raise EngineUnavailable(f"parler: {folder} is no checkpoint: it has no {_WEIGHTS}")
        places = _read_json(folder / _INDEX).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(p, str) for p in places.values()):
            raise EngineUnavailable(f"parler: {folder}/{_INDEX} is damaged; fetch it again")
        files = sorted({Path(place).name for place in places.values()})
    state: dict[str, Any] = {}
    for name in files:
        try:
            state |= load_file(folder / name)
        except FileNotFoundError as exc:
            raise EngineUnavailable(f"parler: {folder}/{name} is missing; fetch it again") from exc
        except (OSError, SafetensorError, ValueError) as exc:
            raise EngineUnavailable(
                f"parler: {folder}/{name} is damaged or not whole ({exc}); fetch it again"
            ) from exc
    return state


def _tokenizers(folder: Path, config: dict[str, Any]) -> tuple[Any, Any]:
    """Return the tokenizers of prompts and of descriptions.

    Multilingual checkpoints have one of their own for prompts. The description's, that of the text
    encoder, lies in `description_tokenizer` beside the files, or in the cache of the hub.
    """
    prompts = _tokenizer(folder)
    beside = folder / "description_tokenizer"
    if beside.is_dir():
        return prompts, _tokenizer(beside)
    if config.get("vocab_size") == config.get("text_encoder", {}).get("vocab_size"):
        return prompts, prompts
    origin = str(config.get("text_encoder", {}).get("_name_or_path") or "google/flan-t5-large")
    cached = _in_hub_cache(origin, "tokenizer.json")
    if cached is None:
        raise EngineUnavailable(
            f"parler: {folder.name} needs the tokenizer of {origin} for descriptions: run make "
            f"parler MODEL={folder.name}, or put its files into {beside}"
        )
    return prompts, _tokenizer(cached)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not (folder / "tokenizer.json").exists():
        raise EngineUnavailable(f"parler: {folder} has no tokenizer.json; fetch it again")
    try:
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as exc:  # the tokenizers library raises bare ones
        raise EngineUnavailable(
            f"parler: the tokenizer in {folder} cannot be read ({exc}); fetch it again"
        ) from exc


def _check_tokens(folder: Path, what: str, tokenizer: Any, rows: int) -> None:
    """Refuse a tokenizer with more tokens than the model knows: CUDA would never recover."""
    if len(tokenizer) > rows and max(tokenizer.get_vocab().values()) >= rows:
        raise EngineUnavailable(
            f"parler: the {what} in {folder} does not belong to this checkpoint: it has "
            f"{len(tokenizer)} tokens, and the model knows {rows}"
        )


def check_range(tokens: Any, rows: int) -> None:
    """Make sure that the model knows all these tokens, before a GPU sees them.

    Raises:
        EngineError: it does not.
    """
    if int(tokens.max()) >= rows or int(tokens.min()) < 0:
        raise EngineError("parler: the tokenizer does not belong to the checkpoint")
