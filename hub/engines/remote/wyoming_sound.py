"""The sound of a Wyoming server's reply, as one stream of whole frames in one format."""

from collections.abc import Iterator
from time import monotonic
from typing import Any

from wyoming.event import Event

from protocol.audio import BadFormat, Converter, PcmFormat
from protocol.connection import MalformedFrame

_PIECE = 0.5  # seconds that are given on, and converted, at once
_MOST_SECONDS = 600.0  # of sound; no clause is that long


class Sound:
    """Takes the audio events of one reply, which may be of several sentences and formats.

    Args:
        form: that the stream is to be in; None for that of its first sound.

    Attributes:
        format: of what `take` yields; None before the first sound, where none was given.
        last: when sound was last taken, on the monotonic clock that asyncio has, too.
    """

    def __init__(self, form: PcmFormat | None) -> None:
        self.format = form
        self.last = 0.0
        self._converter: Converter | None = None
        self._started: dict[str, Any] = {}  # the data of the last audio-start
        self._rest = b""  # the beginning of a frame whose end has not come
        self._seconds = 0.0

    def take(self, event: Event) -> Iterator[bytes]:
        """Take an audio-start or audio-chunk; yield whole frames, half a second at most at a time.

        Raises:
            MalformedFrame: its rate, width and channels are no format, or it goes on for ever.
        """
        if event.type == "audio-start":
            self._started = event.data
        if not event.payload:
            return
        source = self._format_of(event)
        if self.format is None:
            self.format = source
        if self._converter is None or self._converter.source != source:
            if tail := self.flush():
                yield tail
            self._converter = Converter(source, self.format)
        self._seconds += source.seconds(len(event.payload))
        if self._seconds > _MOST_SECONDS:
            raise MalformedFrame(f"speech of more than {_MOST_SECONDS:g} s for one clause")
        self.last = monotonic()
        size = source.bytes_for(_PIECE)
        for at in range(0, len(event.payload), size):
            if pcm := self._whole(self._converter.process(event.payload[at : at + size])):
                yield pcm

    def flush(self) -> bytes:
        """End a sentence: return what was held back; half a frame is dropped."""
        self._rest = b""
        return self._converter.flush() if self._converter is not None else b""

    def _format_of(self, event: Event) -> PcmFormat:
        """Return the format of a chunk; where it does not say, that of its beginning holds."""
        said = {**self._started, **event.data}
        try:
            return PcmFormat(said["rate"], said["width"], said["channels"])
        except (KeyError, BadFormat) as exc:
            raise MalformedFrame("sound whose rate, width and channels are no format") from exc

    def _whole(self, pcm: bytes) -> bytes:
        """Return whole frames; formats that are equal are passed through as they were cut."""
        assert self.format is not None
        pcm = self._rest + pcm
        end = len(pcm) - len(pcm) % self.format.bytes_per_frame
        self._rest = pcm[end:]
        return pcm[:end]
