"""The websocket of live events, as a program reads it."""

import asyncio
import re
from pathlib import Path

import aiohttp
import msgspec
from web_hub import bare_websocket, code_of, web_hub

import hub.web.events as events_of_hub
from hub.live.state import LiveEvent, SettingsChanged, Snapshot, TurnChanged

DOCUMENT = Path(__file__).parents[2] / "docs" / "live-events.md"


async def following(socket):
    async for message in socket:
        yield msgspec.json.decode(message.data, type=LiveEvent)


async def test_a_reader_gets_everything_and_then_each_change(tmp_path, monkeypatch):
    async with (
        web_hub(tmp_path, monkeypatch) as hub,
        aiohttp.ClientSession(hub.web_address) as session,
        session.ws_connect("/api/events") as socket,
        asyncio.timeout(20),
    ):
        events = following(socket)
        first = await anext(events)
        assert isinstance(first, Snapshot)
        assert first.hub.ready
        assert {engine.role for engine in first.engines} == {"vad", "stt", "llm", "tts", "wake"}
        assert all(engine.state == "ready" for engine in first.engines)
        asked = {"text": "what is the capital of france", "room": "desk"}
        async with session.post("/api/ask", json=asked) as response:
            assert response.status == 200
        async for event in events:
            if isinstance(event, TurnChanged) and event.turn.state == "ended":
                break
        assert event.turn.said == asked["text"]
        assert "Paris" in event.turn.heard


async def test_a_reader_that_takes_nothing_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(events_of_hub, "_SEND_TIMEOUT", 0.5)
    async with web_hub(tmp_path, monkeypatch) as hub, asyncio.timeout(30):
        writer = await bare_websocket(hub, "/api/events")
        while hub.live.subscribers:
            for number in range(100):
                hub.live.conversation_cleared(f"{number} " * 5000)
            await asyncio.sleep(0.02)
        writer.close()


async def test_a_reader_who_can_be_told_nothing_more_is_hung_up_on(tmp_path, monkeypatch, caplog):
    async with (
        web_hub(tmp_path, monkeypatch) as hub,
        aiohttp.ClientSession(hub.web_address) as session,
        session.ws_connect("/api/events") as socket,
        asyncio.timeout(20),
    ):
        await socket.receive()
        hub.live.conversation_cleared("\ud800")
        async for _ in socket:
            pass
        assert socket.closed
    assert "live events: " in caplog.text


async def test_a_setting_that_is_changed_is_told_to_all_readers(tmp_path, monkeypatch):
    async with (
        web_hub(tmp_path, monkeypatch) as hub,
        aiohttp.ClientSession(hub.web_address) as session,
        session.ws_connect("/api/events") as one,
        session.ws_connect("/api/events") as other,
        asyncio.timeout(20),
    ):
        async with session.patch("/api/settings", json={"values": {"name": "Jeeves"}}) as response:
            assert response.status == 200
        for socket in (one, other):
            async for event in following(socket):
                if isinstance(event, SettingsChanged):
                    break
            assert {s.key: s.value for s in event.settings}["name"] == "Jeeves"


async def test_readers_that_go_are_forgotten(tmp_path, monkeypatch):
    async with (
        web_hub(tmp_path, monkeypatch) as hub,
        aiohttp.ClientSession(hub.web_address) as session,
    ):
        for _ in range(5):
            sockets = [await session.ws_connect("/api/events") for _ in range(10)]
            for number, socket in enumerate(sockets):
                if number % 2:
                    await socket.close()
                else:  # without a word
                    socket._response.connection.transport.abort()
        async with asyncio.timeout(10):
            while hub.live.subscribers:
                await asyncio.sleep(0.02)


async def test_whoever_asks_for_no_websocket_is_told_to(tmp_path, monkeypatch):
    async with (
        web_hub(tmp_path, monkeypatch) as hub,
        aiohttp.ClientSession(hub.web_address) as session,
        session.get("/api/events") as response,
    ):
        assert await code_of(response, 426) == "no-websocket"
        assert not hub.live.subscribers


async def test_a_hub_that_stops_does_not_wait_for_its_readers(tmp_path, monkeypatch):
    async with aiohttp.ClientSession() as session:
        async with web_hub(tmp_path, monkeypatch) as hub:
            socket = await session.ws_connect(f"{hub.web_address}/api/events")
            await socket.receive()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 5


def test_every_event_is_in_the_document():
    told = set(re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    events = {kind.__struct_config__.tag for kind in LiveEvent.__args__}
    assert events <= told
