"""The language model alone, as the hub makes it: the first token, the first clause, many rooms.

From a transcript to the first clause, with what the cache holds before: nothing, the conversation
so far, or the words but the last one as well, since they were computed while they were spoken; all
that also beside a neighbour that takes a whole core. Then several rooms that ask at once.
"""

import asyncio
import subprocess
import sys
import time
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import pytest
from questions import QUESTIONS
from results import bar, progress, record, spread, table

from hub.config import LlmSettings, Settings
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.prompt import system_prompt
from hub.engines.base import Message
from hub.engines.llama_cpp import LlamaCpp
from hub.engines.registry import make_llm
from hub.models.fetch import ModelMissing, path_of

MODELS = {
    "0.5B": "qwen2.5-coder-0.5b-instruct-q4_k_m",
    "1.5B": "qwen2.5-coder-1.5b-instruct-q4_k_m",
}
BARS = {"0.5B": 0.4, "1.5B": 1.0}  # seconds from the transcript to the first clause, p50
SYSTEM = Message("system", system_prompt())
BEFORE = [  # the conversation so far, some 60 tokens
    Message("user", "Good morning. Could you tell me something about the sea?"),
    Message(
        "assistant", "Good morning! The sea covers most of the Earth and is home to many animals."
    ),
    Message("user", "Which of them is the largest?"),
    Message("assistant", "The largest of them is the blue whale."),
]
LENGTH = 60  # tokens of a reply that is written to its end
ROOMS = (1, 2, 4)
SPIN = "while True: pass"


@dataclass(frozen=True)
class Reply:
    """When the beginnings of a reply came, in seconds; and what it cost, in tokens."""

    first_token: float
    first_clause: float
    seconds: float
    computed: int
    written: int


async def ask(llm: LlamaCpp, room: str, messages: list[Message], *, whole: bool = False) -> Reply:
    """Return what a reply cost; it is stopped at its first clause unless `whole`."""
    began = time.perf_counter()
    generation = llm.generate(room, messages, max_tokens=LENGTH)
    splitter, first_token, first_clause = ClauseSplitter(), 0.0, 0.0
    async with aclosing(generation):
        async for piece in generation:
            passed = time.perf_counter() - began
            first_token = first_token or passed
            if not first_clause and splitter.push(piece):
                first_clause = passed
                if not whole:
                    break
    passed = time.perf_counter() - began
    stats = generation.stats
    computed = stats.prompt_tokens - stats.reused_tokens
    return Reply(first_token, first_clause or passed, passed, computed, stats.generated_tokens)


async def beginnings(llm: LlamaCpp) -> dict[str, list[Reply]]:
    """Ask every question with each kind of cache, one after the other."""
    found: dict[str, list[Reply]] = {"cold": [], "conversation": [], "and words": []}
    for number, question in enumerate(QUESTIONS):
        messages = [SYSTEM, *BEFORE, Message("user", question)]
        if number % 4 == 0:  # it takes seconds
            llm.forget("cold")
            await llm.prefill("", [Message("system", "-")])  # nothing in common
            found["cold"].append(await ask(llm, "cold", messages))
            await llm.prefill("", [SYSTEM])
        await llm.prefill("warm", messages[:-1])
        found["conversation"].append(await ask(llm, "warm", messages))
        said = " ".join(question.split()[:-1])
        await llm.prefill("heard", [*messages[:-1], Message("user", said)], unfinished=True)
        found["and words"].append(await ask(llm, "heard", messages))
    return found


async def at_once(llm: LlamaCpp, rooms: int) -> tuple[list[Reply], float]:
    """Let so many rooms ask at once; return their replies, and the tokens a second of all."""
    asked = [QUESTIONS[number % len(QUESTIONS)] for number in range(rooms)]
    for room in range(rooms):
        await llm.prefill(f"room {room}", [SYSTEM, *BEFORE])
    began = time.perf_counter()
    replies = await asyncio.gather(
        *(
            ask(llm, f"room {room}", [SYSTEM, *BEFORE, Message("user", text)], whole=True)
            for room, text in enumerate(asked)
        )
    )
    took = time.perf_counter() - began
    return replies, sum(reply.written for reply in replies) / took


@contextmanager
def neighbour():
    """Run a process that never rests."""
    with subprocess.Popen([sys.executable, "-c", SPIN]) as busy:
        try:
            yield
        finally:
            busy.kill()


@pytest.mark.slow
@pytest.mark.parametrize("size", MODELS)
async def test_language_model(size: str):
    try:
        path_of(MODELS[size])
    except ModelMissing:
        pytest.skip(f"run: make models MODELS={MODELS[size]}")
    llm = make_llm(Settings(llm=LlmSettings(model=MODELS[size])))
    assert isinstance(llm, LlamaCpp)
    await llm.load()
    section, rows = f"language model {size}", []
    try:
        progress(f"{size}: from the transcript to the first clause")
        await ask(llm, "warm", [SYSTEM, Message("user", "Hello.")])
        alone = await beginnings(llm)
        progress(f"{size}: the same beside a busy neighbour")
        with neighbour():
            beside = await beginnings(llm)
        for where, found in (("", alone), (", busy neighbour", beside)):
            for cached, replies in found.items():
                token = spread([reply.first_token for reply in replies])
                clause = spread([reply.first_clause for reply in replies])
                new = spread([reply.computed for reply in replies])["p50"]
                row = (f"cached: {cached}{where}", f"{new:.0f}", token["p50"], token["p95"])
                rows.append((*row, clause["p50"], clause["p95"]))
                record(
                    section, {f"{cached}{where}": {"token": token, "clause": clause, "new": new}}
                )
        head = ("seconds", "new tokens", "token p50", "p95", "clause p50", "p95")
        table(f"{size}: from the transcript to the first token and clause", head, rows)
        rows = []
        for rooms in ROOMS:
            progress(f"{size}: {rooms} rooms")
            replies, speed = await at_once(llm, rooms)
            clause = spread([reply.first_clause for reply in replies])
            rows.append((f"{rooms} rooms", clause["p50"], clause["max"], speed))
            record(section, {f"{rooms} rooms": {"clause": clause, "tokens a second": speed}})
        table(f"{size}: rooms at once", ("", "clause p50", "last", "tokens/s"), rows)
    finally:
        await llm.close()
    clauses = spread([reply.first_clause for reply in alone["conversation"]])
    assert bar(section, "transcript to first clause, p50", clauses["p50"], at_most=BARS[size])
