"""What all benchmarks share: the table of bars at the end, and a look at the machine before."""

import psutil
import pytest
from results import now, print_bars, record

BUSY = 0.1  # of all cores, from which on figures are worth less
LOOK = 2.0  # seconds
_SINCE = pytest.StashKey[str]()


def pytest_configure(config):
    config.stash[_SINCE] = now()


@pytest.fixture(scope="session", autouse=True)
def machine():
    """Say how busy the machine is before anything is measured."""
    busy = psutil.cpu_percent(interval=LOOK) / 100
    record("machine", {"busy before": busy})
    if busy > BUSY:
        print(
            f"\nothers take {busy:.0%} of this machine: figures will be worse than on an idle one"
        )


def pytest_terminal_summary(config):
    print_bars(config.stash[_SINCE])
