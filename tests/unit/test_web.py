"""The hub's HTTP server on this machine, as programs, and pages of strangers, use it."""

import asyncio
import json
import socket

import aiohttp
import pytest
from aiohttp import web
from guarded_hub import running_hub

from hub.commands.announce import announce
from hub.config import Settings, WebSettings
from hub.service.announcer import NotAnnounced
from hub.web.listening import WebAddress
from protocol.settings import ConfigError


class Announced:
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
def announced(here):
    announced = Announced()
    here.hub._announcer.announce = announced.announce
    return announced


@pytest.fixture
async def client(aiohttp_client, here):
    return await aiohttp_client(here.server.app())


STRANGERS = [
    {"Host": "attacker.example"},
    {"Host": "attacker.example:8080"},
    {"Host": "127.0.0.1.attacker.example"},
    {"Host": "localhost.attacker.example"},
    {"Host": "127.0.0.1@attacker.example"},
    {"Host": "attacker.example#127.0.0.1"},
    {"Host": ""},
    {"Host": "192.168.1.5:8080"},
    {"Host": "0.0.0.0:8080"},
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    # a form, a picture, a frame and a script of another site
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
]


@pytest.mark.parametrize("group", ["Host", "Origin", "Sec-Fetch-Site"])
async def test_pages_of_strangers_are_refused(client, announced, group):
    for headers in STRANGERS:
        if group in headers:
            await refuses(client, headers)
    assert announced.told == []


async def refuses(client, headers):
    answers = [
        await client.get("/health", headers=headers),
        await client.get("/metrics", headers=headers),
        await client.get("/nothing", headers=headers),
        await client.post("/api/announce", headers=headers, json={"text": "Dinner!"}),
        await client.post("/api/announce", headers=headers, data={"text": "Dinner!"}),
        await client.options("/api/announce", headers=headers),
    ]
    for answer in answers:
        assert answer.status == 403, headers
        assert set((await answer.json())["error"]) == {"code", "text"}
        assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect("/api/events", headers=headers)
    assert refused.value.status == 403, headers


async def test_two_origins_are_no_origin(client, announced):
    headers = [
        ("Origin", f"http://127.0.0.1:{client.port}"),
        ("Origin", "https://attacker.example"),
    ]
    answer = await client.post("/api/announce", headers=headers, json={"text": "Dinner!"})
    assert answer.status in (400, 403)
    assert announced.told == []


async def test_a_form_that_another_site_posts_is_refused_whatever_the_browser_tells(
    client, announced
):
    for navigate in ({}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}):
        headers = {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site", **navigate}
        answer = await client.post("/api/announce", headers=headers, json={"text": "Dinner!"})
        assert answer.status == 403
        del headers["Origin"]
        answer = await client.post("/api/announce", headers=headers, json={"text": "Dinner!"})
        assert answer.status == 403
    assert announced.told == []


async def test_a_link_from_another_site_leads_to_the_page_but_to_no_interface(client):
    followed = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert (await client.get("/", headers=followed)).status != 403
    for path in ("/api/events", "/api/session", "/metrics", "/health", "/v1/models"):
        assert (await client.get(path, headers=followed)).status == 403


async def test_a_page_of_its_own_and_every_name_of_this_machine_may(client, announced):
    port = client.port
    for host in ("localhost", "127.0.0.1", f"127.0.0.1:{port}", f"localhost:{port}", "[::1]:8080"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        response = await client.post("/api/announce", json={"text": "Dinner!"}, headers=headers)
        assert response.status == 200, host
        async with client.ws_connect("/api/events", headers=headers) as events:
            assert (await events.receive_json())["event"] == "snapshot"


async def test_every_answer_tells_browsers_what_to_forbid(client):
    paths = ("/health", "/nothing", "/api/session", "/metrics", "/ready")
    answers = [await client.get(path) for path in paths]
    answers.append(await client.get("/health", headers={"Host": "attacker.example"}))
    answers.append(await client.post("/health"))
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers
        assert "aiohttp" not in answer.headers["Server"]


async def test_other_addresses_and_methods_are_answered_in_json(client):
    for response in (await client.get("/nothing"), await client.get("/api/announce")):
        assert response.status in (404, 405)
        assert set((await response.json())["error"]) == {"code", "text"}
    assert "POST" in response.headers["Allow"]


async def test_a_bug_is_one_and_quotes_nothing(client, announced, caplog):
    announced.error = KeyError("my secret dinner")
    response = await client.post("/api/announce", json={"text": "Dinner!"})
    assert response.status == 500
    assert "secret" not in await response.text()
    assert "secret" not in caplog.text
    assert "test_web.py" in caplog.text


async def test_on_this_machine_nobody_logs_in(client):
    assert await (await client.get("/api/session")).json() == {
        "login": False,
        "who": "this machine",
    }
    assert (await client.get("/login")).status == 404


# -- where it listens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listen",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8080/page",
        "http://127.0.0.1:8080?page",
        "http://me@127.0.0.1:8080",
        "http://[::1:8080",
        "ftp://127.0.0.1:8080",
    ],
)
def test_what_is_no_address_is_told(listen):
    with pytest.raises(ConfigError, match=r"web\.listen: .* is no http://HOST:PORT"):
        WebAddress.read(listen)


