"""The service port: what Home Assistant and other Wyoming clients use of the hub."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

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
from hub.service.voices import chosen
from hub.service.wake import WakeListener
from protocol.access import allow_list, is_local
from protocol.connection import Connection, Limits
from protocol.discovery import announced, instance_name, reachable_at
from protocol.transport import Server, serve
from protocol.uri import Inet, parse

# How long a client may rest is the session's to say: it may wait for us for longer than that.
_LIMITS = Limits(idle_timeout=None, write_timeout=30.0)
_LEAVING = 16  # clients that are being let go and are not gone yet


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
        self._announced = AsyncExitStack()
        self._sessions: set[Session] = set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

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
            lambda: chosen(self._engines.tts),
            Transcriber(self._engines, offer.stt_languages, offer.stt_models, settings.turn),
            Speaker(self._engines, settings),
            Answerer(self._engines, self._rooms, settings.language),
            WakeListener(self._wake),
            settings.service.endpointing,
        )

        async def serve_one(connection: Connection) -> None:
            session = Session(connection, services)
            if not self._has_place():
                session.displace()
            self._sessions.add(session)
            try:
                await session.run()
            finally:
                self._sessions.discard(session)

        self._server = await serve(
            settings.service.listen,
            serve_one,
            limits=_LIMITS,
            max_connections=settings.service.max_connections + _LEAVING,
            admit=allowed,
        )
        await self._announce(self._server.uri)
        return self._server.uri

    async def _announce(self, uri: str) -> None:
        """Let others on the network find it, where they can reach it and are to know."""
        where = parse(uri)
        if self._settings.service.announce and isinstance(where, Inet) and not is_local(uri):
            name = instance_name("parlour-hub")
            announcing = announced(name, where.port, partial(reachable_at, uri))
            await self._announced.enter_async_context(announcing)

    def _has_place(self) -> bool:
        """Tell whether one more may be served.

        When it is full, the client that has rested for longest goes: silent ones keep nobody out.
        """
        if len(self._sessions) < self._settings.service.max_connections:
            return True
        resting = [(since, s) for s in self._sessions if (since := s.resting_since) is not None]
        if resting:
            min(resting, key=lambda pair: pair[0])[1].displace()
        return bool(resting)

    async def close(self) -> None:
        """Stop listening, end all requests."""
        await self._announced.aclose()
        if self._server is not None:
            await self._server.close()
        await self._rooms.close()
