"""A hub with scripted engines, on this machine or open to others, and who talks to it over HTTP."""

import contextlib
import ssl

import aiohttp
from web_hub import web_hub

from hub.web.credentials import Credentials

PASSWORD = "correct horse battery"


def anybody():
    """What speaks TLS with whatever certificate there is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Clock:
    """Time that passes only when told to."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


class GuardedHub:
    """A running hub, and how to reach it.

    Args:
        hub: it.
        state: its state folder.
    """

    def __init__(self, running, state):
        self.hub = running
        self.server = running._web
        self.state = state
        self.credentials = Credentials(state)
        self.url = running.web_address
        self.port = int(self.url.rpartition(":")[2] or 0)
        self.origin = {"Origin": self.url}

    @contextlib.asynccontextmanager
    async def client(self, **headers):
        """Somebody with cookies of its own."""
        connector = aiohttp.TCPConnector(ssl=anybody(), limit=0)
        jar = aiohttp.CookieJar(unsafe=True)  # (cookies of an IP address, too)
        async with aiohttp.ClientSession(
            self.url, connector=connector, cookie_jar=jar, headers=headers
        ) as session:
            yield session

    async def log_in(self, client, password=PASSWORD):
        """Log in as the form does."""
        return await client.post(
            "/login", data={"password": password}, headers=self.origin, allow_redirects=False
        )


@contextlib.asynccontextmanager
async def running_hub(folder, monkeypatch, listen="http://127.0.0.1:0", password=PASSWORD):
    """A hub that serves HTTP at `listen`; one at https:// has a password."""
    state = folder / "state" / "parlour"
    if listen.startswith("https") and password is not None:
        Credentials(state).set_password(password)
    service = f"unix://{folder}/service"
    async with web_hub(folder, monkeypatch, listen=listen, service=service) as running:
        yield GuardedHub(running, state)
