"""Somebody speaks over the reply: notices it, and waits for the hub to say whether it counts."""

from typing import Protocol

from satellite.ports import Clock

PRE_ROLL_SECONDS = 0.8
"""Sound from before the detection that goes to the hub: the 0.2 s that it takes, the first
consonants, which are not voiced, and some quiet before them."""
RULING_SECONDS = 4.0
"""How long the hub may take; it decides within 1.5 s. Then the reply goes on."""
MOST_FALSE_ALARMS = 3
"""In one reply; then the room is too loud for this, and only the wake word interrupts."""


class SpeechDetector(Protocol):
    """Tells whether somebody is speaking."""

    def process(self, pcm: bytes) -> bool:
        """Hear the next 16 kHz mono 16-bit audio, any amount; say whether somebody speaks now."""
        ...

    def reset(self) -> None:
        """Forget what was heard."""
        ...


class BargeIn:
    """What the satellite knows of the speech over one reply.

    Args:
        detector: tells speech; None where only the wake word interrupts.
        clock: the event loop.
    """

    def __init__(self, detector: SpeechDetector | None, clock: Clock) -> None:
        self._detector = detector
        self._clock = clock
        self._speaks = False
        self._false_alarms = 0
        self._rule_by: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the hub has to say what becomes of the reply."""
        return self._rule_by is not None

    @property
    def overdue(self) -> bool:
        """Whether it has not said so in time."""
        return self._rule_by is not None and self._clock.time() >= self._rule_by

    def begin(self) -> None:
        """A reply begins to play."""
        self._rule_by = None
        self._speaks, self._false_alarms = False, 0
        if self._detector is not None:
            self._detector.reset()

    def heard(self, pcm: bytes) -> bool:
        """Take the microphone's next frame during a reply; say whether somebody begins to speak.

        Whoever goes on speaking does not begin.
        """
        if self._detector is None or self._false_alarms >= MOST_FALSE_ALARMS:
            return False
        before, self._speaks = self._speaks, self._detector.process(pcm)
        return self._speaks and not before and not self.asked

    def ask(self) -> None:
        """The hub is asked now."""
        self._rule_by = self._clock.time() + RULING_SECONDS

    def settle(self, *, false_alarm: bool = False) -> None:
        """It has answered, or nobody asks any more."""
        self._false_alarms += false_alarm and self.asked
        self._rule_by = None
