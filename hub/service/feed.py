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
        least: bytes or letters that are given out at once, but at the end: a wake-up costs more
            than a small piece is worth.
    """

    def __init__(self, empty: AnyStr, most: int, timeout: float, what: str, least: int = 1) -> None:
        self._empty: AnyStr = empty
        self._most = most
        self._timeout = timeout
        self._what = what
        self._least = least
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
            if self._waiting >= self._least:
                self._changed.set()

    def end(self) -> None:
        """Say that no more comes; what is waiting is still given out."""
        self._ended = True
        self._changed.set()

    def drop(self) -> None:
        """Say that no more is wanted."""
        self._pieces.clear()
        self._waiting = 0
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        """Return all that is waiting, as soon as it is enough.

        Raises:
            RequestError: nothing came for too long.
        """
        try:
            async with asyncio.timeout(self._timeout):
                while self._waiting < self._least and not self._ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise RequestError("timeout", f"no {self._what} for {self._timeout:g} s") from None
        if not self._pieces:
            raise StopAsyncIteration
        everything: AnyStr = self._empty.join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        self._changed.set()
        return everything
