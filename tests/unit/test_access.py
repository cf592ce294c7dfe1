"""Who may reach a port, and who failed too often."""

import asyncio
import logging
import socket

import pytest
from wyoming.event import Event

from protocol.access import AllowList, allow_list, is_local, is_loopback
from protocol.connection import Connection, ConnectionClosed
from protocol.settings import ConfigError
from protocol.throttle import Throttle
from protocol.transport import BadUri, connect, serve
from satellite.config import Settings
from satellite.pairing import target_of

TIMEOUT = 10.0


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("unix:///run/hub", True),
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.9.9.9:1", True),
        ("tls://[::1]:1", True),
        ("tcp://localhost:1", True),
        ("tcp://LocalHost.:1", True),
        ("tcp://[::ffff:127.0.0.1]:1", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://[::]:1", False),
        ("tcp://[::ffff:0.0.0.0]:1", False),
        ("tcp://192.168.1.10:1", False),
        ("tcp://[::ffff:192.168.1.10]:1", False),
        ("tls://hub.local:1", False),
        ("tcp://localhost.example.org:1", False),
        ("tcp://127.0.0.1.example.org:1", False),
        ("tcp://0:1", False),  # getaddrinfo takes it for 0.0.0.0
        ("tcp://2130706433:1", False),  # and this for 127.0.0.1: no harm in being careful
        ("tcp://[fe80::1%25eth0]:1", False),
    ],
)
def test_only_loopback_and_unix_sockets_are_local(uri, local):
    assert is_local(uri) is local


def test_what_is_no_uri_is_neither():
    with pytest.raises(BadUri):
        is_local("127.0.0.1")


@pytest.mark.parametrize(
    ("entry", "host", "admitted"),
    [
        ("192.168.1.10", "192.168.1.10", True),
        ("192.168.1.10", "192.168.1.11", False),
        ("192.168.1.10", "::ffff:192.168.1.10", True),
        ("::ffff:192.168.1.10", "192.168.1.10", True),
        ("::ffff:192.168.1.0/120", "192.168.1.77", True),
        ("::ffff:192.168.1.0/120", "192.168.2.77", False),
        ("192.168.1.0/24", "192.168.1.255", True),
        ("192.168.1.0/24", "192.168.2.1", False),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "fe80::1%eth0", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("0.0.0.0/0", "8.8.8.8", True),
        ("0.0.0.0/0", "fd00::1", False),
        (" 10.0.0.1 ", "10.0.0.1", True),
        ("10.0.0.1", "127.0.0.1", True),  # this machine always
        ("10.0.0.1", "::1", True),
        ("10.0.0.1", None, True),  # a Unix socket
        ("10.0.0.1", "hub.local", False),
    ],
)
def test_an_entry_admits_its_addresses_and_no_others(entry, host, admitted):
    assert AllowList([entry]).admits(host) is admitted


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("homeassistant.local", "names are not looked up"),
        ("192.168.1", "neither an address"),
        ("192.168.1.0/33", "neither an address"),
        ("", "neither an address"),
        ("192.168.1.10/24", r"write 192\.168\.1\.0/24 or 192\.168\.1\.10"),
    ],
)
def test_a_wrong_entry_is_named_with_what_would_be_right(entry, message):
    with pytest.raises(ConfigError, match=f"service.allow: .*{message}"):
        allow_list("service.", "tcp://0.0.0.0:1", [entry])


def test_a_plain_port_for_other_machines_needs_a_list():
    with pytest.raises(ConfigError, match=r"^service\.listen: .*set service\.allow"):
        allow_list("service.", "tcp://0.0.0.0:10600", [])
    assert not allow_list("service.", "tcp://127.0.0.1:10600", []).admits("192.168.1.10")
    assert allow_list("service.", "tcp://0.0.0.0:1", ["192.168.1.10"]).admits("192.168.1.10")


def test_a_satellite_that_waits_for_other_machines_needs_a_list():
    with pytest.raises(ConfigError, match=r"^listen: .*set allow"):
        target_of(Settings(listen="tcp://[::]:10700"))
    assert target_of(Settings(listen="tcp://[::]:10700", allow=("fd00::/8",))).uri is None
    assert target_of(Settings(listen="tcp://127.0.0.1:10700")).room == "Living room"


