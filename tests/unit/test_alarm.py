"""Timers that ring on the satellite: beside a conversation, and until somebody stops them."""

import itertools

import numpy as np
import pytest
from satellite_room import SOUNDS, SPEAKER, Room, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStart
from wyoming.event import Event
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStopped

from protocol.connection import MalformedFrame
from protocol.control import Volume
from protocol.extensions import Flush
from satellite.audio.gain import gain
from satellite.config import BargeInSettings, FollowUpSettings, Settings, TimerSettings
from satellite.feedback import Sound
from satellite.session import State

RATE = SPEAKER.rate
LOUDEST = int(np.frombuffer(SOUNDS[Sound.RING], "<i2")[0])
REPLY = 0x11  # what a reply's samples are


def rings(room):
    """When each ring began, in seconds of what was heard, and how loud it was."""
    heard = room.played()
    on = heard > 200  # neither reply nor another sound is so loud
    starts = np.flatnonzero(on & ~np.concatenate([[False], on[:-1]]))
    return [(round(float(at) / RATE, 2), int(heard[at])) for at in starts]


def afresh(room):
    room.heard = bytearray()
    return room


def ringing(settings=None, **options):
    room = Room(settings, **options)
    room.driver(TimerStarted("1", 5), TimerFinished("1"))
    room.run(0.6)
    assert len(rings(room)) == 1
    return afresh(room)


def test_a_timer_that_has_ended_rings_again_and_again_and_louder():
    room = Room()
    room.driver(TimerStarted("1", 60, name="eggs", start_minutes=1))
    room.run(60)
    assert not any(room.heard)
    room.driver(TimerFinished("1"))
    room.run(59)
    heard = rings(room)
    times = [at - 60 for at, _ in heard]
    assert times[0] <= 0.1
    assert len(heard) == 30
    assert max(b - a for a, b in itertools.pairwise(times)) <= 2.1
    levels = [level for _, level in heard]
    assert levels[:5] == sorted(levels[:5])
    assert levels[0] < LOUDEST * 0.3
    assert levels[4:] == [LOUDEST] * 26
    assert room.events == []  # nobody has to be told


def test_it_rings_no_longer_than_the_settings_say():
    room = Room(Settings(timer=TimerSettings(seconds=20)))
    room.driver(TimerFinished("1"))
    room.run(60)
    assert 8 <= len(rings(room)) <= 11
    assert rings(room)[-1][0] <= 20
    room.driver(TimerFinished("2"))  # and can ring again
    room.run(1)
    assert rings(room)[-1][0] == pytest.approx(60, abs=0.1)


def test_nothing_rings_where_it_is_not_wanted():
    room = Room(Settings(timer=TimerSettings(ring=False)))
    room.driver(TimerFinished("1"))
    room.run(5)
    assert rings(room) == []


def test_the_wake_word_stops_the_ring_and_listens():
    room = ringing()
    room.say_wake_word()
    assert room.session.state is State.LISTENING
    assert room.take() == ["detection", "run-pipeline", "audio-start"]
    room.run(10)
    assert sounds_in(room.heard) == [Sound.AWAKE]
    assert rings(room) == []
    room.driver(Transcribe(), VoiceStopped(), Transcript("thanks"))
    room.reply(0.2)
    room.run(20)
    assert rings(room) == []  # nor does it come back


def test_the_wake_word_cuts_a_ring_off_without_a_click():
    room = Room(Settings(timer=TimerSettings(seconds=600)))
    room.driver(TimerFinished("1"))
    room.run(2.0 + 6 * 2.0 + 0.1)
    afresh(room).say_wake_word()
    room.driver(Transcribe())
    room.run(0.6)
    heard = room.played()
    assert heard[0] == LOUDEST
    assert 0 < np.flatnonzero(heard > 100).size <= 0.011 * RATE
    assert np.abs(np.diff(heard)).max() < LOUDEST / 50


def test_the_wake_word_stops_the_ring_also_where_no_hub_is_connected():
    room = ringing()
    room.session.link_lost()
    room.run(4)
    assert len(rings(room)) == 2
    afresh(room).say_wake_word()
    room.run(10)
    assert not any(room.heard[2 * RATE :])
    assert sounds_in(room.heard) == []
    assert room.session.state is State.IDLE


