"""What the tests of the page share: a hub that starts at once, and a browser."""

import pytest
from browser import chromium
from web_hub import web_hub


@pytest.fixture
async def hub(tmp_path, monkeypatch):
    """A whole hub with scripted engines, in this process."""
    async with web_hub(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
async def browser():
    async with chromium() as running:
        yield running
