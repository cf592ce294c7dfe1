"""Who a request comes from, where the hub is reached over the network: sessions and tokens."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, web

from hub.conversation.patience import where
from hub.pairings import digest_of
from hub.web.credentials import Credentials, Kept
from protocol.settings import ConfigError
from protocol.throttle import Throttle

_LOGGER = logging.getLogger(__name__)

_LOOK_AGAIN = 1.0  # seconds, at the file: what is changed there counts within two
_IDLE = 7 * 86400.0  # seconds without a request after which a session is over
_LONGEST = 30 * 86400.0  # seconds after which it is over in any case
_MOST_SESSIONS = 64  # of more, the one that was used longest ago ends
_MOST_LOGINS = 8  # that wait for their password to be checked
_GOODBYE = 2.0  # seconds that a websocket's peer has to hear that it is over


class NotLoggedIn(Exception):
    """A login was refused.

    Attributes:
        code: "wrong-password", "too-many-logins" (from there; wait), "busy" or "no-password".
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False, slots=True)
class Caller:
    """One session of the page, or one token, or this machine.

    Args:
        name: for the log and for limits; no secret.
        digest: of the token or the session; "" for this machine.
        began: when it was first seen, on the monotonic clock.
        used: when it last was.
        sockets: its open websockets, and the requests that opened them.
        over: whether it counts no more.
    """

    name: str
    digest: str
    began: float = 0.0
    used: float = 0.0
    sockets: dict[web.WebSocketResponse, web.BaseRequest] = field(default_factory=dict)
    over: bool = False

    async def hang_up(self, code: int, reason: str) -> None:
        """Close its websockets."""
        closing = (_close(*pair, code, reason) for pair in tuple(self.sockets.items()))
        await asyncio.gather(*closing)


