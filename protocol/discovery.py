"""Wyoming services on the network: announced and found by zeroconf (multicast DNS, RFC 6762/6763).

Nothing here is an error for the caller: without a network, or without the zeroconf package, nobody
finds anybody, the log says so once, and it is tried again. The package is imported only here and
only when it is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from protocol.access import address_of, is_local
from protocol.uri import Inet, parse

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

_LOGGER = logging.getLogger(__name__)

WYOMING = "_wyoming._tcp.local."
_LOOK_AGAIN = 30.0  # seconds; how often the machine's addresses are looked at
_GOODBYE = 3.0  # seconds in which others are told that it goes
_ANSWER = 3000  # milliseconds for a service that was found to tell its address
_LONGEST_NAME = 63 - 4  # bytes of a DNS label; "-999" may be put behind
_TTL = 120  # seconds; after a crash others forget it
# Networks of containers and virtual machines: nobody else on the network is in them.
_INSIDE = re.compile(r"(?:docker|br-|veth|virbr|vnet|lxc|lxd|cni|flannel|podman|cali)")
# For the route to the world; to connect a datagram socket sends nothing (RFC 5737, RFC 3849).
_SOMEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))

Found = Callable[[str, Sequence[Inet]], None]
"""Told of a service's name and its addresses, best first; none when it has gone."""


def reachable_at(uri: str) -> list[str]:
    """Return the addresses at which others can reach what listens on `uri`; the likeliest first.

    Blocking, for milliseconds.

    Raises:
        BadUri: it is not supported.
    """
    where = parse(uri)
    if not isinstance(where, Inet) or is_local(uri):
        return []
    address = address_of(where.host)
    if address is None:  # a name, which others may look up as well
        return [where.host]
    if not address.is_unspecified:
        return [str(address)]
    both = address.version == 6  # `::` is every IPv4 address, too
    return [text for text in _own_addresses() if both or ":" not in text]


def manual_entry(uri: str) -> str:
    """Return what somebody enters in Home Assistant for what listens on `uri`; "" for nothing.

    Blocking, for milliseconds.

    Raises:
        BadUri: it is not supported.
    """
    where = parse(uri)
    if not isinstance(where, Inet):
        return ""
    if is_local(uri):
        return f"add Wyoming Protocol, host {where.host}, port {where.port} (on this machine only)"
    first, *others = reachable_at(uri) or [where.host]
    more = f" (or {', '.join(others)})" if others else ""
    return f"add Wyoming Protocol, host {first}{more}, port {where.port}"


def instance_name(what: str) -> str:
    """Return the name of a service on this machine: `what`, and the machine's name."""
    host = socket.gethostname().partition(".")[0]
    plain = re.sub(r"[^\w-]+", "-", f"{what}-{host}").strip("-_") or "wyoming"
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


