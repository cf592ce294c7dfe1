"""Install llama-cpp-python into the Python that runs this, compiling it at most once a machine.

llama-cpp-python comes as source only: eight minutes of compiling on two cores. The wheel is kept
in the user's cache folder under a key of everything that decides what it holds (version, Python,
architecture, CMake flags), and is loaded once in a process of its own before it is trusted: a
wheel that does not load, or that this processor cannot run, is thrown away and built anew.

With `--cuda` it is built for a GPU, by the CUDA compiler that CUDACXX names (deploy/gpu.sh finds
it). Where that fails, the wheel for processors is installed and the exit status is 3.

Standard library only: this runs before anything else is installed.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
# No native tuning: the wheel may meet another machine of the same architecture next time.
FLAGS = ["-DGGML_NATIVE=OFF"]
AVX2_FLAGS = [f"-DGGML_{name}=ON" for name in ("AVX", "AVX2", "FMA", "F16C", "BMI2")]
# They compute a prompt in a third less time, measured; by the flags that the kernel names.
AVX512 = {"avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"}
AVX512_FLAGS = {
    "avx512vbmi": "-DGGML_AVX512_VBMI=ON",
    "avx512_vnni": "-DGGML_AVX512_VNNI=ON",
    "avx512_bf16": "-DGGML_AVX512_BF16=ON",
}
# Left to themselves, x86 builds without native tuning still use AVX2.
PLAIN_X86_FLAGS = [f"-DGGML_{name}=OFF" for name in ("AVX", "AVX2", "FMA", "F16C", "BMI2")]
LIBRARY_ONLY = [
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_CURL=OFF",
]
SMOKE = (
    "import llama_cpp; llama_cpp.llama_backend_init(); "
    "print(llama_cpp.llama_print_system_info().decode().strip())"
)
ROOT = str(Path(__file__).resolve().parents[1])
# CUDA's own libraries first, from where the hub loads them; it fails where no part is for CUDA.
CUDA_SMOKE = f"""
import sys
sys.path.insert(0, {ROOT!r})
from hub.engines.gpu_libraries import llama_library, missing_cuda
missing_cuda(llama_library())
{SMOKE}"""
# Without NO_VMM it is linked to the driver, and does not even load where that is gone: then not
# even the processor could be used.
CUDA_FLAGS = ["-DGGML_CUDA=ON", "-DGGML_CUDA_NO_VMM=ON"]
NO_CUDA = 3  # exit status
SMOKE_SECONDS = 120
BYTES_A_COMPILER = 1 << 30


def version() -> str:
    """The pinned version of llama-cpp-python, from constraints.txt."""
    pin = re.search(r"^llama[-_]cpp[-_]python==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if pin is None:
        raise SystemExit(f"llama wheel: {CONSTRAINTS} does not pin llama-cpp-python")
    return pin[1]


def cpu_features() -> set[str]:
    """This processor's feature flags as the kernel names them."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def cmake_flags(machine: str, features: set[str]) -> list[str]:
    """CMake flags for an architecture (as `platform.machine()` names it)."""
    flags = list(FLAGS)
    if machine == "x86_64":
        modern = {"avx", "avx2", "fma", "f16c", "bmi2"} <= features
        flags += AVX2_FLAGS if modern else PLAIN_X86_FLAGS
        if modern and features >= AVX512:
            flags.append("-DGGML_AVX512=ON")
            flags += [flag for feature, flag in AVX512_FLAGS.items() if feature in features]
    return flags + LIBRARY_ONLY


def cuda_flags(capabilities: str) -> list[str]:
    """CMake flags for GPUs of these compute capabilities, "86" or "86;89"."""
    return [*CUDA_FLAGS, f"-DCMAKE_CUDA_ARCHITECTURES={capabilities}"]


