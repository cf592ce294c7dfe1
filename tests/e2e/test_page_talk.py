"""Talking to the page: a real hub, a real Chromium, and a microphone that hears a recording."""

import asyncio
import re

import pytest
from talking import listening, recorded, seconds_loud, talker

from hub.config import Settings
from hub.engines.registry import make_stt

pytestmark = pytest.mark.local  # the page is on the hub's own machine

ENDED = r"turn ended: (\S+)"
FRANCE = "What is the capital of France?"
LONG = "Tell me about elephants."  # the 0.5B model takes five sentences


@pytest.fixture
async def words():
    """What is said in some sound."""
    stt = make_stt(Settings())
    await stt.load()

    async def transcribe(pcm):
        return (await stt.transcribe(pcm, language="en")).text.lower()

    yield transcribe
    await stt.close()


def in_order(states, *wanted):
    """Whether these states came one after another, whatever came between."""
    rest = iter(states)
    return all(state in rest for state in wanted)


async def test_one_click_and_one_sentence_are_answered_aloud(house, voice, words, tmp_path):
    microphone = recorded(tmp_path / "said.wav", 1.0, voice(FRANCE))
    async with house.hub() as hub, listening(microphone) as browser:
        async with talker(browser, hub.web) as tab:
            await tab.mic.click()
            await tab.is_now("listening")
            await tab.until("() => document.body.innerText.includes('capital of France?')")
            await tab.is_now("speaking")
            await tab.is_now("idle")
            assert in_order(await tab.states(), "idle", "listening", "thinking", "speaking", "idle")
            heard = await tab.heard()
            assert "paris" in await words(heard)
            assert seconds_loud(heard) > 1.0
            await tab.until("() => /The capital of France is Paris/.test(document.body.innerText)")
            turns = await tab.page.evaluate("fetch('/api/turns').then((got) => got.json())")
            assert "Paris" in turns["turns"][0]["heard"]  # as the tab reported
        assert (await hub.wait_for(ENDED))[1] == "answered"
        assert hub.count(r"Browser: connected") == 1


@pytest.mark.long
async def test_a_typed_question_is_answered_aloud_without_a_microphone(house, words, tmp_path):
    quiet = recorded(tmp_path / "quiet.wav")
    async with house.hub() as hub, listening(quiet) as browser, talker(browser, hub.web) as tab:
        await tab.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = () => { window.asked = true; }; }"
        )
        await tab.type("What is the capital of Spain?")
        await tab.is_now("speaking")
        await tab.is_now("idle")
        assert "madrid" in await words(await tab.heard())
        assert not await tab.page.evaluate("window.asked ?? false")
        # And where it is forbidden, that is said, and typing goes on working.
        await tab.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = () => "
            "Promise.reject(new DOMException('no', 'NotAllowedError')); }"
        )
        await tab.mic.click()
        await tab.is_now("denied")
        assert "You can type instead" in await tab.looks()
        await tab.type("And of Italy?")
        await tab.is_now("speaking")
        await tab.is_now("denied", "idle")
        assert "italy" in await words(await tab.heard())


@pytest.mark.long
async def test_while_the_button_is_held_a_pause_ends_nothing(house, voice, words, tmp_path):
    said = (1.0, voice("What is the capital of"), 2.5, voice("France?"))
    async with house.hub() as hub, listening(recorded(tmp_path / "said.wav", *said)) as browser:
        async with talker(browser, hub.web) as tab:
            await tab.mic.hover()
            await tab.page.mouse.down()
            await tab.is_now("listening")
            await asyncio.sleep(7.0)
            assert (await tab.states())[-1] == "listening"
            await tab.page.mouse.up()
            await tab.is_now("speaking")
            await tab.is_now("idle")
            assert "paris" in await words(await tab.heard())
        assert (await hub.wait_for(ENDED))[1] == "answered"
        assert hub.count(ENDED) == 1


@pytest.mark.long
@pytest.mark.parametrize("mode", ["tap", "speech"])
async def test_stop_said_over_the_reply_ends_it(house, voice, tmp_path, mode):
    microphone = recorded(tmp_path / "said.wav", 1.0, voice(LONG), 8.0, voice("Stop!"))
    async with house.hub() as hub, listening(microphone) as browser:
        async with talker(browser, hub.web) as tab:
            if mode == "tap":
                await tab.mic.click()
            else:
                await tab.hands_free(mode)
            await tab.is_now("speaking")
            await tab.is_now("held")
            await tab.is_now("idle")
            await asyncio.sleep(1.0)
            quiet = await tab.page.evaluate("performance.now() - window.heard.loud")
            assert quiet > 900
            assert in_order(await tab.states(), "listening", "speaking", "held", "idle")
        assert (await hub.wait_for(ENDED))[1] == "interrupted"
        assert hub.count("says:") > 1
        assert hub.count("spoken over: stop") == 1