@pytest.mark.parametrize(
    "rest", ["0.0.0.0:8080", "192.168.1.5:8080", "[::]:8080", "hub.example:8080", "localhost.:80"]
)
def test_in_plain_text_it_listens_on_this_machine_alone(rest):
    with pytest.raises(ConfigError) as told:
        WebAddress.read(f"http://{rest}")
    assert f'write "https://{rest}"' in str(told.value)
    assert "parlour-hub password" in str(told.value)
    assert WebAddress.read(f"https://{rest}").secure


def test_this_machine_has_several_names():
    assert WebAddress.read("http://127.0.0.1:8080") == WebAddress("127.0.0.1", 8080, False)
    assert WebAddress.read("http://localhost:80/") == WebAddress("localhost", 80, False)
    assert WebAddress.read("http://[::1]:8080") == WebAddress("::1", 8080, False)
    assert str(WebAddress("::1", 8080, True)) == "https://[::1]:8080"


async def test_a_port_that_is_taken_is_one_line_and_the_server_comes_when_it_is_free(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("hub.web.server._RETRY", 0.05)
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    try:
        async with running_hub(tmp_path, monkeypatch, f"http://127.0.0.1:{port}") as hub:
            assert hub.url == ""
            await asyncio.sleep(0.2)
            assert caplog.text.count("another program has the port") == 1
            other.close()
            async with asyncio.timeout(5):
                while not hub.hub.web_address:
                    await asyncio.sleep(0.02)
            assert hub.hub.web_address == f"http://127.0.0.1:{port}"
    finally:
        other.close()


async def test_without_an_address_it_does_not_listen(tmp_path, monkeypatch):
    async with running_hub(tmp_path, monkeypatch, "") as hub:
        assert hub.hub.web_address == ""


# -- the command ----------------------------------------------------------------------------------


async def said_by_command(listen, text="Dinner!", room=None):
    settings = Settings(web=WebSettings(listen=listen))
    return await asyncio.to_thread(announce, settings, text, room)


async def test_the_command_tells_what_came_of_it(here, announced, capsys):
    assert await said_by_command(here.url, "Dinner, “quoted”!") == 0
    assert capsys.readouterr().out == "Hall: heard\nKitchen: heard\n"
    announced.error = NotAnnounced("no-such-room", "no satellite in a room 'attic'")
    assert await said_by_command(here.url, room="attic") == 1
    told = capsys.readouterr().err
    assert told == "parlour-hub: not announced: no satellite in a room 'attic'\n"
    assert announced.told == [("Dinner, “quoted”!", None), ("Dinner!", "attic")]
    await here.server.close()
    with pytest.raises(OSError, match="no hub is running at"):
        await said_by_command(here.url)
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
