"""Announcements among conversations, on a virtual clock."""

import asyncio

import numpy as np
import pytest
from scripted import TTS_FORMAT, Bench, SimulatedSatellite, Speech, now, sound_of, until_ended

from hub.conversation.announcing import chime_of
from hub.conversation.turn import Outcome
from hub.engines.base import EngineError
from hub.home.timers import Timers
from hub.service.announcer import Announcer, NotAnnounced
from protocol.audio import PcmFormat

pytestmark = pytest.mark.looptime(noop_cycles=2)


class Linked:
    """A room with a satellite, as `SatelliteLink` has them."""

    def __init__(self, room):
        self.room = room
        self.satellite = SimulatedSatellite()
        self.turns = []

    async def announce(self, announcement):
        return await self.room.announce(announcement, self.satellite, self.turns.append)

    async def quiet(self):
        await self.room.quiet()

    def heard(self):
        return self.satellite.texts("clause")


async def house_of(*rooms):
    bench = await Bench().open()
    links = {name: Linked(bench.room(name)) for name in rooms}
    return bench, links, Announcer(lambda: links, bench.engines.tts, bench.settings)


async def test_an_announcement_is_heard_behind_a_chime_and_only_then_is_it_told():
    bench, links, announcer = await house_of("Kitchen", "Hall")
    began = now()
    told = await announcer.announce("Dinner is ready.", "kitchen")
    assert told == {"Kitchen": "heard"}
    satellite = links["Kitchen"].satellite
    assert satellite.names()[:2] == ["audio-start", "clause"]
    assert satellite.texts("clause") == ["Dinner is ready."]
    speech = len("Dinner is ready.") * 0.06
    chime = TTS_FORMAT.seconds(len(chime_of(TTS_FORMAT)))
    assert satellite._received == pytest.approx(speech + chime, abs=0.05)
    assert now() - began >= speech + chime
    assert links["Hall"].heard() == []
    assert [turn.outcome for turn in bench.ended] == [Outcome.ANSWERED]


async def test_without_a_room_all_hear_it_at_once_and_it_is_spoken_once():
    bench, links, announcer = await house_of("Kitchen", "Hall", "Bedroom")
    told = await announcer.announce("Dinner is ready.")
    assert told == dict.fromkeys(("Bedroom", "Hall", "Kitchen"), "heard")
    assert bench.tts.spoken == ["Dinner is ready."]
    starts = [link.satellite.events[0][0] for link in links.values()]
    assert max(starts) - min(starts) < 0.1


async def test_it_waits_until_a_conversation_is_over():
    bench, links, announcer = await house_of("Kitchen")
    kitchen = links["Kitchen"]
    turn = await kitchen.room.begin(kitchen.satellite, sound_of([Speech(0.2, 1.5)], 20), "")
    await asyncio.sleep(1.0)
    told = await announcer.announce("Dinner is ready.")
    assert told == {"Kitchen": "heard"}
    assert turn.outcome is Outcome.ANSWERED
    assert kitchen.heard()[-1] == "Dinner is ready."
    done = max(turn.record.marks.values())
    began = next(at for at, _, text in kitchen.satellite.events if text == "Dinner is ready.")
    assert began >= done + 0.5


async def test_it_gives_up_when_a_conversation_goes_on_for_two_minutes():
    bench, links, announcer = await house_of("Kitchen")
    bench.llm.text = "So it goes on, and on. " * 200
    kitchen = links["Kitchen"]
    turn = await kitchen.room.begin(kitchen.satellite, sound_of([Speech(0.2, 1.5)], 20), "")
    with pytest.raises(NotAnnounced, match="a conversation went on in Kitchen") as error:
        await announcer.announce("Dinner is ready.", "Kitchen")
    assert error.value.code == "busy"
    assert not turn.ended
    assert "Dinner is ready." not in kitchen.heard()
    await kitchen.room.stop(Outcome.GONE)


async def test_announcements_wait_for_each_other_in_the_order_in_which_they_came():
    bench, links, announcer = await house_of("Kitchen")
    texts = ["Number one.", "Number two.", "Number three."]
    await asyncio.gather(*(announcer.announce(text) for text in texts))
    assert links["Kitchen"].heard() == texts
    names = [n for n in links["Kitchen"].satellite.names() if n in ("audio-start", "audio-stop")]
    assert names == ["audio-start", "audio-stop"] * 3


