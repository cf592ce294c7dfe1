"""The hub dials satellites that wait: whose room they may be."""

import asyncio
import contextlib

import pytest
from test_admission import INFO, TIMEOUT, Quiet, serving
from wyoming.event import Event

from hub.config import LinkSettings
from hub.service import dialler, satellites
from protocol.extensions import Introduction, introduce
from protocol.transport import serve
from satellite.link import Link


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(satellites, "_LOOK_AGAIN", 0.05)
    monkeypatch.setattr(dialler, "_LONGEST_RETRY", 0.2)
    return tmp_path / "parlour"


def named(room: str, how: str) -> Event:
    """Return the `info` of a satellite that says so, ours or a stock one."""
    if how == "ours":
        return introduce(INFO, Introduction(room, "1"))
    satellite = {**INFO.data["wake"][0], "name": room}
    return Event("info", INFO.data | {"satellite": satellite})


@contextlib.asynccontextmanager
async def house(state, info: Event):
    """A hub over TLS that dials a satellite, too; what the satellite is told."""
    told: list[str] = []
    uri = f"unix://{state.parent}/satellite"
    async with serving(state, LinkSettings(listen="tls://127.0.0.1:0", dial=(uri,))) as hub:
        waiting = asyncio.create_task(Link(info).listen(uri, Quiet(told)))
        try:
            yield hub, told
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def until(condition) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["ours", "stock"])
async def test_a_satellite_that_is_dialled_is_the_room_that_it_names(state, how):
    async with house(state, named("hall", how)) as (hub, told):
        await until(lambda: "run-satellite" in told)
        assert list(hub.server._connected) == ["hall"]


@pytest.mark.parametrize("how", ["ours", "stock"])
async def test_a_satellite_that_is_dialled_never_gets_a_paired_ones_room(
    state, caplog, how, monkeypatch
):
    token = await paired_before(state)
    refused, dismiss = [], satellites.dismiss

    async def noted(connection, code, text=""):
        refused.append(code)
        await dismiss(connection, code, text)

    monkeypatch.setattr(satellites, "dismiss", noted)
    async with house(state, named("kitchen", how)) as (hub, told):
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            await until(lambda: len(refused) >= 3)  # it is dialled again and again
            assert "run-satellite" not in told
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
        assert caplog.text.count("is a paired satellite's room; give this satellite another") == 1
        await until(lambda: len(refused) >= 5)  # nor while the paired one is away
        assert "run-satellite" not in told
        assert set(refused) == {"wrong-room"}


async def paired_before(state) -> str:
    async with serving(state) as hub:
        return await hub.paired()


async def test_a_bug_in_driving_a_satellite_is_logged_and_it_is_dialled_again(
    state, caplog, monkeypatch
):
    def broken(_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(satellites, "phrases_of", broken)
    async with house(state, named("hall", "stock")) as (hub, told):
        await until(lambda: "ZeroDivisionError" in caplog.text)
        monkeypatch.undo()
        await until(lambda: "run-satellite" in told)


async def test_a_satellite_that_says_nothing_is_told_of_with_a_reason(state, monkeypatch, caplog):
    monkeypatch.setattr(dialler, "_INFO_TIMEOUT", 0.1)

    async def silent(connection):
        await connection.read()
        await connection.read()

    uri = f"unix://{state.parent}/satellite"
    server = await serve(uri, silent)
    async with serving(state, LinkSettings(listen="tls://127.0.0.1:0", dial=(uri,))):
        await until(lambda: "dialling on" in caplog.text)
    await server.close()
    assert f"no satellite at {uri}: no answer in time; dialling on" in caplog.text