@asynccontextmanager
async def announced(
    name: str, port: int, addresses: Callable[[], Sequence[str]]
) -> AsyncGenerator[None]:
    """Let others find a Wyoming service for as long as this lasts.

    It takes no time at the start; at the end others are told that the service goes. A name that
    another service has gets a number. Addresses that come and go are announced as they do.

    Args:
        name: the service's; see `instance_name`.
        port: its TCP port.
        addresses: returns the machine's addresses at which it can be reached (see `reachable_at`);
            called on a thread, now and then.
    """
    task = asyncio.create_task(_announce(name, port, addresses), name=f"announce {name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _announce(name: str, port: int, addresses: Callable[[], Sequence[str]]) -> None:
    """Announce until cancelled."""
    network: AsyncZeroconf | None = None
    info: AsyncServiceInfo | None = None
    told, problem = [""], ""
    try:
        while True:
            try:
                now = [a for a in await asyncio.to_thread(addresses) if address_of(a)]
                if now != told or network is None:
                    if network is None:
                        network = _open()
                    else:
                        await network.async_update_interfaces(_interfaces())
                    if now:
                        info = await _publish(network, info, name, port, now)
                        _LOGGER.info("%s: announced on the network", info.name)
                    told, problem = now, ""
            except ImportError as exc:
                _LOGGER.warning("not announced on the network: %s", exc)
                return
            except Exception as exc:  # zeroconf's own, and whatever the system has
                problem = _warn_once("not announced on the network", exc, problem)
                await _close(network)
                network = info = None
            await asyncio.sleep(_LOOK_AGAIN)
    finally:
        await _close(network)


async def _publish(
    network: AsyncZeroconf,
    before: AsyncServiceInfo | None,
    name: str,
    port: int,
    addresses: Sequence[str],
) -> AsyncServiceInfo:
    """Announce a service, or its new addresses; return what was announced."""
    from zeroconf.asyncio import AsyncServiceInfo

    full = f"{name}.{WYOMING}" if before is None else before.name
    info = AsyncServiceInfo(
        WYOMING,
        full,
        port=port,
        parsed_addresses=list(addresses),
        host_ttl=_TTL,
        other_ttl=_TTL,
        # The name of no other host, whoever else is called like this machine.
        server=f"{name}-{secrets.token_hex(4)}.local." if before is None else before.server,
    )
    if before is None:
        await (await network.async_register_service(info, allow_name_change=True))
    else:
        await (await network.async_update_service(info))
    return info


async def look_for_services(found: Found) -> None:
    """Tell of Wyoming services on the network as they come and go, until cancelled."""
    problem = ""
    while True:
        network: AsyncZeroconf | None = None
        try:
            network = _open()
            async with _Browser(network, found):
                problem = ""
                while True:
                    await asyncio.sleep(_LOOK_AGAIN)
                    await network.async_update_interfaces(_interfaces())
        except ImportError as exc:
            _LOGGER.warning("nothing is looked for on the network: %s", exc)
            return
        except Exception as exc:  # zeroconf's own, and whatever the system has
            problem = _warn_once("the network cannot be looked at", exc, problem)
        finally:
            await _close(network)
        await asyncio.sleep(_LOOK_AGAIN)


class _Browser:
    """Follows the services of one network; an async context."""

    def __init__(self, network: AsyncZeroconf, found: Found) -> None:
        self._network = network
        self._found = found
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._browser: AsyncServiceBrowser | None = None

    async def __aenter__(self) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser

        zeroconf = self._network.zeroconf
        self._browser = AsyncServiceBrowser(zeroconf, WYOMING, handlers=[self._changed])

    async def __aexit__(self, *_: object) -> None:
        if self._browser is not None:
            await self._browser.async_cancel()
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if (task := self._asking.pop(name, None)) is not None:
            task.cancel()
        if state_change.name == "Removed":
            self._found(name, ())
            return
        self._asking[name] = asyncio.create_task(self._ask(name), name=f"look up {name}")
        self._asking[name].add_done_callback(lambda task: self._asked(name, task))

    def _asked(self, name: str, task: asyncio.Task[None]) -> None:
        if self._asking.get(name) is task:
            del self._asking[name]
        if not task.cancelled() and (exc := task.exception()) is not None:
            _LOGGER.debug("%s: %s", name, type(exc).__name__)  # it is told of again when it changes

    async def _ask(self, name: str) -> None:
        info = await self._network.async_get_service_info(WYOMING, name, _ANSWER)
        if info is None or not info.port:
            return
        hosts = [address for address in info.parsed_scoped_addresses() if address_of(address)]
        hosts.sort(key=lambda host: ":" in host)  # IPv4 first: it needs no scope
        if hosts:
            self._found(name, [Inet(host, info.port) for host in hosts])


def _open() -> AsyncZeroconf:
    """Join the multicast groups of all networks there are.

    Raises:
        ImportError: the zeroconf package is not installed.
        OSError: there is no network.
    """
    try:
        from zeroconf.asyncio import AsyncZeroconf
    except ImportError:
        raise ImportError("the package zeroconf is not installed") from None
    logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it warns whenever a network goes
    return AsyncZeroconf(_interfaces())


def _interfaces() -> list[str | int]:
    """Return the networks with others, as zeroconf wants them: IPv4 addresses, IPv6 by index.

    Raises:
        OSError: there is none.
    """
    chosen: list[str | int] = []
    for index, hosts in _adapters():
        usable = [host for host in hosts if _is_usable(host)]
        chosen += [host for host in usable if ":" not in host]
        chosen += [index] if any(":" in host for host in usable) else []
    if not chosen:
        raise OSError("this machine is in no network")
    return chosen


def _warn_once(what: str, exc: Exception, before: str) -> str:
    """Log what went wrong, unless that is what went wrong `before`; return it."""
    why = f"{type(exc).__name__}: {exc}"
    if why != before:
        _LOGGER.warning("%s: %s; trying again", what, why)
    return why


async def _close(network: AsyncZeroconf | None) -> None:
    if network is None:
        return
    # Whatever is left of it, others forget the service after two minutes.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_GOODBYE):
            await network.async_close()


def _own_addresses() -> list[str]:
    """Return this machine's addresses on networks with others, the default route's first."""
    first = [text for family, target in _SOMEWHERE if (text := _source(family, target))]
    found = [host for _, hosts in _adapters() for host in hosts]
    usable = [text for text in dict.fromkeys([*first, *found]) if _is_usable(text)]
    return sorted(usable, key=lambda text: ":" in text)  # IPv4 first


def _adapters() -> list[tuple[int, list[str]]]:
    """Return each network's index and this machine's addresses in it."""
    try:
        import ifaddr  # comes with zeroconf
    except ImportError:
        return []
    return [
        (adapter.index or 0, [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips])
        for adapter in ifaddr.get_adapters()
        if not _INSIDE.match(adapter.nice_name)
    ]


def _source(family: socket.AddressFamily, target: str) -> str | None:
    """Return the address with which this machine speaks to the world."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((target, 9))
            host = sock.getsockname()[0]
    except OSError:  # no such network
        return None
    return host if isinstance(host, str) else None


def _is_usable(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)
