"""The sound of one turn of a satellite, on its way to the endpointer."""

import asyncio
import logging
from typing import Self

from protocol.audio import SPEECH

_LOGGER = logging.getLogger(__name__)

_QUEUED = 3000  # chunks: a minute and more of what a satellite sends
_MOST_SECONDS = 120.0  # that a turn takes in
_TIMEOUT = 5.0  # seconds without sound after which a microphone counts as silent


class TurnSound:
    """What the satellite's microphone hears during one turn, on its way to the endpointer.

    Iterate over it to take the sound out, 16 kHz mono 16-bit.
    """

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        self._seconds = 0.0
        self.closed = False

    def push(self, pcm: bytes) -> None:
        """Take some sound; beyond the bound the rest is not wanted."""
        if self.closed or not pcm:
            return
        self._seconds += SPEECH.seconds(len(pcm))
        if self._seconds > _MOST_SECONDS or self._chunks.qsize() >= _QUEUED - 1:
            _LOGGER.warning("more sound than a turn can be; the rest is dropped")
            self.close()
            return
        self._chunks.put_nowait(pcm)

    def close(self) -> None:
        """Say that no more comes."""
        if not self.closed:
            self.closed = True
            self._chunks.put_nowait(None)  # push leaves place for it

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        # A satellite may be alive, as its heartbeat says, and send no sound all the same.
        try:
            async with asyncio.timeout(_TIMEOUT):
                pcm = await self._chunks.get()
        except TimeoutError:
            self.close()
            pcm = None
        if pcm is None:
            raise StopAsyncIteration
        return pcm
