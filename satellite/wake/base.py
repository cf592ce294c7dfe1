"""What the session needs of wake words, and what the detector needs of the models behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from protocol.control import WakeWordStatus


def phrase_of(name: str) -> str:
    """Return what a person says, for a model that does not tell: "hey_jarvis" → "Hey Jarvis"."""
    return name.replace("_", " ").title()


class WakeError(Exception):
    """A wake word that is not there, or cannot be loaded; the message names it."""


def require_tflite(path: Path) -> None:
    """Make sure that a file is a TensorFlow Lite model: the libraries crash on anything else.

    Raises:
        OSError: it is not there or not readable.
        ValueError: it is something else.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise ValueError(f"{path} is no TensorFlow Lite model")


@dataclass(frozen=True, slots=True)
class WakeModel:
    """One loaded wake word.

    Args:
        name: its id in settings and in `detection` events.
        phrase: what a person says.
        languages: the languages it was trained for.
        program: the kind of model, "microwakeword" or "openwakeword".
        threshold: probability (0..1) above which the word counts, unless the settings say other.
        hold: seconds for which it has to stay above.
    """

    name: str
    phrase: str
    languages: tuple[str, ...]
    program: str = "microwakeword"
    threshold: float = 0.5
    hold: float = 0.0


class Score(NamedTuple):
    """How sure one model is that its word has just been said.

    Args:
        name: the `WakeModel`'s name.
        probability: 0..1.
        position: samples of audio that had been heard when it decided.
    """

    name: str
    probability: float
    position: int


class Scorer(Protocol):
    """The models of one program. What it reports does not depend on how the audio is cut."""

    @property
    def models(self) -> Sequence[WakeModel]:
        """The loaded wake words."""
        ...

    def score(self, pcm: bytes) -> list[Score]:
        """Hear the next 16 kHz mono 16-bit audio, any amount; return all that the models say."""
        ...

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        ...


@dataclass(frozen=True, slots=True)
class WakeHit:
    """A wake word was heard.

    Args:
        name: the `WakeModel`'s name.
        position: samples of audio that had been heard when the model first was sure.
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


class WakeChoice(Protocol):
    """Lets it be chosen which wake words are listened for, while they are."""

    @property
    def known(self) -> tuple[WakeWordStatus, ...]:
        """All that can be chosen, and which of them are listened for."""
        ...

    def choose(self, names: Sequence[str], done: Callable[[str], None]) -> None:
        """Listen for these words alone, as soon as that is possible; the old ones hold till then.

        Args:
            names: of words in `known`.
            done: called on the event loop when it is so, with "", or, where the old ones hold on,
                with the reason, in words for people. It may be called before this returns, and is
                not called where another choice comes first.
        """
        ...
