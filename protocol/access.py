"""Who may reach a port: what counts as this machine, and lists of peers that are allowed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from protocol.settings import ConfigError
from protocol.uri import Local, parse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_BITS = 96  # of an IPv6 address in front of the IPv4 address that it may hold


def address_of(host: str) -> Address | None:
    """Read an address, without its scope; IPv4 in IPv6 becomes IPv4. None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine whatever the network says: 127.0.0.0/8, ::1, localhost.

    Other names are not looked up: what they mean may change.
    """
    address = address_of(host)
    if address is None:
        return host.rstrip(".").lower() == "localhost"
    return address.is_loopback


def is_local(uri: str) -> bool:
    """Tell whether only this machine can reach a URI: a Unix socket or a loopback address.

    ``0.0.0.0`` and ``::`` are every address of the machine, so they are not local.

    Raises:
        BadUri: It is not supported.
    """
    address = parse(uri)
    return isinstance(address, Local) or is_loopback(address.host)


class AllowList:
    """Addresses that may connect; this machine always may.

    Args:
        entries: Addresses (192.168.1.10) and networks (192.168.1.0/24), IPv4 or IPv6.

    Raises:
        ValueError: An entry is neither; the message names it and says what would be right.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = tuple(_network(entry) for entry in entries)

    def admits(self, host: str | None) -> bool:
        """Tell whether a peer may connect.

        Args:
            host: Its address, or None for a peer on a Unix socket.
        """
        if host is None:
            return True
        address = address_of(host)
        if address is None:  # no peer has a name for an address
            return False
        return address.is_loopback or any(address in network for network in self._networks)


def allow_list(key: str, listen: str, allow: Sequence[str]) -> AllowList:
    """Return who may connect to a port that speaks plain text.

    Args:
        key: The settings' table, with its dot, for messages: "service."; "" at the top level.
        listen: The URI that is listened on.
        allow: The entries of the setting `allow`.

    Raises:
        BadUri: `listen` is not supported.
        ConfigError: An entry is wrong, or other machines can reach `listen` and `allow` is empty.
    """
    if not allow and not is_local(listen):
        raise ConfigError(
            f"{key}listen: other machines can reach {listen}, and what is said there is not "
            f'encrypted; set {key}allow to who may, for example allow = ["192.168.1.10"], '
            "or listen on 127.0.0.1"
        )
    try:
        return AllowList(allow)
    except ValueError as error:
        raise ConfigError(f"{key}allow: {error}") from error


def _network(entry: str) -> Network:
    try:
        network = ipaddress.ip_network(entry.strip())
    except ValueError:
        try:
            whole = ipaddress.ip_network(entry.strip(), strict=False)
        except ValueError:
            raise ValueError(
                f"{entry!r} is neither an address (192.168.1.10) nor a network (192.168.1.0/24); "
                "names are not looked up"
            ) from None
        address = entry.strip().partition("/")[0]
        raise ValueError(f"{entry!r} is ambiguous; write {whole} or {address}") from None
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _MAPPED_BITS:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network
