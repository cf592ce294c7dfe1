"""The sound of one request: audio events of any PCM format become 16 kHz mono 16-bit."""

import asyncio
from typing import Self

from wyoming.event import Event

from hub.service.feed import Feed
from protocol.audio import SPEECH, BadFormat, Converter, PcmFormat
from protocol.connection import MalformedFrame

_MOST_WAITING = SPEECH.bytes_for(8.0)
_TIMEOUT = 30.0  # seconds; a microphone that hears nothing sends silence
_LOOKED_AT = 0.25  # seconds from the first sound on, after which its pace is known
_AHEAD = 1.0  # second that a microphone's sound may be ahead of the clock, in blocks


class IncomingSound:
    """Takes audio events; iterate over it for 16 kHz mono 16-bit."""

    def __init__(self) -> None:
        self._feed: Feed[bytes] = Feed(b"", _MOST_WAITING, _TIMEOUT, "sound")
        self._converter: Converter | None = None
        self.first_ms: int | None = None  # the peer's own time of the first chunk
        self._began: float | None = None  # on the loop's clock
        self._seconds = 0.0  # of sound

    async def take(self, event: Event) -> None:
        """Take `audio-start`, `audio-chunk` or `audio-stop`; wait while enough is waiting.

        Each chunk says its format; it may change from one to the next, and `audio-start` may be
        left out.

        Raises:
            MalformedFrame: rate, width and channels are no format.
        """
        if event.type == "audio-stop":
            if self._converter is not None:
                await self._feed.put(self._converter.flush())
            self.end()
            return
        form = _format_of(event)
        if event.type == "audio-start" or self._feed.ended:
            return
        if self._converter is None or self._converter.source != form:
            if self._converter is not None:
                await self._feed.put(self._converter.flush())
            self._converter = Converter(form, SPEECH)
        if self.first_ms is None:
            at = event.data.get("timestamp")
            self.first_ms = at if type(at) is int else 0  # `type is`: True is an int in Python
        if self._began is None:
            self._began = asyncio.get_running_loop().time()
        pcm, step = event.payload or b"", form.bytes_for(1.0)
        self._seconds += form.seconds(len(pcm))
        for start in range(0, len(pcm), step):  # a second at a time: converting holds up the loop
            await self._feed.put(self._converter.process(pcm[start : start + step]))

    @property
    def live(self) -> bool:
        """Whether it comes as somebody speaks it, and not as fast as a file can be read."""
        if self._began is None:
            return False
        elapsed = asyncio.get_running_loop().time() - self._began
        return elapsed >= _LOOKED_AT and self._seconds <= elapsed + _AHEAD

    @property
    def over(self) -> bool:
        """Whether all there is was given out, and no more comes."""
        return self._feed.over

    def end(self) -> None:
        """Say that no more comes."""
        self._feed.end()

    def drop(self) -> None:
        """Say that no more is wanted: what still comes is thrown away."""
        self._feed.drop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._feed)


def _format_of(event: Event) -> PcmFormat:
    """Read the format of an `audio-start` or an `audio-chunk`."""
    data = event.data
    try:
        return PcmFormat(data["rate"], data["width"], data["channels"])
    except (KeyError, BadFormat) as exc:
        raise MalformedFrame(f"{event.type}: its rate, width and channels are no format") from exc
