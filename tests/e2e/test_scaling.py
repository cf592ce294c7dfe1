"""A hub whose speech engines are two of each behind HAProxy, as docs/scaling.md has it."""

import asyncio
import os
import re
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from processes import VOICE, free_port

pytestmark = [pytest.mark.long, pytest.mark.local]
SAMPLE = Path(__file__).parents[2] / "deploy" / "haproxy.sample.cfg"
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ENDED = r"turn ended: (\S+)"
LONG = "Tell me about elephants."
SHORT = "What is the capital of France?"


def sample_with(fronts, replicas):
    """Return the sample with the ports of a test: the fronts', and those of (role, number)."""
    text = SAMPLE.read_text(encoding="utf-8")
    for role, port in (("stt", 10300), ("tts", 10200)):
        text = text.replace(f"bind 127.0.0.1:{port}", f"bind 127.0.0.1:{fronts[role]}")
        for number, address in ((1, "192.168.1.21"), (2, "192.168.1.22")):
            text = text.replace(f"{address}:{port}", f"127.0.0.1:{replicas[role, number]}")
    return text


@asynccontextmanager
async def haproxy(house, config):
    file = house.place("haproxy") / "haproxy.cfg"
    file.write_text(config, encoding="utf-8")
    child = await asyncio.create_subprocess_exec(HAPROXY, "-db", "-f", file)
    try:
        await asyncio.sleep(0.3)
        assert child.returncode is None
        yield
    finally:
        child.terminate()
        await child.wait()


async def test_replicas_share_the_work_and_one_that_dies_is_not_missed(house, ask):
    if HAPROXY is None:
        pytest.skip("run: apt-get install haproxy")
    long, short = ask(LONG), ask(SHORT)
    fronts = {role: free_port() for role in ("stt", "tts")}
    replicas = {(role, number): free_port() for role in fronts for number in (1, 2)}
    engines = "".join(
        f'[{role}]\nengine = "wyoming://127.0.0.1:{port}"\nfallback = ""\n'
        for role, port in fronts.items()
    )

    def replica(role, number):
        listen = ("--listen", f"tcp://127.0.0.1:{replicas[role, number]}")
        return house.process(
            f"{role}{number}", "hub.engines.serve", role, *listen, machine=f"{role}{number}"
        )

    async with AsyncExitStack() as stack:
        running = {one: await stack.enter_async_context(replica(*one)) for one in replicas}
        for process in running.values():
            await process.wait_for("is ready on")
        await stack.enter_async_context(haproxy(house, sample_with(fronts, replicas)))
        hub = await stack.enter_async_context(house.hub(extra=engines))
        kitchen = await stack.enter_async_context(house.satellite(hub.address))
        house.say(kitchen, "1", VOICE, short)
        assert (await hub.wait_for(ENDED))[1] == "answered", hub.text()

        # Both are asked: the idle one is the next one's turn.
        for number, one in enumerate(("2", "3"), 2):
            house.say(kitchen, one, VOICE, short)
            assert (await hub.wait_for(ENDED, nth=number))[1] == "answered", hub.text()

        # One of each dies while the hub speaks.
        said = hub.count("kitchen: says: ")
        house.say(kitchen, "4", VOICE, long)
        await hub.wait_for("kitchen: says: ", nth=said + 2)
        running["tts", 1].kill()
        running["stt", 1].kill()
        ended = await hub.wait_for(ENDED, nth=4)
        print(f"the turn that met it: {ended[1]}")

        for number, one in enumerate(("5", "6", "7"), 5):
            house.say(kitchen, one, VOICE, short)
            assert (await hub.wait_for(ENDED, nth=number))[1] == "answered", hub.text()
        assert not re.search("Traceback", hub.text())

        # It is used again when it is back, alone.
        again = await stack.enter_async_context(replica("tts", 1))
        heard = await stack.enter_async_context(replica("stt", 1))
        for process in (again, heard):
            await process.wait_for("is ready on")
        await asyncio.sleep(5)  # HAProxy looks every 2 s
        running["tts", 2].kill()
        running["stt", 2].kill()
        await asyncio.sleep(5)
        house.say(kitchen, "8", VOICE, short)
        assert (await hub.wait_for(ENDED, nth=8))[1] == "answered", hub.text()
        print(hub.text())
