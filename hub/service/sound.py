"""The sound of one request: audio events of any PCM format become 16 kHz mono 16-bit."""

import asyncio
from collections import deque
from typing import Protocol, Self

from wyoming.event import Event

from hub.service.feed import Feed
from protocol.audio import SPEECH, BadFormat, Converter, PcmFormat
from protocol.connection import MalformedFrame

_MOST_WAITING = SPEECH.bytes_for(8.0)
_AT_ONCE = SPEECH.bytes_for(0.03)  # no model decides more often
_TIMEOUT = 30.0  # seconds; a microphone that hears nothing sends silence
_LOOKED_AT = 0.25  # seconds from the first sound on, after which its pace is known
_AHEAD = 1.0  # second that a microphone's sound may be ahead of the clock, in blocks
_PACE_SECONDS = 2.0  # of the clock, over which the pace is measured
_PACE_LEAST_SECONDS = 0.5
_PACE_AHEAD = 0.6  # seconds that a network may have held back
_PACE_SLICE = 0.05  # seconds of the clock that are counted as one
_PACE_SLICES = 3  # in which there was sound; a file comes in one


class Sound(Protocol):
    """Sound that is to be transcribed; iterate over it for 16 kHz mono 16-bit."""

    @property
    def live(self) -> bool:
        """Whether it comes as somebody speaks it, and not as fast as a file can be read."""

    @property
    def paced(self) -> bool:
        """Whether it comes at the pace of speech at the moment, whatever was sent before."""

    @property
    def over(self) -> bool:
        """Whether it is known that no more comes."""

    def drop(self) -> None:
        """Say that no more is wanted."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes: ...


class IncomingSound:
    """Takes audio events; iterate over it for 16 kHz mono 16-bit."""

    def __init__(self) -> None:
        self._feed: Feed[bytes] = Feed(b"", _MOST_WAITING, _TIMEOUT, "sound", _AT_ONCE)
        self._format: PcmFormat | None = None  # of the newest event
        self._converter: Converter | None = None
        self.first_ms: int | None = None  # the peer's own time of the first chunk
        self._began: float | None = None  # on the loop's clock
        self._seconds = 0.0  # of sound
        self._slices: deque[tuple[float, float]] = deque()  # when; seconds of sound that came then

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
        form = self._format_of(event)
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
        pcm, step = event.payload or b"", form.bytes_per_second
        seconds = len(pcm) / step
        self._seconds += seconds
        self._came(seconds)
        if form == SPEECH and len(pcm) <= step:  # most chunks; there may be thousands a second
            await self._feed.put(pcm)
            return
        for start in range(0, len(pcm), step):  # a second at a time: converting holds up the loop
            await self._feed.put(self._converter.process(pcm[start : start + step]))

    @property
    def live(self) -> bool:
        """Whether it comes as somebody speaks it, and not as fast as a file can be read."""
        if self._began is None:
            return False
        elapsed = asyncio.get_running_loop().time() - self._began
        in_time = self._seconds <= elapsed + _AHEAD
        return elapsed >= _LOOKED_AT and (in_time or self.paced)

    @property
    def paced(self) -> bool:
        """Whether it comes at the pace of speech at the moment, whatever was sent before.

        A microphone may send what it kept, and then as fast as they speak. A file comes faster,
        and when all of it has come, nothing more comes.
        """
        if self._began is None:
            return False
        now = asyncio.get_running_loop().time()
        elapsed = min(now - self._began, _PACE_SECONDS)
        recent = [seconds for at, seconds in self._slices if at > now - _PACE_SECONDS]
        return (
            elapsed >= _PACE_LEAST_SECONDS
            and len(recent) >= _PACE_SLICES
            and 0.5 * elapsed <= sum(recent) <= elapsed + _PACE_AHEAD
        )

    def _format_of(self, event: Event) -> PcmFormat:
        """Read the format of an `audio-start` or `audio-chunk`; mostly that of the one before."""
        data, form = event.data, self._format
        try:
            rate, width, channels = data["rate"], data["width"], data["channels"]
            if form is None or (rate, width, channels) != (form.rate, form.width, form.channels):
                form = self._format = PcmFormat(rate, width, channels)
        except (KeyError, BadFormat) as exc:
            text = f"{event.type}: its rate, width and channels are no format"
            raise MalformedFrame(text) from exc
        return form

    def _came(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._slices and now - self._slices[-1][0] < _PACE_SLICE:
            at, before = self._slices[-1]
            self._slices[-1] = at, before + seconds
            return
        self._slices.append((now, seconds))
        if len(self._slices) > _PACE_SECONDS / _PACE_SLICE + 1:
            self._slices.popleft()

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
