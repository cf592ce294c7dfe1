"""A request as its phrases, in plain words without politeness."""

import re
from dataclasses import dataclass
from functools import cached_property

from hub.conversation.request_idioms import any_of
from hub.conversation.request_words import ASK

_SPELLED_OUT = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\bwats\b", "what is"),
        (r"\b(what|who|where|how|when|that|there|it|here)s\b", r"\1 is"),
        (r"\bim\b", "i am"),
        (r"\b(i|we|you|they)ve\b", r"\1 have"),
        (r"\b(they|you)re\b", r"\1 are"),
        (r"\bid\b", "i would"),
        (r"\b(it|that|you|they|there)ll\b", r"\1 will"),
        (r"\blets\b", "let us"),
        (r"\b(do|does|did|is|are|was|have|has|could|would|ca|wo)nt\b", r"\1 not"),
        (r"\bwanna\b", "want to"),
        (r"\bgonna\b", "going to"),
        (r"\bwhether (?=like|for|today|tomorrow|gonna|is)|(?<=the )whether\b", "weather "),
        (r"\b(bed|living|bath|dining) room", r"\1room"),
        (r"\b(lunch|bed|dinner) time", r"\1time"),
        (r"\b([ap]) ?m\b", r"\1m"),
        (r"\bo clock\b", "oclock"),
        (r"\bair con\b", "aircon"),
        (r"\be mail", "email"),
        (r"\bwether\b", "weather"),
        (r"\btop stories\b", "headlines"),
        (r"\bvideo call\b", "videocall"),
        (r"\bset a time for\b", "set a timer for"),
        (r"\b(turn\w*|switch\w*)((?: \w+){0,3}) of\b(?! a\b)", r"\1\2 off"),
        (r"\b(\w+) \1\b", r"\1"),
        (r"\b(?:uh|um|er|erm|hmm?) ", ""),
    )
)
_FACT = (  # "tell me" before it asks for a fact, and is left out
    r"(?= (what|if|whether|how (?!to)|who|when (is|was|did|does|do|are|will)|where|which|is|are|my"
    r"|todays|tomorrows|(about )?the (current )?(time|date|weather|news|score|temperature|forecast"
    r"|headlines|traffic|day)))"
)
_POLITE = any_of(
    rf"""
(ok|okay|hey) (google|siri|computer)
(hey|hi|hello|okay|ok|yo|ah|oh|um|uh|hm|hmm|well|so|now|and|then|but|or|alright|sorry|listen|there)
good (night|morning|evening|afternoon)
(please|just|quickly|kindly|maybe|actually|also|too|thanks|thank you|excuse me)
(jarvis|parlour|parlor|alexa|mycroft|nabu|rhasspy)
(go ahead and|do me a favou?r and|be so kind and)
help me( to)?(?= \w)
(do|would) you mind(?= \w+ing)
(can|could|would|will) (you|someone|somebody)
(can|could) (i|we) (get|have|ask) you to
i (want|need|would like|just want|would love)( for)? you to
(would it be|is it) possible to
(are|were) you able to
do you think you (can|could)
i (was wondering|wonder) if you (can|could)
i would appreciate it if you
it would be (nice|great|good|lovely) if you( could)?
you (can|could|should|must|need to|have to)
let us(?= (turn|switch|play|put|set|open|close))
(tell|show|let|give|remind|read) me( know)?{_FACT}
(do|would) you (happen to )?know{_FACT}
(any|have you any|you have any) idea
i (wonder|want to know|need to know|would like to know)
(know|find out|check|look up|see|say|can i know|can i ask){_FACT}
about(?= the (weather|news|traffic))
"""
)
_TAIL = re.compile(
    r"(?: (?:please|for me|thanks|thank you|will you|would you|could you|can you|ok|okay|already"
    r"|again|jarvis|parlour|if you (?:can|could|do not mind)|immediately|quickly|real quick|buddy"
    r"|my friend|asap|then|too|as well|by any chance|yet|a (?:bit|little)))+$"
)
_BETWEEN = re.compile(r"[,.;:!?]+(?:\s|$)|\b(?:and then|and|then|but)\b", re.IGNORECASE)
_STEMS = {"clos": "close", "mak": "make", "rais": "raise", "activat": "activate"}
_ASK_STATE = re.compile(r"^(?:if|whether) (.+?) (is|are|was|will|has|can|have|need)\b")


@dataclass(frozen=True)
class Phrase:
    """A request, or one of several in a sentence, in plain words and without politeness."""

    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in order."""
        return tuple(self.text.split())

    @cached_property
    def bag(self) -> frozenset[str]:
        """Its words, for asking whether they are there."""
        return frozenset(self.words)

    def word(self, index: int) -> str:
        """One of its words, "" beyond its end."""
        return self.words[index] if -len(self.words) <= index < len(self.words) else ""

    def has(self, *vocabularies: frozenset[str]) -> bool:
        """Whether it has a word of any of the vocabularies."""
        return any(self.bag & words for words in vocabularies)

    def first_of(self, words: frozenset[str], start: int = 0) -> str:
        """Its first word from `start` on that the vocabulary has, "" when there is none."""
        return next((word for word in self.words[start:] if word in words), "")

    def fits(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern is found in it."""
        return pattern.search(self.text) is not None


def plain(text: str) -> str:
    """Lower case, without punctuation, contractions spelled out: "What's up?" → "what is up"."""
    text = text.lower().replace("’", "'")  # noqa: RUF001 - typographic apostrophe
    text = re.sub(r"\b(i|we)'(?:ll)\b", r"\1 will", re.sub(r"\bwe're\b", "we are", text))
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text).replace("'", "")
    text = " ".join(re.sub(r"[^\w%$€£]+", " ", text).split())
    for pattern, words in _SPELLED_OUT:
        text = pattern.sub(words, text)
    return " ".join(text.split())


def bare(text: str) -> Phrase:
    """A request without greetings, names, politeness and "tell me"."""
    text = plain(text)
    minded = re.search(r"\byou mind (\w+ing)\b", text)
    before = None
    while before != text:
        before = text
        text = _TAIL.sub("", _POLITE.sub("", text).strip())
    if minded and text.startswith(minded[1]):  # "would you mind turning" → "turn"
        stem = re.sub(r"([bdgmnpt])\1$", r"\1", minded[1].removesuffix("ing"))
        text = _STEMS.get(stem, stem) + text.removeprefix(minded[1])
    if text.partition(" ")[0] not in ASK:  # of a question, "now" is the point
        text = re.sub(r"(?: right)? now$", "", text)
    text = re.sub(r"^(?:if|whether) (?=(?:i|we) (?:need|have)\b)", "do ", text)
    return Phrase(_ASK_STATE.sub(r"\2 \1", text))


def phrases(text: str) -> list[Phrase]:
    """The requests of a sentence: "I'm off, lock up and call Tom" holds three."""
    pieces = [bare(piece) for piece in _BETWEEN.split(text)]
    return [piece for piece in pieces if piece.words]
