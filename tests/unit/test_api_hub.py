"""The REST interface beside the single steps: rooms, timers, settings, announcements."""

import asyncio
import json
import time

import pytest
from web_hub import ask, code_of, satellite, web_hub
from wyoming.audio import AudioChunk

from hub.service.announcer import NotAnnounced


@pytest.fixture
async def kitchen(house):
    async with satellite(house, "Kitchen") as told:
        yield told


# -- the hub --------------------------------------------------------------------------------------


async def test_health_says_whether_it_is_ready_and_where_it_can_be_heard(client, kitchen):
    told = await (await client.get("/health")).json()
    assert told == {"ready": True, "waits_for": "", "rooms": ["Kitchen"]}


async def test_a_hub_that_loads_says_what_it_waits_for(
    tmp_path, monkeypatch, aiohttp_client, engines
):
    monkeypatch.setattr(type(engines.llm), "load", lambda self: asyncio.sleep(60))
    async with web_hub(tmp_path, monkeypatch, engines, ready=False) as house:
        client = await aiohttp_client(house._web.app())
        async with asyncio.timeout(5):
            while (told := await (await client.get("/health")).json())["waits_for"] != "llm":
                await asyncio.sleep(0.02)
        assert told["ready"] is False


async def test_everything_is_told_at_once(client, kitchen):
    told = await (await client.get("/api/live")).json()
    assert told["event"] == "snapshot"
    assert [room["name"] for room in told["rooms"]] == ["Kitchen"]
    assert {engine["role"] for engine in told["engines"]} >= {"vad", "stt", "llm", "tts"}
    assert told["engines"] == (await (await client.get("/api/engines")).json())["engines"]


async def test_models_have_licences_digests_and_what_to_do_about_them(
    client, monkeypatch, tmp_path
):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path / "none"))
    models = (await (await client.get("/api/models")).json())["models"]
    by_name = {model["name"]: model for model in models}
    whisper = by_name["whisper-tiny.en"]
    assert (whisper["licence"], whisper["installed"], whisper["in_use"]) == ("MIT", "no", True)
    assert whisper["todo"] == "parlour-hub models pull whisper-tiny.en"
    assert all(len(file["sha256"]) == 64 for model in models for file in model["files"])


# -- announcements --------------------------------------------------------------------------------


async def test_an_announcement_is_heard_room_by_room(client, kitchen):
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert await response.json() == {"rooms": {"Kitchen": "heard"}}
    response = await client.post("/api/announce", json={"text": "Dinner!", "room": "kitchen"})
    assert await response.json() == {"rooms": {"Kitchen": "heard"}}
    assert any(AudioChunk.is_type(event.type) for event in kitchen)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotAnnounced("no-such-room", "no satellite in a room 'attic'"), 404, "no-such-room"),
        (NotAnnounced("busy", "a conversation went on"), 409, "busy"),
        (NotAnnounced("no-satellite", "no satellite is connected"), 409, "no-satellite"),
        (NotAnnounced("gone", "the satellite went away"), 409, "gone"),
        (NotAnnounced("engine-failed", "no voice"), 503, "engine-failed"),
        (ValueError("there is no word in it"), 400, "bad-text"),
    ],
)
async def test_what_goes_wrong_has_a_status_a_code_and_a_sentence(
    house, client, monkeypatch, error, status, code
):
    async def announce(text, room=None):
        raise error

    monkeypatch.setattr(house._announcer, "announce", announce)
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert str(error) in (await response.json())["error"]["text"]
    assert await code_of(response, status) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'"Dinner"',
        b"[]",
        b"{}",
        b'{"text": 5}',
        b'{"text": ""}',
        b'{"text": "Dinner!", "room": 5}',
        b'{"text": "Dinner!", "rooms": []}',
        b"[" * 16000,
        b'{"text": ' + b"9" * 5000 + b"}",
        b'{"text": "\\ud800"}',
        b'{"text": "\xed\xa0\x80"}',
        json.dumps({"text": "x" * 1001}).encode(),
    ],
)
async def test_what_is_no_announcement_is_refused(client, kitchen, body):
    headers = {"Content-Type": "application/json"}
    response = await client.post("/api/announce", data=body, headers=headers)
    assert await code_of(response, 400) == "malformed"
    assert not any(AudioChunk.is_type(event.type) for event in kitchen)