def test_the_stop_word_stops_the_ring_and_begins_nothing():
    room = ringing(Settings(barge_in=BargeInSettings(stop_word="stop")))
    room.say_wake_word("stop")
    room.run(10)
    assert rings(room) == []
    assert room.events == []
    assert room.session.state is State.IDLE


@pytest.mark.parametrize(
    "event",
    [TimerCancelled("1"), TimerUpdated("1", True, 60), TimerStarted("1", 30)],
)
def test_a_timer_that_is_gone_or_runs_again_stops_ringing(event):
    room = ringing()
    room.driver(event)
    room.run(10)
    assert rings(room) == []


def test_several_timers_ring_as_one_until_the_last_of_them_is_gone():
    room = ringing()
    room.driver(TimerFinished("2"), TimerFinished("2"), TimerFinished("3"))
    room.run(8)
    assert len(rings(room)) == 4
    room.driver(TimerCancelled("1"), TimerCancelled("2"), TimerCancelled("unknown"))
    afresh(room).run(4)
    assert len(rings(room)) == 2
    room.driver(TimerCancelled("3"))
    afresh(room).run(4)
    assert rings(room) == []


def test_thousands_of_timers_are_one_ring_and_one_wake_word_stops_them():
    room = Room()
    room.driver(*(TimerFinished(str(number)) for number in range(5000)))
    room.run(3)
    assert len(rings(room)) == 2
    afresh(room).say_wake_word()
    room.run(4)
    assert rings(room) == []


def test_a_link_that_is_lost_and_comes_back_does_not_stop_the_ring():
    room = ringing()
    room.session.link_lost()
    room.run(4)
    room.driver(RunSatellite())
    room.run(4)
    assert len(rings(room)) == 4


def test_a_mute_does_not_silence_the_ring_and_later_the_wake_word_does():
    room = ringing()
    room.driver(PauseSatellite())
    room.run(4)
    assert len(rings(room)) == 2
    room.driver(TimerFinished("2"))
    room.run(4)
    assert len(rings(room)) == 4
    room.driver(RunSatellite())
    room.run(2)
    afresh(room).say_wake_word()
    room.run(4)
    assert rings(room) == []


def test_an_announcement_waits_for_one_ring_at_most_and_the_ring_goes_on_behind_it():
    room = Room()
    room.driver(TimerFinished("1"))
    room.run(4.2)  # in mid-ring
    afresh(room)
    room.reply(3.0)
    room.run(3.5)
    assert room.take() == ["played"]
    heard = room.played()
    first = int(np.flatnonzero(heard == REPLY)[0])
    assert first <= 0.4 * RATE
    assert np.all(heard[first : first + 3 * RATE] == REPLY)
    room.run(3)
    assert len(rings(room)) >= 1


def test_a_timer_that_ends_in_a_long_reply_rings_once_in_it_and_goes_on_behind_it():
    room = Room()
    room.ask("one")
    room.reply(20.0, turn="one")
    room.run(5)
    room.driver(TimerFinished("1"))
    afresh(room).run(10)
    assert len(rings(room)) == 1
    assert rings(room)[0][0] <= 0.1
    room.run(5.6)
    assert room.take()[-1] == "played"
    assert np.count_nonzero(room.played() == REPLY) == pytest.approx(15 * RATE, abs=RATE * 0.1)
    room.run(4)
    assert len(rings(room)) >= 2


def test_while_somebody_speaks_or_waits_for_an_answer_nothing_rings():
    room = Room()
    room.say_wake_word()
    room.driver(Transcribe(), TimerFinished("1"))
    room.run(5)
    room.driver(VoiceStopped(), Transcript("what time is it"))
    room.run(5)
    assert rings(room) == []
    room.reply(0.5)
    room.run(3)
    assert len(rings(room)) >= 1


def test_while_an_answer_to_a_question_is_listened_for_nothing_rings():
    room = Room(Settings(follow_up=FollowUpSettings(enabled=True, seconds=5.0)))
    room.ask()
    room.driver(Synthesize("Which one?"))
    room.reply(3.0)
    room.driver(TimerFinished("1"))
    room.run(3.6)
    assert room.session.state is State.FOLLOW_UP
    afresh(room).run(4)
    assert rings(room) == []


def test_stop_said_to_the_hub_stops_the_ring_too():
    room = Room()
    room.ask("one")
    room.reply(20.0, turn="one")
    room.driver(TimerFinished("1"))
    room.run(2)
    room.driver(Flush("one"))
    afresh(room).run(10)
    assert rings(room) == []


