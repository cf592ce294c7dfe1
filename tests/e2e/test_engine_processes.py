"""Engines in processes of their own: they speak and hear, are watched, and leave nothing behind."""

import asyncio
import os
import signal
import sys
import time
from contextlib import aclosing, asynccontextmanager

import psutil
import pytest
from wyoming.event import Event

from hub.config import ProcessSettings, Settings, SttSettings, TtsSettings
from hub.engines.apart import SttProcess, TtsProcess
from hub.engines.base import EngineError, EngineUnavailable
from hub.engines.process import EngineProcess
from protocol.audio import SPEECH, Converter
from protocol.transport import connect

pytestmark = pytest.mark.long

TIMEOUT = 60.0
SENTENCE = "The quick brown fox jumps over the lazy dog."
LONG = " ".join([SENTENCE] * 40)


@pytest.fixture(autouse=True)
def sockets(tmp_path, monkeypatch):
    """Where the sockets are; nothing may be left there."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    assert not [
        child for child in psutil.Process().children() if "hub.engines.serve" in line(child)
    ]


def line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def settings_of(**sections):
    return Settings(stt=SttSettings(process=True), tts=TtsSettings(process=True), **sections)


@asynccontextmanager
async def loaded(engine):
    try:
        async with asyncio.timeout(TIMEOUT):
            await engine.load()
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def started(**options):
    process = EngineProcess("tts", settings_of(), options.pop("python", sys.executable), **options)
    try:
        await process.start()
        yield process
    finally:
        await process.close()


async def ends(pid):
    async with asyncio.timeout(TIMEOUT):
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.02)


async def test_what_one_process_says_another_hears():
    async with (
        loaded(TtsProcess(settings_of())) as voice,
        loaded(SttProcess(settings_of())) as ears,
    ):
        assert (voice.name, voice.device, ears.name, ears.device) == (
            *("hibari", "cpu"),
            *("faster-whisper", "cpu"),
        )
        converter = Converter(voice.format, SPEECH)
        async with aclosing(voice.synthesize(SENTENCE)) as pieces:
            pcm = b"".join([converter.process(piece) async for piece in pieces])
        heard = await ears.transcribe(pcm + converter.flush(), language="en")
        assert "quick brown fox" in heard.text.lower()
        assert heard.avg_logprob < 0.0
        assert heard.compression_ratio > 0.5


async def test_a_process_killed_in_mid_sentence_ends_the_sentence_and_says_so():
    async with loaded(TtsProcess(settings_of())) as voice:
        lost = asyncio.create_task(voice.lost())
        with pytest.raises(EngineError):
            async with aclosing(voice.synthesize(LONG)) as pieces:
                await anext(pieces)
                os.kill(voice._process.pid, signal.SIGKILL)
                async with asyncio.timeout(TIMEOUT):
                    async for _ in pieces:
                        pass
        async with asyncio.timeout(TIMEOUT):
            assert "SIGKILL" in str(await lost)


async def test_a_peer_that_goes_stops_the_computing():
    """Measured in the process's own computing time, with the rest of the machine at its work."""
    async with started() as process:
        connection = await connect(process.uri)
        await connection.write(Event("synthesize", {"text": LONG * 20}))
        while (await connection.read()).type != "audio-chunk":
            pass
        child = psutil.Process(process.pid)
        reading = asyncio.create_task(read_for(connection, 1.0))
        before = sum(child.cpu_times()[:2])
        await reading
        worked = sum(child.cpu_times()[:2]) - before
        await connection.close()
        await asyncio.sleep(0.5)  # (one sentence is the least that hibari can stop after)
        before = sum(child.cpu_times()[:2])
        await asyncio.sleep(1.0)
        assert worked > 0.1
        assert sum(child.cpu_times()[:2]) - before <= 0.03


async def read_for(connection, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await connection.read()


@pytest.mark.long
async def test_a_process_that_hangs_is_lost_and_ended():
    async with started(silence=3.0) as process:
        os.kill(process.pid, signal.SIGSTOP)
        async with asyncio.timeout(TIMEOUT):
            assert "no sign of life" in str(await process.lost())
        await ends(process.pid)


async def test_a_process_that_takes_too_much_memory_is_ended():
    process = EngineProcess("tts", settings_of(process=ProcessSettings(memory=0.1)), sys.executable)
    with pytest.raises(EngineError, match=r"process\.memory = 0\.1"):
        await process.start()
        async with asyncio.timeout(TIMEOUT):
            raise await process.lost()
    await process.close()


async def test_one_that_cannot_load_says_why_at_once(tmp_path):
    stt = SttSettings(process=True, model=str(tmp_path))  # a folder without a model
    engine = SttProcess(Settings(stt=stt))
    with pytest.raises(EngineUnavailable, match="does not load"):
        async with asyncio.timeout(TIMEOUT):
            await engine.load()
    await engine.close()


async def test_one_that_takes_too_long_to_load_is_given_up():
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"not loaded after 0\.2 s"):
        async with started(load_timeout=0.2):
            pass
    assert time.monotonic() - began < TIMEOUT / 2


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6])
async def test_one_that_is_stopped_while_it_loads_is_gone(after):
    engine = SttProcess(settings_of())
    loading = asyncio.create_task(engine.load())
    await asyncio.sleep(after)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await engine.close()
    if (pid := engine._process.pid) is not None:
        assert not psutil.pid_exists(pid)


