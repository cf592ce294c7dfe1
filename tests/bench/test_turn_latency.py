"""Voice to voice: from the last word of a question to the first sample of its answer.

A real hub and a real satellite on this machine, against a hub that does one thing after the other
with the same models (sequential_hub.py), asked the same questions in turn, in the same run. How
the figures are defined: docs/benchmarks.md.
"""

import json
import os
import re
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import LLM, START_TIMEOUT, House
from questions import QUESTIONS, recorded, spoken
from results import bar, percentile, progress, record, spread, table
from timeline import Asker, Heard, audible
from waterfall import PLAYED, HubTurn, draw, epoch, hub_turns, matching, reuse, stages

from hub.models.fetch import ModelMissing, path_of

LARGE = "qwen2.5-coder-1.5b-instruct-q4_k_m"
BARS = {LLM: (0.8, 1.3), LARGE: (1.4, 2.2)}  # seconds, p50 and p95
RATIO = 1 / 3  # of the sequential baseline, p50
MOST_RECORDED = 8
LEAST = 24  # turns; the larger model has no more; PARLOUR_BENCH_TURNS asks fewer, for a quick look
AFTERWARDS = ("first_audio_played", "last_token", "done")  # moments that no answer waits for
SKEW = 0.05  # seconds
CUT_OFF = -0.1  # seconds; a turn that ends before the last word by more answers half a question


class BenchHouse(House):
    """A house whose processes find the sequential hub, too."""

    def environment(self, machine: str) -> dict[str, str]:
        found = super().environment(machine)
        return {**found, "PYTHONPATH": f"{self.site}{os.pathsep}{Path(__file__).parent}"}


@dataclass(frozen=True)
class Answer:
    """One question to the hub, and the same to the baseline (None where it was not asked)."""

    streamed: Heard
    sequential: Heard | None
    turn: HubTurn | None
    marks: dict[str, float] | None  # of the baseline's turn, monotonic; None where not answered

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        late = self.streamed.latency
        if not self.streamed.woken:
            return "not woken"
        if self.turn is None:
            return "no turn"
        ends = self.turn.since(self.streamed.speech_end + epoch())
        early = any(name == "end_of_turn" and at < CUT_OFF for name, at in ends)
        return "cut off" if early or (late is not None and late < 0) else self.turn.outcome

    @property
    def counts(self) -> bool:
        """Whether its latency is one: answered by the language model, nobody cut off."""
        return self.outcome == "answered" and self.turn.by_model


def seconds(answers: list[Answer], which: str = "streamed") -> list[float]:
    return [getattr(answer, which).latency for answer in answers]


def compared(answers: list[Answer]) -> list[Answer]:
    """Those for which both systems have a latency: the baseline cut nobody off either."""
    return [
        a
        for a in answers
        if a.marks is not None and a.marks["end_of_turn"] > a.sequential.speech_end + CUT_OFF
    ]


async def ask_all(house: House, stack: AsyncExitStack, hub, clips, label: str) -> dict:
    """Ask every clip of the hub, and of the baseline where it runs; return all there is to know."""
    options = ("--verbose",)
    kitchen = await stack.enter_async_context(house.satellite(hub.address, options=options))
    streamed, sequential, baseline, study = Asker(house, kitchen), None, None, None
    if label == LLM:
        config = str(house.place("hub") / "hub.toml")
        command = ("sequential_hub", "--config", config)
        baseline = await stack.enter_async_context(
            house.process("sequential", *command, machine="sequential")
        )
        address = (await baseline.wait_for(r"satellites on (\S+)", timeout=START_TIMEOUT))[1]
        study = await stack.enter_async_context(house.satellite(address, "study", options=options))
        sequential = Asker(house, study)
    pairs = []
    for number, clip in enumerate(clips, 1):
        first = await streamed.ask(clip)
        await streamed.rest()
        second = None
        if sequential is not None:
            await sequential.rest()
            # While its reply is still played the next question may come: nothing is computed.
            second = await sequential.ask(clip, until=r"first sample is taken|-> idle")
        pairs.append((first, second))
        late = [one.latency if one else None for one in (first, second)]
        shown = " / ".join("-" if x is None else f"{x:.2f} s" for x in late)
        progress(f"{label} {number:2}/{len(clips)}  {shown}  {clip.said[:60]}")
    if sequential is not None:
        await sequential.rest()
    return {"pairs": pairs, "kitchen": kitchen, "study": study, "baseline": baseline}


