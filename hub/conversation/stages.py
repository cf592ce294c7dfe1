"""What the stages of a turn share: engines, who watches, and replies held back by a gate."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.conversation.turn import Turn
from hub.engines.base import EndOfTurn, LanguageModel, SpeechToText, TextToSpeech, VoiceActivity
from hub.engines.supervisor import Supervised

LOADING_PATIENCE = 20.0  # seconds that a turn waits for an engine which is still loading

Watcher = Callable[[Turn, str, str], None]
"""Told of each step of a turn as it happens: the turn, the step's name, its text or ''."""


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each role, shared by all rooms; `turn` is None where none is wanted."""

    stt: Supervised[SpeechToText]
    llm: Supervised[LanguageModel]
    tts: Supervised[TextToSpeech]
    vad: Supervised[VoiceActivity]
    turn: Supervised[EndOfTurn] | None = None

    @property
    def needed(self) -> tuple[Supervised[Any], ...]:
        """Those that a turn cannot do without."""
        return (self.vad, self.tts, self.stt, self.llm)

    @property
    def missing(self) -> list[str]:
        """The roles of those among them that are not there at the moment."""
        return [engine.role for engine in self.needed if engine.current is None]


class Gate:
    """Holds a reply back until its turn is confirmed: its first sound, or what it does.

    Args:
        ready: called when something waits.
    """

    def __init__(self, ready: Callable[[], None]) -> None:
        self.ready = False  # whether something waits, or waited
        self.acts = False  # and it will change something
        self._on_ready = ready
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let the reply be played."""
        self._opened.set()

    def hold(self, *, acts: bool = False) -> None:
        """Say that something waits for it to open; `acts` if that will change something."""
        self.ready = True
        self.acts = self.acts or acts
        self._on_ready()

    async def opened(self) -> None:
        """Wait for it to open, without holding anything up.

        No time-out: whoever holds it bounds how long a turn may stay unconfirmed.
        """
        await self._opened.wait()

    async def wait(self, *, acts: bool = False) -> None:
        """Wait for it to open, ready to go on then."""
        self.hold(acts=acts)
        await self.opened()


@dataclass(slots=True, eq=False)
class Attempt:
    """A reply on its way, behind its gate.

    Args:
        text: what it answers.
        gate: holds its sound back.
        task: makes it.
        speculative: whether it began before the end of the turn was known.
    """

    text: str
    gate: Gate
    task: asyncio.Task[None]
    speculative: bool

    @property
    def waits(self) -> bool:
        """Whether it has got as far as it may before its gate opens; also if it failed."""
        return self.gate.ready or self.task.done()

    @property
    def failed(self) -> bool:
        """Whether an engine failed at it."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)
