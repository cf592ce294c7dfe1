"""What a page of another site gets out of a hub, in a real browser that may use the hub."""

import pytest
from browser import chromium
from guarded_hub import PASSWORD, running_hub

STRANGER = "http://stranger.example/"
PAGE = """<!doctype html><title>Stranger</title>
<a id="link" href="HUB/">look</a>
<form id="form" method="post" action="HUB/api/announce" enctype="text/plain">
<input name='{"text": "' value='Dinner!"}'></form>"""

TRIES = {
    "reads": "fetch('HUB/api/live', {credentials: 'include'}).then(r => r.text())",
    "posts": """fetch('HUB/api/announce', {method: 'POST', mode: 'no-cors', body: '{"text": "Hi"}',
        credentials: 'include', headers: {'Content-Type': 'text/plain'}}).then(r => r.text())""",
    "asks first": """fetch('HUB/api/announce', {method: 'POST', body: '{"text": "Hi"}',
        credentials: 'include', headers: {'Content-Type': 'application/json'}})
        .then(r => r.text())""",
    "listens": """new Promise((done, failed) => {
        const socket = new WebSocket('HUB/api/events'.replace('http', 'ws'));
        socket.onmessage = event => done(event.data); socket.onerror = failed })""",
    "talks": """new Promise((done, failed) => {
        const socket = new WebSocket('HUB/api/talk?tab=00000000000000000000'.replace('http', 'ws'));
        socket.onmessage = event => done(event.data); socket.onerror = failed })""",
    "frames": """new Promise(done => {
        const frame = document.createElement('iframe');
        frame.src = 'HUB/';
        frame.onload = () => done(frame.contentDocument ? frame.contentDocument.title : 'refused');
        document.body.append(frame) })""",
    "shows": """new Promise((done, failed) => {
        const image = new Image(); image.src = 'HUB/page/icon.svg';
        image.onload = () => done('shown'); image.onerror = failed })""",
    "runs": """new Promise((done, failed) => {
        const script = document.createElement('script');
        script.src = 'HUB/api/docs/docs.js';
        script.onload = () => done('ran'); script.onerror = failed;
        document.body.append(script) })""",
}


@pytest.mark.parametrize("listen", ["http://127.0.0.1:0", "https://127.0.0.1:0"])
async def test_a_stranger_gets_nothing_and_does_nothing(tmp_path, monkeypatch, listen):
    announced = []

    async def announce(text, room=None):
        announced.append(text)
        return {"Hall": "heard"}

    async with running_hub(tmp_path, monkeypatch, listen) as hub, chromium() as browser:
        hub.hub._announcer.announce = announce
        context = await browser.new_context(ignore_https_errors=True)
        own = await context.new_page()
        await own.goto(hub.url)
        if listen.startswith("https"):
            await own.fill("#password", PASSWORD)
            await own.keyboard.press("Enter")
            await own.wait_for_url(hub.url + "/")
        assert "ready" in await own.evaluate("fetch('/api/live').then(r => r.text())")

        body = PAGE.replace("HUB", hub.url)

        async def serve(route):
            await route.fulfill(body=body, content_type="text/html")

        await context.route(STRANGER + "**", serve)
        page = await context.new_page()
        await page.goto(STRANGER)
        for name, script in TRIES.items():
            tried = f"({script.replace('HUB', hub.url)}).catch(() => 'refused')"
            got = await page.evaluate(tried)
            assert got in ("", "refused"), name
        await page.evaluate("document.getElementById('form').submit()")
        await page.wait_for_url(hub.url + "/api/announce")
        assert "wrong-origin" in await page.content()
        assert announced == []

        # and who follows a link is on the page, logged in as before
        await page.goto(STRANGER)
        await page.click("#link")
        await page.wait_for_selector("main")
        assert page.url == hub.url + "/"
        assert "ready" in await page.evaluate("fetch('/api/live').then(r => r.text())")
