"""Text-to-speech through the service port against wyoming-piper (voice: en_US-joe-medium).

Both are processes of their own that run all the time and say the same texts one after the other, so
that a slow minute hits both. The client of `wyoming-bench` measures the time from the request to
the first piece of sound, for texts sent whole and texts sent sentence by sentence. Beside it stands
how much near-silence that sound begins with, since nobody hears that piece.
"""

import asyncio
import hashlib
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from environments import PIPER_SERVER, PIPER_VOICE, environment, peer, piper_voices
from processes import House
from results import bar, progress, record, spread, table
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.tts import Synthesize
from wyoming_bench.const import MODE_NON_STREAMING, MODE_STREAMING
from wyoming_bench.tts.client import measure_once
from wyoming_bench.tts.texts import DEFAULT_TEXTS

from protocol.connection import Limits
from protocol.transport import connect

VOICE_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
TEXTS = [
    "Sure!",
    "The kitchen light is on.",
    "It is ten past four, and the oven needs another five minutes.",
    *DEFAULT_TEXTS,
]
ROUNDS = 5
TIMEOUT = 60.0
NEAR_SILENCE = 0.01  # of the loudest sample
SHARE = 0.5  # of the peer's time: the bar
PARLOUR, PIPER = "Parlour", "wyoming-piper"


@asynccontextmanager
async def piper(house: House):
    """The peer, on a port of its own; all as it comes."""
    python = environment(*PIPER_SERVER)
    voices = piper_voices(python)
    model = await asyncio.to_thread((voices / f"{PIPER_VOICE}.onnx").read_bytes)
    assert hashlib.sha256(model).hexdigest() == VOICE_SHA256, "another voice than the one meant"
    arguments = ("--voice", PIPER_VOICE, "--data-dir", str(voices))
    async with peer(house, python, "wyoming_piper", *arguments) as uri:
        yield uri


async def first_audio(uri: str, mode: str, text: str) -> float:
    """Return the seconds from the request to the first piece of sound."""
    host, _, port = uri.removeprefix("tcp://").rpartition(":")
    measured = await measure_once(host, int(port), mode, text, None, None, TIMEOUT, TIMEOUT)
    assert measured.ok, measured.error
    assert measured.ttft_s is not None
    return measured.ttft_s


async def silence_before(uri: str, text: str) -> float:
    """Return the seconds of near-silence that the speech of `text` begins with."""
    async with asyncio.timeout(TIMEOUT), await connect(uri, limits=Limits()) as connection:
        await connection.write(Synthesize(text))
        start = AudioStart.from_event(await connection.read())
        pcm = b""
        while not AudioStop.is_type((event := await connection.read()).type):
            pcm += AudioChunk.from_event(event).audio
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.float32))
    return float(np.argmax(samples > NEAR_SILENCE * samples.max()) / start.rate)


@pytest.mark.slow
async def test_time_to_first_audio_against_wyoming_piper(site, tmp_path: Path):
    house = House(site, tmp_path)
    modes = {MODE_NON_STREAMING: "whole", MODE_STREAMING: "streamed"}
    took: dict[tuple[str, str], list[float]] = {}
    silent: dict[str, list[float]] = {}
    print()
    async with house.hub() as hub, piper(house) as theirs:
        uris = {PARLOUR: hub.service, PIPER: theirs}
        for name, uri in uris.items():  # warm
            for mode in modes:
                await first_audio(uri, mode, TEXTS[1])
            silent[name] = [await silence_before(uri, text) for text in TEXTS]
        for round_ in range(ROUNDS):
            progress(f"round {round_ + 1}/{ROUNDS}")
            for number, text in enumerate(TEXTS):
                # Not the same one first each time, and no text twice: neither may remember it.
                mine = f"{text} That was number {round_ * len(TEXTS) + number}."
                for name in sorted(uris, reverse=(round_ + number) % 2 == 1):
                    for mode, label in modes.items():
                        seconds = await first_audio(uris[name], mode, mine)
                        took.setdefault((name, label), []).append(seconds)
    figures, rows, met = {}, [], []
    for label in modes.values():
        ours, theirs = spread(took[PARLOUR, label]), spread(took[PIPER, label])
        figures[label] = {"parlour": ours, "wyoming-piper": theirs}
        for name, one in ((PARLOUR, ours), (PIPER, theirs)):
            rows.append((f"{name}, text {label}", one["p50"], one["p95"], one["max"]))
        for share in ("p50", "p95"):
            name = f"first audio, text {label}, {share}, share of wyoming-piper's"
            met.append(bar("tts", name, ours[share] / theirs[share], at_most=SHARE, unit=""))
    figures["silence before the first sound"] = {
        name: spread(all_) for name, all_ in silent.items()
    }
    table("first audio (seconds)", ("", "p50", "p95", "most"), rows)
    for name, seconds in silent.items():
        print(f"  {name} begins with {np.median(seconds):.3f} s of near-silence (median)")
    record("tts", figures)
    assert all(met)
