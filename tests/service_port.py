"""A service port with scripted engines, on a real socket, and clients of it."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from scripted import WAKE_WORD, Bench, ScriptedLlm, ScriptedStt, ScriptedTts, ScriptedVad
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, Eventable

from hub.config import ServiceSettings, Settings, TurnSettings
from hub.conversation.room import Rooms
from hub.engines.base import BadInput, WakeDetection
from hub.engines.choices import wake_models
from hub.engines.supervisor import Supervised
from hub.service.server import ServiceServer
from protocol.connection import Connection, Limits
from protocol.transport import connect

TIMEOUT = 10.0


class ScriptedWake:
    """Hears the first of its names in every byte of `WAKE_WORD`."""

    name = "scripted-wake"
    device = "cpu"
    note = ""
    models = wake_models(Settings())

    def __init__(self) -> None:
        self.asked: list[tuple[list[str] | None, str | None]] = []
        self.open = 0

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    def stream(self, names=None, program=None) -> "ScriptedWakeStream":
        self.asked.append((names, program))
        for name in names or ():
            if name not in [model.name for model in self.models]:
                raise BadInput(f"no wake word {name!r}")
        self.open += 1
        return ScriptedWakeStream(self, (names or ["hey_jarvis"])[0])


class ScriptedWakeStream:
    def __init__(self, wake: ScriptedWake, name: str) -> None:
        self._wake = wake
        self._name = name
        self._heard = 0

    async def process(self, pcm: bytes) -> list[WakeDetection]:
        begin, self._heard = self._heard, self._heard + len(pcm) // 2
        at = pcm.find(WAKE_WORD[:1])
        return [] if at < 0 else [WakeDetection(self._name, begin + at // 2)]

    async def close(self) -> None:
        self._wake.open -= 1


def quick(**options) -> Bench:
    """A bench whose engines take milliseconds."""
    given = {
        "stt": ScriptedStt("turn on the lamp please", seconds=0.02),
        "llm": ScriptedLlm(first=0.01, each=0.002),
        "tts": ScriptedTts(0.002),
        "vad": ScriptedVad(),
        "settings": Settings(
            service=ServiceSettings(listen="tcp://127.0.0.1:0"),
            turn=TurnSettings(silence=0.2, no_speech=1.0),
        ),
    }
    return Bench(**(given | options))


@dataclass
class Client:
    """A client that says exactly what a test wants."""

    connection: Connection
    seen: list[Event] = field(default_factory=list)

    async def send(self, *events: Event | Eventable) -> None:
        for event in events:
            await self.connection.write(event)

    async def expect(self, event_type: str, timeout: float = TIMEOUT) -> Event:
        """Return the next event of that type; those before it are in `seen`."""
        async with asyncio.timeout(timeout):
            while True:
                event = await self.connection.read()
                self.seen.append(event)
                if event.type == event_type:
                    return event

    async def refused(self, code: str) -> str:
        """Wait for an `error` of that code, and for the end; return its text."""
        error = await self.expect("error")
        assert error.data["code"] == code, error.data
        async with asyncio.timeout(TIMEOUT):
            assert [event.type async for event in self.connection] == []
        return error.data["text"]

    async def send_sound(self, *pieces: bytes, stop: bool = True, **form) -> None:
        """Send audio; 16 kHz mono 16-bit unless told otherwise."""
        form = {"rate": 16000, "width": 2, "channels": 1, **form}
        await self.send(AudioStart(**form))
        for pcm in pieces:
            await self.send(AudioChunk(audio=pcm, **form))
        if stop:
            await self.send(AudioStop())

    async def say(self, *frames: bytes) -> None:
        """Send 20 ms frames as a microphone does."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        for number, frame in enumerate(frames, 1):
            await self.send(AudioChunk(16000, 2, 1, frame))
            await asyncio.sleep(began + 0.02 * number - clock.time())

    def types(self) -> list[str]:
        return [event.type for event in self.seen]


@dataclass
class Port:
    bench: Bench
    wake: ScriptedWake
    uri: str

    @contextlib.asynccontextmanager
    async def client(self):
        async with await connect(self.uri, limits=Limits(idle_timeout=None)) as connection:
            yield Client(connection)


@contextlib.asynccontextmanager
async def service_port(bench: Bench | None = None, load_timeout: float = 1.0):
    """Run a service port of a hub with scripted engines."""
    bench = await (bench or quick()).open(load_timeout)
    wake = ScriptedWake()

    async def give() -> ScriptedWake:
        return wake

    supervised = Supervised("wake", give)
    supervised.start()
    rooms = Rooms(bench.pipeline, bench.settings.memory, bench.ended.append)
    server = ServiceServer(bench.engines, supervised, rooms, bench.settings)
    uri = await server.start()
    try:
        yield Port(bench, wake, uri)
    finally:
        await server.close()
        await supervised.close()
