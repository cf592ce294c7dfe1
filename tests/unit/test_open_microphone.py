"""Who begins to speak into a microphone that is open all the time; on a virtual clock."""

import asyncio
import itertools

import pytest
from scripted import FRAME_SECONDS, QUIET, VOICE, ScriptedVad, now

from hub.engines.base import EngineError
from hub.engines.supervisor import Supervised
from hub.service.open_microphone import OpenMicrophone
from protocol.audio import SPEECH

pytestmark = pytest.mark.looptime


class Vad(ScriptedVad):
    """Fails, or is slow, where a test wants it."""

    def __init__(self):
        self.error = None
        self.seconds = 0.0
        self.frames = 0

    async def probability(self, frame):
        self.frames += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return await super().probability(frame)


class Room:
    """A microphone, and when somebody was heard to begin."""

    def __init__(self, vad, take=2.0):
        self.vad = vad
        self.heard = []  # when, and the sound so far
        self.take = take
        self.failure = None

        async def give():
            return vad

        self.engine = Supervised("vad", give)
        self.microphone = OpenMicrophone(self.engine, "Study", self.speaks)

    async def speaks(self):
        self.heard.append((now(), self.microphone.take(self.take)))
        if self.failure is not None:
            raise self.failure

    async def listen(self, frames, *, listen=True):
        for frame in frames:
            await asyncio.sleep(FRAME_SECONDS)
            self.microphone.push(frame, listen=listen)
        await asyncio.sleep(0)


@pytest.fixture
async def room():
    room = Room(Vad())
    room.engine.start()
    await room.engine.get(timeout=1)
    yield room
    await room.microphone.stop()
    await room.engine.close()


async def test_who_speaks_is_heard_within_a_quarter_of_a_second_with_what_came_before(room):
    room.take = 0.65
    await room.listen([QUIET] * 100)
    began = now()
    await room.listen([VOICE] * 50)
    when, sound = room.heard[0]
    assert 0.15 < when - began < 0.3
    assert len(sound) == SPEECH.bytes_for(0.65)
    quiet = len(sound) - len(sound.lstrip(b"\0"))
    assert 0.35 < SPEECH.seconds(quiet) < 0.5  # before the first word


async def test_quiet_clicks_and_coughs_are_nobody_who_speaks(room):
    await room.listen([QUIET] * 200)
    for _ in range(10):
        await room.listen([VOICE] * 6 + [QUIET] * 30)  # 0.12 s each
    assert room.heard == []


async def test_a_gap_in_the_sound_joins_no_two_noises_to_speech(room):
    for _ in range(10):
        await room.listen([VOICE] * 6)
        await room.listen([QUIET] * 20, listen=False)
    assert room.heard == []


async def test_what_is_only_kept_wakes_nobody_but_can_be_taken(room):
    await room.listen([VOICE] * 500, listen=False)
    assert room.heard == []
    assert room.vad.frames == 0
    assert room.microphone.take(1.0) == VOICE * 50
    assert room.microphone.take(1.0) == b""


async def test_it_holds_two_seconds_however_long_it_is_open(room):
    await room.listen([QUIET] * 3000)
    assert len(room.microphone.take(1000.0)) == SPEECH.bytes_for(2.0)


async def test_whoever_speaks_later_is_heard_again(room):
    for _ in range(5):
        await room.listen([VOICE] * 30)
        await room.listen([QUIET] * 50)
    assert len(room.heard) >= 5


async def test_a_model_that_lags_behind_hears_the_newest(room):
    room.vad.seconds = 0.1  # three times as long as a frame
    await room.listen(itertools.repeat(QUIET, 500))
    began = now()
    await room.listen([VOICE] * 150)
    assert room.heard
    assert room.heard[0][0] - began < 2.5


async def test_a_model_that_fails_is_tried_again_and_said_so(room, caplog):
    room.vad.error = EngineError("vad: broken")
    await room.listen([QUIET] * 10)
    room.vad.error = None
    await room.listen([QUIET] * 150)
    await room.listen([VOICE] * 30)
    assert room.heard
    assert "no speech can be heard" in caplog.text


async def test_after_a_bug_nothing_is_heard_and_the_log_says_where(room, caplog):
    room.failure = KeyError("secret words")
    await room.listen([VOICE] * 30 + [QUIET] * 30 + [VOICE] * 30)
    assert len(room.heard) == 1
    assert "open microphone" in caplog.text
    assert "secret" not in caplog.text


async def test_stopping_leaves_no_task_and_it_can_go_on(room):
    await room.listen([QUIET] * 10)
    await room.microphone.stop()
    assert not [task for task in asyncio.all_tasks() if "open microphone" in task.get_name()]
    await room.listen([VOICE] * 30)
    assert room.heard
