"""A satellite whose hub switches its microphone and chooses its wake words, on its own clock."""

import pytest
from satellite_room import Room, Speech
from wyoming.asr import Transcribe
from wyoming.event import Event
from wyoming.satellite import PauseSatellite, RunSatellite

from protocol.connection import MalformedFrame
from protocol.control import Configure, Status, Volume, WakeWordStatus
from protocol.extensions import Flush
from satellite.audio.devices import FRAME_SAMPLES
from satellite.config import BargeInSettings, Settings, SpeakerSettings, WakeSettings
from satellite.remote_wake import SETTLE
from satellite.session import State


class Choice:
    """Words that can be chosen; says that it is done when told to."""

    def __init__(self):
        self.active = ("hey_jarvis",)
        self.asked = []

    @property
    def known(self):
        names = ("hey_jarvis", "alexa")
        return tuple(WakeWordStatus(n, n.title(), n in self.active) for n in names)

    def choose(self, names, done):
        self.asked.append((tuple(names), done))

    def done(self, problem=""):
        names, done = self.asked.pop(0)
        if not problem:
            self.active = names
        done(problem)


def room_of(settings=None, speech=None):
    """A room that is driven by a Parlour hub, which has said so."""
    choice = Choice()
    room = Room(settings, choice=choice, speech=speech)
    room.choice = choice
    room.driver(Configure())
    return room


def statuses(room):
    found = [Status.from_event(e) for e in room.events if Status.is_type(e.type)]
    room.events.clear()
    return found


def test_a_satellite_says_how_it_is_when_a_hub_asks_and_to_nobody_else():
    settings = Settings(speaker=SpeakerSettings(volume=0.5))
    room = Room(settings, choice=Choice())
    room.driver(Volume(1.0), PauseSatellite(), RunSatellite())
    assert room.take() == []  # a stock driver
    room.driver(Configure())
    (status,) = statuses(room)
    assert (status.muted, status.volume) == (False, 1.0)
    assert [(w.name, w.active) for w in status.wake_words] == [
        ("hey_jarvis", True), ("alexa", False)
    ]  # fmt: skip


def test_a_muted_satellite_hears_no_wake_word_and_sends_no_sound_until_it_is_unmuted():
    room = room_of()
    room.driver(Configure(muted=True))
    assert room.session.state is State.MUTED
    assert [s.muted for s in statuses(room)] == [False, True]
    room.say_wake_word()
    room.listen(50)
    assert room.events == []
    room.driver(Configure(muted=False))
    assert [s.muted for s in statuses(room)] == [False]
    room.listen(20)
    room.say_wake_word()
    assert room.session.state is State.LISTENING
    assert room.take() == ["detection", "run-pipeline", "audio-start"]


def test_nothing_that_was_said_before_or_while_it_was_muted_is_heard_afterwards():
    room = room_of()
    room.listen(20)
    room.driver(Configure(muted=True))
    room.listen(20)
    room.driver(Configure(muted=False))
    assert room.wake.resets == 1
    room.say_wake_word()
    assert room.streamed() == list(range(40 * FRAME_SAMPLES, 41 * FRAME_SAMPLES))


def test_to_mute_it_in_the_middle_of_a_sentence_ends_the_turn_without_a_reply_or_a_sound():
    room = room_of()
    room.say_wake_word()
    room.run(0.1)
    room.driver(Transcribe(), turn="one")
    room.listen(10)
    heard = len(room.heard)
    room.take()
    room.driver(Configure(muted=True))
    assert room.session.state is State.MUTED
    assert room.take() == ["status"]
    room.listen(10)
    room.run(20)
    assert room.streamed() == []
    assert set(room.heard[heard:]) <= {0}
    room.driver(Flush("one"))  # the hub's last word on it
    assert room.session.state is State.MUTED


