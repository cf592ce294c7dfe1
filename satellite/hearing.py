"""What the room's microphone hears, and what follows from it: wake word, stop word, speech.

Pure logic, called on the event loop.
"""

import logging

from wyoming.snd import Played
from wyoming.wake import Detection

from protocol.audio import SPEECH
from protocol.extensions import Interruption
from satellite.barge_in import PRE_ROLL_SECONDS
from satellite.config import Settings
from satellite.conversation import Conversation, State
from satellite.feedback import Sound
from satellite.timers import Alarm
from satellite.uplink import milliseconds
from satellite.wake.base import WakeHit, WakeWords

_LOGGER = logging.getLogger(__name__)


class Hearing:
    """Take the microphone's frames.

    Args:
        settings: pre-roll and stop word.
        talk: the room's conversation.
        wake: hears wake words.
        alarm: the timers' ring, which a wake word stops.
        echo_free: the microphone does not hear the loudspeaker.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        talk: Conversation,
        wake: WakeWords,
        alarm: Alarm,
        echo_free: bool,
    ) -> None:
        self._settings = settings
        self._talk = talk
        self._wake = wake
        self._alarm = alarm
        self._echo_free = echo_free
        self._driver, self._player = talk.driver, talk.player
        self._uplink, self._barge_in, self._reply = talk.uplink, talk.barge_in, talk.reply

    def heard(self, pcm: bytes) -> None:
        """Take the next frame of 16 kHz mono 16-bit audio."""
        if self._talk.muted:
            return
        self._uplink.heard(pcm)
        hit = self._wake.process(pcm)
        if hit is not None and not self._talk.listening and not self._is_echo(hit):
            self._woken(hit)
        elif self._speaks_for_hub and self._barge_in.heard(pcm):
            self._spoken_over()

    def woken_remotely(self) -> None:
        """The driver, which hears all of this room, has heard the wake word in it."""
        if self._talk.muted or self._talk.state is not State.IDLE:
            return
        self._alarm.dismiss()
        _LOGGER.info("the driver heard the wake word")
        self._talk.hear_on()
        self._talk.sound(Sound.AWAKE)

    def _woken(self, hit: WakeHit) -> None:
        if hit.name == self._settings.barge_in.stop_word:
            self._stop(hit)
            return
        rang = self._alarm.dismiss()
        if not self._talk.ready:
            _LOGGER.warning("wake word %s, but no hub is connected", hit.name)
            if not rang:
                self._talk.sound(Sound.ERROR)
            return
        thinking = self._talk.state is State.THINKING and not self._talk.parlour
        if thinking and not self._talk.answered:
            if self._talk.tries_patience:
                self._talk.abandon()
            else:
                _LOGGER.debug("wake word ignored: the driver would hang on a second pipeline now")
            return
        if self._talk.state is State.SPEAKING and self._reply.orphaned:
            self._player.flush()
        elif self._talk.state in (State.SPEAKING, State.THINKING):
            self._talk.barged_in = True
            self._barge_in.settle()
            if self._talk.parlour:
                self._talk.hold()  # the hub decides: flush or resume
                if self._talk.state is State.SPEAKING:
                    self._talk.report()
            else:
                self._talk.owed = thinking  # its speech may still come
                self._talk.drop_reply()
                self._driver.send(Played())  # or an announcement would be waited for
        _LOGGER.info("wake word %s", hit.name)
        self._driver.send(Detection(name=hit.name, timestamp=milliseconds(hit.position)))
        pre_roll = round(self._settings.wake.pre_roll * SPEECH.rate)
        self._talk.listen(State.LISTENING, hit.position - pre_roll)
        self._talk.sound(Sound.AWAKE)

    def _stop(self, hit: WakeHit) -> None:
        """Be quiet at the stop word; where there is nothing to stop, it means nothing."""
        self._alarm.dismiss()
        if self._talk.state is State.SPEAKING:
            turn = self._reply.turn
            self._talk.drop_reply()
        elif self._talk.state is State.THINKING and self._talk.parlour:
            turn = self._talk.turn
        else:
            return
        _LOGGER.info("stop word %s", hit.name)
        if self._talk.parlour and turn is not None:
            self._driver.send(Interruption(turn, stop=True))
        elif not self._reply.orphaned:
            self._driver.send(Played())  # a stock driver then knows that it is over
        self._talk.rest()

    def _is_echo(self, hit: WakeHit) -> bool:
        """Whether it is the reply itself that says the wake word: "Say Hey Jarvis, and then ...".

        Who says it over such a reply is not heard; without this, the reply would never be.
        """
        if self._talk.state is not State.SPEAKING or self._echo_free:
            return False
        phrases = [model.phrase for model in self._wake.models if model.name == hit.name]
        echo = any(self._reply.says(phrase) for phrase in phrases)
        if echo:
            _LOGGER.info("wake word %s ignored: the reply says it", hit.name)
        return echo

    def _spoken_over(self) -> None:
        """Somebody begins to speak over the reply: be quiet, and let the hub hear it."""
        if self._reply.turn is None:
            return
        self._talk.hold()
        if not self._player.held:  # it had just ended
            return
        _LOGGER.info("somebody speaks over the reply")
        self._talk.report()
        self._driver.send(Interruption(self._reply.turn))
        self._barge_in.ask()
        self._uplink.begin(self._uplink.now - round(PRE_ROLL_SECONDS * SPEECH.rate))

    @property
    def _speaks_for_hub(self) -> bool:
        return (
            self._talk.state is State.SPEAKING and self._talk.parlour and not self._reply.orphaned
        )
