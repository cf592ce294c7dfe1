"""What makes one room's conversation go on: what was heard, said and played.

Pure logic: it is called with microphone frames, with the driver's events, and with what the player
did, all on the event loop; it answers at once and never waits. The states that it goes through, and
the steps between them, are in conversation.py; what the microphone hears is for hearing.py.

A *driver* is whoever runs our pipeline: a Parlour hub or Home Assistant. Parlour hubs put a `turn`
key on their events; a driver that never does is a *stock* driver, for which two rules hold (seen
with Home Assistant): no new `run-pipeline` while it is still hearing or thinking, or it hangs; and
after a new one during a reply, the rest of the old reply still arrives and is dropped until the
next `transcribe`.
"""

import logging
from collections.abc import Callable, Mapping

from wyoming.asr import Transcribe, Transcript
from wyoming.error import Error
from wyoming.event import Event
from wyoming.snd import Played
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detect, Detection

from protocol.audio import SPEECH
from protocol.extensions import Flush, Hold, Playback, Resume, turn_of
from satellite.barge_in import SpeechDetector
from satellite.config import Settings
from satellite.controls import Controls
from satellite.conversation import Conversation
from satellite.conversation import State as State
from satellite.feedback import Sound
from satellite.hearing import Hearing
from satellite.player import Player, reply_format
from satellite.ports import Clock, Driver
from satellite.timers import Alarm
from satellite.wake.base import WakeChoice, WakeWords

_LOGGER = logging.getLogger(__name__)

_FOLLOW_UP_PRE_ROLL = 0.3  # seconds: people answer before the question's last sound has faded


