"""How loud the satellite is."""

import numpy as np
import pytest
from satellite_room import BLOCK, SOUNDS, SPEAKER, Room
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event

from protocol.audio import PcmFormat
from protocol.connection import MalformedFrame
from protocol.control import Volume
from satellite.audio.gain import Gain, faded_out, gain
from satellite.feedback import Sound
from satellite.player import Player

LOUD = 20000


def tone(room, seconds=1.0):
    pcm = np.full(round(seconds * SPEAKER.rate), LOUD, "<i2").tobytes()
    room.driver(AudioStart(24000, 2, 1), AudioChunk(24000, 2, 1, pcm), AudioStop())


def test_the_volume_holds_for_the_reply_that_plays_and_for_those_that_follow():
    room = Room()
    tone(room)
    room.run(0.2)
    room.driver(Volume(0.5))
    room.run(0.2)
    half = LOUD * gain(0.5)
    assert room.played()[2000] == LOUD
    assert room.played()[-1] == pytest.approx(half, abs=1)
    room.run(1.0)
    assert room.take() == ["played"]
    tone(room)
    room.run(0.5)
    assert room.played()[-1] == pytest.approx(half, abs=1)


def test_half_the_volume_is_heard_as_half_as_loud():
    decibels = 20 * np.log10(gain(0.5))
    assert decibels == pytest.approx(-10, abs=0.1)
    assert (gain(0.0), gain(1.0)) == (0.0, 1.0)


def test_a_change_does_not_click():
    room = Room()
    tone(room)
    for level in (0.0, 1.0, 0.3, 0.31, 1.0):
        room.driver(Volume(level))
        room.run(0.1)
    steps = np.abs(np.diff(room.played()))
    assert steps.max() <= LOUD / 400
    assert room.played()[round(0.08 * 24000)] == 0
    assert room.played()[-1] == LOUD


def test_the_volume_does_not_change_how_much_was_heard():
    room = Room()
    room.ask("one")
    room.driver(Volume(0.0))
    room.reply(1.0, turn="one")
    room.run(1.2)
    assert room.playbacks()[-1].samples_played == 24000
    assert room.types()[-1] == "played"


def test_the_satellite_s_own_sounds_follow_the_volume():
    room = Room()
    room.driver(Volume(0.0))
    room.say_wake_word()
    room.run(0.1)
    assert not any(room.heard)


def test_the_volume_at_the_start_is_that_of_the_settings():
    player = Player(SPEAKER, on_started=int, on_drained=int, volume=0.0)
    player.sound(SOUNDS[Sound.RING])
    assert not any(player.pull(BLOCK))
    player.sound(SOUNDS[Sound.RING], least=1.0)
    assert any(player.pull(BLOCK))


def test_every_channel_of_a_frame_is_as_loud_as_the_others():
    stream = Gain(PcmFormat(48000, 2, 2), 1.0)
    stream.level = 0.2
    pcm = np.full((960, 2), LOUD, "<i2").tobytes()
    out = np.frombuffer(stream.apply(pcm) + stream.apply(pcm), "<i2").reshape(-1, 2)
    assert np.array_equal(out[:, 0], out[:, 1])
    assert out[-1, 0] == pytest.approx(LOUD * gain(0.2), abs=1)


def test_what_is_cut_off_fades_out():
    pcm = np.full(2000, LOUD, "<i2").tobytes()
    out = np.frombuffer(faded_out(pcm, SPEAKER), "<i2").astype(int)
    assert len(out) == 240
    assert out[0] == LOUD
    assert out[-1] == 0
    assert faded_out(b"", SPEAKER) == b""


@pytest.mark.parametrize("level", [0, 0.25, 1])
def test_a_volume_survives_the_wire(level):
    assert Volume.from_event(Volume(level).event()) == Volume(float(level))


@pytest.mark.parametrize("level", [None, -0.1, 1.01, "loud", True, float("nan"), [1]])
def test_a_level_that_is_none_is_a_typed_error(level):
    room = Room()
    with pytest.raises(MalformedFrame, match="level"):
        room.driver(Event("volume", {"level": level}))
