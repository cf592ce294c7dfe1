"""Composes the hub, starts and stops it in order."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from wyoming.event import Event

from hub.adjust import Adjustments
from hub.config import Settings, store_path
from hub.conversation.interruption import Judge
from hub.conversation.pipeline import Engines, Pipeline, Watcher
from hub.conversation.room import Rooms
from hub.conversation.turn import Mark, Turn
from hub.engines.base import EngineError, LanguageModel
from hub.engines.choices import STAND_INS, llm_model, stand_in
from hub.engines.registry import make_llm, make_stt, make_tts, make_turn, make_vad, make_wake
from hub.engines.stand_in import Backed, always_fit, too_slow
from hub.engines.supervisor import E, Supervised
from hub.home.everything import Everything
from hub.home.home_assistant import HomeAssistant
from hub.live.live import Live
from hub.live.state import WakeWordView
from hub.live.told import HubTold
from hub.recordings import Recordings
from hub.service.announcer import Announcer
from hub.service.satellites import SatelliteServer
from hub.service.server import ServiceServer
from hub.service.voices import chosen
from hub.store import Store
from hub.web.parts import Parts
from hub.web.server import WebServer
from hub.web.steps import Steps

_LOGGER = logging.getLogger(__name__)


class Hub:
    """One running hub.

    Args:
        settings: all of them.
        watch: told of each step of each turn as it happens, with its text.
    """

    def __init__(self, settings: Settings, watch: Watcher | None = None) -> None:
        self._settings = settings
        self._watch = watch
        self.adjust = Adjustments(settings, self._adjusted, voice=lambda: chosen(self.engines.tts))
        self.adjust.load()
        self.engines = Engines(
            stt=_supervised("stt", make_stt, settings),
            llm=_supervised("llm", make_llm, settings, warm=self._share_prompt),
            tts=_supervised("tts", make_tts, settings, unfit=too_slow),
            vad=_supervised("vad", make_vad, settings),
            turn=_supervised("turn", make_turn, settings) if settings.turn.model else None,
        )
        self.store = Store(
            store_path(settings.store), text=settings.store.text, days=settings.store.days
        )
        self.recordings = Recordings()
        self._home_assistant = (
            HomeAssistant(settings, model=self._model) if settings.home_assistant.url else None
        )
        self.home = Everything(
            store_path(settings.store),
            settings.stt.languages or (settings.language,),
            self._send,
            partial(self._send, extension=True),
            self._say,
            self._home_assistant,
            self._room_status,
        )
        self.pipeline = Pipeline(self.engines, settings, self._step, self.home)
        self.rooms = Rooms(self.pipeline, settings.memory, self._ended)
        judge = Judge(self.engines.vad, self.engines.stt, settings)
        self._wake = _supervised("wake", make_wake, settings)
        told = HubTold(
            settings,
            self.engines,
            self._wake,
            self.home.timers,
            self.adjust,
            self.store,
            self.recordings,
        )
        self.live = Live(told, self.rooms.forget)
        self._satellites = SatelliteServer(
            self.rooms,
            settings,
            judge,
            self.home.arrived,
            self._wake,
            vad=self.engines.vad,
            presence=self.live,
            controls=self.home.controls,
        )
        self._announcer = Announcer(lambda: self._satellites.links, self.engines.tts, settings)
        # Conversations by text have rooms of their own, so that no number of them drives out what
        # a satellite's room remembers.
        self._conversations = Rooms(self.pipeline, settings.memory, self._ended)
        parts = Parts(
            settings=settings,
            adjust=self.adjust,
            engines=self.engines,
            wake=self._wake,
            rooms=self.rooms,
            conversations=self._conversations,
            satellites=self._satellites,
            announcer=self._announcer,
            home=self.home,
            store=self.store,
            live=self.live,
            recordings=self.recordings,
            steps=Steps(self.engines, settings),
        )
        self.metrics = parts.metrics
        self._web = WebServer(settings.web.listen, parts)
        self._service = ServiceServer(self.engines, self._wake, self._conversations, settings)
        self.metrics.connections["service"] = lambda: self._service.connections
        self.service_address = ""  # where clients connect, once it has started
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def web_address(self) -> str:
        """Where programs on this machine find it over HTTP; "" for nowhere."""
        return self._web.address

    @property
    def needs_pairing(self) -> bool:
        """Whether satellites must be paired to dial in, and none is yet."""
        return self._satellites.needs_pairing

    async def start(self) -> str:
        """Listen at once and load the models meanwhile; return the satellites' address.

        Raises:
            ConfigError: other machines could reach a port that nobody may use.
            OSError: the address is taken or cannot be had.
        """
        settings = self._settings
        address = await _listen("link.listen", settings.link.listen, self._satellites.start)
        try:
            self.service_address = await _listen(
                "service.listen", settings.service.listen, self._service.start
            )
        except BaseException:
            await self._satellites.close()
            raise
        self.store.start()
        self.live.start()
        self.home.start()
        if self._home_assistant is not None:
            connecting = self._home_assistant.run()
            self._spawn(connecting, "home assistant")
        try:
            await self._web.start()
        except BaseException:  # most often there is no password
            await self.close()
            raise
        for engine in self.engines.needed:
            engine.start()
        if self.engines.turn is not None:  # a turn does without it
            self.engines.turn.start()
        # (browser tabs have no wake words of their own)
        listens = self.service_address or self._web.address
        if listens or settings.link.dial or settings.link.discover:
            self._wake.start()
        return address

    async def ready(self, timeout: float) -> None:
        """Wait until all engines that a turn needs are loaded.

        Raises:
            EngineUnavailable: one failed, or takes longer than `timeout` seconds.
        """
        async with asyncio.TaskGroup() as waits:
            for engine in self.engines.needed:
                waits.create_task(engine.get(timeout=timeout))

    async def wake_ready(self, timeout: float) -> None:
        """Wait until the wake words are loaded, which clients of the service port may ask for.

        Raises:
            EngineUnavailable: they failed, or take longer than `timeout` seconds.
        """
        if self.service_address:
            await self._wake.get(timeout=timeout)

    async def close(self) -> None:
        """Send the satellites away, end their turns, free the models, write the record."""
        await self._web.close()
        await self._satellites.close()
        await self._service.close()
        await asyncio.gather(self.rooms.close(), self._conversations.close())
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.home.close()
        await self.live.close()
        engines = (*self.engines.needed, self._wake, self.engines.turn)
        await asyncio.gather(*(engine.close() for engine in engines if engine is not None))
        await self.store.close()

    def _model(self) -> str:
        """Return the name of the language model that works now, or will."""
        llm = self.engines.llm.current
        return llm.model if llm is not None else llm_model(self._settings.llm)

    async def _share_prompt(self, llm: LanguageModel) -> None:
        """Compute the system prompt once for all rooms."""
        await llm.prefill("", [self.pipeline.system])

    async def _send(self, room: str, event: Event, *, extension: bool = False) -> bool:
        return await self._satellites.send(room, event, extension=extension)

    def _room_status(
        self,
        room: str,
        *,
        muted: bool | None = None,
        wake_words: list[WakeWordView] | None = None,
        volume: float | None = None,
    ) -> None:
        self.live.room_status(room, muted=muted, wake_words=wake_words, volume=volume)

    async def _say(self, room: str, text: str) -> None:
        await self._announcer.say(room, text)

    def _adjusted(self, keys: frozenset[str]) -> None:
        """Let settings that were changed take effect."""
        if keys & {"llm.persona", "name"} and (llm := self.engines.llm.current) is not None:
            self._spawn(self._share_prompt_quietly(llm), "share prompt")
        if "wake.words" in keys:
            self._wake.renew()
        self.live.settings_changed()

    async def _share_prompt_quietly(self, llm: LanguageModel) -> None:
        try:
            await self._share_prompt(llm)
        except EngineError as exc:  # the next turn computes it
            _LOGGER.debug("no prefill: %s", exc)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _step(self, turn: Turn, step: str, text: str) -> None:
        self.live.step(turn, step, text)
        if step == "wrote":  # said again as a clause, where it is sent
            return
        if self._settings.log.transcripts and text:
            _LOGGER.info("turn %s %s: %s: %s", turn.id, turn.room, step, text)
        if self._watch is not None:
            self._watch(turn, step, text)

    def _ended(self, turn: Turn) -> None:
        record = turn.record
        answer = record.between(Mark.SPEECH_END, Mark.FIRST_AUDIO_SENT)
        counts = [f"{name}={count}" for name, count in record.work().items()]
        if turn.voice is not None:
            counts.insert(0, f"voice={turn.voice.engine.name}")
        _LOGGER.info(
            "turn %s %s: %s in %.2f s; speech end to audio %s; %s; %s",
            turn.id,
            turn.room,
            turn.outcome,
            record.total(),
            f"{answer:.2f} s" if answer is not None else "-",
            " ".join([*((f"intent={record.intent}",) if record.intent else ()), *counts]),
            " ".join(f"{name}+{seconds:.2f}" for name, seconds in record.stages()),
        )
        self.store.add(turn)
        self.recordings.add(turn)
        self.live.ended(turn)
        self.metrics.ended(turn)
        if self._watch is not None:
            self._watch(turn, "ended", str(turn.outcome))


def _supervised(
    role: str,
    make: Callable[[Settings], E],
    settings: Settings,
    warm: Callable[[E], Awaitable[None]] | None = None,
    unfit: Callable[[E, int], str] = always_fit,
) -> Supervised[E]:
    """Return a role's supervisor, with one that stands in where the settings want it."""
    # On a thread, since making an engine may hash its model's files.
    wanted = partial(asyncio.to_thread, make, settings)
    if role not in STAND_INS or (other := stand_in(role, settings)) is None:
        return Supervised(role, wanted, warm)
    instead = Supervised(role, partial(asyncio.to_thread, make, other), warm)
    return Backed(role, wanted, instead, warm, unfit)


async def _listen(key: str, uri: str, start: Callable[[], Awaitable[str]]) -> str:
    """Start to listen; an error says where, and which setting it is."""
    try:
        return await start()
    except OSError as exc:
        hint = " (is a hub running already?)" if exc.errno == errno.EADDRINUSE else ""
        raise OSError(f"{key}: {uri}: {exc}{hint}") from exc
