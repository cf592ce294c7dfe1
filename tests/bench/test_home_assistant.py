"""From the last word to the answer's first sound over a real Home Assistant.

The same questions go through two pipelines of one Home Assistant, one after the other: one with the
hub's speech-to-text and voice, one with wyoming-faster-whisper and wyoming-piper. Home Assistant's
own agent answers both. HOME_ASSISTANT says which version (deploy/home_assistant.sh); from 2026.11
on it takes a transcript before the end of the sound, older ones wait for their own voice detection.
"""

import asyncio
import time

import numpy as np
import pytest
from ha_client import Client, Run
from ha_server import CannotBuild, HomeAssistant, build
from processes import VOICE, House
from results import bar, progress, record, spread, table
from test_stt_peer import faster_whisper
from test_tts_peer import piper

from protocol.audio import SPEECH, Converter

QUESTIONS = ("What time is it?", "What is the date today?", "What day is it today?")
ROUNDS = 3
SHARE = 0.5  # of the peers' time: the bar, with what takes a transcript early
EARLY = (2026, 11)
QUIET = 0.01  # of the loudest sample
PARLOUR, PEERS = "Parlour", "wyoming-faster-whisper, wyoming-piper"


def spoken(pcm: bytes) -> bytes:
    """Return the voice's sound as 16 kHz, without the quiet behind the last word."""
    converter = Converter(VOICE, SPEECH)
    samples = np.frombuffer(converter.process(pcm) + converter.flush(), "<i2")
    loud = np.flatnonzero(np.abs(samples.astype(int)) > QUIET * np.abs(samples.astype(int)).max())
    return samples[: int(loud[-1]) + 1].astype("<i2").tobytes()


async def pipeline(client: Client, name: str, ears: str, mouth: str) -> str:
    """Make a pipeline of one entry's speech-to-text and another's voice; return its id."""
    stt, tts = await client.entity(ears, "stt"), await client.entity(mouth, "tts")
    agent = await client.own_agent()
    return await client.create_pipeline(name, stt["entity_id"], tts["entity_id"], agent)


async def answered(client: Client, run: Run) -> float:
    """Return when the first sound of the answer came, on the monotonic clock."""
    url = run.data("tts-end")["tts_output"]["url"]
    async with client.session.get(url) as answer:
        await answer.content.readany()
        return time.monotonic()


@pytest.mark.slow
async def test_end_of_speech_to_answer_against_other_peers(site, tmp_path, voice):
    try:
        assistant = HomeAssistant(await asyncio.to_thread(build))
    except CannotBuild as problem:
        pytest.skip(str(problem))
    house = House(site, tmp_path)
    took: dict[str, list[float]] = {PARLOUR: [], PEERS: []}
    print()
    async with (
        assistant.running(),
        house.hub() as hub,
        faster_whisper(house) as theirs,
        piper(house) as their_voice,
        assistant.client() as client,
    ):
        entries = [await client.add_wyoming(one) for one in (hub.service, theirs, their_voice)]
        ours, whisper, voices = entries

        pipelines = {
            PARLOUR: await pipeline(client, PARLOUR, ours, ours),
            PEERS: await pipeline(client, PEERS, whisper, voices),
        }
        for round_ in range(ROUNDS + 1):
            progress(f"round {round_} of {ROUNDS}" if round_ else "warm")
            for number, question in enumerate(QUESTIONS):
                names = sorted(pipelines, reverse=(round_ + number) % 2 == 1)
                for name in names:
                    await client.service("tts.clear_cache")
                    run = await client.run_pipeline(pipelines[name], spoken(voice(question)))
                    assert run.error is None, (name, run.kinds)
                    seconds = await answered(client, run) - run.said_at
                    if round_:  # the first calls of each are slow
                        took[name].append(seconds)
    figures = {name: spread(seconds) for name, seconds in took.items()}
    version = ".".join(map(str, assistant.version))
    rows = [(name, one["p50"], one["p95"], one["max"]) for name, one in figures.items()]
    table(f"Home Assistant {version}: last word to answer", ("", "p50", "p95", "most"), rows)
    record("home assistant", {"version": version, **figures})
    share = figures[PARLOUR]["p50"] / figures[PEERS]["p50"]
    most = SHARE if assistant.version >= EARLY else 1.0
    name = f"last word to answer over Home Assistant {version}, share of its usual peers'"
    assert bar("home assistant", name, share, at_most=most, unit="")
