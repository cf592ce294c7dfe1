"""One, two, four and eight rooms that ask within one second: real satellites, one hub."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from processes import House
from questions import spoken
from results import bar, percentile, progress, record, spread, table
from timeline import Asker, Clip, Heard
from waterfall import HubTurn, hub_turns, matching

CAPITALS = {
    "France": "paris",
    "Italy": "rome",
    "Japan": "tokyo",
    "Germany": "berlin",
    "Spain": "madrid",
    "Russia": "moscow",
    "Egypt": "cairo",
    "Greece": "athens",
}
ROUNDS = {1: 10, 2: 6, 4: 4, 8: 3}  # rooms: how often they ask
WITHIN = 0.75  # seconds, in which recordings are handed over; the spool takes up to 0.2 s more
RIGHT = 0.9  # of the answers name the capital: the small model, and its hearing, do no better
STARVED = 3.0  # times the median
GROWTH = 100.0  # MB that the hub may grow from one room to eight


async def ask_together(askers: list[Asker], clips: list[Clip]) -> list[Heard]:
    """Ask all rooms within one second; return when all are idle again."""

    async def one(number: int, asker: Asker, clip: Clip) -> Heard:
        await asyncio.sleep(WITHIN * number / len(askers))
        return await asker.ask(clip)

    numbered = zip(range(len(askers)), askers, clips, strict=True)
    heard = await asyncio.gather(*(one(*item) for item in numbered))
    await asyncio.gather(*(asker.rest() for asker in askers))
    return heard


@pytest.mark.slow
async def test_many_rooms_at_once(site, tmp_path, voice):
    house = House(site, tmp_path)
    texts = [f"What is the capital of {country}?" for country in CAPITALS]
    clips = await spoken(voice, texts)
    heard: dict[int, list[tuple[str, Heard]]] = {count: [] for count in ROUNDS}
    memory: dict[int, float] = {}
    print()
    async with house.hub() as hub, AsyncExitStack() as stack:
        askers: list[Asker] = []
        for count, rounds in ROUNDS.items():
            for number in range(len(askers), count):
                satellite = await stack.enter_async_context(
                    house.satellite(hub.address, f"room{number}", options=("--verbose",))
                )
                askers.append(Asker(house, satellite))
            for turn in range(rounds):
                mine = [clips[(number + turn) % len(clips)] for number in range(count)]
                found = await ask_together(askers, mine)
                heard[count] += [(f"room{n}", one) for n, one in enumerate(found)]
                late = [f"{one.latency:.2f}" if one.latency else "-" for one in found]
                progress(f"{count} rooms, {turn + 1}/{rounds}: {' '.join(late)} s")
                asked = [one.asked for one in found]
                assert max(asked) - min(asked) <= 1.0
            memory[count] = hub.memory() / 1e6
    turns = hub_turns(house.store, [])
    figures, rows, met, crossed = {}, [], [], 0
    answers: dict[int, list[float]] = {}  # seconds
    for count, asked in heard.items():
        answered, right = answers.setdefault(count, []), 0
        for room, one in asked:
            turn = matching(turns, one, room)
            if turn is not None and turn.outcome == "answered" and one.latency is not None:
                answered.append(one.latency)  # and no apology
            if turn is not None and is_right(turn, one):
                right += 1
            else:
                tell(room, one, turn)
                crossed += turn is not None and turn.said in others(asked, one)
        assert answered, f"{count} rooms: not one answer"
        late = spread(answered)
        figures[f"{count} rooms"] = {
            **late,
            "asked": len(asked),
            "right": right,
            "gaps in replies": sum(one.underruns for _, one in asked),
            "hub MB": memory[count],
        }
        shown = (late["p50"], late["p95"], late["max"])
        rows.append((count, len(asked), len(answered), right, *shown, f"{memory[count]:.0f}"))
        name = f"answers missing, {count} rooms"
        met.append(bar("rooms", name, len(asked) - len(answered), at_most=0, unit=""))
    head = ("rooms", "asked", "answered", "right", "p50 s", "p95 s", "max s", "hub MB")
    table("rooms that ask within one second: last word to first sample", head, rows)
    record("rooms", figures)
    alone = figures["1 rooms"]["p95"]
    for count in (2, 4, 8):
        growth = figures[f"{count} rooms"]["p95"] / alone
        name = f"p95 of {count} rooms, times that of one"
        met.append(bar("rooms", name, growth, at_most=count, unit=""))
    starved = max(answers[8]) / percentile(answers[8], 0.5)
    total = sum(one["asked"] for one in figures.values())
    share = sum(one["right"] for one in figures.values()) / total
    met += [
        bar("rooms", "slowest of 8 rooms, times their p50", starved, at_most=STARVED, unit=""),
        bar(
            "rooms", "hub's growth, 1 to 8 rooms", memory[8] - memory[1], at_most=GROWTH, unit="MB"
        ),
        bar("rooms", "questions of other rooms answered", crossed, at_most=0, unit=""),
        bar("rooms", "answers that are right", share, at_least=RIGHT, unit=""),
    ]
    assert all(met), "a bar is missed: see the table of bars"


def is_right(turn: HubTurn, heard: Heard) -> bool:
    """Whether the answer names the capital that was asked for, and no other room's."""
    named = [country for country, city in CAPITALS.items() if city in turn.answer.lower()]
    return named != [] and all(country in heard.clip.said for country in named)


def tell(room: str, heard: Heard, turn: HubTurn | None) -> None:
    """Say what came of a question that was not answered rightly."""
    came = f"{turn.outcome}; heard: {turn.said}; said: {turn.answer[:80]}" if turn else "no turn"
    print(f"  {room}: {heard.clip.said}  {came}")


def others(asked: list[tuple[str, Heard]], mine: Heard) -> list[str]:
    """Return what other rooms asked in the same second."""
    both = [one for _, one in asked if abs(one.asked - mine.asked) <= 1.0 and one is not mine]
    return [one.clip.said for one in both]
