"""What bad peers do to a real hub: nothing that a room would notice.

PARLOUR_BAD_FRAMES sets how many malformed frames are sent to each port (CI sends 50,000).
"""

import asyncio
import os

import hostile
import pytest
from processes import VOICE
from wyoming.info import Describe

FRAMES = int(os.environ.get("PARLOUR_BAD_FRAMES", "3000"))
GROWTH = 25e6  # bytes; what a turn and thousands of connections may leave in the allocator
QUESTION = "What is the capital of France?"


async def assert_answered(hub, satellite, house, recording) -> None:
    # The room's own turns: some of the bad frames are questions in writing.
    ended = rf"{satellite.name}: turn ended: (\S+)"
    before = hub.count(ended)
    house.say(satellite, str(before), VOICE, recording)
    outcome = await hub.wait_for(ended, nth=before + 1, timeout=120)
    assert outcome[1] == "answered", hub.text()


@pytest.mark.parametrize("port", ["link", "service"])
async def test_malformed_frames_cost_a_room_nothing(house, ask, port):
    recording = ask(QUESTION)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        uri = hub.address if port == "link" else hub.service
        await assert_answered(hub, kitchen, house, recording)
        await hostile.attack(uri, 500, seed=1)  # whatever is allocated once, is by now
        before = hub.memory()
        attack = asyncio.create_task(hostile.attack(uri, FRAMES, seed=2))
        await assert_answered(hub, kitchen, house, recording)
        results = await attack
        assert results.total() == FRAMES
        assert results["left open"] == 0, results
        assert hub.memory() - before < GROWTH
        assert hub.count("Traceback") == 0, hub.text()
        await assert_answered(hub, kitchen, house, recording)


@pytest.mark.parametrize("port", ["link", "service"])
async def test_two_hundred_silent_connections_keep_no_room_out(house, ask, port):
    recording = ask(QUESTION)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        uri = hub.address if port == "link" else hub.service
        before = hub.memory()
        async with hostile.silent_peers(uri, 200):
            await assert_answered(hub, kitchen, house, recording)
            async with house.satellite(hub.address, "bedroom") as bedroom:
                await assert_answered(hub, bedroom, house, recording)
        assert hub.memory() - before < GROWTH * 2  # the first turns of a fresh hub are in this
        assert hub.count("Traceback") == 0, hub.text()


async def test_a_peer_that_reads_nothing_is_let_go_and_costs_no_memory(house, ask):
    recording = ask(QUESTION)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        await assert_answered(hub, kitchen, house, recording)
        before = hub.memory()
        async with hostile.deaf_peer(hub.service, Describe().event()):
            await assert_answered(hub, kitchen, house, recording)
            await hub.wait_for("took nothing", timeout=30)
        assert hub.memory() - before < GROWTH
