"""What a satellite takes: disk of an environment with nothing else, memory and processor time idle.

The environment is made anew, with what pip fetches: the extra `satellite` alone.
"""

import os
import subprocess
import time
from pathlib import Path

import psutil
from environments import install
from results import bar, record

ROOT = Path(__file__).parents[2]
DISK, MEMORY, CORE = 150e6, 80e6, 0.03  # bytes, bytes, a share of one core
IDLE = ("--hub", "tcp://127.0.0.1:1", "--microphone", "silence", "--speaker", "null")
SETTLE, SECONDS, ROUNDS = 5.0, 10.0, 3


def occupied(folder: Path) -> int:
    """Return the bytes of disk that a folder takes, as du counts."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def share_of_a_core(process: psutil.Process) -> float:
    before = process.cpu_times()
    time.sleep(SECONDS)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / SECONDS


def test_an_idle_satellite_takes_little(tmp_path):
    environment = tmp_path / "environment"
    install(environment, "-c", ROOT / "deploy" / "constraints.txt", f"{ROOT}[satellite]")
    (tmp_path / "home").mkdir()
    own = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "state")}
    satellite = subprocess.Popen(
        [environment / "bin" / "python", "-m", "satellite", "run", *IDLE],
        cwd=tmp_path,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **own},
    )
    try:
        time.sleep(SETTLE)
        process = psutil.Process(satellite.pid)
        shares = [share_of_a_core(process) for _ in range(ROUNDS)]
        memory = process.memory_info().rss
        assert satellite.poll() is None
    finally:
        satellite.terminate()
        satellite.wait(timeout=15)
    core = min(shares)  # whatever else the machine does makes it more, never less
    disk = occupied(environment)  # now with the bytecode that it wrote
    record("satellite", {"disk": disk, "memory": memory, "shares of a core": shares})
    met = [
        bar("satellite", "idle: of one core", 100 * core, at_most=100 * CORE, unit="%"),
        bar("satellite", "idle: memory", memory / 1e6, at_most=MEMORY / 1e6, unit="MB"),
        bar("satellite", "environment on disk", disk / 1e6, at_most=DISK / 1e6, unit="MB"),
    ]
    assert all(met), "a bar is missed: see the table of bars"
