"""Parlour's own satellite controls the home through Home Assistant."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing

import pytest
import pytest_asyncio
from ha_server import LAMP
from processes import VOICE

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDED = r"bedroom: turn ended: (\S+)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bedroom(home, added):
    """A satellite that the hub drives, in another room than the one that Home Assistant drives."""
    async with home.house.satellite(home.hub.address, "bedroom") as satellite:
        await home.hub.wait_for("bedroom: connected", timeout=30)
        yield satellite


def last_turn(house) -> tuple[str, str, dict]:
    """What was said and answered in the turn recorded last, and what it took."""
    with closing(sqlite3.connect(house.store)) as store:
        row = store.execute("SELECT said, heard, work FROM turns ORDER BY began DESC").fetchone()
    return row[0], row[1], json.loads(row[2])


async def speak(home, bedroom, sound: bytes) -> tuple[str, str, dict]:
    """Say something in the bedroom; return the turn."""
    turns, number = home.hub.count(ENDED), len(list(bedroom.spool.iterdir()))
    played = bedroom.count("has been played")
    home.house.say(bedroom, f"{number:03d}", VOICE, sound)
    outcome = await home.hub.wait_for(ENDED, nth=turns + 1, timeout=60)
    assert outcome[1] == "answered", home.hub.text()
    await bedroom.wait_for("has been played", nth=played + 1)
    await asyncio.sleep(0.5)  # the record is written behind the turn
    return last_turn(home.house)


async def test_a_lamp_is_switched_without_the_language_model_and_a_question_answered_with_it(
    home, client, bedroom, ask, lamp_off
):
    actions = await client.watch_actions()
    said, answer, work = await speak(home, bedroom, ask("Turn on the living room lamp."))
    assert await client.state(LAMP) == "on", (said, answer)
    assert work["prompt_tokens"] == 0, (said, answer, work)
    said, answer, work = await speak(home, bedroom, ask("What's the capital of Peru?"))
    assert "lima" in answer.lower(), (said, answer)
    assert work["prompt_tokens"] > 0
    done = [one["service"] for one in actions if one["domain"] == "light"]
    assert done == ["turn_on"]


@pytest.mark.usefixtures("nowadays")
async def test_what_home_assistant_asks_parlour_for_is_done_once_or_answered(
    client, added, lamp_off
):
    actions = await client.watch_actions()
    for text, answer in (
        ("Turn on the living room lamp.", r"turned on"),
        ("What is the capital of France?", r"paris"),
    ):
        run = await client.run_pipeline(added.parlour, start="intent", end="intent", text=text)
        assert re.search(answer, run.reply, re.IGNORECASE), (text, run.reply)
    await client.wait_for_state(LAMP, "on")
    assert [one["service"] for one in actions if one["domain"] == "light"] == ["turn_on"]
