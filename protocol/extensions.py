"""The few events and data keys that Wyoming lacks.

They are additional event types, or additional keys in the data of standard events. A stock peer
ignores both; none changes what a standard event means. Those that set up a satellite are in
`protocol.control`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from wyoming.event import Event, Eventable

from protocol.connection import MalformedFrame

_TURN = "turn"
_INTRODUCTION = "parlour"


@dataclass(frozen=True)
class Playback(Eventable):
    """What has been played of a reply. Satellite to hub.

    Sent every 200 ms while playing, and once at a `flush`. The hub's memory keeps only what was
    heard. A stock driver ignores it.

    Attributes:
        turn: The turn whose reply is playing.
        samples_played: Frames that the speaker has played since the reply's first, at the rate of
            the reply's `audio-start`.
    """

    turn: str
    samples_played: int

    @staticmethod
    def is_type(event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == "playback"

    def event(self) -> Event:
        """Return the event to send."""
        return Event("playback", {_TURN: self.turn, "samples_played": self.samples_played})

    @staticmethod
    def from_event(event: Event) -> Playback:
        """Read it from a received event.

        Raises:
            MalformedFrame: A field is missing or has the wrong type.
        """
        samples = event.data.get("samples_played")
        if type(samples) is not int or samples < 0:  # `type is`, because True is an int in Python
            raise MalformedFrame("samples_played must be a natural number")
        return Playback(_required_turn(event), samples)


@dataclass(frozen=True)
class _Order(Eventable):
    """What a hub tells a satellite to do with the reply of one turn."""

    TYPE: ClassVar[str]
    turn: str

    @classmethod
    def is_type(cls, event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == cls.TYPE

    def event(self) -> Event:
        """Return the event to send."""
        return Event(self.TYPE, {_TURN: self.turn})

    @classmethod
    def from_event(cls, event: Event) -> Self:
        """Read it from a received event.

        Raises:
            MalformedFrame: The turn is missing or no string.
        """
        return cls(_required_turn(event))


@dataclass(frozen=True)
class Hold(_Order):
    """Pause the reply and keep it. Hub to satellite, when somebody may be talking over it.

    `Resume` or `Flush` follows. A stock satellite ignores it and plays on.

    Attributes:
        turn: The turn whose reply is meant; for any other the satellite does nothing.
    """

    TYPE: ClassVar[str] = "hold"


@dataclass(frozen=True)
class Resume(_Order):
    """Play the held reply on from where it stopped. Hub to satellite, after a false alarm.

    A stock satellite ignores it; it has never paused.

    Attributes:
        turn: The turn whose reply is meant; for any other the satellite does nothing.
    """

    TYPE: ClassVar[str] = "resume"


@dataclass(frozen=True)
class Flush(_Order):
    """Drop what is left of the reply, now. Hub to satellite, when the turn is cancelled.

    The satellite answers with a last `Playback`. A stock satellite ignores it and plays to the end
    what it has been sent.

    Attributes:
        turn: The turn whose reply is meant; for any other the satellite does nothing.
        listen: After an `Interruption`: what is said begins a new turn, so go on streaming. The
            new turn's `transcribe` follows.
    """

    TYPE: ClassVar[str] = "flush"
    listen: bool = False

    def event(self) -> Event:
        """Return the event to send."""
        return Event(self.TYPE, {_TURN: self.turn, **({"listen": True} if self.listen else {})})

    @classmethod
    def from_event(cls, event: Event) -> Self:
        """Read it from a received event.

        Raises:
            MalformedFrame: A field is missing or has the wrong type.
        """
        return cls(_required_turn(event), _flag(event, "listen"))


@dataclass(frozen=True)
class Interruption(Eventable):
    """Somebody speaks over the reply. Satellite to hub, which answers `Resume` or `Flush`.

    The satellite has paused its loudspeaker already. After the event it streams what its microphone
    hears, from a little before the first word on, with `audio-start`, `audio-chunk` and, when it
    stops, `audio-stop`. A stock driver ignores it, so the satellite sends it to none.

    Attributes:
        turn: The turn whose reply is spoken over.
        stop: They said a word that means nothing but "be quiet": the satellite has dropped the
            reply and streams nothing; the hub has only to stop.
    """

    turn: str
    stop: bool = False

    @staticmethod
    def is_type(event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == "interruption"

    def event(self) -> Event:
        """Return the event to send."""
        return Event("interruption", {_TURN: self.turn, **({"stop": True} if self.stop else {})})

    @staticmethod
    def from_event(event: Event) -> Interruption:
        """Read it from a received event.

        Raises:
            MalformedFrame: A field is missing or has the wrong type.
        """
        return Interruption(_required_turn(event), _flag(event, "stop"))


def with_turn(event: Event | Eventable, turn: str) -> Event:
    """Say which turn an event belongs to. A stock peer ignores the key.

    Meant for `transcribe`, `audio-start`, `audio-stop` and `error` from hub to satellite, so that
    the satellite can name the turn in `Playback`, and drop what belongs to an older one.

    Args:
        event: The event; it is not changed.
        turn: The turn's name.

    Returns:
        A copy of the event with the turn in its data.
    """
    plain = event if isinstance(event, Event) else event.event()
    return Event(plain.type, {**plain.data, _TURN: turn}, plain.payload)


def turn_of(event: Event) -> str | None:
    """Tell which turn an event belongs to.

    Args:
        event: A received event.

    Returns:
        The turn's name, or None if the peer named none, as stock peers do.

    Raises:
        MalformedFrame: The turn is no string.
    """
    turn = event.data.get(_TURN)
    if turn is None or isinstance(turn, str):
        return turn
    raise MalformedFrame("turn must be a string")


def _required_turn(event: Event) -> str:
    turn = turn_of(event)
    if turn is None:
        raise MalformedFrame("turn is missing")
    return turn


def _flag(event: Event, key: str) -> bool:
    value = event.data.get(key, False)
    if not isinstance(value, bool):
        raise MalformedFrame(f"{key} must be true or false")
    return value


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who a satellite is that dials a hub, under the key ``parlour`` of its `info` event.

    Satellite to hub, the first event after connecting, before any audio; the hub serves nothing to
    the satellite before it has accepted it. A stock peer sees a plain `info`.

    Attributes:
        room: Name of the satellite, unique in the house.
        version: Version of the satellite's program.
        token: The secret that shows it was paired with this hub; None if it has none.
        area: The part of the house it is in, if that is known.
        check: It only asks whether it would be let in: the hub answers `Accepted` or an error, and
            hangs up. The satellite that is in the room stays.
    """

    room: str
    version: str
    token: str | None = field(default=None, repr=False)  # kept out of logs
    area: str | None = None
    check: bool = False


