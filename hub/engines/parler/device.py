"""Where Parler computes, and with which numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where it computes.

    Args:
        device: "cuda" or "cpu".
        dtype: torch's name of the numbers.
        note: what people should know of it; "" for nothing.
    """

    device: str
    dtype: str
    note: str


CPU = "float32"
_SLOW = "slower than speech on almost any processor"


def choose(wanted: str) -> Place:
    """Return where to compute.

    Args:
        wanted: "auto", "cpu" or "cuda", as in tts.device; "cuda" falls back to "cpu", and says so.
    """
    import torch

    if wanted == "cpu":
        return Place("cpu", CPU, "")
    if torch.version.cuda is None:
        why = "this torch is a build for processors; run make parler where the GPU is"
        return _on_cpu(wanted, why if wanted == "cuda" else "no GPU")
    try:
        # What the driver says is not enough: an old GPU fails at the first sum.
        float(torch.ones(1, device="cuda") + 1)
    except (RuntimeError, AssertionError) as exc:
        return _on_cpu(wanted, f"no usable GPU ({str(exc).splitlines()[0]})")
    return Place("cuda", "bfloat16" if torch.cuda.is_bf16_supported(False) else "float16", "")


def _on_cpu(wanted: str, why: str) -> Place:
    note = f"on the processor: {why}; {_SLOW}"
    return Place(
        "cpu", CPU, f"tts.device is cuda, but it runs {note}" if wanted == "cuda" else note
    )
