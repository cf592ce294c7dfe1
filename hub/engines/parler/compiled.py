"""The same model compiled, for machines where that makes it faster (`tts.compile`, CUDA only).

A step of Parler's decoder is bound by how long it takes to launch its hundreds of kernels. With a
static cache its graph has fixed shapes, so that `torch.compile` can record it once as a CUDA graph
(huggingface/parler-tts, INFERENCE.md). Compiling takes minutes. Meanwhile the model goes on
speaking: the compiled one is a twin, with the same weights in the same memory.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines.parler.checkpoint import Checkpoint
from hub.engines.parler.speaker import Lengths, Speaker

LIMIT = 600.0
"""Seconds that compiling may take."""
FASTER = 1.1
"""Times as fast as before is the least that the twin has to be."""

_LENGTH = 64  # tokens; a description is padded to a multiple of it
_STEPS_THAT_COMPILE = 2  # the prompt's graph and the step's; the next one would record it
_STEPS_THAT_RECORD = 24
_SAID = "It is a quarter past seven, and the kettle is on."

Compile = Callable[[Any], Any]


def torch_compile(forward: Any) -> Any:
    """Return `forward`, to be compiled at its first call, on the thread that calls it."""
    import threading
    from collections import defaultdict

    import torch
    from torch._inductor import cudagraph_trees

    if not hasattr(cudagraph_trees.local, "tree_manager_containers"):
        # Only the thread that imports the module gets these by itself.
        cudagraph_trees.local.tree_manager_containers = {}
        cudagraph_trees.local.tree_manager_locks = defaultdict(threading.Lock)
    return torch.compile(forward, mode="reduce-overhead")


class Twin:
    """A second model that shares the first one's weights, has a static cache and is compiled.

    All but the constructor is blocking, and for one and the same thread: recorded graphs belong to
    theirs.

    Args:
        checkpoint: the first.
        description: of the voice that warms it up.
        compiles: makes the model's `forward` a faster one.
    """

    def __init__(
        self, checkpoint: Checkpoint, description: str, compiles: Compile = torch_compile
    ) -> None:
        first = checkpoint.model
        tensors = [*first.parameters(), *first.buffers()]
        model = copy.deepcopy(first, {id(tensor): tensor for tensor in tensors})
        model.generation_config.cache_implementation = "static"
        twin = Checkpoint(model, checkpoint.prompts, checkpoint.descriptions)
        tokens = len(checkpoint.descriptions(description).input_ids)
        self.speaker = Speaker(twin, Lengths(_LENGTH * -(-tokens // _LENGTH)))
        self._compiles = compiles
        self._description = description

    def compile(self) -> None:
        """Compile, which takes minutes; the first model may be used meanwhile."""
        self.speaker.model.forward = self._compiles(self.speaker.model.forward)
        self._speak(_STEPS_THAT_COMPILE)

    def record(self) -> None:
        """Record the graphs; no model may be used meanwhile."""
        for _ in range(2):
            self._speak(_STEPS_THAT_RECORD)

    def _speak(self, steps: int) -> None:
        def drop(_: NDArray[np.float32]) -> None: ...

        self.speaker.speak(_SAID, self._description, seed=0, most_steps=steps, emit=drop)
