"""The satellite's conversation on its own clock, with a scripted driver and a speaker in steps."""

import itertools

import pytest
from satellite_room import STEP, Room, Speech, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped

from protocol.audio import SPEECH
from protocol.connection import MalformedFrame
from protocol.extensions import Flush, Hold, Playback, Resume
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import FollowUpSettings, Settings, WakeSettings
from satellite.feedback import Sound
from satellite.session import State


def test_a_whole_turn_sends_its_events_in_order_and_plays_the_reply():
    room = Room()
    room.listen(20)
    room.say_wake_word()
    assert room.session.state is State.LISTENING
    room.listen(20)
    room.driver(Transcribe(), VoiceStarted(), VoiceStopped())
    assert room.session.state is State.THINKING
    room.driver(Transcript("hi"), Synthesize("Hello."))
    assert room.types() == ["detection", "run-pipeline", "audio-start", "audio-stop"]
    room.take()
    room.reply(1.0)
    assert room.session.state is State.SPEAKING
    room.run(0.9)
    assert room.take() == []
    room.run(0.2)
    assert room.take() == ["played"]
    assert room.session.state is State.IDLE
    assert room.heard.count(b"\x11\x00") == 24000


def test_nothing_of_the_room_is_sent_before_the_wake_word_or_after_the_turn():
    room = Room()
    room.listen(50)
    assert room.events == []
    room.ask()
    room.listen(50)
    room.reply(0.1)
    room.run(0.5)
    room.listen(50)
    assert room.streamed() == []


