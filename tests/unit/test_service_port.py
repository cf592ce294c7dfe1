"""The service port itself: what it offers, and what it does with odd clients."""

import asyncio
import logging
import time

import pytest
from scripted import QUIET, VOICE
from service_port import ScriptedWake, quick, service_port
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.tts import Synthesize

from hub.config import (
    HomeAssistantSettings,
    LlmSettings,
    ServiceSettings,
    Settings,
    SttSettings,
    TtsSettings,
    TurnSettings,
    WakeSettings,
)
from hub.engines.base import EngineError
from hub.engines.supervisor import Supervised
from hub.service import session
from hub.service.info import offer_of
from hub.service.server import ServiceServer
from protocol.settings import ConfigError


def server_of(bench) -> ServiceServer:
    async def give():
        return ScriptedWake()

    return ServiceServer(bench.engines, Supervised("wake", give), bench.rooms, bench.settings)


def test_the_info_is_complete_and_read_by_a_stock_client():
    info = Info.from_event(offer_of(Settings()).info.event())
    assert info.satellite is None  # it would hide the services in Home Assistant
    for programs in (info.asr, info.tts, info.handle, info.wake):
        for program in programs:
            parts = program.voices if programs is info.tts else program.models
            assert parts
            for artefact in (program, *parts):
                assert artefact.name
                assert artefact.installed
                assert artefact.description
                assert artefact.attribution.name
            assert all(part.languages for part in parts)
    assert info.asr[0].supports_transcript_streaming
    assert not info.asr[0].requires_external_vad
    assert not info.asr[0].prefers_noise_reduction_enabled
    assert not info.handle[0].supports_home_control
    assert info.asr[0].version
    assert info.tts[0].supports_synthesize_streaming
    assert info.handle[0].supports_handled_streaming
    assert [p.name for p in info.wake] == ["microwakeword", "openwakeword"]
    assert {"Hey Jarvis", "Alexa"} <= {m.phrase for m in info.wake[0].models}
    wake = Settings(wake=WakeSettings(engine="openwakeword"))
    assert offer_of(wake).info.wake[0].name == "openwakeword"  # Home Assistant takes the first


def test_the_info_says_what_depends_on_the_settings():
    home = HomeAssistantSettings(url="http://127.0.0.1:8123")
    settings = Settings(service=ServiceSettings(endpointing=False), home_assistant=home)
    info = offer_of(settings).info
    assert info.asr[0].requires_external_vad  # else Home Assistant would never end a command
    assert info.handle[0].supports_home_control


def test_a_model_in_a_folder_is_named_without_its_path():
    offer = offer_of(Settings(stt=SttSettings(model="/home/me/whisper-mine")))
    assert offer.info.asr[0].models[0].name == "whisper-mine"
    assert "/home" not in str(offer.info.event().data)


def test_engines_of_other_servers_are_offered_with_what_is_known_of_them():
    tts, stt = (
        TtsSettings(engine="wyoming://192.168.1.5:10200"),
        SttSettings(engine="wyoming://192.168.1.5:10300"),
    )
    llm = LlmSettings(engine="openai+http://192.168.1.5:8000/v1")
    info = Info.from_event(offer_of(Settings(tts=tts, stt=stt, llm=llm)).info.event())
    assert [info.asr[0].name, info.tts[0].name] == ["192.168.1.5:10300", "192.168.1.5:10200"]
    for program in (info.asr[0], info.tts[0], info.handle[0]):
        parts = program.voices if program is info.tts[0] else program.models
        assert all(part.languages == ["en"] and part.attribution.name for part in parts)
        assert program.installed


async def test_describe_is_answered_at_once_while_models_load_and_when_they_have_failed():
    bench = await quick().open()

    async def never():
        raise EngineError("no such file")

    bench.engines.stt._engine = None
    waiting = Supervised("tts", never)
    waiting.start()
    server = server_of(bench)
    uri = await server.start()
    try:
        host, port = uri.removeprefix("tcp://").split(":")
        async with AsyncTcpClient(host, int(port)) as client:
            began = time.monotonic()
            await client.write_event(Describe().event())
            event = await client.read_event()
            assert Info.is_type(event.type)
            assert time.monotonic() - began < 0.5
            assert Info.from_event(event).asr[0].installed
    finally:
        await server.close()
        await waiting.close()


async def test_an_engine_that_has_failed_is_an_error_then_a_close():
    async with service_port() as port, port.client() as client:
        tts = port.bench.engines.tts
        tts._engine, tts.state, tts.reason = None, type(tts.state).FAILED, "no such voice file"
        await client.send(Synthesize("Hello."))
        assert "no such voice file" in await client.refused("engine-unavailable")


async def test_an_engine_that_is_still_loading_is_waited_for():
    async with service_port() as port, port.client() as client:
        tts = port.bench.engines.tts
        engine, tts._engine, tts.state = tts._engine, None, type(tts.state).LOADING
        await client.send(Synthesize("Hello."))
        await asyncio.sleep(0.2)
        tts._engine = engine
        tts._set(type(tts.state).READY, "")
        await client.expect("audio-stop")


@pytest.mark.parametrize("name", ["faster-whisper", "hibari", "parlour", "openwakeword"])
async def test_a_program_that_is_offered_can_be_selected(name):
    async with service_port() as port, port.client() as client:
        await client.send(SelectProgram(name), Describe())
        await client.expect("info")


