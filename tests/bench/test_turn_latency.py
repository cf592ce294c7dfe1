"""How long from the last word to the first: a real hub and a real satellite on this machine.

The same questions are also answered one step after the other (record, then STT, then the whole
reply, then all of its speech), with the same models in the same run: the ratio is what streaming
buys, and it holds on noisy machines where single figures do not.
"""

import asyncio
import json
import sqlite3
import statistics
import time
from contextlib import aclosing

import pytest
from processes import VOICE, House
from psutil import Process as Psutil

from hub.config import Settings
from hub.conversation.prompt import DEFAULT_PERSONA, system_prompt
from hub.engines.base import Message
from hub.engines.registry import make_llm, make_stt, make_tts
from protocol.audio import SPEECH, Converter

QUESTIONS = [
    "Why is sleep important?",
    "What is the capital of France?",
    "Why do people love dogs?",
    "Who wrote Romeo and Juliet?",
    "Why should I drink water?",
    "What makes a good friend?",
]
ROUNDS = 2
IDLE_SECONDS = 20.0


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def show(label: str, values: list[float]) -> None:
    print(
        f"{label:<48} p50 {percentile(values, 0.5):6.2f} s   p95 {percentile(values, 0.95):6.2f} s"
    )


async def one_after_the_other(questions: list[bytes]) -> list[float]:
    """Return for each question the seconds until the whole reply could be played."""
    settings = Settings()
    stt, llm, tts = make_stt(settings), make_llm(settings), make_tts(settings)
    for engine in (stt, llm, tts):
        await engine.load()
    system = Message("system", system_prompt(DEFAULT_PERSONA))
    await llm.prefill("", [system])
    took = []
    for pcm in questions:
        converter = Converter(VOICE, SPEECH)
        sound = converter.process(pcm) + converter.flush()
        began = time.perf_counter()
        text = (await stt.transcribe(sound, language="en")).text
        reply = ""
        async with aclosing(
            llm.generate("bench", [system, Message("user", text)], max_tokens=120)
        ) as pieces:
            async for piece in pieces:
                reply += piece
        async with aclosing(tts.synthesize(reply)) as speech:
            async for _ in speech:
                pass
        took.append(time.perf_counter() - began)
    for engine in (stt, llm, tts):
        await engine.close()
    return took


@pytest.mark.slow
async def test_turn_latency(site, tmp_path, voice, ask):
    house = House(site, tmp_path)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        psutil = Psutil(kitchen.child.pid)
        before = sum(psutil.cpu_times()[:2])
        await asyncio.sleep(IDLE_SECONDS)
        idle = (sum(psutil.cpu_times()[:2]) - before) / IDLE_SECONDS
        asked = [question for _ in range(ROUNDS) for question in QUESTIONS]
        for number, question in enumerate(asked, 1):
            house.say(kitchen, f"{number:02d}", VOICE, ask(question))
            await hub.wait_for(r"turn ended: (\S+)", nth=number, timeout=90)
        resident = psutil.memory_info().rss
        hub_resident = hub.memory()
    with sqlite3.connect(house.store) as store:
        rows = store.execute("SELECT outcome, stages FROM turns ORDER BY began").fetchall()
    assert [outcome for outcome, _ in rows] == ["answered"] * len(asked)
    moments: dict[str, list[float]] = {}
    for _, stages in rows:
        at, spoken = 0.0, 0.0
        for name, seconds in json.loads(stages):
            at += seconds
            spoken = at if name == "speech_end" else spoken
            moments.setdefault(name, []).append(at - spoken if spoken else 0.0)
    print(f"\n{len(asked)} questions, from the end of speech (voice activity) to:")
    for name in ("end_of_turn", "transcript", "first_token", "first_clause", "first_audio_played"):
        show(f"  {name}", moments[name])
    silence = Settings().turn.silence
    sequential = [
        silence + seconds for seconds in await one_after_the_other([voice(q) for q in QUESTIONS])
    ]
    show("  (one step after the other: first audio)", sequential)
    ratio = percentile(moments["first_audio_played"], 0.5) / percentile(sequential, 0.5)
    print(f"streamed / one after the other, p50: {ratio:.2f}")
    print(f"satellite: idle {idle:.1%} of a core, {resident / 1e6:.0f} MB")
    print(f"hub: {hub_resident / 1e6:.0f} MB")
