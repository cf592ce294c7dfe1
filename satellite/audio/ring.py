"""The last seconds that the microphone heard, addressed by absolute sample position."""

from protocol.audio import SPEECH


class Ring:
    """Keep the newest `seconds` of 16 kHz mono 16-bit audio.

    Positions count samples from the first one ever pushed, so that a wake-word detection can say
    where in the stream it happened, and the audio from there on can be fetched later.

    Args:
        seconds: how much audio to keep.
    """

    def __init__(self, seconds: float) -> None:
        self._capacity = SPEECH.bytes_for(seconds)
        self._pcm = bytearray()
        self._end = 0

    @property
    def end(self) -> int:
        """Position one past the newest sample, in samples."""
        return self._end

    def push(self, pcm: bytes) -> None:
        """Append whole 16-bit samples; the oldest ones fall out."""
        self._pcm += pcm
        self._end += len(pcm) // SPEECH.bytes_per_frame
        excess = len(self._pcm) - self._capacity
        if excess > 0:
            del self._pcm[:excess]

    def since(self, position: int) -> tuple[int, bytes]:
        """Return the audio from `position` (samples) to the newest sample.

        Returns:
            The position where the audio really begins (later than asked where that is already
            gone, never later than `end`), and the audio.
        """
        kept = len(self._pcm) // SPEECH.bytes_per_frame
        start = min(max(position, self._end - kept), self._end)
        offset = len(self._pcm) - (self._end - start) * SPEECH.bytes_per_frame
        return start, bytes(self._pcm[offset:])

    def clear(self) -> None:
        """Forget the audio (the room was muted); positions go on counting."""
        self._pcm.clear()
