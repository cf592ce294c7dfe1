"""What a satellite weighs: its packages on disk, and its process in memory."""

import asyncio
import re
from importlib.metadata import distribution
from pathlib import Path

from processes import House

DISK, MEMORY = 150e6, 80e6  # bytes
PIP = 25e6  # bytes that an environment takes before anything is installed, at most
IDLE = ("--hub", "tcp://127.0.0.1:1", "--microphone", "silence", "--speaker", "null")
FOREIGN = {"hub", "torch", "onnxruntime", "faster_whisper", "llama_cpp", "hibari", "openwakeword"}
PROBE = """
import atexit, sys
from satellite.__main__ import main
atexit.register(lambda: print("modules", *{name.partition(".")[0] for name in sys.modules}))
sys.exit(main(sys.argv[1:]))
"""


def needed(name, extra, found):
    """Add to `found` the packages that `name` brings with it."""
    for line in distribution(name).requires or ():
        requirement, _, marker = line.partition(";")
        wanted = re.search(r"""extra == ['"]([\w-]+)['"]""", marker)
        if wanted is not None and wanted[1] != extra:
            continue
        package = re.match(r"[\w.-]+", requirement.strip())[0]
        if package not in found:
            found.add(package)
            needed(package, None, found)
    return found


def size(package):
    paths = [Path(file.locate()) for file in distribution(package).files or ()]
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file())


def test_the_packages_of_the_extra_satellite_are_small():
    packages = needed("parlour", "satellite", set())
    assert {"numpy", "soxr", "wyoming", "pymicro-wakeword"} <= packages
    assert not packages & {"torch", "onnxruntime", "faster-whisper", "llama-cpp-python"}
    total = sum(map(size, packages))
    print(f"{len(packages)} packages, {total / 1e6:.0f} MB")
    assert 20e6 < total < DISK - PIP


async def test_an_idle_satellite_is_small_and_imports_nothing_of_the_hub(site, tmp_path):
    house = House(site, tmp_path)
    (house.place("rooms") / "probe.py").write_text(PROBE)
    async with house.process("kitchen", "probe", "run", *IDLE, machine="rooms") as kitchen:
        await kitchen.wait_for("trying again", timeout=30)
        await asyncio.sleep(3)
        memory = kitchen.memory()
        assert await kitchen.stop() == 0
    modules = set((await kitchen.wait_for("^modules (.*)"))[1].split())
    print(f"{memory / 1e6:.0f} MB")
    assert {"satellite", "pymicro_wakeword"} <= modules
    assert not modules & FOREIGN
    assert memory < MEMORY
