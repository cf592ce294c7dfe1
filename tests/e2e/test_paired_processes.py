"""A hub and satellites that are paired by the two commands, and everybody else."""

import asyncio
import contextlib
import os
import re
import stat
from dataclasses import dataclass

import pytest
from processes import START_TIMEOUT, VOICE, House, free_port
from wyoming.info import Describe

from protocol.pairing import Pairing
from protocol.transport import connect


@dataclass
class PairedHouse(House):
    @property
    def pairing(self):
        return self.place("rooms") / "config" / "parlour" / "pairing.toml"

    async def run(self, machine, *arguments, said="", code=0):
        """Run a command to its end; return its output and its complaints."""
        child = await asyncio.create_subprocess_exec(
            *self.command(machine, *arguments),
            cwd=self.place(machine),
            env=self.environment(machine),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate(said.encode())
        assert child.returncode == code, err.decode()
        return out.decode(), err.decode()

    async def pair(self, room="kitchen", listen=None):
        """Print a pairing on the hub and store it on the satellite's machine."""
        secret, _ = await self.run("hub", "hub", "pair", "--room", room, "--listen", listen)
        await self.run("rooms", "satellite", "pair", said=secret)
        return Pairing.from_text(secret)

    @contextlib.asynccontextmanager
    async def paired_satellite(self, *options):
        """One that is told nothing: hub and room are those of its pairing."""
        place = self.place("rooms")
        (place / "say").mkdir(exist_ok=True)
        devices = ("--microphone", "spool:say", "--speaker", "wave:heard.wav")
        arguments = ("satellite", "run", *devices, *options)
        async with self.process("satellite", *arguments, machine="rooms") as satellite:
            satellite.spool, satellite.heard_wav = place / "say", place / "heard.wav"
            yield satellite

    def tamper(self, old, new):
        self.pairing.write_text(self.pairing.read_text().replace(old, new))


@pytest.fixture
def house(site, tmp_path):
    return PairedHouse(site, tmp_path)


def files_of(house):
    """Whatever either machine keeps, but for sounds and the record of turns."""
    kinds = (".pem", ".json", ".toml")
    return [path for path in house.folder.rglob("*") if path.suffix in kinds]


@pytest.mark.long
async def test_a_paired_satellite_asks_over_tls_until_it_is_revoked(house, ask):
    listen = f"tls://127.0.0.1:{free_port()}"
    async with house.hub(listen) as hub:
        await hub.wait_for("no satellite is paired; .* parlour-hub pair --room NAME")
        pairing = await house.pair("Küche 1", listen)
        async with house.paired_satellite() as satellite:
            await satellite.wait_for(r"^ready: Küche 1, ", timeout=START_TIMEOUT)
            house.say(satellite, "1", VOICE, ask("Why is sleep important?"))
            assert (await hub.wait_for(r"turn ended: (\S+)"))[1] == "answered"
            assert "sleep" in (await hub.wait_for(r"Küche 1: heard: (.*)"))[1].lower()

            listed, _ = await house.run("hub", "hub", "satellites")
            assert re.search(r"^Küche 1 +\d{4}-\d\d-\d\d \d\d:\d\d +\d{4}-\d\d-\d\d", listed, re.M)
            await house.run("hub", "hub", "satellites", "revoke", "Küche 1")
            await hub.wait_for(
                "Küche 1: its pairing was revoked or made anew; sent away", timeout=3
            )
            await satellite.wait_for(
                "refuses this satellite: The pairing was revoked .*trying again", timeout=3
            )
            await hub.wait_for(r"refused \(wrong-token\): it shows a wrong or revoked", timeout=15)
        for process in (hub, satellite):
            assert pairing.token not in process.text()
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files_of(house)}
    private = ("certificate.pem", "satellites.json", "pairing.toml")
    assert {kept[name] for name in private} == {0o600}
    tokens = [path.name for path in files_of(house) if pairing.token in path.read_text()]
    assert tokens == ["pairing.toml"]


@pytest.mark.long
async def test_everybody_else_is_refused_with_a_clear_line_on_both_sides(house, tmp_path):
    port = free_port()
    listen = f"tls://127.0.0.1:{port}"
    async with house.hub(listen, ready=False) as hub:
        pairing = await house.pair("kitchen", listen)

        # a wrong token
        house.tamper(pairing.token, "guess" * 9)
        async with house.paired_satellite() as satellite:
            await satellite.wait_for("refuses this satellite: The token is not, or no longer, the")
            await hub.wait_for(r"127\.0\.0\.1:\d+ refused \(wrong-token\): it shows a wrong")
        house.tamper("guess" * 9, pairing.token)

        # the certificate of another hub
        (tmp_path / "another").mkdir()
        other = PairedHouse(house.site, tmp_path / "another")
        await other.pair("kitchen", listen)
        async with other.paired_satellite() as satellite:
            await satellite.wait_for("does not have the certificate of the hub we are paired with")
            await hub.wait_for(r"refused \(wrong-certificate\): it was paired with another hub")
        found, _ = await other.run("rooms", "satellite", "doctor", code=1)
        assert re.search("FAIL +hub .*does not have the certificate", found)

        # plain text
        async with await connect(f"tcp://127.0.0.1:{port}") as stranger, asyncio.timeout(5):
            await stranger.write(Describe())
            assert (await stranger.read()).data["code"] == "encrypted-only"
        await hub.wait_for("speaks plain text, and this port only TLS")

        # nobody in particular, over TLS
        async with await connect(listen, pin=pairing.pin) as stranger, asyncio.timeout(5):
            await stranger.write(Describe())
            assert (await stranger.read()).data["code"] == "not-introduced"
        await hub.wait_for(r"refused \(not-introduced\): it is no satellite")

        # what would be plain text, or another room than the paired one, does not even start
        async def refused(problem, *options):
            _, complaint = await house.run("rooms", "satellite", "run", *options, code=os.EX_CONFIG)
            assert problem in complaint
            assert len(complaint.splitlines()) == 1

        await asyncio.gather(
            refused("hub: other machines could hear", "--hub", "tcp://192.0.2.1:1"),
            refused("listen: other machines can reach", "--listen", "tcp://0.0.0.0:0"),
            refused("room: 'den', but this satellite is paired as 'kitchen'", "--room", "den"),
        )

        # and the paired one is let in all the same
        async with house.paired_satellite() as satellite:
            await satellite.wait_for(r"^ready: kitchen, ", timeout=START_TIMEOUT)
            found, _ = await house.run("rooms", "satellite", "doctor")
            assert "and is the one we are paired with" in found
        assert hub.count("Traceback") == 0


async def test_a_hub_that_would_listen_in_plain_text_for_others_does_not_start(house):
    _, complaint = await house.run(
        "hub", "hub", "serve", "--listen", "tcp://0.0.0.0:0", code=os.EX_CONFIG
    )
    (line,) = complaint.splitlines()
    assert 'write "tls://0.0.0.0:0"' in line
