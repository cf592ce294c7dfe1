"""The microphone's way to the driver: remembered always, streamed while listening."""

from wyoming.audio import AudioChunk, AudioStart, AudioStop

from protocol.audio import SPEECH
from satellite.audio.devices import FRAME_SAMPLES
from satellite.audio.ring import Ring
from satellite.ports import Driver

RING_SECONDS = 2.0
_CHUNK_BYTES = FRAME_SAMPLES * SPEECH.bytes_per_frame


def milliseconds(samples: int) -> int:
    """Turn a microphone position into a Wyoming timestamp."""
    return samples * 1000 // SPEECH.rate


class Uplink:
    """Keep the last two seconds heard, and send from any moment in them on.

    Timestamps are milliseconds of audio heard since the satellite started.

    Args:
        driver: where the audio goes.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._ring = Ring(RING_SECONDS)
        self._sent: int | None = None  # position up to which was sent; None while not streaming

    @property
    def streaming(self) -> bool:
        """Whether what is heard is sent."""
        return self._sent is not None

    @property
    def now(self) -> int:
        """Position one past the newest sample heard."""
        return self._ring.end

    def heard(self, pcm: bytes) -> None:
        """Take the next 16 kHz mono 16-bit frame, and send it while streaming."""
        self._ring.push(pcm)
        if self._sent is not None:
            self._send(self._sent)

    def begin(self, position: int) -> None:
        """Send audio-start and what was heard from `position` (samples) until now."""
        start, _ = self._ring.since(position)
        self._driver.send(
            AudioStart(SPEECH.rate, SPEECH.width, SPEECH.channels, timestamp=milliseconds(start))
        )
        self._send(start)

    def end(self, *, say: bool = True) -> None:
        """Stop streaming; send audio-stop where `say`, which a driver that gave up can't use."""
        if self._sent is not None and say:
            self._driver.send(AudioStop(timestamp=milliseconds(self._sent)))
        self._sent = None

    def forget(self) -> None:
        """Forget what was heard: the room is muted."""
        self._ring.clear()

    def _send(self, position: int) -> None:
        _, pcm = self._ring.since(position)
        for start in range(0, len(pcm), _CHUNK_BYTES):
            chunk = pcm[start : start + _CHUNK_BYTES]
            self._driver.send(
                AudioChunk(
                    SPEECH.rate, SPEECH.width, SPEECH.channels, chunk, milliseconds(position)
                )
            )
            position += len(chunk) // SPEECH.bytes_per_frame
        self._sent = position
