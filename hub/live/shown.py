"""Rooms and turns as they are shown, kept up to date step by step."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.conversation.turn import Turn
from hub.live.state import (
    Clause,
    RoomKind,
    RoomState,
    RoomView,
    TurnSound,
    TurnView,
    WakeWordView,
)
from hub.live.turn_view import state_of, view_of


@dataclass(slots=True)
class ShownRoom:
    """A room that is shown, with its last turns."""

    name: str
    kind: RoomKind
    since: float  # when somebody came, or went, in seconds since the epoch
    connected: bool = True
    controls: list[str] = field(default_factory=list)
    muted: bool | None = None
    volume: float | None = None
    wake_words: list[WakeWordView] = field(default_factory=list)
    turns: deque["ShownTurn"] = field(default_factory=deque)
    loudest: float = 0.0  # since the last level that was told, of full scale
    level_told: float = 0.0  # when, on the loop's clock
    gone: float = 0.0  # when nobody was there any more, on the same

    @property
    def state(self) -> RoomState:
        """What goes on there."""
        if not self.connected:
            return "offline"
        if self.turns and (turn := self.turns[-1].turn) is not None:
            state = state_of(turn)
            if state != "ended":
                return state
        return "muted" if self.muted else "idle"

    def view(self) -> RoomView:
        """Return it as it is shown."""
        return RoomView(
            self.name,
            self.kind,
            self.state,
            self.muted,
            self.volume,
            list(self.wake_words),
            self.since,
            list(self.controls),
        )


@dataclass(slots=True)
class ShownTurn:
    """A turn that is shown: the object while it goes on, and its last view afterwards."""

    turn: Turn | None
    sound: Callable[[str], TurnSound]
    partial: str = ""
    problem: str = ""
    revision: int = 0
    reply: list[Clause] = field(default_factory=list)
    last: TurnView | None = None

    def step(self, turn: Turn, step: str, text: str) -> None:
        """Take a step, as `hub.conversation.stages.Watcher` has them."""
        if step == "partial":
            self.partial = text
        elif step in ("failed", "nothing-said"):
            self.problem = text
        elif step == "wrote":
            if turn.revision != self.revision:
                self.revision = turn.revision
                self.reply = [clause for clause in self.reply if clause.sent]
            self.reply.append(Clause(text.strip(), sent=False))
        elif step == "clause":
            self._sent(text.strip())

    def _sent(self, text: str) -> None:
        """Take a clause that is sent; what was written before it and never sent was dropped."""
        sent = [clause for clause in self.reply if clause.sent]
        unsent = [clause for clause in self.reply if not clause.sent]
        while unsent and unsent.pop(0).text != text:
            pass
        self.reply = [*sent, Clause(text, sent=True), *unsent]

    def end(self) -> None:
        """Let go of the turn; what was written and never sent is nobody's."""
        self.reply = [clause for clause in self.reply if clause.sent]
        self.last = self.view()
        self.turn = None

    def view(self) -> TurnView:
        """Return it as it is shown."""
        if self.turn is None:
            assert self.last is not None
            return self.last
        return view_of(
            self.turn,
            partial=self.partial,
            reply=list(self.reply),
            problem=self.problem,
            sound=self.sound(self.turn.id),
        )
