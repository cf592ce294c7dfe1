"""What bad peers do to a real hub: nothing that a room would notice.

PARLOUR_BAD_FRAMES sets how many malformed frames are sent to each port (CI: 50,000, test-long).
"""

import asyncio
import os
import time

import hostile
import pytest
from processes import VOICE
from wyoming.event import async_read_event, async_write_event
from wyoming.info import Describe

FRAMES = int(os.environ.get("PARLOUR_BAD_FRAMES", "3000"))
GROWTH = 25e6  # bytes; what a turn and thousands of connections may leave in the allocator
INFO = 1.0  # seconds that Home Assistant waits for `info`
QUESTION = "What is the capital of France?"


async def seconds_to_info(hub) -> float:
    """How long a stock client, new here, waits for the answer to `describe`."""
    began = time.monotonic()
    async with hostile.raw(hub.service) as (reader, writer):
        await async_write_event(Describe().event(), writer)
        async with asyncio.timeout(20):
            while (await async_read_event(reader)).type != "info":
                pass
    return time.monotonic() - began


async def assert_answered(hub, satellite, house, recording) -> None:
    # The room's own turns: some of the bad frames are questions in writing.
    ended = rf"{satellite.name}: turn ended: (\S+)"
    before = hub.count(ended)
    house.say(satellite, str(before), VOICE, recording)
    outcome = await hub.wait_for(ended, nth=before + 1, timeout=120)
    assert outcome[1] == "answered", hub.text()


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("port", ["link", "service"])
async def test_two_hundred_silent_connections_keep_no_room_out(house, ask, port):
    recording = ask(QUESTION)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        uri = hub.address if port == "link" else hub.service
        before = hub.memory()
        async with hostile.silent_peers(uri, 200):
            assert await seconds_to_info(hub) < INFO
            await assert_answered(hub, kitchen, house, recording)
            async with house.satellite(hub.address, "bedroom") as bedroom:
                await assert_answered(hub, bedroom, house, recording)
        assert hub.memory() - before < GROWTH * 2  # the first turns of a fresh hub are in this
        assert hub.count("Traceback") == 0, hub.text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("port", "event_type"),
    [("service", "describe"), ("service", "ping"), ("service", "x"), ("link", "ping")],
)
async def test_a_flood_of_small_frames_keeps_nobody_waiting(house, ask, port, event_type):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        uri = hub.address if port == "link" else hub.service
        async with hostile.flood(uri, 4, event_type):
            await asyncio.sleep(1)
            for _ in range(5):
                assert await seconds_to_info(hub) < INFO
            if port == "link":
                await assert_answered(hub, kitchen, house, ask(QUESTION))
        assert kitchen.count("no frame") == 0


@pytest.mark.long
async def test_a_peer_that_reads_nothing_is_let_go_and_costs_no_memory(house, ask):
    recording = ask(QUESTION)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        await assert_answered(hub, kitchen, house, recording)
        before = hub.memory()
        async with hostile.deaf_peer(hub.service, Describe().event()):
            await assert_answered(hub, kitchen, house, recording)
            await hub.wait_for("took nothing", timeout=30)
        assert hub.memory() - before < GROWTH
