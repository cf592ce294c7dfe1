"""Takes the pictures of docs/home-assistant.md, in the real Home Assistant's own pages.

pip install playwright; apt-get install chromium
HOME_ASSISTANT=2026.11.0 pytest tests/homeassistant/pictures.py
"""

import json
import time

import pytest
from ha_server import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGES = ROOT / "docs" / "images"
WIDTH = 1100


async def test_pictures_are_taken(home, added):
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
    # Its pages show the beginner's guide until all of that was gone through; its last steps would
    # add integrations that need the internet.
    await home.assistant.stop()
    guide = home.assistant.home / ".storage" / "onboarding"
    content = json.loads(guide.read_text(encoding="utf-8"))
    content["data"]["done"] = ["user", "core_config", "analytics", "integration"]
    guide.write_text(json.dumps(content), encoding="utf-8")
    await home.assistant.start()
    IMAGES.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = await browser.new_page()
        script = f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(login))});"
        await page.add_init_script(script)

        async def take(name: str, height: int, path: str, *clicks: str) -> None:
            await page.set_viewport_size({"width": WIDTH, "height": height})
            await page.goto(home.assistant.url + path)
            await page.wait_for_timeout(6000)
            for click in clicks:
                await page.get_by_text(click, exact=True).first.click()
                await page.wait_for_timeout(3000)
            await page.screenshot(path=IMAGES / f"{name}.png")

        await take("ha-hub", 530, "/config/integrations/integration/wyoming")
        await take("ha-satellite", 900, f"/config/devices/device/{added.device}")
        await take("ha-assistant", 1250, "/config/voice-assistants/assistants", "Parlour")
        await browser.close()