async def test_a_charset_that_nobody_knows_is_no_bug(client, kitchen, caplog):
    headers = {"Content-Type": "application/json; charset=klingon"}
    response = await client.post("/api/announce", data=b'{"text": "Dinner!"}', headers=headers)
    assert response.status == 200  # JSON is always in Unicode
    assert "web:" not in caplog.text


async def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr("hub.web.openapi._BODY_TIMEOUT", 0.1)

    async def slow():
        yield b'{"text": '
        await asyncio.sleep(5)

    headers = {"Content-Type": "application/json"}
    response = await client.post("/api/announce", data=slow(), headers=headers)
    assert await code_of(response, 408) == "too-slow"


async def test_a_body_that_is_too_long_is_refused(client):
    response = await client.post("/api/announce", json={"text": "x" * 70_000})
    assert await code_of(response, 413) == "too-long"


async def test_other_kinds_of_bodies_are_refused_since_any_page_may_send_them(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"Content-Type": kind}
        for path in ("/api/announce", "/api/ask", "/api/timers"):
            response = await client.post(path, data=b'{"text": "Dinner!"}', headers=headers)
            assert await code_of(response, 415) == "not-json"


async def test_a_bug_is_one_and_quotes_nothing(house, client, monkeypatch, caplog):
    async def announce(text, room=None):
        raise KeyError(text)

    monkeypatch.setattr(house._announcer, "announce", announce)
    response = await client.post("/api/announce", json={"text": "my secret dinner"})
    assert response.status == 500
    assert "secret" not in await response.text()
    assert "secret" not in caplog.text
    assert "test_api_hub.py" in caplog.text


# -- rooms ----------------------------------------------------------------------------------------


async def test_rooms_are_told_one_by_one(client, kitchen):
    (room,) = (await (await client.get("/api/rooms")).json())["rooms"]
    assert (room["name"], room["kind"], room["state"]) == ("Kitchen", "satellite", "idle")
    assert await (await client.get("/api/rooms/Kitchen")).json() == room
    response = await client.get("/api/rooms/Attic")
    assert "Kitchen" in (await response.json())["error"]["text"]
    assert await code_of(response, 404) == "no-such-room"


async def test_a_room_is_set_louder_or_quieter(client, kitchen):
    response = await client.patch("/api/rooms/Kitchen", json={"volume": 0.4})
    assert response.status == 200
    assert (await response.json())["volume"] == 0.4
    assert [event.data["level"] for event in kitchen if "volume" in event.type] == [0.4]


async def test_a_rooms_microphone_and_wake_words_are_set(client, kitchen):
    change = {"muted": True, "wake_words": ["alexa"]}
    room = await (await client.patch("/api/rooms/Kitchen", json=change)).json()
    assert room["muted"] is True
    assert [word["name"] for word in room["wake_words"] if word["active"]] == ["alexa"]
    response = await client.patch("/api/rooms/Kitchen", json={"wake_words": ["computer"]})
    assert await code_of(response, 400) == "unknown-wake-word"


@pytest.mark.parametrize(
    "change", [{"volume": 1.1}, {"volume": "loud"}, {"volume": None}, {"light": 1}, {"muted": 1}]
)
async def test_what_no_room_can_be_set_to_is_refused(client, kitchen, change):
    response = await client.patch("/api/rooms/Kitchen", json=change)
    assert await code_of(response, 400) == "malformed"


async def test_a_new_conversation_remembers_nothing(client, engines):
    first = await ask(client, room="mine")
    await ask(client, "Why?", room="mine")
    assert len(engines.llm.prompts[-1]) == 4
    for name in (first["room"], "mine"):  # as the room is called, and as whoever asks calls it
        response = await client.post(f"/api/rooms/{name}/forget")
        assert response.status == 200
        await ask(client, "Why?", room="mine")
        assert len(engines.llm.prompts[-1]) == 2


# -- timers ---------------------------------------------------------------------------------------


