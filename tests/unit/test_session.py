"""The satellite's conversation on its own clock, with a scripted driver and a speaker in steps."""

import itertools

import pytest
from satellite_room import SOUNDS, STEP, Room, Speech, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped

from protocol.audio import SPEECH
from protocol.connection import MalformedFrame
from protocol.extensions import Flush, Hold, Interruption, Playback, Resume
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import BargeInSettings, FollowUpSettings, Settings, WakeSettings
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


# ---- barge-in


def test_barge_in_silences_the_speaker_before_anything_else_and_the_hub_flushes():
    room = Room()
    room.ask("one")
    room.reply(5.0, turn="one", stop=False)
    room.run(0.4)
    room.take()
    room.say_wake_word()
    played = room.player.samples_played
    room.heard = bytearray()
    room.run(0.3)
    assert b"\x11" not in room.heard
    assert room.types() == ["playback", "detection", "run-pipeline", "audio-start"]
    assert room.playbacks() == [Playback("one", played)]
    room.driver(Flush("one"))
    assert room.playbacks()[-1] == Playback("one", played)
    assert room.session.state is State.LISTENING
    room.driver(Transcribe(), turn="two")
    room.listen(3)
    room.driver(VoiceStopped(), Transcript("stop"))
    assert room.session.state is State.THINKING
    room.reply(0.2, turn="two")
    room.run(0.4)
    assert room.playbacks()[-1] == Playback("two", 4800)
    assert room.types()[-1] == "played"
    assert room.heard.count(b"\x11\x00") == 4800


def test_after_barge_in_the_hub_may_let_the_old_reply_go_on_without_a_hole():
    room = Room()
    room.ask("one")
    room.reply(0.6, turn="one", stop=False)
    room.heard = bytearray()
    room.run(0.3)
    room.say_wake_word()
    room.driver(AudioChunk(24000, 2, 1, b"\x11\x00" * 2400), AudioStop())
    room.take()
    room.driver(Resume("one"))
    assert room.session.state is State.SPEAKING
    assert room.take() == ["audio-stop", "playback"]
    room.run(0.6)
    assert room.take()[-1] == "played"
    assert room.heard.count(b"\x11\x00") == 14400 + 2400


def test_barge_in_while_a_parlour_hub_thinks_drops_the_old_answer():
    room = Room()
    room.ask("one")
    room.say_wake_word()
    assert room.session.state is State.LISTENING
    room.reply(0.5, turn="one")
    room.driver(Transcript("late"))
    room.run(0.2)
    assert room.session.state is State.LISTENING
    assert b"\x11" not in room.heard
    room.driver(Flush("one"))
    assert room.session.state is State.LISTENING
    room.driver(Transcribe(), turn="two")
    room.driver(Transcript("new"))
    assert room.session.state is State.THINKING


def test_barge_in_with_a_stock_driver_discards_the_rest_of_the_old_reply():
    room = Room()
    room.ask()
    room.reply(0.5, stop=False)
    room.run(0.2)
    room.heard = bytearray()
    room.say_wake_word()
    room.driver(AudioChunk(24000, 2, 1, b"\x11\x00" * 24000), AudioStop())
    room.run(0.5)
    assert b"\x11" not in room.heard
    assert room.types() == ["played", "detection", "run-pipeline", "audio-start"]
    room.driver(Transcribe(), VoiceStopped(), Transcript("new"))
    room.reply(0.3)
    room.run(0.5)
    assert room.heard.count(b"\x11\x00") == 7200
    assert room.types()[-1] == "played"


def test_no_second_pipeline_while_a_stock_driver_thinks():
    room = Room()
    room.ask()
    room.say_wake_word()
    assert room.events == []
    assert room.session.state is State.THINKING


def test_a_wake_word_that_the_reply_itself_says_is_its_echo():
    room = Room()
    room.ask("one")
    room.driver(Synthesize("Say Hey Jarvis, and then your question."))
    room.reply(1.0, turn="one")
    room.run(0.4)
    room.take()
    room.say_wake_word()
    assert room.events == []
    room.run(0.8)
    assert room.heard.count(b"\x11\x00") == 24000
    room.say_wake_word()  # the next turn's
    assert room.session.state is State.LISTENING


