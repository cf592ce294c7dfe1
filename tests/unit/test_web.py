"""The hub's HTTP server, as programs, people's mistakes and pages of strangers use it."""

import asyncio
import json
import socket

import pytest
from aiohttp import web

from hub.commands.announce import announce
from hub.config import Settings, WebSettings
from hub.service.announcer import NotAnnounced
from hub.web.server import WebServer, address_of
from protocol.settings import ConfigError


class Announcer:
    """Takes what is announced; says of it what a test wants."""

    def __init__(self):
        self.told = []
        self.error = None
        self.rooms = ["Hall", "Kitchen"]

    async def announce(self, text, room=None):
        self.told.append((text, room))
        if self.error:
            raise self.error
        return dict.fromkeys([room] if room else self.rooms, "heard")


@pytest.fixture
def announcer():
    return Announcer()


@pytest.fixture
async def client(aiohttp_client, announcer):
    server = WebServer("http://127.0.0.1:8080", announcer, lambda: "")
    return await aiohttp_client(server.app())


async def test_an_announcement_is_taken_and_told_of_room_by_room(client, announcer):
    response = await client.post("/api/announce", json={"text": "Dinner!", "room": "Kitchen"})
    assert response.status == 200
    assert await response.json() == {"rooms": {"Kitchen": "heard"}}
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert await response.json() == {"rooms": {"Hall": "heard", "Kitchen": "heard"}}
    assert announcer.told == [("Dinner!", "Kitchen"), ("Dinner!", None)]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotAnnounced("no-such-room", "no satellite in a room 'attic'"), 404, "no-such-room"),
        (NotAnnounced("busy", "a conversation went on"), 409, "busy"),
        (NotAnnounced("no-satellite", "no satellite is connected"), 503, "no-satellite"),
        (NotAnnounced("gone", "the satellite went away"), 503, "gone"),
        (NotAnnounced("engine-failed", "no voice"), 503, "engine-failed"),
        (ValueError("it has more than 1000 letters"), 400, "bad-text"),
    ],
)
async def test_what_goes_wrong_has_a_status_a_code_and_a_sentence(
    client, announcer, error, status, code
):
    announcer.error = error
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert response.status == status
    told = (await response.json())["error"]
    assert told["code"] == code
    assert str(error) in told["text"]


async def test_a_bug_is_one_and_quotes_nothing(client, announcer, caplog):
    announcer.error = KeyError("my secret dinner")
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert response.status == 500
    assert "secret" not in await response.text()
    assert "secret" not in caplog.text
    assert "test_web.py" in caplog.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'"Dinner"', "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b'{"text": 5}', "malformed"),
        (b'{"text": "Dinner!", "room": 5}', "malformed"),
        (b'{"text": "Dinner!", "rooms": []}', "malformed"),
        (b"[" * 16000, "malformed"),
        (b'{"text": ' + b"9" * 5000 + b"}", "malformed"),
        (b'{"text": "\\ud800"}', "bad-text"),
    ],
)
async def test_what_is_no_announcement_is_refused(client, announcer, body, code):
    response = await client.post(
        "/api/announce", data=body, headers={"Content-Type": "application/json"}
    )
    assert response.status == 400
    assert (await response.json())["error"]["code"] == code
    assert announcer.told == []


async def test_a_charset_that_nobody_knows_is_no_bug(client, announcer, caplog):
    response = await client.post(
        "/api/announce",
        data=b'{"text": "Dinner!"}',
        headers={"Content-Type": "application/json; charset=klingon"},
    )
    assert response.status == 200  # JSON is always in Unicode
    assert announcer.told == [("Dinner!", None)]
    assert caplog.text == ""


async def test_a_body_that_does_not_come_is_not_waited_for(client, announcer, monkeypatch):
    monkeypatch.setattr("hub.web.server._BODY_TIMEOUT", 0.1)

    async def slow():
        yield b'{"text": '
        await asyncio.sleep(5)

    response = await client.post(
        "/api/announce", data=slow(), headers={"Content-Type": "application/json"}
    )
    assert response.status == 408
    assert (await response.json())["error"]["code"] == "too-slow"
    assert announcer.told == []


async def test_what_is_too_long_is_refused(client, announcer):
    response = await client.post("/api/announce", json={"text": "x" * 20_000})
    assert response.status == 413
    assert (await response.json())["error"]["code"] == "too-long"
    assert announcer.told == []


