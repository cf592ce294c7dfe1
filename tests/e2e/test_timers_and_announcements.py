"""Timers set by voice and announcements, over real processes."""

import asyncio
import re
import sys

import numpy as np
import pytest
from processes import VOICE
from test_turn_processes import ANSWERED, transcribe

from protocol.audio import read_wav

pytestmark = pytest.mark.local  # announcements come from the hub's own machine


async def announce(house, hub, *arguments):
    """Run `parlour-hub announce` on the hub's machine; return its exit status and its output."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "announce", *arguments, "--web", hub.web),
        cwd=house.place("hub"),
        env=house.environment("hub"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await child.communicate()
    return child.returncode, output.decode()


@pytest.mark.long
async def test_a_timer_set_by_voice_rings_in_its_room_and_says_that_it_is_done(house, ask):
    async with (
        house.hub() as hub,
        house.satellite(hub.address) as kitchen,
        house.satellite(hub.address, "hall") as hall,
    ):
        house.say(kitchen, "1", VOICE, ask("Set a timer for three seconds."))
        said = (await hub.wait_for(r"says: (.*)"))[1]
        assert said == "Timer set for 3 seconds."
        await kitchen.wait_for("a timer has ended: it rings", timeout=20)
        assert (await hub.wait_for(r"says: (Your .*)"))[1] == "Your 3 second timer is done."
        await hub.wait_for(ANSWERED, nth=2)
        assert hall.count("rings") == 0
    words = await transcribe(kitchen.heard_wav)
    assert re.search(r"timer is done", words.lower()), words


@pytest.mark.long
async def test_a_timer_survives_the_death_of_its_hub_and_rings_at_the_next_one(house, ask):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask("Set a pizza timer for eight seconds."))
        assert (await hub.wait_for(r"says: (.*)"))[1] == "Pizza timer set for 8 seconds."
        await hub.wait_for(ANSWERED)
        hub.kill()
        await hub.child.wait()
        await asyncio.sleep(8)
        async with house.hub(listen=hub.address) as again:
            await kitchen.wait_for("a timer has ended: it rings", timeout=60)
            assert "pizza timer" in (await again.wait_for(r"says: (Your .*)"))[1]


@pytest.mark.long
async def test_an_announcement_is_heard_in_every_room_or_in_one(house):
    async with (
        house.hub() as hub,
        house.satellite(hub.address) as kitchen,
        house.satellite(hub.address, "hall") as hall,
    ):
        code, told = await announce(house, hub, "Dinner is ready.")
        assert (code, told) == (0, "hall: heard\nkitchen: heard\n")
        code, told = await announce(house, hub, "The bath is free.", "--room", "Hall")
        assert (code, told) == (0, "hall: heard\n")
        code, told = await announce(house, hub, "Hello.", "--room", "attic")
        assert code == 1
        assert "'attic'; connected are: hall, kitchen" in told
    assert "dinner is ready" in (await transcribe(kitchen.heard_wav)).lower()
    assert "bath" not in (await transcribe(kitchen.heard_wav)).lower()
    assert "bath is free" in (await transcribe(hall.heard_wav)).lower()


@pytest.mark.long
async def test_an_announcement_waits_for_the_answer_that_is_being_spoken(house, ask):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask("What time is it?"))
        await hub.wait_for(r"says: It's")
        code, told = await announce(house, hub, "Dinner is ready.")
        assert (code, told) == (0, "kitchen: heard\n")
        outcomes = [re.search(ANSWERED, line)[1] for _, line in hub.lines if "turn ended" in line]
        assert outcomes == ["answered", "answered"]


@pytest.mark.long
async def test_the_volume_is_set_by_voice_and_a_satellite_that_comes_back_is_told_it(house, ask):
    async with house.hub() as hub:
        loudness = []
        for number in range(3):
            async with house.satellite(hub.address, f"room{number and 1}") as room:
                if number == 1:
                    house.say(room, "1", VOICE, ask("Set the volume to 20 percent."))
                    assert (await hub.wait_for(r"says: (.*)"))[1] == "Dinner is ready."
                    assert (await hub.wait_for(r"says: (.*)", nth=2))[1] == "Volume 20 percent."
                    await hub.wait_for(ANSWERED, nth=2)
                else:
                    code, told = await announce(house, hub, "Dinner is ready.")
                    assert code == 0, told
            loudness.append(loudest(room.heard_wav))
    assert loudness[2] < 0.5 * loudness[0]


def loudest(path) -> int:
    _, pcm = read_wav(path)
    return int(np.abs(np.frombuffer(pcm, "<i2").astype(int)).max())
