"""What a request needs that the assistant may not have: home control, a clock, the weather ...

Small models answer "turn on the lamp" with "Done!". Most such requests can be told apart by their
words alone, without any model: a few patterns for each ability, looked for in the request with its
politeness taken off. Patterns are held to be sure rather than complete; what they miss is for the
prompt and for `hub.conversation.honesty.ReplyCheck`.
"""

import re
from dataclasses import dataclass

from hub.conversation.request_words import KNOWLEDGE, MAKING_UP, TOPICS
from hub.conversation.requests_for_facts import FACT_RULES
from hub.conversation.requests_for_home import HOME_RULES
from hub.conversation.requests_for_tasks import TASK_RULES

# the first that matches wins: "turn on the radio" and "turn off the alarm" are tasks, not devices
_RULES = TASK_RULES + HOME_RULES + FACT_RULES


@dataclass(frozen=True, slots=True)
class Need:
    """An ability that a request needs, and what to say when it is missing."""

    ability: str
    answer: str


_CALLED = (
    r"(?:(?:hey|hi|hello|okay|ok|yo|ah|oh|um|uh|hm|hmm|well|so|now|and|then|alright|sorry|listen"
    r"|good (?:night|morning|evening|afternoon)|please|im (?:leaving|home|cold|hot|tired|going)"
    r"|jarvis|parlour|parlor|alexa|mycroft|nabu|rhasspy|(?:ok|okay|hey) (?:google|siri|computer)"
    r"|thanks"
    r"|thank you|excuse me|actually|hey there)\b )+"
)
_ASKED = (
    r"(?:(?:do|would) you mind|(?:can|could|would|will) you(?: please| maybe| just| kindly"
    r"| quickly)*"
    r"|(?:can|could) (?:i|we) (?:get|have) you to|i (?:want|need|would like|just want) you to"
    r"|id (?:like|love) (?:for )?you to|would it be possible to"
    r"|is it possible to|(?:are|were) you able to|do you think you (?:can|could)"
    r"|i was wondering if you (?:can|could)|i wonder if you (?:can|could)|do me a favou?r and"
    r"|go ahead and|help me(?: to)?|lets|please|just|quickly|kindly|maybe|be so kind and"
    r"|you (?:can|could|should|must|need to|have to)) "
)
_TELL = (
    r"(?:(?:please )?(?:tell|show|let|give|remind) me(?: know)?|(?:do|would) you "
    r"(?:happen to )?(?:know|have)"
    r"|(?:any|have you any) idea|i (?:wonder|want to know|need to know|would like to know)"
    r"|id like to know|know|find out|check|look up|see|say|can i (?:know|ask)|just) "
    r"(?=(?:what|whats|the|if|whether|how|hows|who|whos|when (?:is|was|did|does|do|are|will)|whens"
    r"|where|wheres|which|is|are"
    r"|todays|tomorrows|my|about the (?:weather|news|traffic))\b)(?:about )?"
)
_AFTER = (
    r"(?: (?:please|for me|right now|now|thanks|thank you|will you|would you|could you|can you|ok"
    r"|okay|already|again|jarvis|parlour|at the moment|if you (?:can|could|dont mind)|immediately"
    r"|quickly|real quick|buddy|my friend|asap|then|too|as well|by any chance))+$"
)
_GERUND = re.compile(
    r"^(turn|switch|dim|sett?|play|lock|clos|open|start|stop|call|send|put|add|order|mak|check"
    r"|read|book|wak|remind|tell|giv)(?:ning|ting|ming|ing)\b"
)
_STEMS = {"clos": "close", "mak": "make", "wak": "wake", "giv": "give", "sett": "set"}


def missing_ability(text: str, abilities: frozenset[str] = frozenset()) -> str | None:
    """An honest spoken answer where a request clearly needs an ability that is not there.

    Args:
        text: what the person said, as transcribed: any case, with or without punctuation.
        abilities: those that tools provide; the names are those of `need_of`.

    Returns:
        One or two sentences to speak instead of asking the language model, or None.
    """
    need = need_of(text)
    return need.answer if need is not None and need.ability not in abilities else None


def need_of(text: str) -> Need | None:
    """The ability that a request clearly needs, whether or not it is there.

    The names: home, clock, weather, timers, media, volume, calls, calendar, lists, news (and all
    else that only the internet knows), shopping.
    """
    plain = normalised(text)
    if MAKING_UP.search(plain):
        return None
    parts = [_bare(plain)]
    # "I'm leaving, turn everything off and lock the door" holds two requests
    parts += [
        _bare(normalised(part)) for part in re.split(r"[,.;:!?]+\s|\band then\b|\band\b", text)
    ]
    for part in parts:
        if KNOWLEDGE.search(part):
            if part == parts[0]:
                return None
            continue
        for rule in _RULES:
            if rule.pattern.search(part):
                return Need(rule.ability, rule.answer)
    return None


def is_making_up(text: str) -> bool:
    """Whether a request asks for fiction, a translation, or words to repeat."""
    return MAKING_UP.search(normalised(text)) is not None


def is_about_the_world(text: str) -> bool:
    """Whether a request touches on homes, time, weather and the like, or asks for an action.

    Wider than `need_of`, and less sure: such requests may tempt a model to claim something.
    """
    plain = _bare(normalised(text))
    return need_of(text) is not None or (
        TOPICS.search(plain) is not None and KNOWLEDGE.search(plain) is None
    )


def normalised(text: str) -> str:
    """Lower case, no punctuation, no apostrophes, single spaces: "What's up?" → "whats up"."""
    text = text.lower().replace("’", "'").replace("'", "").replace("-", " ")  # noqa: RUF001 - typographic
    text = re.sub(r"\bp\.?\s?m\b\.?", "pm", re.sub(r"\ba\.?\s?m\.(?=\s|$)", "am", text))
    text = re.sub(r"[^\w%$€£ ]+", " ", text).replace("what is", "whats").replace("how is", "hows")
    return " ".join(text.split())


def _bare(plain: str) -> str:
    """A normalised request without greetings, names, politeness and "tell me"."""
    minded = re.search(r"\byou mind (\w+ing)\b", plain)
    before = None
    while before != plain:
        before = plain
        plain = re.sub(rf"^{_CALLED}", "", plain + " ").strip()
        plain = re.sub(rf"^{_ASKED}", "", plain + " ").strip()
        plain = re.sub(rf"^{_TELL}", "", plain + " ").strip()
        plain = re.sub(_AFTER, "", plain)
    if minded and plain.startswith(minded[1]):  # "would you mind turning" → "turn"
        plain = _GERUND.sub(lambda m: _STEMS.get(m[1], m[1]), plain)
    # "(check) if the door is locked" → "is the door locked"
    plain = re.sub(r"^(?:if|whether) (?=(?:i|we) (?:need|have)\b)", "do ", plain)
    return re.sub(r"^(?:if|whether) (.+?) (is|are|was|will|has|can)\b", r"\2 \1", plain)
