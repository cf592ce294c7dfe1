"""All of its routes."""

from aiohttp import web

from hub.web.openai import chat, models, speech, transcription
from hub.web.parts import Parts


def routes(parts: Parts) -> list[web.RouteDef]:
    """Return what serves OpenAI's interface."""
    known = models.Models(parts.settings)
    modules = (transcription, speech, chat, models)
    return [route for module in modules for route in module.routes(parts, known)]
