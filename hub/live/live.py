"""What goes on in the hub, for whoever watches: the page, and programs.

Nothing here keeps a turn waiting: steps are noted, and told by a task of its own.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hub.conversation.patience import where
from hub.conversation.turn import Turn
from hub.live.shown import ShownRoom, ShownTurn
from hub.live.state import (
    ConversationCleared,
    EngineChanged,
    EngineView,
    HubChanged,
    HubView,
    Level,
    LiveEvent,
    RoomChanged,
    RoomForgotten,
    RoomKind,
    RoomState,
    RoomView,
    SettingsChanged,
    SettingView,
    Snapshot,
    TimersChanged,
    TimerView,
    TurnChanged,
    TurnSound,
    TurnView,
    WakeWordView,
)

_LOGGER = logging.getLogger(__name__)

_TURNS = 20  # of each room, that are kept to be shown
_MOST_TURNS = 400  # in all
_MOST_CONVERSATIONS = 16  # in writing, that are shown
_QUEUED = 400  # events for one reader; of more it gets a new snapshot instead
_SOON = 0.04  # seconds in which steps of one turn are told as one
_LOOK = 0.25  # seconds between looks at what changes without a step
_LEVEL_EVERY = 0.1  # seconds between levels of a room
_QUIETEST = 60.0  # dB below full scale: level 0
TAB_KEPT = 600.0
"""Seconds for which the room of a tab that has gone waits for it: a phone may sleep for minutes."""
_FULL_SCALE = 32768.0


class Told(Protocol):
    """What `Live` asks for when it tells; all of it is quick."""

    def hub(self) -> HubView:
        """Return the hub's own state."""

    def engines(self) -> list[EngineView]:
        """Return all engines."""

    def timers(self) -> list[TimerView]:
        """Return all timers."""

    def settings(self) -> list[SettingView]:
        """Return what can be changed."""

    def sound_of(self, turn: str) -> TurnSound:
        """Tell which sound of a turn is kept."""


