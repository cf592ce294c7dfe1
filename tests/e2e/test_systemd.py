"""The services: units as systemd reads them, and what the programs tell their manager."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from processes import House

from hub.models.installed import models_dir

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SYSTEM_UNITS = ("parlour-hub.service", "parlour-satellite.service", "parlour-engine@.service")
PROGRAMS = {"hub": "hub", "satellite": "satellite", "engine": "hub.engines.serve"}
USER_UNIT = "user/parlour-satellite.service"
MOST_EXPOSURE = 3.0
TIMEOUT = 60.0
WATCHDOG = 1.0  # seconds

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="no systemd-analyze; run deploy/test_tools.sh, or apt-get install systemd",
)


# ---- the unit files -----------------------------------------------------------------------------


def installed(unit, folder):
    """The unit as it is installed, but with the programs of this Python's environment."""
    programs = Path(sys.executable).parent
    assert (programs / "parlour-engine").exists(), "run: make setup"
    text = (UNITS / unit).read_text()
    assert "/opt/parlour/bin/" in text
    copy = folder / Path(unit).name
    copy.write_text(text.replace("/opt/parlour/bin/", f"{programs}/"))
    return copy


def analyze(*arguments, folder):
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_COLORS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )


@needs_systemd
@pytest.mark.parametrize("unit", [*SYSTEM_UNITS, USER_UNIT])
def test_systemd_finds_nothing_wrong_with_a_unit(unit, tmp_path):
    manager = ["--user"] if unit == USER_UNIT else []
    done = analyze("verify", *manager, str(installed(unit, tmp_path)), folder=tmp_path)
    complaints = [line for line in done.stdout.splitlines() if "parlour" in line]
    assert (done.returncode, complaints) == (0, []), done.stdout


@needs_systemd
@pytest.mark.parametrize("unit", SYSTEM_UNITS)
def test_a_service_is_little_exposed(unit, tmp_path):
    path = str(installed(unit, tmp_path))
    done = analyze("security", "--offline=true", path, folder=tmp_path)
    name = unit.replace("@", r"@\w*")  # systemd makes up an instance
    exposure = re.search(rf"exposure level for {name}: ([\d.]+)", done.stdout)
    assert exposure, done.stdout
    assert float(exposure[1]) <= MOST_EXPOSURE, done.stdout


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers")
def test_the_services_users_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", UNITS / "parlour.sysusers"],
        check=True,
        timeout=TIMEOUT,
    )
    homes = {}
    for line in (tmp_path / "etc" / "passwd").read_text().splitlines():
        name, _, _, _, _, home, _ = line.split(":")
        homes[name] = home
    for unit in SYSTEM_UNITS:
        text = (UNITS / unit).read_text()
        user = re.search(r"^User=(.*)$", text, re.MULTILINE)[1]
        state = re.search(r"^StateDirectory=(.*)$", text, re.MULTILINE)[1]
        assert homes[user] == f"/var/lib/{state}"  # so that commands by hand find the same state
    audio = re.search(r"^audio:.*", (tmp_path / "etc" / "group").read_text(), re.MULTILINE)[0]
    assert audio.endswith(":parlour-satellite")


@pytest.mark.parametrize("unit", [*SYSTEM_UNITS, USER_UNIT])
def test_a_unit_does_not_restart_what_ends_with_wrong_settings_or_usage(unit, tmp_path):
    text = (UNITS / unit).read_text()
    final = re.search(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE)[1].split()
    command = re.search(r"^ExecStart=/opt/parlour/bin/parlour-(.*)$", text, re.MULTILINE)[1]
    config = tmp_path / "settings.toml"
    config.write_text("langage = 'de'\n")
    program, *arguments = [
        str(config) if word.endswith(".toml") else word for word in command.split()
    ]
    arguments = ["tts" if word == "%i" else word for word in arguments]  # of parlour-engine@tts
    for wrong in ([], ["--no-such-option"]):
        done = subprocess.run(
            [sys.executable, "-m", PROGRAMS[program], *arguments, *wrong],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert str(done.returncode) in final, done.stderr
        assert ("langage" if not wrong else "--no-such-option") in done.stderr


def test_the_guides_install_every_file_that_there_is_and_none_that_is_not():
    guides = ("two-machines.md", "engines.md")
    guide = "\n".join((ROOT / "docs" / name).read_text() for name in guides)
    named = set(re.findall(r"deploy/[\w./@-]+[\w]", guide))
    assert {name for name in named if not (ROOT / name).exists()} == set()
    there = {str(path.relative_to(ROOT)) for path in UNITS.rglob("*") if path.is_file()}
    assert there - named == set()


# ---- the running programs -----------------------------------------------------------------------


class Manager:
    """A service manager's socket; keeps each message with the moment at which it came."""

    def __init__(self, path):
        self.path = path
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self):
        lines = self._socket.recv(65536).decode().splitlines()
        self.messages.append((time.monotonic(), lines))

    def close(self):
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def said(self, pattern):
        return [at for at, lines in self.messages if any(re.search(pattern, one) for one in lines)]

    async def hears(self, pattern, *, after=0.0, timeout=TIMEOUT):
        """Return when the first line that matches came, after a moment."""
        deadline = time.monotonic() + timeout
        while True:
            if found := [at for at in self.said(pattern) if at > after]:
                return found[0]
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.messages[-10:]}"
            await asyncio.sleep(0.02)


