"""`parlour-hub pair` and `parlour-hub satellites`: who may dial in."""

import datetime
import ipaddress
import socket
import sys

from hub.certificate import load_certificate
from hub.config import LinkSettings, Settings, state_folder
from hub.pairings import Pairings
from protocol.access import address_of
from protocol.pairing import Pairing, is_room
from protocol.settings import ConfigError
from protocol.uri import BadUri, Inet, parse

# Reserved for documentation (RFC 5737, RFC 3849): nobody has them, so that the way to them is the
# default route. Connecting a datagram socket sends nothing.
_ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def pair(settings: Settings, room: str, address: str | None) -> int:
    """Pair a room: print the string that its satellite needs.

    Args:
        settings: the hub's; `link.listen` says where satellites dial in.
        room: the satellite's name.
        address: HOST or HOST:PORT that the satellite shall dial; None finds out.

    Raises:
        ConfigError: the hub does not listen for other machines, or its address is not known.
        OSError: the certificate or the pairings cannot be read or written.
    """
    if not is_room(room):
        raise ConfigError("--room: a room's name has 1 to 100 printable letters")
    hub = _where(settings.link, address)
    folder = state_folder()
    pin = load_certificate(folder).pin
    pairings = Pairings(folder)
    token, had = pairings.add(room)
    if had:
        print(f"{room} was paired before; that pairing counts no more.", file=sys.stderr)
    print(
        f"{room} will dial {hub}. Run `parlour-satellite pair` there and paste the next\n"
        "line, which is that satellite's secret: show it to nobody else.",
        file=sys.stderr,
    )
    # Alone on stdout, so that it can be piped: ... | ssh kitchen parlour-satellite pair -
    print(Pairing(hub, room, token, pin).to_text(), flush=True)
    return 0


def list_satellites() -> int:
    """Print the paired satellites."""
    rooms = Pairings(state_folder()).read()
    if not rooms:
        print("no satellite is paired; run: parlour-hub pair --room NAME", file=sys.stderr)
        return 0
    width = max(len("room"), *map(len, rooms))
    print(f"{'room':<{width}}  {'paired':<16}  last seen")
    for room, paired in sorted(rooms.items()):
        seen = _moment(paired.seen) if paired.seen is not None else "never"
        print(f"{room:<{width}}  {_moment(paired.paired):<16}  {seen}")
    return 0


def revoke(room: str) -> int:
    """Make a room's token count no more; a running hub sends the satellite away."""
    if Pairings(state_folder()).remove(room):
        print(f"{room}: revoked; a running hub sends its satellite away within 2 seconds")
        return 0
    print(f"{room!r} is not paired; see: parlour-hub satellites", file=sys.stderr)
    return 1


def _moment(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def _where(link: LinkSettings, address: str | None) -> str:
    """Return the URI that a satellite shall dial."""
    listen = parse(link.listen)
    if not isinstance(listen, Inet) or not listen.secure:
        raise ConfigError(
            f"link.listen: at {link.listen} only this machine can dial in, and needs no pairing; "
            'for others set [link] listen = "tls://0.0.0.0:10601" (in the file that --config '
            "names, for serve and pair alike)"
        )
    host, port = listen.host, listen.port
    if address is not None:
        host, port = _split(address, port)
    elif (own := address_of(host)) is not None and own.is_unspecified:
        host = _lan_address(own)
    if not port:
        raise ConfigError("link.listen: with port 0 nobody knows where to dial; name a port")
    return str(parse(str(Inet(host, port, secure=True))))


def _split(address: str, port: int) -> tuple[str, int]:
    """Read HOST or HOST:PORT; an IPv6 address with a port stands in brackets."""
    if address_of(address) is not None:
        return address, port
    try:
        inet = parse(f"tls://{address}")
    except BadUri:
        try:
            inet = parse(f"tls://{address}:{port or 1}")
        except BadUri:
            raise ConfigError(f"--address: expected HOST or HOST:PORT, got {address!r}") from None
        return (inet.host, port) if isinstance(inet, Inet) else (address, port)
    return (inet.host, inet.port) if isinstance(inet, Inet) else (address, port)


def _lan_address(listen: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return the address of this machine that others on its network see."""
    for family, target in _ANYWHERE:
        if listen.version == 4:
            reachable = family == socket.AF_INET
        else:  # "::" is IPv4, too, where one socket can have both
            reachable = family == socket.AF_INET6 or socket.has_dualstack_ipv6()
        if reachable:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect((target, 9))
                except OSError:
                    continue
                return str(probe.getsockname()[0])
    raise ConfigError("this machine's address is not known; give it: --address 192.168.1.10")