@pytest.mark.long
async def test_a_pause_of_the_hub_is_no_silence_of_its_engines():
    """As of a machine that sleeps: the clock goes on, and nobody has said anything."""
    async with started(silence=3.0) as process:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(6.0)  # noqa: ASYNC251 - the loop is to be held up, too
        os.kill(process.pid, signal.SIGCONT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await process.lost()


async def test_two_at_once_do_not_meet():
    async with started() as one, started() as other:
        assert one.uri != other.uri
        os.kill(one.pid, signal.SIGKILL)
        await one.lost()
        connection = await connect(other.uri)
        async with connection:
            await connection.write(Event("synthesize", {"text": "Yes."}))
            while (await connection.read()).type != "audio-stop":
                pass


async def test_one_that_cannot_hear_is_ended_with_all_that_it_has_started(tmp_path):
    """As torch's compiler starts some."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nsleep 600 &\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    async with started(python=python) as process:
        children = psutil.Process(process.pid).children()
        assert [child.name() for child in children] == ["sleep"]
        os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < TIMEOUT / 2
    for one in (psutil.Process(process.pid) if psutil.pid_exists(process.pid) else None, *children):
        assert one is None or not one.is_running() or one.status() == psutil.STATUS_ZOMBIE


TURN = "[tts]\nprocess = true\n[stt]\nprocess = true\n"


def children_of(hub):
    return {
        "stt" if " stt " in line(child) else "tts": child.pid
        for child in psutil.Process(hub.child.pid).children(recursive=True)
        if "hub.engines.serve" in line(child)
    }


@pytest.mark.long
async def test_a_hub_that_is_killed_takes_its_engines_with_it(house, sockets):
    async with house.hub(extra=TURN) as hub:
        engines = children_of(hub)
        assert set(engines) == {"stt", "tts"}
        os.kill(engines["stt"], signal.SIGSTOP)  # not even one that hangs is left
        hub.kill()
        for pid in engines.values():
            await ends(pid)
        await hub.child.wait()
    for folder in sockets.iterdir():  # what a killed hub cannot take away
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


@pytest.mark.long
async def test_a_hub_that_stops_stops_its_engines(house, sockets):
    async with house.hub(extra=TURN) as hub:
        engines = children_of(hub)
        assert await hub.stop() == 0
        assert not [pid for pid in engines.values() if psutil.pid_exists(pid)]
        assert list(sockets.iterdir()) == []


@pytest.mark.long
async def test_an_engine_that_is_killed_comes_back_by_itself(house):
    async with house.hub(extra=TURN) as hub:
        before = children_of(hub)["tts"]
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(TIMEOUT):
            while children_of(hub).get("tts", before) == before:
                await asyncio.sleep(0.1)
        await hub.wait_for(r"tts ready", nth=2)
        connection = await connect(hub.service)
        async with connection, asyncio.timeout(TIMEOUT):
            await connection.write(Event("synthesize", {"text": "Good morning."}))
            while (event := await connection.read()).type != "audio-chunk":
                assert event.type == "audio-start", event.data


# ---- started by hand, or by a service manager ---------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_by_hand_it_serves_until_it_is_told_to_stop(house, sign):
    arguments = ("hub.engines.serve", "tts", "--listen", "tcp://127.0.0.1:0")
    async with house.process("engine", *arguments, machine="hub") as engine:
        uri = (await engine.wait_for(r"listening on (tcp://\S+?);"))[1]
        await engine.wait_for("hibari is ready on cpu")
        connection = await connect(uri)
        async with connection, asyncio.timeout(TIMEOUT):
            await connection.write(Event("synthesize", {"text": LONG}))
            while (await connection.read()).type != "audio-chunk":
                pass
            engine.child.send_signal(sign)  # in mid-sentence
            assert await engine.child.wait() == 0
    assert SENTENCE not in engine.text()


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("stt", "--listen", "tcp://0.0.0.0:0"), os.EX_CONFIG, "set --allow"),
        (("stt", "--listen", "tls://127.0.0.1:0"), os.EX_CONFIG, "plain text"),
        (("stt", "--config", "nowhere.toml"), os.EX_CONFIG, r"nowhere\.toml"),
        (("stt", "--settings", "-"), os.EX_CONFIG, "no JSON object"),
        (("llm",), 2, "invalid choice"),
    ],
)
async def test_what_cannot_be_served_is_one_line_that_says_why(house, arguments, code, why):
    async with house.process("engine", "hub.engines.serve", *arguments, machine="hub") as engine:
        async with asyncio.timeout(TIMEOUT):
            assert await engine.child.wait() == code
        await engine.wait_for(why)
        assert engine.count("Traceback") == 0
