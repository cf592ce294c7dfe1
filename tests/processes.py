"""Real hub and satellite processes for end-to-end tests.

They run the built wheel, from a folder that has none of the sources, so that what is missing from
the wheel is missed here.
"""

import asyncio
import os
import re
import socket
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from protocol.audio import PcmFormat, write_wav

START_TIMEOUT = 120.0
# (a model's question would begin a turn that no test has asked for)
NO_FOLLOW_UP = "[follow_up]\nenabled = false\n"
LLM = "qwen2.5-coder-0.5b-instruct-q4_k_m"  # on any machine: the tests know how it answers
ANY_PORT = "http://127.0.0.1:0"
VOICE = PcmFormat(24000, 2, 1)  # what the fixture `voice` speaks


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ProcessEnded(AssertionError):
    """It ended, or did not say what was waited for; the message has its last lines."""


@dataclass
class Process:
    """A child whose lines are collected, with the moment at which each came."""

    name: str
    child: asyncio.subprocess.Process
    lines: list[tuple[float, str]] = field(default_factory=list)

    def start_reading(self) -> None:
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while raw := await self.child.stdout.readline():
            self.lines.append((time.monotonic(), raw.decode(errors="replace").rstrip()))

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for _, line in self.lines)

    def text(self) -> str:
        return "\n".join(f"{self.name}| {line}" for _, line in self.lines[-60:])

    async def wait_for(self, pattern: str, *, nth: int = 1, timeout: float = 60.0) -> re.Match:
        """Return the nth match among all lines so far and to come."""
        deadline = time.monotonic() + timeout
        while True:
            matches = [m for _, line in self.lines if (m := re.search(pattern, line))]
            if len(matches) >= nth:
                return matches[nth - 1]
            if self._reader.done() or time.monotonic() > deadline:
                raise ProcessEnded(f"{self.name}: no {nth}. {pattern!r}\n{self.text()}")
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        self.child.kill()

    async def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, and SIGKILL if that does not help; return the exit code."""
        if self.child.returncode is None:
            self.child.terminate()
        try:
            code = await asyncio.wait_for(self.child.wait(), timeout)
        except TimeoutError:
            self.child.kill()
            await self.child.wait()
            raise ProcessEnded(f"{self.name} did not stop on SIGTERM\n{self.text()}") from None
        await self._reader
        return code

    def memory(self) -> int:
        """Resident bytes."""
        return psutil.Process(self.child.pid).memory_info().rss


@dataclass
class House:
    """A folder of a test's own, and the processes that run in it."""

    site: Path  # where the wheel is unpacked
    folder: Path
    listen: str = "tcp://127.0.0.1:0"  # where the hub listens for satellites
    service: str = "tcp://127.0.0.1:0"  # where it listens for Wyoming clients
    rooms_address: str = "127.0.0.1"  # of the satellites' machine
    link: str = ""  # of hub.toml
    tables: str = ""  # before all others
    llm: str = ""  # of [llm], instead of the model

    def environment(self, machine: str) -> dict[str, str]:
        """What a process on the machine "hub" or "rooms" finds."""
        place = self.place(machine)
        own = {"XDG_STATE_HOME": str(place / "state"), "XDG_CONFIG_HOME": str(place / "config")}
        return {**os.environ, **own, "PYTHONPATH": str(self.site), "PYTHONUNBUFFERED": "1"}

    def place(self, machine: str) -> Path:
        """Return the folder of a machine's own files."""
        folder = self.folder / machine
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def store(self) -> Path:
        """The hub's record of turns."""
        return self.place("hub") / "state" / "parlour" / "hub.db"

    def command(self, machine: str, *arguments: str) -> list[str]:
        """What to execute for `python -m ARGUMENTS` on a machine."""
        return [sys.executable, "-m", *arguments]

    @asynccontextmanager
    async def process(self, name: str, *arguments: str, machine: str):
        child = await asyncio.create_subprocess_exec(
            *self.command(machine, *arguments),
            cwd=self.place(machine),
            env=self.environment(machine),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        process = Process(name, child)
        process.start_reading()
        try:
            yield process
        finally:
            await process.stop()

    @asynccontextmanager
    async def hub(
        self,
        listen: str | None = None,
        *,
        ready: bool = True,
        extra: str = "",
        link: str = "",
        model: str = LLM,
        web: str = ANY_PORT,
    ):
        """A hub that serves; `link` goes into hub.toml's [link], `extra` into [llm] and behind."""
        config = self.place("hub") / "hub.toml"
        llm = self.llm or f'model = "{model}"\n'
        tables = f"{self.tables}[link]\n{self.link}{link}[llm]\n{llm}{extra}"
        config.write_text(tables, encoding="utf-8")
        arguments = ("hub", "--config", str(config), "serve", "--show")
        ports = ("--listen", listen or self.listen, "--service", self.service, "--web", web)
        async with self.process("hub", *arguments, *ports, machine="hub") as hub:
            found = await hub.wait_for(r"satellites on (\S+)", timeout=START_TIMEOUT)
            hub.address = found[1]
            found = await hub.wait_for(r"Wyoming clients on (\S+)", timeout=START_TIMEOUT)
            hub.service = found[1]
            found = await hub.wait_for(r"the page is at (\S+)", timeout=START_TIMEOUT)
            hub.web = found[1]
            if ready:
                await hub.wait_for(r"^ready", timeout=START_TIMEOUT)
            yield hub

    async def reach(self, address: str, room: str) -> tuple[str, ...]:
        """Return what the room's satellite is told, so that it finds the hub at `address`."""
        return ("--config", self.begun(room, ""), "--hub", address, "--room", room)

    async def waiting(self, address: str, room: str) -> tuple[str, ...]:
        """Return what it is told, so that it waits at `address` to be dialled."""
        return ("--config", self.begun(room, ""), "--listen", address, "--room", room)

    def begun(self, room: str, settings: str) -> str:
        """Begin the settings file of a room's satellite, and return its path."""
        file = self.place("rooms") / f"{room}.toml"
        file.write_text(settings, encoding="utf-8")
        return str(file)

    def finish(self, room: str, settings: str) -> None:
        """Add `settings` to the file that was begun."""
        with (self.place("rooms") / f"{room}.toml").open("a", encoding="utf-8") as file:
            file.write(settings)

    @asynccontextmanager
    async def satellite(
        self,
        address: str,
        room: str = "kitchen",
        *,
        wake: str = "hey_jarvis",
        waits: bool = False,
        settings: str = NO_FOLLOW_UP,
        options: tuple[str, ...] = (),
    ):
        """A satellite that dials the hub at `address`; or `waits` there to be dialled.

        `settings` end its settings file, which holds what it needs to find the hub.
        """
        spool = self.place("rooms") / f"say-{room}"
        spool.mkdir(exist_ok=True)
        heard = self.place("rooms") / f"{room}.wav"
        where = await (self.waiting if waits else self.reach)(address, room)
        devices = ("--microphone", f"spool:{spool}", "--speaker", f"wave:{heard}")
        self.finish(room, settings)
        arguments = ("satellite", "run", *where, "--wake-word", wake, *devices, *options)
        async with self.process(room, *arguments, machine="rooms") as satellite:
            satellite.spool, satellite.heard_wav = spool, heard
            started = "waiting for a driver" if waits else "^ready"
            await satellite.wait_for(started, timeout=START_TIMEOUT)
            yield satellite

    def say(self, satellite: Process, name: str, form: PcmFormat, pcm: bytes) -> None:
        """Put a recording into the satellite's microphone."""
        partial = satellite.spool / f"{name}.part"
        write_wav(partial, form, pcm)
        partial.rename(satellite.spool / f"{name}.wav")