class Session:
    """One room's conversation.

    Args:
        settings: time-outs, sounds, pre-roll.
        driver: where events go.
        player: where replies and sounds go; its callbacks must end up in `reply_started` and
            `reply_drained`, on the event loop.
        wake: hears wake words.
        sounds: the satellite's own sounds in the speaker's format.
        clock: the event loop.
        speech: hears speech over a reply; None where only the wake word interrupts.
        choice: changes the wake words; None where they cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        driver: Driver,
        player: Player,
        wake: WakeWords,
        sounds: Mapping[Sound, bytes],
        clock: Clock,
        speech: SpeechDetector | None = None,
        choice: WakeChoice | None = None,
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._player = player
        self._clock = clock
        self._talk = Conversation(
            settings, driver=driver, player=player, sounds=sounds, clock=clock, speech=speech
        )
        self._uplink, self._barge_in = self._talk.uplink, self._talk.barge_in
        self._reply = self._talk.reply
        self._echo_free = speech is not None
        self._alarm = Alarm(
            settings.timer,
            player=player,
            ring=sounds[Sound.RING],
            clock=clock,
            at_rest=lambda: self._talk.at_rest,
        )
        self._hearing = Hearing(
            settings, talk=self._talk, wake=wake, alarm=self._alarm, echo_free=self._echo_free
        )
        controls = Controls(muted=settings.muted, talk=self._talk, wake=wake, choice=choice)
        self._closed = False
        self._handlers: dict[str, Callable[[Event], None]] = {
            Transcribe().event().type: self._on_transcribe,
            VoiceStarted().event().type: self._on_voice_started,
            VoiceStopped().event().type: self._on_heard_all,
            Transcript("").event().type: self._on_heard_all,
            Synthesize("").event().type: self._on_synthesize,
            "audio-start": self._on_audio_start,
            "audio-chunk": self._on_audio_chunk,
            "audio-stop": self._on_audio_stop,
            Error("").event().type: self._on_error,
            Flush.TYPE: self._on_flush,
            Hold.TYPE: self._on_hold,
            Resume.TYPE: self._on_resume,
            Detect().event().type: self._on_detect,
            Detection().event().type: self._on_detection,
            **controls.handlers,
            **self._alarm.handlers,
        }

    @property
    def state(self) -> State:
        """Where the conversation is."""
        return self._talk.state

    def close(self) -> None:
        """Stop the watchdog and the ring; of what comes afterwards, `link_lost` is no news."""
        self._closed = True
        self._talk.close()
        self._alarm.close()

    def finish(self) -> bool:
        """Hear nothing more; return whether we may hang up, or shall be asked again.

        A stock driver would go on with our turn and send the rest of it to nobody; it is waited for
        until it has sent all.
        """
        talk = self._talk
        if talk.parlour or not talk.ready:
            return True
        talk.muted = True
        if talk.listening:
            self._uplink.end()
            talk.enter(State.THINKING)
        elif talk.state is State.THINKING and talk.answered and talk.quiet:
            return True
        elif talk.state is State.SPEAKING and not self._player.open:
            talk.rest()
        return talk.at_rest

    # ---- microphone

    def heard(self, pcm: bytes) -> None:
        """Take the next frame of 16 kHz mono 16-bit audio."""
        self._hearing.heard(pcm)

    # ---- link

    def received(self, event: Event) -> None:
        """Take an event from the driver; types that mean nothing here are ignored.

        Raises:
            MalformedFrame: a field is missing or of a wrong type; the link is to be closed.
        """
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)

    def link_lost(self) -> None:
        """The driver is gone. What was received of a reply may still be heard.

        A turn that had no reply yet, or a reply that is cut off, ends in the error sound. A mute
        outlives the link: only what a driver says ends it. Timers ring on. After `close` it is our
        own doing.
        """
        if self._closed:
            return
        self._alarm.driver_lost()
        self._talk.ready = self._talk.parlour = False
        self._talk.turn = self._reply.turn = None
        if self._talk.remote is not None:
            self._talk.remote.stop()
        if self._talk.at_rest:
            return
        _LOGGER.warning("hub gone while %s", self._talk.state)
        self._talk.go_on()
        if self._talk.state is State.SPEAKING and not self._player.held:
            self._reply.orphaned = True
            self._reply.cut_off = self._reply.cut_off or self._player.open
            self._reply.complete()
        else:
            self._talk.fail()

    def _on_transcribe(self, event: Event) -> None:
        self._talk.turn = self._note_turn(event)
        if self._talk.barged_in:
            self._talk.barged_in = False
            if self._player.active:  # a hub that forgot to flush
                self._talk.drop_reply()

    def _on_voice_started(self, _: Event) -> None:
        if self._talk.state is State.FOLLOW_UP and not self._talk.barged_in:
            self._talk.enter(State.LISTENING)

    def _on_heard_all(self, _: Event) -> None:
        if self._talk.listening and not self._talk.barged_in:
            self._talk.heard_all()
            self._talk.enter(State.THINKING)
            self._talk.sound(Sound.DONE)

    def _on_synthesize(self, event: Event) -> None:
        text = event.data.get("text")
        if not self._talk.barged_in and isinstance(text, str):
            self._reply.told(text)
            self._talk.answer_told(text)

    def _on_audio_start(self, event: Event) -> None:
        audio_format = reply_format(event)
        turn = self._note_turn(event)
        if self._talk.barged_in or self._talk.owed:
            self._talk.owed = False
            if self._player.held:
                self._player.begin(audio_format)
            return
        if not self._barge_in.asked or turn != self._reply.turn:
            self._barge_in.settle()
            self._talk.heard_all()
        if self._player.active and (self._reply.orphaned or turn != self._reply.turn):
            self._talk.drop_reply()
        self._reply.orphaned = self._reply.cut_off = False
        self._reply.turn = turn
        self._talk.turn = turn or self._talk.turn
        self._player.begin(audio_format)
        if self._talk.state is not State.SPEAKING:
            self._talk.enter(State.SPEAKING)

    def _on_audio_chunk(self, event: Event) -> None:
        # After a barge-in with a stock driver the player is closed, so the old reply goes nowhere.
        if event.payload and not self._reply.orphaned:
            self._player.feed(event.payload)

    def _on_audio_stop(self, _: Event) -> None:
        if self._player.open and not self._reply.orphaned:
            self._reply.complete()

    def _on_error(self, event: Event) -> None:
        turn = turn_of(event)
        stale = turn is not None and (turn == self._talk.turn) is self._talk.barged_in
        if stale and self._talk.turn is not None:
            return
        _LOGGER.info("the driver ended the turn: %s", event.data.get("code"))
        if self._talk.remote is not None:
            self._talk.remote.failed()
        if not self._talk.at_rest and not self._reply.orphaned:
            self._talk.fail()

    def _on_flush(self, event: Event) -> None:
        """Stop playing and ringing, report what was heard; no `played` follows.

        It ends the turn it names, in whatever state; a newer turn, begun by barge-in, goes on.
        """
        flush = Flush.from_event(event)
        turn = flush.turn
        _LOGGER.debug("flush at %.4f", self._clock.time())
        self._talk.parlour = True
        if turn == self._reply.turn:
            self._talk.drop_reply()
            if flush.listen and self._barge_in.asked:  # what was said is the next turn
                self._barge_in.settle()
                self._talk.barged_in = True
                self._reply.forget_words()
                self._talk.enter(State.LISTENING)
                return
        elif turn == self._talk.turn:
            self._driver.send(Playback(turn, 0))
        else:
            return
        newer = self._talk.barged_in or (
            self._talk.turn != turn and self._talk.state is not State.SPEAKING
        )
        if not newer:
            self._alarm.dismiss()
            self._uplink.end()
            self._talk.rest()

    def _on_hold(self, event: Event) -> None:
        if Hold.from_event(event).turn == self._reply.turn and self._player.active:
            self._talk.hold()

    def _on_resume(self, event: Event) -> None:
        if Resume.from_event(event).turn != self._reply.turn or not self._player.held:
            return
        self._reply.resume()
        self._talk.go_on()
        if self._talk.barged_in:  # the hub heard nothing of worth: the old reply goes on
            self._talk.barged_in = False
            self._uplink.end()
            self._talk.enter(State.SPEAKING)

    def _on_detect(self, _: Event) -> None:
        if self._talk.remote is not None:
            self._talk.remote.waits = True

    def _on_detection(self, _: Event) -> None:
        if self._talk.remote is not None:
            self._hearing.woken_remotely()

    def _note_turn(self, event: Event) -> str | None:
        turn = turn_of(event)
        self._talk.parlour = self._talk.parlour or turn is not None
        return turn

    # ---- player

    def reply_started(self) -> None:
        """The speaker has taken the first sample of a reply."""
        _LOGGER.info("reply begins to play")
        self._talk.report()

    def reply_drained(self) -> None:
        """The speaker has taken the last sample of a reply."""
        if self._talk.state is not State.SPEAKING or self._player.active:
            return
        _LOGGER.info("reply has been played, %d underruns", self._player.underruns)
        if self._reply.orphaned:
            if self._reply.cut_off:
                self._talk.sound(Sound.ERROR)
            self._talk.rest()
            return
        self._talk.report()
        self._driver.send(Played())
        asks = self._reply.is_question and self._settings.follow_up.enabled
        if self._talk.remote is not None and self._talk.remote.waits and not self._talk.parlour:
            asks = False  # its next pipeline has begun, and would hang with another one beside it
        if asks and not self._talk.muted and self._talk.ready:
            # Nobody hears the reply's end where there is no echo, but the beginning of "yes".
            early = round(_FOLLOW_UP_PRE_ROLL * SPEECH.rate) if self._echo_free else 0
            self._talk.listen(State.FOLLOW_UP, self._uplink.now - early)
        else:
            self._talk.rest()
