"""What the hub shows of itself as it happens: rooms, turns, engines, timers, settings.

These structs are the messages of the live events (`docs/live-events.md`) and parts of the REST
interface's answers, so that both say the same in the same words.
"""

from typing import Literal

import msgspec

RoomState = Literal["idle", "listening", "thinking", "speaking", "muted", "offline"]
RoomKind = Literal["satellite", "tab", "text"]
TurnState = Literal["listening", "thinking", "speaking", "ended"]
EngineCondition = Literal["loading", "ready", "failed"]


class Clause(msgspec.Struct, frozen=True):
    """A clause of a reply.

    Args:
        text: what it says.
        sent: whether it was sent to be played (or read), or is only written so far.
    """

    text: str
    sent: bool


class Span(msgspec.Struct, frozen=True):
    """Some work, or some waiting, of a turn: one bar of its waterfall.

    Args:
        stage: "speech", "transcribe", "end_of_turn", "choose", "write", "act", "speak", "gate" or
            "play".
        begin: seconds since the turn began.
        end: seconds since the turn began; null while it goes on.
        dropped: whether what came of it was thrown away: they went on speaking.
        speculative: whether it began before it was known that they had finished.
        detail: which one, or what came of it, in a few letters; holds no words of anybody.
    """

    stage: str
    begin: float
    end: float | None
    dropped: bool = False
    speculative: bool = False
    detail: str = ""


class TurnSound(msgspec.Struct, frozen=True):
    """Which sound of a turn is kept, at /api/turns/ID/reply.wav and /api/turns/ID/said.wav."""

    reply: bool
    said: bool


class TurnView(msgspec.Struct, frozen=True):
    """One turn, now or in the past.

    Args:
        id: of the turn.
        room: its room's name.
        began: seconds since the epoch.
        state: how far it has come.
        outcome: how it ended: "answered", "stopped", "nothing-said", "interrupted", "gone" or
            "failed"; "" while it goes on.
        announcement: whether nobody asked: an announcement, or a timer that is done.
        partial: what was recognised so far, while they speak.
        said: what they said; "" until that is certain.
        reply: what is written of the reply.
        heard: as much of the reply as was heard.
        problem: why it failed, or why there was nothing to answer; "" if neither.
        intent: of the command that it was; "" where the language model answered.
        marks: moments, in seconds since the first; docs/benchmarks.md names them.
        spans: where the time went.
        work: what was computed, reused and thrown away, by name.
        sound: which sound of it is kept.
    """

    id: str
    room: str
    began: float
    state: TurnState
    outcome: str = ""
    announcement: bool = False
    partial: str = ""
    said: str = ""
    reply: list[Clause] = []
    heard: str = ""
    problem: str = ""
    intent: str = ""
    marks: dict[str, float] = {}
    spans: list[Span] = []
    work: dict[str, int] = {}
    sound: TurnSound = TurnSound(False, False)


class WakeWordView(msgspec.Struct, frozen=True):
    """A wake word that a satellite knows.

    Args:
        name: its id.
        phrase: what a person says.
        active: whether it listens for it.
    """

    name: str
    phrase: str
    active: bool


class RoomView(msgspec.Struct, frozen=True):
    """One room: a satellite, a browser tab, or a conversation in writing.

    Args:
        name: the room's name.
        kind: what is in it.
        state: what goes on there.
        muted: whether its microphone is off; null where that cannot be known.
        volume: how loud it plays, 0 to 1; null where it has no volume that could be set.
        wake_words: those that it knows; empty where it cannot be told which to listen for.
        since: when it came, or went, in seconds since the epoch.
        controls: what can be set there: any of "mute", "volume", "wake-words".
    """

    name: str
    kind: RoomKind
    state: RoomState
    muted: bool | None = None
    volume: float | None = None
    wake_words: list[WakeWordView] = []
    since: float = 0.0
    controls: list[str] = []


class EngineSpeed(msgspec.Struct, frozen=True):
    """How fast a voice speaks, as it was measured.

    Args:
        real_time_factor: seconds of computing for one second of speech; below 1 it keeps up.
        first_audio: seconds from a text to the first of its sound.
    """

    real_time_factor: float
    first_audio: float


