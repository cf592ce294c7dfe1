"""Parler in its own process, behind a real hub and a real satellite; run by `make test-parler`."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import VOICE, Process

from hub.config import Settings, TtsSettings
from hub.engines.base import BadInput
from hub.engines.parler.voices import VOICES
from hub.engines.registry import make_tts
from protocol.audio import read_wav

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-parler"
ANSWERED = r"turn ended: (\S+)"
SPEAKS = r"tts ready: parler"
QUESTION = "Why is sleep important?"


def make_checkpoint(folder: Path, *options: str) -> Path:
    python = ENVIRONMENT / "bin" / "python"
    maker = ROOT / "tests" / "tiny_parler.py"
    subprocess.run([python, maker, folder, *options], check=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def short(tmp_path_factory):
    """A checkpoint whose clauses take about a second."""
    return make_checkpoint(tmp_path_factory.mktemp("short"), "--mean-steps", "80")


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """A checkpoint that keeps up with speech here, and ends when it is cut."""
    return make_checkpoint(tmp_path_factory.mktemp("quick"), "--shapes", "least")


def tts(model: Path, more: str = "") -> str:
    return (
        f'[tts]\nengine = "parler"\nmodel = "{model}"\nenvironment = "{ENVIRONMENT}"\n'
        f'device = "cpu"\n{more}'
    )


def engine_of(hub: Process) -> psutil.Process:
    """Return the process that Parler runs in."""
    found = [
        child
        for child in psutil.Process(hub.child.pid).children(recursive=True)
        if "hub.engines.serve" in child.cmdline()
    ]
    assert len(found) == 1
    return found[0]


def has_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


async def test_speech_goes_from_the_checkpoint_through_hub_and_satellite_to_a_wave_file(
    house, ask, short
):
    extra = tts(short, 'fallback = ""\n')
    async with house.hub(extra=extra) as hub:
        await hub.wait_for(SPEAKS, timeout=120)
        async with house.satellite(hub.address) as kitchen:
            house.say(kitchen, "1", VOICE, ask(QUESTION))
            assert (await hub.wait_for(ANSWERED, timeout=120))[1] == "answered"
            marks = [
                line.split()[-1] for _, line in hub.lines if re.search(r"^ +[\d.]+ s  \w+$", line)
            ]
            assert "first_audio_played" in marks
            assert await kitchen.stop() == 0
        assert not has_torch(hub.child.pid)
        assert has_torch(engine_of(hub).pid)
    form, pcm = await asyncio.to_thread(read_wav, kitchen.heard_wav)
    samples = np.frombuffer(pcm, "<i2").astype(float) / 32768
    assert np.sqrt(np.mean(samples[np.abs(samples) > 0] ** 2)) > 0.01
    assert np.count_nonzero(samples) / form.rate > 0.5


async def test_sound_leaves_the_process_while_it_is_made_and_closing_it_stops_the_work(quick):
    settings = Settings(
        tts=TtsSettings(
            engine="parler", model=str(quick), environment=str(ENVIRONMENT), device="cpu"
        )
    )
    engine = make_tts(settings)
    await engine.load()
    try:
        assert engine.describable
        assert engine.clause_letters == (24, 300)
        assert engine.speed is not None
        assert VOICES[0] in engine.voices
        began = time.monotonic()
        times = [time.monotonic() - began async for _ in engine.synthesize(QUESTION * 4)]
        assert len(times) > 5
        assert times[0] < times[-1] / 3
        for _ in range(3):  # each would compute for seconds; all wait for the one before them
            speech = engine.synthesize(QUESTION * 8)
            await anext(speech)
            await speech.aclose()
        began = time.monotonic()
        speech = engine.synthesize(QUESTION, description="Laura whispers, very clear audio.")
        await anext(speech)
        assert time.monotonic() - began < times[-1] / 2
        await speech.aclose()
        with pytest.raises(BadInput):
            await anext(engine.synthesize(QUESTION, voice="Hal"))
    finally:
        await engine.close()


async def test_killed_in_mid_sentence_the_fast_voice_takes_over_and_parler_comes_back(
    house, ask, quick
):
    async with house.hub(extra=tts(quick)) as hub:
        await hub.wait_for(SPEAKS, timeout=120)
        async with house.satellite(hub.address) as kitchen:
            house.say(kitchen, "1", VOICE, ask(QUESTION))
            await hub.wait_for(r"says: ", timeout=60)
            await asyncio.sleep(1.0)
            killed = engine_of(hub)
            assert hub.count(ANSWERED) == 0  # it speaks
            # So that it is not back before the next question, which it else is on a quick machine.
            away = quick.rename(quick.with_name("away"))
            try:
                killed.kill()
                assert (await hub.wait_for(ANSWERED, timeout=30))[1] == "failed"
                house.say(kitchen, "2", VOICE, ask(QUESTION))
                assert (await hub.wait_for(ANSWERED, nth=2, timeout=90))[1] == "answered"
            finally:
                away.rename(quick)
            await hub.wait_for(SPEAKS, nth=2, timeout=90)
            assert engine_of(hub).pid != killed.pid
            house.say(kitchen, "3", VOICE, ask(QUESTION))
            assert (await hub.wait_for(ANSWERED, nth=3, timeout=90))[1] == "answered"
            voices = [
                match[1] for _, line in hub.lines if (match := re.search(r" voice=(\S+)", line))
            ]
            assert voices == ["parler", "hibari", "parler"]
            assert await kitchen.stop() == 0
        assert await hub.stop() == 0
