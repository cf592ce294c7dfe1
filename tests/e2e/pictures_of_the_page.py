"""Takes the pictures of docs/page.md, with a real hub: pytest tests/e2e/pictures_of_the_page.py

Times on the pictures are this machine's, so let it do nothing else.
"""

from browser import opened
from talking import listening, recorded

WAIT = 120_000  # ms


async def test_pictures_are_taken(house, voice, tmp_path, pytestconfig):
    images = pytestconfig.rootpath / "docs" / "images"
    said = recorded(tmp_path / "said.wav", 1.0, voice("Why is sleep important?"))
    async with (
        house.hub() as hub,
        listening(said) as browser,
        opened(browser, hub.web, permissions=["microphone"]) as page,
    ):

        async def ended(number):
            last = page.locator(f'.turn:nth-child({number})[data-state="ended"]')
            await last.wait_for(timeout=WAIT)
            await page.mouse.move(640, 2)
            await page.wait_for_timeout(1000)

        async def ask(words):
            await page.get_by_label("Type a question").fill(words)
            await page.keyboard.press("Enter")

        await page.locator('.mic[data-state="idle"]').wait_for(timeout=WAIT)
        await ask("Set a timer for ten minutes")
        await ended(1)
        await page.locator(".mic").click()
        await ended(2)
        await page.locator(".more").last.click()
        await page.locator(".conversation").evaluate("one => { one.scrollTop = 1e6; }")
        await page.mouse.move(640, 2)
        await page.wait_for_timeout(500)
        await page.screenshot(path=images / "page-talk.png")

        await page.goto(hub.web + "/#/turns")
        await page.emulate_media(color_scheme="dark")
        await page.locator(".turn-row .row-open").first.click()
        await page.mouse.move(640, 2)
        await page.wait_for_timeout(1000)
        await page.screenshot(path=images / "page-turns.png")

        await page.goto(hub.web + "/#/talk")
        await page.set_viewport_size({"width": 390, "height": 780})
        await ask("What is the capital of Portugal?")
        await ended(3)
        await page.locator("body").evaluate("() => document.activeElement.blur()")
        await page.locator(".conversation").evaluate("one => { one.scrollTop = 1e6; }")
        await page.screenshot(path=images / "page-phone.png")
