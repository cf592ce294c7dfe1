"""The sound of the last turns: kept in memory, bounded, and of people only where it is wanted."""

import msgspec
import pytest
from scripted import Bench, Speech

from hub.config import Settings, WebSettings
from hub.recordings import Recordings


async def turns(count, *, keep_sound=False):
    settings = msgspec.structs.replace(Settings(), web=WebSettings(keep_sound=keep_sound))
    bench = await Bench(settings=settings).open()
    return [(await bench.say(Speech(0.5, 1.5, f"number {n}")))[0] for n in range(count)]


@pytest.mark.looptime
async def test_a_reply_can_be_played_again_and_what_was_said_cannot():
    (turn,) = await turns(1)
    recordings = Recordings()
    recordings.add(turn)
    form, pcm = recordings.reply(turn.id)
    assert form.seconds(len(pcm)) == pytest.approx(turn.playback.seconds_sent)
    assert recordings.said(turn.id) is None
    assert (recordings.of(turn.id).reply, recordings.of(turn.id).said) == (True, False)


@pytest.mark.looptime
async def test_what_was_said_is_kept_where_that_is_asked_for():
    (turn,) = await turns(1, keep_sound=True)
    recordings = Recordings()
    recordings.add(turn)
    form, pcm = recordings.said(turn.id)
    assert form.rate == 16000
    assert 1.0 <= form.seconds(len(pcm)) <= 2.0
    assert recordings.of(turn.id).said


@pytest.mark.looptime
async def test_the_oldest_makes_place():
    some = await turns(6)
    size = max(len(turn.playback.sound[1]) for turn in some)
    recordings = Recordings(most=3 * size)
    for turn in some:
        recordings.add(turn)
    kept = [recordings.reply(turn.id) is not None for turn in some]
    assert kept[-2:] == [True, True]
    assert not any(kept[:3])
    recordings.erase()
    assert recordings.reply(some[-1].id) is None


def test_of_a_turn_that_nobody_knows_nothing_is_kept():
    recordings = Recordings()
    assert recordings.reply("unknown") is None
    assert recordings.said("unknown") is None
    assert not recordings.of("unknown").reply
