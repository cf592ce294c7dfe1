"""What is on disk: where models live, and whether their files are the catalogue's."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from hub.models.catalogue import Model, ModelFile, find_model

_BLOCK = 1 << 20
_SIDECAR = ".verified.json"


class ModelMissing(RuntimeError):
    """A model is not (wholly) on disk; the message says how to get it."""


class ModelCorrupt(ModelMissing):
    """A file of the model is on disk but is not the catalogue's."""


class FileStatus(StrEnum):
    """How a file on disk compares with the catalogue."""

    OK = "ok"
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    WRONG_DIGEST = "wrong digest"


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a model as found on disk.

    Attributes:
        file: what it should be.
        status: the verdict.
        found_bytes: its size, None when missing.
        found_sha256: its digest, None when missing.
    """

    file: ModelFile
    status: FileStatus
    found_bytes: int | None = None
    found_sha256: str | None = None

    def __str__(self) -> str:
        if self.status in (FileStatus.OK, FileStatus.MISSING):
            return f"{self.file.name}: {self.status}"
        return (
            f"{self.file.name}: {self.status}: "
            f"expected {self.file.bytes} bytes with sha256 {self.file.sha256}, "
            f"found {self.found_bytes} bytes with sha256 {self.found_sha256}"
        )


class _Verified(msgspec.Struct, frozen=True):
    """A file whose digest was once computed, and how to recognise it without doing so again."""

    bytes: int
    mtime_ns: int
    sha256: str


def models_dir() -> Path:
    """Where models live: `$PARLOUR_MODELS`, else `parlour/models` in the user's cache folder."""
    if chosen := os.environ.get("PARLOUR_MODELS"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "parlour" / "models"


def sha256_of(path: Path, tick: Callable[[int], None] | None = None) -> str:
    """Digest of a file, read in blocks.

    Args:
        path: the file.
        tick: called with the number of bytes of each block.

    Returns:
        Lower-case hex.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if tick:
                tick(len(block))
    return digest.hexdigest()


def verify(model: Model, root: Path | None = None, *, rehash: bool = False) -> list[FileState]:
    """Compare a model's files on disk with the catalogue.

    A file that was hashed before and has kept its size and modification time since counts as what
    it was then, so that a start does not read gigabytes.

    Args:
        model: what should be there.
        root: the folder of all models; `models_dir()` when None.
        rehash: read every file in full, whatever is remembered.

    Returns:
        One state a file, in the catalogue's order.

    Raises:
        OSError: a file cannot be read.
    """
    folder = (root or models_dir()) / model.name
    remembered = _read_sidecar(folder)
    known = {} if rehash else dict(remembered)
    seen: dict[str, _Verified] = {}
    states = [_state_of(folder, file, known.get(file.name), seen) for file in model.files]
    if seen != remembered:
        _write_sidecar(folder, seen)
    return states


def _state_of(
    folder: Path, file: ModelFile, known: _Verified | None, seen: dict[str, _Verified]
) -> FileState:
    path = folder / file.name
    if not path.is_file():
        return FileState(file, FileStatus.MISSING)
    stat = path.stat()
    if known is None or (known.bytes, known.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
        # stat came first: a file changed while it is read no longer matches what is remembered
        known = _Verified(stat.st_size, stat.st_mtime_ns, sha256_of(path))
    seen[file.name] = known
    if known.bytes != file.bytes:
        status = FileStatus.WRONG_SIZE
    elif known.sha256 != file.sha256:
        status = FileStatus.WRONG_DIGEST
    else:
        status = FileStatus.OK
    return FileState(file, status, known.bytes, known.sha256)


def path_of(name: str, root: Path | None = None) -> Path:
    """Folder of a complete and verified model of the catalogue.

    Args:
        name: the model's name.
        root: the folder of all models; `models_dir()` when None.

    Returns:
        The folder that holds the model's files under the catalogue's names.

    Raises:
        UnknownModel: the catalogue has no such model.
        ModelMissing: files are missing; the message says what to run.
        ModelCorrupt: a file is not the catalogue's; the message has its name and both digests.
    """
    model = find_model(name)
    states = verify(model, root)
    bad = [state for state in states if state.status is not FileStatus.OK]
    folder = (root or models_dir()) / name
    if not bad:
        return folder
    corrupt = any(state.status is not FileStatus.MISSING for state in bad)
    found = "; ".join(map(str, bad))
    message = f"model {name} in {folder}: {found}; run: parlour-hub models pull {name}"
    raise ModelCorrupt(message) if corrupt else ModelMissing(message)


def _read_sidecar(folder: Path) -> dict[str, _Verified]:
    try:
        return msgspec.json.decode((folder / _SIDECAR).read_bytes(), type=dict[str, _Verified])
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}  # a memory that is lost or damaged costs one more hashing


def _write_sidecar(folder: Path, seen: dict[str, _Verified]) -> None:
    # the models may live on a read-only or a full disk; then every start hashes
    with contextlib.suppress(OSError):
        write_atomically(folder / _SIDECAR, msgspec.json.encode(seen))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a small file so that a reader, or a crash, finds the old or the new one whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
