"""The microphone of a browser tab: a whole hub with scripted engines hears what is spoken there."""

import asyncio

import pytest
from pretend_tabs import AFTER, BEFORE, QUESTION, RUN, house_of_tabs, replied_to
from scripted import QUIET, VOICE, WAKE_WORD
from service_port import ScriptedWake, ScriptedWakeStream

from hub.conversation.turn import Outcome
from hub.engines.base import EngineError


@pytest.fixture
async def house(tmp_path, monkeypatch):
    async with house_of_tabs(tmp_path, monkeypatch) as house:
        yield house


@pytest.fixture
async def replying(house):
    async with replied_to(house) as tab:
        yield tab


async def speak(house, tab, text, frames=25):
    house.engines.stt.text = text
    await tab.say(BEFORE + [VOICE] * frames + AFTER)


async def test_as_long_as_a_button_is_held_no_pause_ends_what_is_said(house):
    async with house.tab() as tab:
        await tab.send("run-pipeline", **RUN, push_to_talk=True)
        await tab.say([VOICE] * 30 + [QUIET] * 150 + [VOICE] * 30)
        await tab.expect("voice-started")
        await asyncio.sleep(0.3)
        await tab.send("audio-stop")
        tab.seen.clear()
        await tab.expect("voice-stopped")
        assert await tab.hear() == house.engines.llm.text
        assert house.engines.stt.heard_seconds >= 4.0


async def test_with_an_open_microphone_whoever_speaks_is_answered_from_the_first_word_on(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="speech")
        await tab.say([QUIET] * 100 + [VOICE] * 60 + AFTER)
        await tab.expect("transcribe")
        assert await tab.hear() == house.engines.llm.text
        assert house.engines.stt.heard_seconds >= 60 * 0.02
        await tab.say(QUESTION)  # and again, nothing pressed
        await tab.expect("transcribe")
        assert await tab.hear() == house.engines.llm.text


async def test_a_click_is_nobody_who_speaks(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="speech")
        await tab.say(([QUIET] * 50 + [VOICE] * 4) * 5 + [QUIET] * 50)
        await tab.send("ask", text="hello")
        await tab.hear()
        assert "transcribe" not in tab.types
        assert len(await house.turns(1)) == 1


@pytest.mark.parametrize("mode", ["off", "wake", None])
async def test_without_an_open_microphone_speech_at_rest_begins_nothing(house, mode):
    async with house.tab() as tab:
        if mode is not None:
            await tab.send("microphone", mode=mode)
        await tab.say(QUESTION)
        await tab.send("ask", text="hello")
        await tab.hear()
        assert "transcribe" not in tab.types


async def test_a_wake_word_in_the_sound_of_a_tab_begins_a_turn_and_is_listened_for_again(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="wake")
        names = (await tab.expect("detect"))["names"]
        assert names
        for _ in range(2):
            await tab.say([QUIET] * 20 + [WAKE_WORD] * 3 + QUESTION)
            await tab.expect("detection")
            assert await tab.hear() == house.engines.llm.text
            if "detect" not in tab.types:
                await tab.say([QUIET] * 5)
                await tab.expect("detect")


async def test_a_tab_is_told_of_other_wake_words_as_soon_as_they_are_listened_for(
    house, monkeypatch
):
    class Renewed(ScriptedWake):
        models = tuple(model for model in ScriptedWake.models if model.name == "alexa")

        def stream(self, names=None, program=None):
            return super().stream(["alexa"])

    async with house.tab() as tab:
        await tab.send("microphone", mode="wake")
        await tab.expect("detect")
        monkeypatch.setattr(house.hub._wake, "_make", lambda: asyncio.sleep(0, Renewed()))
        monkeypatch.setattr(ScriptedWakeStream, "process", gone(house.engines.wake))
        change = {"values": {"wake.words": ["alexa"]}}
        async with house.client.patch("/api/settings", json=change) as response:
            assert response.status == 200
        await tab.say([QUIET] * 5)
        assert (await tab.expect("detect"))["names"] == ["Alexa"]
        await tab.say([QUIET] * 20 + [WAKE_WORD] * 3 + QUESTION)
        assert await tab.hear() == house.engines.llm.text


