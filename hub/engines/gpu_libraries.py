"""CUDA's own libraries: which ones an engine's library wants, and where they are.

The wheels of the extra 'cuda' put them into folders that the system's loader does not know, and a
CUDA toolkit may, too. What is loaded here already is what a library finds that asks for it by name
afterwards, so nobody has to set LD_LIBRARY_PATH.
"""

import ctypes
import importlib.util
import mmap
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_WANTED = re.compile(rb"\blib(cudart|cublasLt|cublas)\.so\.(\d+)\b")
_ORDER = ("cudart", "cublasLt", "cublas")  # each needs those before it
_TOOLKITS = Path("/usr/local")


def missing_cuda(library: Path) -> list[str]:
    """Load what a library wants of CUDA; return what is not on this machine.

    Args:
        library: a shared library that is linked to CUDA, or opens it by name.
    """
    wanted = _wanted(library)
    # libcublas itself asks for libcublasLt; only who names it is told that it is missing
    wanted |= {("cublasLt", major) for name, major in wanted if name == "cublas"}
    missing = []
    for name, major in sorted(wanted, key=lambda one: (_ORDER.index(one[0]), one[1])):
        file = f"lib{name}.so.{major}"
        if not _load(file, major):
            missing.append(file)
    return missing


def cuda_of(library: Path) -> int | None:
    """Return the major version of CUDA that a library wants; None for none, or no such file."""
    return max((major for _, major in _wanted(library)), default=None)


def ctranslate2_library() -> Path | None:
    """Return the library of the installed CTranslate2, which is not imported for that."""
    return _library("ctranslate2", "../ctranslate2.libs/libctranslate2*.so*")


def llama_library() -> Path | None:
    """Return the CUDA part of the installed llama.cpp; None where it was built without."""
    return _library("llama_cpp", "lib/libggml-cuda.so")


def _library(package: str, pattern: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    if pattern.startswith("../"):
        folder, pattern = folder.parent, pattern.removeprefix("../")
    return next(iter(sorted(folder.glob(pattern))), None)


def _wanted(library: Path) -> set[tuple[str, int]]:
    """Return what a library names of CUDA, and the major versions; nothing for no such file."""
    try:
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            found = _WANTED.finditer(data)
            return {(match[1].decode(), int(match[2])) for match in found}
    except (OSError, ValueError):  # ValueError: it is empty
        return set()


def _load(file: str, major: int) -> bool:
    for path in _places(file, major):
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def _places(file: str, major: int) -> Iterator[Path | str]:
    """Yield where a library may be: in this environment, where the system looks, in a toolkit."""
    for folder in sys.path:
        yield from sorted((Path(folder or ".") / "nvidia").glob(f"*/lib/{file}"))
    yield file
    named = (os.environ.get(key) for key in ("CUDA_HOME", "CUDA_PATH"))
    roots = [Path(name) for name in named if name]
    roots += sorted(_TOOLKITS.glob(f"cuda-{major}*"), reverse=True)
    for root in roots:
        for inner in ("lib64", "lib", "targets/*/lib"):
            yield from sorted(root.glob(f"{inner}/{file}"))
