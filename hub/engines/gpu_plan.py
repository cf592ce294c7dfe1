"""Which models fit into a GPU's memory together, so that all of them stay there.

Figures are MiB, rounded up. Weights are what the files have. What comes on top (work space, the
CUDA context) is as others measured it and was not measured here, as no GPU was at hand:
Whisper by faster-whisper's README and CTranslate2's own types; Parler by its users' reports. The
reserve is there because of that, and because llama.cpp ends the process where memory runs out.
"""

from dataclasses import dataclass

from hub.engines.gguf import Shape

CONTEXT = 500  # that CUDA takes for a process: once for the hub, once for Parler's
PARLER = 3000  # a mini checkpoint in 16 bits with its cache, and its own CUDA context
PARLER_LARGE = 6000
_WORK = 300  # llama.cpp's own, beside weights and cache
_LEAST_RESERVE = 400
_RESERVE = 0.06  # of the card, for what nobody foresees
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class SttChoice:
    """A speech-to-text model on the GPU.

    Args:
        model: its name in the catalogue.
        compute_type: as CTranslate2 names it.
        memory: MiB, without the CUDA context.
    """

    model: str
    compute_type: str
    memory: int


@dataclass(frozen=True, slots=True)
class LlmChoice:
    """A language model on the GPU, all its layers.

    Args:
        model: its name in the catalogue.
        shape: what its file says.
        context_tokens: of cache.
    """

    model: str
    shape: Shape
    context_tokens: int

    @property
    def memory(self) -> int:
        """MiB, without the CUDA context."""
        return llm_memory(self.shape, self.context_tokens)


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes where; None is for what stays on the processor.

    Args:
        stt: speech-to-text.
        llm: the language model.
        parler: whether Parler speaks, in its own process; else the fast voice does, which needs no
            GPU.
        budget: MiB that there were for them.
    """

    stt: SttChoice | None
    llm: LlmChoice | None
    parler: bool
    budget: int

    @property
    def memory(self) -> int:
        """MiB that they take together."""
        here = [choice.memory for choice in (self.stt, self.llm) if choice is not None]
        return sum(here) + CONTEXT * bool(here) + PARLER * self.parler


def llm_memory(shape: Shape, context_tokens: int) -> int:
    """Return the MiB that a language model takes with all its layers on the GPU."""
    return -(-(shape.file_bytes + shape.token_bytes * context_tokens) // _MIB) + _WORK


TURBO = SttChoice("whisper-large-v3-turbo", "float16", 2500)
TURBO_8BIT = SttChoice("whisper-large-v3-turbo", "int8_float16", 1600)
BASE = SttChoice("whisper-base", "float16", 450)
# The shapes are those of the files, as their makers publish them: layers, and heads for keys and
# values times their width, both, in 16 bits.
_SHAPES = {
    "qwen2.5-7b-instruct-q4_k_m": Shape(28, 4_683_074_240, 28 * 4 * 128 * 2 * 2),
    "qwen3-4b-instruct-2507-q4_k_m": Shape(36, 2_497_280_736, 36 * 8 * 128 * 2 * 2),
    "qwen2.5-coder-1.5b-instruct-q4_k_m": Shape(28, 1_117_320_768, 28 * 2 * 128 * 2 * 2),
    "qwen2.5-coder-0.5b-instruct-q4_k_m": Shape(24, 491_400_064, 24 * 2 * 64 * 2 * 2),
}
_7B, _4B, _1B, _HALF_B = _SHAPES


def _llm(model: str, context_tokens: int) -> LlmChoice:
    return LlmChoice(model, _SHAPES[model], context_tokens)


# The best first. Parler's voice comes before a larger language model, as it is what a GPU is for
# here; a language model that answers soon comes before speech-to-text, which manages on a
# processor. What does not fit with Parler is of more use without.
_LEVELS: tuple[tuple[SttChoice | None, LlmChoice | None, bool], ...] = (
    (TURBO, _llm(_7B, 16384), True),
    (TURBO, _llm(_7B, 8192), True),
    (TURBO, _llm(_4B, 8192), True),
    (TURBO_8BIT, _llm(_4B, 4096), True),
    (TURBO_8BIT, _llm(_1B, 4096), True),
    (BASE, _llm(_1B, 4096), True),
    (TURBO, _llm(_7B, 8192), False),
    (TURBO, _llm(_4B, 4096), False),
    (TURBO_8BIT, _llm(_1B, 4096), False),
    (BASE, _llm(_1B, 4096), False),
    (BASE, _llm(_HALF_B, 4096), False),
    (BASE, None, False),
)


def plan(memory: int, free: int, *, parler: bool = True) -> Plan:
    """Return the best choice that fits, with a reserve.

    Args:
        memory: MiB of the card.
        free: MiB of it that nobody else uses.
        parler: whether it knows the house's language; else the plan is without it.
    """
    budget = max(0, free - reserve(memory))
    for stt, llm, speaks in _LEVELS:
        found = Plan(stt, llm, speaks, budget)
        if found.memory <= budget and (parler or not speaks):
            return found
    return Plan(None, None, False, budget)


def reserve(memory: int) -> int:
    """Return the MiB of a card that are left alone."""
    return max(_LEAST_RESERVE, round(memory * _RESERVE))