async def test_more_than_a_few_that_wait_are_refused():
    bench, links, announcer = await house_of("Kitchen")
    calls = [announcer.announce(f"Number {n}.") for n in range(12)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [r for r in results if isinstance(r, NotAnnounced)]
    assert len(refused) == 4
    assert {r.code for r in refused} == {"busy"}
    assert len(bench.tts.spoken) == 8
    assert len(links["Kitchen"].heard()) == 8
    assert await announcer.announce("One more.") == {"Kitchen": "heard"}


async def test_a_wake_word_interrupts_it_and_what_follows_is_answered():
    bench, links, announcer = await house_of("Kitchen")
    kitchen = links["Kitchen"]
    telling = asyncio.create_task(announcer.announce("Dinner is ready, " * 20))
    await asyncio.sleep(8.0)
    kitchen.satellite.report(kitchen.turns[0])
    turn = await kitchen.room.begin(SimulatedSatellite(), sound_of([Speech(0.2, 1.5)], 20), "")
    assert await telling == {"Kitchen": "interrupted"}
    await until_ended(turn)
    assert turn.outcome is Outcome.ANSWERED
    assert kitchen.turns[0].outcome is Outcome.INTERRUPTED


async def test_one_that_nobody_has_heard_yet_comes_again_after_the_conversation():
    bench, links, announcer = await house_of("Kitchen")
    kitchen = links["Kitchen"]
    kitchen.satellite.reports = True
    telling = asyncio.create_task(announcer.announce("Dinner is ready."))
    while not kitchen.turns:
        await asyncio.sleep(0.001)
    turn = await kitchen.room.begin(SimulatedSatellite(), sound_of([Speech(0.2, 1.5)], 20), "")
    assert await telling == {"Kitchen": "heard"}
    assert turn.outcome is Outcome.ANSWERED
    assert len(kitchen.turns) == 2


async def test_it_is_no_part_of_the_conversation_but_can_be_repeated():
    bench, links, announcer = await house_of("Kitchen")
    await announcer.announce("Dinner is ready.")
    memory = links["Kitchen"].room.memory
    assert memory.messages() == []
    assert memory.last_reply == "Dinner is ready."


async def test_timers_that_end_in_twenty_rooms_at_once_are_said_in_each():
    rooms = [f"Room {number}" for number in range(20)]
    _, links, announcer = await house_of(*rooms)

    async def rings(room, event):
        return True

    timers = Timers(rings, announcer.say, lambda: None)
    timers.start()
    await asyncio.gather(*(timers.set(room, 60) for room in rooms))
    await asyncio.sleep(90)
    assert all(links[room].heard() == ["Your 1 minute timer is done."] for room in rooms)
    assert timers.running() == []
    await timers.close()


async def test_what_cannot_be_said_is_not_and_stops_nothing(caplog):
    _, links, announcer = await house_of("Kitchen")
    await announcer.say("Kitchen", "\N{SLICE OF PIZZA}")
    assert links["Kitchen"].heard() == []
    assert "nothing in it that can be said" in caplog.text


async def test_who_is_not_there_is_named_with_those_who_are():
    bench, links, announcer = await house_of("Kitchen", "Hall")
    with pytest.raises(NotAnnounced, match=r"'attic'; connected are: Hall, Kitchen") as error:
        await announcer.announce("Dinner is ready.", "attic")
    assert error.value.code == "no-such-room"
    links.clear()
    with pytest.raises(NotAnnounced) as error:
        await announcer.announce("Dinner is ready.")
    assert error.value.code == "no-satellite"


async def test_a_satellite_that_goes_away_keeps_no_other_room_from_hearing_it():
    bench, links, announcer = await house_of("Kitchen", "Hall")
    links["Hall"].satellite.gone = True
    told = await announcer.announce("Dinner is ready.")
    assert told == {"Hall": "gone", "Kitchen": "heard"}
    with pytest.raises(NotAnnounced) as error:
        await announcer.announce("Dinner is ready.", "Hall")
    assert error.value.code == "gone"


async def test_a_voice_that_fails_is_an_error_and_makes_no_sound():
    bench, links, announcer = await house_of("Kitchen")
    bench.tts.error = EngineError("out of breath")
    with pytest.raises(NotAnnounced, match="out of breath") as error:
        await announcer.announce("Dinner is ready.")
    assert error.value.code == "engine-failed"
    assert links["Kitchen"].satellite.names() == []
    await announcer.say("Kitchen", "Your timer is done.")  # raises nothing


@pytest.mark.parametrize("text", ["", "  ", "***", "x" * 1001])
async def test_a_text_that_cannot_be_said_is_refused(text):
    bench, links, announcer = await house_of("Kitchen")
    with pytest.raises(ValueError, match=r"letters|nothing"):
        await announcer.announce(text)
    assert links["Kitchen"].satellite.names() == []


@pytest.mark.parametrize("form", [PcmFormat(24000, 2, 1), PcmFormat(16000, 2, 2)])
def test_the_chime_is_a_short_sound_without_clicks_in_any_format(form):
    pcm = chime_of(form)
    assert 0.5 < form.seconds(len(pcm)) < 1.0
    samples = np.frombuffer(pcm, "<i2")[:: form.channels].astype(float)
    assert 0.05 < np.abs(samples).max() / 32767 < 0.3
    assert abs(samples[0]) < 50
    assert np.abs(samples[-100:]).max() == 0
    assert np.abs(np.diff(samples)).max() < 0.1 * 32767
