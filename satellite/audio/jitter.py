"""The buffer between audio that arrives in bursts and a device that takes it at its own pace."""

import threading
from collections import deque
from collections.abc import Callable

from protocol.audio import PcmFormat


class JitterBuffer:
    """Smooth one reply's audio; safe to pull from the device's own thread.

    Playing starts when `start_seconds` are buffered, or at `finish` if the reply is shorter. When
    the buffer runs dry before `finish`, the device gets silence, the underrun is counted, and
    playing starts again once `start_seconds` are buffered, so that a slow network makes one gap
    and not a stutter.

    Args:
        audio_format: the speaker's format; everything pushed and pulled is in it.
        start_seconds: how much to buffer before the first sample is played.
        on_started: called in the device's thread when it takes the reply's first sample.
        on_drained: called in the device's thread when it has taken the last sample of a finished
            reply; also for an empty one.
    """

    def __init__(
        self,
        audio_format: PcmFormat,
        *,
        start_seconds: float,
        on_started: Callable[[], None],
        on_drained: Callable[[], None],
    ) -> None:
        self._format = audio_format
        self._threshold = audio_format.bytes_for(start_seconds)
        self._on_started = on_started
        self._on_drained = on_drained
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._buffered = 0  # bytes
        self._played = 0  # bytes
        self._active = False
        self._finished = False
        self._filling = True
        self._held = False
        self._underruns = 0
        # A fresh block of zeros for every idle pull would be most of what an idle satellite does.
        self._silence = b""

    @property
    def active(self) -> bool:
        """Whether a reply is open or still playing."""
        return self._active

    @property
    def held(self) -> bool:
        """Whether the reply is paused."""
        return self._held

    @property
    def played(self) -> int:
        """Frames of the reply that the device has taken, silence not counted."""
        return self._played // self._format.bytes_per_frame

    @property
    def buffered_seconds(self) -> float:
        """Audio that waits to be played, in seconds."""
        return self._format.seconds(self._buffered)

    @property
    def underruns(self) -> int:
        """How often the reply's audio came too late."""
        return self._underruns

    def open(self) -> bool:
        """Begin a reply, or go on with one that is still playing.

        Returns:
            Whether one was still playing.
        """
        with self._lock:
            playing = self._active
            if not playing:
                self._reset()
                self._active = True
            self._finished = False
            return playing

    def push(self, pcm: bytes) -> None:
        """Append audio in the speaker's format; ignored when no reply is open."""
        with self._lock:
            if pcm and self._active:
                self._chunks.append(pcm)
                self._buffered += len(pcm)

    def finish(self) -> None:
        """Say that nothing more will come: what is buffered is the rest."""
        with self._lock:
            self._finished = True

    def hold(self) -> None:
        """Give the device silence until `resume`; nothing is lost. Without a reply: nothing."""
        with self._lock:
            self._held = self._active

    def resume(self) -> None:
        """Go on with the very sample that `hold` stopped at."""
        with self._lock:
            self._held = False

    def clear(self) -> None:
        """Drop the reply. `played` keeps its value until the next `open`."""
        with self._lock:
            played, underruns = self._played, self._underruns
            self._reset()
            self._played, self._underruns = played, underruns

    def pull(self, n_bytes: int) -> bytes:
        """Return exactly `n_bytes` for the device: the reply's next audio, or silence."""
        with self._lock:
            audio, started, drained = self._take(n_bytes)
        if started:
            self._on_started()
        if drained:
            self._on_drained()
        if not audio:
            return self.silence(n_bytes)
        return audio + self.silence(n_bytes - len(audio)) if len(audio) < n_bytes else audio

    def silence(self, n_bytes: int) -> bytes:
        """Return `n_bytes` of silence in the speaker's format."""
        if len(self._silence) != n_bytes:
            self._silence = bytes(n_bytes)
        return self._silence

    def _take(self, n_bytes: int) -> tuple[bytes, bool, bool]:
        if not self._active or self._held or n_bytes == 0:
            return b"", False, False
        if self._filling:
            if self._buffered < self._threshold and not self._finished:
                return b"", False, False
            self._filling = False
        parts = []
        missing = n_bytes
        while missing and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > missing:
                self._chunks.appendleft(chunk[missing:])
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        audio = b"".join(parts)
        started = bool(audio) and self._played == 0
        self._played += len(audio)
        self._buffered -= len(audio)
        drained = self._finished and not self._chunks
        if drained:
            self._active = False
        elif missing:
            self._filling = True
            self._underruns += 1
        return audio, started, drained

    def _reset(self) -> None:
        self._chunks.clear()
        self._buffered = self._played = self._underruns = 0
        self._active = self._finished = self._held = False
        self._filling = True
