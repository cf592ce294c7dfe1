"""Hold, resume and flush reach the sound that the speaker's process has and has not played."""

import contextlib
import os
import random

import numpy as np
import pytest

from protocol.audio import PcmFormat
from satellite.audio import device_child, device_process
from satellite.audio.device_child import BLOCK_SECONDS, Mouth
from satellite.audio.orders import Order
from satellite.audio.pyaudio_devices import Feed, Playback, PyAudioSpeaker
from satellite.audio.unplayed import Unplayed
from satellite.player import Player

OURS = PcmFormat(24000, 2, 1)
THEIRS = PcmFormat(48000, 2, 2)
BLOCK = round(OURS.rate * BLOCK_SECONDS)
REPLY = np.arange(1, 30000, dtype="<i2")  # each sample tells its place; none is silent
SOUND = np.full(3 * BLOCK, -7, "<i2")


class Wire:
    """The pipe to the process."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def write(self, data):
        assert os.write(self.descriptor, data) == len(data)


class Loudspeaker:
    """A player, its speaker, and the speaker's process, whose callbacks the test makes."""

    def __init__(self, feed, drain, form=OURS):
        self.requests = drain
        self.form = form
        self.block = round(form.rate * BLOCK_SECONDS)
        self.drained = 0
        self.speaker = PyAudioSpeaker("default", OURS)
        self.player = Player(
            OURS, on_started=lambda: None, on_drained=self.on_drained, speaker=self.speaker
        )
        self.feed = Feed(Wire(feed), Playback(self.player.pull, OURS, form), self.block)
        self.speaker._feed = self.feed
        self.mouth = Mouth(form.bytes_per_frame, self.block)
        self.heard = np.zeros(0, "<i2")

    def on_drained(self):
        self.drained += 1

    def begin(self, samples=REPLY):
        self.player.begin(OURS)
        self.player.feed(samples.tobytes())

    def answer(self):
        with contextlib.suppress(BlockingIOError):
            for ahead in os.read(self.requests, 100):
                self.feed.send(ahead)

    def take(self, *, answered=True):
        """Let the device take its next block; return it."""
        pcm, _ = self.mouth.callback(None, self.block, None, 0)
        samples = np.frombuffer(pcm, "<i2")[:: self.form.channels]
        self.heard = np.concatenate([self.heard, samples])
        if answered:
            self.answer()
        return samples

    def play(self, blocks):
        return np.concatenate([self.take() for _ in range(blocks)])

    @property
    def of_reply(self):
        """What was heard of the reply."""
        return self.heard[self.heard > 0]


@pytest.fixture
def pipes(monkeypatch):
    """What the satellite writes into and reads from."""
    stdin, feed = os.pipe()
    drain, stdout = os.pipe()
    for descriptor in (stdin, drain, stdout):
        os.set_blocking(descriptor, False)
    monkeypatch.setattr(device_child, "_STDIN", stdin)
    monkeypatch.setattr(device_child, "_STDOUT", stdout)
    yield feed, drain
    for descriptor in (stdin, feed, drain, stdout):
        os.close(descriptor)


@pytest.fixture
def make(pipes):
    """Return a function that makes a loudspeaker, at most one a test."""

    def loudspeaker(form=OURS, ahead=2):
        made = Loudspeaker(*pipes, form)
        made.mouth.begin_with((ahead - 2) * BLOCK_SECONDS)
        made.play(3)
        return made

    return loudspeaker


@pytest.mark.parametrize("ahead", [2, 5, 12])
def test_a_held_reply_is_silent_with_the_next_block_and_goes_on_with_the_very_next_sample(
    make, ahead
):
    room = make(ahead=ahead)
    room.begin()
    room.play(ahead + 10)
    played = len(room.of_reply)
    assert played > 0
    room.player.hold()
    assert not room.play(50).any()
    room.player.resume()
    assert room.take()[0] == played + 1
    room.play(20)
    assert np.array_equal(room.of_reply, REPLY[: len(room.of_reply)])


def test_what_is_flushed_is_never_heard_held_before_or_not(make):
    room = make(ahead=5)
    for held in (True, False):
        room.begin()
        assert room.play(20).any()
        if held:
            room.player.hold()
            room.play(3)
        room.player.flush()
        assert not room.play(30).any()


@pytest.mark.parametrize("ahead", [2, 12])
@pytest.mark.parametrize("form", [OURS, THEIRS], ids=["same", "converted"])
def test_the_samples_played_are_those_that_were_heard_held_flushed_or_neither(make, form, ahead):
    room = make(form, ahead)
    room.begin()
    room.play(ahead + 30)
    # The converter's delay, some 70 ms, is silence before the first sample.
    heard = np.count_nonzero(room.heard) * OURS.rate // form.rate
    told = [room.player.samples_played]
    room.player.hold()
    told.append(room.player.samples_played)
    room.play(9)
    told.append(room.player.samples_played)
    room.player.resume()
    told.append(room.player.samples_played)
    room.player.hold()
    told.append(room.player.flush())
    room.play(20)
    told.append(room.player.samples_played)
    assert told == pytest.approx([heard] * 6, abs=2 * BLOCK)
    room.begin()
    assert room.player.samples_played == 0


