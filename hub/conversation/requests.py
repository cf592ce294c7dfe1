"""What a request needs that the assistant may not have: home control, a clock, the weather ...

Small models answer "turn on the lamp" with "Done!". Nearly all such requests can be told apart by
their words, without any model: a sentence is cut into phrases, politeness is taken off, and each
is read by a small grammar (`hub.conversation.request_grammar`). What it misses is for the prompt
and for `hub.conversation.honesty.ReplyCheck`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hub.conversation.request_answers import (
    CANT_EITHER,
    CANT_TELL_EITHER,
    NOT_DONE_YET,
    STILL_NOT,
    answer_for,
)
from hub.conversation.request_grammar import (
    is_knowledge,
    is_made_of_words,
    need_in,
    topic_of,
)
from hub.conversation.request_idioms import any_of
from hub.conversation.request_phrases import bare, phrases, plain
from hub.conversation.request_words import ASK, DOERS, PRESENT, VERBS


@dataclass(frozen=True, slots=True)
class Need:
    """An ability that a request needs, and what to say when it is missing.

    Attributes:
        ability: its name.
        answer: what is said when it is missing.
        detail: what of it, where that is known.
        words: the part of the request that needs it, in plain words.
    """

    ability: str
    answer: str
    detail: str = ""
    words: str = ""


_YOU = frozenset(("you", "your"))
_FOLLOW_UP_WORDS = 7
_FOLLOWS = any_of(
    r"""
((okay|well|so|but|then) )*(and|or) (?!what|who|how|why|when|where|tell)\w+
(okay |and |well |so )?(what|how) about
(okay |then |no )*(in|for|on|at|make (it|that|them)|turn it|do (it|that|so)|something|that one)
(the|same|all|both) (other|next|same|big|small|left|right|one|of|there|thing)
"""
)
_INSISTS = any_of("(please|(just )?(try|guess|do it)|again|come on|are you sure|really)")
_CHECKS = any_of("(did|have) you (do|done|did|manage)")
_AGAIN = ((STILL_NOT, _INSISTS), (NOT_DONE_YET, _CHECKS), (CANT_EITHER, _FOLLOWS))
_KNOWING = frozenset(("clock", "weather", "news", "calendar"))


def missing_ability(
    text: str, abilities: frozenset[str] = frozenset(), earlier: Sequence[str] = ()
) -> str | None:
    """The honest answer to a request for what is not there; None when the model may answer.

    Args:
        text: what the person said.
        abilities: those that tools provide; see `need_of` for the names.
        earlier: what the person said before in this conversation, oldest first: "and in the
            bedroom?" needs what was asked before it.
    """
    answers = [need.answer for need in needs_of(text, earlier) if need.ability not in abilities]
    return " ".join(answers[:2]) or None


def need_of(text: str, earlier: Sequence[str] = ()) -> Need | None:
    """The first ability that a request clearly needs, whether or not it is there.

    The names: home, clock, weather, timers, media, volume, calls, calendar, lists, news (and all
    else that only the internet knows), shopping.
    """
    return next(iter(needs_of(text, earlier)), None)


def is_making_up(text: str) -> bool:
    """Whether a request asks for fiction, a translation, or words to repeat."""
    return is_made_of_words(bare(text))


def is_about_the_world(text: str) -> bool:
    """Whether a request touches on homes, time, weather and the like, or asks for an action.

    Wider than `need_of`, and less sure: such requests may tempt a model to claim something.
    """
    phrase = bare(text)
    if is_knowledge(phrase) or is_made_of_words(phrase):
        return False
    command = phrase.word(0) in VERBS or phrase.word(0) in DOERS
    if phrase.word(0) in ASK and phrase.has(_YOU):  # "how are you today"
        return need_of(text) is not None
    present = re.search(PRESENT, phrase.text) is not None and phrase.word(0) in ASK
    return command or present or topic_of(phrase) is not None or need_of(text) is not None


def needs_of(text: str, earlier: Sequence[str] = ()) -> list[Need]:
    """Every need of a request, in order, one for each ability."""
    whole, pieces = bare(text), phrases(text)
    if not pieces or is_knowledge(whole) or is_made_of_words(pieces[0]):
        return _follow_up(text, earlier) if not pieces else []
    needs: dict[str, Need] = {}
    for phrase in pieces if len(pieces) > 1 else [whole]:
        found = need_in(phrase)
        if found is not None:
            ability, _, detail = found.partition("/")
            answer = answer_for(ability, detail)
            needs.setdefault(ability, Need(ability, answer, detail, phrase.text))
    return list(needs.values()) or _follow_up(text, earlier)


def _follow_up(text: str, earlier: Sequence[str]) -> list[Need]:
    """The need of what came before, when this only makes sense with it: "and in the bedroom?"."""
    words = plain(text)
    if not earlier or len(words.split()) > _FOLLOW_UP_WORDS:
        return []
    said = next((say for say, follows in _AGAIN if follows.match(words)), None)
    before = needs_of(earlier[-1], earlier[:-1]) if said else []
    if said is None or not before:
        return []
    ability = before[0].ability
    answer = CANT_TELL_EITHER if said is CANT_EITHER and ability in _KNOWING else said
    return [Need(ability, answer, before[0].detail, words)]
