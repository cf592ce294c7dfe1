"""What a hub sets at a satellite while it runs, and what the satellite says of itself.

Additional events like those in `protocol.extensions`; a stock peer ignores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from wyoming.event import Event, Eventable

from protocol.connection import MalformedFrame

MOST_WAKE_WORDS = 64  # that a satellite can name
_LONGEST_NAME = 100  # letters, of a wake word's name or phrase
_LONGEST_PROBLEM = 500  # letters


@dataclass(frozen=True)
class Volume(Eventable):
    """How loud the satellite shall be from now on. Hub to satellite.

    It holds until the satellite's program ends, for replies, announcements and the satellite's own
    sounds; a timer's ring stays loud enough to be heard. A stock satellite ignores it.

    Attributes:
        level: 0 is silence, 1 all that the loudspeaker gives, half of it is heard as half as loud.
    """

    TYPE: ClassVar[str] = "volume"
    level: float

    @classmethod
    def is_type(cls, event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == cls.TYPE

    def event(self) -> Event:
        """Return the event to send."""
        return Event(self.TYPE, {"level": self.level})

    @staticmethod
    def from_event(event: Event) -> Volume:
        """Read it from a received event.

        Raises:
            MalformedFrame: The level is missing or no number from 0 to 1.
        """
        return Volume(_level(event.data.get("level"), "level"))


@dataclass(frozen=True)
class Configure(Eventable):
    """What the satellite shall do from now on, and a request for its `Status`. Hub to satellite.

    Sent when the satellite has been accepted, also with nothing to set, and at each change. It
    holds until the satellite's program ends. A stock satellite ignores it.

    Attributes:
        muted: Whether its microphone is off; None leaves that as it is.
        wake_words: Names of those that it shall listen for, of those in its `Status`; None leaves
            them as they are.
    """

    TYPE: ClassVar[str] = "configure"
    muted: bool | None = None
    wake_words: tuple[str, ...] | None = None

    @classmethod
    def is_type(cls, event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == cls.TYPE

    def event(self) -> Event:
        """Return the event to send."""
        data: dict[str, Any] = {}
        if self.muted is not None:
            data["muted"] = self.muted
        if self.wake_words is not None:
            data["wake_words"] = list(self.wake_words)
        return Event(self.TYPE, data)

    @staticmethod
    def from_event(event: Event) -> Configure:
        """Read it from a received event.

        Raises:
            MalformedFrame: A field has the wrong type, or there are no or too many wake words.
        """
        muted, names = event.data.get("muted"), event.data.get("wake_words")
        if not isinstance(muted, bool | None):
            raise MalformedFrame("muted must be true or false")
        if names is None:
            return Configure(muted)
        if not isinstance(names, list) or not 0 < len(names) <= MOST_WAKE_WORDS:
            raise MalformedFrame(f"wake_words must be a list of 1 to {MOST_WAKE_WORDS} names")
        return Configure(muted, tuple(_name(name, "wake_words") for name in names))


@dataclass(frozen=True)
class WakeWordStatus:
    """A wake word that a satellite knows.

    Attributes:
        name: Its id.
        phrase: What a person says.
        active: Whether it listens for it.
    """

    name: str
    phrase: str
    active: bool


@dataclass(frozen=True)
class Status(Eventable):
    """How a satellite is set. Satellite to hub, for each `Configure`, and at each change.

    A stock driver would ignore it, so the satellite sends it to none.

    Attributes:
        muted: Whether its microphone is off, by whatever means.
        volume: How loud it plays, 0 to 1.
        wake_words: All that it can listen for; empty where it listens for none itself.
        problem: Why what was asked for last could not be done, in words for people; "" where it
            was, and in the next status.
    """

    TYPE: ClassVar[str] = "status"
    muted: bool
    volume: float
    wake_words: tuple[WakeWordStatus, ...] = ()
    problem: str = ""

    @classmethod
    def is_type(cls, event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == cls.TYPE

    def event(self) -> Event:
        """Return the event to send."""
        words = [
            {"name": word.name, "phrase": word.phrase, "active": word.active}
            for word in self.wake_words
        ]
        data: dict[str, Any] = {"muted": self.muted, "volume": self.volume, "wake_words": words}
        if self.problem:
            data["problem"] = self.problem
        return Event(self.TYPE, data)

    @staticmethod
    def from_event(event: Event) -> Status:
        """Read it from a received event; a long problem is cut.

        Raises:
            MalformedFrame: A field is missing or has the wrong type, or there are too many wake
                words.
        """
        muted, words = event.data.get("muted"), event.data.get("wake_words")
        problem = event.data.get("problem", "")
        if not isinstance(muted, bool):
            raise MalformedFrame("muted must be true or false")
        if not isinstance(words, list) or len(words) > MOST_WAKE_WORDS:
            raise MalformedFrame(f"wake_words must be a list of at most {MOST_WAKE_WORDS}")
        if not isinstance(problem, str):
            raise MalformedFrame("problem must be a string")
        return Status(
            muted,
            _level(event.data.get("volume"), "volume"),
            tuple(_wake_word(word) for word in words),
            " ".join(problem.split())[:_LONGEST_PROBLEM],
        )


def _wake_word(fields: object) -> WakeWordStatus:
    if not isinstance(fields, dict) or not isinstance(fields.get("active"), bool):
        raise MalformedFrame("a wake word must have a name, a phrase, and be active or not")
    return WakeWordStatus(
        _name(fields.get("name"), "a wake word's name"),
        _name(fields.get("phrase"), "a wake word's phrase"),
        fields["active"],
    )


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise MalformedFrame(f"{what}: 1 to {_LONGEST_NAME} letters")
    return value


def _level(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise MalformedFrame(f"{what} must be a number from 0 to 1")
    return float(value)