class EngineView(msgspec.Struct, frozen=True):
    """One engine. A role may have two: the one that was chosen, and its stand-in.

    Args:
        role: "vad", "stt", "turn", "llm", "tts" or "wake".
        name: the engine and its model, in words.
        state: where it stands.
        reason: why it failed or loads anew, or why it is loaded and not used; "" otherwise.
        todo: what to do about that; "" where nothing need be done.
        device: where it runs: "cpu", "cuda", or another machine's address; "" until that is known.
        load_seconds: how long it took to load.
        restarts: how often it was replaced.
        in_use: how many have it lent at the moment.
        needed: whether a turn cannot do without an engine of this role.
        note: what people should know of where it runs, as that it fell back to the processor, and
            why; "" for nothing.
        standby: whether it is the stand-in, which works while the other one cannot.
        active: whether it is the engine of its role that works now, or would; of two both, where
            one has more to do than it keeps up with.
        speed: how fast it speaks; null where that was not measured.
    """

    role: str
    name: str
    state: EngineCondition
    reason: str
    todo: str
    device: str
    load_seconds: float
    restarts: int
    in_use: int
    needed: bool
    note: str = ""
    standby: bool = False
    active: bool = True
    speed: EngineSpeed | None = None


class TimerView(msgspec.Struct, frozen=True):
    """A timer, an alarm or a reminder.

    Args:
        id: its id.
        room: where it rings.
        what: "timer", "alarm" or "reminder".
        name: what it is called, or of what it reminds; "" if nothing.
        seconds: for how long it was set.
        left: seconds that are left, when this was said.
        paused: whether it stands still.
        due: when it rings, in seconds since the epoch; null while it is paused.
    """

    id: str
    room: str
    what: str
    name: str
    seconds: float
    left: float
    paused: bool
    due: float | None


class SettingView(msgspec.Struct, frozen=True):
    """A setting that can be changed while the hub runs.

    Args:
        key: as in hub.toml: "llm.persona".
        value: what holds now.
        file: what hub.toml says, or the default.
        saved: what was saved here, and holds again after a restart; null if nothing was.
        choices: what it may be; empty where it is free text or a number.
        least: the smallest number; null where it is none.
        most: the largest number, or the longest text in letters; null where there is no bound.
        available: whether the engines that run can do it at all.
        hint: what it does, in a sentence.
        example: of what may be written there; "" for none.
    """

    key: str
    value: str | float | list[str]
    file: str | float | list[str]
    saved: str | float | list[str] | None
    choices: list[str] = []
    least: float | None = None
    most: float | None = None
    available: bool = True
    hint: str = ""
    example: str = ""


class HubView(msgspec.Struct, frozen=True):
    """The hub itself.

    Args:
        name: what the assistant calls itself.
        version: of the program.
        started: when, in seconds since the epoch.
        ready: whether a turn would be answered now.
        waits_for: the roles of the engines that it waits for.
        history: why there is no history of turns; "" if there is.
        keeps_sound: whether what is said is kept for a while, to be played again.
    """

    name: str
    version: str
    started: float
    ready: bool
    waits_for: list[str]
    history: str
    keeps_sound: bool


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot", tag_field="event"):
    """Everything as it is; the first message, and again after a reader was too slow."""

    at: float
    hub: HubView
    rooms: list[RoomView]
    turns: list[TurnView]
    engines: list[EngineView]
    timers: list[TimerView]
    settings: list[SettingView]


class HubChanged(msgspec.Struct, frozen=True, tag="hub", tag_field="event"):
    """The hub's own state changed."""

    at: float
    hub: HubView


class RoomChanged(msgspec.Struct, frozen=True, tag="room", tag_field="event"):
    """A room is new, or something about it changed."""

    at: float
    room: RoomView


class RoomForgotten(msgspec.Struct, frozen=True, tag="room-forgotten", tag_field="event"):
    """A room is gone for good: a tab that was closed, or one that nobody used for long."""

    at: float
    name: str


class TurnChanged(msgspec.Struct, frozen=True, tag="turn", tag_field="event"):
    """A turn began or went on; the whole of it, so that the newest message replaces the others."""

    at: float
    turn: TurnView


class ConversationCleared(msgspec.Struct, frozen=True, tag="conversation", tag_field="event"):
    """A room begins a new conversation: what was said there is remembered no more."""

    at: float
    room: str


class Level(msgspec.Struct, frozen=True, tag="level", tag_field="event"):
    """How loud a room's microphone is: 0 (-60 dB of full scale, or less) to 1 (full scale)."""

    at: float
    room: str
    level: float


class EngineChanged(msgspec.Struct, frozen=True, tag="engine", tag_field="event"):
    """An engine's state changed."""

    at: float
    engine: EngineView


class TimersChanged(msgspec.Struct, frozen=True, tag="timers", tag_field="event"):
    """All timers, after one of them changed."""

    at: float
    timers: list[TimerView]


class SettingsChanged(msgspec.Struct, frozen=True, tag="settings", tag_field="event"):
    """All settings that can be changed, after one of them was."""

    at: float
    settings: list[SettingView]


LiveEvent = (
    Snapshot
    | HubChanged
    | RoomChanged
    | RoomForgotten
    | TurnChanged
    | ConversationCleared
    | Level
    | EngineChanged
    | TimersChanged
    | SettingsChanged
)
