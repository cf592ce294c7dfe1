"""What the session needs of a wake-word engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class WakeError(Exception):
    """A wake word that this engine does not have, or cannot load; the message names it."""


@dataclass(frozen=True, slots=True)
class WakeModel:
    """One loaded wake word.

    Args:
        name: its id in settings and in `detection` events.
        phrase: what a person says.
        languages: the languages it was trained for.
    """

    name: str
    phrase: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WakeHit:
    """A wake word was heard.

    Args:
        name: the `WakeModel`'s name.
        position: samples of audio heard by the engine when it decided.
    """

    name: str
    position: int


class WakeWords(Protocol):
    """Listens for several wake words at once."""

    @property
    def models(self) -> Sequence[WakeModel]:
        """The loaded wake words."""
        ...

    def process(self, pcm: bytes) -> WakeHit | None:
        """Hear the next 16 kHz mono 16-bit audio, any amount; say whether a wake word ended."""
        ...

    def reset(self) -> None:
        """Forget what was heard, because the audio to come does not follow on from it."""
        ...
