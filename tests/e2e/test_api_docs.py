"""The viewer of the OpenAPI document, in a real browser that can reach the hub alone."""

import asyncio

import pytest
from browser import chromium, opened

pytestmark = pytest.mark.local  # the viewer is on the hub's own machine

SPEAK = "#operations-Single_steps-post_api_speak"
PLAY = "void document.querySelector('audio').play()"
PLAYED = "document.querySelector('audio').currentTime > 0.2"


async def test_a_request_is_tried_in_the_viewer_and_its_sound_heard(hub):
    async with (
        chromium("--autoplay-policy=no-user-gesture-required") as browser,
        opened(browser, hub.web_address, "api/docs") as page,
    ):
        await page.click(f"{SPEAK} .opblock-summary")
        await page.click(f"{SPEAK} .try-out button")
        await page.fill(f"{SPEAK} textarea", '{"text": "Good morning. How are you?"}')
        await page.click(f"{SPEAK} .execute")
        await page.wait_for_selector(f"{SPEAK} audio")
        await page.evaluate(PLAY)
        async with asyncio.timeout(10):
            while not await page.evaluate(PLAYED):
                await asyncio.sleep(0.05)
