"""Whisper on a window as long as the sound, instead of the 30 s that it was trained with.

Its encoder takes any length up to 30 s; only its training and its usual front ends fill up to that.
What it costs grows with the window, so a command of 3 s costs a fifth. What gets lost is the
decoder's sense of an end: with little silence behind the words it may begin again. So some silence
stays, what it writes is measured, and where it is not sure somebody else has to hear the whole
window.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import Transcript

WHOLE_WINDOW = 30.0  # seconds that Whisper hears at once

_RATE = 16000
_HOP = 160  # samples of one frame of the spectrogram
_EDGE = 2  # frames
# Silence around the sound. Measured with tiny.en on 425 recordings, half of them in noise: with 5 s
# behind the words a fifth of those shorter than 4 s is written down twice (and then heard again, in
# the whole window), with 8 s 2 %; longer ones need less. Without the lead 7.8 % of clean words are
# wrong, with it 6.0 %.
_LEAD = 0.5  # seconds
_SHORTEST = 13.0  # seconds of a window without its lead,
_PADDING = (7.0, 10.0)  # as far as so much behind the sound will do
_STEP = 1.0  # seconds; for each length that CTranslate2 meets it keeps buffers

_TOKENS = 24  # that anything may take, and so many more a second; fast speech has 8
_TOKENS_A_SECOND = 12

# Where Whisper is less sure, the whole window decides. Stricter bounds cost time and mend nothing:
# over noise the whole window is sure of more words, not of more right ones.
_SURE_LOG_PROBABILITY = -1.0
_SURE_NO_SPEECH = 0.4
_SURE_COMPRESSION = 2.4

_NO_WORD = re.compile(r"[^\w']+")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What Whisper wrote.

    Args:
        transcript: the words and Whisper's measures of them.
        repeats: whether it ends with what it has just said.
        ended: whether it ended by itself; otherwise it was stopped.
    """

    transcript: Transcript
    repeats: bool
    ended: bool

    @property
    def sure(self) -> bool:
        """Whether the whole window would hardly be better."""
        heard = self.transcript
        return (
            self.ended
            and not self.repeats
            and heard.avg_logprob >= _SURE_LOG_PROBABILITY
            and heard.no_speech_prob <= _SURE_NO_SPEECH
            and heard.compression_ratio <= _SURE_COMPRESSION
        )


class ShortWindow:
    """One sound, encoded once; write it down as often as you like.

    Args:
        model: faster-whisper's `WhisperModel`.
        samples: 16 kHz mono, -1 to 1; see `fits`.
    """

    def __init__(self, model: Any, samples: NDArray[np.float32]) -> None:
        self._model = model
        self._seconds = len(samples) / _RATE
        self._encoded = model.encode(_spectrogram(model.feature_extractor, samples))

    def language(self, among: Sequence[str]) -> str:
        """Return the most probable one of some languages, for a multilingual model."""
        if len(among) == 1:
            return among[0]
        found = self._model.model.detect_language(self._encoded)[0]  # "<|en|>", the best first
        return next((mark[2:-2] for mark, _ in found if mark[2:-2] in among), among[0])

    def write(self, language: str, bias: Sequence[str], beam_size: int) -> Hypothesis:
        """Write down what is said.

        Args:
            language: ISO 639-1 code.
            bias: names and terms that may be said.
            beam_size: hypotheses kept while decoding.
        """
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_compression_ratio

        model = self._model
        tokenizer = Tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
        )
        prompt = model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords(bias))
        most = most_tokens(self._seconds)
        result = model.model.generate(
            self._encoded,
            [prompt],
            beam_size=beam_size,
            max_length=min(model.max_length, max(2 * most, len(prompt) + most)),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = result.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        once = _once(text)
        transcript = Transcript(
            once,
            language,
            no_speech_prob=result.no_speech_prob,
            # The end's own probability is in the sum, but not in the length.
            avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
            compression_ratio=get_compression_ratio(text),
        )
        most = min(most, model.max_length // 2, model.max_length - len(prompt))
        return Hypothesis(transcript, once != text, len(tokens) < most)


def hotwords(bias: Sequence[str]) -> str | None:
    """Return names and terms as a prompt; a sentence, or Whisper leaves out the marks, too."""
    return ", ".join(bias) + "." if bias else None


def most_tokens(seconds: float) -> int:
    """Return how many tokens may be written of so much sound; noise might go on for ever.

    CTranslate2 ends Whisper at half of `max_length`, or at what the prompt leaves of it.
    """
    return _TOKENS + round(_TOKENS_A_SECOND * seconds)


def _spectrogram(extractor: Any, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what Whisper hears of the sound and the silence around it.

    That is silence as sound has it, and not faster-whisper's zeros in the spectrogram, which stand
    for noise: behind those more recordings are written down twice. What it looks like needs no
    computing.
    """
    seconds = min(_window(len(samples) / _RATE), WHOLE_WINDOW)
    edge = _EDGE * _HOP  # so much silence has a share in the frames at both ends
    sound = extractor(np.pad(samples, (edge, edge + -len(samples) % _HOP)), padding=0)
    # The extractor has 80 dB of range below the loudest (see its last lines), and -100 dB at least.
    silence = max(sound.max() - 8 / 4, (-10 + 4) / 4)
    frames = np.full((sound.shape[0], round(seconds * _RATE / _HOP)), silence, np.float32)
    begin = round(_LEAD * _RATE / _HOP) - _EDGE
    frames[:, begin : begin + sound.shape[1]] = sound[:, : frames.shape[1] - begin]
    return frames


def fits(seconds: float) -> bool:
    """Whether sound is short enough for a shorter window to be worth it."""
    return _window(seconds) < WHOLE_WINDOW


def _window(seconds: float) -> float:
    """Return the length of the window for so much sound."""
    least, most = _PADDING
    window = _LEAD + seconds + min(most, max(least, _SHORTEST - seconds))
    return math.ceil(window / _STEP) * _STEP


def _once(text: str) -> str:
    """Return the text up to the first phrase that is said again at once and until the end.

    "The lamp is on. The lamp is on. The" is "The lamp is on."; one word said twice is left alone.
    """
    spoken = text.split()
    words = [_NO_WORD.sub("", word).casefold() for word in spoken]
    for start in range(len(words)):
        for size in range(2, (len(words) - start) // 2 + 1):
            if all(words[at] == words[at - size] for at in range(start + size, len(words))):
                return " ".join(spoken[: start + size])
    return text
