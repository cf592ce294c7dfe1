"""A satellite that waits to be dialled is found on the network, by real multicast."""

import asyncio
import contextlib

from discovering import unique_name

from protocol.discovery import WYOMING, look_for_services
from satellite.app import published
from satellite.config import Settings
from satellite.pairing import Target

TIMEOUT = 15.0


async def test_a_satellite_is_found_only_where_others_may_dial_it():
    found = asyncio.Queue()
    task = asyncio.create_task(look_for_services(lambda *service: found.put_nowait(service)))
    near, quiet, far = (unique_name() for _ in range(3))
    try:
        async with contextlib.AsyncExitStack() as stack:
            for name, settings, uri in (
                (near, Settings(), "tcp://127.0.0.1:10700"),
                (quiet, Settings(announce=False), "tcp://0.0.0.0:10701"),
                (far, Settings(), "tcp://0.0.0.0:10702"),
            ):
                target = Target(uri=None, room=f"{name} room")
                await stack.enter_async_context(published(settings, target, uri))
            seen = []
            async with asyncio.timeout(TIMEOUT):
                while not any(name.startswith(far) for name in seen):
                    name, addresses = await found.get()
                    seen.append(name.removesuffix(f".{WYOMING}"))
                    last = addresses
            assert not [name for name in seen if name.startswith((near, quiet))]
            assert last
            assert {address.port for address in last} == {10702}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_satellite_on_a_unix_socket_is_nothing_to_announce(tmp_path):
    target = Target(uri=None, room="Hall")
    async with published(Settings(), target, f"unix://{tmp_path}/satellite"):
        pass
