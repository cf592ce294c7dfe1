"""What the conversation knows of the home: it understands a sentence, and does it when told to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class HomeError(Exception):
    """Something could not be done; the message is a sentence that is spoken."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asks for something.

    Args:
        room: the room's name, or the conversation's in writing.
        satellite: whether a Parlour satellite is there, which rings and has a volume.
        device_id: the device's in Home Assistant, where that is known.
        last_reply: what was said there last, "" if nothing was.
    """

    room: str
    satellite: bool = True
    device_id: str | None = None
    last_reply: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A sentence that was understood.

    Args:
        name: of the intent, as Home Assistant calls it: "HassStartTimer".
        acts: whether doing it changes anything. What acts is done once, after the turn is
            confirmed; the rest may be done, and thrown away, while they may still go on speaking.
        do: does it; returns what is said of it, "" for nothing at all, or None where it was not
            understood after all, so that the language model answers. It raises `HomeError`.
    """

    name: str
    acts: bool
    do: Callable[[], Awaitable[str | None]]


class Tools(Protocol):
    """What the language model may do about one sentence that nobody understood."""

    @property
    def prompt(self) -> str:
        """What it is told instead of the person's words."""

    @property
    def most_tokens(self) -> int:
        """How many it needs to choose."""

    def chosen(self, reply: str) -> Command | None:
        """Return what it chose, checked against what was offered; None for nothing."""


class Home(Protocol):
    """Whatever does things in the home; all of it seen as one is `hub.home.everything`."""

    @property
    def asks(self) -> bool:
        """Whether `ask` may know what `understand` does not."""

    def names(self, room: str) -> Sequence[str]:
        """Return names of things, areas and timers that may be said there, likely ones first."""

    def understand(self, text: str, place: Place) -> Command | None:
        """Understand a sentence.

        Quick (a few milliseconds) and without any effect: it is called on transcripts that may
        turn out to be half of what they say.
        """

    def tools_for(self, text: str, place: Place) -> Tools | None:
        """Return what may be done about a sentence; None where it is hardly about the home.

        As quick, and as free of any effect, as `understand`.
        """

    async def ask(self, text: str, place: Place) -> str | None:
        """Let somebody else's intent engine (Home Assistant's) understand `text`, and do it.

        Called once a turn, when it is confirmed, for what `understand` does not know.

        Returns:
            What is said of it, "" for nothing at all; None where it was not understood.

        Raises:
            HomeError: it was understood and could not be done.
        """
