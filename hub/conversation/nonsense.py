"""Keeps silence, and what Whisper makes up when it hears none or noise, from the language model.

Whisper writes something for whatever it is given. Three of its own numbers tell much of it: the
thresholds are those of the Whisper paper (Radford et al. 2022, section 4.5) and of its reference
implementation: no speech when P(no speech) > 0.6 and the mean log-probability < -1.0; a loop when
the text compresses better than 2.4 : 1. The well-known inventions ("Thank you.") pass them, with
good confidence even, so those words must also be backed by as much speech as it takes to say them.
"""

import re
from enum import Enum

from hub.engines.base import Transcript

NO_SPEECH_PROBABILITY = 0.6
MEAN_LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4

FASTEST_LETTERS_PER_SECOND = 50.0
"""Nobody speaks faster: fast conversation is about 20 letters a second, and voice activity may
miss more than a third of it (measured on a clear "What's the weather?": 31 a second)."""

INVENTION_LETTERS_PER_SECOND = 22.0
"""The same for words that Whisper is known to invent: they need all of their time."""

FEW_WORDS = 4
FEW_WORDS_LOG_PROBABILITY = -0.7
"""Over room noise tiny.en writes a few words at -0.77 to -0.98, above the paper's threshold, with
P(no speech) of 0.72 to 0.82; clear speech has 0.02 to 0.20 and -0.45 or more."""

INVENTION_NO_SPEECH = 0.3
INVENTION_LOG_PROBABILITY = -0.7
"""Stricter than the paper's, for the well-known inventions only."""


class Verdict(Enum):
    """Whether a transcript is worth an answer, or why not."""

    OK = "ok"
    EMPTY = "no words"
    SOUND = "a description of a sound"
    NO_SPEECH = "no speech"
    INVENTED = "a well-known invention"
    LOOP = "a repetition"
    TOO_LONG = "more words than the time allows"


# Subtitles that Whisper learnt to write over silence, music and noise; whole texts, normalised.
_INVENTIONS = re.compile(
    r"thank you|thank you very much|thank you so much|thanks|you|bye|bye bye|goodbye|okay|ok"
    r"|oh|ah|uh|um|hmm|mm|mhm|huh|so|i|the|a|and|yeah|well|the end|all right|im sorry|see you"
    r"|see you later|see you next time|lets go|come on|hey|whoa|wow|what|sigh|i dont know"
    r"|good night|please"
)
# Nobody says these to an assistant, however confident Whisper is.
_SUBTITLES = re.compile(
    r"thank(?:s| you)(?: (?:so|very) much)? for"
    r" (?:watching|viewing|listening|your attention|joining)"
    r"|(?:please )?(?:like and subscribe|subscribe to (?:my|the|our) channel)"
    r"|(?:dont forget to|please) subscribe"
    r"|(?:sub ?titles?|captions?|captioning|transcri(?:bed|ption)|translat(?:ed|ion))(?: \w+)?"
    r" (?:by|provided by)\b"
    r"|amara org|otter ai|www \w+ (?:com|org)$|copyright \d|all rights reserved|to be continued$"
    r"|(?:see|catch) you (?:guys )?in the next (?:video|one)|sous titrage|untertitel"
)
_SOUND = re.compile(
    r"[\[(*{<][^\])*}>]*[\])*}>]"  # [BLANK_AUDIO], (music playing), *sighs*
)
_NOT_WORDS = re.compile(r"[^\w\s]|_")


def judge(heard: Transcript, speech_seconds: float) -> Verdict:
    """Whether a transcript is something that a person said.

    Args:
        heard: the transcript, and Whisper's measures of it.
        speech_seconds: how long voice activity was heard, without the pauses.

    Returns:
        `Verdict.OK`, or the first reason against it.
    """
    text = heard.text
    spoken = _SOUND.sub(" ", text)
    words = normalised(spoken).split()
    if not words:
        return Verdict.SOUND if any(c.isalpha() for c in text) else Verdict.EMPTY
    doubtful = FEW_WORDS_LOG_PROBABILITY if len(words) <= FEW_WORDS else MEAN_LOG_PROBABILITY
    if heard.no_speech_prob > NO_SPEECH_PROBABILITY and heard.avg_logprob < doubtful:
        return Verdict.NO_SPEECH
    if heard.compression_ratio > COMPRESSION_RATIO or _loops(words):
        return Verdict.LOOP
    plain = " ".join(words)
    letters = sum(len(word) for word in words)
    if _SUBTITLES.search(plain):
        return Verdict.INVENTED
    if _INVENTIONS.fullmatch(plain) and (
        letters > speech_seconds * INVENTION_LETTERS_PER_SECOND
        or heard.no_speech_prob > INVENTION_NO_SPEECH
        or heard.avg_logprob < INVENTION_LOG_PROBABILITY
    ):
        return Verdict.INVENTED
    if letters > speech_seconds * FASTEST_LETTERS_PER_SECOND:
        return Verdict.TOO_LONG
    return Verdict.OK


def normalised(text: str) -> str:
    """Lower case without punctuation: "I'm sorry." → "im sorry"."""
    return " ".join(_NOT_WORDS.sub("", text.lower().replace("-", " ").replace(".", " ")).split())


def _loops(words: list[str]) -> bool:
    """Whether most of the words are one phrase of up to six words, said four times or more."""
    for size in range(1, 7):
        for start in range(len(words) - 4 * size + 1):
            phrase = words[start : start + size]
            times = 1
            while words[start + times * size : start + (times + 1) * size] == phrase:
                times += 1
            if times >= 4 and times * size * 2 > len(words):
                return True
    return False
