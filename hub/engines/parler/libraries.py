"""Parler's libraries, imported without what they do not need, and with their faults put right."""

import importlib
import importlib.util
import logging
import os
import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

from hub.engines.base import EngineUnavailable


def import_parler() -> Any:
    """Return the module parler_tts, ready to use; nothing asks a model hub for anything.

    Raises:
        EngineUnavailable: a library is missing or broken; says what to do.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # It logs under its own name, three whole configurations at each load.
    logging.getLogger("parler_tts").setLevel(logging.ERROR)
    _stand_in_for_dac()
    try:
        parler: Any = importlib.import_module("parler_tts")
        caches: Any = importlib.import_module("transformers.cache_utils")
    except (ImportError, OSError, RuntimeError) as exc:
        raise EngineUnavailable(f"parler: {exc}; run make parler") from exc
    if not hasattr(caches.StaticCache, "max_batch_size"):
        # It keeps this under another name, so that a second generation with a static cache fails
        # (huggingface/parler-tts issues 198 and 214).
        caches.StaticCache.max_batch_size = property(lambda cache: cache.batch_size)
    # The original warns at each call that it will go, which cuts a compiled graph to pieces.
    caches.Cache.get_max_length = lambda cache: cache.get_max_cache_shape()
    return parler


def _stand_in_for_dac() -> None:
    """Let parler_tts find a descript codec that cannot be used.

    It imports `dac.model` for checkpoints in the old format. That brings torchaudio, which fails to
    import beside most builds of torch, and 70 packages more. `codec.py` converts such checkpoints
    to the codec that transformers has, so the original is never made.
    """
    if "dac" in sys.modules or importlib.util.find_spec("dac") is not None:
        return
    package, module = types.ModuleType("dac"), types.ModuleType("dac.model")
    for each, name in ((package, "dac"), (module, "dac.model")):
        each.__spec__ = ModuleSpec(name, None, is_package=each is package)
        sys.modules[name] = each
    package.__path__ = []
    vars(package)["model"] = module
    vars(module)["DAC"] = _NoCodec


class _NoCodec:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise EngineUnavailable("parler: the checkpoint's codec was not converted")
