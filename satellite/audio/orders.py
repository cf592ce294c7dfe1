"""What becomes of the sound that a speaker was given and has not played yet."""

from collections.abc import Callable
from enum import IntEnum


class Order(IntEnum):
    """Told to a speaker between two blocks."""

    HOLD = 1
    """Set it aside: what is pulled from now on is played at once."""
    RESUME = 2
    """Play what is set aside, and then what is pulled from now on; not what came in between."""
    DROP = 3
    """Forget what is set aside."""


Decide = Callable[[int], tuple[Order, ...]]
"""Told how many frames were pulled and are not played yet, says what becomes of them."""
