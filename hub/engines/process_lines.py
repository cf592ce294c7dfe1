"""What an engine's process prints, as lines of the hub's log: bounded in length and number."""

import asyncio
import logging
import time

_MOST_LETTERS = 500  # of a line; the rest is left out
_MOST_LINES = 50  # in `_PERIOD`; the rest are counted
_PERIOD = 10.0  # seconds
_READ_BYTES = 4096
_COMPLAINT = "parlour-engine: "  # how its last words begin, if it has some
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ProcessLines:
    """Logs the lines of one process.

    Args:
        name: before each line.
        logger: where to.
    """

    def __init__(self, name: str, logger: logging.Logger) -> None:
        self._name = name
        self._logger = logger
        self._last = ""
        self._complaint = ""
        self._since = float("-inf")  # monotonic; when the present period began
        self._lines = 0  # in it

    @property
    def last_words(self) -> str:
        """What it complained of, else the last thing that it said; "" for nothing."""
        return self._complaint or self._last

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Log all there is in `stream`, up to its end.

        Not by lines of the stream: one that is too long would end them.
        """
        rest = b""
        while data := await stream.read(_READ_BYTES):  # no time-out: it may have nothing to say
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[: 4 * _MOST_LETTERS]
            for line in lines:
                self._take(line)
        self._take(rest)
        self._end_period()

    def _take(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip()[:_MOST_LETTERS]
        line = "".join(letter if letter.isprintable() else " " for letter in line)
        if not line.strip():
            return
        level, _, text = line.partition(" ")
        if level not in _LEVELS:
            level, text = "INFO", line
            self._last = text
        if line.startswith(_COMPLAINT):
            self._complaint = line.removeprefix(_COMPLAINT)
        now = time.monotonic()
        if now - self._since > _PERIOD:
            self._end_period()
            self._since = now
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self._logger.log(getattr(logging, level), "%s: %s", self._name, text)

    def _end_period(self) -> None:
        if self._lines > _MOST_LINES:
            self._logger.warning("%s: %d more lines", self._name, self._lines - _MOST_LINES)
        self._lines = 0
