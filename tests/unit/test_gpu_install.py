"""`make install-gpu` where something is missing: one line says what, and nothing is changed.

With programs that say what the driver's and the CUDA toolkit's say; nothing is compiled.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARD = "NVIDIA RTX, GPU-a, 8192, 8000, {driver}, {capability}"


class Machine:
    def __init__(self, folder):
        self._folder = folder

    def program(self, name, script):
        path = self._folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def driver(self, version="580.95.05", capability="8.6"):
        card = CARD.format(driver=version, capability=capability)
        self.program("nvidia-smi", f"echo '{card}'")

    def toolkit(self, release="13.0", architectures="compute_75 compute_86", cublas=True):
        missing = "echo 'fatal error: cublas_v2.h: No such file or directory' >&2; exit 1"
        self.program(
            "nvcc",
            f"""case "$1" in
--version) echo 'Cuda compilation tools, release {release}, V{release}.88';;
--list-gpu-arch) printf '%s\\n' {architectures};;
-E) {"exit 0" if cublas else missing};;
esac""",
        )

    def install(self):
        environment = os.environ | {
            "PATH": f"{self._folder}:/usr/bin:/bin",
            "CUDACXX": str(self._folder / "nvcc"),
        }
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        done = subprocess.run(
            [ROOT / "deploy" / "gpu.sh"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr


@pytest.fixture
def machine(tmp_path):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("deploy/gpu.sh works on the .venv of its checkout, which is not this one")
    return Machine(tmp_path)


def changed():
    marker = ROOT / ".venv" / ".parlour-cuda"
    stamp = ROOT / ".venv" / ".parlour-setup"
    return [path.read_bytes() if path.exists() else None for path in (marker, stamp)]


@pytest.mark.parametrize(
    ("driver", "toolkit", "problem"),
    [
        (None, {}, "NVIDIA"),
        ({"version": "470.10"}, {}, "the driver 470.10 is too old for CUDA 12: update it"),
        (
            {"version": "550.90"},
            {"release": "13.0"},
            "the driver 550.90 is too old for CUDA 13: update it to 580 or newer; or install a "
            "CUDA toolkit of another major version",
        ),
        (
            {"capability": "12.0"},
            {"release": "12.4", "architectures": "compute_86 compute_90"},
            "does not know GPUs of compute capability 12.0; install another CUDA toolkit",
        ),
        ({}, {"cublas": False}, "is not whole (cuBLAS is missing"),
    ],
    ids=["no driver", "old driver", "toolkit too new", "toolkit too old", "no cuBLAS"],
)
def test_what_is_missing_is_said_at_once_and_nothing_is_changed(machine, driver, toolkit, problem):
    before = changed()
    if driver is not None:
        machine.driver(**driver)
    else:
        machine.program("nvidia-smi", "echo 'No devices were found'; exit 6")
    machine.toolkit(**toolkit)
    code, said = machine.install()
    assert code == 1, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("install-gpu: ")
    assert problem in last
    assert last.endswith("Nothing was changed")
    assert changed() == before
