"""The conversation of one room as a state machine: what was heard, said and played, and what next.

Pure logic: it is called with microphone frames, with the driver's events, and with what the player
did, all on the event loop; it answers at once and never waits. Every state but idle and muted has
a watchdog.

A *driver* is whoever runs our pipeline: a Parlour hub or Home Assistant. Parlour hubs put a `turn`
key on their events; a driver that never does is a *stock* driver, for which two rules hold (seen
with Home Assistant): no new `run-pipeline` while it is still hearing or thinking, or it hangs; and
after a new one during a reply, the rest of the old reply still arrives and is dropped until the
next `transcribe`.
"""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum

from wyoming.asr import Transcribe, Transcript
from wyoming.error import Error
from wyoming.event import Event
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.snd import Played
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detection

from protocol.audio import SPEECH
from protocol.extensions import Flush, Hold, Interruption, Playback, Resume, turn_of
from satellite.barge_in import PRE_ROLL_SECONDS, BargeIn, SpeechDetector
from satellite.config import Settings
from satellite.feedback import Sound
from satellite.player import Player, reply_format
from satellite.ports import Clock, Driver, Timer
from satellite.reply import Reply
from satellite.uplink import Uplink, milliseconds
from satellite.wake.base import WakeHit, WakeWords

_LOGGER = logging.getLogger(__name__)

REPORT_SECONDS = 0.2
_FOLLOW_UP_PRE_ROLL = 0.3  # seconds: people answer before the question's last sound has faded