def moments_of(answer: Answer) -> list[tuple[str, float]]:
    """The hub's moments up to the first sample, and the satellite's, since the end of speech."""
    assert answer.turn is not None
    latency = answer.streamed.latency
    since = answer.turn.since(answer.streamed.speech_end + epoch())
    # What was sent was sent before it was played: the store's clock is off by some milliseconds.
    since = [
        (name, min(at, latency))
        for name, at in since
        if at <= latency + SKEW and name not in AFTERWARDS
    ]
    return sorted([("last word", 0.0), *since, (PLAYED, latency)], key=lambda moment: moment[1])


def baseline_moments(answer: Answer) -> list[tuple[str, float]]:
    """The same of the baseline's turn."""
    one = answer.sequential
    since = [(name, at - one.speech_end) for name, at in answer.marks.items()]
    return [*[moment for moment in since if moment[0] != "listening"], (PLAYED, one.latency)]


def baseline_marks(baseline, one: Heard | None) -> dict[str, float] | None:
    """Return what the sequential hub printed of its answer to a question."""
    if baseline is None or one is None or one.latency is None:
        return None
    lines = [m[1] for _, line in baseline.lines if (m := re.search(r"turn: (\{.*)", line))]
    turns = [json.loads(line)["marks"] for line in lines]
    return next((t for t in turns if one.asked <= t["end_of_turn"] <= one.idle), None)


def waterfalls(answers: list[Answer], label: str) -> dict:
    ordered = sorted(answers, key=lambda answer: answer.streamed.latency)
    for share in (0.5, 0.95):
        one = ordered[round(share * (len(ordered) - 1))]
        latency, clip = one.streamed.latency, one.streamed.clip
        about = {k: v for k, v in one.turn.extras.items() if v not in (None, "", [], {})}
        draw(
            f"p{share * 100:.0f} turn, {latency:.3f} s: {clip.said}  {about or ''}", moments_of(one)
        )
    title = f"{label}: from the last word to each moment"
    return stages(title, [moments_of(answer) for answer in answers])


def report(label: str, answers: list[Answer], gone: dict) -> dict:
    """Print the tables of one model; return its figures."""
    good = [answer for answer in answers if answer.counts]
    groups = {
        "all that the model answered": good,
        "  people": [a for a in good if a.streamed.clip.people],
        "  our own voice": [a for a in good if not a.streamed.clip.people],
    }
    figures: dict = {}
    rows = []
    for name, group in groups.items():
        if not group:
            continue
        mine = figures[name.strip()] = {"streamed": spread(seconds(group))}
        rows.append((name, "hub", len(group), *list(mine["streamed"].values())[1:]))
        if both := compared(group):
            theirs = mine["sequential"] = spread(seconds(both, "sequential"))
            rows.append((name, "sequential", len(both), *list(theirs.values())[1:]))
            same = seconds(both)
            for share in (0.5, 0.95):
                ratio = percentile(same, share) / percentile(seconds(both, "sequential"), share)
                mine[f"ratio p{share * 100:.0f}"] = ratio
    if quick := [a for a in answers if a.outcome == "answered" and not a.turn.by_model]:
        figures["answered without the model"] = spread(seconds(quick))
        rows.append(
            ("answered without the model", "hub", *figures["answered without the model"].values())
        )
    head = ("questions", "by", "turns", "p50 s", "p95 s", "min s", "max s")
    table(f"{label}: from the last word to the first sample", head, rows)
    figures |= gone
    if ratio := figures["all that the model answered"].get("ratio p50"):
        ratio95 = figures["all that the model answered"]["ratio p95"]
        print(f"  hub / sequential, same questions: p50 {ratio:.2f}, p95 {ratio95:.2f}")
    print("  " + ", ".join(f"{name}: {value}" for name, value in gone.items()))
    return figures