async def test_a_program_that_is_not_offered_is_refused():
    async with service_port() as port, port.client() as client:
        await client.send(SelectProgram("whisper.cpp"))
        assert "faster-whisper" in await client.refused("unknown-program")


async def test_events_that_nobody_knows_are_ignored():
    async with service_port() as port, port.client() as client:
        await client.send(Event("sing"), Event("pause-satellite"), Describe())
        await client.expect("info")


async def test_a_client_that_rests_for_too_long_is_sent_away_but_not_one_that_waits(monkeypatch):
    monkeypatch.setattr(session, "_IDLE", 0.3)
    bench = quick()
    bench.tts.seconds = 0.2
    async with service_port(bench) as port, port.client() as client:
        await client.send(Synthesize("A story that takes its time to be told, and some more."))
        await client.expect("audio-stop")  # after longer than that
        await client.refused("idle")


async def test_an_unfinished_frame_is_a_typed_error(caplog):
    caplog.set_level(logging.DEBUG)
    async with service_port() as port:
        host, number = port.uri.removeprefix("tcp://").split(":")
        for junk in (
            b"\n",
            b"[]\n",
            b'{"type": 3}\n',
            b'{"type":"x","payload_length":1000000000}\n',
        ):
            reader, writer = await asyncio.open_connection(host, int(number))
            writer.write(junk)
            async with asyncio.timeout(5):
                assert b'"error"' in await reader.read()
            writer.close()
        async with port.client() as client:
            await client.send(Describe())
            await client.expect("info")
    assert "Traceback" not in caplog.text


async def test_clients_that_vanish_leave_no_traceback_and_no_place_taken(caplog):
    caplog.set_level(logging.DEBUG)
    bench = quick()
    async with service_port(bench) as port:
        for number in range(30):
            async with port.client() as client:
                await client.send(Transcribe())
                await client.send_sound(*[VOICE] * 20, stop=number % 2 == 0)
                client.connection._writer.transport.abort()
        async with port.client() as client:
            await client.send(Synthesize("Still here."))
            await client.expect("audio-stop")
    assert "Traceback" not in caplog.text
    assert "never retrieved" not in caplog.text


async def test_beyond_this_machine_it_does_not_start_unless_somebody_is_allowed():
    bench = await quick(settings=Settings(service=ServiceSettings("tcp://0.0.0.0:0"))).open()
    server = server_of(bench)
    with pytest.raises(ConfigError, match=r"service\.allow"):
        await server.start()


async def test_with_a_list_of_addresses_it_starts_and_serves_this_machine_too():
    settings = Settings(service=ServiceSettings("tcp://0.0.0.0:0", ("192.0.2.7",)))
    async with service_port(quick(settings=settings)) as port:
        port.uri = port.uri.replace("0.0.0.0", "127.0.0.1")
        async with port.client() as client:
            await client.send(Describe())
            await client.expect("info")


async def test_it_can_be_switched_off():
    bench = await quick(settings=Settings(service=ServiceSettings(""))).open()
    server = server_of(bench)
    assert await server.start() == ""
    await server.close()


async def test_when_all_places_are_in_use_one_more_client_is_told_so():
    settings = Settings(service=ServiceSettings("tcp://127.0.0.1:0", max_connections=2))
    async with (
        service_port(quick(settings=settings)) as port,
        port.client() as one,
        port.client() as two,
    ):
        for client in (one, two):
            await client.send(Transcribe())
            await client.send(Describe())
            await client.expect("info")
        async with port.client() as three:
            await three.refused("too-many-connections")


async def test_a_client_that_rests_makes_place_for_another():
    settings = Settings(service=ServiceSettings("tcp://127.0.0.1:0", max_connections=2))
    async with service_port(quick(settings=settings)) as port, port.client() as busy:
        await busy.send(Transcribe())
        await busy.send(Describe())
        await busy.expect("info")
        async with port.client() as silent:
            for _ in range(20):
                async with port.client() as client:
                    await client.send(Describe())
                    await client.expect("info")
            assert (await silent.expect("error")).data["code"] == "too-many-connections"
        await busy.send(Describe())
        await busy.expect("info")


@pytest.mark.parametrize(
    ("described", "selects", "endpointing", "ends"),
    [
        (True, False, True, True),
        (False, False, True, False),  # it does not know, and may go on
        (True, True, True, False),
        (True, False, False, False),
    ],
)
async def test_a_command_ends_before_its_sound_where_the_client_waits_for_that(
    described, selects, endpointing, ends
):
    service = ServiceSettings(listen="tcp://127.0.0.1:0", endpointing=endpointing)
    bench = quick(settings=Settings(service=service, turn=TurnSettings()))
    async with service_port(bench) as port:
        if described:  # on a connection of its own, as Home Assistant does
            async with port.client() as client:
                await client.send(Describe())
                await client.expect("info")
        async with port.client() as client:
            if selects:
                await client.send(SelectProgram("faster-whisper"))
            await client.send(Transcribe(language="en"), AudioStart(16000, 2, 1))
            await client.say(*[VOICE] * 50, *[QUIET] * 60)
            if not ends:
                with pytest.raises(TimeoutError):
                    await client.expect("transcript", timeout=0.1)
                await client.send(AudioStop())
            assert (await client.expect("transcript")).data["text"] == "turn on the lamp please"
            await client.expect("transcript-stop")
            # What still comes is thrown away, and the next request is served.
            await client.send(AudioChunk(16000, 2, 1, VOICE), AudioStop(), Transcribe())
            await client.send_sound(*[VOICE] * 50)
            await client.expect("transcript-stop")
