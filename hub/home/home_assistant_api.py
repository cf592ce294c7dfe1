"""Home Assistant's API: requests that do something, each sent exactly once."""

import asyncio
import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from hub.config import HomeAssistantSettings, state_folder
from protocol.private_files import read_private

_CONNECT_TIMEOUT = 1.5  # seconds, with the look-up of its name; it is on the same network
_MOST_BYTES = 1 << 20  # of an answer
_MOST_MESSAGE = 64 << 20  # of a list on the websocket: thousands of entities
_HEARTBEAT = 10.0  # seconds between pings of the websocket
_TOKEN_FILE = "home-assistant.token"  # noqa: S105 (a file's name)


class NotReached(Exception):
    """Nothing was done: Home Assistant was not reached, or turned the request away.

    The message says why, and what to do; it is for logs and `doctor`.
    """


class NoAnswer(Exception):
    """The request was sent, and no answer came that can be read: it may have been done or not."""


class Refused(NotReached):
    """It turned the token down."""


class Api:
    """One Home Assistant, spoken to over HTTP. Use it as an asynchronous context manager.

    Every request has a connection of its own. On one that was kept, a request could get lost in a
    restart of Home Assistant without telling whether it was done, and none may be sent twice.

    Args:
        settings: where it is.
        token: that it let somebody have for us.
    """

    def __init__(self, settings: HomeAssistantSettings, token: str) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open it; nothing is sent yet.

        Raises:
            NotReached: the certificate cannot be read.
        """
        trust = await asyncio.to_thread(_trust, self._settings)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, with all that is under way."""
        assert self._session is not None
        await self._session.close()

    async def process(self, text: str, language: str, agent: str, *, patience: float) -> Any:
        """Let Home Assistant understand a sentence and do it; return its `response`.

        Args:
            text: the sentence.
            language: ISO 639-1.
            agent: the conversation agent's id.
            patience: seconds that an answer may take.

        Raises:
            NotReached: it was not done.
            NoAnswer: it may have been done or not.
        """
        body = {"text": text, "language": language, "agent_id": agent}
        answer = await self._request("POST", "/api/conversation/process", body, patience)
        try:
            return answer["response"]
        except (KeyError, TypeError) as error:
            raise NoAnswer("its answer holds no response") from error

    async def call(
        self, domain: str, service: str, data: dict[str, Any], *, patience: float
    ) -> Any:
        """Call a service; return the states that it changed. It raises as `process` does."""
        return await self._request("POST", f"/api/services/{domain}/{service}", data, patience)

    async def _request(self, method: str, path: str, body: Any, patience: float) -> Any:
        assert self._session is not None, "used outside of its context"
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with (
                asyncio.timeout(patience),
                # A redirect would take the token elsewhere.
                self._session.request(
                    method, self._url + path, json=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise self._trouble(response.status)
                content = await response.content.read(_MOST_BYTES + 1)
                while not response.content.at_eof() and len(content) <= _MOST_BYTES:
                    content += await response.content.read(_MOST_BYTES)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotReached(self.why(error)) from error
        except TimeoutError as error:
            raise NoAnswer(f"no answer within {patience:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"the connection broke: {type(error).__name__}") from error
        if len(content) > _MOST_BYTES:
            raise NoAnswer("its answer is too long")
        try:
            return json.loads(content)
        except ValueError as error:
            raise NoAnswer("its answer is no JSON") from error

    def _trouble(self, status: int) -> Exception:
        """Return what an answer other than 200 means."""
        if status in (401, 403):
            return Refused(
                f"{self._url} refuses the token: make a new long-lived access token there (your "
                f"profile, Security), and put it into {token_path(self._settings)}"
            )
        if status >= 500:
            return NoAnswer(f"status {status}")
        if 300 <= status < 400:
            return NotReached(f"{self._url} sends us elsewhere: set home_assistant.url to that")
        return NotReached(f"{self._url} answers with status {status}: is it Home Assistant?")

    def websocket(self) -> Any:
        """Return a context manager of a connection to the websocket API."""
        assert self._session is not None, "used outside of its context"
        return self._session.ws_connect(
            f"{self._url}/api/websocket",
            heartbeat=_HEARTBEAT,
            max_msg_size=_MOST_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )

    @property
    def token(self) -> str:
        """What the websocket API asks for in its first message."""
        return self._token

    def why(self, error: BaseException) -> str:
        """Say in words why it was not reached, and what to do."""
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)):
            return (
                f"{self._url}: its certificate is not trusted or not its own: set "
                f"home_assistant.certificate, or verify = false ({error})"
            )
        return f"cannot reach {self._url}: is it running, is home_assistant.url right? ({error})"


def token_path(settings: HomeAssistantSettings) -> Path:
    """Return the file with the token."""
    if settings.token_file is not None:
        return Path(settings.token_file).expanduser()
    return state_folder() / _TOKEN_FILE


def read_token(settings: HomeAssistantSettings) -> str:
    """Read the token; blocks.

    Raises:
        NotReached: there is none, or others may read it.
    """
    path = token_path(settings)
    try:
        token = read_private(path).decode("ascii").strip()
    except FileNotFoundError as error:
        raise NotReached(
            f"home_assistant.token_file: put a long-lived access token of Home Assistant (your "
            f"profile, Security) into {path}, and chmod 600 it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise NotReached(f"home_assistant.token_file: {error}") from error
    if not token or any(part.isspace() or not part.isprintable() for part in token):
        raise NotReached(f"home_assistant.token_file: {path} holds no token")
    return token


def _trust(settings: HomeAssistantSettings) -> ssl.SSLContext | bool:
    """Return how certificates are checked; blocks."""
    if not settings.verify:
        return False
    if not settings.certificate:
        return True
    try:
        return ssl.create_default_context(cafile=Path(settings.certificate).expanduser())
    except OSError as error:  # ssl.SSLError is one
        raise NotReached(f"home_assistant.certificate: {settings.certificate}: {error}") from error
