"""The page where an engine has a stand-in, in a real Chromium: who works, and why, at a glance."""

import time

import msgspec
import pytest
from browser import opened
from page_checks import FAINT, LAYOUT_SHIFTS, NAMELESS, OVERFLOW
from pretend_turns import WAIT, pretend_events, snapshot, turn
from two_voices import LOADS, PARLER, two_voices
from web_hub import web_hub

from hub.live.state import EngineChanged, EngineSpeed, EngineView

pytestmark = [pytest.mark.local, pytest.mark.long]  # the page is on the hub's own machine

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SLOW = "too slow on this machine: 2.3 s for each second of speech"
NOTE = "the graphics card's driver is too old for CUDA 12: on the processor"


def engine(role, name, state="ready", **changes):
    return msgspec.structs.replace(
        EngineView(role, name, state, "", "", "cpu", 1.2, 0, 0, role not in ("turn", "wake")),
        **changes,
    )


def voices(**changes):
    """A voice, changed so, and its stand-in, which works unless the voice does."""
    own = engine("tts", "Parler-TTS · parler-tts-mini-v1", **({"active": False} | changes))
    return own, engine("tts", "hibari", standby=True, active=not own.active)


SPEED = EngineSpeed(2.34, 1.1)
REST = (
    engine("vad", "silero"),
    engine("stt", "Wyoming server", device="wyoming://192.168.1.5:10300", active=False,
           state="failed", reason="192.168.1.5:10300: connection refused",
           todo="The hub's log says more; it is tried again by itself."),
    engine("stt", "faster-whisper · whisper-tiny.en", standby=True, note=NOTE),
    engine("llm", "llama-cpp · qwen2.5-coder-1.5b-instruct-q4_k_m", device="cuda"),
)  # fmt: skip


def told(*engines):
    return msgspec.structs.replace(snapshot(turn(1)), engines=list(engines))


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"state": "loading"}, "Loading", "Parler-TTS is loading; hibari speaks meanwhile."),
        (
            {"state": "failed", "reason": "out of memory"},
            "Failed",
            "Parler-TTS has failed; hibari speaks meanwhile.",
        ),
        (
            {"reason": SLOW, "speed": SPEED},
            "Not used",
            "Parler-TTS is not used now; hibari speaks instead.",
        ),
    ],
)
async def test_who_speaks_in_whose_place_is_said_and_is_no_failure(
    hub, browser, changes, state, words
):
    async with opened(browser, hub.web_address, "#/engines") as page:
        await pretend_events(page, told(*voices(**changes)))
        row, other = page.locator(".engine:not(.stand-in)"), page.locator(".engine.stand-in")
        assert await row.locator(".engine-instead").inner_text() == words
        assert await row.locator(".engine-state").inner_text() == state
        if reason := changes.get("reason"):
            shown = await row.locator(".engine-reason").inner_text()
            assert shown.lower() == reason.lower()
        assert await other.locator(".engine-state").inner_text() == "At work"
        assert "for the voice" in await other.locator(".engine-head").inner_text()
        readiness = page.locator("#readiness")
        assert await readiness.inner_text() == "Ready, with a stand-in"
        assert await readiness.get_attribute("title") == words
        assert await readiness.get_attribute("data-state") == "waiting"
        lamp = "(one) => getComputedStyle(one).backgroundColor"
        failed = await page.evaluate(
            """() => {
              const one = document.createElement("li");
              one.dataset.state = "failed";
              one.innerHTML = '<span class="lamp"></span>';
              document.body.append(one);
              const colour = getComputedStyle(one.firstChild).backgroundColor;
              one.remove();
              return colour;
            }"""
        )
        assert await row.locator(".lamp").evaluate(lamp) != failed


async def test_a_stand_in_that_is_not_needed_is_quiet(hub, browser):
    async with opened(browser, hub.web_address, "#/engines") as page:
        await pretend_events(page, told(*voices(active=True, speed=EngineSpeed(0.4, 0.2))))
        assert await page.locator("#readiness-text").inner_text() == "Ready"
        assert not await page.locator("#readiness").get_attribute("title")
        own = page.locator(".engine:not(.stand-in)")
        assert "0.4 s for each second" in await own.locator(".engine-facts").inner_text()
        assert await own.locator(".engine-instead").is_hidden()
        other = page.locator(".stand-in .engine-state")
        assert await other.inner_text() == "Not needed now"
        sizes = await page.evaluate(
            """() => [".engine:not(.stand-in)", ".stand-in"].map((row) => {
              const role = document.querySelector(`${row} .engine-role`);
              return parseFloat(getComputedStyle(role).fontSize);
            })"""
        )
        assert sizes[1] < sizes[0]


