"""Services announced and found by real multicast, on this machine's own networks."""

import asyncio
import contextlib
import socket
import sys

import pytest
from discovering import unique_name
from service_port import quick, service_port

from hub.config import ServiceSettings, Settings
from protocol import discovery
from protocol.discovery import (
    WYOMING,
    announced,
    instance_name,
    look_for_services,
    manual_entry,
    reachable_at,
)

TIMEOUT = 15.0


@pytest.fixture
def name() -> str:
    return unique_name()


class Looker:
    """Knows which services are there."""

    def __init__(self) -> None:
        self.services: dict[str, list[str]] = {}
        self._changed = asyncio.Event()

    def found(self, name, addresses) -> None:
        self.services[name.removesuffix(f".{WYOMING}")] = [str(a) for a in addresses]
        self._changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition(self.services):
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def looking():
    looker = Looker()
    task = asyncio.create_task(look_for_services(looker.found))
    try:
        yield looker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_service_is_found_while_it_is_there(name):
    async with looking() as looker:
        async with announced(name, 10600, lambda: ["192.0.2.77", "fd00::77"]):
            await looker.until(lambda services: services.get(name))
            assert looker.services[name] == ["tcp://192.0.2.77:10600", "tcp://[fd00::77]:10600"]
        await looker.until(lambda services: services[name] == [])


async def test_a_second_service_of_that_name_gets_another(name):
    async with (
        looking() as looker,
        announced(name, 10600, lambda: ["192.0.2.77"]),
        announced(name, 10601, lambda: ["192.0.2.77"]),
    ):
        await looker.until(lambda services: services.get(name) and services.get(f"{name}-2"))
        both = [looker.services[name], looker.services[f"{name}-2"]]
        assert sorted(both) == [["tcp://192.0.2.77:10600"], ["tcp://192.0.2.77:10601"]]


async def test_a_new_address_of_this_machine_is_announced(name, monkeypatch):
    monkeypatch.setattr(discovery, "_LOOK_AGAIN", 0.3)
    own = ["192.0.2.77"]
    async with looking() as looker, announced(name, 10600, lambda: list(own)):
        await looker.until(lambda services: services.get(name) == ["tcp://192.0.2.77:10600"])
        own[0] = "192.0.2.78"
        await looker.until(lambda services: "tcp://192.0.2.78:10600" in services[name])


async def test_without_a_network_all_goes_on_and_a_network_that_comes_is_used(
    name, monkeypatch, caplog
):
    monkeypatch.setattr(discovery, "_LOOK_AGAIN", 0.1)

    def none():
        raise OSError("this machine is in no network")

    with monkeypatch.context() as patch:
        patch.setattr(discovery, "_interfaces", none)
        async with looking() as looker, announced(name, 10600, lambda: ["192.0.2.77"]):
            await asyncio.sleep(0.5)
            assert caplog.text.count("not announced on the network: OSError") == 1
            assert caplog.text.count("the network cannot be looked at: OSError") == 1
            patch.undo()
            monkeypatch.setattr(discovery, "_LOOK_AGAIN", 1.0)
            await looker.until(lambda services: services.get(name))


async def test_without_the_package_all_goes_on(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", None)
    async with looking(), announced("test", 10600, lambda: ["192.0.2.77"]):
        await asyncio.sleep(0.1)
    assert caplog.text.count("the package zeroconf is not installed") == 2


async def test_leaving_at_once_is_no_error(name):
    async with announced(name, 10600, lambda: ["192.0.2.77"]):
        pass
    async with looking():
        pass
    assert [task for task in asyncio.all_tasks() if "announce" in task.get_name()] == []


async def test_the_service_port_is_announced_where_others_can_reach_it(name, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    full = f"parlour-hub-{name}"
    for listen, announce, seen in (
        ("tcp://127.0.0.1:0", True, False),
        ("tcp://0.0.0.0:0", False, False),
        ("tcp://0.0.0.0:0", True, True),
    ):
        service = ServiceSettings(listen=listen, allow=("192.0.2.0/24",), announce=announce)
        async with (
            looking() as looker,
            service_port(quick(settings=Settings(service=service))) as port,
        ):
            if seen:
                await looker.until(lambda services: services.get(full))
                own = int(port.uri.rpartition(":")[2])
                assert f":{own}" in looker.services[full][0]
            else:
                await asyncio.sleep(2.0)
                assert full not in looker.services


def test_only_what_others_can_reach_has_an_address_for_them(monkeypatch):
    monkeypatch.setattr(discovery, "_own_addresses", lambda: ["192.0.2.7", "fd00::7"])
    assert reachable_at("tcp://127.0.0.1:10600") == []
    assert reachable_at("unix:///run/hub") == []
    assert reachable_at("tcp://0.0.0.0:10600") == ["192.0.2.7"]
    assert reachable_at("tcp://[::]:10600") == ["192.0.2.7", "fd00::7"]
    assert reachable_at("tcp://192.0.2.9:10600") == ["192.0.2.9"]
    assert reachable_at("tcp://hub.lan:10600") == ["hub.lan"]


def test_what_to_enter_by_hand_is_said(monkeypatch):
    monkeypatch.setattr(discovery, "_own_addresses", lambda: ["192.0.2.7", "fd00::7"])
    assert manual_entry("tcp://0.0.0.0:10600").endswith("host 192.0.2.7, port 10600")
    assert manual_entry("tcp://[::]:10600").endswith("host 192.0.2.7 (or fd00::7), port 10600")
    assert "host 127.0.0.1, port 1 (on this machine only)" in manual_entry("tcp://127.0.0.1:1")
    assert manual_entry("unix:///run/hub") == ""


def test_the_name_of_a_service_is_one_that_dns_takes(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "küche pi.lan")
    assert instance_name("parlour hub") == "parlour-hub-küche-pi"
    monkeypatch.setattr(socket, "gethostname", lambda: "ü" * 64)
    assert len(instance_name("parlour").encode()) <= 59
