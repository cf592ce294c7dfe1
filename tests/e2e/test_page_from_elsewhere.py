"""A real hub whose page others can reach, at an address of this machine that is not loopback."""

import asyncio
import os
import re
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from guarded_hub import PASSWORD, anybody
from processes import LLM, START_TIMEOUT, House

from protocol.access import is_loopback
from protocol.discovery import reachable_at
from protocol.tls import pin_of

pytestmark = pytest.mark.local


class OpenHouse(House):
    async def run(self, *arguments, said="", code=0):
        """Run one of the hub's commands; return its output and its complaints."""
        child = await asyncio.create_subprocess_exec(
            *self.command("hub", "hub", *arguments),
            cwd=self.place("hub"),
            env=self.environment("hub"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate(said.encode())
        assert child.returncode == code, err.decode()
        return out.decode().strip(), err.decode()

    def arguments(self, web):
        file = self.place("hub") / "hub.toml"
        file.write_text(f'[llm]\nmodel = "{LLM}"\n', encoding="utf-8")
        ports = ("--listen", self.listen, "--service", "", "--web", web)
        return ("--config", str(file), "serve", *ports)

    @asynccontextmanager
    async def open_hub(self):
        arguments = self.arguments("https://0.0.0.0:0")
        async with self.process("hub", "hub", *arguments, machine="hub") as hub:
            found = await hub.wait_for(r"the page is at (https://\S+)", timeout=START_TIMEOUT)
            hub.web = found[1]
            yield hub


@pytest.fixture
def house(site, tmp_path):
    if not reachable_at("tcp://0.0.0.0:1"):
        pytest.skip("this machine has no address but loopback")
    return OpenHouse(site, tmp_path)


@asynccontextmanager
async def client_of(hub, **headers):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        hub.web, connector=aiohttp.TCPConnector(ssl=anybody()), cookie_jar=jar, headers=headers
    ) as client:
        yield client


async def closed(events):
    async with asyncio.timeout(5):
        while (message := await events.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    return message.data, message.extra


@pytest.mark.long
async def test_a_hub_for_others_takes_a_password_and_tokens_and_nobody_else(house):
    # plain text, or nobody who could log in: it does not start, and says what to do
    _, complaint = await house.run(*house.arguments("http://0.0.0.0:0"), code=os.EX_CONFIG)
    assert 'write "https://0.0.0.0:0"' in complaint
    _, complaint = await house.run(*house.arguments("https://0.0.0.0:0"), code=os.EX_CONFIG)
    (line,) = complaint.splitlines()[-1:]
    assert line.endswith("run, as the user that the hub runs as: parlour-hub password")

    await house.run("password", said=PASSWORD + "\n")
    token, _ = await house.run("token", "kitchen display")
    async with house.open_hub() as hub:
        host = re.match(r"https://\[?([^\]]*?)\]?:\d+$", hub.web)[1]
        assert not is_loopback(host)
        pin = (await hub.wait_for(r"its SHA-256 is ([0-9A-F:]{95})"))[1]
        await hub.wait_for("^ready", timeout=START_TIMEOUT)
        here = {"Origin": hub.web}
        port = int(hub.web.rpartition(":")[2])
        pem = await asyncio.to_thread(ssl.get_server_certificate, (host, port))
        assert pin_of(ssl.PEM_cert_to_DER_cert(pem)).hex(":").upper() == pin

        async with client_of(hub) as browser, client_of(hub) as stranger:
            assert (await stranger.get("/health")).status == 200
            assert (await stranger.get("/api/live")).status == 401
            wanted = {"Accept": "text/html"}
            page = await (await stranger.get("/", headers=wanted)).text()
            assert 'action="/login"' in page

            form = {"password": "wrong password"}
            assert (await browser.post("/login", data=form, headers=here)).status == 403
            form = {"password": PASSWORD}
            assert (await browser.post("/login", data=form, headers=here)).status == 200
            assert "login.css" not in await (await browser.get("/", headers=wanted)).text()
            answer = await browser.post(
                "/api/ask", json={"text": "What is the capital of France?"}, headers=here
            )
            assert answer.status == 200
            assert "Paris" in await answer.text()
            elsewhere = {"Origin": "https://attacker.example"}
            answer = await browser.post("/api/ask", json={"text": "Hello"}, headers=elsewhere)
            assert answer.status == 403

            events = await browser.ws_connect("/api/events", headers=here)
            async with client_of(hub, Authorization=f"Bearer {token}") as program:
                assert "parlour_turns_total{" in await (await program.get("/metrics")).text()
                others = await program.ws_connect("/api/events")
                await house.run("token", "--revoke", "kitchen display")
                assert await closed(others) == (1008, "the token was revoked")
                assert (await program.get("/metrics")).status == 401
            await house.run("password", said="another password\n")
            assert await closed(events) == (1008, "the password was changed")
            assert (await browser.get("/api/live")).status == 401

        # the hub's own command, over the same port
        config = ("--config", str(house.place("hub") / "hub.toml"))
        _, complaint = await house.run(*config, "announce", "Dinner!", "--web", hub.web, code=1)
        assert "no satellite is connected" in complaint
        kept = b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())
    for secret in (PASSWORD, "another password", token):
        assert secret not in hub.text()
        assert secret.encode() not in kept
    assert hub.count("Traceback") == 0


async def test_who_watches_the_hub_with_the_certificate_in_hand_needs_no_trust(house):
    await house.run("password", said=PASSWORD + "\n")
    token, _ = await house.run("token", "prometheus")
    async with house.open_hub() as hub:
        pem = (house.place("hub") / "state" / "parlour" / "certificate.pem").read_text()
        context = ssl.create_default_context(cadata=pem[pem.index("-----BEGIN CERTIFICATE") :])
        port = hub.web.rpartition(":")[2]
        bearer = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=bearer) as prometheus:
            address = f"https://localhost:{port}/ready"
            async with prometheus.get(address, ssl=context) as answer:
                assert answer.status in (200, 503)
