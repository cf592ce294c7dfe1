"""What whoever drives us sets: whether the microphone is on, the wake words, the volume.

Pure logic, called on the event loop.
"""

import logging
from collections.abc import Callable

from wyoming.event import Event
from wyoming.satellite import PauseSatellite, RunSatellite

from protocol.control import Configure, Status, Volume
from satellite.conversation import Conversation, State
from satellite.wake.base import WakeChoice, WakeWords

_LOGGER = logging.getLogger(__name__)


class Controls:
    """Take what is set, and tell a Parlour hub how things are.

    Args:
        muted: whether the microphone is off until a hub says that it is on.
        talk: the room's conversation.
        wake: hears wake words.
        choice: changes them; None where they cannot be.
    """

    def __init__(
        self, *, muted: bool, talk: Conversation, wake: WakeWords, choice: WakeChoice | None
    ) -> None:
        self._stays_muted = muted  # by our settings or a hub: no `run-satellite` ends that
        self._talk = talk
        self._wake = wake
        self._choice = choice
        self.handlers: dict[str, Callable[[Event], None]] = {
            RunSatellite().event().type: self._on_run,
            PauseSatellite().event().type: self._on_pause,
            Configure.TYPE: self._on_configure,
            Volume.TYPE: self._on_volume,
        }

    def _on_run(self, _: Event) -> None:
        talk = self._talk
        talk.ready = True
        if talk.muted and not self._stays_muted:
            talk.muted = False
            self._wake.reset()
        if talk.remote is not None and not talk.muted:
            talk.remote.begin_afresh()
        if talk.state is State.MUTED:
            talk.rest()
        self._report()

    def _on_pause(self, _: Event) -> None:
        talk = self._talk
        self._hear_nothing()
        talk.rest()
        talk.ready = False
        self._report()

    def _on_configure(self, event: Event) -> None:
        configure = Configure.from_event(event)
        self._talk.parlour = True  # nobody else knows this event
        if configure.muted is not None:
            self._stays_muted = configure.muted
            if configure.muted != self._talk.muted:
                self._mute(configure.muted)
        self._report()
        if configure.wake_words is None:
            return
        if self._choice is None:
            self._report("the wake words of this satellite cannot be changed")
        else:
            self._choice.choose(configure.wake_words, self._report)

    def _on_volume(self, event: Event) -> None:
        self._talk.player.volume = Volume.from_event(event).level
        self._report()

    def _mute(self, muted: bool) -> None:
        talk = self._talk
        if not muted:
            _LOGGER.info("the hub has switched the microphone on")
            talk.muted = False
            self._wake.reset()
            if talk.state is State.MUTED:
                talk.rest()
            return
        _LOGGER.info("the hub has switched the microphone off")
        self._hear_nothing()
        if talk.listening or talk.state is State.IDLE:
            talk.rest()  # who spoke is not answered; the hub drops what it has heard
        else:
            talk.go_on()  # who spoke over the reply does not interrupt it

    def _hear_nothing(self) -> None:
        self._talk.muted = True
        self._talk.uplink.forget()
        if self._talk.remote is not None:
            self._talk.remote.stop()

    def _report(self, problem: str = "") -> None:
        talk = self._talk
        if talk.parlour:
            known = () if self._choice is None else self._choice.known
            talk.driver.send(Status(talk.muted, talk.player.volume, known, problem))
