"""Speech-to-text through the service port against wyoming-faster-whisper, with the same model.

Both are processes of their own that run all the time, with the same threads, and get the same clip
one after the other, so that a slow minute hits both. Two paces: as somebody speaks (64 ms of sound
every 64 ms, and half a second of silence behind it, as wyoming-bench and Home Assistant have it),
timed from `audio-stop` to `transcript`; and as fast as the connection takes it, by wyoming-bench
itself, timed from the first byte.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from environments import FASTER_WHISPER_SERVER, environment, peer
from processes import House
from results import bar, progress, record, spread, table
from speech_clips import (
    ROOM_NOISE,
    Clip,
    errors,
    of_people,
    other_recordings,
    own_voice,
    shared_recordings,
    with_noise,
    with_room_noise,
    words,
)
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming_bench.const import MODE_NON_STREAMING
from wyoming_bench.stt.client import measure_stt_once
from wyoming_bench.stt.corpus import AudioInput

from hub.config import Settings
from hub.engines.choices import stt_model
from hub.models.fetch import path_of
from protocol.audio import SPEECH
from protocol.connection import Limits
from protocol.transport import connect

CHUNK_SECONDS = 0.064
SILENCE = 0.5  # seconds behind each clip
OWN_CLIPS = 12
MOST_CLIPS = int(os.environ.get("PARLOUR_BENCH_CLIPS", "40"))  # of people
TIMEOUT = 60.0
SHARE = 1 / 3  # of the peer's time: the bar


@dataclass(frozen=True)
class Answer:
    """What a server made of a clip."""

    text: str
    seconds: float  # from the last sound to the transcript
    partials: int  # told before the last sound was sent


def faster_whisper(house: House):
    """The peer; all but the language and the threads as it comes."""
    python = environment(*FASTER_WHISPER_SERVER)
    model, folder = path_of(stt_model(Settings())), house.place("peer")
    arguments = ("--model", str(model), "--data-dir", str(folder), "--language", "en")
    options = ("--compute-type", "int8", "--stt-library", "faster-whisper")
    threads = ("--cpu-threads", str(os.cpu_count()))
    return peer(house, python, "wyoming_faster_whisper", *arguments, *options, *threads)


async def as_spoken(uri: str, pcm: bytes) -> Answer:
    """Send a clip in real time; time from `audio-stop` to `transcript`."""
    step, partials, text = SPEECH.bytes_for(CHUNK_SECONDS), 0, ""
    stopped: float | None = None
    async with (
        asyncio.timeout(TIMEOUT),
        await connect(uri, limits=Limits(idle_timeout=None)) as connection,
    ):

        async def read() -> tuple[str, float]:
            nonlocal partials
            while True:
                event = await connection.read()
                if Transcript.is_type(event.type):
                    return event.data["text"], time.monotonic()
                assert event.type != "error", event.data
                partials += TranscriptChunk.is_type(event.type) and stopped is None

        reader = asyncio.create_task(read())
        await connection.write(Transcribe(language="en"))
        await connection.write(AudioStart(16000, 2, 1))
        began = time.monotonic()
        for number, at in enumerate(range(0, len(pcm), step), 1):
            await asyncio.sleep(began + number * CHUNK_SECONDS - time.monotonic())
            await connection.write(AudioChunk(16000, 2, 1, pcm[at : at + step]))
        await connection.write(AudioStop())
        stopped = time.monotonic()
        text, at = await reader
    return Answer(text, at - stopped, partials)


async def at_once(uri: str, clip: Clip) -> Answer:
    """Let wyoming-bench send it as fast as it can."""
    host, _, port = uri.removeprefix("tcp://").rpartition(":")
    audio = AudioInput("clip", clip.said, 16000, 2, 1, clip.pcm, Path("clip.wav"))
    measured = await measure_stt_once(
        host,
        int(port),
        MODE_NON_STREAMING,
        audio,
        Transcribe(language="en"),
        chunk_samples=1024,
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        trailing_silence=SILENCE,
    )
    assert measured.ok, measured.error
    assert measured.total_s is not None
    return Answer(measured.hypothesis, measured.total_s, 0)


def chosen(voice) -> dict[str, list[Clip]]:
    """Return clips of a command's length: people, people with noise, our own voice."""
    rng = np.random.default_rng(2)
    people = [c for c in [*shared_recordings(), *other_recordings()] if c.seconds <= 12]
    count = min(MOST_CLIPS, len(people))
    people = [people[number * len(people) // count] for number in range(count)]
    noisy = [with_room_noise(c, 10, rng) for c in people[::2] if ROOM_NOISE.exists()]
    own = own_voice(voice)[:OWN_CLIPS]
    return {
        "recordings": people,
        "recordings, room noise 10 dB below": noisy,
        "our own voice": own,
        "our own voice, noise 10 dB below": [with_noise(c, 10, rng) for c in own[::2]],
    }


@pytest.mark.slow
async def test_stt_beside_wyoming_faster_whisper(site, tmp_path, voice):
    house = House(site, tmp_path)
    sets = {label: clips for label, clips in chosen(voice).items() if clips}
    silence = bytes(SPEECH.bytes_for(SILENCE))
    found: dict[tuple[str, str], list[tuple[Clip, Answer, Answer]]] = {}
    print()
    async with house.hub() as hub, faster_whisper(house) as theirs:
        for uri in (hub.service, theirs):  # the first call of each is slow
            await as_spoken(uri, next(iter(sets.values()))[0].pcm)
        for label, clips in sets.items():
            progress(f"{label}: {len(clips)} clips, {sum(c.seconds for c in clips):.0f} s")
            for number, clip in enumerate(clips):
                pair = (hub.service, theirs) if number % 2 else (theirs, hub.service)
                spoken = {uri: await as_spoken(uri, clip.pcm + silence) for uri in pair}
                sent = {uri: await at_once(uri, clip) for uri in pair}
                for pace, answers in (("as spoken", spoken), ("at once", sent)):
                    row = (clip, answers[hub.service], answers[theirs])
                    found.setdefault((label, pace), []).append(row)
    rows, figures = [], {}
    for (label, pace), answers in found.items():
        rows.append(summary(f"{label}, {pace}", answers, figures))
    for pace in ("as spoken", "at once"):
        everything = [a for (_, p), answers in found.items() if p == pace for a in answers]
        people = [
            a
            for (label, p), answers in found.items()
            if p == pace and of_people(label)
            for a in answers
        ]
        rows.append(summary(f"all, {pace}", everything, figures))
        bar(
            "stt",
            f"share of wyoming-faster-whisper's median time, {pace}",
            figures[f"all, {pace}"]["share"],
            at_most=SHARE,
            unit="",
        )
        if people:
            rows.append(summary(f"all of people, {pace}", people, figures))
    head = ("clips", "n", "ours p50", "p95", "peer p50", "p95", "share", "mean", "WER", "peer WER")
    table("from the last sound to the transcript, in seconds", head, rows)
    record("stt", figures)
    assert figures["all, as spoken"]["share"] <= SHARE
    assert figures["all, at once"]["share"] <= SHARE


def summary(label: str, answers: list[tuple[Clip, Answer, Answer]], figures: dict) -> list:
    """Return a row of the table; put its figures under `label`."""
    ours, peers = [a.seconds for _, a, _ in answers], [a.seconds for _, _, a in answers]
    total = sum(len(words(clip.said)) for clip, _, _ in answers)
    wrong = sum(errors(clip.said, answer.text) for clip, answer, _ in answers) / total
    peer_wrong = sum(errors(clip.said, answer.text) for clip, _, answer in answers) / total
    mine, theirs = spread(ours), spread(peers)
    share, mean = mine["p50"] / theirs["p50"], sum(ours) / sum(peers)
    figures[label] = {
        "ours": mine,
        "peer": theirs,
        "share": share,
        "share of means": mean,
        "words": total,
        "word error rate": wrong,
        "peer's word error rate": peer_wrong,
        "told something before the end": sum(a.partials > 0 for _, a, _ in answers),
    }
    times = [mine["p50"], mine["p95"], theirs["p50"], theirs["p95"], share, mean]
    return [label, len(answers), *times, f"{wrong:.1%}", f"{peer_wrong:.1%}"]
