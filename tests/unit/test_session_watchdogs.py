"""What never comes, comes late or breaks off does not hold the room; and how a satellite ends."""

import pytest
from satellite_room import SOUNDS, Room, sounds_in
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStop
from wyoming.error import Error
from wyoming.satellite import RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStopped

from protocol.extensions import Hold, Playback
from satellite.feedback import Sound
from satellite.session import State

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
