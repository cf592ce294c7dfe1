"""Keeps one engine of each role loaded, and brings it back when it fails."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from typing import Any, Generic, TypeVar

from hub.engines.base import (
    BadInput,
    Elsewhere,
    Engine,
    EngineBusy,
    EngineError,
    EngineUnavailable,
)

_LOGGER = logging.getLogger(__name__)
_FIRST_RETRY = 0.5  # seconds
_LONGEST_RETRY = 60.0
_WELL = 30.0  # seconds after which one that works is no part of a series of failures
_CLOSE_TIMEOUT = 15.0

E = TypeVar("E", bound=Engine)
T = TypeVar("T")


class EngineState(Enum):
    """Where an engine stands."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Supervised(Generic[E]):
    """One role's engine: loaded in the background, restarted with back-off after a failure.

    Args:
        role: "stt", "llm", "tts", "vad" or "wake", for people.
        make: returns a fresh engine that is not loaded yet.
        warm: what to do with a loaded engine before it counts as ready.
    """

    def __init__(
        self,
        role: str,
        make: Callable[[], Awaitable[E]],
        warm: Callable[[E], Awaitable[None]] | None = None,
    ) -> None:
        self.role = role
        self.state = EngineState.LOADING
        self.reason = ""  # why it failed, in words for people
        self.restarts = 0
        self.load_seconds = 0.0
        self.in_use = 0  # how many have it lent at the moment
        self._make = make
        self._warm = warm
        self._engine: E | None = None
        self._replaced: list[E] = []  # that are to be closed before another one is loaded
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None  # loads, then watches
        self._tasks: set[asyncio.Task[None]] = set()  # it, and those before that still clean up
        self._ready_since = 0.0  # on the monotonic clock
        self._pause = 0.0  # seconds before the next one is loaded

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._spawn(self._load())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(work, name=f"load {self.role}")
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    @property
    def started(self) -> bool:
        """Whether it is wanted at all."""
        return self._task is not None

    @property
    def idle(self) -> bool:
        """Whether nobody has it lent at the moment."""
        return self.in_use == 0

    @property
    def current(self) -> E | None:
        """The loaded engine, if there is one at the moment."""
        return self._engine

    @property
    def loaded(self) -> tuple[E, ...]:
        """All that are loaded, for whatever concerns each of them."""
        return () if self._engine is None else (self._engine,)

    def has(self, engine: E) -> bool:
        """Tell whether this very engine is loaded, and not reported as failed."""
        return engine is self._engine

    def other(self, engine: E) -> E | None:
        """Return an engine that works, other than this one; None where there is none."""
        return None if self.current is engine else self.current

    def fit(self, engine: E) -> bool:
        """Tell whether a loaded engine is one to turn to while another one still works."""
        return True

    def instead(self, engine: E, error: EngineError) -> E | None:
        """Return the engine that is to do all again what `engine`, which was used, failed at.

        None where no other one works, where it would fail at that, too, and where nobody waits for
        it any more: an engine may complain while it is being cancelled.
        """
        if isinstance(error, BadInput) or being_cancelled():
            return None
        if self.has(engine) and not isinstance(error, EngineBusy):
            return None  # it is slow, and works
        return self.other(engine)

    async def get(self, *, timeout: float) -> E:
        """Return the loaded engine, waiting at most `timeout` seconds while it loads.

        Raises:
            EngineUnavailable: it failed, or does not become ready in time.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._engine is None:
                    if self.state is EngineState.FAILED:
                        raise EngineUnavailable(self.reason)
                    await self.news()
        except TimeoutError:
            raise EngineUnavailable(f"{self.role} is still loading") from None
        return self._engine

    def share_news(self, other: "Supervised[E]") -> None:
        """Tell those who wait for `other`, too, when something changes; before either starts."""
        self._changed = other._changed

    async def news(self) -> None:
        """Wait until something changes; for as long as the caller does."""
        self._changed.clear()
        await self._changed.wait()

    def failed(self, engine: E, error: BaseException) -> None:
        """Take a report that `engine` raised or hung; a fresh one replaces it."""
        if engine is not self._engine or isinstance(error, BadInput | EngineBusy):
            return  # somebody reported it already, or it is well
        _LOGGER.error("%s failed (%s); restarting it", self.role, error)
        self.restarts += 1
        self._engine = None
        self.state, self.reason = EngineState.LOADING, str(error)
        self._replaced.append(engine)
        lived = time.monotonic() - self._ready_since
        self._pause = min(max(2 * self._pause, _FIRST_RETRY), _LONGEST_RETRY) * (lived < _WELL)
        self._again()

    def renew(self) -> None:
        """Load a fresh engine instead of this one: what it is made of has changed."""
        if self._task is None:
            return  # it has not begun
        if self._engine is not None:
            self._replaced.append(self._engine)
            self._engine = None
        self._pause = 0.0
        self._set(EngineState.LOADING, "")
        self._again()

    def _again(self) -> None:
        """Load anew, once what loads or watches at the moment has ended."""
        assert self._task is not None
        before: asyncio.Task[None] = self._task
        if asyncio.current_task() is not before:  # else it ends by itself
            before.cancel()
        self._spawn(self._load_after(tuple(self._tasks)))

    async def _load_after(self, before: Collection[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)  # they close what they made
        await self._load()

    @asynccontextmanager
    async def lent(self, *, timeout: float) -> AsyncIterator[E]:
        """Lend the loaded engine, waiting as `get` does; what it raises meanwhile is reported."""
        engine = await self.get(timeout=timeout)
        with self.using(engine):
            yield engine

    async def do(self, work: Callable[[E], Awaitable[T]], *, timeout: float) -> T:
        """Return what `work` makes with the loaded engine, waiting for that as `get` does.

        Where the engine fails and another one works, that one does it all again.

        Raises:
            EngineUnavailable: there is no engine, and none in time.
            EngineError: as `work` raises it.
        """
        engine = await self.get(timeout=timeout)
        try:
            with self.using(engine):
                return await work(engine)
        except EngineError as exc:
            if (other := self.instead(engine, exc)) is None:
                raise
        with self.using(other):
            return await work(other)

    @contextmanager
    def using(self, engine: E) -> Iterator[None]:
        """Count that `engine` is used, and take what it raises meanwhile as a report."""
        self.in_use += 1
        try:
            yield
        except EngineError as exc:
            self.failed(engine, exc)
            raise
        finally:
            self.in_use -= 1

    async def close(self) -> None:
        """Stop loading, free the engine; whoever waits for it is told."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if self._tasks:  # `wait` and no `gather`, which would cancel them again while they clean up
            await asyncio.wait(tuple(self._tasks))
        if self._engine is not None:
            self._replaced.append(self._engine)
            self._engine = None  # from here on nobody can report it
        self._set(EngineState.FAILED, f"{self.role} is stopped")
        await self._close_replaced()

    async def _close_replaced(self) -> None:
        while self._replaced:  # one whose closing is cancelled is closed again
            await _close(self.role, self._replaced[0])
            del self._replaced[0]

    async def _load(self) -> None:
        await self._close_replaced()
        await asyncio.sleep(self._pause)
        delay = _FIRST_RETRY
        engine: E | None = None
        while True:
            began, engine = time.monotonic(), None
            try:
                engine = await self._make()
                await engine.load()
                if self._warm is not None:
                    await self._warm(engine)
            except Exception as exc:  # whatever it is, the role must not stay without an engine
                before, why = self.reason, str(exc) or type(exc).__name__
                self._set(EngineState.FAILED, why)
                if why != before:  # the same again is no news
                    _LOGGER.error("%s: %s (trying again)", self.role, why)
                if engine is not None:
                    self._replaced.append(engine)
                    await self._close_replaced()
            except asyncio.CancelledError:
                if engine is not None:
                    self._replaced.append(engine)
                    await self._close_replaced()
                raise
            else:
                self._engine = engine
                self._ready_since = time.monotonic()
                self.load_seconds = time.monotonic() - began
                self._set(EngineState.READY, "")
                _LOGGER.info("%s ready: %s in %.1f s", self.role, engine.name, self.load_seconds)
                break
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY)
        if isinstance(engine, Elsewhere):
            # For as long as it is there; whoever stops or replaces it cancels this.
            self.failed(engine, await engine.lost())

    def _set(self, state: EngineState, reason: str) -> None:
        self.state, self.reason = state, reason
        self._changed.set()


def being_cancelled() -> bool:
    """Tell whether the present task is being cancelled: an engine may complain of that, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(role: str, engine: Engine) -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await engine.close()
    except Exception as exc:  # whatever it is, the engine is given up
        _LOGGER.warning("%s did not close in order: %s", role, exc)
