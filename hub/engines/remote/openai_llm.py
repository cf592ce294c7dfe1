"""A language model behind OpenAI's API: llama-server, vLLM, Ollama, another Parlour."""

import asyncio
import contextlib
import ipaddress
import json
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from hub.engines.base import (
    BadInput,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    Message,
    Sampling,
)
from hub.engines.remote.openai_errors import refused, said
from hub.engines.remote.openai_reply import OpenAiReply, drained
from hub.engines.remote.openai_servers import Server, extras, request, server_of
from hub.engines.remote.sse import TooMuch, whole
from protocol.private_files import read_private

_CONNECT_TIMEOUT = 5.0  # seconds, with the look-up of its name
_ANSWER_TIMEOUT = 10.0  # for the list of models
_SILENCE_TIMEOUT = 60.0  # without a word in a reply; a cold prefill of a long prompt is the longest
_WARM_UP_TIMEOUT = 300.0  # Ollama and llama-server's router load a model when it is first asked
_WARM_UP_TOKENS = 8  # enough to see whether it thinks aloud
_HEALTH_EVERY = 5.0  # seconds between two looks at an idle server
_HEALTH_AGAIN = 1.0  # after a look that failed
_HEALTH_TIMEOUT = 5.0
_MISSES = 2  # looks that failed, one after the other: it is gone
_BACKGROUND = 2  # replies at once that nobody waits for; llama-server has four places by default
_SHOWN = 10  # models that a message names
_NO_CHAT = ("embed", "rerank", "whisper")  # in names of models that do not chat


