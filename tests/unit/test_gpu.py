"""GPUs as nvidia-smi tells of them, by programs that say what real ones say."""

import asyncio
import ctypes
import subprocess

import pytest

from hub.engines import gpu, gpu_libraries
from hub.engines.gpu import Gpu, driver_problem, find_gpus, look

CARD = "NVIDIA GeForce RTX 4090, GPU-aaaa, 24564, 23000, 580.95.05, 8.9"
SMALL = "NVIDIA GeForce GTX 1650, GPU-bbbb, 4096, 3900, 580.95.05, 7.5"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Puts a program called nvidia-smi on the PATH, which does what a shell script says."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(script):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return put


def says(*lines):
    return "cat <<'END'\n" + "\n".join(lines) + "\nEND"


async def test_cards_are_read_and_the_one_with_most_free_memory_comes_first(driver):
    driver(says(SMALL, CARD))
    report = await find_gpus()
    assert report.problem == ""
    assert [card.uuid for card in report.gpus] == ["GPU-aaaa", "GPU-bbbb"]
    first = report.gpus[0]
    assert (first.name, first.memory, first.free) == ("NVIDIA GeForce RTX 4090", 24564, 23000)
    assert (first.driver, first.capability) == ("580.95.05", (8, 9))


def test_a_driver_too_old_to_know_the_capability_is_asked_without_it(driver):
    driver(
        'case "$1" in *compute_cap*) '
        "echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2;; esac\n"
        "echo 'Tesla K80, GPU-k, 11441, 11000, 450.51'"
    )
    (card,) = look().gpus
    assert card.capability is None
    assert "update it to 525.60 or newer" in driver_problem(card, 12)
    assert driver_problem(card, 11) != ""  # 450.51 < 450.80


@pytest.mark.parametrize(
    ("version", "cuda", "old"),
    [
        ("525.60.13", 12, False),
        ("520.61.05", 12, True),
        ("575.51", 13, True),
        ("580.65.06", 13, False),
        ("1234", 99, False),
    ],
)
def test_drivers_too_old_for_cuda_are_told(version, cuda, old):
    card = Gpu("card", "GPU-x", 8192, 8000, version, (8, 6))
    assert bool(driver_problem(card, cuda)) == old


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (
            "echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
            'Make sure that the latest NVIDIA driver is installed and running."; exit 9',
            "the NVIDIA driver is not running: restart the machine",
        ),
        (
            "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
            "version mismatch: the driver was updated; restart the machine",
        ),
        ("echo 'No devices were found'; exit 6", "the NVIDIA driver finds no GPU"),
        ("exit 1", "nvidia-smi failed and said nothing"),
        (says("NVIDIA GB10, GPU-c, [N/A], [N/A], 580.95, 12.1"), "no GPU whose memory it can tell"),
        (says("garbage"), "no GPU whose memory it can tell"),
    ],
)
def test_what_is_wrong_with_a_driver_is_one_line_that_says_what_to_do(driver, script, problem):
    driver(script)
    report = look()
    assert report.gpus == ()
    assert problem in report.problem
    assert "\n" not in report.problem
    assert report.present


async def test_a_driver_that_hangs_is_not_waited_for_and_holds_nobody_up(driver, monkeypatch):
    monkeypatch.setattr(gpu, "_TIMEOUT", 0.3)
    driver("exec sleep 30")
    ticks = 0
    finding = asyncio.create_task(find_gpus())
    while not finding.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert "gives no answer for 0.3 s" in finding.result().problem
    assert ticks > 3


def bus(tmp_path, vendor, kind):
    device = tmp_path / "pci" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")
    return tmp_path / "pci"


@pytest.mark.parametrize(
    ("vendor", "kind", "present"),
    [("0x10de", "0x030000", True), ("0x10de", "0x040300", False), ("0x8086", "0x030000", False)],
    ids=["a card", "its sound", "another maker's"],
)
def test_a_card_without_a_driver_is_told_from_no_card(tmp_path, monkeypatch, vendor, kind, present):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "_PCI", bus(tmp_path, vendor, kind))
    report = look()
    assert report.present == present
    assert ("no driver: install it" in report.problem) == present
    assert ("no NVIDIA GPU is in this machine" in report.problem) != present


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        ("1", ["GPU-bbbb"]),
        ("GPU-bb", ["GPU-bbbb"]),
        ("1,0", ["GPU-aaaa", "GPU-bbbb"]),
        ("0,7,1", ["GPU-aaaa"]),
        ("", []),
        ("-1", []),
    ],
)
def test_cards_that_are_hidden_from_cuda_do_not_count(driver, monkeypatch, visible, uuids):
    driver(says(CARD, SMALL))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    report = look()
    assert [card.uuid for card in report.gpus] == uuids
    assert ("CUDA_VISIBLE_DEVICES" in report.problem) == (not uuids)


def test_what_can_be_computed_is_told_as_cmake_wants_it(driver, capsys):
    driver(says(CARD, SMALL, CARD.replace("aaaa", "dddd")))
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == "75;89\n"
    driver(says(CARD.replace("580.95.05", "535.10")))
    assert gpu.main(["12"]) == 0
    assert gpu.main(["13"]) == 1
    assert "the driver 535.10 is too old for CUDA 13" in capsys.readouterr().err


def library(folder, name, needs=()):
    """Make a real shared library with a name of CUDA's, and text in it that names others."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f'const char *n{i} = "{other}";\n' for i, other in enumerate(needs))
    source = folder / "library.c"
    source.write_text(text + "int answer(void) { return 42; }\n")
    command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, source]
    subprocess.run(command, check=True)
    return folder / name


def test_cuda_s_libraries_are_found_in_the_environment_and_then_by_name(tmp_path, monkeypatch):
    engine = library(tmp_path / "engine", "libengine.so", ["libcublas.so.99", "libcudart.so.99"])
    assert gpu_libraries.cuda_of(engine) == 99
    names = ["libcudart.so.99", "libcublasLt.so.99", "libcublas.so.99"]
    assert gpu_libraries.missing_cuda(engine) == names
    assert "cannot be loaded; run make install-gpu" in gpu.obstacle(
        engine, Gpu("card", "GPU-x", 8192, 8000, "600.1", (8, 6))
    )
    for name in names:
        library(tmp_path / "site" / "nvidia" / "cuda" / "lib", name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(OSError, match=r"libcublas\.so\.99"):
        ctypes.CDLL("libcublas.so.99")
    assert gpu_libraries.missing_cuda(engine) == []
    assert ctypes.CDLL("libcublas.so.99").answer() == 42  # as CTranslate2 opens it


def test_a_library_without_cuda_needs_none_and_says_so(tmp_path):
    engine = library(tmp_path, "libplain.so")
    assert gpu_libraries.cuda_of(engine) is None
    assert gpu_libraries.missing_cuda(engine) == []
    card = Gpu("card", "GPU-x", 8192, 8000, "600.1", (8, 6))
    assert "built without CUDA" in gpu.obstacle(engine, card)
    assert gpu_libraries.cuda_of(tmp_path / "nothing.so") is None


def test_the_installed_ctranslate2_wants_the_cuda_that_the_extra_brings():
    found = gpu_libraries.ctranslate2_library()
    assert found is not None
    assert gpu_libraries.cuda_of(found) == 12  # pyproject.toml's extra 'cuda': nvidia-cublas-cu12