def cuda_compiler() -> str:
    """The version of the CUDA compiler, which decides what libraries the wheel wants."""
    nvcc = os.environ.get("CUDACXX", "nvcc")
    try:
        said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise SystemExit(f"llama wheel: no CUDA compiler {nvcc}: {exc}") from None
    found = re.search(r"release [\d.]+, (\S+)", said.stdout)
    return found[1] if found else said.stdout.strip()


def cache_key(machine: str, flags: list[str]) -> str:
    """Name of the wheel's folder in the cache."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    digest = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:12]
    return f"llama_cpp_python-{version()}-{python}-{machine}-{digest}"


def wheel_cache() -> Path:
    """Folder of all compiled wheels."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "parlour" / "wheels"


def compilers_at_once() -> int:
    """One a core, as far as memory goes: a small board has four cores and one gigabyte."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // BYTES_A_COMPILER))


class Counter:
    """Turns ninja's `[12/140]` into one updating line, or a line each tenth without a terminal."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._tenth = 0
        self._tty = sys.stdout.isatty()

    def line(self, text: str) -> None:
        """Take one line of the build's output."""
        found = re.match(r"\s*\[(\d+)/(\d+)\]", text)
        if not found:
            return
        done, total = int(found[1]), int(found[2])
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        shown = f"llama wheel: compiled {done} of {total}, {minutes} min {seconds:02} s"
        if self._tty:
            print(f"\r{shown} ", end="\n" if done == total else "", flush=True)
        elif done * 10 // total > self._tenth:
            self._tenth = done * 10 // total
            print(shown, flush=True)


def build(flags: list[str], folder: Path) -> Path:
    """Compile the wheel into `folder`, which appears only when it is complete.

    Args:
        flags: for CMake.
        folder: where the finished wheel goes.

    Returns:
        The wheel.

    Raises:
        SystemExit: the build failed; its last lines have been printed.
    """
    requirement = f"llama-cpp-python=={version()}"
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(compilers_at_once()))
    minutes = 60 if set(CUDA_FLAGS) <= set(flags) else 15
    print(
        f"llama wheel: compiling {requirement}, once; about {minutes} minutes of one core",
        flush=True,
    )
    log = folder.parent / f"{folder.name}.log"
    counter, tail = Counter(), deque[str](maxlen=20)
    with tempfile.TemporaryDirectory(prefix="building-", dir=folder.parent) as temporary:
        # no pip cache: pip would hand out a wheel made with other flags
        command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-cache-dir"]
        command += ["--no-binary=llama-cpp-python", f"--wheel-dir={temporary}", requirement]
        environment = os.environ | {
            "CMAKE_ARGS": " ".join(flags),
            "CMAKE_BUILD_PARALLEL_LEVEL": jobs,
        }
        with (
            log.open("w") as output,
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            ) as pip,
            kill_group_on_exit(pip),
        ):
            assert pip.stdout is not None
            for line in pip.stdout:
                output.write(line)
                tail.append(line.rstrip())
                counter.line(line)
        made = list(Path(temporary).glob("*.whl"))
        if pip.returncode != 0 or len(made) != 1:
            print("", *(line[:200] for line in tail), sep="\n")
            raise SystemExit(f"llama wheel: the build failed; the whole log: {log}")
        # a folder that is renamed into place is never half full
        shutil.rmtree(folder, ignore_errors=True)
        ready = Path(temporary) / "ready"
        ready.mkdir()
        made[0].rename(ready / made[0].name)
        ready.rename(folder)
    return folder / made[0].name


