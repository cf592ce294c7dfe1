"""The hub's page and interfaces over the network: who gets in, and who does not any more."""

import asyncio
import json
import re
import socket
import stat

import aiohttp
import pytest
from guarded_hub import PASSWORD, anybody, running_hub

from hub.app import Hub
from hub.commands.announce import announce
from hub.config import Settings, WebSettings
from hub.web.credentials import own_token_path
from hub.web.guard import COOKIE
from hub.web.limits import Buckets, Rate
from protocol.settings import ConfigError

NAVIGATED = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def stranger(there):
    async with there.client() as client:
        yield client


@pytest.fixture
async def browser(there):
    """Somebody who has logged in."""
    async with there.client() as client:
        assert (await there.log_in(client)).status == 303
        yield client


@pytest.fixture
async def program(there):
    """A program with a token, whose name is "prometheus"."""
    token, _ = await asyncio.to_thread(there.credentials.add_token, "prometheus")
    async with there.client(Authorization=f"Bearer {token}") as client:
        client.token = token
        yield client


async def closed(socket):
    """Return the code with which a websocket is closed, and why."""
    async with asyncio.timeout(5):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra
            assert message.type is aiohttp.WSMsgType.TEXT, message


# -- strangers ------------------------------------------------------------------------------------


async def test_strangers_see_the_login_page_and_health_and_nothing_else(there, stranger):
    there.server._limits._anonymous = Buckets(Rate(1e6, 1e6))  # or it would be refused for that
    routes = {
        (route.method, route.resource.canonical)
        for route in there.server.app().router.routes()
        if route.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }
    assert len(routes) > 8
    let_in = set()
    for method, path in routes:
        address = re.sub(r"\{[^}]*\}", "x", path)
        answer = await stranger.request(
            method, address, headers=there.origin, allow_redirects=False
        )
        if answer.status != 401:
            let_in.add((method, path))
        else:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    pages = {pair for pair in let_in if not pair[1].startswith("/page/fonts/")}
    assert pages <= {
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/login.css"),
        ("GET", "/page/styles/tokens.css"),
        ("GET", "/health"),
    }


async def test_what_a_stranger_is_told_of_health_names_no_rooms(there, stranger, program):
    there.hub._announcer._links = lambda: {"Bedroom of our daughter": None}
    answer = await stranger.get("/health")
    assert answer.status == 200
    assert "Bedroom" not in await answer.text()
    assert "Bedroom" in await (await program.get("/health")).text()


