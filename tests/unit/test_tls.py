"""TLS with a pinned certificate, on real sockets: friends, strangers and somebody in between."""

import asyncio
import contextlib
import logging
import socket
import ssl
import stat
from dataclasses import dataclass

import psutil
import pytest
from cryptography import x509
from wyoming.error import Error
from wyoming.event import Event

from hub.certificate import load_certificate
from protocol import server as server_module
from protocol.connection import Connection, ConnectionClosed
from protocol.settings import ConfigError
from protocol.throttle import Throttle
from protocol.tls import HandshakeFailed, server_context
from protocol.transport import BadUri, Server, WrongCertificate, connect, serve

TIMEOUT = 20.0
SECRET = Event("info", {"token": "a secret that only the right hub may read"})


async def echo(connection: Connection) -> None:
    async for event in connection:
        await connection.write(event)


@dataclass
class Secure:
    server: Server
    pin: bytes
    throttle: Throttle

    @property
    def uri(self) -> str:
        return self.server.uri

    @property
    def port(self) -> int:
        return int(self.uri.rpartition(":")[2])

    async def answers(self, host: str = "127.0.0.1") -> None:
        async with await connect(f"tls://{host}:{self.port}", pin=self.pin) as friend:
            await friend.write(SECRET)
            assert await friend.read() == SECRET


@contextlib.asynccontextmanager
async def serving(folder, handler=echo, listen="tls://127.0.0.1:0", **options):
    certificate = load_certificate(folder)
    throttle = Throttle()
    context = server_context(certificate.path)
    server = await serve(listen, handler, tls=context, throttle=throttle, **options)
    try:
        async with asyncio.timeout(TIMEOUT):
            yield Secure(server, certificate.pin, throttle)
    finally:
        await server.close()
        async with asyncio.timeout(TIMEOUT):
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left, timeout=0.05)


def warnings(caplog) -> list[str]:
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert all(r.exc_info is None for r in records)  # never a traceback
    return [r.getMessage() for r in records]


# ---- the certificate


def test_the_certificate_is_made_once_for_this_user_alone_and_valid_for_long(tmp_path):
    first = load_certificate(tmp_path / "state")
    assert load_certificate(tmp_path / "state") == first
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    made = x509.load_pem_x509_certificate(first.path.read_bytes())
    assert made.public_key().curve.name == "secp256r1"
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days > 365 * 50
    assert load_certificate(tmp_path / "another").pin != first.pin


def test_a_certificate_that_others_can_read_is_refused(tmp_path):
    path = load_certificate(tmp_path).path
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"chmod 600 .*certificate\.pem"):
        load_certificate(tmp_path)


def test_a_broken_certificate_is_refused_with_what_to_do(tmp_path):
    path = load_certificate(tmp_path).path
    path.write_text("nothing")
    with pytest.raises(ConfigError, match=r"certificate\.pem: .*delete it and pair"):
        load_certificate(tmp_path)


@pytest.mark.parametrize("key", ["", "another's"])
def test_a_certificate_without_its_key_is_refused_with_what_to_do(tmp_path, key):
    path = load_certificate(tmp_path).path
    begin = "-----BEGIN CERTIFICATE-----"
    certificate = begin + path.read_text().partition(begin)[2]
    other = load_certificate(tmp_path / "another").path.read_text().partition(begin)[0]
    path.write_text((other if key else "") + certificate)
    with pytest.raises(ConfigError, match=r"certificate\.pem: .*delete it and pair"):
        load_certificate(tmp_path)


# ---- friends


async def test_a_friend_is_served_and_events_arrive_whole_in_both_directions(tmp_path):
    async with serving(tmp_path) as hub, await connect(hub.uri, pin=hub.pin) as connection:
        big = Event("audio-chunk", {"rate": 16000}, bytes(range(256)) * 4000)  # a megabyte
        for _ in range(3):
            await connection.write(big)
            assert await connection.read() == big
        tls = connection._writer.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        assert hub.server.connections == 1


async def test_nothing_older_than_tls_1_3_is_spoken(tmp_path, caplog):
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(tmp_path) as hub:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", hub.port, ssl=old)
        await hub.answers()
    (line,) = warnings(caplog)
    assert "handshake failed: unsupported protocol" in line


