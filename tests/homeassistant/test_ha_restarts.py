"""Home Assistant, the hub and the satellite restarted in any order, in mid-turn."""

import asyncio
import itertools
import time

import pytest
from ha_client import Client
from ha_server import LAMP

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("nowadays"),  # it tells in which state the satellite is
]

WITHIN = 10.0  # seconds until all works again, with nobody's help, once all have started
ORDERS = tuple(itertools.permutations(("assistant", "hub", "satellite")))
MOMENTS = ("listening", "processing", "responding")


async def restart(home, name: str) -> None:
    """Restart one of them, and wait until Home Assistant drives the satellite."""
    driven = 0 if name == "satellite" else home.satellite.count("driven by")
    if name == "assistant":
        await home.assistant.stop()
        await home.assistant.start()
    else:
        await home.stop(name)
        await (home.start_hub() if name == "hub" else home.start_satellite())
    if name != "hub":
        await home.satellite.wait_for("driven by", nth=driven + 1, timeout=WITHIN)


async def until_usable(home, added) -> None:
    """Wait until Home Assistant has the hub's services, and its satellite is at rest."""
    async with home.assistant.client() as client:
        while not await is_usable(client, added):
            await asyncio.sleep(0.1)


async def is_usable(client: Client, added) -> bool:
    entries = [await client.entry_state(entry) for entry in (added.hub, added.satellite)]
    return entries == ["loaded", "loaded"] and await client.state(added.entity) == "idle"


async def begin_turn(home, added, sound: bytes, moment: str) -> None:
    """Say something; return when the satellite is in a state, as Home Assistant sees it."""
    async with home.assistant.client() as client:
        states = await client.watch_states(added.entity)
        home.say(sound)
        deadline = time.monotonic() + 20.0
        while moment not in states:
            assert time.monotonic() < deadline, f"{states}\n{home.text()}"
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_restarted_in_mid_turn_one_after_the_other_all_work_again(home, added, ask, order):
    async with home.assistant.client() as client:
        await client.service("light.turn_off", LAMP)
    for number, name in enumerate(order):
        moment = MOMENTS[(number + ORDERS.index(order)) % 3]
        async with asyncio.timeout(WITHIN):
            await until_usable(home, added)
        await begin_turn(home, added, ask("What time is it?"), moment)
        await restart(home, name)
    async with asyncio.timeout(WITHIN):
        await until_usable(home, added)
    async with home.assistant.client() as client:
        home.say(ask("Turn on the living room lamp."))
        await client.wait_for_state(LAMP, "on", timeout=20)
        await client.wait_for_state(added.entity, "idle", timeout=20)
