"""deploy/llama_wheel.py with real pip and a stand-in source package that "compiles" in no time."""

import importlib.util
import io
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import psutil
import pytest

pytestmark = pytest.mark.long  # half a minute, of what hardly ever changes

SCRIPT = Path(__file__).parents[2] / "deploy" / "llama_wheel.py"
GOOD = """
def llama_backend_init(): pass
def llama_print_system_info(): return b"stand-in"
"""
ILLEGAL_INSTRUCTION = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
BACKEND = """
import os, pathlib, sys, time, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "llama_cpp_python-VERSION"
    cuda = "-DGGML_CUDA=ON" in os.environ["CMAKE_ARGS"].split()
    for step in range(1, 21):
        print(f"[{step}/20] /usr/bin/c++ something", flush=True)
    BEHAVIOUR
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / f"{name}-py3-none-any.whl", "w") as wheel:
        for file, text in {
            "llama_cpp.py": MODULE,
            f"{name}.dist-info/METADATA":
                "Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: VERSION\\n",
            f"{name}.dist-info/WHEEL":
                "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            f"{name}.dist-info/RECORD": "",
        }.items():
            wheel.writestr(file, text)
        if cuda and CUDA_PART:
            wheel.writestr("lib/libggml-cuda.so", CUDA_PART)
    return f"{name}-py3-none-any.whl"
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("llama_wheel", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


class Machine:
    """A cache folder, and a package index with one source package."""

    def __init__(self, folder: Path, python: Path, version: str) -> None:
        self._python, self._version = python, version
        self._index = folder / "index"
        self._index.mkdir()
        self.cache = folder / "parlour" / "wheels"
        self._environment = os.environ | {
            "XDG_CACHE_HOME": str(folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self._index),
            "CUDACXX": str(folder / "nvcc"),
        }
        self.put_nvcc("V13.0.88")
        self.installed = python.parent.parent / "lib"

    def put_nvcc(self, version: str) -> None:
        nvcc = Path(self._environment["CUDACXX"])
        nvcc.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release 13.0, {version}'\n")
        nvcc.chmod(0o755)

    def has_cuda(self) -> bool:
        return bool(list(self.installed.rglob("libggml-cuda.so")))

    def offer(self, module: str, behaviour: str = "pass", cuda: str = "of CUDA") -> None:
        backend = BACKEND.replace("VERSION", self._version).replace("CUDA_PART", repr(cuda))
        backend = backend.replace("MODULE", repr(module)).replace("BEHAVIOUR", behaviour)
        name = f"llama_cpp_python-{self._version}"
        files = {
            "pyproject.toml": "[build-system]\nrequires = []\n"
            'build-backend = "backend"\nbackend-path = ["."]\n',
            "backend.py": backend,
            "PKG-INFO": f"Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: {self._version}",
        }
        with tarfile.open(self._index / f"{name}.tar.gz", "w:gz") as archive:
            for file, text in files.items():
                info = tarfile.TarInfo(f"{name}/{file}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))

    def withdraw(self) -> None:
        for path in self._index.iterdir():
            path.unlink()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self._python, SCRIPT, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            output = process.communicate(timeout=120)[0]
        return process.returncode, output

    def wheels(self) -> list[Path]:
        return list(self.cache.rglob("*.whl"))


@pytest.fixture
def machine(tmp_path: Path, python: Path, script: ModuleType) -> Machine:
    return Machine(tmp_path, python, script.version())


def test_it_is_compiled_once_with_progress_and_then_comes_from_the_cache(machine: Machine) -> None:
    machine.offer(GOOD)
    code, output = machine.run()
    assert code == 0, output
    # a line each tenth, not each of the twenty steps
    assert output.count("llama wheel: compiled") == 10
    assert "compiled 20 of 20" in output
    assert "built and kept" in output
    assert len(machine.wheels()) == 1
    machine.withdraw()
    code, output = machine.run()
    assert code == 0, output
    assert "from the cache (stand-in)" in output


@pytest.mark.parametrize("damage", ["illegal instruction", "not a wheel"])
def test_a_cached_wheel_that_does_not_load_is_thrown_away_and_built_anew(
    machine: Machine, damage: str
) -> None:
    machine.offer(GOOD)
    machine.run()
    (wheel,) = machine.wheels()
    if damage == "not a wheel":
        wheel.write_bytes(b"truncated")
    else:
        with zipfile.ZipFile(wheel) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in members.items():
                new = ILLEGAL_INSTRUCTION.encode() if name == "llama_cpp.py" else content
                archive.writestr(name, new)
    code, output = machine.run()
    assert code == 0, output
    assert "building anew" in output
    assert machine.run()[1].startswith("llama wheel: from the cache")


def test_a_wheel_that_was_just_built_and_does_not_load_is_not_kept(machine: Machine) -> None:
    machine.offer(ILLEGAL_INSTRUCTION)
    code, output = machine.run()
    assert code != 0
    assert "built, but does not load" in output
    assert machine.wheels() == []


def test_a_failed_build_shows_its_last_lines_and_names_the_log(machine: Machine) -> None:
    machine.offer(GOOD, "raise SystemExit('c++: internal compiler error')")
    code, output = machine.run()
    assert code != 0
    assert "internal compiler error" in output
    log = Path(output.strip().splitlines()[-1].partition("the whole log: ")[2])
    assert "internal compiler error" in log.read_text()
    assert machine.wheels() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_takes_its_compilers_along_and_can_be_repeated(
    machine: Machine, how: signal.Signals
) -> None:
    machine.offer(GOOD, "time.sleep(600)")
    with machine.start() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "compiled 20 of 20" in line:
                compilers = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(how)
                break
    assert process.returncode != 0
    assert compilers
    assert psutil.wait_procs(compilers, timeout=10)[1] == []
    machine.offer(GOOD)
    code, output = machine.run()
    assert code == 0, output
    (wheel,) = machine.wheels()
    key = wheel.parent.name
    assert {path.name for path in machine.cache.iterdir()} == {key, f"{key}.log", ".lock"}


CUDA = ("--cuda", "89")


def test_a_wheel_for_gpus_is_built_apart_kept_apart_and_then_installed(machine: Machine) -> None:
    machine.offer(GOOD)
    assert machine.run()[0] == 0
    code, output = machine.run(*CUDA, "--only-build")
    assert code == 0, output
    assert not machine.has_cuda()  # what is installed stays as it was
    assert len(machine.wheels()) == 2
    machine.withdraw()
    code, output = machine.run(*CUDA)
    assert code == 0, output
    assert machine.has_cuda()
    assert "from the cache" in output
    code, output = machine.run()  # and the one for processors comes back when it is asked for
    assert code == 0, output
    assert not machine.has_cuda()


@pytest.mark.parametrize("how", ["it does not compile", "it has no part for CUDA"])
def test_where_a_wheel_for_gpus_fails_the_one_for_processors_is_there(
    machine: Machine, how: str
) -> None:
    fails = "if cuda: raise SystemExit('nvcc fatal: Unsupported gpu architecture')"
    machine.offer(GOOD)
    assert machine.run()[0] == 0
    if how == "it does not compile":
        machine.offer(GOOD, fails)
        code, output = machine.run(*CUDA, "--only-build")
        assert code == 1
        assert "nvcc fatal: Unsupported gpu architecture" in output
    else:
        machine.offer(GOOD, cuda="")
    code, output = machine.run(*CUDA)
    assert code == 3, output
    assert "installing the one for processors instead" in output
    assert "from the cache (stand-in)" in output
    assert not machine.has_cuda()
    assert len(machine.wheels()) == 1


def test_a_wheel_for_gpus_is_for_its_cards_and_its_compiler(machine: Machine) -> None:
    machine.offer(GOOD)
    for capability, nvcc in (("89", "V13.0.88"), ("86;89", "V13.0.88"), ("89", "V12.8.61")):
        machine.put_nvcc(nvcc)
        code, output = machine.run("--cuda", capability, "--only-build")
        assert code == 0, output
    assert len(machine.wheels()) == 3
    Path(machine._environment["CUDACXX"]).unlink()
    code, output = machine.run(*CUDA, "--only-build")
    assert code == 1
    assert "no CUDA compiler" in output


def test_processors_with_avx512_get_flags_and_a_key_of_their_own(script: ModuleType) -> None:
    plain = {"avx", "avx2", "fma", "f16c", "bmi2"}
    modern = script.cmake_flags("x86_64", plain)
    some = script.cmake_flags("x86_64", plain | script.AVX512)
    all_of_it = script.cmake_flags("x86_64", plain | script.AVX512 | {"avx512_vnni"})
    assert not [flag for flag in modern if "AVX512" in flag]
    assert [flag for flag in some if "AVX512" in flag] == ["-DGGML_AVX512=ON"]
    assert "-DGGML_AVX512_VNNI=ON" in all_of_it
    assert modern == script.cmake_flags("x86_64", plain | {"avx512f", "avx512_vnni"})
    keys = {script.cache_key("x86_64", flags) for flags in (modern, some, all_of_it)}
    assert len(keys) == 3


def test_processors_without_avx2_get_flags_and_a_key_of_their_own(script: ModuleType) -> None:
    modern = script.cmake_flags("x86_64", {"avx", "avx2", "fma", "f16c", "bmi2", "sse4_2"})
    old = script.cmake_flags("x86_64", {"avx", "sse4_2"})
    arm = script.cmake_flags("aarch64", set())
    assert "-DGGML_AVX2=ON" in modern
    assert "-DGGML_AVX2=OFF" in old
    assert not [flag for flag in arm if "AVX" in flag]
    assert all("-DGGML_NATIVE=OFF" in flags for flags in (modern, old, arm))
    keys = {script.cache_key("x86_64", modern), script.cache_key("x86_64", old)}
    assert len(keys | {script.cache_key("aarch64", arm)}) == 3
    assert all(script.version() in key for key in keys)
