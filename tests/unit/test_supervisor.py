"""One engine of each role: loaded in the background, brought back when it fails."""

import asyncio
from dataclasses import dataclass, field

import pytest

from hub.engines.base import BadInput, EngineError, EngineUnavailable
from hub.engines.supervisor import EngineState, Supervised

pytestmark = pytest.mark.looptime


@dataclass
class Slow:
    """An engine that takes virtual time to load, and fails to where it is told."""

    name: str = "slow"
    seconds: float = 2.0
    error: BaseException | None = None
    loaded: bool = False
    closed: int = 0

    async def load(self):
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.loaded = True

    async def close(self):
        self.closed += 1


@dataclass
class Maker:
    """Makes engines; those whose number is in `errors` fail to load."""

    errors: dict[int, BaseException] = field(default_factory=dict)
    made: list[Slow] = field(default_factory=list)

    async def __call__(self):
        engine = Slow(error=self.errors.get(len(self.made)))
        self.made.append(engine)
        return engine


def now():
    return asyncio.get_running_loop().time()


async def test_it_loads_in_the_background_and_get_waits_for_it():
    maker = Maker()
    role = Supervised("llm", maker)
    began = now()
    role.start()
    assert now() == began
    assert role.state is EngineState.LOADING
    engines = await asyncio.gather(*(role.get(timeout=5) for _ in range(3)))
    assert engines == maker.made * 3
    assert now() - began == pytest.approx(2.0, abs=0.01)
    assert role.state is EngineState.READY
    await role.close()


async def test_get_gives_up_when_loading_takes_longer_than_its_patience():
    role = Supervised("llm", Maker())
    role.start()
    with pytest.raises(EngineUnavailable, match="llm is still loading"):
        await role.get(timeout=1)
    assert await role.get(timeout=5)
    await role.close()


async def test_it_is_ready_only_when_it_is_warm():
    warmed = []

    async def warm(engine):
        assert engine.loaded
        await asyncio.sleep(3)
        warmed.append(engine)

    role = Supervised("llm", Maker(), warm)
    role.start()
    engine = await role.get(timeout=10)
    assert warmed == [engine]
    await role.close()


@pytest.mark.parametrize(
    "error",
    [EngineError("no"), OSError("no"), ValueError("no"), RuntimeError("no"), KeyError("no")],
)
async def test_a_load_that_fails_in_any_way_is_tried_again_with_growing_pauses(error):
    maker = Maker(dict.fromkeys(range(3), error))
    role = Supervised("stt", maker)
    began = now()
    role.start()
    await asyncio.sleep(2.1)
    assert role.state is EngineState.FAILED
    with pytest.raises(EngineUnavailable, match="no"):
        await role.get(timeout=100)
    assert now() - began == pytest.approx(2.1, abs=0.01)  # told at once
    while role.state is not EngineState.READY:
        await asyncio.sleep(0.05)
    assert now() - began == pytest.approx(4 * 2 + 0.5 + 1 + 2, abs=0.1)
    assert [engine.closed for engine in maker.made] == [1, 1, 1, 0]
    assert await role.get(timeout=0) is maker.made[3]
    assert role.reason == ""
    await role.close()


async def test_the_pause_between_two_tries_has_a_bound():
    maker = Maker({number: EngineError("never") for number in range(1000)})
    role = Supervised("stt", maker)
    role.start()
    await asyncio.sleep(3600)
    assert len(maker.made) == pytest.approx(3600 / 62, abs=8)
    await role.close()


async def test_a_failure_that_two_report_restarts_the_engine_once():
    maker = Maker()
    role = Supervised("tts", maker)
    role.start()
    engine = await role.get(timeout=5)
    for _ in range(2):
        role.failed(engine, EngineError("it broke"))
    assert role.state is EngineState.LOADING
    fresh = await role.get(timeout=5)
    assert fresh is not engine
    assert (role.restarts, len(maker.made), engine.closed) == (1, 2, 1)
    role.failed(engine, EngineError("somebody is late to say so"))
    assert await role.get(timeout=0) is fresh
    assert role.restarts == 1
    await role.close()


async def test_bad_input_does_not_restart_an_engine_that_is_well():
    role = Supervised("llm", Maker())
    role.start()
    engine = await role.get(timeout=5)
    role.failed(engine, BadInput("the prompt is too long"))
    assert await role.get(timeout=0) is engine
    assert role.restarts == 0
    await role.close()


async def test_closing_while_it_loads_stops_the_load_and_frees_the_engine():
    maker = Maker()
    role = Supervised("llm", maker)
    role.start()
    waiting = asyncio.create_task(role.get(timeout=100))
    await asyncio.sleep(1)
    await role.close()
    assert [engine.closed for engine in maker.made] == [1]
    with pytest.raises(EngineUnavailable, match="llm is stopped"):
        await waiting
    await asyncio.sleep(100)
    assert len(maker.made) == 1
    assert not maker.made[0].loaded