def test_streaming_begins_the_pre_roll_before_the_detection_and_has_no_gap():
    room = Room(Settings(wake=WakeSettings(pre_roll=0.2)))
    room.listen(20)
    room.say_wake_word()
    room.listen(5)
    detected = 21 * FRAME_SAMPLES
    streamed = room.streamed()
    assert streamed[0] == detected - 3200
    assert streamed == list(range(detected - 3200, detected + 5 * FRAME_SAMPLES))
    start = next(e for e in room.events if e.type == "audio-start")
    assert start.data == {
        "rate": 16000, "width": 2, "channels": 1, "timestamp": (detected - 3200) // 16
    }  # fmt: skip
    lengths = [len(e.payload) // 2 for e in room.events if e.type == "audio-chunk"]
    assert max(lengths) <= 512


def test_the_awake_sound_plays_at_once_and_streaming_does_not_wait_for_it():
    room = Room()
    room.say_wake_word()
    assert room.streamed()
    room.run(0.1)
    assert sounds_in(room.heard) == [Sound.AWAKE]


def test_a_huge_reply_that_comes_at_once_is_played_whole_and_in_real_time():
    room = Room()
    room.ask()
    room.reply(120.0)
    room.run(119.9)
    assert room.session.state is State.SPEAKING
    room.run(0.2)
    assert room.types() == ["played"]
    assert room.heard.count(b"\x11\x00") == 120 * 24000


def test_a_reply_beyond_the_cap_is_cut_and_still_ends_in_played(caplog):
    room = Room()
    room.ask()
    room.reply(310.0)
    assert 300 <= room.player.remaining < 301
    assert "dropped" in caplog.text
    room.run(302)
    assert room.types() == ["played"]


def test_an_empty_reply_is_answered_with_played():
    room = Room()
    room.ask()
    room.driver(AudioStart(24000, 2, 1), AudioStop())
    room.run(0.1)
    assert room.types() == ["played"]
    assert room.session.state is State.IDLE


def test_several_audio_streams_in_one_reply_all_play():
    room = Room()
    room.ask()
    room.reply(0.5, rate=16000)
    room.reply(0.5, rate=48000)
    room.run(0.8)
    assert room.take() == []
    room.run(0.4)
    assert room.take() == ["played"]


def test_an_announcement_while_a_reply_plays_is_played_behind_it():
    room = Room()
    room.ask()
    room.reply(0.5)
    room.run(0.2)
    room.reply(0.5, rate=22050)
    room.run(1.0)
    assert room.types() == ["played"]
    assert room.heard.count(b"\x11\x00") >= 24000 * 0.99
    assert room.session.state is State.IDLE


def test_an_announcement_while_it_thinks_ends_the_turn():
    room = Room()
    room.ask()
    room.reply(0.5, rate=22050)  # the driver has given up its pipeline
    room.run(0.7)
    assert room.types() == ["played"]
    assert room.session.state is State.IDLE


def test_an_announcement_in_idle_is_played_and_answered():
    room = Room()
    room.reply(0.3, rate=22050)
    assert room.session.state is State.SPEAKING
    room.run(0.5)
    assert room.types() == ["played"]
    assert room.session.state is State.IDLE


@pytest.mark.parametrize("state", [State.LISTENING, State.THINKING, State.SPEAKING])
def test_an_error_of_the_driver_ends_the_turn_with_the_error_sound(state):
    room = Room()
    room.say_wake_word()
    room.run(0.1)
    if state is not State.LISTENING:
        room.driver(Transcribe(), VoiceStopped())
    if state is State.SPEAKING:
        room.reply(1.0, stop=False)
    room.heard = bytearray()
    room.driver(Error("didn't catch that", "stt-no-text-recognized"))
    room.run(0.1)
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == [Sound.ERROR]
    room.take()
    room.listen(5)
    assert room.events == []  # no longer streaming


def test_an_error_of_a_turn_that_was_replaced_does_not_end_the_new_one():
    room = Room()
    room.ask("one")
    room.say_wake_word()  # while thinking
    room.driver(Error("cancelled"), turn="one")
    assert room.session.state is State.LISTENING
    room.driver(Error("no microphone audio"), turn="two")
    assert room.session.state is State.IDLE


# ---- playback reports, hold, resume, flush


def test_playback_reports_come_every_200_ms_and_count_the_reply_s_own_samples():
    room = Room()
    room.ask("one")
    room.reply(1.0, turn="one", rate=48000)
    room.run(1.2)
    reports = room.playbacks()
    assert {report.turn for report in reports} == {"one"}
    counts = [report.samples_played for report in reports]
    assert counts == sorted(counts)
    assert counts[-1] == 48000
    assert len(counts) >= 6
    assert max(b - a for a, b in itertools.pairwise(counts)) <= 48000 * (0.2 + STEP)
    assert room.types()[-1] == "played"


def test_a_stock_driver_gets_no_playback_reports():
    room = Room()
    room.ask()
    room.reply(1.0)
    room.run(1.5)
    assert room.types() == ["played"]


def test_hold_stops_at_a_sample_and_resume_goes_on_with_the_next():
    room = Room()
    room.ask("one")
    room.reply(1.0, turn="one")
    room.heard = bytearray()
    room.run(0.4)
    room.driver(Hold("one"))
    before = len(room.heard)
    assert room.player.samples_played == round(0.4 * 24000)
    room.run(3.0)
    assert room.player.samples_played == round(0.4 * 24000)
    assert room.heard[before:] == bytes(len(room.heard) - before)
    room.driver(Resume("one"))
    room.run(0.7)
    assert room.types()[-1] == "played"
    assert room.heard.count(b"\x11\x00") == 24000


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 48000])
def test_flush_stops_at_once_and_reports_exactly_what_was_heard(rate):
    room = Room()
    room.ask("one")
    room.reply(5.0, turn="one", rate=rate)
    room.run(0.4)
    room.take()
    room.driver(Flush("one"))
    assert [e.type for e in room.events] == ["playback"]
    assert room.playbacks() == [Playback("one", round(0.4 * rate))]
    assert room.session.state is State.IDLE
    room.heard = bytearray()
    room.run(1.0)
    assert not any(room.heard)
    assert "played" not in room.types()


def test_flush_of_a_turn_that_thinks_ends_it_without_a_sound():
    room = Room()
    room.ask("one")
    room.run(0.1)
    room.heard = bytearray()
    room.driver(Flush("one"))
    room.run(0.1)
    assert room.playbacks() == [Playback("one", 0)]
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == []


@pytest.mark.parametrize("order", [Hold("other"), Resume("other"), Flush("other")])
def test_orders_for_another_turn_change_nothing(order):
    room = Room()
    room.ask("one")
    room.reply(0.5, turn="one")
    room.run(0.1)
    room.driver(order)
    room.run(0.6)
    assert room.types()[-1] == "played"


# ---- mute and follow-up


