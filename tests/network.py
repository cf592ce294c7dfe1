"""Two network namespaces joined by a wire that is slow and loses packets.

Each end is a TUN device; one process carries the packets from one to the other, each after a
delay, some never. (The kernel's netem would do the same, where it is built in.) Needs root.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HUB, ROOMS = "10.77.0.1", "10.77.0.2"
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x0001 | 0x1000
_DEVICE = "wire0"


def missing() -> str | None:
    """Say what keeps this machine from having such a network; None where nothing does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    try:
        subprocess.run(["ip", "netns"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "the command ip (iproute2) is missing"
    return None


@contextmanager
def lossy_network(*, delay: float = 0.01, jitter: float = 0.005, loss: float = 0.01):
    """Yield the names of two namespaces, the hub's and the rooms'.

    Delay and jitter are seconds one way, loss is a share of the packets.
    """
    names = [f"parlour-{role}-{os.getpid()}" for role in ("hub", "rooms")]
    wire = None
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        arguments = [*names, str(delay), str(jitter), str(loss)]
        wire = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert wire.stdout is not None
        assert wire.stdout.readline() == "up\n"
        for name, address in zip(names, (HUB, ROOMS), strict=True):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", _DEVICE)
            _ip("-n", name, "link", "set", _DEVICE, "up")
        yield names
    finally:
        if wire is not None:
            wire.terminate()
            wire.wait(10)
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)


# ---- the wire's own process


def _open_tun(namespace: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open() as file:
        if libc.setns(file.fileno(), 0) != 0:  # (os.setns is there from Python 3.12 on)
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH", _DEVICE.encode(), _IFF_TUN_NO_PI))
    return tun


def _carry(one: int, other: int, delay: float, jitter: float, loss: float) -> None:
    chance = random.Random(7)
    due: list[tuple[float, int, int, bytes]] = []
    last = {one: 0.0, other: 0.0}
    number = 0
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        ready, _, _ = select.select([one, other], [], [], wait)
        for tun in ready:
            packet = os.read(tun, 65536)
            if chance.random() < loss:
                continue
            target = other if tun == one else one
            at = time.monotonic() + max(0.0, chance.gauss(delay, jitter))
            # In order, as on one wire: TCP takes what comes out of order for lost.
            last[target] = at = max(at, last[target])
            heapq.heappush(due, (at, number, target, packet))
            number += 1
        while due and due[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(due)
            with contextlib.suppress(OSError):  # that end is not up (yet): lost, as on a wire
                os.write(target, packet)


if __name__ == "__main__":
    names, numbers = sys.argv[1:3], [float(number) for number in sys.argv[3:]]
    ends = [_open_tun(name) for name in names]
    print("up", flush=True)
    _carry(ends[0], ends[1], *numbers)