async def test_a_voice_that_comes_takes_over_on_the_page_and_nothing_jumps(hub, browser):
    async with opened(browser, hub.web_address, script=f"({LAYOUT_SHIFTS})()") as page:
        send = await pretend_events(page, told(*voices(state="loading")))
        await page.locator('.mic[data-state="idle"]').wait_for(timeout=WAIT)
        await page.wait_for_timeout(300)
        before = await page.evaluate("window.shifts")
        assert await page.locator(".loading").is_hidden()  # nobody waits for the voice
        for view in voices(active=True):
            send(EngineChanged(time.time(), view))
        await page.locator("#readiness-text", has_text="Ready").wait_for(timeout=WAIT)
        await page.wait_for_function(
            "document.getElementById('readiness-text').textContent === 'Ready'"
        )
        await page.wait_for_timeout(300)
        assert await page.evaluate("window.shifts") - before < 0.01


async def test_the_talk_view_does_not_wait_for_a_voice_that_another_one_stands_in_for(
    tmp_path, monkeypatch, browser
):
    async with (
        web_hub(tmp_path, monkeypatch, two_voices(LOADS), tts=PARLER) as hub,
        opened(browser, hub.web_address) as page,
    ):
        await page.locator(".talk-state", has_text="Press and ask").wait_for(timeout=WAIT)
        await page.locator("#readiness-text", has_text="with a stand-in").wait_for(timeout=WAIT)
        await page.get_by_label("Type a question").fill("What is the capital of France?")
        await page.keyboard.press("Enter")
        await page.locator('.turn[data-state="ended"]').wait_for(timeout=WAIT)
        await page.goto(hub.web_address + "/#/engines")
        await page.get_by_text("Parler-TTS is loading; hibari speaks meanwhile.").wait_for()


async def test_both_failed_is_a_failure(hub, browser):
    failed = engine("tts", "hibari", "failed", standby=True, active=False, reason="no such model")
    own = engine("tts", "Parler-TTS", "failed", reason="out of memory")
    async with opened(browser, hub.web_address, "#/engines") as page:
        first = told(own, failed)
        first = msgspec.structs.replace(
            first, hub=msgspec.structs.replace(first.hub, ready=False, waits_for=["tts"])
        )
        await pretend_events(page, first, shows="Not working")
        assert await page.locator(".engine-instead:visible").count() == 0
        await page.goto(hub.web_address + "/#/talk")
        await page.locator(".loading .problem", has_text="out of memory").wait_for(timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_engines_and_their_stand_ins_fit_are_named_and_can_be_read(
    hub, browser, tmp_path, scheme, size
):
    async with opened(browser, hub.web_address, "#/engines", color_scheme=scheme) as page:
        await page.set_viewport_size(size)
        await pretend_events(page, told(*REST, *voices(reason=SLOW, speed=SPEED)))
        await page.locator(".engine-instead:visible").first.wait_for(timeout=WAIT)
        await page.wait_for_timeout(300)
        await page.screenshot(path=tmp_path / "engines.png")
        assert await page.evaluate(OVERFLOW) == []
        assert await page.evaluate(NAMELESS) == []
        assert await page.evaluate(FAINT) == []
        assert await page.get_by_text("At 192.168.1.5:10300").is_visible()


async def test_a_voice_is_described_in_several_lines_and_chosen_among_its_own(
    tmp_path, monkeypatch, browser
):
    engines = two_voices()
    async with (
        web_hub(tmp_path, monkeypatch, engines, tts=PARLER) as hub,
        opened(browser, hub.web_address, "#/settings") as page,
    ):
        field = page.get_by_label("Voice description")
        await field.fill("A tired man whispers,\nvery slowly.", timeout=WAIT)
        assert await field.evaluate("(one) => one.tagName") == "TEXTAREA"
        await page.keyboard.press("Control+Enter")
        row = page.locator(".setting", has_text="tts.description")
        await row.locator(".setting-mark", has_text="changed").wait_for(timeout=WAIT)
        example = await row.locator(".setting-example").inner_text()
        assert "speaks" in example
        voice = page.get_by_label("Voice", exact=True)
        assert await voice.locator("option").all_inner_texts() == ["Jon", "Laura"]
        await voice.select_option("Laura")
        marked = page.locator(".setting", has_text="tts.voice").locator(".setting-mark")
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.setting-mark')]"
            ".filter((one) => one.textContent === 'changed').length === 2"
        )
        assert await marked.inner_text() == "changed"
        await page.screenshot(path=tmp_path / "settings.png")
        assert await page.evaluate(OVERFLOW) == []
        assert await page.evaluate(FAINT) == []
        status = await page.evaluate(
            "fetch('/api/speak', {method: 'POST', body: JSON.stringify({text: 'Hello.'}),"
            " headers: {'Content-Type': 'application/json'}}).then((answer) => answer.status)"
        )
        assert status == 200
        assert engines.tts.asked[0][1:] == ("Laura", "A tired man whispers,\nvery slowly.")


async def test_a_voice_that_cannot_be_described_says_so(hub, browser):
    async with opened(browser, hub.web_address, "#/settings") as page:
        row = page.locator(".setting", has_text="tts.description")
        mark = row.locator(".setting-mark", has_text="not with this voice")
        await mark.wait_for(timeout=WAIT)
        assert await page.get_by_label("Voice description").is_disabled()
