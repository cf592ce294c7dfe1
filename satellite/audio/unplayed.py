"""How much of a reply a speaker has pulled and not played yet."""

from collections import deque

_MOST_BLOCKS = 64  # that may be ahead; it is 12, and some in a converter


class Unplayed:
    """Follows the blocks that a speaker pulls, and what `Order` does with them."""

    def __init__(self) -> None:
        # Of each block: its frames, and how many of them are the reply's.
        self._pulled: deque[tuple[int, int]] = deque(maxlen=_MOST_BLOCKS)
        self._aside: list[tuple[int, int]] = []

    def pulled(self, n_frames: int, of_reply: int) -> None:
        """Take note of the next block."""
        self._pulled.append((n_frames, of_reply))

    def of_reply(self, n_frames: int) -> int:
        """Return how many frames of the reply are not played.

        Args:
            n_frames: so many of those pulled last are not played; what is set aside is not in it.
        """
        frames = sum(of_reply for _, of_reply in self._aside)
        if n_frames > 0:
            for block, of_reply in reversed(self._pulled):
                frames += min(of_reply, n_frames)
                n_frames -= block
                if n_frames <= 0:
                    break
        return frames

    def hold(self, n_frames: int) -> None:
        """The last `n_frames` are set aside; all before them were played."""
        while n_frames > 0 and self._pulled:
            block = self._pulled.pop()
            self._aside.insert(0, block)
            n_frames -= block[0]
        self._pulled.clear()

    def resume(self) -> None:
        """What is set aside is played next; what was pulled since is not."""
        self._pulled.clear()
        self._pulled.extend(self._aside)
        self._aside.clear()

    def drop(self) -> None:
        """They are forgotten."""
        self._aside.clear()