async def test_closing_is_quick_on_either_side_and_is_no_warning(tmp_path, caplog):
    loop = asyncio.get_running_loop()
    async with serving(tmp_path) as hub:
        began = loop.time()
        for _ in range(5):
            await hub.answers()
        while hub.server.connections:
            await asyncio.sleep(0.005)
        other = await connect(hub.uri, pin=hub.pin)
        await hub.server.close()
        with pytest.raises(ConnectionClosed):
            await other.read()
        await other.close()
        assert loop.time() - began < 1.5
    assert not warnings(caplog)


@pytest.mark.parametrize("says_goodbye", [False, True])
async def test_a_peer_that_reads_nothing_can_be_closed(tmp_path, says_goodbye):
    """Our buffers are full, so that our own goodbye cannot be sent, and its own is no end."""
    full, go = asyncio.Event(), asyncio.Event()

    async def flood(connection):
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.3):
                    await connection.write(Event("x", {}, bytes(500_000)))
        full.set()
        await go.wait()

    async with serving(tmp_path, flood) as hub:
        raw = socket.create_connection(("127.0.0.1", hub.port))
        context = ssl._create_unverified_context()
        wrapped = await asyncio.to_thread(context.wrap_socket, raw)
        await full.wait()
        if says_goodbye:
            wrapped.setblocking(False)
            with contextlib.suppress(ssl.SSLError):  # it waits for ours
                wrapped.unwrap()
            await asyncio.sleep(0.1)
        go.set()
        async with asyncio.timeout(4):
            while hub.server.connections:
                await asyncio.sleep(0.01)
        wrapped.close()


# ---- pins


async def test_somebody_with_another_certificate_learns_nothing_but_that(tmp_path):
    heard = []

    async def listen(connection):
        heard.extend([event async for event in connection])

    async with serving(tmp_path / "impostor", listen) as hub:
        right = load_certificate(tmp_path / "hub").pin
        with pytest.raises(WrongCertificate, match="paired with"):
            await connect(hub.uri, pin=right)
        while not heard:
            await asyncio.sleep(0.005)
    (error,) = heard
    assert Error.from_event(error).code == "wrong-certificate"


async def test_the_certificate_alone_does_not_make_an_impostor(tmp_path):
    """Who copies the public certificate lacks its key; no TLS library serves with another one."""
    ours = load_certificate(tmp_path / "ours").path
    theirs = load_certificate(tmp_path / "theirs").path
    certificate = ours.read_text()[ours.read_text().index("-----BEGIN CERTIFICATE") :]
    key = theirs.read_text()[: theirs.read_text().index("-----BEGIN CERTIFICATE")]
    forged = tmp_path / "forged.pem"
    forged.write_text(key + certificate)
    with pytest.raises(ssl.SSLError, match="MISMATCH"):
        server_context(forged)


async def test_without_a_pin_nothing_is_dialled_and_without_a_certificate_nothing_served():
    with pytest.raises(BadUri, match="pairing"):
        await connect("tls://127.0.0.1:9")
    with pytest.raises(BadUri, match="certificate"):
        await serve("tls://127.0.0.1:0", echo)


# ---- plain text and TLS mixed up


async def test_plain_text_to_the_encrypted_port_is_told_so_on_both_sides(tmp_path, caplog):
    async with serving(tmp_path) as hub:
        async with await connect(f"tcp://127.0.0.1:{hub.port}") as plain:
            await plain.write(SECRET)
            refusal = await plain.read()
            assert (refusal.type, refusal.data["code"]) == ("error", "encrypted-only")
            with pytest.raises(ConnectionClosed):
                await plain.read()
        assert hub.server.connections == 0
        await hub.answers()
    (line,) = warnings(caplog)
    assert "speaks plain text, and this port only TLS" in line


async def test_tls_to_a_plain_port_is_told_so_on_both_sides(tmp_path, caplog):
    server = await serve("tcp://127.0.0.1:0", echo)
    try:
        with pytest.raises(HandshakeFailed, match="no TLS is spoken there"):
            await connect(server.uri.replace("tcp:", "tls:"), pin=bytes(32), timeout=TIMEOUT)
    finally:
        await server.close()
    (line,) = warnings(caplog)
    assert "the peer speaks TLS, and this port plain text" in line


