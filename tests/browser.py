"""The system's Chromium, for tests of the page. No browser is ever downloaded."""

import contextlib
import shutil
from dataclasses import dataclass, field

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Watched:
    """What a page did that it should not do."""

    address: str  # where it is served
    problems: list[str] = field(default_factory=list)

    def follow(self, page):
        """Note errors on the console, and requests to anywhere else."""
        page.on("console", self._console)
        page.on("pageerror", lambda problem: self.problems.append(f"error: {problem}"))
        page.on("request", self._request)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _request(self, request):
        own = (self.address, self.address.replace("http", "ws", 1), "blob:")
        if not request.url.startswith(own):
            self.problems.append(f"request to {request.url}")


@contextlib.asynccontextmanager
async def chromium(*arguments: str):
    """A headless Chromium; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright")
    async with playwright.async_playwright() as driver:
        # Tests run as root in containers, where its sandbox cannot.
        browser = await driver.chromium.launch(
            executable_path=found, args=["--no-sandbox", *arguments]
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def opened(
    browser, address: str, path: str = "", *expected, context=None, script="", **options
):
    """A page of the hub at `address`; fails where it misbehaved, but for what is `expected`.

    Args:
        browser: which opens it.
        address: of the hub.
        path: of the page there.
        expected: pieces of problems that are none.
        context: where it is opened; in one of its own, made with `options`, if there is none.
        script: runs in the page before the page's own.
        options: see above.
    """
    size = {"width": 1280, "height": 800}
    own = context or await browser.new_context(viewport=size, **options)
    watched = Watched(address)
    try:
        page = await own.new_page()
        watched.follow(page)
        if script:
            await page.add_init_script(script)
        await page.goto(address + "/" + path)
        yield page
    finally:
        if context is None:
            await own.close()
    problems = [one for one in watched.problems if not any(text in one for text in expected)]
    assert not problems, problems


async def measuring(page):
    """Return a way to measure what a page takes, when its garbage was collected."""
    tools = await page.context.new_cdp_session(page)
    await tools.send("Performance.enable")

    async def measure() -> dict[str, float]:
        for _ in range(2):  # what the first frees may free more
            await tools.send("HeapProfiler.collectGarbage")
        told = (await tools.send("Performance.getMetrics"))["metrics"]
        return {one["name"]: one["value"] for one in told}

    return measure
