"""A satellite whose wake word is heard by whoever drives it."""

import pytest
from satellite_room import Room, Speech, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.timer import TimerFinished
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detect, Detection

from protocol.extensions import Flush
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import FollowUpSettings, Settings, WakeSettings
from satellite.feedback import Sound
from satellite.session import State

REMOTE = Settings(wake=WakeSettings(remote=True))
ASKS = ["run-pipeline", "audio-start"]
BEGINS = ["audio-stop", *ASKS]  # a second lies between
HEARD = Detection("okay_nabu", 1234)


def waiting():
    """A room whose driver, a stock one, listens for the wake word."""
    room = Room(REMOTE)
    room.run(1.1)
    assert room.take() == BEGINS
    room.driver(Detect())
    return room


def answered(room, *, restarts=True):
    """Go through a turn as Home Assistant does, which begins to listen anew before it answers."""
    room.driver(HEARD, Transcribe(), VoiceStarted())
    room.listen(20)
    room.driver(VoiceStopped(), Transcript("what time is it"), Synthesize("It is five."))
    if restarts:
        room.driver(Detect())
    room.reply(0.5)
    room.run(0.7)


def test_the_driver_hears_the_room_from_the_moment_it_drives():
    room = Room(REMOTE, driven=False)
    room.listen(20)
    assert room.events == []
    room.driver(RunSatellite())
    room.listen(5)
    assert room.take() == ["audio-stop"]
    room.run(1.1)
    room.listen(10)
    asked = RunPipeline.from_event(room.events[0])
    assert (asked.start_stage, asked.end_stage) == (PipelineStage.WAKE, PipelineStage.TTS)
    assert asked.restart_on_end
    assert room.types() == ASKS
    assert len(room.streamed()) == 10 * FRAME_SAMPLES  # nothing of what was said before


def test_without_this_setting_a_detection_of_the_driver_s_means_nothing():
    room = Room()
    room.driver(Detect(), HEARD)
    room.listen(3)
    assert room.events == []
    assert room.session.state is State.IDLE


def test_a_wake_word_that_the_driver_heard_begins_a_turn_without_a_gap_in_the_sound():
    room = waiting()
    room.listen(10)
    room.driver(HEARD)
    assert room.session.state is State.LISTENING
    room.listen(10)
    room.run(0.1)
    assert sounds_in(room.heard) == [Sound.AWAKE]
    assert room.types() == []  # neither another pipeline nor another beginning
    streamed = room.streamed()
    assert streamed == list(range(streamed[0], streamed[0] + 20 * FRAME_SAMPLES))


def test_after_a_turn_the_driver_hears_the_room_again_and_not_before():
    room = waiting()
    room.driver(HEARD, Transcribe(), VoiceStarted(), VoiceStopped(), Transcript("hello"), Detect())
    room.take()
    room.reply(1.0)
    room.listen(10)
    assert room.events == []
    room.run(1.2)
    room.listen(10)
    assert room.types() == ["played", "audio-start"]  # it has begun anew by itself
    assert len(room.streamed()) == 10 * FRAME_SAMPLES


def test_a_stock_driver_is_told_no_end_of_sound_that_it_would_take_for_the_next_wake_word_s():
    room = waiting()
    answered(room)
    assert "audio-stop" not in room.types()


def test_a_driver_that_does_not_begin_anew_is_asked_again():
    room = waiting()
    room.take()
    answered(room, restarts=False)
    assert room.take() == ["played", *ASKS]


def test_turn_after_turn():
    room = waiting()
    for _ in range(20):
        room.listen(5)
        answered(room)
        assert room.session.state is State.IDLE
        assert room.take() == ["played", "audio-start"]


def test_after_an_error_the_driver_is_asked_again_with_back_off():
    room = waiting()
    waits = []
    for _ in range(9):
        room.driver(Error("no wake word provider", "wake-provider-missing"))
        room.listen(5)
        assert room.take() == []
        began = room.clock.now
        while not room.events:
            room.run(0.1)
            assert room.clock.now < began + 100
        waits.append(round(room.clock.now - began, 1))
        assert room.take() == ASKS
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.2)
    assert sounds_in(room.heard) == []  # nobody has said anything
    room.driver(HEARD)
    room.driver(Error("nobody spoke", "stt-no-text-recognized"))
    room.take()
    room.run(1.2)
    assert room.take() == ASKS


