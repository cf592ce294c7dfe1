"""Measures one Parler checkpoint and prints JSON; runs in Parler's environment, for test_parler.py.

.venv-parler/bin/python tests/bench/parler_speed.py FOLDER [STEPS]
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from hub.engines.parler import device
from hub.engines.parler.checkpoint import Checkpoint, load
from hub.engines.parler.compiled import Twin
from hub.engines.parler.libraries import import_parler
from hub.engines.parler.speaker import Speaker

SAID = "The kitchen light is on, the window is open, and it is a quarter past seven."
TOLD = "Jon's voice is warm and calm, with very clear audio."
ROUNDS = 3
THEIR_STEPS = 43  # half a second at a time: their guide's own, with which its sound is whole


def timed(run: Callable[[Callable[[Any], None]], int]) -> dict[str, float]:
    """Return what a run took; `run` gets what takes its sound, and returns its steps."""
    chunks: list[tuple[float, int]] = []
    began = time.monotonic()
    steps = run(lambda sound: chunks.append((time.monotonic() - began, len(sound))))
    took = time.monotonic() - began
    seconds = sum(size for _, size in chunks) / 44100
    return {
        "first audio": chunks[0][0],
        "steps per second": steps / took,
        "real-time factor": took / seconds,
    }


def ours(speaker: Speaker, steps: int) -> Callable[[Callable[[Any], None]], int]:
    return lambda emit: speaker.speak(SAID, TOLD, seed=1, most_steps=steps, emit=emit)


def theirs(checkpoint: Checkpoint, steps: int) -> Callable[[Callable[[Any], None]], int]:
    """Return a run with the library's own streamer, as its guide has it."""

    def run(emit: Callable[[Any], None]) -> int:
        import torch

        model = checkpoint.model
        streamer = import_parler().ParlerTTSStreamer(
            model, device=model.device, play_steps=THEIR_STEPS, timeout=600
        )
        prompt = checkpoint.prompts(SAID, return_tensors="pt").to(model.device)
        told = checkpoint.descriptions(TOLD, return_tensors="pt").to(model.device)
        torch.manual_seed(1)
        thread = threading.Thread(
            target=model.generate,
            kwargs={
                "input_ids": told.input_ids,
                "attention_mask": told.attention_mask,
                "prompt_input_ids": prompt.input_ids,
                "prompt_attention_mask": prompt.attention_mask,
                "streamer": streamer,
                "max_new_tokens": steps,
            },
        )
        thread.start()
        for sound in streamer:
            if len(sound):
                emit(sound)
        thread.join()
        return steps

    return run


def cancel_seconds(speaker: Speaker, steps: int) -> float:
    """Return how long the model goes on after it was cancelled from another thread."""
    cancelled, asked = threading.Event(), [0.0]

    def cancel() -> None:
        asked[0] = time.monotonic()
        cancelled.set()

    timer = threading.Timer(0.2, cancel)
    timer.start()
    speaker.speak(
        SAID,
        TOLD,
        seed=1,
        most_steps=steps,
        emit=lambda _: None,
        is_cancelled=cancelled.is_set,
    )
    ended = time.monotonic()
    timer.join()
    return max(0.0, ended - asked[0])


def main() -> None:
    folder, steps = Path(sys.argv[1]), int(sys.argv[2])
    import_parler()
    import torch

    torch.set_num_threads(1)
    place = device.choose("auto")
    checkpoint = load(folder, place.device, place.dtype)
    speaker = Speaker(checkpoint)
    runs = {"ours": ours(speaker, steps), "ParlerTTSStreamer": theirs(checkpoint, steps)}
    decoder = checkpoint.model.decoder.config
    eager = load(folder, place.device, place.dtype)
    if eager.model.decoder.config._attn_implementation != "eager":
        with_eager(eager)
    runs["ours, eager attention"] = ours(Speaker(eager), steps)
    note = ""
    if place.device == "cuda":
        twin = Twin(checkpoint, TOLD)
        began = time.monotonic()
        try:
            twin.compile()
            twin.record()
            runs["ours, compiled"] = ours(twin.speaker, steps)
            note = f"compiled in {time.monotonic() - began:.0f} s"
        except Exception as exc:  # the figures of the others count all the same
            note = f"not compiled: {type(exc).__name__}: {exc}"[:300]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for run in runs.values():
        timed(run)  # the first of everything is slow
    for _ in range(ROUNDS):  # one after the other, so that a slow minute hits all
        for name, run in runs.items():
            found[name].append(timed(run))
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name() if place.device == "cuda" else "cpu",
                "dtype": place.dtype,
                "attention": decoder._attn_implementation,
                "note": note,
                "cancel": median(cancel_seconds(speaker, steps * 4) for _ in range(5)),
                "memory": torch.cuda.max_memory_allocated() if place.device == "cuda" else 0,
                "runs": {
                    name: {key: median(one[key] for one in all_) for key in all_[0]}
                    for name, all_ in found.items()
                },
            }
        )
    )


def with_eager(checkpoint: Checkpoint) -> None:
    """Give a decoder the attention that is written out, in place of torch's own."""
    import importlib

    modeling = importlib.import_module("parler_tts.modeling_parler_tts")
    kinds = modeling.PARLERTTS_ATTENTION_CLASSES
    for module in checkpoint.model.decoder.modules():
        if type(module) is kinds["sdpa"]:
            module.__class__ = kinds["eager"]
    for module in checkpoint.model.decoder.modules():
        for name in ("attn_implementation", "_attn_implementation"):
            if getattr(module, name, None) == "sdpa":
                setattr(module, name, "eager")
    checkpoint.model.decoder.config._attn_implementation = "eager"


if __name__ == "__main__":
    main()