def test_where_there_is_no_echo_the_wake_word_counts_whatever_the_reply_says():
    room = Room(speech=Speech())
    room.ask("one")
    room.driver(Synthesize("Say Hey Jarvis, and then your question."))
    room.reply(1.0, turn="one")
    room.run(0.4)
    room.say_wake_word()
    assert room.session.state is State.LISTENING


# ---- speech over the reply


def spoken_over(seconds=2.0, *, stop=True):
    """Somebody speaks over a reply, 0.4 s into it."""
    room = Room(speech=Speech())
    room.listen(30)
    room.ask("one")
    room.reply(seconds, turn="one", stop=stop)
    room.run(0.4)
    room.listen(40)
    room.take()
    room.heard = bytearray()
    room.speak()
    return room


def test_speech_over_the_reply_silences_it_at_once_and_the_hub_hears_it_from_its_beginning():
    room = spoken_over()
    assert room.types() == ["playback", "interruption", "audio-start"]
    assert room.playbacks() == [Playback("one", round(0.4 * 24000))]
    assert [e for e in room.events if e.type == "interruption"] == [Interruption("one").event()]
    room.speak(10)
    streamed = room.streamed()
    now = next(room.samples)
    begin = now - 10 * FRAME_SAMPLES - 12800
    assert streamed == [n % 30000 for n in range(begin, now)]
    room.run(0.5)
    assert not any(room.heard)
    assert room.session.state is State.SPEAKING
    assert "interruption" not in room.types()[3:]  # asked once


def test_after_a_false_alarm_the_reply_goes_on_with_the_very_next_sample():
    room = spoken_over()
    room.run(0.7)
    room.driver(Resume("one"))
    assert room.types()[-1] == "audio-stop"
    room.run(2.0)
    assert room.heard.count(b"\x11\x00") == round(1.6 * 24000)
    assert room.types()[-1] == "played"
    assert room.session.state is State.IDLE


def test_what_is_said_over_the_reply_is_the_next_turn_where_the_hub_says_so():
    room = spoken_over()
    room.driver(Flush("one", listen=True))
    assert room.session.state is State.LISTENING
    room.driver(Error("cancelled"), turn="one")
    assert room.session.state is State.LISTENING
    room.take()
    room.driver(Transcribe(), turn="two")
    room.driver(VoiceStarted())
    room.listen(3)
    assert len(room.streamed()) == 3 * FRAME_SAMPLES  # it never stopped
    room.driver(VoiceStopped(), Transcript("and in Rome?"))
    assert room.types() == ["audio-stop"]
    room.reply(0.2, turn="two")
    room.run(0.4)
    assert room.heard.count(b"\x11\x00") == 4800
    assert room.playbacks()[-1] == Playback("two", 4800)
    assert room.session.state is State.IDLE


def test_a_plain_flush_after_speech_over_the_reply_leaves_silence_and_a_satellite_at_rest():
    room = spoken_over()
    room.driver(Flush("one"))
    assert room.types()[-2:] == ["playback", "audio-stop"]
    assert room.session.state is State.IDLE
    room.take()
    room.listen(3)
    room.run(2.0)
    assert not any(room.heard)
    assert room.events == []


def test_the_reply_goes_on_by_itself_where_the_hub_does_not_say_what_to_do():
    room = spoken_over()
    room.run(3.5)
    assert not any(room.heard)
    room.run(0.8)
    assert any(room.heard)
    assert "audio-stop" in room.types()
    room.run(2.0)
    assert room.heard.count(b"\x11\x00") == round(1.6 * 24000)
    assert room.types()[-1] == "played"


def test_who_speaks_on_after_a_false_alarm_is_asked_about_again_only_after_a_pause():
    room = spoken_over(20.0)
    room.speech.now = True
    room.driver(Resume("one"))
    room.take()
    room.listen(20)
    assert room.types() == []
    room.speech.now = False
    room.listen()
    room.speak()
    assert "interruption" in room.types()


def test_in_a_room_that_is_too_loud_only_the_wake_word_interrupts():
    room = spoken_over(20.0)
    for _ in range(2):
        room.driver(Resume("one"))
        room.listen()
        room.take()
        room.speak()
        assert "interruption" in room.types()
    room.driver(Resume("one"))
    room.take()
    room.listen()
    room.speak(20)
    assert room.types() == []
    room.say_wake_word()
    assert room.session.state is State.LISTENING


