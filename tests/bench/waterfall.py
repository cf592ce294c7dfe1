"""Where each millisecond of a turn goes: the hub's record of it, on the satellite's clock.

The names of the hub's moments, and what else its store keeps of a turn, are taken as they come.
"""

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from results import percentile, table
from timeline import Heard

PLAYED = "sample played"  # by the satellite's word
_KNOWN = ("id", "room", "began", "outcome", "said", "heard", "stages")
_WIDTH = 48  # characters of the bars
_SKEW = 0.2  # seconds by which the store's clock, which is set, may be off
_BEFORE = 0.25  # seconds before the end of speech that are drawn
_REUSED = r"turn (\w+) .*?(\d+) of (\d+) prompt tokens reused"


@dataclass
class HubTurn:
    """One row of the store; moments in seconds since the epoch, in order."""

    id: str
    room: str
    began: float
    outcome: str
    said: str
    answer: str  # what was heard of it
    moments: list[tuple[str, float]]
    extras: dict[str, Any] = field(default_factory=dict)  # whatever else is kept of it

    def since(self, speech_end: float) -> list[tuple[str, float]]:
        """Return the moments in seconds since the end of speech (of the epoch, too)."""
        return [(name, moment - speech_end) for name, moment in self.moments]

    @property
    def by_model(self) -> bool:
        """Whether the language model wrote the reply."""
        return any(name == "first_token" for name, _ in self.moments)


def hub_turns(store: Path, log: Sequence[str]) -> list[HubTurn]:
    """Read the turns of a hub: its store, and from its log which tokens were reused."""
    reused = {m[1]: (int(m[2]), int(m[3])) for line in log if (m := re.search(_REUSED, line))}
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM turns ORDER BY began").fetchall()
    return [_turn(dict(row), reused) for row in rows]


def _turn(row: dict[str, Any], reused: dict[str, tuple[int, int]]) -> HubTurn:
    at, moments = row["began"], []
    for name, seconds in json.loads(row["stages"]):
        at += seconds
        moments.append((name, at))
    extras: dict[str, Any] = {}
    for name, value in row.items():
        if name in _KNOWN:
            continue
        try:
            whole = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            whole = value
        extras.update(whole if isinstance(whole, dict) else {name: whole})
    if row["id"] in reused:
        extras["reused_tokens"], extras["prompt_tokens"] = reused[row["id"]]
    texts = (row["said"] or "", row["heard"] or "")
    return HubTurn(row["id"], row["room"], row["began"], row["outcome"], *texts, moments, extras)


def epoch() -> float:
    """Return the monotonic clock's zero, in seconds since the epoch."""
    return time.time() - time.monotonic()


def matching(turns: Sequence[HubTurn], heard: Heard, room: str) -> HubTurn | None:
    """Return the room's turn that answered a question."""
    begun = [t for t in turns if t.room == room and _within(t.began - epoch(), heard)]
    return next((t for t in begun if t.outcome == "answered"), begun[0] if begun else None)


def _within(moment: float, heard: Heard) -> bool:
    return heard.asked - _SKEW <= moment <= heard.idle


def draw(title: str, moments: Sequence[tuple[str, float]]) -> None:
    """Print one turn: a bar from each moment to the next.

    Args:
        title: what is said above it.
        moments: names and seconds since the end of speech, in order.
    """
    shown = [(name, at) for name, at in moments if at >= -_BEFORE]
    if not shown:
        return
    left = min(0.0, shown[0][1])
    scale = _WIDTH / max(1e-9, shown[-1][1] - left)
    print(f"\n{title}")
    before, ends_at = left, round(-left * scale)
    for name, at in shown:
        start, end = round((before - left) * scale), round((at - left) * scale)
        bar = " " * start + ("█" * (end - start) or "▏")
        if left < 0 and len(bar) <= ends_at:
            bar = bar.ljust(ends_at) + "¦"
        print(f"  {name:<20} {at * 1000:+6.0f} ms {(at - before) * 1000:+6.0f}  {bar}")
        before = at


def stages(title: str, turns: Sequence[Sequence[tuple[str, float]]]) -> dict[str, dict[str, float]]:
    """Print and return p50 and p95 of each moment, in seconds since the end of speech."""
    found: dict[str, list[float]] = {}
    for moments in turns:
        for name, at in moments:
            found.setdefault(name, []).append(at)
    figures = {
        name: {"p50": percentile(v, 0.5), "p95": percentile(v, 0.95), "count": len(v)}
        for name, v in found.items()
    }
    ordered = sorted(figures.items(), key=lambda item: item[1]["p50"])
    rows = [(name, f["p50"], f["p95"], f["count"]) for name, f in ordered]
    table(title, ("moment", "p50 s", "p95 s", "turns"), rows)
    return figures


def reuse(turns: Sequence[HubTurn]) -> dict[str, Any]:
    """Print and return what else the hub keeps of its turns: totals of numbers and of yes or no."""
    totals: dict[str, Any] = {}
    for turn in turns:
        for name, value in turn.extras.items():
            if isinstance(value, bool | int | float):
                totals[name] = totals.get(name, 0) + value
    if totals:
        text = ", ".join(f"{name} {total:g}" for name, total in totals.items())
        print(f"\nin {len(turns)} turns together: {text}")
    return totals