@dataclass(frozen=True)
class Accepted(Eventable):
    """The answer to an introduction that only checks. Hub to satellite.

    Attributes:
        room: The room as which the satellite would be let in.
    """

    room: str

    @staticmethod
    def is_type(event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == "accepted"

    def event(self) -> Event:
        """Return the event to send."""
        return Event("accepted", {"room": self.room})

    @staticmethod
    def from_event(event: Event) -> Accepted:
        """Read it from a received event.

        Raises:
            MalformedFrame: The room is missing or no string.
        """
        room = event.data.get("room")
        if not isinstance(room, str):
            raise MalformedFrame("room must be a string")
        return Accepted(room)


def introduce(info: Event, introduction: Introduction) -> Event:
    """Add an introduction to an `info` event.

    Args:
        info: The satellite's `info`; it is not changed.
        introduction: Who the satellite is.

    Returns:
        A copy of the event with the introduction in its data.
    """
    fields: dict[str, str | bool] = {"room": introduction.room, "version": introduction.version}
    if introduction.token is not None:
        fields["token"] = introduction.token
    if introduction.area is not None:
        fields["area"] = introduction.area
    if introduction.check:
        fields["check"] = True
    return Event(info.type, {**info.data, _INTRODUCTION: fields}, info.payload)


def introduction_of(event: Event) -> Introduction | None:
    """Read the introduction from an `info` event.

    Args:
        event: A received `info`.

    Returns:
        The introduction, or None if there is none, as from stock peers.

    Raises:
        MalformedFrame: A field is missing or has the wrong type, or the room has no name.
    """
    fields = event.data.get(_INTRODUCTION)
    if fields is None:
        return None
    if not isinstance(fields, dict):
        raise MalformedFrame("the introduction is no object")
    room, version = fields.get("room"), fields.get("version")
    token, area = fields.get("token"), fields.get("area")
    check = fields.get("check", False)
    if not isinstance(room, str) or not room.strip():
        raise MalformedFrame("the introduction's room must be a name")
    if not isinstance(version, str):
        raise MalformedFrame("the introduction's version must be a string")
    if not isinstance(token, str | None):
        raise MalformedFrame("the introduction's token must be a string")
    if not isinstance(area, str | None):
        raise MalformedFrame("the introduction's area must be a string")
    if not isinstance(check, bool):
        raise MalformedFrame("the introduction's check must be true or false")
    return Introduction(room, version, token, area, check)
