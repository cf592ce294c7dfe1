"""The page in a real Chromium: whether everybody can use and read it, and whether it leaks."""

import asyncio
import json
import time

import pytest
from browser import measuring, opened
from page_checks import FAINT, NAMELESS, OVERFLOW
from pretend_turns import WAIT, pretend_events, snapshot, turn

from hub.live.state import TurnChanged

pytestmark = pytest.mark.local  # the page is on the hub's own machine

VIEWS = ("talk", "rooms", "turns", "settings", "engines")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.mark.long
async def test_hundreds_of_turns_leave_no_more_than_the_last_ones_behind(hub, browser):
    async with opened(browser, hub.web_address, "#/rooms/Kitchen") as page:
        send = await pretend_events(page, snapshot(turn(0)))
        measure = await measuring(page)

        async def flood(numbers):
            for number in numbers:
                for state in ("listening", "thinking", "speaking", "ended"):
                    send(TurnChanged(time.time(), turn(number, state=state)))
                if number % 20 == 0:
                    await asyncio.sleep(0.05)
            last = page.locator(".turn .said", has_text=f"Question {numbers[-1]}?")
            await last.wait_for(timeout=WAIT)
            return await measure()

        before = await flood(range(1, 101))
        after = await flood(range(101, 601))
        assert await page.locator(".turn").count() == 20
        assert after["Nodes"] < before["Nodes"] * 1.1
        assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.1
        assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 1_500_000


@pytest.mark.long
async def test_going_through_the_page_leaks_nothing(hub, browser):
    async with opened(browser, hub.web_address) as page:
        await pretend_events(page, snapshot(*(turn(number) for number in range(15))))
        measure = await measuring(page)

        async def tour(times):
            for _ in range(times):
                for view in ("rooms", "turns", "settings", "engines", "talk"):
                    await page.evaluate("view => { location.hash = '#/' + view; }", view)
                    await page.wait_for_timeout(60)
            return await measure()

        before = await tour(3)
        after = await tour(12)
        assert after["Nodes"] < before["Nodes"] * 1.15
        assert after["JSEventListeners"] < before["JSEventListeners"] * 1.15


async def test_a_lost_hub_is_said_and_found_again(hub, browser):
    async with opened(browser, hub.web_address) as page:
        send = await pretend_events(page, snapshot())
        await send.sockets[-1].close()
        words = page.locator("#readiness-text")
        await page.locator("#readiness-text", has_text="No connection").wait_for(timeout=WAIT)
        await page.locator("#readiness-text", has_text="Ready").wait_for(timeout=WAIT)
        assert await words.inner_text() == "Ready"
        assert len(send.sockets) == 2


async def test_everything_can_be_done_with_the_keyboard_and_focus_is_seen(hub, browser):
    async with opened(browser, hub.web_address) as page:
        await page.locator('.mic[data-state="idle"]').wait_for(timeout=WAIT)
        reached = []
        for _ in range(14):
            await page.keyboard.press("Tab")
            told = await page.evaluate(
                """() => {
                  const one = document.activeElement;
                  const seen = one.matches(".mode input") ? one.nextSibling : one;
                  const shown = getComputedStyle(seen);
                  return [one.id || one.className || one.name || one.textContent,
                          shown.outlineStyle !== "none" && parseFloat(shown.outlineWidth) >= 2];
                }"""
            )
            reached.append(told[0])
            assert told[1], f"focus is not seen on {told[0]}"
        assert reached[0] == "skip"
        assert {"mic", "ask", "theme"} <= set(reached)
        # a press on a key is a tap; a microphone is not there, which is said
        await page.locator(".mic").focus()
        await page.keyboard.press("Enter")
        await page.locator(".talk-state", has_text="No microphone").wait_for(timeout=WAIT)
        await page.locator(".tab", has_text="Engines").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Engines").wait_for()
        assert await page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_every_part_fits_is_named_and_can_be_read(hub, browser, tmp_path, scheme, size):
    async with opened(browser, hub.web_address, color_scheme=scheme) as page:
        await page.set_viewport_size(size)
        turns = [turn(1), turn(2, outcome="interrupted", heard="The first half"), turn(3, "Hall")]
        await pretend_events(page, snapshot(*turns))
        for view in VIEWS:
            address = "rooms/Kitchen" if view == "rooms" else view
            await page.goto(f"{hub.web_address}/#/{address}")
            await page.locator("main h1").first.wait_for(state="attached")
            if view == "rooms":
                await page.locator(".turn .more").first.click()
            await page.wait_for_timeout(400)
            await page.screenshot(path=tmp_path / f"{view}.png")
            assert await page.evaluate(OVERFLOW) == [], view
            assert await page.evaluate(NAMELESS) == [], view
            assert await page.evaluate(FAINT) == [], view
            assert await page.locator("h1").count() == 1, view
        assert all((tmp_path / f"{view}.png").stat().st_size > 5000 for view in VIEWS)


async def test_the_theme_can_be_chosen_and_is_remembered(hub, browser):
    async with opened(browser, hub.web_address, color_scheme="light") as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(ground)
        await page.get_by_label("Switch to dark").click()
        dark = await page.evaluate(ground)
        assert dark != light
        await page.reload()
        assert await page.evaluate(ground) == dark
        await page.get_by_label("Switch to light").click()
        assert await page.evaluate(ground) == light
        assert (
            json.loads(await page.evaluate("JSON.stringify(localStorage)")).get("parlour.theme")
            is None
        )
