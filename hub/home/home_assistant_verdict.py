"""What Home Assistant would make of a sentence, told without doing it.

The intent engine of some versions guesses (2026.2's does, 2026.11's and 2024.3's do not): "what is
the capital of France" is nearest to the question for the time, and is answered so; "how do I turn
on the lamp" turns it off. Its websocket API recognises without acting, and says of a match whether
it is a guess (its `components/conversation/http.py`, `websocket_hass_agent_debug`).
"""

from enum import Enum, auto
from typing import Any

from hub.home.home_assistant_link import Link, Lost
from hub.home.home_assistant_sentences import OURS


class Verdict(Enum):
    """What Home Assistant would do with a sentence."""

    DO = auto()
    """It knows the sentence, word by word."""
    TELL = auto()
    """It knows it, word by word, as a question, which changes nothing."""
    OWNER = auto()
    """It is one that its owner has made: an automation's, or one in a file of theirs."""
    OURS = auto()
    """It knows it, and Parlour does that itself."""
    GUESS = auto()
    """It would do what it takes the sentence for, and that may be anything."""
    NOTHING = auto()
    """It would only say that it does not understand, or knows no such thing."""
    UNKNOWN = auto()
    """It did not say."""


async def verdict(link: Link | None, text: str, language: str, *, patience: float) -> Verdict:
    """Ask Home Assistant what it would make of a sentence. It has no effect.

    Args:
        link: the connection, if there is one.
        text: the sentence.
        language: ISO 639-1.
        patience: seconds that it may take.
    """
    if link is None:
        return Verdict.UNKNOWN
    try:
        answer = await link.ask(
            "conversation/agent/homeassistant/debug",
            patience=patience,
            sentences=[text],
            language=language,
        )
        return _read(answer["results"][0])
    except (Lost, AttributeError, IndexError, KeyError, TypeError):
        return Verdict.UNKNOWN


def _read(result: dict[str, Any] | None) -> Verdict:
    if result is None or not result["match"]:
        return Verdict.NOTHING
    if result.get("source") in ("trigger", "custom"):
        return Verdict.OWNER
    if result.get("fuzzy_match"):  # versions that do not guess do not say so
        return Verdict.GUESS
    intent = str(result["intent"]["name"])
    if intent in OURS:
        return Verdict.OURS
    return Verdict.TELL if "Get" in intent else Verdict.DO  # HassGetState, HassClimateGet...
