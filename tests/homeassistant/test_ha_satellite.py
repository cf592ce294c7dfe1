"""A Parlour satellite, driven by Home Assistant."""

import asyncio
import time

import numpy as np
import pytest
from ha_server import LAMP

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "Tell me about elephants."
PLAYED = "reply has been played"
# Seconds after a reply in which Home Assistant may call a satellite idle, whatever it does then: it
# has a clock for that, too, which goes on when the satellite has said that the reply was heard.
IDLE_AGAIN = 2.5


async def speak(home, client, added, sound: bytes, timeout: float = 40.0) -> list[str]:
    """Say something to the satellite; return its states until its reply was heard."""
    await client.wait_for_state(added.entity, added.rest, timeout=20)
    states = await client.watch_states(added.entity)
    plays = home.satellite.count(PLAYED)
    home.say(sound)
    await home.satellite.wait_for(PLAYED, nth=plays + 1, timeout=timeout)
    async with asyncio.timeout(5):
        while states[-1:] != [added.rest]:
            await asyncio.sleep(0.05)
    return states


async def choose(client, added, pipeline: str) -> None:
    """Choose the satellite's assistant on its device page."""
    entity = await client.entity(added.satellite, "select", "-pipeline")
    await client.service("select.select_option", entity["entity_id"], option=pipeline)


async def test_the_satellite_appears_with_all_that_can_be_set(client, added):
    entities = await client.entities(added.satellite)
    found = {one["entity_id"].partition(".")[0] for one in entities}
    assert found >= {added.entity.partition(".")[0], "switch", "select", "number"}
    assert all(one["device_id"] == added.device for one in entities)


@pytest.mark.usefixtures("nowadays")
async def test_a_spoken_command_goes_through_every_state_and_its_answer_is_heard(
    home, client, added, ask, lamp_off
):
    await asyncio.sleep(IDLE_AGAIN)
    since = home.heard_so_far
    states = await speak(home, client, added, ask("Turn on the living room lamp."))
    assert states == ["listening", "processing", "responding", "idle"]
    await client.wait_for_state(LAMP, "on")
    assert np.abs(await home.heard_since(since)).max() > 0.1


async def test_five_commands_in_a_row_are_each_done_once(home, client, added, ask, lamp_off):
    actions = await client.watch_actions()
    for number in range(5):
        wanted = ("on", "off")[number % 2]
        await speak(home, client, added, ask(f"Turn {wanted} the living room lamp."))
        await client.wait_for_state(LAMP, wanted)
    done = [one["service"] for one in actions if one["domain"] == "light"]
    assert done == ["turn_on", "turn_off"] * 2 + ["turn_on"]


@pytest.mark.usefixtures("nowadays")
async def test_an_announcement_is_over_when_it_was_heard(home, client, added):
    since, began = home.heard_so_far, time.monotonic()
    text = "The washing machine has finished, and the clothes can be hung up now."
    await client.service("assist_satellite.announce", added.entity, message=text)
    took = time.monotonic() - began
    heard = await home.heard_since(since)
    loud = np.flatnonzero(np.abs(heard) > 0.02)
    assert len(loud) > 24000
    assert took > (loud[-1] - loud[0]) / 24000
    assert await client.state(added.entity) == "idle"


@pytest.mark.usefixtures("nowadays")
async def test_a_timer_set_by_voice_reaches_the_satellite(home, client, added, ask):
    await speak(home, client, added, ask("Set a timer for three seconds."))
    since = home.heard_so_far
    await asyncio.sleep(5.0)
    heard = await home.heard_since(since)
    assert np.abs(heard).max() > 0.1  # it rings
    home.say(ask("Stop."))
    await asyncio.sleep(6.0)
    since = home.heard_so_far
    await asyncio.sleep(3.0)
    assert np.abs(await home.heard_since(since)).max() == 0


async def test_who_is_muted_hears_no_wake_word(home, client, added, ask, lamp_off):
    mute = (await client.entity(added.satellite, "switch", "-mute"))["entity_id"]
    wakes = home.satellite.count("wake word")
    await client.service("switch.turn_on", mute)
    await asyncio.sleep(1.0)
    home.say(ask("Turn on the living room lamp."))
    await asyncio.sleep(6.0)  # its length, and more
    assert home.satellite.count("wake word") == wakes
    assert await client.state(lamp_off) == "off"
    driven = home.satellite.count("driven by")
    await client.service("switch.turn_off", mute)
    await home.satellite.wait_for("driven by", nth=driven + 1, timeout=20)
    await speak(home, client, added, ask("Turn on the living room lamp."))
    await client.wait_for_state(lamp_off, "on")


@pytest.mark.usefixtures("nowadays")
async def test_the_wake_word_interrupts_a_reply_and_the_new_command_is_done(
    home, client, added, ask, lamp_off
):
    await choose(client, added, "Parlour")
    try:
        plays = home.satellite.count("reply begins to play")
        home.say(ask(LONG))
        await home.satellite.wait_for("reply begins to play", nth=plays + 1)
        await choose(client, added, "Assist")
        await asyncio.sleep(1.5)
        home.say(ask("Turn on the living room lamp."))
        await client.wait_for_state(LAMP, "on", timeout=20)
        await client.wait_for_state(added.entity, "idle", timeout=30)
    finally:
        await choose(client, added, "Assist")
