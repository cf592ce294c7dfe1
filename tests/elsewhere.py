"""A house whose hub hears, thinks and speaks by other projects' servers, and by none of its own.

Each runs in an environment of its own (tests/environments.py), as its makers deliver it:
wyoming-faster-whisper and wyoming-piper, and llama-cpp-python's server with OpenAI's API.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from environments import (
    FASTER_WHISPER_SERVER,
    PIPER_SERVER,
    PIPER_VOICE,
    environment,
    peer_process,
    piper_voices,
)
from llm_server import SERVED, llm_server
from processes import House, Process

from hub.models.fetch import ModelMissing, path_of


@dataclass
class ElsewhereHouse(House):
    """Nothing stands in for a server, so that what works is the servers' work."""

    servers: dict[str, Process] = field(default_factory=dict)

    @asynccontextmanager
    async def hub(self, *arguments, **options):
        if self.servers:  # another hub of the same house
            async with super().hub(*arguments, **options) as hub:
                yield hub
            return
        async with AsyncExitStack() as stack:
            hears = await stack.enter_async_context(ears(self))
            speaks = await stack.enter_async_context(mouth(self))
            thinks = await stack.enter_async_context(llm_server(self.place("peer")))
            self.servers = {"stt": hears, "tts": speaks, "llm": thinks}
            self.tables = (
                f'[stt]\nengine = "{wyoming(hears)}"\nfallback = ""\n'
                f'[tts]\nengine = "{wyoming(speaks)}"\nvoice = "{PIPER_VOICE}"\nfallback = ""\n'
            )
            self.llm = f'engine = "openai+{thinks.url}"\nmodel = "{SERVED}"\nfallback = ""\n'
            async with super().hub(*arguments, **options) as hub:
                yield hub
        self.servers = {}


def wyoming(server: Process) -> str:
    """Return how a hub's settings name a server."""
    return server.url.replace("tcp://", "wyoming://")


@asynccontextmanager
async def ears(house: House, uri: str = ""):
    """Run wyoming-faster-whisper with the smallest model; yields its process, with its `url`."""
    try:
        model = path_of("whisper-tiny.en")
    except ModelMissing:
        pytest.skip("run: make models")
    python = await asyncio.to_thread(environment, *FASTER_WHISPER_SERVER)
    data = house.place("peer")
    options = ("--model", str(model), "--data-dir", str(data), "--language", "en")
    async with peer_process(house, python, "wyoming_faster_whisper", *options, uri=uri) as server:
        yield server


@asynccontextmanager
async def mouth(house: House, uri: str = ""):
    """Run wyoming-piper with the voice `PIPER_VOICE`; yields its process, with its `url`."""
    python = await asyncio.to_thread(environment, *PIPER_SERVER)
    options = ("--voice", PIPER_VOICE, "--data-dir", str(piper_voices(python)))
    async with peer_process(house, python, "wyoming_piper", *options, uri=uri) as server:
        yield server
