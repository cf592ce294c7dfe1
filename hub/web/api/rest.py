"""All of the REST interface's routes."""

from aiohttp import web

from hub.web.api import (
    asking,
    documents,
    history,
    hub,
    models,
    recorded,
    rooms,
    settings,
    sound,
    timers,
)
from hub.web.api.conversations import Conversations
from hub.web.parts import Parts


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves the REST interface."""
    conversations = Conversations(parts)
    modules = (rooms, history, timers, settings, models, hub, documents)
    return [
        *sound.routes(parts),
        *asking.routes(parts, conversations),
        *recorded.routes(parts, conversations),
        *(route for module in modules for route in module.routes(parts)),
    ]
