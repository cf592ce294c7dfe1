"""Wyoming servers that behave as a test wants, on real sockets, and the hub's clients of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from wyoming.event import Event

from hub.engines.remote.wyoming_stt import WyomingStt
from hub.engines.remote.wyoming_tts import WyomingTts
from protocol.connection import Connection, ConnectionClosed, ProtocolError
from protocol.transport import serve

TIMEOUT = 10.0
FORM = {"rate": 16000, "width": 2, "channels": 1}
SECOND = bytes(range(1, 251)) * 128  # of 16 kHz, 16-bit mono: 32000 bytes
ARTEFACT = {"attribution": {"name": "", "url": ""}, "installed": True}

Behave = Callable[["Peer", Event], Awaitable[None]]


class Peer:
    """One connection of a server, as its behaviour sees it; remembers what was said to it."""

    def __init__(self, connection: Connection, house: "Strange") -> None:
        self.connection = connection
        self.house = house

    async def say(self, kind: str, data=None, payload=None) -> None:
        await self.connection.write(Event(kind, data or {}, payload))

    async def sentence(self, pcm: bytes = SECOND, **form) -> None:
        form = {**FORM, **form}
        await self.say("audio-start", form)
        for at in range(0, len(pcm), 4001):  # cut inside a sample, too
            await self.say("audio-chunk", form, pcm[at : at + 4001])
        await self.say("audio-stop")


class Strange:
    """A Wyoming server that behaves as a test wants."""

    def __init__(self, behave: Behave, info: dict) -> None:
        self.behave = behave
        self.info = info
        self.said: list[Event] = []
        self.connections = 0
        self.open = 0
        self.ended = asyncio.Event()  # set whenever a connection has ended
        self.uri = ""
        self.close: Callable[[], Awaitable[None]]

    async def handle(self, connection: Connection) -> None:
        self.connections += 1
        self.open += 1
        peer = Peer(connection, self)
        try:
            while True:
                event = await connection.read()
                if event.type == "describe":
                    await peer.say("info", self.info)
                    continue
                self.said.append(event)
                await self.behave(peer, event)
        except (ConnectionClosed, ProtocolError):
            pass
        finally:
            self.open -= 1
            self.ended.set()

    def asked(self, kind: str) -> list[dict]:
        return [event.data for event in self.said if event.type == kind]


@contextlib.asynccontextmanager
async def strange(behave: Behave, info: dict, uri: str = "tcp://127.0.0.1:0"):
    house = Strange(behave, info)
    server = await serve(uri, house.handle)
    house.uri, house.close = server.uri, server.close
    try:
        yield house
    finally:
        await server.close()


def hears(*models: tuple[str, list[str]], **more) -> dict:
    offered = [{"name": name, "languages": tags, **ARTEFACT} for name, tags in models]
    return {"asr": [{"name": "ears", "models": offered, **ARTEFACT, **more}]}


def speaks(*voices: tuple[str, list[str]], speakers=(), **more) -> dict:
    offered = [
        {"name": name, "languages": tags, "speakers": [{"name": s} for s in speakers], **ARTEFACT}
        for name, tags in voices
    ]
    return {"tts": [{"name": "mouth", "voices": offered, **ARTEFACT, **more}]}


STOCK_EARS = hears(("tiny", ["en_US"]))
EARS = hears(("tiny", ["en_US"]), parlour={})  # of an engine process of ours
MOUTH = speaks(("joe", ["en_US"]))


@contextlib.asynccontextmanager
async def stt(house: Strange, model=None, languages=("en",)) -> AsyncIterator[WyomingStt]:
    engine = WyomingStt(house.uri, model, languages)
    try:
        await engine.load()
        yield engine
    finally:
        await engine.close()


@contextlib.asynccontextmanager
async def tts(house: Strange, voice=None, language="en") -> AsyncIterator[WyomingTts]:
    engine = WyomingTts(house.uri, voice, language)
    try:
        await engine.load()
        yield engine
    finally:
        await engine.close()


async def spoken(engine: WyomingTts, text: str = "Hello there.", **how) -> bytes:
    async with asyncio.timeout(TIMEOUT):
        return b"".join([pcm async for pcm in engine.synthesize(text, **how)])


def answers(text: str, **measures) -> Behave:
    async def behave(peer: Peer, event: Event) -> None:
        if event.type == "audio-stop":
            await peer.say("transcript", {"text": text, **measures})

    return behave


async def one_sentence(peer: Peer, event: Event) -> None:
    if event.type == "synthesize":
        await peer.sentence()


def after_load(then: Behave, first: Behave = one_sentence, times: int = 2) -> Behave:
    """Behave as `first` for the sentences of `load`, and as `then` from there on."""
    left = [times]

    async def behave(peer: Peer, event: Event) -> None:
        if left[0]:
            left[0] -= event.type == "synthesize"
            await first(peer, event)
        else:
            await then(peer, event)

    return behave


def with_facts(**facts) -> dict:
    return speaks(("laura", ["en"]), ("jon", ["en"]), parlour=facts)