def test_the_wake_word_begins_a_turn_also_while_the_hub_listens_to_what_is_said_over_the_reply():
    room = spoken_over()
    room.take()
    room.say_wake_word()
    assert room.types() == ["playback", "detection", "run-pipeline", "audio-start"]
    room.driver(Flush("one"))
    room.driver(Transcribe(), turn="two")
    assert room.session.state is State.LISTENING
    assert not room.player.active


def test_a_link_lost_while_the_hub_listens_lets_the_reply_go_on():
    room = spoken_over()
    room.session.link_lost()
    room.run(2.0)
    assert room.heard.count(b"\x11\x00") == round(1.6 * 24000)
    assert sounds_in(room.heard) == []
    assert room.session.state is State.IDLE


def test_speech_is_listened_for_only_while_a_parlour_hub_s_reply_plays():
    room = Room(speech=Speech())
    room.listen(5)
    room.ask("one")
    room.listen(5)
    assert room.speech.frames == 0
    room.reply(0.2, turn="one")
    room.listen(5)
    assert room.speech.frames == 5
    room.run(0.5)
    room.listen(5)
    assert room.speech.frames == 5
    stock = Room(speech=Speech())
    stock.ask()
    stock.reply(1.0)
    stock.listen(5)
    assert stock.speech.frames == 0


# ---- the stop word

STOP = Settings(barge_in=BargeInSettings(stop_word="stop"))


def test_the_stop_word_ends_a_reply_and_begins_nothing():
    room = Room(STOP)
    room.ask("one")
    room.reply(2.0, turn="one")
    room.run(0.4)
    room.take()
    room.heard = bytearray()
    room.say_wake_word("stop")
    assert room.types() == ["playback", "interruption"]
    assert Interruption.from_event(room.events[-1]) == Interruption("one", stop=True)
    assert room.playbacks() == [Playback("one", round(0.4 * 24000))]
    room.driver(Flush("one"))
    room.run(2.0)
    assert not any(room.heard)
    assert room.session.state is State.IDLE


def test_the_stop_word_ends_a_turn_that_has_no_reply_yet():
    room = Room(STOP)
    room.ask("one")
    room.say_wake_word("stop")
    assert [Interruption.from_event(e) for e in room.events] == [Interruption("one", stop=True)]
    assert room.session.state is State.IDLE


def test_a_stock_driver_is_told_at_the_stop_word_that_the_reply_was_played():
    room = Room(STOP)
    room.ask()
    room.reply(2.0, stop=False)
    room.run(0.4)
    room.heard = bytearray()
    room.say_wake_word("stop")
    assert room.take() == ["played"]
    room.driver(AudioChunk(24000, 2, 1, b"\x11\x00" * 24000), AudioStop())
    room.run(1.0)
    assert not any(room.heard)
    assert room.events == []
    assert room.session.state is State.IDLE


def test_the_stop_word_means_nothing_where_there_is_nothing_to_stop():
    room = Room(STOP)
    room.say_wake_word("stop")
    assert room.events == []
    assert room.session.state is State.IDLE


# ---- watchdogs


def test_listening_without_end_is_stopped_and_the_driver_told():
    room = Room()
    room.say_wake_word()
    room.take()
    room.run(14.9)
    assert room.session.state is State.LISTENING
    room.run(0.2)
    assert room.take() == ["audio-stop"]
    assert room.session.state is State.THINKING


@pytest.mark.parametrize("turn", [None, "one"])
def test_thinking_without_end_fails_and_frees_a_stock_driver(turn):
    room = Room()
    room.ask(turn)
    room.run(0.1)
    room.heard = bytearray()
    room.run(30)
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == [Sound.ERROR]
    assert len(room.dropped) == (turn is None)


@pytest.mark.parametrize(("text", "sounds"), [("It is five.", [Sound.ERROR]), (" ", [])])
def test_a_stock_drivers_answer_that_is_not_spoken_is_given_up_and_its_link_kept(text, sounds):
    room = Room()
    room.ask()
    room.run(8)
    room.driver(Synthesize(text))
    room.heard = bytearray()
    room.run(4.9)
    assert room.session.state is State.THINKING
    room.run(0.3)
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == sounds
    assert room.dropped == []
    room.ask()  # the next one is heard


