"""The page in five tabs for an hour's turns, made in a few minutes: nothing leaks."""

import pytest
from page_soak import VIEWS, soaking

pytestmark = [pytest.mark.long, pytest.mark.local]

TURNS = 360  # one every ten seconds, for an hour


async def test_five_tabs_and_an_hours_turns_leak_neither_memory_nor_sockets(house):
    async with soaking(house) as soak:
        before = await soak.connections()
        await soak.run(TURNS // 3)  # all that is kept to be shown is full by now
        third = await soak.sample()
        await soak.run(TURNS - TURNS // 3)
        end = await soak.sample()
        told = f"{third}\n{end}"
        for view, early, late in zip(VIEWS, third.tabs, end.tabs, strict=True):
            assert late.heap < early.heap + 1_000_000, f"{view}\n{told}"
            assert late.nodes < early.nodes * 1.1 + 50, f"{view}\n{told}"
            assert late.listeners < early.listeners * 1.1 + 10, f"{view}\n{told}"
        assert end.memory < third.memory + 8_000_000, told
        assert end.files <= third.files + 4, told
        assert end.websockets == third.websockets == before["websocket"] == 2 * len(VIEWS), told
        assert end.readers == third.readers == len(VIEWS), told
    # (and, as `soaking` has seen, no tab had an error, and the hub keeps none of their sockets)
