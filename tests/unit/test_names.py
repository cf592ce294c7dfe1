"""Looking names up: slow and dead name servers, on real threads, sockets and processes."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time

import pytest

from protocol import names
from protocol.names import addresses
from protocol.transport import connect, serve

TIMEOUT = 20.0
NAME = "hub.test"
LOOPBACK = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def resolver(monkeypatch):
    """A resolver that answers when it is told to, and counts."""
    answers = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", answers)
    yield answers
    answers.may_answer.set()
    while looking_up():
        time.sleep(0.01)


class Resolver:
    def __init__(self):
        self.may_answer = threading.Event()
        self.delay = 0.0
        self.asked = []

    def __call__(self, host, *_, **__):
        self.asked.append(host)
        time.sleep(self.delay)
        self.may_answer.wait(TIMEOUT)
        if host != NAME:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return LOOPBACK


def looking_up() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("look up")]


async def refuse(connection):
    await connection.close()


async def test_a_look_up_that_takes_longer_than_connecting_may_still_succeeds(resolver):
    server = await serve("tcp://127.0.0.1:0", refuse)
    resolver.delay = 0.5
    resolver.may_answer.set()
    connection = await connect(server.uri.replace("127.0.0.1", NAME), timeout=0.2)
    await connection.close()
    await server.close()


async def test_a_name_is_looked_up_once_at_a_time_however_many_ask_and_give_up(
    resolver, monkeypatch
):
    monkeypatch.setattr(names, "LOOK_UP_TIMEOUT", 0.1)
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"where 'hub.test' is was not answered in 0.1 s"):
            await addresses(NAME, 1)
    asking = [asyncio.create_task(addresses(NAME, port)) for port in (1, 2)]
    await asyncio.sleep(0.05)
    assert resolver.asked == [NAME]
    assert len(looking_up()) == 1
    asking[0].cancel()  # which takes nothing from the other
    resolver.may_answer.set()
    assert await asking[1] == [(socket.AF_INET, ("127.0.0.1", 2))]
    assert await addresses(NAME, 3) == [(socket.AF_INET, ("127.0.0.1", 3))]
    assert resolver.asked == [NAME, NAME]  # answers are not kept: addresses change


async def test_an_address_asks_nobody(resolver):
    server = await serve("tcp://127.0.0.1:0", refuse)
    await (await connect(server.uri)).close()
    await server.close()
    assert await addresses("::1", 7) == [(socket.AF_INET6, ("::1", 7, 0, 0))]
    scope = socket.if_nametoindex("lo")
    for written in ("lo", str(scope)):
        found = await addresses(f"fe80::1%{written}", 7)
        assert found == [(socket.AF_INET6, ("fe80::1", 7, 0, scope))]
    assert not resolver.asked


@pytest.mark.parametrize("host", ["nobody.test", "two..dots", "x" * 70 + ".test"])
async def test_a_name_that_is_none_is_an_error_of_the_network(host, monkeypatch):
    real = socket.getaddrinfo

    def offline(name, *args, **options):
        name.encode("idna")
        return real(name, *args, flags=socket.AI_NUMERICHOST, **options)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(OSError, match=r".+"):
        await connect(f"tcp://{host}:1")


SATELLITE = """
import socket, sys, time
from satellite.__main__ import main

def dead(*_, **__):
    print("asked", flush=True)
    time.sleep(25)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

socket.getaddrinfo = dead
sys.exit(main(["run", "--hub", "tcp://localhost:1"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_satellite_stops_at_once_while_no_name_server_answers(number):
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SATELLITE),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            assert await child.stdout.readline() == b"asked\n"
            began = time.monotonic()
            child.send_signal(number)
            assert await child.wait() == 0
            assert time.monotonic() - began < 2.0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
