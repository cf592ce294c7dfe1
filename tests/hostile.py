"""Peers that nobody wants: malformed frames, claims of gigabytes, silence, deafness."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event

from protocol.connection import _encode

REPLY_TIMEOUT = 20.0  # seconds; the hub's own limit for a frame is 10
HOPELESS = ("_not_an_event", "_bad_length", "_too_large")
"""Kinds that no reading can save: the hub has to end the connection by itself."""
_EVENTS = (  # noqa: SIM905 - a word a line would be forty lines
    "describe info transcribe transcript audio-start audio-chunk audio-stop synthesize "
    "synthesize-start synthesize-chunk synthesize-stop detect run-pipeline run-satellite "
    "select-program playback played detection hold flush resume ping pong error recognize x"
).split()
_VALUES = (
    *(None, True, -1, 0, 1e308, 2**63, "", "x", "\x00", "é" * 99, [], [[]], {}, {"name": 7}),
    *([None] * 50, {"a": {"b": {"c": []}}}, "NaN", [{"name": None}], "en", 16000, 2, 1),
)
_FIELDS = (  # noqa: SIM905 - as above
    "rate width channels timestamp text name names language voice context turn samples_played "
    "start_stage end_stage parlour asr tts satellite wake transcript_names vad_sensitivity"
).split()


def frames(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield frames that are wrong in some way, each with its kind; the same for the same seed."""
    chance = random.Random(seed)
    kinds = (_noise, _not_an_event, _bad_length, _cut_off, _too_large, _wrong_fields, _flipped)
    while True:
        kind = chance.choice(kinds)
        yield kind.__name__, kind(chance)


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 400)) + b"\n" * chance.randrange(2)


def _not_an_event(chance: random.Random) -> bytes:
    return chance.choice(
        (
            b"\n",
            b"\r\n\r\n",
            b"null\n",
            b"[]\n",
            b"{}\n",
            b'{"type": 7}\n',
            b'{"type": "describe", "data": []}\n',
            b'{"type": "describe"\n',
            b'{"type": "\xff"}\n',
            b'{"type": "\\ud800"}\n',
            b"[" * 50_000 + b"\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(300) + b"\n",
        )
    )


def _bad_length(chance: random.Random) -> bytes:
    header = {"type": chance.choice(_EVENTS)}
    header[chance.choice(("data_length", "payload_length"))] = chance.choice(
        (-1, 1.5, "7", True, [], 2**31, 10**9, 10**30)
    )
    return json.dumps(header).encode() + b"\n"


def _cut_off(chance: random.Random) -> bytes:
    whole = _encode(Event(chance.choice(_EVENTS), {"text": "x" * 200}, b"\0" * 500))
    return whole[: chance.randrange(1, len(whole) - 1)]


def _too_large(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return b'{"type": "' + b"x" * 70_000
    length = chance.choice((2_000_000, 1_000_000_000))
    return b'{"type": "audio-chunk", "payload_length": %d}\n' % length + bytes(2000)


def _wrong_fields(chance: random.Random) -> bytes:
    data = {chance.choice(_FIELDS): chance.choice(_VALUES) for _ in range(chance.randrange(1, 5))}
    payload = chance.randbytes(chance.randrange(0, 99)) or None
    return _encode(Event(chance.choice(_EVENTS), data, payload))


def _flipped(chance: random.Random) -> bytes:
    event = Event("synthesize", {"text": "Good morning.", "voice": {"name": "heart"}})
    frame = bytearray(_encode(event))
    for _ in range(chance.randrange(1, 4)):
        frame[chance.randrange(len(frame))] = chance.randrange(256)
    return bytes(frame)


@asynccontextmanager
async def raw(uri: str):
    """A plain TCP connection to tcp://HOST:PORT."""
    host, _, port = uri.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def attack(uri: str, count: int, *, seed: int, at_once: int = 40) -> Counter[str]:
    """Send `count` bad frames, each on a connection of its own; tell how the hub took them."""
    source = frames(seed)
    results: Counter[str] = Counter()
    left = count

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            kind, frame = next(source)
            results[await _send(uri, frame, hang_up=kind not in HOPELESS)] += 1

    async with asyncio.TaskGroup() as attackers:
        for _ in range(at_once):
            attackers.create_task(one_after_another())
    return results


async def _send(uri: str, frame: bytes, *, hang_up: bool) -> str:
    try:
        async with asyncio.timeout(REPLY_TIMEOUT), raw(uri) as (reader, writer):
            writer.write(frame)
            if hang_up:  # else the peer would not know that nothing more comes
                writer.write_eof()
            said = await reader.read()  # until the hub closes
    except TimeoutError:
        return "left open"
    except OSError:
        return "reset"
    return "error, then closed" if b'"error"' in said else "closed"


@asynccontextmanager
async def flood(uri: str, peers: int, event_type: str):
    """Peers that send small frames as fast as the hub takes them."""
    frames = _encode(Event(event_type)) * 2000

    async def send() -> None:
        while True:
            with suppress(OSError):
                async with raw(uri) as (reader, writer):
                    draining = asyncio.create_task(_drain(reader))
                    try:
                        while not writer.is_closing():
                            writer.write(frames)
                            await writer.drain()
                    finally:
                        draining.cancel()
                        await asyncio.gather(draining, return_exceptions=True)
            await asyncio.sleep(0.01)

    sending = [asyncio.create_task(send()) for _ in range(peers)]
    try:
        yield
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


@asynccontextmanager
async def silent_peers(uri: str, count: int):
    """`count` connections that say nothing; those that are turned away count too."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            with suppress(OSError):
                await stack.enter_async_context(raw(uri))
        yield


@asynccontextmanager
async def deaf_peer(uri: str, question: Event):
    """A peer that asks again and again, and reads nothing of the answers."""
    async with raw(uri) as (reader, writer):
        reader._transport.pause_reading()

        async def ask() -> None:
            with suppress(OSError):
                while True:
                    writer.write(_encode(question))
                    await writer.drain()
                    await asyncio.sleep(0.005)

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


def utterance(pcm: bytes, chunk: int = 2048) -> list[Event]:
    """16 kHz mono 16-bit sound as a stock client sends it."""
    chunks = [pcm[at : at + chunk] for at in range(0, len(pcm), chunk)]
    return [
        AudioStart(16000, 2, 1).event(),
        *(AudioChunk(16000, 2, 1, part).event() for part in chunks),
        AudioStop().event(),
    ]
