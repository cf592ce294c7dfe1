"""One Home Assistant, one hub and one satellite for all tests of this folder."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from ha_client import Client
from ha_server import LAMP, NOWADAYS, CannotBuild, HomeAssistant, build
from processes import NO_FOLLOW_UP, VOICE, House, Process, free_port

from protocol.audio import SPEECH, Converter
from protocol.private_files import write_private

WAKE = "Hey Jarvis."
ROOM = "kitchen"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.homeassistant)


@pytest.fixture(scope="session")
def built() -> Path:
    """A Home Assistant that can be started."""
    try:
        return build()
    except CannotBuild as problem:
        pytest.skip(str(problem))


def free_address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


class Home:
    """Home Assistant, a hub and a satellite that Home Assistant drives.

    Each may be stopped and started again, at the same address.
    """

    def __init__(self, assistant: HomeAssistant, house: House) -> None:
        self.assistant = assistant
        self.house = house
        self.satellite_address = free_address()
        self.hub: Process
        self.satellite: Process
        self._said = 0
        self._running: dict[str, AsyncExitStack] = {}

    async def start_hub(self) -> None:
        """Start the hub, which may control the home, too."""
        token = self.house.place("hub") / "home-assistant.token"
        if not token.exists():
            write_private(token, self.assistant.token.encode())
        home = f'[home_assistant]\nurl = "{self.assistant.url}"\ntoken_file = "{token}"\n'
        self.hub = await self._start("hub", self.house.hub(extra=home))

    async def start_satellite(self) -> None:
        waits = self.house.satellite(
            self.satellite_address, ROOM, waits=True, settings=NO_FOLLOW_UP
        )
        self.satellite = await self._start("satellite", waits)

    async def _start(self, name: str, process) -> Process:
        stack = self._running[name] = AsyncExitStack()
        return await stack.enter_async_context(process)

    async def stop(self, name: str) -> None:
        """Stop "hub" or "satellite", as systemd does."""
        if stack := self._running.pop(name, None):
            await stack.aclose()

    async def close(self) -> None:
        for name in list(self._running):
            await self.stop(name)

    def say(self, sound: bytes) -> None:
        """Put sound in the voice's format into the satellite's microphone."""
        self._said += 1
        self.house.say(self.satellite, f"{self._said:03d}", VOICE, sound)

    def text(self) -> str:
        """The last lines of all of them."""
        problems = "\n".join(self.assistant.problems()[-10:])
        return f"{self.satellite.text()}\n{self.hub.text()}\n{problems}"

    @property
    def heard_so_far(self) -> int:
        """Bytes of the loudspeaker's wave file; what is played later is behind them."""
        return self.satellite.heard_wav.stat().st_size

    async def heard_since(self, since: int) -> np.ndarray:
        """Return what the loudspeaker has played since, as 24 kHz samples from -1 to 1."""
        await asyncio.sleep(1.5)  # it writes once a second
        raw = self.satellite.heard_wav.read_bytes()[max(since, 44) :]
        return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float32) / 32768


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(built, site, tmp_path_factory):
    """All of them, running; nothing was added to Home Assistant yet."""
    house = House(site, tmp_path_factory.mktemp("house"))
    house.listen, house.service = free_address(), free_address()
    assistant = HomeAssistant(built)
    home = Home(assistant, house)
    async with assistant.running():
        try:
            await home.start_hub()
            await home.start_satellite()
            yield home
        finally:
            await home.close()


@pytest_asyncio.fixture(loop_scope="session")
async def client(home):
    """A user of Home Assistant, logged in."""
    async with home.assistant.client() as client:
        yield client


class Added:
    """What a user has made of Parlour in Home Assistant: entries, and two assistants."""

    hub: str
    satellite: str
    device: str  # the satellite's
    entity: str  # "assist_satellite...", or else the sensor that tells of a running pipeline
    rest: str  # its state when nothing goes on
    assist: str  # the pipeline that Home Assistant's own agent answers
    parlour: str  # the one that Parlour answers, `nowadays`


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def added(home):
    """Hub and satellite, added as a user adds them; the satellite takes the pipeline "Assist"."""
    added = Added()
    async with home.assistant.client() as client:
        added.hub = await client.add_wyoming(home.hub.service)
        if home.assistant.version >= NOWADAYS:
            agent = (await client.entity(added.hub, "conversation"))["entity_id"]
            added.parlour = await client.make_pipeline("Parlour", added.hub, agent)
        added.assist = await client.make_pipeline("Assist", added.hub, await client.own_agent())
        await client.expose(LAMP)
        added.satellite = await client.add_wyoming(home.satellite_address)
        if home.assistant.version >= NOWADAYS:
            entity = await client.entity(added.satellite, "assist_satellite")
            added.rest = "idle"
        else:
            entity = await client.entity(added.satellite, "binary_sensor")
            added.rest = "off"
        added.entity, added.device = entity["entity_id"], entity["device_id"]
        await client.wait_for_state(added.entity, added.rest, timeout=20)
    return added


@pytest.fixture
def nowadays(home):
    """A Home Assistant that knows timers, and what a satellite does."""
    if home.assistant.version < NOWADAYS:
        version = ".".join(map(str, home.assistant.version))
        pytest.skip(f"Home Assistant {version} has none of this yet")


@pytest_asyncio.fixture(loop_scope="session")
async def lamp_off(client: Client) -> str:
    """The lamp, switched off."""
    await client.service("light.turn_off", LAMP)
    await client.wait_for_state(LAMP, "off")
    return LAMP


@pytest.fixture(scope="session")
def spoken(voice):
    """Say something: text → 16 kHz mono 16-bit."""

    def say(text: str) -> bytes:
        converter = Converter(VOICE, SPEECH)
        return converter.process(voice(text)) + converter.flush()

    return say
