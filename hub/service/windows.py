"""Cuts long sound into windows that Whisper hears whole, at the quietest place that there is."""

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS
from protocol.audio import SPEECH, to_float32

WINDOW_SECONDS = 30.0
"""What Whisper hears at once. Sound that fits is never cut: the model gets it as it came."""

_SHORTEST_SECONDS = 15.0  # a window that is cut off; a pause before that is too early
_PAUSE_FRAMES = 9  # 0.29 s: a cut needs that much quiet around it, where there is that much
_FRAMES = int(WINDOW_SECONDS / VAD_FRAME_SECONDS)
_SHORTEST_FRAMES = int(_SHORTEST_SECONDS / VAD_FRAME_SECONDS)


class Window:
    """Sound for one call of the model.

    Args:
        pcm: 16 kHz mono 16-bit.
        voice: the probability of speech in each of its frames (`VAD_FRAME_BYTES`); what is behind
            the last whole frame has none.
    """

    def __init__(self, pcm: bytes, voice: list[float]) -> None:
        self.pcm = pcm
        self.voice = voice

    def speech_seconds(self, threshold: float) -> float:
        """Return how long somebody speaks in it, without the pauses."""
        return sum(p >= threshold for p in self.voice) * VAD_FRAME_SECONDS


class Windows:
    """Collects frames; gives out a window when there is more than one's worth."""

    def __init__(self) -> None:
        self._sound = bytearray()
        self._voice: list[float] = []

    @property
    def sound(self) -> bytearray:
        """What was collected and not given out."""
        return self._sound

    @property
    def voice(self) -> list[float]:
        """The probability of speech in each frame of it."""
        return self._voice

    def so_far(self) -> Window:
        """Return what was collected and not given out; it stays here, too."""
        return Window(bytes(self._sound), list(self._voice))

    def push(self, frame: bytes, voice: float) -> Window | None:
        """Take a frame and the probability of speech in it; return the window that is full."""
        self._sound += frame
        self._voice.append(voice)
        if len(self._sound) <= SPEECH.bytes_for(WINDOW_SECONDS):
            return None
        frames = self._quietest()
        size = frames * VAD_FRAME_BYTES
        window = Window(bytes(self._sound[:size]), self._voice[:frames])
        del self._sound[:size]
        del self._voice[:frames]
        return window

    def flush(self, rest: bytes) -> Window:
        """Return what is left, with the `rest` that is less than a frame."""
        pcm = bytes(self._sound) + rest
        window = Window(pcm[: len(pcm) - len(pcm) % SPEECH.bytes_per_frame], self._voice)
        self._sound, self._voice = bytearray(), []
        return window

    def _quietest(self) -> int:
        """Return the number of frames before the best cut: no speech, and then little sound."""
        whole = to_float32(bytes(self._sound[: _FRAMES * VAD_FRAME_BYTES]))
        power = np.square(whole).reshape(_FRAMES, -1).mean(axis=1)
        voice = _around(np.array(self._voice[:_FRAMES], np.float32))
        level = _around(np.log10(power + 1e-10).astype(np.float32))  # bels; a step of voice is 10
        score = 10 * np.round(voice, 1) + level
        return _SHORTEST_FRAMES + int(np.argmin(score[_SHORTEST_FRAMES:]))


def _around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the frames around the beginning of each one."""
    kernel = np.full(_PAUSE_FRAMES, 1 / _PAUSE_FRAMES, np.float32)
    padded = np.pad(values, (_PAUSE_FRAMES // 2 + 1, _PAUSE_FRAMES // 2 - 1), mode="edge")
    return np.convolve(padded, kernel, mode="valid").astype(np.float32)
