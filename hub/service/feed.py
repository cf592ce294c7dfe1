"""What comes in for a request that is already being served: bounded, and with an end."""

import asyncio
from collections import deque
from typing import AnyStr, Generic, Self

from hub.service.request import RequestError


class Feed(Generic[AnyStr]):
    """Sound or text on its way from the peer to a model; iterate over it.

    Args:
        empty: b"" or "".
        most: bytes or letters that may wait; then `put` waits, and the peer is not read.
        timeout: seconds without anything after which the peer counts as gone.
        what: what comes in, for people.
    """

    def __init__(self, empty: AnyStr, most: int, timeout: float, what: str) -> None:
        self._empty: AnyStr = empty
        self._most = most
        self._timeout = timeout
        self._what = what
        self._pieces: deque[AnyStr] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether what still comes is thrown away."""
        return self._ended

    @property
    def over(self) -> bool:
        """Whether all there is was given out, and no more comes."""
        return self._ended and not self._pieces

    async def put(self, piece: AnyStr) -> None:
        """Take a piece; wait first while enough is waiting already."""
        # No time-out: whoever takes the pieces out waits for engines that have one.
        while self._waiting >= self._most and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if piece and not self._ended:
            self._pieces.append(piece)
            self._waiting += len(piece)
            self._changed.set()

    def end(self) -> None:
        """Say that no more comes; what is waiting is still given out."""
        self._ended = True
        self._changed.set()

    def drop(self) -> None:
        """Say that no more is wanted."""
        self._pieces.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        """Return all that is waiting.

        Raises:
            RequestError: nothing came for too long.
        """
        try:
            async with asyncio.timeout(self._timeout):
                while not self._pieces:
                    if self._ended:
                        raise StopAsyncIteration
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise RequestError("timeout", f"no {self._what} for {self._timeout:g} s") from None
        everything: AnyStr = self._empty.join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        self._changed.set()
        return everything
