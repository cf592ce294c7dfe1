"""The page's files: how they are served, and what may not be in them."""

import re

import pytest
from aiohttp import web

from hub.web import pages

FILES = sorted(path for path in pages.FOLDER.rglob("*") if path.is_file())
SOURCES = [path for path in FILES if path.suffix in (".html", ".css", ".js", ".svg")]

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}


@pytest.fixture
async def client(aiohttp_client):
    app = web.Application()
    app.add_routes(pages.routes(None))
    return await aiohttp_client(app)


async def test_the_page_is_served_at_the_root(client):
    answer = await client.get("/")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert (await answer.text()).startswith("<!doctype html>")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
async def test_every_file_is_served_with_its_type(client, path):
    name = path.relative_to(pages.FOLDER).as_posix()
    answer = await client.get("/" if name == "index.html" else f"/page/{name}")
    assert answer.status == 200
    assert await answer.read() == path.read_bytes()
    assert answer.content_type == TYPES[path.suffix]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_that_has_not_changed_is_not_sent_again(client):
    first = await client.get("/page/js/main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get("/page/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    other = await client.get("/page/js/main.js", headers={"If-None-Match": '"another"'})
    assert other.status == 200


async def test_nothing_beside_the_page_can_be_reached(client):
    for path in ("/page/../pages.py", "/page/%2e%2e/pages.py", "/page/", "/page/js", "/page//etc"):
        assert (await client.get(path)).status == 404, path


async def test_the_policy_forbids_what_is_not_ours(client):
    policy = (await client.get("/")).headers["Content-Security-Policy"]
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["script-src"] == parts["style-src"] == "'self'"
    assert "unsafe" not in policy
    assert parts["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)  # a comment may name its source
    assert not re.search(r"""(?:https?:)?//[\w-]+\.\w""", text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_text_becomes_markup(path):
    text = path.read_text(encoding="utf-8")
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "srcdoc",
    ):
        assert way not in text


def test_the_page_has_nothing_inline():
    text = (pages.FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)


def test_every_file_that_is_named_is_there():
    names = {path.relative_to(pages.FOLDER).as_posix() for path in FILES}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"""["'(]/page/([\w./-]+)["')]""", text):
            assert found in names, f"{path.name}: {found}"
        for found in re.findall(r"""url\("([^"]+)"\)""", text):
            assert (path.parent / found).resolve().is_file(), f"{path.name}: {found}"
        if path.suffix == ".js":
            for found in re.findall(r"""from "(\.[^"]+)";""", text):
                assert (path.parent / found).resolve().is_file(), f"{path.name}: {found}"