def audible_latency(satellite, answers: list[Answer]) -> dict:
    """How much later a reply can be heard than its first sample is played."""
    heard = [answer.streamed for answer in answers]
    moments = zip(heard, audible(satellite, heard), strict=True)
    late = [moment - one.speech_end for one, moment in moments if moment is not None]
    figures = spread(late)
    print(f"  first sound above -45 dBFS: p50 {figures['p50']:.3f} s, p95 {figures['p95']:.3f} s")
    return figures


def outcomes(answers: list[Answer]) -> dict[str, int]:
    """Count how the turns ended; print those that were not answered."""
    counts = Counter(answer.outcome for answer in answers)
    for answer in answers:
        if answer.outcome != "answered":
            heard = answer.turn.said if answer.turn else "-"
            late = answer.streamed.latency
            after = "" if late is None else f" (first sample after {late:.2f} s)"
            print(f"  {answer.outcome}{after}: {answer.streamed.clip.said}  heard: {heard}")
    return dict(counts)


@pytest.mark.slow
@pytest.mark.parametrize("model", [LLM, LARGE])
async def test_turn_latency(site, tmp_path, voice, model):
    wanted = os.environ.get("PARLOUR_BENCH_MODELS", "").split() or [LLM, LARGE]
    if not any(name in model for name in wanted):
        pytest.skip(f"PARLOUR_BENCH_MODELS={' '.join(wanted)}")
    try:
        path_of(model)
    except ModelMissing as error:
        pytest.skip(str(error))
    house = BenchHouse(site, tmp_path)
    clips = [*await recorded(voice, MOST_RECORDED), *await spoken(voice, QUESTIONS)]
    assert len(clips) >= LEAST
    most = LEAST if model == LARGE else len(clips)
    clips = clips[: int(os.environ.get("PARLOUR_BENCH_TURNS", most))]
    print()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(house.hub(model=model))
        found = await ask_all(house, stack, hub, clips, model)
        memory = hub.memory()
    turns = hub_turns(house.store, [line for _, line in hub.lines])
    baseline = found["baseline"]
    answers = [
        Answer(one, two, matching(turns, one, "kitchen"), baseline_marks(baseline, two))
        for one, two in found["pairs"]
    ]
    good = [answer for answer in answers if answer.counts]
    ended = outcomes(answers)
    assert len(good) >= len(answers) // 2, ended  # else the figures say little
    gaps = sum(answer.streamed.underruns for answer in answers)
    also = {"hub MB": round(memory / 1e6), "gaps in replies": gaps}
    figures = report(model, answers, {**ended, **also})
    figures["first sound"] = audible_latency(found["kitchen"], good)
    figures["moments"] = waterfalls(good, model)
    figures["kept of turns"] = reuse([answer.turn for answer in good])
    if theirs := [baseline_moments(answer) for answer in compared(good)]:
        figures["sequential moments"] = stages("sequential: from the last word", theirs)
    figures["latencies"] = [
        (a.streamed.clip.said, a.streamed.latency, a.sequential and a.sequential.latency)
        for a in answers
    ]
    record("turn", {model: figures})
    size = "1.5B" if model == LARGE else "0.5B"
    p50, p95 = (percentile(seconds(good), share) for share in (0.5, 0.95))
    met = [
        bar("turn", f"voice to voice, Qwen {size}, p50", p50, at_most=BARS[model][0]),
        bar("turn", f"voice to voice, Qwen {size}, p95", p95, at_most=BARS[model][1]),
    ]
    if ratio := figures["all that the model answered"].get("ratio p50"):
        met.append(bar("turn", "share of the sequential time, p50", ratio, at_most=RATIO, unit=""))
    assert all(met), "a bar is missed: see the table of bars"