@pytest.mark.parametrize(
    ("volume", "heard"), [(0.0, gain(0.3)), (0.2, gain(0.3)), (0.6, gain(0.6)), (1.0, 1.0)]
)
def test_the_ring_follows_the_volume_but_never_below_its_least(volume, heard):
    room = Room()
    room.driver(Volume(volume), TimerFinished("1"))
    room.run(20)
    assert rings(room)[-1][1] == pytest.approx(LOUDEST * heard, rel=0.02)


def test_a_satellite_that_ends_rings_no_more():
    room = ringing()
    room.session.close()
    room.run(10)
    assert rings(room) == []
    assert not any(not timer.cancelled for _, _, timer in room.clock.calls)


@pytest.mark.parametrize(
    "event",
    [
        Event("timer-finished", {}),
        Event("timer-finished", {"id": 7}),
        Event("timer-cancelled", {"id": None}),
        Event("timer-updated", {"id": "1"}),
        Event("timer-updated", {"id": "1", "total_seconds": "60"}),
    ],
)
def test_a_timer_without_its_fields_is_a_typed_error(event):
    with pytest.raises(MalformedFrame):
        Room().driver(event)


def test_an_empty_announcement_while_it_rings_is_answered_at_once():
    room = ringing()
    room.driver(AudioStart(22050, 2, 1), Event("audio-stop"))
    room.run(0.1)
    assert room.take() == ["played"]
    room.run(4)
    assert len(rings(room)) >= 1


def lost(*events, back=True):
    """A room whose driver goes, and comes back where told."""
    room = Room()
    room.driver(*events)
    room.run(1)
    room.session.link_lost()
    if back:
        room.driver(RunSatellite())
    return room


@pytest.mark.parametrize("back", [False, True])
def test_a_timer_whose_driver_was_lost_rings_by_itself(back):
    room = lost(TimerStarted("1", 30), back=back)
    room.run(30)
    assert rings(room) == []
    room.run(2)
    assert len(rings(room)) == 1
    room.say_wake_word()
    afresh(room).run(10)
    assert rings(room) == []


def test_a_timer_that_ended_shortly_before_its_driver_was_seen_to_be_lost_rings_then():
    room = Room()
    room.driver(TimerStarted("1", 30), TimerStarted("2", 600))
    room.run(38)
    assert rings(room) == []
    room.session.link_lost()
    room.run(0.5)
    assert len(rings(room)) == 1


@pytest.mark.parametrize(
    "event",
    [
        TimerCancelled("1"),
        TimerUpdated("1", False, 20),
        TimerUpdated("1", True, 600),
        TimerStarted("1", 600),
    ],
)
def test_a_driver_that_comes_back_says_what_has_become_of_a_timer(event):
    room = lost(TimerStarted("1", 30))
    room.driver(event)
    room.run(60)
    assert rings(room) == []


def test_a_timer_that_its_driver_ended_itself_is_not_rung_for_again():
    room = lost(TimerStarted("1", 30))
    room.run(29)
    room.driver(TimerFinished("1"))
    room.run(1)
    room.say_wake_word()
    room.driver(Transcribe(), VoiceStopped(), AudioStart(22050, 2, 1), Event("audio-stop"))
    afresh(room).run(60)
    assert rings(room) == []


def test_a_timer_that_rang_by_itself_does_not_when_its_driver_is_back_and_says_so():
    room = lost(TimerStarted("1", 30), back=False)
    room.run(40)
    room.say_wake_word()
    afresh(room)
    room.driver(RunSatellite(), TimerFinished("1"))
    room.run(10)
    assert rings(room) == []
    room.driver(TimerStarted("1", 5), TimerFinished("1"))  # another one, under its name
    room.run(1)
    assert len(rings(room)) == 1


def test_a_driver_that_comes_and_goes_makes_a_timer_ring_once():
    room = Room()
    room.driver(TimerStarted("1", 30), TimerStarted("2", 1e300), TimerStarted("3", -5))
    for _ in range(50):
        room.session.link_lost()
        room.driver(RunSatellite())
    assert len([call for call in room.clock.calls if not call[2].cancelled]) == 1
    room.run(32.5)
    assert len(rings(room)) == 1
    room.session.close()
    room.run(10)
    assert len(rings(room)) == 1
