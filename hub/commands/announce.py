"""`parlour-hub announce`: say something in one room, or in all."""

import http.client
import json
import sys

from hub.config import Settings
from hub.web.server import address_of
from protocol.settings import ConfigError

_TIMEOUT = 300.0  # seconds: it may wait for a conversation, and then has to be spoken


def announce(settings: Settings, text: str, room: str | None) -> int:
    """Have the running hub announce `text`; print what came of it in each room.

    Returns:
        0 where it was heard somewhere, 1 where it was not.

    Raises:
        ConfigError: the hub has no HTTP server.
        OSError: no hub is running there, or it hung up.
    """
    if not settings.web.listen:
        raise ConfigError('web.listen is "", so that the hub takes no announcements')
    host, port = address_of(settings.web.listen)
    asked = {"text": text, **({"room": room} if room is not None else {})}
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request(
            "POST", "/api/announce", json.dumps(asked), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
    except ConnectionRefusedError:
        raise OSError(f"no hub is running at {settings.web.listen} (start one)") from None
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