def test_in_another_format_what_the_converter_holds_back_stops_and_goes_on_too(make):
    room = make(THEIRS)
    room.begin()
    whole = Playback(room.player.pull, OURS, THEIRS)
    reference = [np.frombuffer(whole.pull(room.block), "<i2")[::2] for _ in range(60)]
    room.player.flush()
    room.play(20)

    room.begin()
    room.heard = room.heard[:0]
    room.play(20)
    room.player.hold()
    quiet = room.play(10)
    assert not quiet.any()
    room.player.resume()
    room.play(20)
    heard, expected = room.heard[room.heard != 0], np.concatenate(reference)
    expected = expected[expected != 0]
    # The filter begins in another silence; from there on not one sample is another.
    assert np.abs(heard[: len(heard)].astype(int) - expected[: len(heard)]).max() <= 1


def test_a_sound_of_the_satellite_s_own_plays_while_the_reply_is_held(make):
    room = make()
    room.begin()
    room.play(10)
    room.player.hold()
    room.player.sound(SOUND.tobytes())
    assert np.count_nonzero(room.play(10) == -7) == len(SOUND)
    room.player.flush()
    assert not room.play(10).any()


@pytest.mark.parametrize("held", [True, False])
def test_a_flush_takes_nothing_of_a_sound_that_plays_after_the_reply(make, held):
    room = make()
    room.begin(REPLY[:1000])
    if held:
        room.play(4)
        room.player.hold()
    else:
        room.player.end()
        room.play(20)
    room.player.sound(SOUND.tobytes())
    room.take()
    room.player.flush()
    room.play(10)
    assert np.count_nonzero(room.heard == -7) == len(SOUND)


@pytest.mark.parametrize("prompt", [True, False], ids=["prompt", "late"])
def test_hold_and_resume_in_any_order_and_at_any_time_lose_nothing_and_repeat_nothing(make, prompt):
    room = make()
    chance = random.Random(3)
    for _ in range(40):
        room.begin()
        before, end = len(room.of_reply), chance.random() < 0.5
        if end:
            room.player.end()
        for _ in range(chance.randrange(150)):
            what = chance.random()
            if what < 0.1:
                room.player.hold()
            elif what < 0.25:
                room.player.resume()
            room.take(answered=prompt or chance.random() < 0.7)
            if prompt:
                told = room.player.samples_played
                assert told == pytest.approx(len(room.of_reply) - before, abs=BLOCK)
        room.player.flush()
        assert np.array_equal(room.of_reply[before:], REPLY[: len(room.of_reply) - before])
        quiet = len(room.of_reply)
        room.play(16)
        assert len(room.of_reply) == quiet


def test_a_reply_that_is_held_at_its_end_drains_once_and_is_heard_whole(make):
    room = make(ahead=5)
    room.begin(REPLY[: 10 * BLOCK])
    for _ in range(30):
        room.take()
        room.player.hold()
        room.play(3)
        if len(room.of_reply) > 8 * BLOCK:
            room.player.end()
        room.player.resume()
        room.take()
    assert room.drained == 1
    assert np.array_equal(room.of_reply, REPLY[: 10 * BLOCK])
    assert room.player.samples_played == 10 * BLOCK


def test_a_device_that_goes_while_the_reply_is_held_takes_only_what_it_had(make):
    room = make()
    room.begin()
    room.play(10)
    room.player.hold()
    room.speaker._feed = None  # its process ended
    room.player.resume()
    assert not room.player.held
    assert room.player.samples_played == pytest.approx(len(room.of_reply), abs=3 * BLOCK)


def test_a_device_that_died_a_moment_ago_is_no_error(make):
    room = make()
    room.begin()
    room.play(10)

    class Broken:
        def write(self, data):
            raise device_process.Gone("its process ended")

    room.feed._pipe = Broken()
    room.player.hold()
    assert room.player.held


def test_frames_of_the_reply_that_are_ahead_are_told_from_the_silence_between_them():
    unplayed = Unplayed()
    for of_reply in (10, 0, 7, 10):
        unplayed.pulled(10, of_reply)
    assert [unplayed.of_reply(n) for n in (0, 10, 20, 30, 40, 99)] == [0, 10, 17, 17, 27, 27]
    unplayed.hold(20)
    unplayed.pulled(10, 0)
    assert unplayed.of_reply(10) == 17
    unplayed.resume()
    assert unplayed.of_reply(20) == 17
    unplayed.hold(10)
    assert unplayed.of_reply(10) == 10
    unplayed.drop()
    assert unplayed.of_reply(10) == 0


def test_an_order_that_comes_in_pieces_with_sound_around_it_is_followed_in_its_place(pipes):
    message = bytes([device_child.SOUND]) + bytes(range(1, 201))
    stream = message + bytes([Order.HOLD]) + message.replace(b"\1", b"\2")
    mouth = Mouth(2, 100)
    heard = []
    for at in range(0, len(stream), 67):
        os.write(pipes[0], stream[at : at + 67])
        heard.append(mouth.callback(None, 100, None, 0)[0])
    assert [pcm for pcm in heard if any(pcm)] == [message[1:], stream[-200:]]