async def test_other_kinds_of_bodies_are_refused_since_any_page_may_send_them(client, announcer):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = await client.post(
            "/api/announce", data=b'{"text": "Dinner!"}', headers={"Content-Type": kind}
        )
        assert response.status == 415
    assert announcer.told == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "attacker.example:8080"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Host": ""},
        {"Host": "192.168.1.5:8080"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_strangers_are_refused(client, announcer, headers):
    for path in ("/health", "/api/announce"):
        call = client.get if path == "/health" else client.post
        body = {} if path == "/health" else {"json": {"text": "Dinner!"}}
        response = await call(path, headers=headers, **body)
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers
    assert announcer.told == []


async def test_a_page_of_its_own_and_every_name_of_this_machine_may(client, announcer):
    port = client.port
    for host in ("localhost", "127.0.0.1", f"127.0.0.1:{port}", f"localhost:{port}", "[::1]:8080"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        response = await client.post("/api/announce", json={"text": "Dinner!"}, headers=headers)
        assert response.status == 200, host


async def test_health_says_whether_it_is_ready(aiohttp_client, announcer):
    waits = ["stt, llm"]
    server = WebServer("http://127.0.0.1:8080", announcer, lambda: waits[0])
    client = await aiohttp_client(server.app())
    told = await (await client.get("/health")).json()
    assert told == {"ready": False, "waits_for": "stt, llm", "rooms": ["Hall", "Kitchen"]}
    waits[0] = ""
    assert (await (await client.get("/health")).json())["ready"] is True


async def test_other_addresses_and_methods_are_answered_in_json(client):
    for response in (await client.get("/nothing"), await client.get("/api/announce")):
        assert response.status in (404, 405)
        assert set((await response.json())["error"]) == {"code", "text"}


@pytest.mark.parametrize(
    "listen",
    [
        "http://0.0.0.0:8080",
        "http://192.168.1.5:8080",
        "http://[::]:8080",
        "http://hub.example:8080",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8080/page",
        "http://me@127.0.0.1:8080",
        "http://[::1:8080",
    ],
)
def test_it_listens_on_this_machine_alone(listen):
    with pytest.raises(ConfigError, match=r"web\.listen"):
        address_of(listen)


def test_this_machine_has_several_names():
    assert address_of("http://127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert address_of("http://localhost:80/") == ("localhost", 80)
    assert address_of("http://[::1]:8080") == ("::1", 8080)


async def test_a_port_that_is_taken_is_one_line_and_the_server_comes_when_it_is_free(
    announcer, caplog, monkeypatch
):
    monkeypatch.setattr("hub.web.server._RETRY", 0.05)
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    server = WebServer(f"http://127.0.0.1:{port}", announcer, lambda: "")
    try:
        assert await server.start() == ""
        assert caplog.text.count("another program has the port") == 1
        await asyncio.sleep(0.2)
        assert caplog.text.count("another program has the port") == 1
        other.close()
        async with asyncio.timeout(5):
            while not server.address:
                await asyncio.sleep(0.02)
        assert server.address == f"http://127.0.0.1:{port}"
    finally:
        other.close()
        await server.close()


async def test_without_an_address_it_does_not_listen(announcer):
    server = WebServer("", announcer, lambda: "")
    assert await server.start() == ""
    await server.close()


# -- the command ----------------------------------------------------------------------------------


async def said_by_command(listen, text="Dinner!", room=None):
    settings = Settings(web=WebSettings(listen=listen))
    return await asyncio.to_thread(announce, settings, text, room)


async def test_the_command_tells_what_came_of_it(announcer, capsys):
    server = WebServer("http://127.0.0.1:0", announcer, lambda: "")
    address = await server.start()
    try:
        assert await said_by_command(address, "Dinner, “quoted”!") == 0
        assert capsys.readouterr().out == "Hall: heard\nKitchen: heard\n"
        announcer.error = NotAnnounced("no-such-room", "no satellite in a room 'attic'")
        assert await said_by_command(address, room="attic") == 1
        told = capsys.readouterr().err
        assert told == "parlour-hub: not announced: no satellite in a room 'attic'\n"
        assert announcer.told == [("Dinner, “quoted”!", None), ("Dinner!", "attic")]
    finally:
        await server.close()
    with pytest.raises(OSError, match="no hub is running at"):
        await said_by_command(address)
    with pytest.raises(ConfigError, match="takes no announcements"):
        await said_by_command("")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", json.dumps({"hello": 1}).encode()])
async def test_another_program_at_the_address_is_told_from_a_hub(answer):
    async def any_page(_):
        return web.Response(body=answer)

    app = web.Application()
    app.router.add_route("*", "/{page:.*}", any_page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        with pytest.raises(OSError, match="no Parlour hub"):
            await said_by_command(f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()
