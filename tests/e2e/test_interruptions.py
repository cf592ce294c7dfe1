"""Speaking over a reply, and answering its question without a wake word, over real processes.

What Parlour says of itself needs no language model: the same words each time, spoken alike.
"""

import asyncio
import re
import sqlite3
import time
from contextlib import asynccontextmanager
from itertools import groupby

import numpy as np
import pytest
from processes import VOICE

from protocol.audio import SPEECH, Converter, read_wav, to_float32

ENDED = r"turn ended: (\S+)"
OVER = r"spoken over: (.+)"
REPLY = "Are you listening to us all the time?"  # is answered with two sentences, of six seconds
PLAYS = "reply begins to play"
LONG = "Tell me about elephants."  # the 0.5B model takes five sentences
GAP = 0.2  # seconds; no pause of the voice's is as long and as silent


@asynccontextmanager
async def kitchen(house, hub, settings="[barge_in]\nspeech = true\n"):
    """A satellite whose microphone does not hear its loudspeaker."""
    verbose = ("--verbose",)
    async with house.satellite(hub.address, settings=settings, options=verbose) as satellite:
        yield satellite


def played(satellite) -> np.ndarray:
    """What the loudspeaker played, without the silence around and between."""
    form, pcm = read_wav(satellite.heard_wav)
    samples = np.frombuffer(pcm, "<i2")
    runs = [(key, len(list(run))) for key, run in groupby(samples != 0)]
    at, kept = 0, []
    for sounds, n_samples in runs:
        if sounds or n_samples < GAP * form.rate:
            kept.append(samples[at : at + n_samples])
        at += n_samples
    return np.concatenate(kept)


async def words(satellite, last: float | None = None) -> str:
    """What the loudspeaker said."""
    from hub.config import Settings
    from hub.engines.registry import make_stt

    form, pcm = await asyncio.to_thread(read_wav, satellite.heard_wav)
    start = len(pcm) - form.bytes_for(last) if last is not None else 0
    converter = Converter(form, SPEECH)
    sound = converter.process(pcm[max(0, start) :]) + converter.flush()
    stt = make_stt(Settings())
    await stt.load()
    try:
        return (await stt.transcribe(sound, language="en")).text.lower()
    finally:
        await stt.close()


def turns(house) -> list[tuple[str, str, str]]:
    with sqlite3.connect(house.store) as store:
        rows = store.execute("SELECT outcome, said, heard FROM turns ORDER BY began")
        return [(outcome, said or "", heard or "") for outcome, said, heard in rows]


@pytest.mark.long
async def test_a_question_over_the_reply_is_answered_without_a_wake_word(house, ask, voice):
    async with house.hub() as hub, kitchen(house, hub) as satellite:
        house.say(satellite, "1", VOICE, ask(LONG))
        await satellite.wait_for(PLAYS)
        await asyncio.sleep(2.0)
        house.say(satellite, "2", VOICE, voice("What is the capital of France?"))
        assert (await hub.wait_for(OVER))[1] == "an interruption"
        assert (await hub.wait_for(ENDED))[1] == "interrupted"
        await satellite.wait_for(PLAYS, nth=2)
        began = time.monotonic()
        assert (await hub.wait_for(ENDED, nth=2))[1] == "answered"
        spoken = time.monotonic() - began
        assert await satellite.stop() == 0
        assert await hub.stop() == 0
    assert "paris" in await words(satellite, last=spoken + 0.3)
    (_, _, heard), (_, said, _) = turns(house)
    assert "what is the capital of france" in said.lower()  # from its first word on
    says = [line for _, line in hub.lines if "says:" in line]
    assert heard
    assert len(heard) < len(" ".join(says))  # what was not heard is not remembered
    assert "paris" not in heard.lower()


@pytest.mark.long
@pytest.mark.parametrize("sound", ["mhm", "noise", "cough"])
async def test_a_false_alarm_leaves_a_hole_in_the_reply_and_takes_nothing_of_it(
    house, ask, voice, sound
):
    rng = np.random.default_rng(7)
    noise = (rng.standard_normal(VOICE.rate) * 3000).astype("<i2")
    # A cough is two or three bursts of noise with a sharp attack, without a pitch.
    burst = noise[: VOICE.rate // 5] * np.geomspace(3, 0.03, VOICE.rate // 5)
    cough = np.concatenate([burst, np.zeros(VOICE.rate // 10), burst]).astype("<i2")
    over = {"mhm": voice("Mhm."), "noise": noise.tobytes(), "cough": cough.tobytes()}
    replies = []
    for name in ("alone", sound):
        async with house.hub() as hub, kitchen(house, hub) as satellite:
            house.say(satellite, "1", VOICE, ask(REPLY))
            await satellite.wait_for(PLAYS)
            if name == "mhm":
                await asyncio.sleep(1.0)
                house.say(satellite, "2", VOICE, over[sound])
                assert (await hub.wait_for(OVER))[1] == "no interruption"
            elif name != "alone":
                await asyncio.sleep(1.0)
                house.say(satellite, "2", VOICE, over[sound])
            assert (await hub.wait_for(ENDED))[1] == "answered"
            await satellite.wait_for("reply has been played, 0 underruns")
            assert await satellite.stop() == 0
        replies.append(played(satellite))
    alone, interrupted = replies
    assert len(alone) > 3 * VOICE.rate
    assert np.array_equal(alone, interrupted)


@pytest.mark.long
async def test_stop_over_the_reply_silences_it_and_leaves_the_satellite_at_rest(house, ask, voice):
    async with house.hub() as hub, kitchen(house, hub) as satellite:
        house.say(satellite, "1", VOICE, ask(REPLY))
        await satellite.wait_for(PLAYS)
        await asyncio.sleep(1.0)
        house.say(satellite, "2", VOICE, voice("Stop!"))
        assert (await hub.wait_for(OVER))[1] == "stop"
        assert (await hub.wait_for(ENDED))[1] == "interrupted"
        await satellite.wait_for("speaking -> idle")
        await asyncio.sleep(2.0)
        assert hub.count("listens") == 1  # no other turn began
        assert await satellite.stop() == 0
    form, pcm = read_wav(satellite.heard_wav)
    assert not np.any(to_float32(pcm)[-2 * form.rate :])


@pytest.mark.long
async def test_a_question_of_parlour_s_is_answered_without_a_wake_word(house, ask, voice):
    settings = "[barge_in]\nspeech = true\n[follow_up]\nenabled = true\nseconds = 3.0\n"
    async with house.hub() as hub, kitchen(house, hub, settings) as satellite:
        house.say(satellite, "1", VOICE, ask("Can you help me?"))  # "How can I assist you today?"
        await satellite.wait_for("speaking -> follow-up", timeout=90)
        house.say(satellite, "2", VOICE, voice("Yes, please."))  # at once
        heard = (await hub.wait_for(r"heard: (.*)", nth=2))[1]
        assert re.search(r"\byes\b", heard, re.IGNORECASE)
        assert satellite.count("wake word") == 1
        # Nobody answers the next question: it ends without a sound.
        outcomes = [await hub.wait_for(ENDED, nth=nth, timeout=90) for nth in (1, 2)]
        assert [outcome[1] for outcome in outcomes] == ["answered", "answered"]
        if satellite.count("speaking -> follow-up") > 1:
            assert (await hub.wait_for(ENDED, nth=3, timeout=30))[1] == "nothing-said"
        await satellite.wait_for("-> idle")
        await asyncio.sleep(1.0)
        assert await satellite.stop() == 0
    form, pcm = read_wav(satellite.heard_wav)
    assert not np.any(to_float32(pcm)[-form.rate :])
