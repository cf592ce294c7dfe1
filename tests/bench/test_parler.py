"""Parler-TTS: steps a second, time to first audio, real-time factor, cancelling, memory.

Where there is a GPU, a model of mini-v1's shapes with random weights (speed does not depend on
them); else a tiny one on the processor, whose figures say nothing of a GPU's. Beside it runs the
library's own ParlerTTSStreamer in the same process, one run after the other.
"""

import json
import subprocess
from pathlib import Path

import pytest
from results import ROOT, bar, record, table

PYTHON = ROOT / ".venv-parler" / "bin" / "python"
STEPS = 430  # 5 s of speech
FIRST_AUDIO = 0.3  # s; the bar on a GPU
CANCEL = 0.1  # s
OURS, THEIRS = "ours", "ParlerTTSStreamer"


def run(*command: object, timeout: float) -> str:
    return subprocess.run(
        [str(PYTHON), *map(str, command)],
        check=True,
        timeout=timeout,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    subprocess.run([ROOT / "deploy" / "parler.sh"], check=True, timeout=3600)
    cuda = run("-c", "import torch; print(torch.cuda.is_available())", timeout=120).strip()
    shapes = "mini-v1" if cuda == "True" else "tiny"
    if shapes == "tiny":
        print("\nno GPU: a tiny model on the processor; its figures say nothing of a GPU's")
    folder = tmp_path_factory.mktemp("parler")
    dtype = "bfloat16" if shapes == "mini-v1" else "float32"
    maker = Path("tests") / "tiny_parler.py"
    run(maker, folder, "--shapes", shapes, "--dtype", dtype, timeout=600)
    figures = json.loads(
        run(Path("tests") / "bench" / "parler_speed.py", folder, STEPS, timeout=1800)
        .strip()
        .splitlines()[-1]
    )
    record("parler", {"shapes": shapes, **figures})
    return shapes, figures


def test_parler(measured):
    shapes, figures = measured
    runs = figures["runs"]
    title = f"{shapes} on {figures['device']}, {figures['dtype']} {figures['note']}"
    keys = ("first audio", "steps per second", "real-time factor")
    rows = [(name, *(found[key] for key in keys)) for name, found in runs.items()]
    table(title, ("", *keys), rows)
    print(f"memory of the GPU: {figures['memory'] / 1e9:.1f} GB")
    ours, theirs = runs[OURS], runs[THEIRS]
    ratios = {
        "first audio, share of ParlerTTSStreamer's": ours["first audio"] / theirs["first audio"],
        "time for all, share of ParlerTTSStreamer's": ours["real-time factor"]
        / theirs["real-time factor"],
    }
    met = [bar("parler", name, ratio, at_most=1.0, unit="") for name, ratio in ratios.items()]
    met.append(bar("parler", "from cancel to stop", figures["cancel"], at_most=CANCEL))
    if shapes == "mini-v1":
        best = min(
            (found for name, found in runs.items() if name != THEIRS),
            key=lambda found: found["real-time factor"],
        )
        met.append(bar("parler", "first audio", best["first audio"], at_most=FIRST_AUDIO))
        met.append(
            bar("parler", "real-time factor", best["real-time factor"], at_most=1.0, unit="")
        )
    assert all(met)