def gone(engine):
    """Return how streams of a closed engine work."""
    process = ScriptedWakeStream.process

    async def ended(stream, pcm):
        if stream._wake is engine:
            raise EngineError("it was closed")
        return await process(stream, pcm)

    return ended


async def test_stop_over_a_reply_holds_it_at_once_and_then_ends_it(house, replying):
    await speak(house, replying, "Stop!")
    assert (await replying.expect("hold"))["turn"] == replying.turn
    flush = await replying.expect("flush")
    assert flush == {"turn": replying.turn}
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.INTERRUPTED
    assert "transcribe" not in replying.types


async def test_mhm_over_a_reply_holds_it_for_a_moment(house, replying):
    await speak(house, replying, "Mhm.")
    assert (await replying.expect("hold"))["turn"] == replying.turn
    assert (await replying.expect("resume"))["turn"] == replying.turn
    if "audio-stop" not in replying.types:
        await replying.expect("audio-stop")
    await replying.send("played")
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.ANSWERED


@pytest.mark.parametrize("mode", ["speech", "off"])
async def test_a_question_over_a_reply_is_answered(house, replying, mode):
    await replying.send("microphone", mode=mode)
    await speak(house, replying, "and what is the capital of Italy", frames=60)
    await replying.expect("hold")
    assert await replying.expect("flush") == {"turn": replying.turn, "listen": True}
    await replying.expect("transcribe")
    assert await replying.hear() == "It is Rome."
    _, turn = await house.turns(2)
    assert turn.transcript == "and what is the capital of Italy"


async def test_after_three_false_alarms_a_reply_is_not_held_any_more(house, replying):
    for _ in range(3):
        await speak(house, replying, "Mhm.")
        await replying.expect("resume")
    await speak(house, replying, "Mhm.")
    if "audio-stop" not in replying.types:
        await replying.expect("audio-stop")
    await replying.send("played")
    await house.turns(1)
    assert replying.types.count("hold") == 3
    await speak(house, replying, "what about Italy", frames=60)  # a turn like any other
    assert await replying.hear() == "It is Rome."


async def test_the_button_that_means_stop_ends_whatever_goes_on(house, replying):
    await replying.send("interruption", turn=replying.turn, stop=True)
    assert await replying.expect("flush") == {"turn": replying.turn}
    await replying.send("run-pipeline", **RUN)
    turn = (await replying.expect("transcribe"))["turn"]
    await replying.say([VOICE] * 10)
    await replying.send("interruption", turn=turn, stop=True)
    assert await replying.expect("flush") == {"turn": turn}
    await replying.say(QUESTION)  # the microphone is open: it is heard again
    assert await replying.hear() == "It is Rome."


async def test_a_tab_that_is_muted_is_not_heard_out(house):
    async with house.tab() as tab:
        await tab.send("run-pipeline", **RUN)
        await tab.say([VOICE] * 20)
        await tab.expect("voice-started")
        await tab.send("status", muted=True, volume=1.0, wake_words=[])
        (turn,) = await house.turns(1)
        assert turn.outcome is Outcome.INTERRUPTED
        (room,) = house.hub.live.rooms()
        assert room.muted


async def test_a_microphone_that_is_switched_off_while_a_question_over_a_reply_is_taken_is_off(
    house, replying, monkeypatch
):
    room = house.hub.rooms.get("Browser")
    begin = room.begin

    async def slow(*given, **options):  # a reply may take a moment to stop
        await asyncio.sleep(0.5)
        return await begin(*given, **options)

    monkeypatch.setattr(room, "begin", slow)
    await speak(house, replying, "what is the capital of italy")
    assert (await replying.expect("flush"))["listen"]
    await replying.send("status", muted=True, volume=1, wake_words=[])
    await house.turns(1)
    await asyncio.sleep(1)
    assert room.turn is None
    assert len(house.ended) == 1
