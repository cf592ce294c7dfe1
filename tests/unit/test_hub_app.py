"""The whole hub in one process: started and stopped in order, with scripted engines."""

import asyncio
import contextlib
import logging

import msgspec
import pytest
from scripted import QUIET, VOICE, ScriptedLlm, ScriptedStt, ScriptedTts, ScriptedVad
from service_port import ScriptedWake
from wyoming.audio import AudioChunk
from wyoming.info import Info
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.snd import Played

import hub.app
from hub.app import Hub
from hub.commands import serve
from hub.config import LinkSettings, LogSettings, ServiceSettings, Settings, StoreSettings
from hub.engines.base import EngineError
from protocol.connection import Connection
from protocol.extensions import Introduction, introduce
from protocol.transport import connect

TIMEOUT = 10.0
QUESTION = [QUIET] * 10 + [VOICE] * 40 + [QUIET] * 40


@pytest.fixture
def settings(tmp_path, monkeypatch):
    engines = {
        "stt": ScriptedStt("is it raining in my secret place", 0.02),
        "llm": ScriptedLlm("It is a secret. " * 20, 0.01, 0.002),
        "tts": ScriptedTts(0.002),
        "vad": ScriptedVad(),
        "wake": ScriptedWake(),
    }
    for role, engine in engines.items():
        monkeypatch.setattr(hub.app, f"make_{role}", lambda _, engine=engine: engine)
    return Settings(
        link=LinkSettings(listen=f"unix://{tmp_path}/hub"),
        service=ServiceSettings(listen=f"unix://{tmp_path}/service"),
        store=StoreSettings(path=str(tmp_path / "hub.db")),
    )


@contextlib.asynccontextmanager
async def running(settings, watch=None):
    house = Hub(settings, watch)
    uri = await house.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            await house.ready(TIMEOUT)
            yield house, uri
    finally:
        await house.close()


async def ask(connection: Connection) -> None:
    await connection.write(introduce(Info().event(), Introduction("kitchen", "1")))
    await connection.write(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
    for pcm in QUESTION:
        await connection.write(AudioChunk(16000, 2, 1, pcm))


async def until(connection: Connection, event_type: str) -> None:
    while (await connection.read()).type != event_type:
        pass


@pytest.mark.parametrize("transcripts", [False, True])
async def test_a_turn_is_logged_with_its_text_only_if_that_is_wanted(
    settings, transcripts, caplog, tmp_path
):
    caplog.set_level(logging.DEBUG)
    settings = Settings(
        link=settings.link,
        service=settings.service,
        store=settings.store,
        log=LogSettings(transcripts=transcripts),
    )
    steps = []

    def watch(_, step, text):
        steps.append(step)

    async with running(settings, watch) as (house, uri), await connect(uri) as connection:
        await ask(connection)
        await until(connection, "audio-stop")
        await connection.write(Played())
        while "ended" not in steps:
            await asyncio.sleep(0.01)
    assert "answered in" in caplog.text
    assert ("secret" in caplog.text) is transcripts
    assert list(dict.fromkeys(steps)) == [
        "listening",
        "transcript",
        "clause",
        "sent",
        "ended",
    ]


async def test_a_hub_that_is_stopped_in_mid_reply_leaves_no_task_and_records_the_turn(settings):
    async with running(settings) as (house, uri), await connect(uri) as connection:
        await ask(connection)
        await until(connection, "audio-chunk")
        await house.close()
        (turn,) = await house.store.turns()
        assert (turn.room, turn.outcome) == ("kitchen", "gone")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_hub_can_be_stopped_before_it_is_ready(settings, monkeypatch):
    monkeypatch.setattr(ScriptedLlm, "load", lambda self: asyncio.sleep(100))
    house = Hub(settings)
    uri = await house.start()
    async with await connect(uri) as connection, asyncio.timeout(TIMEOUT):
        await ask(connection)
        await until(connection, "transcript")  # speech is understood already
        await house.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_hub_is_ready_without_wake_words_and_says_what_they_lack(
    settings, monkeypatch, capsys
):
    broken = True

    async def load(self):
        if broken:
            raise EngineError("no such file: hey_parrot.tflite")

    monkeypatch.setattr(ScriptedWake, "load", load)
    monkeypatch.setattr(serve, "_LOOK", 0.02)
    said = ""
    async with running(settings) as (house, uri):
        announcing = asyncio.create_task(serve._announce(house, uri))
        while "no wake words" not in said:
            said += capsys.readouterr().out
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        broken = False
        await announcing
    said += capsys.readouterr().out
    assert [line.partition(" after ")[0] for line in said.splitlines()] == [
        "ready",
        "no wake words for clients: no such file: hey_parrot.tflite",
        "wake words are loaded",
    ]


async def test_only_an_address_that_is_taken_is_said_to_be(settings, tmp_path):
    missing = msgspec.structs.replace(
        settings, link=LinkSettings(listen=f"unix://{tmp_path}/no/such/folder")
    )
    second = Hub(missing)
    with pytest.raises(OSError, match=r"link\.listen") as caught:
        await second.start()
    assert "running already" not in str(caught.value)
    await second.close()


async def test_an_address_that_is_taken_is_said_so_and_nothing_is_left(settings):
    async with running(settings):
        second = Hub(settings)
        with pytest.raises(OSError, match=r"socket.*is a hub running already"):
            await second.start()
        await second.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
