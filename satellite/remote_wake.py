"""A wake word that is heard elsewhere: while the room is at rest, the driver hears all of it."""

import logging
from collections.abc import Callable

from wyoming.audio import AudioStop
from wyoming.pipeline import PipelineStage, RunPipeline

from satellite.ports import Clock, Driver, Timer
from satellite.uplink import Uplink, milliseconds

_LOGGER = logging.getLogger(__name__)

SETTLE = 1.0  # seconds for an earlier pipeline to end
FIRST_RETRY = 1.0  # seconds after an error
LAST_RETRY = 60.0  # seconds


class RemoteWake:
    """Have the driver listen for the wake word.

    As satellites without wake words of their own do with Home Assistant: `run-pipeline` from the
    wake stage on, and sound from then on. The driver says `detect` when it begins to listen and
    begins anew by itself after a turn, but newer ones not after an error (Home Assistant from
    2026.7.2 on), and a Parlour hub may have to be asked again, too. One that failed is not given
    work at once: errors in a row double the wait.

    Args:
        driver: where events go.
        uplink: the microphone's way to it.
        clock: the event loop.
        resume: called when an error has been waited out; calls `begin` where the room is at rest.
    """

    def __init__(
        self, driver: Driver, uplink: Uplink, clock: Clock, resume: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._uplink = uplink
        self._clock = clock
        self._resume = resume
        self._retry: Timer | None = None
        self._wait = FIRST_RETRY
        self.waits = False
        """Whether the driver's pipeline waits for the wake word, as far as it said so."""

    def begin_afresh(self) -> None:
        """A driver has come: end what may be left of an earlier pipeline, then begin.

        Home Assistant starts the pipeline anew when it is muted, and hangs when it is asked for
        another one after that (2026.2.3: seen). `audio-stop` ends it; without one it means nothing.
        """
        self.stop()
        self._driver.send(AudioStop(timestamp=milliseconds(self._uplink.now)))
        self._retry = self._clock.call_later(SETTLE, self._again)

    def begin(self, *, ask: bool) -> None:
        """The room is at rest, and driven: let the driver hear it, once it may.

        Args:
            ask: for a pipeline, also where the driver has said that it waits.
        """
        if self._retry is not None:
            return
        if ask or not self.waits:
            self._driver.send(
                RunPipeline(PipelineStage.WAKE, PipelineStage.TTS, restart_on_end=True)
            )
        if not self._uplink.streaming:
            self._uplink.begin(self._uplink.now)

    def heard(self) -> None:
        """The driver has heard the wake word."""
        self.waits = False
        self._wait = FIRST_RETRY

    def replaced(self) -> None:
        """Another pipeline was asked for."""
        self.waits = False

    def failed(self) -> None:
        """The driver's pipeline ended in an error: wait, then ask for another one."""
        self.waits = False
        self._uplink.end(say=False)
        if self._retry is None:
            _LOGGER.debug("the wake word is listened for again in %g s", self._wait)
            self._retry = self._clock.call_later(self._wait, self._again)
            self._wait = min(2 * self._wait, LAST_RETRY)

    def stop(self) -> None:
        """Nobody drives us, or the room is muted."""
        self.waits = False
        self._uplink.end(say=False)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _again(self) -> None:
        self._retry = None
        self._resume()
