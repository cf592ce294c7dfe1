"""Voice to voice with the settings of a file, a GPU's profile for one.

PARLOUR_BENCH_PROFILE=hub.toml make bench ONLY=turn_profile
"""

import json
import os
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from questions import recorded, spoken
from results import bar, percentile, record
from test_turn_latency import (
    LEAST,
    MOST_RECORDED,
    QUESTIONS,
    Answer,
    BenchHouse,
    ask_all,
    audible_latency,
    hub_turns,
    matching,
    outcomes,
    report,
    seconds,
    waterfalls,
)

from hub.engines.gpu import look

_BAR = 0.6  # seconds, with all three on a GPU
_VOICE = "tts"


def tables_of(path: str) -> tuple[str, str]:
    """Return what comes before [llm] in the bench's own hub.toml, and what is in it.

    Nothing stands in for the profile's engines, so that theirs are the times that are measured.
    """
    said = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    roles = {role: said.get(role, {}) | {"fallback": ""} for role in ("stt", "llm", _VOICE)}
    before = [f"{key} = {json.dumps(said[key])}\n" for key in ("language", "name") if key in said]
    before += [f"[{role}]\n{_lines(roles[role])}" for role in ("stt", _VOICE)]
    return "".join(before), _lines(roles["llm"])


def _lines(table: dict) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


@pytest.mark.slow
async def test_turn_latency_with_a_profile(site, tmp_path, voice):
    path = os.environ.get("PARLOUR_BENCH_PROFILE")
    if not path:
        pytest.skip("PARLOUR_BENCH_PROFILE names no hub.toml (parlour-hub doctor --profile)")
    house = BenchHouse(site, tmp_path)
    house.tables, house.llm = tables_of(path)
    clips = [*await spoken(voice, QUESTIONS), *await recorded(voice, MOST_RECORDED)]
    clips = clips[: int(os.environ.get("PARLOUR_BENCH_TURNS", LEAST))]
    print()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(house.hub())
        found = await ask_all(house, stack, hub, clips, "profile")
        memory = hub.memory()
        fell_back = [line for _, line in hub.lines if "not on the GPU" in line]
    turns = hub_turns(house.store, [line for _, line in hub.lines])
    answers = [
        Answer(one, None, matching(turns, one, "kitchen"), None) for one, _ in found["pairs"]
    ]
    good = [answer for answer in answers if answer.counts]
    ended = outcomes(answers)
    assert len(good) >= len(answers) // 2, ended
    cards = [f"{card.name}, driver {card.driver}" for card in look().gpus]
    print(f"  GPU: {', '.join(cards) or 'none'}", *fell_back, sep="\n  ")
    figures = report("profile", answers, {**ended, "hub MB": round(memory / 1e6)})
    figures |= {"GPU": cards, "fell back": fell_back, "settings": house.tables + house.llm}
    figures["first sound"] = audible_latency(found["kitchen"], good)
    figures["moments"] = waterfalls(good, "profile")
    record("turn_profile", figures)
    if cards and not fell_back:
        p50 = percentile(seconds(good), 0.5)
        assert bar("turn_profile", "voice to voice on a GPU, p50", p50, at_most=_BAR)