async def test_closing_while_it_waits_to_try_again_ends_the_tries():
    maker = Maker({number: EngineError("no") for number in range(100)})
    role = Supervised("llm", maker)
    role.start()
    await asyncio.sleep(2.2)
    await role.close()
    await asyncio.sleep(100)
    assert len(maker.made) == 1


async def test_a_report_that_comes_while_it_closes_starts_nothing_new():
    maker = Maker()
    role = Supervised("llm", maker)
    role.start()
    engine = await role.get(timeout=5)
    await asyncio.gather(role.close(), report_late(role, engine))
    await asyncio.sleep(100)
    assert len(maker.made) == 1
    assert engine.closed == 1
    with pytest.raises(EngineUnavailable, match="llm is stopped"):
        await role.get(timeout=1)


async def report_late(role, engine):
    role.failed(engine, EngineError("its reply ended with the hub"))


async def test_an_engine_that_is_renewed_again_and_again_is_closed_and_one_is_loaded():
    maker = Maker()
    role = Supervised("wake", maker)
    role.start()
    first = await role.get(timeout=5)
    role.renew()
    role.renew()  # before anything was done about it
    await asyncio.sleep(1)
    role.renew()  # while another one loads
    assert (await role.get(timeout=5)) is maker.made[-1]
    assert [engine.closed for engine in maker.made] == [1] * (len(maker.made) - 1) + [0]
    assert first.closed == 1
    await role.close()
    assert maker.made[-1].closed == 1


@pytest.mark.parametrize("after", [0, 0.5])
async def test_closing_while_an_engine_is_renewed_closes_the_old_one(after):
    class Lingers(Slow):
        async def close(self):
            await asyncio.sleep(1)
            await super().close()

    engine = Lingers()
    role = Supervised("wake", lambda: asyncio.sleep(0, engine))
    role.start()
    await role.get(timeout=5)
    role.renew()
    await asyncio.sleep(after)
    await role.close()
    assert engine.closed


async def test_an_engine_that_does_not_close_is_left_behind():
    class Stuck(Slow):
        async def close(self):
            await asyncio.sleep(10_000)

    async def make():
        return Stuck()

    role = Supervised("llm", make)
    role.start()
    engine = await role.get(timeout=5)
    role.failed(engine, EngineError("it hangs"))
    assert await role.get(timeout=60) is not engine
    began = now()
    await role.close()
    assert now() - began < 60


@pytest.mark.parametrize("error", [EngineError("no"), BadInput("no"), KeyError("no")])
async def test_what_an_engine_raises_while_it_is_lent_is_reported(error):
    maker = Maker()
    role = Supervised("llm", maker)
    role.start()
    with pytest.raises(type(error)):
        async with role.lent(timeout=5) as engine:
            assert engine is maker.made[0]
            raise error
    assert role.restarts == (1 if type(error) is EngineError else 0)
    await role.close()


class Lingering(Slow):
    """One that takes its time to close; knows how many are loaded, or load, at once."""

    alive = most = 0

    async def load(self):
        Lingering.alive += 1
        Lingering.most = max(Lingering.most, Lingering.alive)
        await super().load()

    async def close(self):
        await asyncio.sleep(3)
        await super().close()
        Lingering.alive -= 1


@pytest.fixture
def lingering():
    """A role of such engines, and all that were made."""
    Lingering.alive = Lingering.most = 0
    made = []

    async def make():
        made.append(Lingering())
        return made[-1]

    return Supervised("llm", make), made


async def test_no_two_engines_are_in_memory_however_soon_one_is_renewed_again(lingering):
    role, _ = lingering
    role.start()
    await asyncio.sleep(1)  # it loads
    role.renew()
    role.renew()
    await role.get(timeout=30)
    assert Lingering.most == 1
    await role.close()
    assert Lingering.alive == 0


async def test_closing_waits_for_the_engine_that_was_loading_when_it_was_renewed(lingering):
    role, _ = lingering
    role.start()
    await asyncio.sleep(1)
    role.renew()
    await role.close()
    assert Lingering.alive == 0


async def test_an_engine_whose_closing_is_disturbed_twice_is_closed_all_the_same(lingering):
    role, made = lingering
    role.start()
    await asyncio.sleep(1)
    for _ in range(2):
        closing = asyncio.create_task(role.close())
        await asyncio.sleep(1)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
    await role.close()
    assert [engine.closed for engine in made] == [1]


async def test_an_engine_that_failed_to_load_is_closed_also_if_that_is_disturbed(lingering):
    role, made = lingering
    role.start()
    await asyncio.sleep(0.5)
    made[0].error = EngineError("no")
    await asyncio.sleep(2.5)  # it is being closed
    await role.close()
    assert made[0].closed == 1
