"""Which hub the satellite dials, as whom, and the pairing that it keeps for that."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from protocol.access import allow_list, is_local
from protocol.pairing import BadPairing, Pairing
from protocol.private_files import read_private, write_private
from protocol.settings import ConfigError
from protocol.uri import BadUri
from satellite.config import Settings

_THIS_MACHINE = "tcp://127.0.0.1:10601"
_ROOM = "Living room"
_KEY = "pairing"
_HEAD = "# How this satellite and its hub know each other: keep it secret."
_PAIR = (
    "run `parlour-hub pair --room NAME` on the hub, and `parlour-satellite pair` here, with what "
    "it printed"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What the satellite dials, and what it says and expects there.

    Attributes:
        uri: the hub; None when it waits to be dialled.
        room: the satellite's name.
        token: what shows the hub who it is; None where none is needed.
        pin: of the hub's certificate; None where nothing is encrypted.
    """

    uri: str | None
    room: str
    token: str | None = field(default=None, repr=False)
    pin: bytes | None = None


def pairing_path(settings: Settings) -> Path:
    """Return where the pairing is kept."""
    if settings.pairing is not None:
        return Path(settings.pairing).expanduser()
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "parlour" / "pairing.toml"


def store_pairing(path: Path, pairing: Pairing) -> None:
    """Keep a pairing, for this user only, in place of an older one.

    Raises:
        OSError: it cannot be written.
    """
    write_private(path, f'{_HEAD}\n{_KEY} = "{pairing.to_text()}"\n'.encode())


def load_pairing(path: Path) -> Pairing | None:
    """Return the pairing that is kept, if there is one.

    Raises:
        ConfigError: others can read it, or it is broken.
    """
    try:
        values = tomllib.loads(read_private(path).decode())
        return Pairing.from_text(str(values[_KEY]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError, BadPairing):
        raise ConfigError(f"{path} is broken: {_PAIR}") from None  # quote nothing of the secret
    except OSError as error:
        raise ConfigError(f"pairing: {error}") from error


def target_of(settings: Settings) -> Target:
    """Decide what to dial, or see that what waits to be dialled is safe. Blocks.

    Raises:
        ConfigError: what is said would go to other machines in plain text or to whoever calls, or
            settings and pairing differ; the message says what to do.
    """
    try:
        if settings.listen is not None:
            allow_list("", settings.listen, settings.allow)
            return Target(None, settings.room or _ROOM)
        if settings.hub is not None and settings.hub.startswith(("tcp:", "unix:")):
            if is_local(settings.hub):
                return Target(settings.hub, settings.room or _ROOM)
            raise ConfigError(
                f"hub: other machines could hear what is said to {settings.hub}, and change it; "
                f"delete the key and {_PAIR}"
            )
    except BadUri as error:
        raise ConfigError(str(error)) from error
    path = pairing_path(settings)
    pairing = load_pairing(path)
    if pairing is not None:
        check_room(settings, pairing)
        return Target(settings.hub or pairing.hub, pairing.room, pairing.token, pairing.pin)
    if settings.hub is not None:
        raise ConfigError(f"hub: {settings.hub} takes a pairing, and {path} is not there: {_PAIR}")
    if settings.pairing is not None:
        raise ConfigError(f"pairing: {path} is not there: {_PAIR}")
    return Target(_THIS_MACHINE, settings.room or _ROOM)


def check_room(settings: Settings, pairing: Pairing) -> None:
    """See that the settings name no other room than the pairing.

    Raises:
        ConfigError: they do.
    """
    if settings.room is not None and settings.room != pairing.room:
        raise ConfigError(
            f"room: {settings.room!r}, but this satellite is paired as {pairing.room!r}; delete "
            f"the key, or run `parlour-hub pair --room {settings.room!r}` on the hub and pair anew"
        )