class Subscription:
    """One reader's events.

    Args:
        snapshot: returns everything as it is.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._queue: deque[LiveEvent] = deque()
        self._lost = True  # nothing was told yet
        self._came = asyncio.Event()
        self._came.set()

    def put(self, event: LiveEvent) -> None:
        """Take an event; never waits."""
        if self._lost:
            return  # it will be in the snapshot
        if len(self._queue) >= _QUEUED:
            self._queue.clear()
            self._lost = True
        else:
            self._queue.append(event)
        self._came.set()

    async def next(self) -> LiveEvent:
        """Return the next event; the first is a `Snapshot`, and so is the next after a lag.

        No time-out: there may be nothing to tell for hours.
        """
        while True:
            await self._came.wait()
            if self._lost:
                self._lost = False
                return self._snapshot()
            if self._queue:
                return self._queue.popleft()
            self._came.clear()


class Live:
    """Follows all turns and rooms; tells subscribers.

    Args:
        told: what it asks for when it tells.
        forgotten: told of rooms that are gone for good.
    """

    def __init__(self, told: Told, forgotten: Callable[[str], None] = lambda _: None) -> None:
        self._told = told
        self._forgotten = forgotten
        self._rooms: dict[str, ShownRoom] = {}
        self._turns: OrderedDict[str, ShownTurn] = OrderedDict()  # by id, the oldest first
        self._subscriptions: set[Subscription] = set()
        self._changed: set[str] = set()  # turns of which there is something to tell
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._engines: list[EngineView] = []
        self._settings: list[SettingView] = []
        self._timers: list[tuple[object, ...]] = []
        self._hub: HubView | None = None

    @property
    def subscribers(self) -> int:
        """How many read."""
        return len(self._subscriptions)

    def start(self) -> None:
        """Begin to tell; returns at once."""
        self._task = asyncio.create_task(self._run(), name="live")

    async def close(self) -> None:
        """Tell no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- for readers --------------------------------------------------------------------------

    def subscribe(self) -> Subscription:
        """Begin to read."""
        subscription = Subscription(self.snapshot)
        self._subscriptions.add(subscription)
        self._look.set()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Read no more."""
        self._subscriptions.discard(subscription)

    def snapshot(self) -> Snapshot:
        """Return everything as it is."""
        told = self._told
        return Snapshot(
            at=time.time(),
            hub=told.hub(),
            rooms=self.rooms(),
            turns=[turn.view() for turn in self._turns.values()],
            engines=told.engines(),
            timers=told.timers(),
            settings=told.settings(),
        )

    def rooms(self) -> list[RoomView]:
        """Return all rooms, by name."""
        return [room.view() for _, room in sorted(self._rooms.items())]

    def engines(self) -> list[EngineView]:
        """Return all engines, in the order in which a turn meets them."""
        return self._told.engines()

    def turn(self, turn: str) -> TurnView | None:
        """Return one of the last turns; None where it is none of them."""
        found = self._turns.get(turn)
        return found.view() if found is not None else None

    # -- what happens -------------------------------------------------------------------------

    def step(self, turn: Turn, step: str, text: str) -> None:
        """Take a step of a turn, as `hub.conversation.stages.Watcher` has them."""
        shown = self._turns.get(turn.id) or self._begin(turn)
        if shown.turn is not None:
            shown.step(turn, step, text)
            self._touch(turn.id)

    def ended(self, turn: Turn) -> None:
        """Take the end of a turn; its sound is kept by now, if it is."""
        shown = self._turns.get(turn.id) or self._begin(turn)
        shown.end()
        self._touch(turn.id)

    def _begin(self, turn: Turn) -> ShownTurn:
        room = self._rooms.get(turn.room) or self._new_conversation(turn.room)
        shown = ShownTurn(turn, self._told.sound_of, revision=turn.revision)
        self._turns[turn.id] = shown
        room.turns.append(shown)
        if len(room.turns) > _TURNS:
            self._drop(room.turns.popleft())
        if len(self._turns) > _MOST_TURNS:
            oldest = next(iter(self._turns.values()))
            owner = self._rooms.get(oldest.view().room)
            if owner is not None and oldest in owner.turns:
                owner.turns.remove(oldest)
            self._drop(oldest)
        return shown

    def _new_conversation(self, name: str) -> ShownRoom:
        """Show a conversation in writing; the oldest of many makes place."""
        texts = [r for r in self._rooms.values() if r.kind == "text" and r.state == "idle"]
        if len(texts) >= _MOST_CONVERSATIONS:
            self._forget(texts[0])
        room = self._rooms[name] = ShownRoom(name, "text", time.time())
        return room

    def _forget(self, room: ShownRoom) -> None:
        for shown in room.turns:
            self._drop(shown)
        del self._rooms[room.name]
        self._tell(RoomForgotten(time.time(), room.name))

    def _drop(self, shown: ShownTurn) -> None:
        self._turns.pop(shown.view().id, None)

    def _touch(self, turn: str) -> None:
        if self._subscriptions:
            self._changed.add(turn)
            self._look.set()

    def room_arrived(self, name: str, kind: RoomKind, controls: Sequence[str] = ()) -> None:
        """Say that somebody is in a room now.

        Args:
            name: the room's name.
            kind: what it is.
            controls: what can be set there; see `RoomView`.
        """
        room = self._rooms.setdefault(name, ShownRoom(name, kind, time.time()))
        room.kind, room.connected, room.since = kind, True, time.time()
        room.controls, room.gone = list(controls), 0.0
        self._tell(RoomChanged(time.time(), room.view()))

    def room_left(self, name: str) -> None:
        """Say that nobody is there any more; a tab's room is forgotten ten minutes later."""
        if (room := self._rooms.get(name)) is not None:
            room.connected, room.since = False, time.time()
            room.gone = asyncio.get_running_loop().time()
            self._tell(RoomChanged(time.time(), room.view()))

    def room_status(
        self,
        name: str,
        *,
        muted: bool | None = None,
        volume: float | None = None,
        wake_words: Sequence[WakeWordView] | None = None,
    ) -> None:
        """Take what is known of a room; None leaves it as it was."""
        if (room := self._rooms.get(name)) is None:
            return
        before = room.view()
        room.muted = room.muted if muted is None else muted
        room.volume = room.volume if volume is None else volume
        room.wake_words = room.wake_words if wake_words is None else list(wake_words)
        if (now := room.view()) != before:
            self._tell(RoomChanged(time.time(), now))

    def conversation_cleared(self, name: str) -> None:
        """Say that a room begins a new conversation."""
        self._tell(ConversationCleared(time.time(), name))

    def settings_changed(self) -> None:
        """Say that settings were changed."""
        if self._subscriptions:
            self._settings = self._told.settings()
            self._tell(SettingsChanged(time.time(), self._settings))

    def erased(self) -> None:
        """Show no turn any more that is over."""
        for shown in [shown for shown in self._turns.values() if shown.turn is None]:
            self._drop(shown)
        for room in self._rooms.values():
            room.turns = deque(shown for shown in room.turns if shown.turn is not None)
        if self._subscriptions:
            self._tell(self.snapshot())

    def heard(self, name: str, pcm: bytes) -> None:
        """Take what a room's microphone hears (16 kHz mono 16-bit), for its level."""
        room = self._rooms.get(name)
        if room is None or not self._subscriptions or len(pcm) < 2:
            return
        samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32)
        room.loudest = max(room.loudest, float(np.sqrt(np.mean(samples * samples))) / _FULL_SCALE)
        if (now := asyncio.get_running_loop().time()) - room.level_told >= _LEVEL_EVERY:
            decibels = 20 * float(np.log10(max(room.loudest, 1e-6)))
            level = round(min(1.0, max(0.0, 1 + decibels / _QUIETEST)), 3)
            self._tell(Level(time.time(), name, level))
            room.level_told, room.loudest = now, 0.0

    # -- telling ------------------------------------------------------------------------------

    def _tell(self, event: LiveEvent) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)

    async def _run(self) -> None:
        states: dict[str, RoomState] = {}
        while True:
            try:
                if self._subscriptions:
                    self._tell_turns(states)
                    self._tell_the_rest()
                self._forget_tabs()
            except Exception as exc:  # a bug, but whoever watches must not go blind
                _LOGGER.error("live: %s", where(exc))
            self._look.clear()
            try:
                async with asyncio.timeout(_LOOK if self._subscriptions else TAB_KEPT / 4):
                    await self._look.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_SOON)

    def _tell_turns(self, states: dict[str, RoomState]) -> None:
        changed, self._changed = self._changed, set()
        speaking = {
            key for key, s in self._turns.items() if s.turn is not None and s.turn.playback.started
        }
        for turn in changed | speaking:  # (what was heard grows without a step)
            if (shown := self._turns.get(turn)) is not None:
                self._tell(TurnChanged(time.time(), shown.view()))
        for name, room in self._rooms.items():
            if states.get(name) != room.state:
                states[name] = room.state
                self._tell(RoomChanged(time.time(), room.view()))
        for name in states.keys() - self._rooms.keys():
            del states[name]

    def _tell_the_rest(self) -> None:
        """Tell what has no step: engines, timers, the hub itself."""
        engines = self._told.engines()
        if engines != self._engines:
            for engine in engines:
                if engine not in self._engines:
                    self._tell(EngineChanged(time.time(), engine))
            self._engines = engines
            # A voice that was loaded says what can be chosen of it.
            if (settings := self._told.settings()) != self._settings:
                self._settings = settings
                self._tell(SettingsChanged(time.time(), settings))
        timers = self._told.timers()
        # What is left changes all the time, and everybody can count.
        fixed: list[tuple[object, ...]] = [
            (t.id, t.name, t.paused, round(t.due) if t.due is not None else None) for t in timers
        ]
        if fixed != self._timers:
            self._timers = fixed
            self._tell(TimersChanged(time.time(), timers))
        if (hub := self._told.hub()) != self._hub:
            self._hub = hub
            self._tell(HubChanged(time.time(), hub))

    def _forget_tabs(self) -> None:
        now = asyncio.get_running_loop().time()
        for name, room in list(self._rooms.items()):
            if room.kind == "tab" and room.gone and now - room.gone > TAB_KEPT:
                self._forget(room)
                self._forgotten(name)