def own_address() -> str:
    """An address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


async def echo(connection: Connection) -> None:
    async for event in connection:
        await connection.write(event)


async def test_a_peer_that_is_not_in_the_list_is_told_so_and_logged_once(caplog):
    mine = own_address()
    server = await serve("tcp://0.0.0.0:0", echo, admit=AllowList(["203.0.113.1"]))
    port = server.uri.rpartition(":")[2]
    try:
        async with asyncio.timeout(TIMEOUT):
            for _ in range(2):
                async with await connect(f"tcp://{mine}:{port}") as stranger:
                    await stranger.write(Event("describe"))
                    refusal = await stranger.read()
                    assert (refusal.type, refusal.data["code"]) == ("error", "not-allowed")
                    with pytest.raises(ConnectionClosed):
                        await stranger.read()
            async with await connect(f"tcp://127.0.0.1:{port}") as friend:
                await friend.write(Event("x"))
                assert (await friend.read()).type == "x"
    finally:
        await server.close()
    (line,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert line.startswith(mine)
    assert "not in the setting allow" in line


async def test_a_peer_that_is_in_the_list_is_served():
    mine = own_address()
    server = await serve("tcp://0.0.0.0:0", echo, admit=AllowList([f"{mine}/32"]))
    try:
        async with asyncio.timeout(TIMEOUT), await connect(f"tcp://{mine}:{port_of(server)}") as it:
            await it.write(Event("x"))
            assert (await it.read()).type == "x"
    finally:
        await server.close()


def port_of(server) -> int:
    return int(server.uri.rpartition(":")[2])


class TestThrottle:
    now = 1000.0

    def make(self, **options):
        return Throttle(clock=lambda: self.now, **options)

    def fail(self, throttle, host="10.0.0.1", times=5):
        for _ in range(times):
            throttle.failed(host)

    def test_five_failures_in_a_minute_begin_a_penalty_and_one_line(self, caplog):
        throttle = self.make()
        self.fail(throttle, times=4)
        assert not throttle.refuses("10.0.0.1")
        throttle.failed("10.0.0.1")
        assert throttle.refuses("10.0.0.1")
        assert not throttle.refuses("10.0.0.2")
        self.now += 15.1
        assert not throttle.refuses("10.0.0.1")
        assert caplog.text.count("not answered for 15 s") == 1

    def test_slow_failures_are_forgiven(self):
        throttle = self.make()
        for _ in range(50):
            throttle.failed("10.0.0.1")
            self.now += 16.0
        assert not throttle.refuses("10.0.0.1")

    def test_penalties_grow_to_a_bound_and_end_with_good_behaviour(self):
        throttle = self.make()
        lengths = []
        for _ in range(8):
            self.fail(throttle)
            began = self.now
            while throttle.refuses("10.0.0.1"):
                self.now += 1.0
            lengths.append(self.now - began)
        assert lengths == [15, 30, 60, 120, 240, 480, 600, 600]
        self.now += 601.0
        self.fail(throttle)
        self.now += 16.0
        assert not throttle.refuses("10.0.0.1")

    def test_success_forgets_failures(self):
        throttle = self.make()
        self.fail(throttle, times=4)
        throttle.succeeded("10.0.0.1")
        self.fail(throttle, times=4)
        assert not throttle.refuses("10.0.0.1")

    def test_a_flood_of_addresses_takes_bounded_memory(self):
        throttle = self.make(most=100)
        for n in range(5000):
            throttle.failed(f"10.0.{n // 256}.{n % 256}")
        assert len(throttle) == 100

    def test_one_ipv6_network_is_one_peer_and_mapped_ipv4_is_ipv4(self):
        throttle = self.make()
        for n in range(5):
            throttle.failed(f"fd00::{n}%eth0")
            throttle.failed("::ffff:10.0.0.1" if n % 2 else "10.0.0.1")
        assert throttle.refuses("fd00::99")
        assert not throttle.refuses("fd00:0:0:1::1")
        assert throttle.refuses("10.0.0.1")


def test_loopback_is_an_address_or_its_name():
    assert is_loopback("localhost")
    assert not is_loopback("hub")