def test_a_paused_satellite_hears_nothing_and_forgets_what_it_heard():
    room = Room()
    room.listen(50)
    room.driver(PauseSatellite())
    assert room.session.state is State.MUTED
    room.say_wake_word()
    room.wake.next = None
    assert room.events == []
    room.session.link_lost()
    room.listen(5)
    assert room.session.state is State.MUTED
    room.driver(RunSatellite())
    assert room.session.state is State.IDLE
    assert room.wake.resets == 1
    room.say_wake_word()
    assert len(room.streamed()) == FRAME_SAMPLES


def test_a_pause_in_mid_turn_ends_it():
    room = Room()
    room.ask()
    room.reply(1.0)
    room.driver(PauseSatellite())
    assert room.session.state is State.MUTED
    assert not room.player.active


def test_a_pause_in_mid_announcement_ends_it_and_nobody_waits_for_it():
    room = Room()
    room.reply(5.0)
    room.run(1.0)
    room.driver(PauseSatellite())
    assert room.types() == ["played"]
    room.reply(0.5)  # an announcement to a muted room
    room.run(0.7)
    assert room.types() == ["played", "played"]


def test_a_satellite_muted_by_its_settings_stays_deaf_but_plays_announcements():
    room = Room(Settings(muted=True))
    assert room.session.state is State.MUTED
    room.say_wake_word()
    assert room.events == []
    room.reply(0.2)
    room.run(0.4)
    assert room.take() == ["played"]
    assert room.session.state is State.MUTED


FOLLOW_UP = Settings(follow_up=FollowUpSettings(enabled=True, seconds=5.0))


def test_after_a_question_the_room_listens_without_a_wake_word():
    room = Room(FOLLOW_UP)
    room.ask()
    room.driver(Synthesize("Which lamp?"))
    room.reply(0.2)
    room.run(0.4)
    assert room.session.state is State.FOLLOW_UP
    assert room.take() == ["played", "run-pipeline", "audio-start"]
    room.driver(Transcribe(), VoiceStarted())
    assert room.session.state is State.LISTENING


def test_a_question_without_an_answer_ends_without_a_sound():
    room = Room(FOLLOW_UP)
    room.ask()
    room.driver(Synthesize("Which lamp?"))
    room.reply(0.2)
    room.run(0.4)
    room.heard = bytearray()
    room.driver(Transcribe())
    room.run(5.1)
    assert room.take()[-1] == "audio-stop"
    room.driver(Error("nothing heard", "stt-no-text-recognized"))
    room.run(0.2)
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == []


def test_an_answer_that_comes_at_once_is_not_clipped_where_the_microphone_hears_no_echo():
    for speech, early in [(None, 0), (Speech(), 4800)]:
        room = Room(FOLLOW_UP, speech=speech)
        room.listen(30)
        room.ask()
        room.driver(Synthesize("Which lamp?"))
        room.reply(0.2)
        room.listen(20)
        room.take()
        room.run(0.4)
        assert room.session.state is State.FOLLOW_UP
        assert len(room.streamed()) == early


NO_FOLLOW_UP = Settings(follow_up=FollowUpSettings(enabled=False))


@pytest.mark.parametrize("settings", [NO_FOLLOW_UP, FOLLOW_UP])
def test_no_follow_up_unless_wanted_and_asked(settings):
    room = Room(settings)
    room.ask()
    room.driver(Synthesize("Which lamp?" if settings is not FOLLOW_UP else "It is on."))
    room.reply(0.2)
    room.run(0.4)
    assert room.session.state is State.IDLE


# ---- bad input


@pytest.mark.parametrize(
    "event",
    [
        Event("audio-start", {}),
        Event("audio-start", {"rate": "24000", "width": 2, "channels": 1}),
        Event("audio-start", {"rate": 24000, "width": 9, "channels": 1}),
        Event("audio-start", {"rate": 24000, "width": 2, "channels": 1, "turn": 5}),
        Event("flush", {}),
        Event("flush", {"turn": "one", "listen": "yes"}),
    ],
)
def test_a_malformed_event_is_a_typed_error(event):
    with pytest.raises(MalformedFrame):
        Room().driver(event)


def test_unknown_and_untimely_events_change_nothing():
    room = Room()
    room.driver(
        Event("timer-started", {"id": "1"}),
        Event("audio-chunk", {}, bytes(SPEECH.bytes_for(0.1))),
        AudioStop(),
        VoiceStopped(),
        Transcript("?"),
        Event("synthesize", {"text": 5}),
    )
    room.run(0.1)
    assert room.events == []
    assert room.session.state is State.IDLE