def test_a_driver_that_begins_anew_by_itself_after_an_error_is_not_asked_again():
    room = waiting()
    room.driver(Error("nobody spoke", "stt-no-text-recognized"), Detect())
    room.run(0.5)
    assert room.take() == []
    room.run(0.7)
    assert room.take() == ["audio-start"]


def test_errors_in_a_loop_are_not_answered_in_a_loop():
    room = waiting()
    for _ in range(1000):
        room.driver(Error("broken", "wake-stream-failed"), Detect())
        room.run(0.02)
    assert len(room.take()) <= 2 * 6


def test_an_announcement_is_played_and_the_room_is_heard_again():
    room = waiting()
    room.listen(5)
    room.take()
    room.reply(0.5)
    room.listen(5)
    assert room.streamed() == []
    room.run(0.7)
    assert room.take() == ["played", "audio-start"]


def test_a_lost_link_ends_the_stream_and_a_new_one_begins_it():
    room = waiting()
    room.session.link_lost()
    room.take()
    room.listen(5)
    room.run(5)
    assert room.events == []
    room.driver(RunSatellite())
    room.run(1.1)
    assert room.take() == BEGINS


def test_a_link_lost_while_it_is_waited_after_an_error_makes_no_request_of_its_own():
    room = waiting()
    room.driver(Error("broken", "wake-stream-failed"))
    room.session.link_lost()
    room.run(100)
    assert room.take() == []
    room.driver(RunSatellite())
    room.run(1.1)
    assert room.take() == BEGINS


def test_a_muted_room_is_heard_by_nobody():
    room = waiting()
    room.driver(PauseSatellite())
    room.take()
    room.listen(5)
    room.driver(HEARD)
    room.listen(5)
    assert room.events == []
    assert room.session.state is State.MUTED
    room.driver(RunSatellite())
    room.run(1.1)
    assert room.take() == BEGINS
    muted = Room(Settings(muted=True, wake=WakeSettings(remote=True)))
    muted.listen(5)
    assert muted.events == []


def test_a_reply_that_never_comes_frees_the_driver_and_begins_no_second_pipeline():
    room = waiting()
    room.driver(HEARD, Transcribe(), VoiceStarted(), VoiceStopped(), Transcript("hello"))
    room.take()
    room.run(31)
    assert len(room.dropped) == 1
    assert room.events == []
    room.session.link_lost()
    room.driver(RunSatellite())
    room.run(1.1)
    assert room.take() == BEGINS


def test_who_says_nothing_after_the_wake_word_does_not_hold_the_room():
    room = waiting()
    room.driver(HEARD, Transcribe())
    room.run(15.1)
    assert room.types() == ["audio-stop"]
    room.driver(Error("nobody spoke", "stt-no-text-recognized"))
    room.run(1.2)
    assert room.take()[-2:] == ASKS


def test_the_wake_word_stops_a_timer_that_rings():
    room = waiting()
    room.driver(TimerFinished("1"))
    room.run(3)
    room.listen(5)
    assert room.streamed()  # heard also while it rings
    room.driver(HEARD)
    room.heard = bytearray()
    room.run(10)
    assert sounds_in(room.heard) == [Sound.AWAKE]
    assert max(room.heard[2000:], default=0) == 0


def test_a_stock_driver_that_listens_anew_is_asked_for_no_follow_up_beside_it():
    room = Room(Settings(wake=WakeSettings(remote=True), follow_up=FollowUpSettings(enabled=True)))
    room.run(1.1)
    room.driver(Detect(), HEARD, Transcribe(), VoiceStopped(), Synthesize("Which one?"), Detect())
    room.take()
    room.reply(0.3)
    room.run(0.5)
    assert room.take() == ["played", "audio-start"]


def test_a_parlour_hub_is_asked_again_after_every_turn():
    room = Room(REMOTE, speech=Speech())
    room.run(1.1)
    room.take()
    room.driver(HEARD)
    room.driver(Transcribe(), turn="one")
    room.listen(5)
    room.driver(VoiceStopped(), Transcript("stop"))
    room.take()
    room.driver(Flush("one"))
    assert room.take() == ["playback", *ASKS]
    room.driver(HEARD)
    room.driver(Transcribe(), turn="two")
    room.driver(VoiceStopped(), Transcript("hello"))
    room.driver(AudioStart(24000, 2, 1), turn="two")
    room.driver(AudioStop(), turn="two")
    room.run(0.1)
    assert room.take()[-3:] == ["played", *ASKS]
