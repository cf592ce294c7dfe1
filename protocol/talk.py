"""What a browser tab says beyond a satellite's events; see `docs/satellite-link.md`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wyoming.event import Event, Eventable

from protocol.connection import MalformedFrame

MOST_QUESTION = 1000
"""Letters of a typed question."""


class Listening(StrEnum):
    """What an open microphone is listened to for, while the room is at rest."""

    SPEECH = "speech"  # whatever is said begins a turn
    WAKE = "wake"  # a wake word does
    OFF = "off"  # nothing does


@dataclass(frozen=True)
class Microphone(Eventable):
    """What the sound is for that comes outside of a turn. Tab to hub.

    In each of the modes, sound that comes while a reply plays is listened to for somebody who
    speaks over it.

    Attributes:
        mode: What begins a turn.
    """

    mode: Listening

    @staticmethod
    def is_type(event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == "microphone"

    def event(self) -> Event:
        """Return the event to send."""
        return Event("microphone", {"mode": self.mode.value})

    @staticmethod
    def from_event(event: Event) -> Microphone:
        """Read it from a received event.

        Raises:
            MalformedFrame: The mode is missing or none of these.
        """
        try:
            return Microphone(Listening(str(event.data.get("mode"))))
        except ValueError:
            modes = ", ".join(mode.value for mode in Listening)
            raise MalformedFrame(f"microphone: mode must be one of {modes}") from None


@dataclass(frozen=True)
class Ask(Eventable):
    """A question that was typed, and is answered aloud. Tab to hub.

    It interrupts what is being played.

    Attributes:
        text: The question, without control characters; at most `MOST_QUESTION` letters.
    """

    text: str

    @staticmethod
    def is_type(event_type: str) -> bool:
        """Tell whether an event of this type is one of these."""
        return event_type == "ask"

    def event(self) -> Event:
        """Return the event to send."""
        return Event("ask", {"text": self.text})

    @staticmethod
    def from_event(event: Event) -> Ask:
        """Read it from a received event.

        Raises:
            MalformedFrame: The text is missing, too long, or no text.
        """
        text = event.data.get("text")
        if not isinstance(text, str):
            raise MalformedFrame("ask: text must be a string")
        # A lone surrogate, which JSON can write, is no letter either, and nothing can encode it.
        plain = "".join(c if c.isprintable() else " " for c in text)
        plain = " ".join(plain.split())
        if not plain:
            raise MalformedFrame("ask: there is nothing in the text")
        if len(plain) > MOST_QUESTION:
            raise MalformedFrame(f"ask: the text has more than {MOST_QUESTION} letters")
        return Ask(plain)


def is_push_to_talk(event: Event) -> bool:
    """Tell whether the turn that a `run-pipeline` begins ends only where its sound does.

    Raises:
        MalformedFrame: the flag is neither true nor false.
    """
    flag = event.data.get("push_to_talk", False)
    if not isinstance(flag, bool):
        raise MalformedFrame("run-pipeline: push_to_talk must be true or false")
    return flag
