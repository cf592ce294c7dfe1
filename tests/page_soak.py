"""An hour of turns with the page open in five tabs: what they take in hub and browser.

Run as a program it takes as long as it is told:

    .venv/bin/python tests/page_soak.py --turns 360 --minutes 60
"""

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from browser import chromium, measuring
from processes import House
from wyoming.audio import AudioChunk, AudioStop
from wyoming.info import Info
from wyoming.snd import Played

from protocol.connection import ConnectionClosed, Limits
from protocol.control import Configure, Status, WakeWordStatus
from protocol.extensions import Introduction, introduce
from protocol.talk import Ask
from protocol.transport import connect

VIEWS = ("talk", "rooms", "rooms/Kitchen", "turns", "engines")  # one a tab
ROOMS = ("Study", "Office", "Porch")  # in writing
# Answered without a language model, so that an hour's turns take minutes.
QUESTIONS = (
    "What time is it?",
    "What day is it tomorrow?",
    "What timers do I have?",
    "What is the volume?",
    "What can you do?",
    "Turn on the lamp.",
)
# Conversations that grow fill the language model's cache, and then the memory where it is parked:
# to a bound, but one that is far away.
_LITTLE_MEMORY = "[memory]\nbudget = 200\n"
_JSON = aiohttp.ClientTimeout(total=60)


@dataclass
class Tab:
    """What one tab takes after its garbage was collected."""

    heap: int  # bytes
    nodes: int
    listeners: int

    @classmethod
    def of(cls, measured):
        names = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
        return cls(*(int(measured[name]) for name in names))


@dataclass
class Sample:
    """What all of it takes at one moment."""

    turns: int
    tabs: list[Tab]
    memory: int  # resident bytes of the hub, without the replies' sound that it keeps
    files: int  # that the hub has open
    websockets: int
    readers: int

    def __str__(self):
        tabs = "  ".join(f"{t.heap / 1e6:.2f} MB {t.nodes}/{t.listeners}" for t in self.tabs)
        return (
            f"{self.turns:4} turns  hub {self.memory / 1e6:.1f} MB, {self.files} files, "
            f"{self.websockets} websockets  tabs (heap nodes/listeners): {tabs}"
        )


@dataclass
class Kitchen:
    """A satellite that is asked things in writing, and has heard each answer at once."""

    address: str
    answered: asyncio.Queue = field(default_factory=asyncio.Queue)
    sound: int = 0  # bytes of the replies so far, which the hub keeps
    connection: object = None

    @contextlib.asynccontextmanager
    async def connected(self):
        limits = Limits(idle_timeout=30.0)
        async with await connect(self.address, limits=limits, heartbeat=2.0) as connection:
            self.connection = connection
            await connection.write(introduce(Info().event(), Introduction("Kitchen", "1")))
            reading = asyncio.create_task(self.read())
            try:
                yield self
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def read(self):
        words = (WakeWordStatus("hey_jarvis", "Hey Jarvis", active=True),)
        with contextlib.suppress(ConnectionClosed):
            while True:
                event = await self.connection.read()
                if Configure.is_type(event.type):
                    await self.connection.write(Status(False, 1.0, words))
                elif AudioChunk.is_type(event.type):
                    self.sound += len(event.payload)
                elif AudioStop.is_type(event.type):
                    await self.connection.write(Played())
                    self.answered.put_nowait(True)

    async def ask(self, text):
        await self.connection.write(Ask(text))
        async with asyncio.timeout(60):
            await self.answered.get()


