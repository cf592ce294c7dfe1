"""Hub and satellite processes whose lines are shown, for the scripts here."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 120.0  # seconds; a cold disk takes its time to read the models


class Failed(Exception):
    """It did not come to its end; the message says what went wrong."""


class Process:
    """A child whose output is shown line by line, and waited for."""

    def __init__(self, name: str, child: asyncio.subprocess.Process) -> None:
        self.name = name
        self.lines: list[str] = []
        self._child = child

    async def wait_for(self, pattern: str, timeout: float, otherwise: str) -> re.Match[str]:
        """Show lines until one matches `pattern`; lines seen before count too.

        Raises:
            Failed: none did in `timeout` seconds; says `otherwise`.
        """
        for line in self.lines:
            if match := re.search(pattern, line):
                return match
        try:
            async with asyncio.timeout(timeout):
                while (line := await self._line()) is not None:
                    self.lines.append(line)
                    if match := re.search(pattern, line):
                        return match
        except TimeoutError:
            raise Failed(otherwise) from None
        raise Failed(f"the {self.name} ended with exit code {await self._child.wait()}")

    async def show(self) -> int:
        """Show every further line; return the exit code when it has ended."""
        while await self._line() is not None:
            pass
        return await self._child.wait()

    async def _line(self) -> str | None:
        assert self._child.stdout is not None
        raw = await self._child.stdout.readline()
        if not raw:
            return None
        line = raw.decode(errors="replace").rstrip()
        print(f"  {self.name:<9} | {line}", flush=True)
        return line


@asynccontextmanager
async def running(name: str, *arguments: str) -> AsyncIterator[Process]:
    """Run `python -m ARGUMENTS` while the block lasts."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        "-m",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Process(name, child)
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(10):
                await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()


async def start_hub(hub: Process) -> str:
    """Wait until the hub is ready; return the address for satellites.

    Raises:
        Failed: it does not get ready.
    """
    slow = f"the hub did not start in {START_TIMEOUT:g} s"
    address = (await hub.wait_for(r"listening for satellites on (\S+)", START_TIMEOUT, slow))[1]
    if problem := (await hub.wait_for(r"^(?:ready|not ready: (.*))", START_TIMEOUT, slow))[1]:
        raise Failed(problem)
    return address
