"""What Parler is told: how a voice sounds, in words, and how much text at once. Pure."""

import hashlib
import re

from hub.engines.base import BadInput
from hub.engines.parler.voices import VOICES

STEPS_PER_SECOND = 44100 / 512
MOST_LETTERS = 300
"""Of one piece: the models were trained on up to 30 s, and mumble or skip what is much longer."""

_LEAST_SECONDS = 2.0
_SECONDS_PER_LETTER = 0.12  # slow speech; the usual is 0.065
_STYLE = (
    "{name}'s voice is warm and calm, at a moderate speed, in a close recording with very clear "
    "audio and no background noise."
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_PART_END = re.compile(r"(?<=[,;:–—])\s+")  # noqa: RUF001 - dashes


def describe(voice: str | None, description: str) -> str:
    """Return the description that the model gets.

    A description in words is taken as it is where it names one of `VOICES`, or where no voice is
    asked for. Else the voice's name goes before it: without a name, each clause would be somebody
    else's.

    Args:
        voice: one of `VOICES`; None for the first, where nothing is described.
        description: how it is to sound; "" for the usual.

    Raises:
        BadInput: an unknown voice.
    """
    if voice is not None and voice not in VOICES:
        raise BadInput(f"parler: no voice {voice!r}; there are: {', '.join(VOICES)}")
    description = " ".join(description.split())
    if not description:
        return _STYLE.format(name=voice or VOICES[0])
    if voice is None or set(re.findall(r"\w+", description)) & set(VOICES):
        return description
    return f"{voice}'s voice: {description}"


def seed_of(description: str) -> int:
    """Return the seed of a description's voice: its clauses all begin from the same chance."""
    return int.from_bytes(hashlib.sha256(description.encode()).digest()[:4], "big")


def most_steps(text: str, limit: int) -> int:
    """Return after how many steps speech is cut, so that a model that goes astray ends.

    Args:
        text: the piece that is spoken.
        limit: of the model.
    """
    seconds = _LEAST_SECONDS + _SECONDS_PER_LETTER * len(text)
    return min(limit, round(seconds * STEPS_PER_SECOND))


def pieces(text: str) -> list[str]:
    """Return the text in pieces of at most `MOST_LETTERS`, cut where it pauses; [] for no words."""
    if not any(map(str.isalnum, text)):
        return []
    found: list[str] = []
    for sentence in _SENTENCE_END.split(text.strip()):
        whole = len(sentence) <= MOST_LETTERS
        for part in [sentence] if whole else _PART_END.split(sentence):
            for bit in _bits(part):
                if found and len(found[-1]) + 1 + len(bit) <= MOST_LETTERS:
                    found[-1] += f" {bit}"
                else:
                    found.append(bit)
    return [piece for piece in found if any(map(str.isalnum, piece))]


def _bits(part: str) -> list[str]:
    """Cut at words what has no pause, and words that are longer than may be."""
    if len(part) <= MOST_LETTERS:
        return [part]
    words = part.split()
    return [
        word[at : at + MOST_LETTERS] for word in words for at in range(0, len(word), MOST_LETTERS)
    ]