class OpenAiLlm:
    """A language model of a server that speaks OpenAI's API.

    Every request has a connection of its own, so that a load balancer spreads them, and none meets
    one that a restart of the server has ended. Replies in rooms never wait for chats here: of those
    only a few are sent at a time.

    Args:
        url: its base, http(s)://HOST:PORT/v1.
        model: its name for a model; None for the first that it has.
        key_file: a file, mode 600, with its key; None for none.
        temperature: 0 always takes the likeliest word.
    """

    def __init__(
        self, url: str, *, model: str | None, key_file: Path | None, temperature: float
    ) -> None:
        self._url = _without_user(url.rstrip("/"))
        self._with_user = self._url != url.rstrip("/")
        self.name = self.device = self._url
        self.note = ""
        self.model = ""  # that is used; known from `load` on
        self._wanted = model
        self._key_file = key_file
        self._key = ""
        self._temperature = temperature
        self._server = Server.OTHER
        self._extras: dict[str, Any] = {}
        self._background = asyncio.Semaphore(_BACKGROUND)
        self._replies: weakref.WeakSet[OpenAiReply] = weakref.WeakSet()
        self._session: aiohttp.ClientSession | None = None
        self._writing = 0
        self._heard_at = 0.0

    async def load(self) -> None:
        """See that it answers, has the model, and writes a few words.

        Raises:
            EngineUnavailable: it is not there, wants another key, or lacks the model; says what to
                do.
            EngineError: it fails.
        """
        if self._with_user:
            raise EngineUnavailable("llm.engine: no password in an address; set llm.key_file")
        if self._key_file is not None:
            self._key = await asyncio.to_thread(_read_key, self._key_file)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=_CONNECT_TIMEOUT, sock_read=_SILENCE_TIMEOUT
            ),
        )
        self.model, owner = await self._choose(await self._models())
        self._server = server_of(owner)
        thought = await self._warm_up()
        notes = []
        if thought:
            notes.append(f"{self.model} thinks before it answers; another one answers sooner")
        if self._key and self._url.startswith("http://") and not _is_here(self._url):
            notes.append("its key and all that is said cross the network in plain text")
        self.note = "; ".join(notes)

    async def close(self) -> None:
        """End all its connections."""
        for reply in list(self._replies):  # (closing the session would leave their readers waiting)
            reply.drop()
        if self._session is not None:
            await self._session.close()

    async def lost(self) -> EngineError:
        """Wait until it answers no more. A reply that comes in is a sign of life, too."""
        misses = 0
        while True:
            await asyncio.sleep(_HEALTH_AGAIN if misses else _HEALTH_EVERY)
            # llama-cpp-python's server lists its models only between replies.
            if self._writing or time.monotonic() - self._heard_at < _HEALTH_EVERY:
                misses = 0
                continue
            try:
                await self._get("/models", timeout=_HEALTH_TIMEOUT)
            except EngineError as exc:
                misses += 1
                if misses >= _MISSES:
                    return EngineError(str(exc))  # also where it says that it is only busy
            else:
                misses = 0

    async def prefill(
        self, room: str, messages: Sequence[Message], *, unfinished: bool = False
    ) -> None:
        """Have the beginning of all prompts read once; a room's is in the server's cache already.

        llama-server, vLLM and the others keep what prompts begin with by themselves. A request for
        words that are still being said would only take a place there.
        """
        if not room:
            asked = [*messages, Message("user", "Hello.")]
            await drained(self.generate(room, asked, max_tokens=1))

    def generate(
        self,
        room: str,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        sampling: Sampling | None = None,
        background: bool = False,
    ) -> OpenAiReply:
        """Begin a reply; see `hub.engines.base.LanguageModel`.

        Raises:
            BadInput: a grammar, for a server that knows none.
            EngineUnavailable: it is not loaded.
        """
        if self._session is None or self._session.closed:
            raise EngineUnavailable(f"llm: {self._url} is not in use")
        return self._reply(
            messages, max_tokens, sampling or Sampling(), self._extras, background=background
        )

    def forget(self, room: str) -> None:
        """Do nothing: such servers forget by themselves."""

    def _reply(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        sampling: Sampling,
        more: dict[str, Any],
        *,
        background: bool = False,
    ) -> OpenAiReply:
        body = request(
            self._server,
            self.model,
            messages,
            max_tokens=max_tokens,
            sampling=sampling,
            temperature=self._temperature,
        )
        reply = OpenAiReply(
            self._post,
            {**body, **more},
            where=self._url,
            server=self._server,
            key_file=str(self._key_file or ""),
            turn=self._turn(background=background),
            heard=self._heard,
        )
        self._replies.add(reply)
        return reply

    @contextlib.asynccontextmanager
    async def _turn(self, *, background: bool) -> Any:
        # No time-out: whoever asks in the background says how long it waits.
        async with self._background if background else contextlib.nullcontext():
            self._writing += 1
            try:
                yield
            finally:
                self._writing -= 1

    def _heard(self) -> None:
        self._heard_at = time.monotonic()

    async def _warm_up(self) -> bool:
        """Have a few words written, in a way that the server takes; say whether it thinks aloud.

        A server that refuses what goes beyond the oldest form of the API is asked without that.
        """
        hello = [Message("user", "Say: hello.")]
        for more in (extras(self._server), {}):
            reply = self._reply(hello, _WARM_UP_TOKENS, Sampling(), more)
            try:
                async with asyncio.timeout(_WARM_UP_TIMEOUT):
                    await drained(reply)
            except BadInput as exc:
                if not more:
                    raise EngineError(str(exc)) from None
            except TimeoutError:
                raise EngineError(
                    f"llm: {self._url} writes nothing for {_WARM_UP_TIMEOUT:g} s"
                ) from None
            else:
                self._extras = more
                return reply.thought
        raise AssertionError("unreachable")

    async def _models(self) -> dict[str, str]:
        """Return the names of its models, and who owns each."""
        try:
            listed = await self._get("/models", timeout=_ANSWER_TIMEOUT)
        except EngineBusy as exc:  # of a server that is not ready, the load is to be tried again
            raise EngineError(str(exc)) from None
        if not isinstance(listed, dict) or not isinstance(listed.get("data"), list):
            raise EngineUnavailable(_no_base(self._url))
        return {
            entry["id"]: str(entry.get("owned_by") or "")
            for entry in listed["data"]
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }

    async def _choose(self, models: dict[str, str]) -> tuple[str, str]:
        """Return the model that is used, and its owner."""
        if self._wanted is None:
            chats = [n for n in models if not any(part in n.lower() for part in _NO_CHAT)]
            if not (names := chats or list(models)):
                raise EngineUnavailable(f"llm: {self._url} has no models yet; load one there")
            return names[0], models[names[0]]
        if self._wanted in models:
            return self._wanted, models[self._wanted]
        with contextlib.suppress(EngineError):  # other names for the same: Parlour's, Ollama's
            path = f"/models/{quote(self._wanted, safe=':')}"
            found = await self._get(path, timeout=_ANSWER_TIMEOUT)
            if isinstance(found, dict) and isinstance(name := found.get("id"), str):
                return name, str(found.get("owned_by") or "")
        more = ", ..." if len(models) > _SHOWN else ""
        raise EngineUnavailable(
            f"llm.model: {self._url} has no model {self._wanted!r}; it has: "
            f"{', '.join(list(models)[:_SHOWN])}{more}"
        )

    async def _get(self, path: str, *, timeout: float) -> Any:
        try:
            async with asyncio.timeout(timeout):
                response = await self._send("GET", path, None)
                try:
                    answer = await _json_of(response)
                finally:
                    response.close()
        except TimeoutError:
            raise EngineError(f"llm: {self._url} does not answer within {timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise EngineError(f"llm: {self._url} broke off ({type(exc).__name__})") from None
        if answer is None or response.status in (404, 405):
            if response.status >= 500:
                raise refused(self._url, response.status, None, key_file=self._key_path)
            raise EngineUnavailable(_no_base(self._url))
        if response.status != 200:
            error = refused(self._url, response.status, answer, key_file=self._key_path)
            told = self._unkeyed(said(answer))
            if isinstance(error, EngineUnavailable) or not told:
                raise error
            raise type(error)(f"{error} ({told})")
        return answer

    async def _post(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        """Ask for a reply; return the answer that holds it."""
        response = await self._send("POST", "/chat/completions", body)
        if response.status == 200:
            return response
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                answer = await _json_of(response)
        except (TimeoutError, aiohttp.ClientError, OSError):
            answer = None
        finally:
            response.close()
        raise refused(self._url, response.status, answer, key_file=self._key_path)

    async def _send(self, method: str, path: str, body: Any) -> aiohttp.ClientResponse:
        assert self._session is not None
        try:
            # A redirect would take the key elsewhere.
            return await self._session.request(
                method, self._url + path, json=body, allow_redirects=False
            )
        except aiohttp.ClientConnectorCertificateError as exc:
            why = f"its certificate is not trusted ({exc.certificate_error})"
        except aiohttp.ClientConnectorDNSError:
            why = "no machine of that name"
        except aiohttp.ClientConnectorError as exc:
            why = f"nobody answers there ({exc.os_error.strerror or 'no connection'})"
        except aiohttp.ServerTimeoutError:
            why = "it does not answer"
        except aiohttp.InvalidURL:
            why = "that is no address"
        except (aiohttp.ClientError, OSError) as exc:
            why = f"the connection broke ({type(exc).__name__})"
        raise EngineUnavailable(f"llm: cannot reach {self._url}: {why}") from None

    @property
    def _key_path(self) -> str:
        return str(self._key_file or "")

    def _unkeyed(self, text: str) -> str:
        return text.replace(self._key, "...") if self._key else text


async def _json_of(response: aiohttp.ClientResponse) -> Any:
    """Return the JSON of an answer; None where it is none."""
    try:
        return json.loads(await whole(response.content))
    except (TooMuch, ValueError, RecursionError):  # the latter where it is nested very deeply
        return None


def _no_base(url: str) -> str:
    return f"llm.engine: no list of models at {url}/models; is that the base, ending in /v1?"


def _read_key(path: Path) -> str:
    try:
        key = read_private(path).decode("ascii").strip()
    except FileNotFoundError:
        raise EngineUnavailable(f"llm.key_file: no file {path}") from None
    except UnicodeDecodeError:
        raise EngineUnavailable(f"llm.key_file: {path} holds no key") from None
    except OSError as exc:
        raise EngineUnavailable(f"llm.key_file: {exc}") from None
    if not key or any(part.isspace() or not part.isprintable() for part in key):
        raise EngineUnavailable(f"llm.key_file: {path} holds no key")
    return key


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_here(url: str) -> bool:
    """Say whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
