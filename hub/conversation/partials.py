"""What of a transcript will not change any more, while somebody is still speaking.

Each draft is a transcript of all that was heard so far, and its last words are guesses: half of a
word was heard, or the words that would explain it are still to come. LocalAgreement-2 (Liu,
Spanakis and Niehues 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection"; for Whisper: Macháček, Dabre and Bojar 2023) takes for stable what
two drafts in a row begin with.
"""

_ENDS = ".,;:!?…"


class StablePrefix:
    """Follows the drafts of one utterance.

    Words are compared without case and without the marks at their ends: Whisper closes each draft
    like a sentence, so those change although the words do not.
    """

    def __init__(self) -> None:
        self._stable: list[str] = []
        self._before: list[str] = []

    @property
    def text(self) -> str:
        """All the words that are stable, with a space between them."""
        return " ".join(self._stable)

    def push(self, draft: str) -> str:
        """Take the next draft; return the words that have become stable, "" for none.

        A draft that contradicts what is stable adds nothing: what was told is not taken back.
        """
        words, before = draft.split(), self._before
        self._before = words
        agreed = 0
        while agreed < min(len(words), len(before)) and _same(words[agreed], before[agreed]):
            agreed += 1
        known = len(self._stable)
        if agreed <= known or not all(map(_same, self._stable, words)):
            return ""
        new = words[known:agreed]
        # What follows the last word is not known yet, so neither is the mark behind it.
        new[-1] = new[-1].rstrip(_ENDS) or new[-1]
        self._stable += new
        return " ".join(new)


class Told:
    """What somebody was told of a transcript, word by word, before it was whole.

    What is told adds up to the transcript, unless words that seemed stable changed after all.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._anything = False

    def more(self, text: str, *, final: bool) -> str:
        """Return what is still to be told of `text`, to be put behind what was told before.

        Args:
            text: the beginning of what is said, or all of it.
            final: it is all of it; the next text is about what is said after it.
        """
        words, told = text.split(), self._words
        agrees = all(map(_same, words, told))
        new = words[len(told) :] if agrees or final else []
        if final:
            self._words = told[len(words) :] if agrees and words else []
        else:
            self._words = told + new
        if not new:
            return ""
        piece = " ".join(new)
        if self._anything:
            piece = f" {piece}"
        self._anything = True
        return piece


def _same(one: str, other: str) -> bool:
    return one.strip(_ENDS).casefold() == other.strip(_ENDS).casefold()
