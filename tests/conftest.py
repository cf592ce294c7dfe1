"""What end-to-end tests and benchmarks share: the project's wheel, and a voice to speak with."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import network
import numpy as np
import pytest
from distant import DistantHouse
from processes import VOICE, House

from hub.config import Settings
from hub.engines.choices import default_models
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import from_float32

ROOT = Path(__file__).parents[1]

# Nothing of whoever runs the tests: what they have saved or paired would change them.
_STATE = tempfile.TemporaryDirectory(prefix="parlour-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name


def pytest_addoption(parser):
    parser.addoption(
        "--distant",
        action="store_true",
        help="end-to-end tests: hub and satellites on two machines that share a bad network alone",
    )
    parser.addoption(
        "--elsewhere",
        action="store_true",
        help="end-to-end tests: the hub hears, thinks and speaks by other projects' servers",
    )


def pytest_collection_modifyitems(items):
    for item in items:
        for folder in ("e2e", "models"):
            if ROOT / "tests" / folder in item.path.parents:
                item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The project's own wheel, unpacked into a folder of its own."""
    for model in default_models(Settings()):
        try:
            path_of(model)
        except ModelMissing:
            pytest.skip("run: make models")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, ROOT], check=True, timeout=300)
    (wheel,) = folder.glob("parlour-*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", target, wheel], check=True, timeout=300
    )
    return target


@pytest.fixture(scope="session")
def namespaces():
    """Two network namespaces, joined by a bad wire."""
    if problem := network.missing():
        pytest.skip(problem)
    with network.lossy_network() as names:
        yield names


@pytest.fixture
def house(request, site, tmp_path):
    """Hub and satellites, on one machine or on two, with engines here or elsewhere."""
    if request.config.getoption("--distant"):
        return DistantHouse(site, tmp_path, namespaces=request.getfixturevalue("namespaces"))
    if request.config.getoption("--elsewhere"):
        from elsewhere import ElsewhereHouse

        return ElsewhereHouse(site, tmp_path)
    return House(site, tmp_path)


@pytest.fixture(scope="session")
def voice():
    """Say something: text → 24 kHz mono 16-bit."""
    from hibari import Hibari

    model = Hibari()

    def say(text: str) -> bytes:
        return from_float32(np.asarray(model(text, seed=1), np.float32))

    return say


@pytest.fixture(scope="session")
def ask(voice):
    """The wake word, a breath, and a question."""
    pause = bytes(VOICE.bytes_for(0.15))

    def make(question: str) -> bytes:
        return voice("Hey Jarvis.") + pause + voice(question)

    return make