@dataclass
class Services(House):
    """A house whose processes are started as systemd starts them."""

    managers: dict[str, Manager] = field(default_factory=dict)  # by machine
    models: Path | None = None

    @contextmanager
    def manager(self, machine):
        """A service manager for what is started on a machine."""
        manager = self.managers[machine] = Manager(self.place(machine) / "notify")
        try:
            yield manager
        finally:
            del self.managers[machine]
            manager.close()

    def environment(self, machine):
        environment = super().environment(machine)
        if manager := self.managers.get(machine):
            environment["NOTIFY_SOCKET"] = str(manager.path)
            environment["WATCHDOG_USEC"] = str(int(WATCHDOG * 1e6))
        if self.models is not None:
            environment["PARLOUR_MODELS"] = str(self.models)
        return environment


@pytest.fixture
def services(site, tmp_path):
    return Services(site, tmp_path)


async def test_a_hub_is_ready_before_its_models_and_its_watchdog_stops_with_its_loop(services):
    with services.manager("hub") as manager:
        async with services.hub() as hub:
            listening = await manager.hears(r"^READY=1$")
            loaded = await manager.hears(r"^STATUS=ready")
            assert listening < loaded
            assert manager.said(r"^STATUS=listening on .*loading models$") == [listening]
            fed = await manager.hears(r"^WATCHDOG=1$", after=time.monotonic())
            await manager.hears(r"^WATCHDOG=1$", after=fed, timeout=WATCHDOG)

            hub.child.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            await asyncio.sleep(2 * WATCHDOG)
            assert not [at for at in manager.said(r"^WATCHDOG=1$") if at > stopped + 0.1]
            hub.child.send_signal(signal.SIGCONT)
            await manager.hears(r"^WATCHDOG=1$", after=stopped + 0.1)

            assert await hub.stop() == 0
        assert len(manager.said(r"^STOPPING=1$")) == 1
        assert len(manager.said(r"^READY=1$")) == 1


async def test_a_hub_without_its_models_says_what_to_do_and_is_ready_once_they_come(services):
    services.models = services.folder / "models"
    with services.manager("hub") as manager:
        async with services.hub(ready=False) as hub:
            await manager.hears(r"^STATUS=not ready: .*run: parlour-hub models pull")
            services.models.symlink_to(models_dir())
            await manager.hears(r"^STATUS=ready")
            await hub.wait_for(r"^ready")  # its lines come another way than what it tells systemd
            assert hub.count(r"^ready") == 1


async def test_a_satellite_is_ready_without_a_hub_and_says_who_drives_it(services):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    arguments = ("satellite", "run", "--hub", address, "--microphone", "spool:say")
    with services.manager("rooms") as manager:
        async with services.process("satellite", *arguments, machine="rooms") as satellite:
            await manager.hears(r"^READY=1$")
            assert manager.said(f"^STATUS=dialling {address}$")
            refused = await manager.hears(r"^STATUS=hub .*; trying again")
            await manager.hears(r"^WATCHDOG=1$", after=refused)
            async with services.hub(address, ready=False):
                driven = await manager.hears(r"^STATUS=driven by 127\.0\.0\.1")
            await manager.hears(r"^STATUS=.* is gone", after=driven)
            assert await satellite.stop() == 0
        assert len(manager.said(r"^STOPPING=1$")) == 1
        assert len(manager.said(r"^READY=1$")) == 1


async def test_a_satellite_that_waits_to_be_dialled_is_ready_when_it_listens(services):
    with services.manager("rooms") as manager:
        async with services.satellite("tcp://127.0.0.1:0", waits=True) as satellite:
            await manager.hears(r"^READY=1$")
            where = r"^STATUS=waiting for a driver at tcp://127\.0\.0\.1:(?!0$)\d+$"
            assert manager.said(r"^READY=1$") == manager.said(where)
            assert await satellite.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("hub", "serve", "--listen", "tcp://0.0.0.0:0"), os.EX_CONFIG, "not encrypted"),
        (("satellite", "run", "--microphone", "wave:no.wav"), 1, r"microphone: .*no\.wav"),
        (("satellite", "run", "--wake-word", "hey_travis"), os.EX_CONFIG, "hey_travis"),
    ],
)
async def test_a_service_that_cannot_start_says_why_in_its_status(services, arguments, code, why):
    with services.manager("rooms") as manager:
        async with services.process("service", *arguments, machine="rooms") as process:
            await manager.hears(f"^STATUS=.*{why}")
            assert await process.child.wait() == code
        assert not manager.said("^READY=1$")