@contextlib.contextmanager
def kill_group_on_exit(process: subprocess.Popen[str]) -> Iterator[None]:
    """When the body is left by an exception (Ctrl-C), end the process and all its compilers."""
    try:
        yield
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def install(wheel: Path) -> None:
    """Install the wheel and what it depends on."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--force-reinstall"]
    # first with its dependencies as they may already be, then the wheel itself by force
    subprocess.run([*command[:-1], "-c", str(CONSTRAINTS), str(wheel)], check=True)
    subprocess.run([*command, "--no-deps", str(wheel)], check=True)


def loads(smoke_test: str = SMOKE) -> str | None:
    """Load the installed library in a process of its own.

    Args:
        smoke_test: what that process runs.

    Returns:
        Its description of itself; None when it does not load, or not on this processor.
    """
    try:
        smoke = subprocess.run(
            [sys.executable, "-c", smoke_test],
            capture_output=True,
            text=True,
            timeout=SMOKE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    return smoke.stdout.strip() if smoke.returncode == 0 else None


@contextlib.contextmanager
def exclusive(cache: Path) -> Iterator[None]:
    """Hold the cache's lock. No time-out: a build takes as long as it takes."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provide(key: str, flags: list[str], smoke_test: str) -> None:
    """Install from the cache, or build, keep and install.

    Raises:
        SystemExit: the build failed, or what came of it does not load.
    """
    folder = wheel_cache() / key
    if wheel := next(iter(folder.glob("*.whl")), None):
        try:
            install(wheel)
        except subprocess.CalledProcessError:
            print("llama wheel: the cached wheel cannot be installed", flush=True)
        else:
            if about := loads(smoke_test):
                print(f"llama wheel: from the cache ({about})")
                return
        print("llama wheel: the cached wheel does not load here; building anew", flush=True)
        shutil.rmtree(folder)
    for leftover in wheel_cache().glob("building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    install(build(flags, folder))
    about = loads(smoke_test)
    if about is None:
        shutil.rmtree(folder)
        raise SystemExit(f"llama wheel: built, but does not load; see {folder}.log")
    print(f"llama wheel: built and kept in {folder} ({about})")


def provide_cuda(capabilities: str, machine: str, flags: list[str], *, only_build: bool) -> None:
    """Install the wheel for GPUs; where that fails, the one for processors.

    Args:
        capabilities: of the GPUs, "86" or "86;89".
        machine: as `platform.machine()` names it.
        flags: for CMake, of the wheel for processors.
        only_build: whether to build and keep it alone; what is installed stays as it is.

    Raises:
        SystemExit: it failed; with status 3 where the other one is installed now.
    """
    cuda = flags + cuda_flags(capabilities)
    key = cache_key(machine, [*cuda, cuda_compiler()])
    if only_build:
        folder = wheel_cache() / key
        if not any(folder.glob("*.whl")):
            build(cuda, folder)
        return
    try:
        provide(key, cuda, CUDA_SMOKE)
    except (SystemExit, subprocess.CalledProcessError) as exc:
        if isinstance(exc, SystemExit) and isinstance(exc.code, int):
            raise  # it was stopped
        print(exc, "llama wheel: installing the one for processors instead", sep="\n", flush=True)
        provide(cache_key(machine, flags), flags, SMOKE)
        raise SystemExit(NO_CUDA) from None


def main() -> None:
    """Install the wheel for this machine; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print-key", action="store_true", help="print the cache key and stop")
    parser.add_argument("--cuda", metavar="CAPABILITY", help='for such GPUs, "86" or "86;89"')
    parser.add_argument("--only-build", action="store_true", help="that one, and install nothing")
    arguments = parser.parse_args()
    machine = platform.machine()
    flags = cmake_flags(machine, cpu_features() if machine == "x86_64" else set())
    if arguments.print_key:
        print(cache_key(machine, flags))
        return
    # a polite end, Ctrl-C among them, takes the compilers along and prints no traceback
    for polite in (signal.SIGINT, signal.SIGTERM):
        signal.signal(polite, lambda number, _: sys.exit(128 + number))
    with exclusive(wheel_cache()):
        if arguments.cuda is not None:
            provide_cuda(arguments.cuda, machine, flags, only_build=arguments.only_build)
        else:
            provide(cache_key(machine, flags), flags, SMOKE)


if __name__ == "__main__":
    main()
