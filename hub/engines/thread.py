"""A thread of an engine's own, so that no model blocks the event loop."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hub.engines.base import EngineError

_LOGGER = logging.getLogger(__name__)
_MAX_WAITING = 64
_CLOSE_TIMEOUT = 5.0  # seconds

T = TypeVar("T")


class EngineThread:
    """Runs blocking calls of one engine in order, one at a time.

    A daemon thread rather than an executor: a model that hangs must not keep the hub from
    stopping, and a hung thread is left behind when its engine is restarted.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._calls: queue.Queue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = (
            queue.Queue(_MAX_WAITING)
        )
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], *, timeout: float) -> T:
        """Return what `call` returns; raises what it raises.

        A cancelled caller leaves at once; its call is skipped if it has not begun.

        Raises:
            EngineError: too many calls are waiting, or `timeout` seconds passed (a hang).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        try:
            self._calls.put_nowait((future, call))
        except queue.Full:
            raise EngineError(f"{self.name}: {_MAX_WAITING} calls are waiting already") from None
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            if future.done() and not future.cancelled():
                raise  # the call itself raised it
            raise EngineError(f"{self.name}: no answer for {timeout:g} s") from None

    async def close(self) -> None:
        """End the thread after the calls that wait already; one that hangs is left behind.

        Waiting for it matters: an interpreter that ends while the thread is still freeing its
        model (CTranslate2's, for one) is aborted.
        """
        with contextlib.suppress(queue.Full):  # then it hangs, too
            self._calls.put_nowait(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT)
        if self._thread.is_alive():
            _LOGGER.warning("%s hangs; left behind", self.name)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            if future.cancelled():
                continue
            result: Any = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as exc:  # handed to the caller, whatever it is
                error = exc
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
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
