"""A thread of an engine's own, so that no model blocks the event loop; clients take turns on it."""

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hub.engines.base import EngineBusy, EngineError

_LOGGER = logging.getLogger(__name__)
_MAX_WAITING = 512
_MAX_WAITING_OF_ONE = 64  # calls of one client
# Seconds that a call may wait for the others: half of a turn's patience, so that the other half is
# left for the call itself before the turn takes the engine for one that hangs.
_QUEUE_TIMEOUT = 10.0
_LOOK = 1.0  # seconds; how often a call that waits looks whether the one before it hangs
_CLOSE_TIMEOUT = 5.0  # seconds

T = TypeVar("T")

client: ContextVar[str] = ContextVar("client", default="")
"""For whom an engine works: a room, or a connection. Whoever runs a turn or serves a peer sets it
in its own task; the tasks that it starts inherit it."""


@dataclass(slots=True, eq=False)
class _Call(Generic[T]):
    work: Callable[[], T]
    future: asyncio.Future[T]
    timeout: float
    began: float | None = None  # on the monotonic clock; None while it waits


class EngineThread:
    """Runs blocking calls of one engine, one at a time.

    Clients (see `client`) take turns, whoever has many calls and whoever has one; the calls of one
    client run in order.

    A daemon thread rather than an executor: a model that hangs must not keep the hub from
    stopping, and a hung thread is left behind when its engine is restarted.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[_Call[Any]]] = OrderedDict()  # by client, next first
        self._running: _Call[Any] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], *, timeout: float) -> T:
        """Return what `call` returns; raises what it raises.

        A cancelled caller leaves at once; its call is skipped if it has not begun.

        Args:
            call: the work.
            timeout: seconds that it may take, from when it begins.

        Raises:
            EngineBusy: too many calls wait, or the others took 10 s; the engine is well.
            EngineError: `timeout` seconds passed (a hang), or the engine was closed.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        this = _Call(call, future, timeout)
        self._put(this)
        asked = time.monotonic()
        wait = min(timeout, _LOOK)
        try:
            while not (await asyncio.wait([future], timeout=wait))[0]:
                now = time.monotonic()
                # Whoever asked for the one that runs may have gone, and then nobody else looks.
                running = self._running
                if running is None or running.began is None:
                    continue
                if now - running.began >= running.timeout:
                    raise EngineError(f"{self.name}: no answer for {running.timeout:g} s")
                if running is this:
                    wait = running.began + timeout - now
                elif now - asked >= _QUEUE_TIMEOUT:
                    raise EngineBusy(f"{self.name}: others took all of {_QUEUE_TIMEOUT:g} s")
        finally:
            future.cancel()  # does nothing to one that is done
        return future.result()

    async def each(self, made: Iterator[T], *, timeout: float) -> AsyncGenerator[T]:
        """Yield what a voice says one sentence after the other, each made on the thread.

        Args:
            made: makes the next one when it is asked for; None is none of them.
            timeout: seconds that one may take.

        Raises:
            EngineBusy: as `run`.
            EngineError: as `run`, or it raised while it made one.
        """

        def following() -> T | None:
            try:
                return next(made, None)
            except Exception as exc:
                # Its type alone: what it says may quote a text, and this may be logged.
                raise EngineError(f"{self.name}: {type(exc).__name__} while speaking") from exc

        while (one := await self.run(following, timeout=timeout)) is not None:
            yield one

    async def close(self) -> None:
        """End the thread after the calls that wait already; one that hangs is left behind.

        Waiting for it matters: an interpreter that ends while the thread is still freeing its
        model (CTranslate2's, for one) is aborted.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT)
        if self._thread.is_alive():
            _LOGGER.warning("%s hangs; left behind", self.name)
            with self._changed:
                left = [call for calls in self._waiting.values() for call in calls]
                self._waiting.clear()
            for call in left:
                _settle(call.future, None, EngineError(f"{self.name} was stopped"))

    def _put(self, call: _Call[Any]) -> None:
        who = client.get()
        with self._changed:
            if self._closing:
                raise EngineError(f"{self.name} was stopped")
            own = len(self._waiting.get(who, ()))
            everyones = sum(map(len, self._waiting.values()))
            if own >= _MAX_WAITING_OF_ONE or everyones >= _MAX_WAITING:
                raise EngineBusy(f"{self.name}: {everyones} calls are waiting already")
            self._waiting.setdefault(who, deque()).append(call)
            self._changed.notify()

    def _take(self) -> _Call[Any] | None:
        """(thread) Wait for the next call; None: stop."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()  # no time-out: `close` ends it
            who, calls = self._waiting.popitem(last=False)
            call = calls.popleft()
            if calls:
                self._waiting[who] = calls  # behind all others
            return call

    def _work(self) -> None:
        while (call := self._take()) is not None:
            if call.future.cancelled():
                continue
            call.began, self._running = time.monotonic(), call
            result: Any = None
            error: BaseException | None = None
            try:
                result = call.work()
            except BaseException as exc:  # handed to the caller, whatever it is
                error = exc
            self._running = None
            try:
                call.future.get_loop().call_soon_threadsafe(_settle, call.future, result, error)
            except RuntimeError:
                return  # the loop is gone, and with it everyone who could want the result


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future cannot carry StopIteration, and SystemExit would end the event loop
        future.set_exception(EngineError(f"the model raised {type(error).__name__}"))