@pytest.mark.long
async def test_a_question_said_over_the_reply_is_answered_instead(house, voice, words, tmp_path):
    microphone = recorded(tmp_path / "said.wav", 1.0, voice(LONG), 8.0, voice(FRANCE))
    async with house.hub() as hub, listening(microphone) as browser:
        async with talker(browser, hub.web) as tab:
            await tab.hands_free("speech")
            await tab.is_now("held")
            await tab.heard()
            await tab.is_now("listening")
            await tab.is_now("speaking")
            await tab.is_now("idle")
            assert "paris" in await words(await tab.heard())
        assert (await hub.wait_for(ENDED))[1] == "interrupted"
        assert (await hub.wait_for(ENDED, nth=2))[1] == "answered"


@pytest.mark.long
async def test_a_page_that_is_reloaded_in_mid_reply_goes_on_in_its_room(house, voice, tmp_path):
    microphone = recorded(tmp_path / "said.wav", 1.0, voice(FRANCE))
    async with house.hub() as hub, listening(microphone) as browser:
        async with talker(browser, hub.web) as tab:
            await tab.type(LONG)
            await tab.is_now("speaking")
            await asyncio.sleep(1.0)
            await tab.page.reload()
            await tab.is_now("idle")
            assert (await hub.wait_for(ENDED))[1] == "gone"
            await tab.until("() => document.body.innerText.includes('elephants')")
            await tab.mic.click()
            await tab.is_now("speaking")
            await tab.is_now("idle")
            await tab.until("() => /The capital of France is Paris/.test(document.body.innerText)")
        assert (await hub.wait_for(ENDED, nth=2))[1] == "answered"
        assert hub.count(r"Browser: connected") == 2
        assert hub.count(r"Browser 2: connected") == 0


@pytest.mark.long
async def test_the_wake_word_is_heard_by_the_hub(house, voice, words, tmp_path):
    said = (3.0, voice("Hey Jarvis."), 0.15, voice(FRANCE))
    async with house.hub() as hub, listening(recorded(tmp_path / "said.wav", *said)) as browser:
        async with talker(browser, hub.web) as tab:
            await hub.wait_for("wake ready", timeout=60)
            await tab.hands_free("wake")
            await tab.until("() => document.body.innerText.includes('Hey Jarvis')")
            await tab.is_now("speaking")
            await tab.is_now("idle")
            assert "paris" in await words(await tab.heard())
        assert (await hub.wait_for(ENDED))[1] == "answered"


@pytest.mark.long
async def test_two_tabs_are_two_rooms_also_where_one_is_a_copy_of_the_other(house, tmp_path):
    async with house.hub() as hub, listening(recorded(tmp_path / "quiet.wav")) as browser:
        context = await browser.new_context()
        async with (
            talker(browser, hub.web, context=context) as one,
            talker(browser, hub.web, context=context) as two,
        ):
            copied = await one.page.evaluate("JSON.stringify(sessionStorage)")
            await two.page.evaluate(
                "(all) => Object.entries(JSON.parse(all)).forEach(([k, v]) => "
                "sessionStorage.setItem(k, v))",
                copied,
            )
            await two.page.reload()
            await two.is_now("idle")
            await one.type("What is the capital of Spain?")
            await two.type("What is the capital of Italy?")
            await asyncio.gather(one.is_now("speaking"), two.is_now("speaking"))
            await asyncio.gather(one.is_now("idle"), two.is_now("idle"))
        await context.close()
        assert hub.count("takes the place of") == 0
        rooms = {m[1] for _, line in hub.lines if (m := re.search(r"(Browser.*): conn", line))}
        assert len(rooms) >= 2
        for number in (1, 2):
            assert (await hub.wait_for(ENDED, nth=number))[1] == "answered"


@pytest.mark.long
async def test_a_hub_that_was_killed_is_found_again(house, tmp_path):
    async with listening(recorded(tmp_path / "quiet.wav")) as browser, house.hub() as hub:
        address = hub.web
        context = await browser.new_context()
        async with talker(browser, hub.web, "ERR_", "WebSocket", context=context) as tab:
            await tab.type(LONG)
            await tab.is_now("speaking")
            hub.kill()
            await tab.is_now("offline")
            async with house.hub(web=address) as again:
                await tab.is_now("idle")
                await tab.type("What is the capital of Spain?")
                await tab.is_now("speaking")
                await tab.is_now("idle")
                assert (await again.wait_for(ENDED))[1] == "answered"
                assert again.count(r"Browser: connected") == 1
        await context.close()
