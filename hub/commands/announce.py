"""`parlour-hub announce`: say something in one room, or in all."""

import http.client
import ipaddress
import json
import ssl
import sys
from pathlib import Path

from hub.certificate import load_certificate
from hub.config import Settings, state_folder
from hub.web.credentials import own_token_path
from hub.web.listening import WebAddress
from protocol.access import address_of
from protocol.private_files import read_private
from protocol.settings import ConfigError
from protocol.tls import client_context, explain, pin_of

_TIMEOUT = 300.0  # seconds: it may wait for a conversation, and then has to be spoken


def announce(
    settings: Settings, text: str, room: str | None, token_file: Path | None = None
) -> int:
    """Have the running hub announce `text`; print what came of it in each room.

    Args:
        settings: the hub's; `web.listen` says where it is.
        text: what to say.
        room: where; None for all rooms.
        token_file: holds a token for a hub at https://; None takes that of the hub's own commands.

    Returns:
        0 where it was heard somewhere, 1 where it was not.

    Raises:
        ConfigError: the hub has no HTTP server, or the token cannot be had.
        OSError: no hub is running there, it hung up, or another program is there.
    """
    if not settings.web.listen:
        raise ConfigError('web.listen is "", so that the hub takes no announcements')
    address = WebAddress.read(settings.web.listen)
    asked = {"text": text, **({"room": room} if room is not None else {})}
    headers = {"Content-Type": "application/json"}
    if address.secure:
        headers["Authorization"] = f"Bearer {_token(token_file)}"
    connection = _connection(address)
    try:
        connection.connect()
        if isinstance(connection, http.client.HTTPSConnection):
            _check(connection, address)  # before the token is shown
        connection.request("POST", "/api/announce", json.dumps(asked), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except ConnectionRefusedError:
        raise OSError(
            f"no hub is running at {settings.web.listen} (start one, or name its --config)"
        ) from None
    except ssl.SSLError as exc:
        raise OSError(f"{address}: {explain(exc)}") from exc
    except (http.client.HTTPException, ValueError) as exc:
        raise OSError(f"{settings.web.listen} is no Parlour hub") from exc
    finally:
        connection.close()
    match answer:
        case {"error": {"text": str(why)}}:
            print(f"parlour-hub: not announced: {why}", file=sys.stderr)
            return 1
        case {"rooms": dict(rooms)}:
            for name, what in rooms.items():
                print(f"{name}: {what}")
            return 0
    raise OSError(f"{settings.web.listen} is no Parlour hub")


def _connection(address: WebAddress) -> http.client.HTTPConnection:
    host = address.host
    if (own := address_of(host)) is not None and own.is_unspecified:
        host = "127.0.0.1" if isinstance(own, ipaddress.IPv4Address) else "::1"
    if address.secure:
        context = client_context()
        return http.client.HTTPSConnection(host, address.port, timeout=_TIMEOUT, context=context)
    return http.client.HTTPConnection(host, address.port, timeout=_TIMEOUT)


def _check(connection: http.client.HTTPSConnection, address: WebAddress) -> None:
    """See that it is our hub.

    Raises:
        OSError: it has another certificate.
    """
    shown = connection.sock.getpeercert(binary_form=True) or b""
    if pin_of(shown) != load_certificate(state_folder()).pin:
        raise OSError(
            f"{address} does not have the certificate in {state_folder()}: another program is "
            "there, or the hub runs as another user (then run this as that one)"
        )


def _token(file: Path | None) -> str:
    path = file if file is not None else own_token_path(state_folder())
    try:
        return read_private(path).decode("ascii").strip()
    except FileNotFoundError:
        hint = "" if file is not None else " (is the hub running, and as this user?)"
        raise ConfigError(f"no token in {path}{hint}") from None
    except PermissionError as exc:
        raise ConfigError(str(exc)) from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: no token") from exc
