"""Everything that comes out of the speaker: replies, and the satellite's own short sounds."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from wyoming.event import Event

from protocol.audio import BadFormat, Converter, PcmFormat
from protocol.connection import MalformedFrame
from satellite.audio.devices import Speaker
from satellite.audio.gain import Gain, faded_out, gain, scaled
from satellite.audio.jitter import JitterBuffer
from satellite.audio.orders import Decide, Order
from satellite.audio.unplayed import Unplayed

_LOGGER = logging.getLogger(__name__)

START_SECONDS = 0.06
MAX_SECONDS = 300.0


@dataclass(slots=True)
class _Stream:
    """One audio-start .. audio-stop: the reply's own samples, and the speaker's frames of them."""

    format: PcmFormat
    converter: Converter
    received: int = 0  # bytes, as they came
    converted: int = 0  # frames in the speaker's format


def reply_format(event: Event) -> PcmFormat:
    """Read the format of an `audio-start`.

    Raises:
        MalformedFrame: a number is missing, or they describe no format.
    """
    rate, width, channels = (event.data.get(key) for key in ("rate", "width", "channels"))
    if type(rate) is not int or type(width) is not int or type(channels) is not int:
        raise MalformedFrame("audio-start: rate, width and channels must be integers")
    try:
        return PcmFormat(rate, width, channels)
    except BadFormat as error:
        raise MalformedFrame(f"audio-start: {error}") from error


class Player:
    """Play replies in the speaker's format, and know to the sample how much was heard.

    Methods are for the event loop; `pull` is for the device's thread.

    Args:
        speaker_format: what the device takes.
        on_started: called in the device's thread when it takes a reply's first sample.
        on_drained: called in the device's thread when it has taken a reply's last sample.
        speaker: what pulls; None where it plays each block when it pulls it.
        volume: how loud it begins, 0 to 1.
    """

    def __init__(
        self,
        speaker_format: PcmFormat,
        *,
        on_started: Callable[[], None],
        on_drained: Callable[[], None],
        speaker: Speaker | None = None,
        volume: float = 1.0,
    ) -> None:
        self._format = speaker_format
        self._gain = Gain(speaker_format, volume)
        self._speaker = speaker
        self._unplayed = Unplayed()
        self._dropped = 0  # frames that the device took and never played
        self._buffer = JitterBuffer(
            speaker_format,
            start_seconds=START_SECONDS,
            on_started=on_started,
            on_drained=on_drained,
        )
        self._streams: list[_Stream] = []
        self._open: _Stream | None = None
        self._overflowed = False
        self._sound_lock = threading.Lock()
        self._sound = b""

    @property
    def volume(self) -> float:
        """How loud replies and sounds are, 0 to 1: half of it is heard as half as loud.

        A sound that plays already stays as it is.
        """
        return self._gain.level

    @volume.setter
    def volume(self, level: float) -> None:
        self._gain.level = level

    @property
    def active(self) -> bool:
        """Whether a reply is open or still playing."""
        return self._buffer.active

    @property
    def open(self) -> bool:
        """Whether more of the reply is to come: no audio-stop yet."""
        return self._open is not None

    @property
    def held(self) -> bool:
        """Whether the reply is paused."""
        return self._buffer.held

    @property
    def sounding(self) -> bool:
        """Whether one of the satellite's own sounds plays."""
        return bool(self._sound)

    @property
    def remaining(self) -> float:
        """What is queued of the reply, in seconds."""
        return self._buffer.buffered_seconds

    @property
    def underruns(self) -> int:
        """How often the reply's audio came too late for the device."""
        return self._buffer.underruns

    @property
    def samples_received(self) -> int:
        """Samples of the reply that have arrived, in the reply's own format."""
        return sum(s.received // s.format.bytes_per_frame for s in self._streams)

    @property
    def samples_played(self) -> int:
        """Samples of the reply that the device played, in the reply's own format.

        Exact to the device's block. Keeps its value after the reply, until the next `begin`.
        """
        frames = self._frames_played
        samples = 0
        for stream in self._streams:
            received = stream.received // stream.format.bytes_per_frame
            if stream is not self._open and frames >= stream.converted:
                samples += received
            else:
                samples += min(received, frames * stream.format.rate // self._format.rate)
                break
            frames -= stream.converted
        return samples

    def begin(self, audio_format: PcmFormat) -> None:
        """A reply starts; or goes on, when one is still playing, perhaps in another format."""
        self.end()
        self._open = _Stream(audio_format, Converter(audio_format, self._format))
        if not self._buffer.open():
            self._streams.clear()
            self._overflowed = False
            self._dropped = 0
        self._streams.append(self._open)

    def feed(self, pcm: bytes) -> None:
        """Queue the reply's next audio; without `begin`, or beyond 300 s queued, it is dropped."""
        if self._open is None or self._overflowed:
            return
        if self._buffer.buffered_seconds > MAX_SECONDS:
            self._overflowed = True
            _LOGGER.error("reply of more than %.0f s: the rest is dropped", MAX_SECONDS)
            return
        self._open.received += len(pcm)
        self._queue(self._open.converter.process(pcm))

    def end(self) -> None:
        """The reply is complete: drain what is queued."""
        if self._open is not None:
            self._queue(self._open.converter.flush())
            self._open = None
            self._buffer.finish()

    def hold(self) -> None:
        """Pause the reply; the satellite's own sounds still play. Without a reply: nothing."""

        def decide(unplayed: int) -> tuple[Order, ...]:
            if self._buffer.held:
                return ()
            self._buffer.hold()
            if not self._buffer.held:
                return ()
            self._unplayed.hold(unplayed)
            return (Order.HOLD,)

        self._order(decide)

    def resume(self) -> None:
        """Go on where `hold` stopped."""

        def decide(_: int) -> tuple[Order, ...]:
            if not self._buffer.held:
                return ()
            self._buffer.resume()
            self._unplayed.resume()
            return (Order.RESUME,)

        self._order(decide)

    def flush(self) -> int:
        """Stop at once and drop the rest of the reply.

        Returns:
            `samples_played`.
        """

        def decide(unplayed: int) -> tuple[Order, ...]:
            held, missed = self._buffer.held, self._unplayed.of_reply(unplayed)
            self._buffer.clear()
            if not held and not missed:  # a sound of the satellite's own may play now
                return ()
            self._dropped += missed
            if not held:
                self._unplayed.hold(unplayed)
            self._unplayed.drop()
            return (Order.DROP,) if held else (Order.HOLD, Order.DROP)

        self._open = None
        self._order(decide)
        return self.samples_played

    def sound(self, pcm: bytes, *, least: float = 0.0) -> None:
        """Play a short sound now, in the speaker's format; a reply waits for its end.

        Args:
            pcm: the sound.
            least: the volume that it has at least, 0 to 1.
        """
        pcm = scaled(pcm, gain(max(self.volume, least)))
        with self._sound_lock:
            self._sound = faded_out(self._sound, self._format) + pcm  # of one that it cuts off

    def stop_sound(self) -> None:
        """End the satellite's own sound that plays now."""
        with self._sound_lock:
            self._sound = faded_out(self._sound, self._format)

    def pull(self, n_frames: int) -> bytes:
        """Return the next `n_frames` for the device: sound, reply or silence."""
        before = self._buffer.played
        n_bytes = n_frames * self._format.bytes_per_frame
        sound = self._next_of_sound(n_bytes) if self._sound else b""
        pcm = self._buffer.pull(n_bytes - len(sound))
        of_reply = max(0, self._buffer.played - before)
        if of_reply:
            pcm = self._gain.apply(pcm)
        self._unplayed.pulled(n_frames, of_reply)
        return sound + pcm if sound else pcm

    def _next_of_sound(self, n_bytes: int) -> bytes:
        with self._sound_lock:
            sound, self._sound = self._sound[:n_bytes], self._sound[n_bytes:]
        return sound

    @property
    def _frames_played(self) -> int:
        unplayed = 0

        def look(n_frames: int) -> tuple[Order, ...]:
            nonlocal unplayed
            unplayed = self._unplayed.of_reply(n_frames)
            return ()

        self._order(look)
        return max(0, self._buffer.played - unplayed - self._dropped)

    def _order(self, decide: Decide) -> None:
        """Decide on what the device has ahead, between two of its blocks."""
        if self._speaker is None:
            decide(0)
        else:
            self._speaker.order(decide)

    def _queue(self, pcm: bytes) -> None:
        if self._open is not None:
            self._open.converted += len(pcm) // self._format.bytes_per_frame
        self._buffer.push(pcm)
