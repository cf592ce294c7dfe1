"""From a host's name to its addresses, so that a dead name server holds up nothing else.

The system's resolver cannot be interrupted, and takes half a minute where no name server answers.
So each look-up has a thread of its own, which does not keep the program from ending. (asyncio would
take a thread of the pool that all share, leave it behind at each time-out, and wait for it at the
end.)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import socket
import threading
from typing import Any

LOOK_UP_TIMEOUT = 10.0  # seconds; resolvers ask a second server after 5

Address = tuple[Any, ...]
"""What `socket` calls one: (address, port), with IPv6 also flow and scope."""
Found = list[tuple[socket.AddressFamily, Address]]

_looking: dict[str, concurrent.futures.Future[Found]] = {}
_lock = threading.Lock()


async def addresses(host: str, port: int) -> Found:
    """Return where a host is, the best address first; an address is not looked up.

    Waiting may be cancelled. Who asks for a name that is being looked up waits for the same answer.

    Raises:
        OSError: There is no such name, or (TimeoutError) no answer in 10 s.
    """
    found = _read(host)
    if found is None:
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT):
                found = await asyncio.wrap_future(_look_up(host))
        except TimeoutError:
            raise TimeoutError(
                f"where {host!r} is was not answered in {LOOK_UP_TIMEOUT:g} s; does this machine's "
                "name server (DNS) work?"
            ) from None
    return [(family, (address[0], port, *address[2:])) for family, address in found]


def _read(host: str) -> Found | None:
    """Read an address; None for a name."""
    text, _, scope = host.partition("%")
    try:
        version = ipaddress.ip_address(text).version
    except ValueError:
        return None
    if version == 4:
        return [(socket.AF_INET, (text, 0))]
    index = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope) if scope else 0
    return [(socket.AF_INET6, (text, 0, 0, index))]


def _look_up(host: str) -> concurrent.futures.Future[Found]:
    with _lock:
        future = _looking.get(host)
        if future is None:
            future = _looking[host] = concurrent.futures.Future()
            future.set_running_or_notify_cancel()  # who waits may go, the answer comes all the same
            name = f"look up {host}"
            threading.Thread(target=_ask, args=(host, future), name=name, daemon=True).start()
        return future


def _ask(host: str, future: concurrent.futures.Future[Found]) -> None:
    found: Found = []
    problem: OSError | None = None
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found = [(info[0], info[4]) for info in infos]
    except OSError as error:
        problem = error
    except UnicodeError:  # a part of it is empty or too long
        problem = OSError(f"{host!r} is no name of a host")
    with _lock:
        del _looking[host]
    if problem is None:
        future.set_result(found)
    else:
        future.set_exception(problem)
