"""The wake word, speech and the stop word over a reply, or while the hub thinks of one."""

from satellite_room import Room, Speech, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStop
from wyoming.error import Error
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped

from protocol.extensions import Flush, Interruption, Playback, Resume
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import BargeInSettings, Settings
from satellite.session import State

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
