"""A real Home Assistant process, as deploy/home_assistant.sh builds it."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from ha_client import Client, Refused, onboarded
from processes import free_port

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 120.0  # seconds; the first start under load takes longest
LAMP = "light.living_room_lamp"
NOWADAYS = (2024, 10)  # the first version with `assist_satellite` entities
NEEDED = ("assist_pipeline", "conversation", "stt", "tts", "template", "api", "config")
# What Home Assistant says by itself on any such machine, and what is not ours to mend.
NOISE = re.compile(
    r"aiohttp_fast_zlib|Skipping pip|custom integration|non-existing handler|isal|libturbojpeg"
    r"|default.*internal_url|zlib_ng"
)

CONFIGURATION = """\
homeassistant:
  name: Test home
  latitude: 0
  longitude: 0
  elevation: 0
  unit_system: metric
  time_zone: UTC
  country: US
  language: en
  internal_url: "http://127.0.0.1:{port}"
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
config:
onboarding:
assist_pipeline:
media_source:
input_boolean:
  lamp:
    name: The lamp's own switch
{light}
logger:
  default: warning
"""
# A light, as real as one without wires can be: what it does shows in another entity.
_ACTIONS = """\
{i}turn_on: {{service: input_boolean.turn_on, target: {{entity_id: input_boolean.lamp}}}}
{i}turn_off: {{service: input_boolean.turn_off, target: {{entity_id: input_boolean.lamp}}}}
"""
LIGHT_2024 = """\
light:
  - platform: template
    lights:
      living_room_lamp:
        friendly_name: Living room lamp
        unique_id: living_room_lamp
        value_template: "{{ is_state('input_boolean.lamp', 'on') }}"
""" + _ACTIONS.format(i="        ")
LIGHT = """\
template:
  - light:
      - name: Living room lamp
        unique_id: living_room_lamp
        state: "{{ is_state('input_boolean.lamp', 'on') }}"
""" + _ACTIONS.format(i="        ")


class CannotBuild(Exception):
    """Why there is no Home Assistant here."""


def build() -> Path:
    """Return the folder of a built Home Assistant; builds it where that was not done yet."""
    script = subprocess.run(
        [ROOT / "deploy" / "home_assistant.sh"], stdout=subprocess.PIPE, text=True, timeout=1800
    )
    if script.returncode != 0:
        raise CannotBuild("deploy/home_assistant.sh failed (see above)")
    return Path(script.stdout.splitlines()[-1])


class HomeAssistant:
    """A Home Assistant with one light, that nobody has seen before.

    Args:
        folder: where it was built.
        own: what its owner has added to its configuration.
    """

    def __init__(self, folder: Path, own: str = "") -> None:
        self._folder = folder
        self.version = tuple(int(n) for n in folder.name.rpartition("-")[2].split("."))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = Path(tempfile.mkdtemp(prefix="test-", dir=folder / "homes"))
        self.token = ""
        self._child: asyncio.subprocess.Process | None = None
        light = LIGHT_2024 if self.version < (2025, 9) else LIGHT
        text = CONFIGURATION.format(port=self.port, light=light)
        (self.home / "configuration.yaml").write_text(text + own, encoding="utf-8")

    @property
    def log_file(self) -> Path:
        return self.home / "test.log"

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def problems(self) -> list[str]:
        """Return what its log complains of."""
        bad = re.compile(r"\S+ \S+ (ERROR|WARNING|CRITICAL) ")
        return [
            line for line in self.log().splitlines() if bad.match(line) and not NOISE.search(line)
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start it; in the end it is stopped, and nothing of it is left."""
        try:
            await self.start()
            yield
        finally:
            await self.stop()
            self.remove()

    async def start(self) -> None:
        """Start it and wait until it is up; the first time a user is made."""
        with self.log_file.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                self._folder / "start",
                self._folder / "homes" / self.home.name,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
        await self._wait_for_http()
        if not self.token:
            async with onboarded(self.url) as self.token:
                pass
        async with self.client() as client:
            await client.wait_until_running(*NEEDED)
            # From 2026.11 on it would go back to port 8123 after five minutes.
            with contextlib.suppress(Refused):  # an older one, or it was said before
                await client.call("http/config/promote")

    def client(self):
        """Log in."""
        return Client.connect(self.url, self.token)

    async def _wait_for_http(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        async with aiohttp.ClientSession() as session:
            while True:
                assert self._child.returncode is None, self.log()[-3000:]
                assert time.monotonic() < deadline, self.log()[-3000:]
                try:
                    async with session.get(f"{self.url}/api/onboarding") as answer:
                        if answer.status in (200, 404):  # 404: a user was made already
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """SIGTERM, as `systemctl stop` does."""
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(60):
                await child.wait()
        except TimeoutError:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            raise AssertionError(f"Home Assistant did not stop\n{self.log()[-3000:]}") from None

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
