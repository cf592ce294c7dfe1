"""Where one room's conversation is: listening, thinking, speaking, at rest; and the steps between.

Pure logic. Every state but idle and muted has a watchdog. What makes it go on is in session.py.
"""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum

from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.snd import Played

from satellite.barge_in import BargeIn, SpeechDetector
from satellite.config import Settings
from satellite.feedback import Sound
from satellite.player import Player
from satellite.ports import Clock, Driver, Timer
from satellite.remote_wake import RemoteWake
from satellite.reply import Reply
from satellite.uplink import Uplink

_LOGGER = logging.getLogger(__name__)

REPORT_SECONDS = 0.2
SPEECH_SECONDS = 5.0  # from a stock driver's answer, in words, to its first sound
PATIENCE = 5.0  # seconds of thinking after which a wake word is worth a new connection


class State(StrEnum):
    """Where the conversation is."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    FOLLOW_UP = "follow-up"
    MUTED = "muted"


class Conversation:
    """Where one room's conversation is, and the steps that it goes on by.

    Args:
        settings: time-outs, sounds, pre-roll.
        driver: where events go.
        player: where replies and sounds go.
        sounds: the satellite's own sounds in the speaker's format.
        clock: the event loop.
        speech: hears speech over a reply; None where only the wake word interrupts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        driver: Driver,
        player: Player,
        sounds: Mapping[Sound, bytes],
        clock: Clock,
        speech: SpeechDetector | None,
    ) -> None:
        self._settings = settings
        self._sounds: dict[Sound, bytes] = {  # the ring is the alarm's
            s: pcm
            for s, pcm in sounds.items()
            if s is not Sound.RING and getattr(settings.sounds, s)
        }
        self._clock = clock
        self._timer: Timer | None = None
        self.driver = driver
        self.player = player
        self.uplink = Uplink(driver)
        self.remote = (
            RemoteWake(driver, self.uplink, clock, self.await_wake)
            if settings.wake.remote
            else None
        )
        self.barge_in = BargeIn(speech, clock)
        self.reply = Reply(player, settings.timeouts, clock)  # that the player has, or had last
        self.muted = settings.muted
        self.state = State.MUTED if self.muted else State.IDLE
        self.ready = False  # somebody drives us
        self.parlour = False  # and it is a Parlour hub
        self.turn: str | None = None  # the newest turn that the driver named
        self.barged_in = False  # until the driver's `transcribe`, its events are of the old turn
        self.quiet = False  # the turn may fail without a sound: nobody had spoken
        self.answered = False  # a stock driver has told its answer, which is yet to be heard
        self.owed = False  # of the turn before, which the wake word ended when it was answered
        self._since = 0.0  # when the state was entered

    @property
    def at_rest(self) -> bool:
        """Whether nothing is said, waited for or played."""
        return self.state in (State.IDLE, State.MUTED)

    @property
    def listening(self) -> bool:
        """Whether the driver hears somebody in a turn, or is to hear whether they speak."""
        return self.state in (State.LISTENING, State.FOLLOW_UP)

    def close(self) -> None:
        """Stop the watchdog."""
        if self._timer is not None:
            self._timer.cancel()
        if self.remote is not None:
            self.remote.stop()

    def await_wake(self) -> None:
        """Where it is the driver that hears the wake word: let it, if the room is at rest."""
        if self.remote is not None and self.ready and self.state is State.IDLE:
            self.remote.begin(ask=self.parlour)

    def answer_told(self, text: str) -> None:
        """A stock driver has its answer in words, and is to speak it now.

        Where its voice fails, Home Assistant says nothing more, no error either; what comes late is
        played nevertheless.
        """
        if self.state is not State.THINKING or self.parlour or self.answered:
            return
        self.answered = True
        self.quiet = not text.strip()
        self._watch(SPEECH_SECONDS, self._no_speech)

    def abandon(self) -> None:
        """Give the turn up, and with it a stock driver's connection."""
        self.ready = self.parlour
        self.fail()
        if not self.parlour:
            self.driver.drop("its pipeline may still run, and another one would hang it")

    @property
    def tries_patience(self) -> bool:
        """Whether it is thought about for so long that nothing may come.

        Home Assistant does not tell of an answer without words ("never mind").
        """
        thinking = self.state is State.THINKING and not self.answered
        return thinking and self._clock.time() - self._since >= PATIENCE

    def hear_on(self) -> None:
        """The driver, which hears this room already, has begun a turn."""
        self._new_turn()
        if self.remote is not None:
            self.remote.heard()
        if not self.uplink.streaming:
            self.uplink.begin(self.uplink.now)
        self.enter(State.LISTENING)

    def listen(self, state: State, position: int) -> None:
        """Begin a turn.

        Args:
            state: in which it is listened for speech.
            position: from which sample of the microphone's on the driver hears it.
        """
        self._new_turn()
        if self.remote is not None:
            self.remote.replaced()
        self.driver.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        self.uplink.begin(position)
        self.enter(state)

    def heard_all(self) -> None:
        """The driver hears no more of this turn.

        A stock driver that hears the wake word may have begun to listen for it again, and would
        take `audio-stop` for the end of that.
        """
        self.uplink.end(say=self.remote is None)

    def hold(self) -> None:
        """Pause the reply."""
        self.player.hold()
        _LOGGER.debug("the reply is held at %.4f", self._clock.time())

    def go_on(self) -> None:
        """Nobody interrupts, after all."""
        if self.barge_in.asked:
            _LOGGER.debug("the reply goes on at %.4f", self._clock.time())
            self.barge_in.settle(false_alarm=True)
            self.uplink.end()
            self.reply.resume()

    def drop_reply(self) -> None:
        """End the reply, and tell how much of it was heard."""
        self.player.flush()
        self.report()

    def report(self) -> None:
        """Tell a Parlour hub how much of the reply was heard."""
        if self.parlour and (report := self.reply.report) is not None:
            self.driver.send(report)

    def sound(self, sound: Sound) -> None:
        """Play one of the satellite's own sounds, if it is wanted."""
        pcm = self._sounds.get(sound)
        if pcm is not None:
            self.player.sound(pcm)

    def rest(self) -> None:
        """End whatever goes on: no turn, no reply."""
        self.barged_in = self.reply.cut_off = False
        self.barge_in.settle()
        self.reply.forget_words()
        self.uplink.end(say=False)
        if self.player.active:
            self.player.flush()
            self._played_nevertheless()
        self.reply.orphaned = False
        self.enter(State.MUTED if self.muted else State.IDLE)

    def fail(self) -> None:
        """End whatever goes on, with the error sound."""
        quiet = self.quiet
        self.rest()
        if not quiet:
            self.sound(Sound.ERROR)

    def enter(self, state: State) -> None:
        """Change the state, and set its watchdog."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _LOGGER.debug("%s -> %s", self.state, state)
        self.state, self._since = state, self._clock.time()
        self.answered = False
        self.owed = self.owed and self.listening
        timeouts = self._settings.timeouts
        if state is State.LISTENING:
            self._watch(timeouts.listening, self._too_long)
        elif state is State.FOLLOW_UP:
            self._watch(self._settings.follow_up.seconds, self._no_answer)
        elif state is State.THINKING:
            self._watch(timeouts.thinking, self._no_reply)
        elif state is State.SPEAKING:
            self.reply.watch()
            self.barge_in.begin()
            self._tick()
        elif state is State.IDLE:
            self.await_wake()

    def _new_turn(self) -> None:
        self.quiet = self.reply.orphaned = False
        self.reply.forget_words()
        if not self.barged_in:
            self.turn = None  # the driver has yet to name the new one

    def _played_nevertheless(self) -> None:
        """A stock driver waits for the end of an announcement, also of one that was dropped."""
        if self.ready and not self.parlour and not self.reply.orphaned:
            self.driver.send(Played())

    # ---- watchdogs

    def _watch(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(seconds, then)

    def _too_long(self) -> None:
        _LOGGER.warning("nobody ended the listening: stopped")
        self.uplink.end()
        self.enter(State.THINKING)

    def _no_answer(self) -> None:
        self.quiet = True
        self._too_long()

    def _no_reply(self) -> None:
        _LOGGER.warning("no reply in time")
        self.abandon()

    def _no_speech(self) -> None:
        if not self.quiet:
            _LOGGER.warning("the driver's answer is not spoken: given up")
        self.fail()

    def _tick(self) -> None:
        if self.barge_in.overdue:
            _LOGGER.warning("the hub does not say whether it was interrupted: going on")
            self.go_on()
        if self.reply.is_stuck():
            _LOGGER.warning("the reply stalled: dropped")
            self.drop_reply()
            self._played_nevertheless()
            self.fail()
            return
        self._watch(REPORT_SECONDS, self._tick)
        if self.player.samples_played:
            self.report()
