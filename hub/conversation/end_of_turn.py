"""When a speaker who pauses counts as finished.

Two witnesses: how it sounded (Smart Turn), asked when the pause has lasted for a moment, and the
words, whose early transcript comes about as soon. Neither is good enough alone. Measured on people
(tests/bench/test_end_of_turn.py): Smart Turn's usual threshold of 0.5 takes nearly half of the
pauses inside a sentence for its end, and longer pauses even more of them. But it is very sure of
most real ends and of few pauses, so it is asked once, early, and ends a turn at once only when it
is. Words tell for certain that "turn off the" goes on and that "stop" does not; about the rest they
say little.
"""

import re
from enum import Enum, auto

from hub.config import TurnSettings

LOOKS: tuple[float, ...] = (0.2,)
"""Seconds of silence at which the model is asked. It was trained on pauses of that length; asked
again later, it takes more pauses for ends without recognising more ends."""

PAUSE_KEPT = 0.2
"""Seconds that the model hears of longer pauses inside what was said. A long one makes it doubt the
end of the sentence, too: it is sure (see below) of 46 % of the ends of people's sentences with one,
and of 62 % when it hears less of the pause."""

# Probabilities. Two thirds of the ends are `_SURE`, and one in fourteen of the pauses that are put
# into people's sentences; a hundredth less doubles the latter.
_CERTAIN = 0.975
_SURE = 0.97
_LIKELY = 0.5

# Seconds of silence.
_AT_ONCE = 0.3  # commas are shorter; and no answer is ready sooner
_WITHOUT_WORDS = 0.5  # they come soon, and may tell that there is more
_UNMARKED = 0.7  # costs nobody time: on two cores the answer takes as long
_DOUBTFUL = 1.1  # few people pause for more than a second; voice activity adds up to 0.1 s
_UNLIKELY = 1.2
_OPEN = 1.8  # an end that words do not have; people seldom search for the next one longer


class Words(Enum):
    """What the words alone tell."""

    OPEN = auto()  # something must follow
    UNMARKED = auto()  # Whisper, which ends whole sentences with a mark, ended these with none
    EITHER = auto()
    WHOLE = auto()  # a known answer or command that is all there


def silence_wanted(
    probability: float | None, text: str | None, settings: TurnSettings, language: str = "en"
) -> float:
    """Tell how long a pause must be, as far as is known, to be the end of the turn.

    Args:
        probability: the newest P(finished) of the end-of-turn model; None: not known.
        text: what was said before the pause; None: not known yet.
        settings: `silence` is the answer without a model, `patience` stretches all doubt.
        language: ISO 639-1 code of `text`.

    Returns:
        Seconds of silence after the last voiced frame.
    """
    words = tell(text, language) if text is not None else None
    return max(_AT_ONCE, _wanted(probability, words, settings))


def _wanted(probability: float | None, words: Words | None, settings: TurnSettings) -> float:
    likelihood = 0.0 if probability is None else probability
    if words is Words.OPEN:
        return (_DOUBTFUL if likelihood >= _SURE else _OPEN) * settings.patience
    if likelihood >= (_CERTAIN if words is None else _SURE):
        return _UNMARKED if words is Words.UNMARKED else _AT_ONCE
    if words is Words.WHOLE:
        return _AT_ONCE if likelihood >= _LIKELY else settings.silence
    if probability is None:
        return settings.silence
    if likelihood >= _SURE:
        return _WITHOUT_WORDS
    doubtful = likelihood >= _LIKELY and words is not Words.UNMARKED
    return (_DOUBTFUL if doubtful else _UNLIKELY) * settings.patience