def test_a_driver_that_tells_its_answer_again_and_again_gets_no_more_time_for_it():
    room = Room()
    room.ask()
    for _ in range(6):
        room.driver(Synthesize("It is five."))
        room.run(1)
    assert room.session.state is State.IDLE


def test_an_answer_that_comes_after_it_was_given_up_is_heard_nevertheless():
    room = Room()
    room.ask()
    room.driver(Synthesize("It is five."))
    room.run(6)
    room.take()
    room.reply(0.5)
    room.run(1)
    assert room.heard.count(b"\x11\x00") == 12000
    assert room.take() == ["played"]


def test_an_answer_of_a_parlour_hub_has_all_the_time_for_thinking():
    room = Room()
    room.ask("one")
    room.driver(Synthesize("It is five."))
    room.run(20)
    assert room.session.state is State.THINKING


def test_the_wake_word_begins_anew_where_a_stock_driver_has_told_its_answer():
    room = Room()
    room.ask()
    room.driver(Synthesize("It is five."))
    room.say_wake_word()
    assert room.take() == ["played", "detection", "run-pipeline", "audio-start"]
    room.driver(Transcribe())
    room.run(0.2)
    room.heard = bytearray()
    room.reply(0.5)  # the old answer, after all
    room.run(0.6)
    assert room.session.state is State.LISTENING
    assert not any(room.heard)
    room.driver(VoiceStopped(), Transcript("and now?"), Synthesize("It is six."))
    room.reply(0.5)
    room.run(0.7)
    assert room.heard.count(b"\x11\x00") == 12000


def test_an_announcement_after_such_a_turn_is_played():
    room = Room()
    room.ask()
    room.driver(Synthesize("It is five."))
    room.say_wake_word()
    room.driver(Transcribe(), VoiceStopped(), Error("nothing", "stt-no-text-recognized"))
    room.take()
    room.reply(0.5)
    room.run(0.7)
    assert room.take() == ["played"]


def test_where_nothing_comes_of_a_turn_the_wake_word_gets_a_new_connection():
    room = Room()
    room.ask()
    room.run(4.8)
    room.say_wake_word()  # the driver may well still think
    assert room.session.state is State.THINKING
    assert room.dropped == []
    room.run(0.4)
    room.say_wake_word()
    assert room.session.state is State.IDLE
    assert len(room.dropped) == 1
    room.session.link_lost()
    room.driver(RunSatellite())
    room.ask()


def finished(room):
    """Whether the satellite may hang up, asked as often as it does."""
    for _ in range(3):
        done = room.session.finish()
        room.run(0.05)
    return done


@pytest.mark.parametrize("turn", [None, "one"])
def test_a_satellite_that_ends_while_nothing_goes_on_or_with_a_hub_ends_at_once(turn):
    room = Room()
    if turn:
        room.ask(turn)
    assert room.session.finish()
    assert room.take() == []


def test_a_satellite_that_ends_in_a_stock_drivers_turn_lets_it_send_all():
    room = Room()
    room.say_wake_word()
    room.driver(Transcribe())
    room.take()
    assert not finished(room)
    assert room.take() == ["audio-stop"]  # what was said till then is all there is
    room.driver(VoiceStopped(), Transcript("What time"))
    assert not finished(room)
    room.driver(Synthesize("It is five."))
    assert not finished(room)
    room.reply(60, stop=False)
    assert not finished(room)
    room.driver(AudioStop())
    assert finished(room)
    assert room.take() == ["played"]  # so that it is not waited for


def test_a_satellite_that_ends_hears_no_wake_word_any_more():
    room = Room()
    room.ask()
    assert not finished(room)
    room.driver(Error("no answer", "intent-failed"))
    assert finished(room)
    room.take()
    room.say_wake_word()
    assert room.take() == []


def test_a_reply_that_stops_coming_is_given_up():
    room = Room()
    room.ask("one")
    room.reply(1.0, turn="one", stop=False)
    room.run(10.8)
    assert room.session.state is State.SPEAKING
    room.run(0.6)
    assert room.session.state is State.IDLE
    assert room.playbacks()[-1] == Playback("one", 24000)
    assert "played" not in room.types()
    assert room.player.underruns == 1


