"""What the hub tells of itself: engines, timers, settings, and whether it is ready."""

import time
from importlib.metadata import version
from typing import Any

from hub.adjust import Adjustments
from hub.config import Settings
from hub.conversation.stages import Engines
from hub.engines.base import WakeWord
from hub.engines.registry import llm_model, public_name, stt_model
from hub.engines.supervisor import EngineState, Supervised
from hub.home.timers import Timers
from hub.live.state import EngineView, HubView, SettingView, TimerView, TurnSound
from hub.recordings import Recordings
from hub.store import Store

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
        self._names = {  # until they are loaded
            "stt": stt_model(settings),
            "llm": llm_model(settings.llm),
            "tts": settings.tts.engine,
            "turn": settings.turn.model,
        }

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
        """Return all engines, in the order in which a turn meets them."""
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
        return [self._engine(engine) for engine in every if engine.started]

    def _engine(self, engine: Supervised[Any]) -> EngineView:
        loaded = engine.current
        role = engine.role
        return EngineView(
            role=role,
            name=self._name(role, loaded.name if loaded is not None else ""),
            state=engine.state.value,
            reason=engine.reason,
            todo=_SEE_LOG if engine.state is EngineState.FAILED else "",
            device=self._device(role),
            load_seconds=round(engine.load_seconds, 2),
            restarts=engine.restarts,
            in_use=engine.in_use,
            needed=engine in self._engines.needed,
        )

    def _name(self, role: str, engine: str) -> str:
        """Say which engine and model it is, as far as is known."""
        model = public_name(self._names.get(role, ""))
        return " · ".join(dict.fromkeys(filter(None, (engine, model)))) or role

    def _device(self, role: str) -> str:
        if role == "stt":
            return self._settings.stt.device
        if role == "llm":
            layers = self._settings.llm.gpu_layers
            return "cpu" if not layers else "gpu" if layers < 0 else f"gpu ({layers} layers)"
        return "cpu"

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