async def test_timers_are_set_listed_and_cancelled(client, kitchen):
    asked = {"room": "Kitchen", "seconds": 300, "name": "tea"}
    timer = await (await client.post("/api/timers", json=asked)).json()
    assert (timer["room"], timer["name"], timer["what"]) == ("Kitchen", "tea", "timer")
    assert timer["left"] == pytest.approx(300, abs=2)
    alarm = {"room": "Kitchen", "at": time.time() + 3600, "what": "alarm"}
    assert (await client.post("/api/timers", json=alarm)).status == 200
    listed = (await (await client.get("/api/timers")).json())["timers"]
    assert [one["what"] for one in listed] == ["timer", "alarm"]
    left = await (await client.delete(f"/api/timers/{timer['id']}")).json()
    assert [one["what"] for one in left["timers"]] == ["alarm"]
    again = await client.delete(f"/api/timers/{timer['id']}")
    assert await code_of(again, 404) == "no-such-timer"
    assert {"timer-started", "timer-cancelled"} <= {event.type for event in kitchen}


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"room": "Attic", "seconds": 5}, 404, "no-such-room"),
        ({"room": "Kitchen"}, 400, "bad-time"),
        ({"room": "Kitchen", "seconds": 5, "at": 5e9}, 400, "bad-time"),
        ({"room": "Kitchen", "seconds": 0}, 400, "malformed"),
        ({"room": "Kitchen", "seconds": 1e9}, 400, "malformed"),
        ({"room": "Kitchen", "at": 5}, 409, "not-set"),
        ({"room": "Kitchen", "at": 5e9}, 409, "not-set"),
    ],
)
async def test_a_timer_that_cannot_be_set_is_refused(client, kitchen, asked, status, code):
    assert await code_of(await client.post("/api/timers", json=asked), status) == code


# -- settings -------------------------------------------------------------------------------------


async def value_of(client, key):
    settings = (await (await client.get("/api/settings")).json())["settings"]
    return next(setting for setting in settings if setting["key"] == key)


async def test_settings_hold_at_once_and_are_saved_when_asked(client, engines, tmp_path):
    change = {"values": {"llm.persona": "You are a pirate.", "turn.patience": 2}}
    assert (await client.patch("/api/settings", json=change)).status == 200
    await ask(client)
    assert "pirate" in engines.llm.prompts[-1][0].content
    patience = await value_of(client, "turn.patience")
    assert (patience["value"], patience["file"], patience["saved"]) == (2.0, 1.0, None)
    assert (await client.post("/api/settings/save", json={"keys": ["turn.patience"]})).status == 200
    assert (await value_of(client, "turn.patience"))["saved"] == 2.0
    assert (await value_of(client, "llm.persona"))["saved"] is None
    assert (await client.patch("/api/settings", json={"values": {"turn.patience": None}})).ok
    assert (await value_of(client, "turn.patience"))["value"] == 1.0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"turn.patience": 99}, "bad-value"),
        ({"turn.patience": "long"}, "bad-value"),
        ({"turn.patience": 2, "tts.voice": "nobody"}, "bad-value"),
        ({"link.listen": "tcp://0.0.0.0:1"}, "bad-value"),
        ({"": 1}, "malformed"),
        ({"turn.patience": True}, "malformed"),
        ({"turn.patience": {}}, "malformed"),
    ],
)
async def test_a_value_that_a_setting_cannot_have_changes_nothing(client, values, code):
    assert await code_of(await client.patch("/api/settings", json={"values": values}), 400) == code
    assert (await value_of(client, "turn.patience"))["value"] == 1.0


async def test_a_setting_that_is_not_there_cannot_be_saved(client):
    response = await client.post("/api/settings/save", json={"keys": ["link.listen"]})
    assert await code_of(response, 400) == "bad-value"


# -- what is not there ----------------------------------------------------------------------------


async def test_other_addresses_and_methods_are_answered_in_json(client):
    assert await code_of(await client.get("/api/nothing"), 404) == "no-such-page"
    response = await client.get("/api/announce")
    assert response.headers["Allow"] == "POST"
    assert await code_of(response, 405) == "wrong-method"
