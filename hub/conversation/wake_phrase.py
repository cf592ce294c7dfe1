"""Takes the tail of the wake word off a transcript."""

import difflib
import re

_FIRST_WORD = re.compile(r"^\W*([\w']+)[\s,.!?;:…—-]*")
_SHORTEST_TAIL = 3  # letters: "is" ends "jarvis", and begins questions
_SIMILAR = 0.65  # "Travis", "Naboo" and "Microsoft" are; "Mars" is not


def strip_wake_phrase(text: str, phrase: str | None) -> str:
    """Return `text` without the words of `phrase` that it begins with, or what is left of them.

    Sound reaches the hub from just before the end of the wake word, so that "Hey Jarvis, what is
    it?" may be heard as "Jarvis, what is it?", "Vis, what is it?" or "Travis, what is it?".
    """
    words = re.findall(r"\w+", (phrase or "").lower().replace("_", " "))
    for known in [*words[:-1], *words[-1:]]:
        match = _FIRST_WORD.match(text)
        if match is None:
            break
        first = match[1].lower()
        last = known == words[-1]
        tail = last and len(first) >= _SHORTEST_TAIL and known.endswith(first)
        similar = last and difflib.SequenceMatcher(None, first, known).ratio() >= _SIMILAR
        if first == known or tail or similar:
            text = text[match.end() :]
    return text.strip()