class State(StrEnum):
    """Where the conversation is."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    FOLLOW_UP = "follow-up"
    MUTED = "muted"


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
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._player = player
        self._wake = wake
        self._sounds = {s: pcm for s, pcm in sounds.items() if getattr(settings.sounds, s)}
        self._clock = clock
        self._uplink = Uplink(driver)
        self._barge_in = BargeIn(speech, clock)
        self._echo_free = speech is not None
        self._muted = settings.muted
        self._state = State.MUTED if self._muted else State.IDLE
        self._timer: Timer | None = None
        self._closed = False
        self._ready = False  # somebody drives us
        self._parlour = False  # and it is a Parlour hub
        self._turn: str | None = None  # the newest turn that the driver named
        self._reply = Reply(player, settings.timeouts, clock)  # that the player has, or had last
        self._barged_in = False  # until the driver's `transcribe`, its events are of the old turn
        self._quiet = False  # the turn may fail without a sound: nobody had spoken
        self._handlers: dict[str, Callable[[Event], None]] = {
            RunSatellite().event().type: self._on_run,
            PauseSatellite().event().type: self._on_pause,
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
        }

    @property
    def state(self) -> State:
        """Where the conversation is."""
        return self._state

    def close(self) -> None:
        """Stop the watchdog; of what comes afterwards, `link_lost` is no news."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    # ---- microphone

    def heard(self, pcm: bytes) -> None:
        """Take the next frame of 16 kHz mono 16-bit audio."""
        if self._muted:
            return
        self._uplink.heard(pcm)
        hit = self._wake.process(pcm)
        if hit is not None and not self._streaming and not self._is_echo(hit):
            self._woken(hit)
        elif self._speaks_for_hub and self._barge_in.heard(pcm):
            self._spoken_over()

    def _woken(self, hit: WakeHit) -> None:
        if hit.name == self._settings.barge_in.stop_word:
            self._stop(hit)
            return
        if not self._ready:
            _LOGGER.warning("wake word %s, but no hub is connected", hit.name)
            self._sound(Sound.ERROR)
            return
        if self._state is State.THINKING and not self._parlour:
            _LOGGER.debug("wake word ignored: the driver would hang on a second pipeline now")
            return
        if self._state is State.SPEAKING and self._reply.orphaned:
            self._player.flush()
        elif self._state in (State.SPEAKING, State.THINKING):
            self._barged_in = True
            self._barge_in.settle()
            if self._parlour:
                self._hold()  # the hub decides: flush or resume
                if self._state is State.SPEAKING:
                    self._report()
            else:
                self._player.flush()
        _LOGGER.info("wake word %s", hit.name)
        self._driver.send(Detection(name=hit.name, timestamp=milliseconds(hit.position)))
        pre_roll = round(self._settings.wake.pre_roll * SPEECH.rate)
        self._listen(State.LISTENING, hit.position - pre_roll)
        self._sound(Sound.AWAKE)

    def _stop(self, hit: WakeHit) -> None:
        """Be quiet at the stop word; where there is nothing to stop, it means nothing."""
        if self._state is State.SPEAKING:
            turn = self._reply.turn
            self._drop_reply()
        elif self._state is State.THINKING and self._parlour:
            turn = self._turn
        else:
            return
        _LOGGER.info("stop word %s", hit.name)
        if self._parlour and turn is not None:
            self._driver.send(Interruption(turn, stop=True))
        elif not self._reply.orphaned:
            self._driver.send(Played())  # a stock driver then knows that it is over
        self._rest()

    def _is_echo(self, hit: WakeHit) -> bool:
        """Whether it is the reply itself that says the wake word: "Say Hey Jarvis, and then ...".

        Who says it over such a reply is not heard; without this, the reply would never be.
        """
        if self._state is not State.SPEAKING or self._echo_free:
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
        self._hold()
        if not self._player.held:  # it had just ended
            return
        _LOGGER.info("somebody speaks over the reply")
        self._report()
        self._driver.send(Interruption(self._reply.turn))
        self._barge_in.ask()
        self._uplink.begin(self._uplink.now - round(PRE_ROLL_SECONDS * SPEECH.rate))

    @property
    def _speaks_for_hub(self) -> bool:
        return self._state is State.SPEAKING and self._parlour and not self._reply.orphaned

    @property
    def _streaming(self) -> bool:
        return self._state in (State.LISTENING, State.FOLLOW_UP)

    def _listen(self, state: State, position: int) -> None:
        self._quiet = self._reply.orphaned = False
        self._reply.forget_words()
        if not self._barged_in:
            self._turn = None  # the driver has yet to name the new one
        self._driver.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        self._uplink.begin(position)
        self._enter(state)

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
        outlives the link: only `run-satellite` ends it. After `close` it is our own doing.
        """
        if self._closed:
            return
        self._ready = self._parlour = False
        self._turn = self._reply.turn = None
        if self._state in (State.IDLE, State.MUTED):
            return
        _LOGGER.warning("hub gone while %s", self._state)
        self._go_on()
        if self._state is State.SPEAKING and not self._player.held:
            self._reply.orphaned = True
            self._reply.cut_off = self._reply.cut_off or self._player.open
            self._reply.complete()
        else:
            self._fail()

    def _on_run(self, _: Event) -> None:
        self._ready = True
        if self._muted and not self._settings.muted:
            self._muted = False
            self._wake.reset()
        if self._state is State.MUTED:
            self._rest()

    def _on_pause(self, _: Event) -> None:
        self._ready = False
        self._muted = True
        self._uplink.forget()
        self._rest()

    def _on_transcribe(self, event: Event) -> None:
        self._turn = self._note_turn(event)
        if self._barged_in:
            self._barged_in = False
            if self._player.active:  # a hub that forgot to flush
                self._drop_reply()

    def _on_voice_started(self, _: Event) -> None:
        if self._state is State.FOLLOW_UP and not self._barged_in:
            self._enter(State.LISTENING)

    def _on_heard_all(self, _: Event) -> None:
        if self._streaming and not self._barged_in:
            self._uplink.end()
            self._enter(State.THINKING)
            self._sound(Sound.DONE)

    def _on_synthesize(self, event: Event) -> None:
        text = event.data.get("text")
        if not self._barged_in and isinstance(text, str):
            self._reply.told(text)

    def _on_audio_start(self, event: Event) -> None:
        audio_format = reply_format(event)
        turn = self._note_turn(event)
        if self._barged_in:
            if self._player.held:
                self._player.begin(audio_format)
            return
        if not self._barge_in.asked or turn != self._reply.turn:
            self._barge_in.settle()
            self._uplink.end()
        if self._player.active and (self._reply.orphaned or turn != self._reply.turn):
            self._drop_reply()
        self._reply.orphaned = self._reply.cut_off = False
        self._reply.turn = turn
        self._turn = turn or self._turn
        self._player.begin(audio_format)
        if self._state is not State.SPEAKING:
            self._enter(State.SPEAKING)

    def _on_audio_chunk(self, event: Event) -> None:
        # After a barge-in with a stock driver the player is closed, so the old reply goes nowhere.
        if event.payload and not self._reply.orphaned:
            self._player.feed(event.payload)

    def _on_audio_stop(self, _: Event) -> None:
        if self._player.open and not self._reply.orphaned:
            self._reply.complete()

    def _on_error(self, event: Event) -> None:
        turn = turn_of(event)
        stale = turn is not None and (turn == self._turn) is self._barged_in
        if stale and self._turn is not None:
            return
        _LOGGER.info("the driver ended the turn: %s", event.data.get("code"))
        if self._state not in (State.IDLE, State.MUTED) and not self._reply.orphaned:
            self._fail()

    def _on_flush(self, event: Event) -> None:
        """Stop playing, report what was heard; no `played` follows.

        It ends the turn it names, in whatever state; a newer turn, begun by barge-in, goes on.
        """
        flush = Flush.from_event(event)
        turn = flush.turn
        _LOGGER.debug("flush at %.4f", self._clock.time())
        self._parlour = True
        if turn == self._reply.turn:
            self._drop_reply()
            if flush.listen and self._barge_in.asked:  # what was said is the next turn
                self._barge_in.settle()
                self._barged_in = True
                self._reply.forget_words()
                self._enter(State.LISTENING)
                return
        elif turn == self._turn:
            self._driver.send(Playback(turn, 0))
        else:
            return
        newer = self._barged_in or (self._turn != turn and self._state is not State.SPEAKING)
        if not newer:
            self._uplink.end()
            self._rest()

    def _on_hold(self, event: Event) -> None:
        if Hold.from_event(event).turn == self._reply.turn and self._player.active:
            self._hold()

    def _on_resume(self, event: Event) -> None:
        if Resume.from_event(event).turn != self._reply.turn or not self._player.held:
            return
        self._reply.resume()
        self._go_on()
        if self._barged_in:  # the hub heard nothing of worth: the old reply goes on
            self._barged_in = False
            self._uplink.end()
            self._enter(State.SPEAKING)

    def _go_on(self) -> None:
        """Nobody interrupts, after all."""
        if self._barge_in.asked:
            _LOGGER.debug("the reply goes on at %.4f", self._clock.time())
            self._barge_in.settle(false_alarm=True)
            self._uplink.end()
            self._reply.resume()

    def _note_turn(self, event: Event) -> str | None:
        turn = turn_of(event)
        self._parlour = self._parlour or turn is not None
        return turn

    # ---- player

    def reply_started(self) -> None:
        """The speaker has taken the first sample of a reply."""
        _LOGGER.info("reply begins to play")
        self._report()

    def reply_drained(self) -> None:
        """The speaker has taken the last sample of a reply."""
        if self._state is not State.SPEAKING or self._player.active:
            return
        _LOGGER.info("reply has been played, %d underruns", self._player.underruns)
        if self._reply.orphaned:
            if self._reply.cut_off:
                self._sound(Sound.ERROR)
            self._rest()
            return
        self._report()
        self._driver.send(Played())
        question = self._reply.is_question
        if question and self._settings.follow_up.enabled and not self._muted and self._ready:
            # Nobody hears the reply's end where there is no echo, but the beginning of "yes".
            early = round(_FOLLOW_UP_PRE_ROLL * SPEECH.rate) if self._echo_free else 0
            self._listen(State.FOLLOW_UP, self._uplink.now - early)
        else:
            self._rest()

    def _report(self) -> None:
        if self._parlour and (report := self._reply.report) is not None:
            self._driver.send(report)

    def _hold(self) -> None:
        self._player.hold()
        _LOGGER.debug("the reply is held at %.4f", self._clock.time())

    def _drop_reply(self) -> None:
        self._player.flush()
        self._report()

    def _sound(self, sound: Sound) -> None:
        pcm = self._sounds.get(sound)
        if pcm is not None:
            self._player.sound(pcm)

    # ---- states and their watchdogs

    def _rest(self) -> None:
        self._barged_in = self._reply.orphaned = self._reply.cut_off = False
        self._barge_in.settle()
        self._reply.forget_words()
        self._uplink.end(say=False)
        if self._player.active:
            self._player.flush()
        self._enter(State.MUTED if self._muted else State.IDLE)

    def _fail(self) -> None:
        quiet = self._quiet
        self._rest()
        if not quiet:
            self._sound(Sound.ERROR)

    def _enter(self, state: State) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _LOGGER.debug("%s -> %s", self._state, state)
        self._state = state
        timeouts = self._settings.timeouts
        if state is State.LISTENING:
            self._timer = self._clock.call_later(timeouts.listening, self._too_long)
        elif state is State.FOLLOW_UP:
            self._timer = self._clock.call_later(self._settings.follow_up.seconds, self._no_answer)
        elif state is State.THINKING:
            self._timer = self._clock.call_later(timeouts.thinking, self._no_reply)
        elif state is State.SPEAKING:
            self._reply.watch()
            self._barge_in.begin()
            self._tick()

    def _too_long(self) -> None:
        _LOGGER.warning("nobody ended the listening: stopped")
        self._uplink.end()
        self._enter(State.THINKING)

    def _no_answer(self) -> None:
        self._quiet = True
        self._too_long()

    def _no_reply(self) -> None:
        _LOGGER.warning("no reply in time")
        self._fail()
        if not self._parlour:
            self._driver.drop("its pipeline may still run, and another one would hang it")

    def _tick(self) -> None:
        if self._barge_in.overdue:
            _LOGGER.warning("the hub does not say whether it was interrupted: going on")
            self._go_on()
        if self._reply.is_stuck():
            _LOGGER.warning("the reply stalled: dropped")
            self._drop_reply()
            self._fail()
            return
        self._timer = self._clock.call_later(REPORT_SECONDS, self._tick)
        if self._player.samples_played:
            self._report()
