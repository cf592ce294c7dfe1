"""The sound of the last turns, in memory alone: replies, and where it is wanted what was said."""

from collections import OrderedDict
from dataclasses import dataclass

from hub.conversation.turn import Turn
from hub.live.state import TurnSound
from protocol.audio import SPEECH, PcmFormat

_MOST_BYTES = 48 * 1024 * 1024  # a quarter of an hour of replies


@dataclass(frozen=True, slots=True)
class _Kept:
    reply: tuple[PcmFormat, bytes] | None
    said: bytes

    @property
    def size(self) -> int:
        return len(self.said) + (len(self.reply[1]) if self.reply is not None else 0)


class Recordings:
    """Keeps the sound of the last turns; the oldest makes place.

    Args:
        most: bytes that are kept in all.
    """

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # by turn, the oldest first

    def add(self, turn: Turn) -> None:
        """Keep the sound of a turn that has ended."""
        kept = _Kept(turn.playback.sound, turn.said)
        if not kept.size:
            return
        self._kept[turn.id] = kept
        self._size += kept.size
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size

    def of(self, turn: str) -> TurnSound:
        """Tell which sound of a turn is kept."""
        kept = self._kept.get(turn)
        return TurnSound(kept is not None and kept.reply is not None, bool(kept and kept.said))

    def reply(self, turn: str) -> tuple[PcmFormat, bytes] | None:
        """Return the reply's sound; None where it is not kept."""
        kept = self._kept.get(turn)
        return kept.reply if kept is not None else None

    def said(self, turn: str) -> tuple[PcmFormat, bytes] | None:
        """Return the sound of what was said; None where it is not kept."""
        kept = self._kept.get(turn)
        return (SPEECH, kept.said) if kept is not None and kept.said else None

    def erase(self) -> None:
        """Forget all of it."""
        self._kept.clear()
        self._size = 0
