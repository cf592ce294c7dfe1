"""Which NVIDIA GPUs this machine has, asked of the driver's own program, and what keeps them idle.

No library is needed, and nothing is loaded: `nvidia-smi` comes with the driver.
`python -m hub.engines.gpu` is what `make install-gpu` asks before it builds anything.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hub.engines.gpu_libraries import cuda_of, missing_cuda

_TIMEOUT = 15.0  # seconds; a driver that is woken up takes some, a broken one never answers
_FIELDS = ("name", "uuid", "memory.total", "memory.free", "driver_version", "compute_cap")
_WSL = "/usr/lib/wsl/lib"  # where Windows puts its driver's nvidia-smi, on no PATH of a service
_PCI = Path("/sys/bus/pci/devices")
_NVIDIA = "0x10de"
_DISPLAY = "0x03"  # the class of display controllers, 3D ones among them

# The oldest driver for each major version of CUDA ("CUDA Compatibility", NVIDIA: minor versions are
# compatible within one).
_OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580,)}
INSTALL_DRIVER = "install it (Debian: apt install nvidia-driver; Ubuntu: ubuntu-drivers install)"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card.

    Args:
        name: as its maker calls it.
        uuid: what CUDA_VISIBLE_DEVICES takes, whatever the order of the cards.
        memory: MiB in all.
        free: MiB that nobody uses at this moment.
        driver: the driver's version.
        capability: what the card can compute, (8, 6) for one; None where the driver is too old to
            say.
    """

    name: str
    uuid: str
    memory: int
    free: int
    driver: str
    capability: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class GpuReport:
    """What was found.

    Args:
        gpus: the cards that CUDA may use, the one with the most free memory first.
        problem: why there are none, and what to do; "" where there are.
        present: whether there is a card at all, usable or not.
    """

    gpus: tuple[Gpu, ...]
    problem: str = ""
    present: bool = True


async def find_gpus() -> GpuReport:
    """Ask for the cards, off the event loop; takes 15 s at most."""
    return await asyncio.to_thread(look)


def look() -> GpuReport:
    """Ask for the cards; blocks for up to 15 s."""
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=_WSL)
    if program is None:
        if _has_card():
            return GpuReport((), f"there is an NVIDIA GPU, but no driver: {INSTALL_DRIVER}")
        return GpuReport((), "no NVIDIA GPU is in this machine", present=False)
    try:
        answer = _ask(program, _FIELDS)
        if answer.returncode != 0 and "compute_cap" in answer.stdout + answer.stderr:
            answer = _ask(program, _FIELDS[:-1])  # drivers before 470 do not know the field
    except subprocess.TimeoutExpired:
        return GpuReport((), f"nvidia-smi gives no answer for {_TIMEOUT:g} s; restart the machine")
    except OSError as exc:
        return GpuReport((), f"nvidia-smi cannot be run: {exc}")
    if answer.returncode != 0:
        return GpuReport((), _problem(answer.stdout + answer.stderr))
    gpus = [gpu for line in answer.stdout.splitlines() if (gpu := _read(line)) is not None]
    if not gpus:
        return GpuReport((), "nvidia-smi knows of no GPU whose memory it can tell")
    visible = _visible(gpus)
    if not visible:
        return GpuReport((), "CUDA_VISIBLE_DEVICES hides every GPU from this program; unset it")
    return GpuReport(tuple(sorted(visible, key=lambda gpu: -gpu.free)))


def driver_problem(gpu: Gpu, cuda: int) -> str:
    """Say what to do where the driver is too old for a major version of CUDA; "" where it is not.

    Args:
        gpu: the card.
        cuda: 12, for one.
    """
    oldest = _OLDEST_DRIVER.get(cuda)
    driver = tuple(int(part) for part in re.findall(r"\d+", gpu.driver))
    if oldest is None or not driver or driver >= oldest:
        return ""
    wanted = ".".join(map(str, oldest))
    return f"the driver {gpu.driver} is too old for CUDA {cuda}: update it to {wanted} or newer"


def obstacle(library: Path, gpu: Gpu) -> str:
    """Load the CUDA libraries that an engine's library wants; say what is in the way, if anything.

    Args:
        library: the engine's own, CTranslate2's for one.
        gpu: the card that it is to compute on.
    """
    cuda = cuda_of(library)
    if cuda is None:
        return "it was built without CUDA; run make install-gpu"
    if text := driver_problem(gpu, cuda):
        return text
    if missing := missing_cuda(library):
        return f"{' and '.join(missing)} of CUDA {cuda} cannot be loaded; run make install-gpu"
    return ""


def memory_text(gpu: Gpu) -> str:
    """Say how much memory a card has, and has left, for people."""
    return f"{gpu.free / 1024:.1f} of {gpu.memory / 1024:.1f} GB free"


def _ask(program: str, fields: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    query = [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    return subprocess.run(
        [program, *query], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT
    )


def _read(line: str) -> Gpu | None:
    """Read one line; None for a card that does not tell its memory, as "[N/A]"."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) < len(_FIELDS) - 1:
        return None
    name, uuid, memory, free, driver, *rest = parts
    if not (memory.isdecimal() and free.isdecimal()):
        return None
    found = re.fullmatch(r"(\d+)\.(\d+)", rest[0]) if rest else None
    capability = (int(found[1]), int(found[2])) if found else None
    return Gpu(name, uuid, int(memory), int(free), driver, capability)


def _visible(gpus: list[Gpu]) -> list[Gpu]:
    """Return the cards that CUDA shows to this program, by CUDA_VISIBLE_DEVICES.

    Numbers count in CUDA's own order, which is nvidia-smi's only with CUDA_DEVICE_ORDER=PCI_BUS_ID
    or among cards of one kind; that is as near as one comes without CUDA.
    """
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return gpus
    shown: list[Gpu] = []
    for name in (part.strip() for part in wanted.split(",")):
        if name.isdecimal():
            found = gpus[int(name) : int(name) + 1]
        else:
            found = [gpu for gpu in gpus if name and gpu.uuid.startswith(name)]
        if not found:
            break  # CUDA, too, stops at the first that it does not know
        shown += found
    return shown


def _problem(said: str) -> str:
    """Return why nvidia-smi failed, and what to do."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = lines[0].rstrip(".")[:200] if lines else "nvidia-smi failed and said nothing"
    if "version mismatch" in said:
        return f"{first}: the driver was updated; restart the machine"
    if "communicate with the NVIDIA driver" in said:
        return f"the NVIDIA driver is not running: restart the machine, or {INSTALL_DRIVER}"
    if "No devices were found" in said:
        return "the NVIDIA driver finds no GPU; look at `dmesg` and at the card's power cables"
    return first


def _has_card() -> bool:
    """Tell whether an NVIDIA display controller is on the PCI bus."""
    for device in _PCI.glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text(), (device / "class").read_text()
        except OSError:
            continue
        if vendor.strip() == _NVIDIA and kind.startswith(_DISPLAY):
            return True
    return False


def main(argv: list[str]) -> int:
    """Print what the cards can compute, as CMake wants it ("86" or "86;89"); 1 where none can.

    Args:
        argv: the major version of CUDA that is to be used; 12 by default.
    """
    cuda = int(argv[0]) if argv else 12
    report = look()
    old = next((text for gpu in report.gpus if (text := driver_problem(gpu, cuda))), "")
    known = {gpu.capability for gpu in report.gpus if gpu.capability is not None}
    problem = report.problem or old
    if not problem and not known:
        problem = f"the driver {report.gpus[0].driver} is too old: update it to 525.60 or newer"
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(";".join(f"{major}{minor}" for major, minor in sorted(known)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
