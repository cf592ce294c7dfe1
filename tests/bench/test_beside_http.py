"""A room that asks: alone, while five pages watch, and while programs chat over HTTP."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager

import aiohttp
import pytest
from processes import House
from questions import spoken
from results import bar, progress, record, spread, table
from timeline import Asker

COUNTRIES = ("France", "Italy", "Japan", "Germany", "Spain", "Egypt")
ROUNDS = 2  # of all of them, in each situation
READERS = 5
CHATS = 2
WATCHED = 1.15  # times the median of a room alone
CHATTED = 2.0


@asynccontextmanager
async def going_on(web: str, work: Callable[[aiohttp.ClientSession], Coroutine], times: int):
    """Have something done `times` at once, again and again."""

    async def again():
        async with aiohttp.ClientSession(web) as session:
            while True:
                await work(session)

    tasks = [asyncio.create_task(again()) for _ in range(times)]
    try:
        yield
        assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def watch(session: aiohttp.ClientSession) -> None:
    """Read the live events, as a page does."""
    async with session.ws_connect("/api/events") as events:
        async for _ in events:
            pass


async def chat(session: aiohttp.ClientSession) -> None:
    """Have a long reply written."""
    asked = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Write a long story about a lighthouse."}],
        "max_tokens": 200,
    }
    async with session.post("/v1/chat/completions", json=asked) as response:
        assert response.status == 200, await response.text()
        await response.read()


@pytest.mark.slow
async def test_a_room_beside_pages_and_programs(site, tmp_path, voice):
    house = House(site, tmp_path)
    clips = await spoken(voice, [f"What is the capital of {c}?" for c in COUNTRIES])
    situations = {
        "alone": (watch, 0),
        f"{READERS} pages watch": (watch, READERS),
        f"{CHATS} programs chat": (chat, CHATS),
    }
    late: dict[str, list[float]] = {name: [] for name in situations}
    print()
    async with (
        house.hub(web="http://127.0.0.1:0") as hub,
        house.satellite(hub.address, "room", options=("--verbose",)) as satellite,
    ):
        asker = Asker(house, satellite)
        for turn in range(ROUNDS):  # by turns, since the machine is not the same all the time
            for name, (work, times) in situations.items():
                async with going_on(hub.web, work, times):
                    await asyncio.sleep(1)
                    for clip in clips:
                        heard = await asker.ask(clip)
                        await asker.rest()
                        if heard.latency is not None:
                            late[name].append(heard.latency)
                progress(f"{name}, {turn + 1}/{ROUNDS}: {late[name][-1]:.2f} s")
    figures = {name: spread(found) for name, found in late.items()}
    record("beside_http", figures)
    rows = [(name, len(late[name]), f["p50"], f["p95"]) for name, f in figures.items()]
    table("a room beside others: last word to first sample", ("", "asked", "p50 s", "p95 s"), rows)
    alone, watched, chatted = (figures[name]["p50"] for name in situations)
    asked = len(COUNTRIES) * ROUNDS * len(situations)
    missing = asked - sum(len(found) for found in late.values())
    met = [
        bar("http", "answers missing", missing, at_most=0, unit=""),
        bar("http", "p50 beside pages, times alone", watched / alone, at_most=WATCHED, unit=""),
        bar(
            "http",
            "p50 beside chats, times alone",
            chatted / alone,
            at_most=CHATTED,
            unit="",
        ),
    ]
    assert all(met), "a bar is missed: see the table of bars"
