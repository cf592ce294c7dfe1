"""What the requests of the service port share: their errors, and how their fields are read."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from wyoming.event import Event, Eventable

from protocol.connection import MalformedFrame

LOADING_PATIENCE = 20.0  # seconds that a request waits for an engine which is still loading
MOST_TEXT = 100_000  # letters of one request

Write = Callable[[Event | Eventable], Awaitable[None]]
"""Sends an event to the peer."""


class RequestError(Exception):
    """A request that cannot be served: the peer is told why, and its connection is closed.

    Args:
        code: for programs, as in Wyoming's `error`.
        text: for people; what is wrong and what would be right.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Request(Protocol):
    """One request of a connection; they are served one after the other."""

    async def take(self, event: Event) -> None:
        """Take an event that belongs to the request, after the one that began it.

        It may wait, so that a peer is read no faster than it is served.

        Raises:
            MalformedFrame: the event is not as Wyoming has it.
            RequestError: it cannot be served.
        """

    def end(self) -> None:
        """Say that no more events come; calling it again does nothing."""

    async def run(self) -> None:
        """Serve it to its end.

        Raises:
            RequestError: it cannot be served.
            EngineError: an engine failed at it, or is not there.
        """


def text_in(event: Event, key: str, *, most: int = MOST_TEXT) -> str:
    """Return a text that must be there.

    Raises:
        MalformedFrame: it is missing or no text.
        RequestError: it has more than `most` letters.
    """
    text = optional_text(event, key, most=most)
    if text is None:
        raise MalformedFrame(f"{event.type}: {key} is missing")
    return text


def optional_text(event: Event, key: str, *, most: int = MOST_TEXT) -> str | None:
    """Return a text, or None where it is missing; raises as `text_in` does."""
    text = event.data.get(key)
    if not isinstance(text, str | None):
        raise MalformedFrame(f"{event.type}: {key} is no text")
    if text is not None and len(text) > most:
        raise RequestError("too-long", f"{event.type}: {key} has more than {most} letters")
    return text


def optional_object(event: Event, key: str) -> dict[str, Any] | None:
    """Return an object, or None where it is missing.

    Raises:
        MalformedFrame: it is none.
    """
    value = event.data.get(key)
    if not isinstance(value, dict | None):
        raise MalformedFrame(f"{event.type}: {key} is no object")
    return value


def texts_in(event: Event, key: str) -> list[str] | None:
    """Return a list of texts, or None where it is missing.

    Raises:
        MalformedFrame: it is no list of texts.
    """
    texts = event.data.get(key)
    if texts is None:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise MalformedFrame(f"{event.type}: {key} is no list of texts")
    return texts


def check_language(asked: str | None, known: Sequence[str]) -> str:
    """Return the one of the `known` languages that is asked for; the first where none is.

    "en-GB" and "en_GB" are "en".

    Raises:
        RequestError: it is not known.
    """
    if not asked:
        return known[0]
    language = asked.replace("_", "-").partition("-")[0].lower()
    if language not in known:
        raise RequestError(
            "unsupported-language", f"no language {asked[:40]!r} here, only: {', '.join(known)}"
        )
    return language
