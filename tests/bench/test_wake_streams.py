"""Many thin satellites: their sound streams to the hub, which listens for the wake word in it.

As Home Assistant does for its satellites: `detect`, then chunks of 10 ms without an end. How late a
detection is, is told by the same detector, given the same sound by itself: it says with which chunk
it hears the word. From when that chunk was sent to when `detection` is here passes what the hub
adds. Some words are said in all streams at once, which is the worst.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest
from processes import VOICE, House
from results import bar, percentile, record, spread, table

from hub.engines.wake_models import MICRO, OPEN, Detector, Word
from protocol.audio import SPEECH, Converter

SECONDS = 30.0
CHUNK_SECONDS = 0.01
LATE = 0.2  # seconds: the bar
EVERY = 5.0  # seconds between two words of a stream
TOGETHER = 3  # of each stream's words, the last ones, that all streams have at once
NOISE = 30  # of a sample: a quiet room
START = 2.0  # seconds before the first word, and for all streams to begin
LITTLE = 0.01  # of one core, for a stream's chunks beyond those of 64 ms


@dataclass
class Stream:
    """What one satellite hears.

    Args:
        pcm: its sound.
        due: the numbers of the 10 ms chunks with which its words are heard.
        late: seconds that each was told after its chunk was sent.
    """

    pcm: bytes
    due: list[int]
    late: list[float] = field(default_factory=list)


def streams(count: int, program: str, voice) -> list[Stream]:
    """Return sound with a wake word every five seconds, at other times in each stream."""
    converter, rng = Converter(VOICE, SPEECH), np.random.default_rng(1)
    spoken = voice("Hey Jarvis.")
    word = np.frombuffer(converter.process(spoken) + converter.flush(), "<i2")
    made = []
    for number in range(count):
        sound = rng.normal(0, NOISE, int(SECONDS * SPEECH.rate))
        times = [START + EVERY * i for i in range(int((SECONDS - START) / EVERY))]
        for i, at in enumerate(times):
            alone = i < len(times) - TOGETHER
            begin = int((at + (EVERY / 2 * number / count if alone else 0.0)) * SPEECH.rate)
            sound[begin : begin + len(word)] += word
        pcm = sound.clip(-32768, 32767).astype("<i2").tobytes()
        made.append(Stream(pcm, heard_with(pcm, program)))
        assert len(made[-1].due) >= len(times) - 1, "the detector itself misses words"
    return made


def heard_with(pcm: bytes, program: str) -> list[int]:
    """Return the numbers of the chunks with which the detector hears a word."""
    detector = Detector([Word("hey_jarvis", program, None, None, 2.0)])
    step = SPEECH.bytes_for(CHUNK_SECONDS)
    pieces = [pcm[start : start + step] for start in range(0, len(pcm), step)]
    return [number for number, piece in enumerate(pieces) for _ in detector.process(piece)]


def frame(event_type: str, data: dict, payload: bytes = b"") -> bytes:
    block = json.dumps(data).encode()
    lengths = {"data_length": len(block), "payload_length": len(payload)}
    return json.dumps({"type": event_type} | lengths).encode() + b"\n" + block + payload


FORMAT = {"rate": 16000, "width": 2, "channels": 1}


async def listen(uri: str, stream: Stream, program: str, began: float, chunk_seconds: float):
    """Send a stream in real time, and note how late each word is told."""
    host, port = uri.removeprefix("tcp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(frame("select-program", {"name": program}))
    writer.write(frame("detect", {"names": ["hey_jarvis"]}) + frame("audio-start", FORMAT))
    sent: list[float] = []  # when each 10 ms were
    told: list[float] = []

    async def read() -> None:
        while line := await reader.readline():
            header = json.loads(line)
            await reader.readexactly(header.get("data_length") or 0)
            if header["type"] == "detection":
                told.append(time.monotonic())

    reading = asyncio.create_task(read())
    step = SPEECH.bytes_for(chunk_seconds)
    for number, start in enumerate(range(0, len(stream.pcm), step)):
        pause = began + number * chunk_seconds - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        writer.write(frame("audio-chunk", FORMAT, stream.pcm[start : start + step]))
        await writer.drain()
        sent += [time.monotonic()] * round(chunk_seconds / CHUNK_SECONDS)
    await asyncio.sleep(1.0)
    reading.cancel()
    writer.close()
    assert len(told) == len(stream.due), f"{len(told)} words told, of {len(stream.due)}"
    stream.late = [at - sent[due] for at, due in zip(told, stream.due, strict=True)]


async def run(hub, made: list[Stream], program: str, chunk_seconds: float) -> float:
    """Send all streams; return how many cores the hub took, beyond those that it takes idle."""
    process = psutil.Process(hub.child.pid)

    def used() -> float:
        times = process.cpu_times()
        return times.user + times.system

    before = used()
    await asyncio.sleep(3.0)
    idle = (used() - before) / 3.0
    before, began = used(), time.monotonic() + 0.5
    await asyncio.gather(
        *(
            listen(
                hub.service, stream, program, began + CHUNK_SECONDS * i / len(made), chunk_seconds
            )
            for i, stream in enumerate(made)
        )
    )
    return (used() - before) / (time.monotonic() - began) - idle


@pytest.mark.parametrize(("program", "count"), [(MICRO, 20), (OPEN, 8)])
async def test_many_streams_are_heard_in_time(site, tmp_path, voice, program, count):
    async with House(site, tmp_path).hub() as hub:
        await asyncio.sleep(2.0)
        made = streams(count, program, voice)
        cores = await run(hub, made, program, CHUNK_SECONDS)
        late = [seconds for stream in made for seconds in stream.late]
        wide = await run(hub, made, program, 0.06) if program == MICRO else None
    record(
        "wake streams",
        {"program": program, "streams": count, "cores": cores, "wide": wide, "late": spread(late)},
    )
    table(
        f"{count} streams of {program}, {len(late)} words",
        ("median late, ms", "p95", "worst", "% of a core a stream"),
        [(*(1000 * percentile(late, p) for p in (0.5, 0.95, 1.0)), 100 * cores / count)],
    )
    met = [
        bar("wake streams", f"{count} x {program}: worst", max(late), at_most=LATE, unit="s"),
    ]
    if wide is not None:
        more = (cores - wide) / count
        met.append(
            bar(
                "wake streams",
                "a stream's 10 ms chunks, over those of 60 ms",
                100 * more,
                at_most=100 * LITTLE,
                unit="% of a core",
            )
        )
    assert all(met), "a bar is missed: see the table of bars"
