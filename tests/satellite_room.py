"""A satellite's room on its own clock: scripted driver, wake words, speech, a speaker in steps."""

import heapq
import itertools
import struct

import numpy as np
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, Eventable
from wyoming.satellite import RunSatellite
from wyoming.vad import VoiceStopped

from protocol.audio import PcmFormat
from protocol.extensions import Playback, with_turn
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import Settings
from satellite.feedback import Sound
from satellite.player import Player
from satellite.session import Session, State
from satellite.wake.base import WakeHit, WakeModel

SPEAKER = PcmFormat(24000, 2, 1)
STEP = 0.02  # seconds the speaker takes at once
BLOCK = 480
SOUNDS = {
    Sound.AWAKE: b"\x01\x00" * 24,
    Sound.DONE: b"\x02\x00" * 24,
    Sound.ERROR: b"\x03\x00" * 24,
    Sound.RING: b"\x00\x10" * 9600,  # 0.4 s
}


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = 100.0
        self.calls = []
        self.order = itertools.count()

    def time(self):
        return self.now

    def call_later(self, delay, callback, /):
        timer = Timer(callback)
        heapq.heappush(self.calls, (self.now + delay, next(self.order), timer))
        return timer

    def advance(self, seconds):
        end = self.now + seconds
        while self.calls and self.calls[0][0] <= end + 1e-9:
            due, _, timer = heapq.heappop(self.calls)
            self.now = max(self.now, due)
            if not timer.cancelled:
                timer.callback()
        self.now = end


class Timer:
    def __init__(self, callback):
        self.callback = callback
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Wake:
    """Hears a wake word in the next frame when told to."""

    models = (WakeModel("hey_jarvis", "Hey Jarvis", ("en",)), WakeModel("stop", "Stop", ("en",)))

    def __init__(self):
        self.position = 0
        self.next = None
        self.resets = 0

    def process(self, pcm):
        self.position += len(pcm) // 2
        heard, self.next = self.next, None
        return WakeHit(heard, self.position) if heard else None

    def reset(self):
        self.resets += 1


class Speech:
    """Hears somebody speak when told to; notes when it had to listen."""

    def __init__(self):
        self.now = False
        self.frames = 0

    def process(self, pcm):
        self.frames += 1
        return self.now

    def reset(self):
        self.now = False


class Room:
    """A satellite, its driver and its speaker."""

    def __init__(self, settings=None, *, driven=True, speech=None, choice=None):
        self.speech = speech
        self.clock = Clock()
        self.wake = Wake()
        self.events: list[Event] = []
        self.dropped: list[str] = []
        self.samples = itertools.count()
        self.started = 0
        self.speaker_works = True
        self.heard = bytearray()  # what came out of the speaker
        self.player = Player(
            SPEAKER,
            on_started=lambda: self.session.reply_started(),
            on_drained=lambda: self.session.reply_drained(),
        )
        self.session = Session(
            settings or Settings(),
            driver=self,
            player=self.player,
            wake=self.wake,
            sounds=SOUNDS,
            clock=self.clock,
            speech=speech,
            choice=choice,
        )
        if driven:
            self.driver(RunSatellite())

    # the link
    def send(self, event: Event | Eventable):
        self.events.append(event if isinstance(event, Event) else event.event())

    def drop(self, reason):
        self.dropped.append(reason)

    def driver(self, *events, turn=None):
        for event in events:
            plain = event if isinstance(event, Event) else event.event()
            self.session.received(with_turn(plain, turn) if turn else plain)

    # the microphone: sample n has value n, so that audio shows where it comes from
    def listen(self, frames=1):
        for _ in range(frames):
            values = [n % 30000 for n in itertools.islice(self.samples, FRAME_SAMPLES)]
            self.session.heard(struct.pack(f"<{FRAME_SAMPLES}h", *values))

    def say_wake_word(self, name="hey_jarvis"):
        self.wake.next = name
        self.listen()

    def speak(self, frames=1):
        """Speak for some frames; the first is where it is noticed."""
        self.speech.now = True
        self.listen(frames)
        self.speech.now = False

    # time and the speaker
    def run(self, seconds):
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            if self.speaker_works:
                self.heard += self.player.pull(BLOCK)

    def played(self):
        """What came out of the speaker, as numbers."""
        return np.frombuffer(bytes(self.heard), "<i2").astype(int)

    # what was sent
    def types(self):
        return [event.type for event in self.events if event.type != "audio-chunk"]

    def take(self):
        """Return the types sent since the last time, microphone audio left out."""
        types = self.types()
        self.events.clear()
        return types

    def streamed(self):
        pcm = b"".join(e.payload for e in self.events if e.type == "audio-chunk")
        return [n for (n,) in struct.iter_unpack("<h", pcm)]

    def playbacks(self):
        return [Playback.from_event(e) for e in self.events if e.type == "playback"]

    def ask(self, turn=None):
        """Go through wake word and listening, to thinking."""
        self.say_wake_word()
        self.listen(10)
        self.driver(Transcribe(), turn=turn)
        self.driver(VoiceStopped(), Transcript("hello"))
        assert self.session.state is State.THINKING
        self.run(0.04)  # the awake sound is over
        self.take()

    def reply(self, seconds, *, turn=None, rate=24000, stop=True):
        pcm = b"\x11\x00" * round(seconds * rate)
        self.driver(AudioStart(rate, 2, 1), turn=turn)
        for start in range(0, len(pcm), 2048):
            self.driver(AudioChunk(rate, 2, 1, pcm[start : start + 2048]))
        if stop:
            self.driver(AudioStop(), turn=turn)


def sounds_in(pcm):
    return [sound for sound, wave in SOUNDS.items() if wave in pcm]
