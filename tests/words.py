"""How far apart two texts are, in words."""

from collections.abc import Sequence


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein distance: words put in, left out or replaced."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, candidate in enumerate(other, 1):
            before, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, before + (word != candidate)),
            )
    return row[-1]