async def test_a_stranger_who_wants_the_page_is_sent_to_the_login(stranger):
    answer = await stranger.get("/", headers=NAVIGATED, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    page = await (await stranger.get("/", headers=NAVIGATED)).text()
    assert '<form method="post" action="/login">' in page
    assert "<script" not in page


async def test_who_follows_a_link_to_the_page_from_another_site_is_asked_once_more_from_here(
    there, browser, stranger
):
    linked = {**NAVIGATED, "Sec-Fetch-Site": "cross-site"}
    # A browser sends no strict cookie along here.
    answer = await stranger.get("/", headers=linked, allow_redirects=False)
    assert answer.status == 200
    assert 'http-equiv="refresh" content="0"' in await answer.text()
    assert "Parlour" in await answer.text()
    here = {**NAVIGATED, "Sec-Fetch-Site": "same-origin"}
    assert (await stranger.get("/", headers=here, allow_redirects=False)).status == 303


async def test_a_websocket_of_a_stranger_is_refused(there, stranger):
    for headers in ({}, there.origin):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stranger.ws_connect("/api/events", headers=headers)
        assert refused.value.status == 401


async def test_no_spelling_of_an_address_leads_past_the_login(there):
    for address in (
        "/x/../api/session",
        "/%61pi/session",
        "/login/../api/session",
        "/page/fonts/../../metrics",
        "/page/fonts/%2e%2e/%2e%2e/metrics",
        "//api/session",
        "/login%2f..%2fmetrics",
        "/health/../metrics",
        "https://x/metrics",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port, ssl=anybody())
        writer.write(f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        assert b" 401 " in answer.split(b"\r\n")[0], address
        assert b"log in" in answer


# -- the session ----------------------------------------------------------------------------------


async def test_the_cookie_is_for_this_server_over_tls_and_for_no_script(there, stranger):
    answer = await there.log_in(stranger)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    (cookie,) = answer.headers.getall("Set-Cookie")
    name, *flags = cookie.split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert COOKIE.startswith("__Host-")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    assert not any(flag.startswith("Domain") for flag in flags)
    assert answer.headers["Cache-Control"] == "no-store"


async def test_who_has_logged_in_uses_the_page_and_its_interfaces(there, browser):
    told = await (await browser.get("/api/session")).json()
    assert told["login"] is True
    assert told["who"].startswith("session ")
    assert (await browser.get("/metrics")).status == 200
    answer = await browser.post("/api/announce", json={"text": "Dinner!"}, headers=there.origin)
    assert answer.status == 409  # there is no satellite
    async with browser.ws_connect("/api/events", headers=there.origin) as events:
        assert (await events.receive_json())["event"] == "snapshot"
    answer = await browser.get("/login", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_the_cookie_alone_changes_nothing_and_opens_no_websocket(there, browser):
    for headers in (
        {},  # as any page's form did in old browsers; a browser of today always says
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {**there.origin, "Sec-Fetch-Site": "cross-site"},
        {**there.origin, "Sec-Fetch-Site": "same-site"},
    ):
        for path, body in (
            ("/api/announce", {"json": {"text": "Dinner!"}}),
            ("/api/announce", {"data": {"text": "Dinner!"}}),
            ("/logout", {}),
            ("/login", {"data": {"password": PASSWORD}}),
        ):
            answer = await browser.post(path, headers=headers, allow_redirects=False, **body)
            assert answer.status == 403, (path, headers)
            assert "Access-Control-Allow-Origin" not in answer.headers
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.ws_connect("/api/events", headers=headers)
        assert refused.value.status == 403
    assert (await browser.get("/api/session")).status == 200


async def test_logging_out_ends_the_session_and_hangs_up_its_websockets_alone(there, browser):
    async with there.client() as other:
        await there.log_in(other)
        events = await browser.ws_connect("/api/events", headers=there.origin)
        others = await other.ws_connect("/api/events", headers=there.origin)
        stolen = {"Cookie": f"{COOKIE}={_secret(browser)}"}
        answer = await browser.post("/logout", headers=there.origin, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/login")
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert await closed(events) == (1008, "signed out")
        async with there.client() as thief:
            assert (await thief.get("/api/session", headers=stolen)).status == 401
        assert (await other.get("/api/session")).status == 200
        assert not others.closed
        assert there.server.websockets == 1


def _secret(client):
    return {cookie.key: cookie.value for cookie in client.cookie_jar}[COOKIE]


async def test_a_session_that_somebody_else_chose_is_none(there, stranger):
    fixed = "chosen-by-somebody-else-chosen-by-somebody"
    stranger.cookie_jar.update_cookies({COOKIE: fixed}, response_url=_url(there))
    assert (await stranger.get("/api/session")).status == 401
    assert (await there.log_in(stranger)).status == 303
    assert _secret(stranger) != fixed
    async with there.client() as attacker:
        answer = await attacker.get("/api/session", headers={"Cookie": f"{COOKIE}={fixed}"})
        assert answer.status == 401


def _url(there):
    from yarl import URL

    return URL(there.url)


async def test_logging_in_again_is_another_session_and_ends_the_one_before(there, browser):
    before = _secret(browser)
    assert (await there.log_in(browser)).status == 303
    assert _secret(browser) != before
    async with there.client() as thief:
        stolen = {"Cookie": f"{COOKIE}={before}"}
        assert (await thief.get("/api/session", headers=stolen)).status == 401


async def test_a_changed_password_ends_every_session_and_counts_at_once(there, browser):
    events = await browser.ws_connect("/api/events", headers=there.origin)
    await asyncio.to_thread(there.credentials.set_password, "another password")
    assert await closed(events) == (1008, "the password was changed")
    assert (await browser.get("/api/session")).status == 401
    assert (await there.log_in(browser)).status == 403
    assert (await there.log_in(browser, "another password")).status == 303


async def test_a_revoked_token_is_hung_up_on(there, program):
    events = await program.ws_connect("/api/events")
    assert (await events.receive_json())["event"] == "snapshot"
    assert (await program.get("/metrics")).status == 200
    await asyncio.to_thread(there.credentials.revoke_token, "prometheus")
    assert await closed(events) == (1008, "the token was revoked")
    answer = await program.get("/metrics")
    assert answer.status == 401
    assert program.token not in await answer.text()


async def test_a_websocket_that_is_opened_while_its_token_is_revoked_does_not_stay(there, program):
    assert (await program.get("/metrics")).status == 200
    (caller,) = there.server.callers.everybody()
    there.server.callers.by_token = lambda token: caller  # let in a moment ago
    caller.over = True
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await program.ws_connect("/api/events")
    assert refused.value.status == 401


async def test_a_token_made_anew_ends_the_one_before(there, program):
    assert (await program.get("/metrics")).status == 200
    token, had = await asyncio.to_thread(there.credentials.add_token, "prometheus")
    assert had
    async with asyncio.timeout(5):
        while (await program.get("/metrics")).status != 401:
            await asyncio.sleep(0.1)
    async with there.client(Authorization=f"bearer {token}") as renewed:
        assert (await renewed.get("/metrics")).status == 200


async def test_a_program_needs_no_origin_but_no_other_sites_page_may_use_its_token(there, program):
    answer = await program.post("/api/announce", json={"text": "Dinner!"})
    assert answer.status == 409  # there is no satellite
    elsewhere = {"Origin": "https://attacker.example"}
    answer = await program.post("/api/announce", json={"text": "Dinner!"}, headers=elsewhere)
    assert answer.status == 403


async def test_other_credentials_are_none_not_even_beside_a_session(there, browser):
    for header in (
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic cGFybG91cjpjb3JyZWN0",
        "Digest x",
        "",
        "Bearer é",
    ):
        answer = await browser.get("/metrics", headers={"Authorization": header})
        assert answer.status == 401, header
    assert (await browser.get("/metrics")).status == 200


# -- logging in -----------------------------------------------------------------------------------


async def test_a_wrong_password_is_told_on_the_page(there, stranger):
    answer = await there.log_in(stranger, "wrong password")
    assert answer.status == 403
    page = await answer.text()
    assert "That is not the password." in page
    assert "wrong password" not in page
    assert "Set-Cookie" not in answer.headers
    assert (await there.log_in(stranger)).status == 303


async def test_who_guesses_is_refused_even_with_the_right_password_and_all_at_once(
    there, stranger, caplog
):
    guesses = [there.log_in(stranger, f"guess number {n}") for n in range(8)]
    answers = [answer.status for answer in await asyncio.gather(*guesses)]
    assert answers.count(403) == 5
    assert answers.count(429) == 3
    answer = await there.log_in(stranger)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Too many wrong passwords" in await answer.text()
    assert "guess" not in caplog.text
    assert "127.0.0.1 failed 5 times" in caplog.text


async def test_more_logins_than_can_be_checked_are_told_to_come_again(there, stranger):
    answers = await asyncio.gather(*(there.log_in(stranger) for _ in range(30)))
    counts = {status: [a.status for a in answers].count(status) for status in (303, 503)}
    assert counts[303] + counts[503] == 30
    assert counts[303] >= 8


async def test_what_is_no_form_is_refused(there, stranger):
    form = "application/x-www-form-urlencoded"
    for body, kind, status in (
        (b"password=" + b"x" * 5000, form, 413),
        (b'{"password": "correct horse battery"}', "application/json", 415),
        (b"\xff\xfe=\xff", form, 400),
        (b"&".join(b"password=x" for _ in range(99)), form, 400),
        (b"", form, 403),
        (b"password=%ff%fe%00", form, 403),
    ):
        headers = {**there.origin, "Content-Type": kind}
        answer = await stranger.post("/login", data=body, headers=headers, allow_redirects=False)
        assert answer.status == status, body


async def test_a_form_that_does_not_come_is_not_waited_for(there, stranger, monkeypatch):
    monkeypatch.setattr("hub.web.login._BODY_TIMEOUT", 0.1)

    async def slow():
        yield b"password="
        await asyncio.sleep(5)

    headers = {**there.origin, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await stranger.post("/login", data=slow(), headers=headers)
    assert answer.status == 408


# -- the hub as others find it --------------------------------------------------------------------


async def test_without_a_password_a_hub_for_others_does_not_start(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="as the user that the hub runs as: parlour-hub password"):
        async with running_hub(tmp_path, monkeypatch, "https://0.0.0.0:0", password=None):
            pass
    for port in (tmp_path / "link", tmp_path / "service"):
        with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError):
            sock.connect(str(port))
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_announcements_go_over_tls_and_to_this_hub_alone(there, capsys, tmp_path):
    heard = []

    async def announce_(text, room=None):
        heard.append(text)
        return {"Hall": "heard"}

    there.hub._announcer.announce = announce_
    settings = Settings(web=WebSettings(listen=there.url))
    assert await asyncio.to_thread(announce, settings, "Dinner!", None) == 0
    own = own_token_path(there.state)
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    token, _ = await asyncio.to_thread(there.credentials.add_token, "kitchen display")
    file = tmp_path / "token"
    file.write_text(token + "\n")
    with pytest.raises(ConfigError, match="chmod 600"):
        await asyncio.to_thread(announce, settings, "Dinner!", None, file)
    file.chmod(0o600)
    assert await asyncio.to_thread(announce, settings, "Supper!", None, file) == 0
    assert heard == ["Dinner!", "Supper!"]
    file.write_text("wrong")
    assert await asyncio.to_thread(announce, settings, "Lunch!", None, file) == 1
    assert "a wrong or revoked token" in capsys.readouterr().err
    # another hub's certificate, then plain text
    certificate = own.with_name("certificate.pem")
    certificate.rename(own.with_name("certificate.before"))
    with pytest.raises(OSError, match="does not have the certificate"):
        await asyncio.to_thread(announce, settings, "Lunch!", None)
    assert heard == ["Dinner!", "Supper!"]


async def test_plain_http_to_the_encrypted_port_is_told_what_to_write(there):
    port = there.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer


def test_the_settings_of_another_hub_need_no_password(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="parlour-hub password"):
        Hub(Settings(web=WebSettings(listen="http://192.0.2.1:8080")))
    assert json.dumps(sorted(tmp_path.rglob("*"), key=str), default=str) == "[]"
