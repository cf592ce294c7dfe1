"""What the hub tells of itself: engines, timers, settings, and whether it is ready."""

import time
from importlib.metadata import version
from typing import Any

from hub.adjust import Adjustments
from hub.config import Settings
from hub.conversation.stages import Engines
from hub.engines.base import Engine, Speed, WakeWord
from hub.engines.choices import stand_in
from hub.engines.stand_in import Backed
from hub.engines.supervisor import EngineState, Supervised
from hub.home.timers import Timers
from hub.live.names import named
from hub.live.state import EngineSpeed, EngineView, HubView, SettingView, TimerView, TurnSound
from hub.recordings import Recordings
from hub.store import Store

_CHOSEN = ("stt", "llm", "tts")  # roles whose engine may have a stand-in
_SEE_LOG = "The hub's log says more; it is tried again by itself."


class HubTold:
    """Everything that `hub.live.Live` asks for.

    Args:
        settings: the hub's.
        engines: the models.
        wake: the hub's wake words.
        timers: all of them.
        adjust: what can be changed.
        store: the record of turns.
        recordings: sound that is kept.
    """

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        wake: Supervised[WakeWord],
        timers: Timers,
        adjust: Adjustments,
        store: Store,
        recordings: Recordings,
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._wake = wake
        self._timers = timers
        self._adjust = adjust
        self._store = store
        self._recordings = recordings
        self._started = time.time()
        self._version = version("parlour")
        roles = (*_CHOSEN, "vad", "turn", "wake")
        self._names = {(role, False): named(role, settings) for role in roles}
        self._needed = {engine.role for engine in engines.needed}
        for role in _CHOSEN:
            if (others := stand_in(role, settings)) is not None:
                self._names[role, True] = named(role, others)

    def hub(self) -> HubView:
        """Return the hub's own state."""
        waits = self._engines.missing
        return HubView(
            name=self._settings.name,
            version=self._version,
            started=self._started,
            ready=not waits,
            waits_for=waits,
            history=self._store.problem,
            keeps_sound=self._settings.web.keep_sound,
        )

    def engines(self) -> list[EngineView]:
        """Return all engines, in the order in which a turn meets them; stand-ins behind theirs."""
        engines = self._engines
        turn = (engines.turn,) if engines.turn is not None else ()
        every: tuple[Supervised[Any], ...] = (
            engines.vad,
            engines.stt,
            *turn,
            engines.llm,
            engines.tts,
            self._wake,
        )
        return [view for engine in every if engine.started for view in self._views(engine)]

    def _views(self, engine: Supervised[Any]) -> list[EngineView]:
        if not isinstance(engine, Backed):
            return [self._view(engine.role, engine, engine.current)]
        own, other = engine.own, engine.stand_in
        works = engine.current
        # One that has as much to do as it can keep up with is none the less at work.
        active = works is own or (own is not None and engine.in_use > 0)
        stands_in = other.in_use > 0 or (works is not None and not active)
        unfit = "" if active else engine.unfit
        return [
            self._view(engine.role, engine, own, unfit=unfit, active=active),
            self._view(engine.role, other, other.current, standby=True, active=stands_in),
        ]

    def _view(
        self,
        role: str,
        engine: Supervised[Any],
        loaded: Engine | None,
        *,
        standby: bool = False,
        unfit: str = "",
        active: bool = True,
    ) -> EngineView:
        """Return one engine as it is.

        Args:
            role: its role.
            engine: it, as it is watched over.
            loaded: itself, where it is loaded.
            standby: whether it is the stand-in.
            unfit: why it is not used although it is loaded.
            active: whether it is the one of its role that works now.
        """
        name = self._names[role, standby]
        speed: Speed | None = getattr(loaded, "speed", None)
        return EngineView(
            role=role,
            name=name.told(loaded.name if loaded is not None else "") or role,
            state=engine.state.value,
            reason=engine.reason or unfit,
            todo=_SEE_LOG if engine.state is EngineState.FAILED else "",
            device=name.where(loaded.device if loaded is not None else None),
            load_seconds=round(engine.load_seconds, 2),
            restarts=engine.restarts,
            in_use=engine.in_use,
            needed=role in self._needed,
            note=loaded.note if loaded is not None else "",
            standby=standby,
            active=active,
            # (rounded, for each difference is told)
            speed=EngineSpeed(round(speed.real_time_factor, 2), round(speed.first_audio, 2))
            if speed is not None
            else None,
        )

    def timers(self) -> list[TimerView]:
        """Return all timers, the one that ends first at the front."""
        now = time.time()
        return [
            TimerView(
                id=timer.id,
                room=timer.room,
                what=timer.what,
                name=timer.name,
                seconds=timer.seconds,
                left=round(timer.left, 1),
                paused=timer.paused,
                due=None if timer.paused else round(now + timer.left, 1),
            )
            for timer in self._timers.running()
        ]

    def settings(self) -> list[SettingView]:
        """Return what can be changed."""
        return self._adjust.views()

    def sound_of(self, turn: str) -> TurnSound:
        """Tell which sound of a turn is kept."""
        return self._recordings.of(turn)
