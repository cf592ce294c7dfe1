"""Runs in Parler's environment (`make test-parler`): tiny checkpoints, real engines."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
import tiny_parler

from hub.config import TtsSettings
from hub.engines.parler.engine import Parler

MakeCheckpoint = Callable[..., str]


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """Return a function that makes a tiny checkpoint, once for the same arguments."""
    made: dict[str, str] = {}

    def make(**options: object) -> str:
        key = repr(sorted(options.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("checkpoint")
            tiny_parler.make(folder, **options)
            made[key] = str(folder)
        return made[key]

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def parler(make_checkpoint: MakeCheckpoint) -> AsyncIterator[Parler]:
    """Return a loaded engine whose model never ends by itself."""
    engine = Parler(TtsSettings(engine="parler", model=make_checkpoint(), device="cpu"))
    await engine.load()
    yield engine
    await engine.close()