# Words that something must follow, wherever they stand.
_LEADING = re.compile(
    r"a|an|the|my|your|our|their|every|each|another|some"
    r"|and|or|but|nor|because|cause|although|though|unless|until|while|if|whether|than|then|plus"
    r"|um|uh|uhm|er|erm|eh|hmm"
    r"|i|we|he|she|they|i'm|i'd|i'll|i've|we're|we'd|we'll|we've|he's|she's|they're|they'll"
    r"|let's|it's|that's|there's|here's|what's|who's|where's|how's"
    r"|very|really|quite|rather"
    r"|set|make|give|get|bring|put|take|add|remind|tell|show|send|create|want|need|wants|needs"
    r"|increase|decrease|raise|lower|adjust|change|find|brew|order|called|named"
)
_AUXILIARIES = re.compile(
    r"is|are|was|were|am|be|been|will|would|could|should|can|may|must|might|shall|does|did|has|had"
    r"|have|isn't|aren't|don't|doesn't|won't|can't"
)
_PREPOSITIONS = re.compile(
    r"of|to|for|from|with|without|at|by|in|into|onto|about|between|during|against|under|above|like"
)
_ASKING = re.compile(r"what|what's|who|who's|where|where's|which|whose|when|how|how's|why")
_OPENS_QUESTIONS = re.compile(rf"{_ASKING.pattern}|{_AUXILIARIES.pattern}")
_ENDS_QUESTIONS = re.compile(
    r"i|we|he|she|they|you|then|set|make|give|get|bring|put|take|add|show|send|create|want|need"
    r"|needs|adjust|change|find|brew|order|called|named|what|who|where|which|when|how|why"
)
_SHORT_ANSWER = re.compile(  # "Yes, I can.", "No, it isn't."
    rf"(?:yes|yeah|no|of course) (?:i|we|he|she|it|they|you|that) (?:{_AUXILIARIES.pattern})"
)
_MARKS = ".?!"
_OPEN_ENDING = re.compile(r"(?:[,;:\u2013\u2014-]|\.\.+|…)$")
_LACKING = re.compile(
    r"(?:please |can you |could you |will you |would you )*(?:"
    r"(?:set|start|create|make) (?:a |an |the |my )?(?:new )?(?:timer|alarm|reminder)(?: for \w+)?"
    r"|(?:set|turn|switch|put)(?: (?!on\b|off\b|up\b|down\b|out\b|to\b)\w+){0,3}"
    r" (?:lights?|lamp|volume|heating|temperature|thermostat|brightness|tv|radio|music)"
    r"|(?:turn|switch)(?: it| that| them)?|(?:turn|switch) (?:on|off|up|down)|play|call|what|how"
    r"|how about|what about|can you|could you|hey|so|well|okay so|also)"
)
_WHOLE = re.compile(
    r"(?:(?:oh|okay|ok|well|um|uh|hey|please|just|and|ah) )*"
    r"(?:yes|yeah|yep|yup|no|nope|nah|sure|right|correct|exactly|absolutely|okay|ok|fine|alright"
    r"|stop|cancel|pause|resume|continue|next|previous|skip|back|repeat|again|louder|quieter|mute"
    r"|unmute|help|hello|hi|goodbye|bye|good ?night|good morning|thanks|thank you|stop it|shut up"
    r"|never ?mind|of course|go on|go ahead|do it|be quiet|enough|that's (?:all|it|enough|right)"
    r"|not now|not yet|not really|no idea|nothing|none|both|neither|i (?:don't )?think so"
    r"|i don't know|yes i do|no i don't|all of (?:them|it)|the (?:first|second|last) one)"
    r"(?: (?:please|thanks|thank you|now|that|it|a lot|very much|all right|alright|okay|ok))*"
)


def tell(text: str, language: str = "en") -> Words:
    """Tell from the words alone whether they are finished; of most languages, from their marks."""
    words = re.findall(r"[\w']+", text.lower().replace("\u2019", "'"))
    if not words:
        return Words.EITHER
    asked = text.rstrip("\"' )").endswith("?")
    if _OPEN_ENDING.search(text.strip()) or (language == "en" and _is_open(words, asked)):
        return Words.OPEN
    if language == "en" and _WHOLE.fullmatch(" ".join(words)):
        return Words.WHOLE
    return Words.EITHER if text.rstrip("\"' )")[-1:] in _MARKS else Words.UNMARKED


def _is_open(words: list[str], asked: bool) -> bool:
    plain, last, before = " ".join(words), words[-1], words[-2:-1]
    if _WHOLE.fullmatch(plain) or _SHORT_ANSWER.fullmatch(plain):
        return False
    if asked and _ENDS_QUESTIONS.fullmatch(last) and _OPENS_QUESTIONS.fullmatch(words[0]):
        # "Who is she?", "What should I order?", and "Why?"; but not "Can you?" or "What is?".
        return len(words) == 2
    if _LACKING.fullmatch(plain) or _LEADING.fullmatch(last):
        return True
    # "What room am I in?", "Do you know what time it is?"; but not "What is".
    question = any(_ASKING.fullmatch(word) for word in words[:-2])
    if _PREPOSITIONS.fullmatch(last):  # and not "What is the weather like in", either
        return not question or (bool(before) and _PREPOSITIONS.fullmatch(before[0]) is not None)
    return _AUXILIARIES.fullmatch(last) is not None and not question
