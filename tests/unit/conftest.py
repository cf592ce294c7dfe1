"""Hubs of which many tests ask something over HTTP."""

import pytest
from guarded_hub import running_hub
from web_hub import Engines, web_hub


@pytest.fixture
def engines():
    return Engines()


@pytest.fixture
async def house(tmp_path, monkeypatch, engines):
    """A whole hub with these engines."""
    async with web_hub(tmp_path, monkeypatch, engines) as house:
        yield house


@pytest.fixture
async def client(house, aiohttp_client):
    return await aiohttp_client(house._web.app())


@pytest.fixture
async def here(tmp_path, monkeypatch):
    """A hub on this machine."""
    async with running_hub(tmp_path, monkeypatch) as hub:
        yield hub


@pytest.fixture
async def there(tmp_path, monkeypatch):
    """A hub for others."""
    async with running_hub(tmp_path, monkeypatch, "https://127.0.0.1:0") as hub:
        yield hub