@pytest.mark.parametrize(
    "garbage",
    [b"\x16", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + bytes(70_000), b"\0" * 100],
    ids=["one byte", "no hello", "too long", "zeros"],
)
async def test_garbage_in_the_handshake_is_one_line(tmp_path, caplog, garbage):
    async with serving(tmp_path) as hub:
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        with contextlib.suppress(ConnectionError):
            writer.write(garbage)
            writer.write_eof()
        while not caplog.records:
            await asyncio.sleep(0.005)
        await hub.answers()
        writer.close()
    assert len(warnings(caplog)) == 1


async def test_who_only_looks_whether_the_port_is_open_is_no_warning_and_no_failure(
    tmp_path, caplog
):
    async with serving(tmp_path) as hub:
        for _ in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            writer.close()
            await writer.wait_closed()
        await hub.answers()
    assert not warnings(caplog)


# ---- silence, floods, caps


@contextlib.asynccontextmanager
async def silent(port: int, number: int, source: str = "127.0.0.1"):
    socks = [socket.socket() for _ in range(number)]
    try:
        for sock in socks:
            sock.setblocking(False)
            sock.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield socks
    finally:
        for sock in socks:
            sock.close()


async def test_who_is_silent_in_the_handshake_is_sent_away(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(server_module, "HANDSHAKE_TIMEOUT", 0.2)
    async with serving(tmp_path) as hub, silent(hub.port, 1) as (sock,):
        assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    (line,) = warnings(caplog)
    assert "handshake took too long" in line


async def test_two_hundred_silent_peers_keep_no_friend_out_and_take_no_memory(tmp_path, caplog):
    process = psutil.Process()
    async with serving(tmp_path, max_connections=4) as hub:
        await hub.answers()
        async with await connect(hub.uri, pin=hub.pin) as guest:
            before = process.memory_info().rss
            async with silent(hub.port, 200, "127.0.0.2"):
                for _ in range(3):
                    await hub.answers()
                await guest.write(SECRET)
                assert await guest.read() == SECRET
                assert len(hub.server._arrivals) <= server_module._MAX_ARRIVALS
                grown = process.memory_info().rss - before
            assert grown < 8_000_000
        assert hub.throttle.refuses("127.0.0.2")
        assert not hub.throttle.refuses("127.0.0.1")
    lines = warnings(caplog)
    assert sum("not answered for" in line for line in lines) == 1
    assert len(lines) < 220


async def test_the_oldest_handshake_makes_place_for_a_newcomer(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "_MAX_ARRIVALS", 8)
    async with serving(tmp_path) as hub:
        monkeypatch.setattr(hub.throttle, "failed", lambda host: None)
        async with silent(hub.port, 20) as socks:
            loop = asyncio.get_running_loop()
            for sock in socks[:12]:
                assert await loop.sock_recv(sock, 1) == b""
            assert len(hub.server._jobs) == 8
            await hub.answers()


async def test_an_address_that_fails_too_often_is_hung_up_on_at_once(tmp_path, caplog):
    async with serving(tmp_path) as hub:
        for _ in range(5):
            async with await connect(f"tcp://127.0.0.1:{hub.port}") as plain:
                await plain.write(SECRET)
                await plain.read()
        with pytest.raises(HandshakeFailed, match="ended during the TLS handshake"):
            await hub.answers()
        told = len(warnings(caplog))
        with pytest.raises(HandshakeFailed):
            await hub.answers()
        assert len(warnings(caplog)) == told  # and no line for each
        hub.throttle.succeeded("127.0.0.1")
        await hub.answers()


async def test_a_full_house_says_so_over_tls(tmp_path):
    async with serving(tmp_path, max_connections=1) as hub:
        async with await connect(hub.uri, pin=hub.pin) as first:
            await first.write(SECRET)
            await first.read()
            async with await connect(hub.uri, pin=hub.pin) as second:
                refusal = await second.read()
                assert refusal.data["code"] == "too-many-connections"
        while hub.server.connections:
            await asyncio.sleep(0.005)
        await hub.answers()


async def test_closing_the_server_ends_handshakes_under_way(tmp_path):
    async with serving(tmp_path) as hub, silent(hub.port, 3) as socks:
        while len(hub.server._arrivals) < 3:
            await asyncio.sleep(0.005)
        await hub.server.close()
        for sock in socks:
            assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