class Callers:
    """Knows sessions and tokens.

    Args:
        credentials: the file with password and tokens.
        own_token: one more token, of this machine's own commands.
        throttle: where failed logins are counted.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        credentials: Credentials,
        own_token: str = "",
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._own = digest_of(own_token) if own_token else None
        self._throttle = throttle if throttle is not None else Throttle()
        self._clock = clock
        self._version: tuple[int, int, int] | None = None
        self._kept = Kept()
        self._sessions: dict[str, Caller] = {}  # by digest; the one that was used last is last
        self._programs: dict[str, Caller] = {}  # by digest
        self._checking = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._logins = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._told = ""

    @property
    def has_password(self) -> bool:
        """Whether somebody could log in at all."""
        return self._kept.password is not None

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def everybody(self) -> list[Caller]:
        """Return all that were seen and still count."""
        return [*self._sessions.values(), *self._programs.values()]

    async def load(self) -> None:
        """Read the file.

        Raises:
            ConfigError: it is broken, or others can read it.
            OSError: it cannot be read.
        """
        self._version = await asyncio.to_thread(self._credentials.version)
        self._kept = await asyncio.to_thread(self._credentials.read)

    async def watch(self) -> None:
        """Let what changes in the file count, and end what is over; runs until it is cancelled."""
        told = ""
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            try:
                await self.refresh()
                told = ""
            except Exception as exc:  # a bug, but without this loop nobody is ever revoked
                if (bug := where(exc)) != told:
                    _LOGGER.error("web: password and tokens: not looked at: %s", bug)
                told = bug

    async def refresh(self) -> None:
        """Read the file again if it changed; end what counts no more.

        While it cannot be read what was known still counts, and the log says so once.
        """
        try:
            async with self._reading:  # or what was read before could replace what was read later
                if await asyncio.to_thread(self._credentials.version) != self._version:
                    before = self._kept.password
                    await self.load()
                    if self._kept.password != before:
                        self._end(list(self._sessions.values()), "the password was changed")
            self._told = ""
        except (ConfigError, OSError) as exc:
            if str(exc) != self._told:
                _LOGGER.error("web: %s; the password and tokens known so far still count", exc)
            self._told = str(exc)
        digests = {token.digest for token in self._kept.tokens.values()} | {self._own}
        gone = [caller for digest, caller in self._programs.items() if digest not in digests]
        self._end(gone, "the token was revoked")
        over = [session for session in self._sessions.values() if self._is_over(session)]
        self._end(over, "signed out: too long ago")

    async def close(self) -> None:
        """Close all websockets."""
        await hang_up(self.everybody())
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def log_in(self, password: str, host: str) -> str:
        """Begin a session; return its secret, which the cookie holds.

        Args:
            password: as it was typed.
            host: from where.

        Raises:
            NotLoggedIn: not with this password, or not now.
        """
        if self._logins >= _MOST_LOGINS:
            raise NotLoggedIn("busy")
        self._logins += 1
        try:
            async with self._checking:  # one at a time: each takes a core and 32 MiB
                # In here: of many at once from one address only the first few are checked.
                if self._throttle.refuses(host):
                    raise NotLoggedIn("too-many-logins")
                await self.refresh()
                kept = self._kept.password
                if kept is None:
                    raise NotLoggedIn("no-password")
                if not await asyncio.to_thread(kept.matches, password):
                    self._throttle.failed(host)
                    raise NotLoggedIn("wrong-password")
                self._throttle.succeeded(host)
                if self._kept.password != kept:  # it was changed in these milliseconds
                    raise NotLoggedIn("wrong-password")
                return self._begin()
        finally:
            self._logins -= 1

    def _begin(self) -> str:
        secret = secrets.token_urlsafe(32)
        digest = digest_of(secret)
        now = self._clock()
        if len(self._sessions) >= _MOST_SESSIONS:
            self._end([next(iter(self._sessions.values()))], "signed out: too many sessions")
        name = f"session {hashlib.sha256(digest.encode()).hexdigest()[:8]}"
        self._sessions[digest] = Caller(name, digest, now, now)
        return secret

    def by_cookie(self, secret: str) -> Caller | None:
        """Return the session that has this secret."""
        digest = digest_of(secret)
        session = self._sessions.get(digest)  # by digest: how long it takes tells nothing
        if session is None:
            return None
        if self._is_over(session):
            self._end([session], "signed out: too long ago")
            return None
        session.used = self._clock()
        self._sessions[digest] = self._sessions.pop(digest)
        return session

    def by_token(self, token: str) -> Caller | None:
        """Return the program that has this token; `refresh` knows the newest ones."""
        digest = digest_of(token)
        own = self._own is not None and secrets.compare_digest(digest, self._own)
        if (holder := "this machine" if own else self._kept.holder_of(token)) is None:
            return None
        now = self._clock()
        caller = self._programs.setdefault(digest, Caller(f"token {holder}", digest, now))
        caller.used = now
        return caller

    def log_out(self, session: Caller) -> None:
        """End a session and close its websockets."""
        self._end([session], "signed out")

    def _is_over(self, session: Caller) -> bool:
        now = self._clock()
        if session.sockets:  # an open page is in use
            session.used = now
        return now - session.used > _IDLE or now - session.began > _LONGEST

    def _end(self, callers: list[Caller], why: str) -> None:
        """Forget them at once; their websockets are told why, and closed."""
        for caller in callers:
            caller.over = True  # for a websocket that is opened at this very moment
            self._sessions.pop(caller.digest, None)
            self._programs.pop(caller.digest, None)
            if caller.sockets:
                _LOGGER.info("web: %s: %s", caller.name, why)
                closing = caller.hang_up(WSCloseCode.POLICY_VIOLATION, why)
                task = asyncio.create_task(closing, name="web: hang up")
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)


async def hang_up(callers: list[Caller]) -> None:
    """Close all websockets, since the hub stops."""
    reason = "the hub stops"
    await asyncio.gather(*(caller.hang_up(WSCloseCode.GOING_AWAY, reason) for caller in callers))


async def _close(
    socket: web.WebSocketResponse, request: web.BaseRequest, code: int, reason: str
) -> None:
    """Close a websocket; one whose peer does not listen is cut off."""
    transport = request.transport
    try:
        async with asyncio.timeout(_GOODBYE):
            await socket.close(code=code, message=reason.encode())
    except (TimeoutError, ConnectionError, RuntimeError):
        # It does not listen, is gone, or (RuntimeError) is not quite open yet.
        if transport is not None:
            transport.abort()
