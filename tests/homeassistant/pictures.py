"""Takes the pictures of docs/home-assistant.md, in the real Home Assistant's own pages.

pip install playwright; apt-get install chromium
pytest tests/homeassistant/pictures.py
"""

import json
import time

import pytest
from ha_server import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1100, "height": 760}


async def test_pictures_are_taken(home, client, added):
    from playwright.async_api import async_playwright

    login = {
        "access_token": home.assistant.token,
        "token_type": "Bearer",
        "expires_in": 86400,
        "hassUrl": home.assistant.url,
        "clientId": f"{home.assistant.url}/",
        "expires": int((time.time() + 86400) * 1000),
        "refresh_token": "",
    }
    IMAGES.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport=SIZE)
        script = f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(login))});"
        await page.add_init_script(script)

        async def take(name: str, path: str, *clicks: str) -> None:
            await page.goto(home.assistant.url + path)
            await page.wait_for_timeout(6000)
            for click in clicks:
                await page.get_by_text(click, exact=True).first.click()
                await page.wait_for_timeout(3000)
            await page.screenshot(path=IMAGES / f"{name}.png")

        await take("ha-hub", "/config/integrations/integration/wyoming")
        await take("ha-satellite", f"/config/devices/device/{added.device}")
        await take("ha-assistant", "/config/voice-assistants/assistants", "Parlour")
        await browser.close()