def test_a_reply_goes_on_when_its_room_is_muted_and_then_nothing_is_heard():
    room = room_of()
    room.ask("one")
    room.reply(1.0, turn="one")
    room.run(0.4)
    room.driver(Configure(muted=True))
    assert room.session.state is State.SPEAKING
    room.say_wake_word()
    room.run(0.8)
    assert room.types()[-1] == "played"
    assert room.session.state is State.MUTED
    assert room.heard.count(b"\x11\x00") == 24000


def test_who_speaks_over_a_reply_is_not_heard_any_more_when_the_room_is_muted():
    settings = Settings(barge_in=BargeInSettings(speech=True))
    room = room_of(settings=settings, speech=Speech())
    room.ask("one")
    room.reply(1.0, turn="one")
    room.run(0.3)
    room.speak(3)
    assert room.player.held
    room.take()
    room.driver(Configure(muted=True))
    assert not room.player.held
    room.listen(10)
    assert room.streamed() == []
    room.run(1.0)
    assert room.types()[-1] == "played"


def test_a_mute_of_the_hub_outlives_the_link_and_one_of_wyomings_does_not():
    room = room_of()
    room.driver(Configure(muted=True))
    room.session.link_lost()
    room.driver(RunSatellite())
    assert room.session.state is State.MUTED  # until the new connection says otherwise
    room.driver(Configure(muted=False))
    assert room.session.state is State.IDLE
    room.driver(PauseSatellite())
    room.session.link_lost()
    room.driver(RunSatellite())
    assert room.session.state is State.IDLE


def test_the_files_mute_is_only_how_it_begins():
    room = room_of(settings=Settings(muted=True))
    assert [s.muted for s in statuses(room)] == [True]
    room.driver(Configure(muted=False))
    assert [s.muted for s in statuses(room)] == [False]
    room.session.link_lost()
    room.driver(RunSatellite())
    assert room.session.state is State.IDLE


def test_a_satellite_whose_driver_hears_the_wake_word_streams_nothing_while_it_is_muted():
    room = room_of(settings=Settings(wake=WakeSettings(remote=True)))
    room.run(SETTLE + 0.1)
    room.listen(5)
    assert room.streamed()
    room.events.clear()
    room.driver(Configure(muted=True))
    room.listen(50)
    assert room.take() == ["status"]
    assert room.streamed() == []
    room.driver(Configure(muted=False))
    room.listen(5)
    assert room.types() == ["run-pipeline", "audio-start", "status"]
    assert len(room.streamed()) == 5 * FRAME_SAMPLES


def test_each_change_is_told_to_the_hub():
    room = room_of()
    statuses(room)
    room.driver(Volume(0.3))
    assert [s.volume for s in statuses(room)] == [0.3]
    room.driver(Configure(wake_words=("alexa",)))
    assert room.choice.asked[0][0] == ("alexa",)
    assert [w.name for s in statuses(room) for w in s.wake_words if w.active] == ["hey_jarvis"]
    room.choice.done()
    (status,) = statuses(room)
    assert [w.name for w in status.wake_words if w.active] == ["alexa"]


def test_words_that_cannot_be_had_are_a_problem_that_is_told_once():
    room = room_of()
    room.driver(Configure(wake_words=("alexa",)))
    statuses(room)
    room.choice.done("no such file")
    (status,) = statuses(room)
    assert status.problem == "no such file"
    assert [w.name for w in status.wake_words if w.active] == ["hey_jarvis"]
    room.driver(Configure())
    assert [s.problem for s in statuses(room)] == [""]


def test_news_of_wake_words_for_a_hub_that_has_gone_reaches_no_stock_driver():
    room = room_of()
    room.driver(Configure(wake_words=("alexa",)))
    room.session.link_lost()
    room.driver(RunSatellite())
    room.events.clear()
    room.choice.done()
    assert room.events == []


def test_a_malformed_configure_changes_nothing():
    room = room_of()
    with pytest.raises(MalformedFrame):
        room.driver(Event("configure", {"muted": True, "wake_words": []}))
    assert room.session.state is State.IDLE
