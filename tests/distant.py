"""A house whose hub and satellites are different machines: all they share is a bad network."""

import asyncio
from dataclasses import dataclass

import network
from processes import House

from hub.models.installed import models_dir

PORT = 10601


@dataclass
class DistantHouse(House):
    """Every satellite is paired with the hub by the two commands, and dials it over TLS."""

    listen: str = f"tls://{network.HUB}:{PORT}"
    rooms_address: str = network.ROOMS
    link: str = "dial_plain = true\n"
    namespaces: tuple[str, str] = ("", "")

    def command(self, machine: str, *arguments: str) -> list[str]:
        """Enter the machine's network namespace, where the other machine's files are not."""
        other = "rooms" if machine == "hub" else "hub"
        theirs = [self.place(other), *([models_dir()] if machine == "rooms" else [])]
        # (ip netns exec has made a mount namespace already)
        hide = "".join(f'mount -t tmpfs none "{folder}" && ' for folder in theirs) + 'exec "$@"'
        enter = ["ip", "netns", "exec", self.namespaces[machine == "rooms"], "sh", "-c", hide, "sh"]
        return [*enter, *super().command(machine, *arguments)]

    async def reach(self, address: str, room: str) -> tuple[str, ...]:
        """Pair the room; each satellite has its own settings, as each has its own machine."""
        config = str(self.place("hub") / "hub.toml")
        secret = await self._run(
            "hub", "hub", "--config", config, "pair", "--room", room, "--listen", address
        )
        mine = self.begun(room, f'pairing = "{self.place("rooms") / room}.pairing"\n')
        await self._run("rooms", "satellite", "pair", "--config", mine, "-", said=secret)
        return ("--config", mine)

    async def waiting(self, address: str, room: str) -> tuple[str, ...]:
        """Let the hub's machine in, and no other."""
        allowed = f'allow = ["{network.HUB}"]\n'
        return ("--config", self.begun(room, allowed), "--listen", address, "--room", room)

    async def _run(self, machine: str, *arguments: str, said: str = "") -> str:
        child = await asyncio.create_subprocess_exec(
            *self.command(machine, *arguments),
            cwd=self.place(machine),
            env=self.environment(machine),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await child.communicate(said.encode())
        assert child.returncode == 0, arguments
        return out.decode()