def test_a_stock_driver_is_told_of_the_end_of_an_announcement_that_was_given_up():
    room = Room()
    room.reply(1.0, stop=False)  # and no more comes of it
    room.run(12)
    assert room.types() == ["played"]
    assert room.session.state is State.IDLE


def test_a_speaker_that_takes_nothing_does_not_hold_the_room():
    room = Room()
    room.ask()
    room.speaker_works = False
    room.reply(2.0)
    room.run(6.9)
    assert room.session.state is State.SPEAKING
    room.run(0.4)
    assert room.session.state is State.IDLE


def test_a_hold_that_nobody_ends_does_not_hold_the_room():
    room = Room()
    room.ask("one")
    room.reply(2.0, turn="one")
    room.run(0.5)
    room.driver(Hold("one"))
    room.run(10.5)
    assert room.session.state is State.IDLE


def test_after_barge_in_a_silent_hub_does_not_hold_the_room():
    room = Room()
    room.ask("one")
    room.reply(2.0, turn="one")
    room.run(0.5)
    room.say_wake_word()
    room.run(15.1 + 30.1)
    assert room.session.state is State.IDLE
    assert not room.player.active


# ---- the link


def test_the_link_lost_in_idle_makes_no_sound():
    room = Room()
    room.session.link_lost()
    room.run(0.2)
    assert room.session.state is State.IDLE
    assert sounds_in(room.heard) == []


@pytest.mark.parametrize("state", [State.LISTENING, State.THINKING])
def test_the_link_lost_in_a_turn_is_heard_and_ends_it(state):
    room = Room()
    room.say_wake_word()
    if state is State.THINKING:
        room.driver(Transcript("hi"))
    assert room.session.state is state
    room.session.link_lost()
    room.run(0.2)
    assert room.session.state is State.IDLE
    assert Sound.ERROR in sounds_in(room.heard)
    room.take()
    room.listen(3)
    assert room.events == []


def test_the_link_lost_in_mid_reply_plays_what_came_and_then_says_so():
    room = Room()
    room.ask("one")
    room.reply(1.0, turn="one", stop=False)
    room.run(0.3)
    room.take()
    room.session.link_lost()
    room.run(1.0)
    assert room.heard.count(b"\x11\x00") == 24000
    assert room.heard.index(SOUNDS[Sound.ERROR]) > room.heard.rindex(b"\x11\x00")
    assert room.session.state is State.IDLE
    assert room.take() == []  # a new driver did not ask for that reply


def test_the_link_that_we_close_ourselves_in_mid_reply_is_no_warning(caplog):
    room = Room()
    room.ask("one")
    room.reply(1.0, turn="one", stop=False)
    room.run(0.3)
    room.session.close()
    room.session.link_lost()
    assert "hub gone" not in caplog.text


def test_the_link_lost_after_the_whole_reply_came_needs_no_error_sound():
    room = Room()
    room.ask()
    room.reply(1.0)
    room.session.link_lost()
    room.run(1.5)
    assert room.heard.count(b"\x11\x00") == 24000
    assert Sound.ERROR not in sounds_in(room.heard)


def test_a_new_driver_can_be_spoken_to_while_the_orphaned_reply_still_plays():
    room = Room()
    room.ask("one")
    room.reply(3.0, turn="one", stop=False)
    room.run(0.3)
    room.session.link_lost()
    room.driver(RunSatellite())
    room.say_wake_word()
    assert room.session.state is State.LISTENING
    room.driver(Transcribe(), turn="one")  # a restarted hub counts from the start again
    room.driver(Transcript("again"))
    room.heard = bytearray()
    room.reply(0.5, turn="one")
    room.run(0.7)
    assert room.heard.count(b"\x11\x00") == 12000
    assert room.take()[-1] == "played"


def test_the_wake_word_without_a_hub_is_answered_with_the_error_sound():
    room = Room(driven=False)
    room.say_wake_word()
    room.run(0.2)
    assert room.events == []
    assert sounds_in(room.heard) == [Sound.ERROR]


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