class Soak:
    """Runs turns at a hub whose page is open in tabs, and measures.

    Args:
        hub: a process, see `processes.House.hub`.
        browser: in which the page is opened.
        kitchen: a satellite.
        pause: seconds between turns, so that the tabs draw each.
    """

    def __init__(self, hub, browser, kitchen, pause=0.1):
        self.hub = hub
        self.browser = browser
        self.kitchen = kitchen
        self.pause = pause
        self.turns = 0
        self.problems = []
        self.pages = []
        self.measures = []

    @contextlib.asynccontextmanager
    async def opened(self):
        """Open the page in all tabs."""
        context = await self.browser.new_context()
        try:
            for view in VIEWS:
                page = await context.new_page()
                page.on("pageerror", lambda problem: self.problems.append(str(problem)))
                await page.goto(f"{self.hub.web}/#/{view}")
                await ready(page)
                self.pages.append(page)
                self.measures.append(await measuring(page))
            async with aiohttp.ClientSession(self.hub.web, timeout=_JSON) as self.http:
                yield self
        finally:
            await context.close()

    async def run(self, turns):
        """Run so many turns."""
        for _ in range(turns):
            self.turns += 1
            text = QUESTIONS[self.turns % len(QUESTIONS)]
            if self.turns % 6 == 0:
                await self.kitchen.ask("What time is it?")  # a short answer, as it is spoken
            else:
                await self.post("/api/ask", text=text, room=ROOMS[self.turns % len(ROOMS)])
            if self.turns % 15 == 0:
                timer = await self.post("/api/timers", room="Kitchen", seconds=600, name="tea")
                async with self.http.delete(f"/api/timers/{timer['id']}") as answer:
                    assert answer.status == 200, await answer.text()
            if self.turns % 20 == 0:  # somebody goes through the page, and comes back
                step = self.turns // 20
                for number, page in enumerate(self.pages):
                    await show(page, VIEWS[(number + step) % len(VIEWS)])
            await asyncio.sleep(self.pause)

    async def post(self, path, **body):
        async with self.http.post(path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def sample(self):
        """Measure, with each tab where it was opened."""
        for view, page in zip(VIEWS, self.pages, strict=True):
            await show(page, view)
        await asyncio.sleep(2.0)
        tabs = [Tab.of(await measure()) for measure in self.measures]
        process = psutil.Process(self.hub.child.pid)
        connections = await self.connections()
        return Sample(
            self.turns,
            tabs,
            process.memory_info().rss - self.kitchen.sound,
            process.num_fds(),
            connections["websocket"],
            connections["reader"],
        )

    async def connections(self):
        """What the hub says of its connections."""
        async with aiohttp.ClientSession(self.hub.web, timeout=_JSON) as session:
            text = await (await session.get("/metrics")).text()
            rooms = await (await session.get("/api/rooms")).json()
        counts = re.findall(r'^parlour_connections\{kind="(\w+)"\} ([\d.]+)', text, re.MULTILINE)
        (readers,) = re.findall(r"^parlour_live_readers ([\d.]+)", text, re.MULTILINE)
        tabs = [r for r in rooms["rooms"] if r["kind"] == "tab" and r["state"] != "offline"]
        return {
            **{kind: int(float(count)) for kind, count in counts},
            "reader": int(float(readers)),
            "tab": len(tabs),
        }

    async def until_closed(self):
        """Wait until the hub has noticed that all tabs are gone."""
        async with asyncio.timeout(30):
            while True:
                left = await self.connections()
                if not (left["websocket"] or left["reader"] or left["tab"]):
                    return
                await asyncio.sleep(0.2)


async def ready(page):
    await page.locator("#readiness-text", has_text="Ready").wait_for(timeout=60_000)


async def show(page, view):
    await page.evaluate("view => { location.hash = '#/' + view; }", view)


@contextlib.asynccontextmanager
async def soaking(house, pause=0.1):
    """A hub, a satellite, and a browser with the page in all tabs."""
    async with (
        house.hub(extra=_LITTLE_MEMORY) as hub,
        Kitchen(hub.address).connected() as kitchen,
        chromium(
            "--disable-background-timer-throttling", "--disable-renderer-backgrounding"
        ) as browser,
    ):
        soak = Soak(hub, browser, kitchen, pause)
        async with soak.opened():
            yield soak
        assert soak.problems == []
        await soak.until_closed()


async def main(turns, minutes):
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        pause = max(0.05, minutes * 60 / turns - 0.1)
        async with soaking(House(root, Path(folder)), pause) as soak:
            for _ in range(12):
                await soak.run(turns // 12)
                print(await soak.sample(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=360)
    parser.add_argument("--minutes", type=float, default=60.0, help="that they take in all")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.turns, options.minutes)))
