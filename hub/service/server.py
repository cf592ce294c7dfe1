"""The service port: what Home Assistant and other Wyoming clients use of the hub."""

import asyncio

from hub.config import Settings
from hub.conversation.pipeline import Engines
from hub.conversation.room import Rooms
from hub.engines.base import WakeWord
from hub.engines.supervisor import Supervised
from hub.service.asr import Transcriber
from hub.service.handle import Answerer
from hub.service.info import offer_of
from hub.service.session import Services, Session
from hub.service.tts import Speaker
from hub.service.wake import WakeListener
from protocol.access import allow_list
from protocol.connection import Connection, Limits
from protocol.transport import Server, serve

# How long a client may rest is the session's to say: it may wait for us for longer than that.
_LIMITS = Limits(idle_timeout=None, write_timeout=30.0)


class ServiceServer:
    """Where clients connect.

    Args:
        engines: the hub's.
        wake: its wake words.
        rooms: the memories of the conversations held here; of this port alone.
        settings: the hub's.
    """

    def __init__(
        self,
        engines: Engines,
        wake: Supervised[WakeWord],
        rooms: Rooms,
        settings: Settings,
    ) -> None:
        self._engines = engines
        self._wake = wake
        self._rooms = rooms
        self._settings = settings
        self._server: Server | None = None

    async def start(self) -> str:
        """Listen; return the address, "" where the settings want none.

        Raises:
            ConfigError: other machines could reach it and nobody is allowed to.
            OSError: the address is taken or cannot be had.
        """
        settings = self._settings
        if not settings.service.listen:
            return ""
        allowed = allow_list("service.", settings.service.listen, settings.service.allow)
        offer = await asyncio.to_thread(offer_of, settings)
        services = Services(
            offer,
            Transcriber(self._engines, offer.stt_languages, offer.stt_models, settings.turn),
            Speaker(self._engines, offer.tts_languages, offer.tts_voices, settings.language),
            Answerer(self._engines, self._rooms, settings.language),
            WakeListener(self._wake),
        )

        async def session(connection: Connection) -> None:
            await Session(connection, services).run()

        self._server = await serve(
            settings.service.listen,
            session,
            limits=_LIMITS,
            max_connections=settings.service.max_connections,
            admit=allowed,
        )
        return self._server.uri

    async def close(self) -> None:
        """Stop listening, end all requests."""
        if self._server is not None:
            await self._server.close()
        await self._rooms.close()
