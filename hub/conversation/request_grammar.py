"""What one phrase asks for: an act, the state of something here and now, or only words.

Set phrases are looked up first (`hub.conversation.request_idioms`). The rest is grammar: a command
is a verb and the thing that it acts on; a question is read for what no model can know, which is
the state of a certain thing, something of the person's own, and anything of the present moment.
"""

import re

from hub.conversation.request_idioms import (
    KNOWLEDGE,
    OF_THE_PRESENT,
    OF_WORDS,
    REQUESTS,
    TOLD,
    any_of,
)
from hub.conversation.request_phrases import Phrase
from hub.conversation.request_words import (
    ANYTHING,
    ASK,
    ASK_IF,
    COUNTS,
    DAYS,
    DOERS,
    FEEL,
    HEATING,
    HOURS,
    HOUSEHOLD,
    LIGHTS,
    MONTHS,
    OF_THE_MIND,
    PRESENT,
    ROOMS,
    SHOPS,
    SKY,
    STATES,
    TALK,
    TOPICS,
    UNIVERSAL,
    VERBS,
    WAYS,
    WEAR,
    vocabulary,
)

Found = tuple[str, str]
"""An ability, and the word that it was told by."""

_EVENTS = vocabulary(
    "christmas easter halloween thanksgiving holiday holidays weekend lunch dinner breakfast "
    "sunset sunrise summer winter spring autumn my new next tomorrow tonight year"
) | DAYS | MONTHS | HOURS | COUNTS  # fmt: skip
_SWITCHING = vocabulary("turn switch shut power get")
_LOOKING = vocabulary("show check see read find hear tell")
_ALONE = vocabulary("snooze pause mute unmute resume rewind shuffle unpause")
_KEPT = vocabulary("timers lists calendar calls shopping")
_LAMPS = vocabulary("lamp lamps")
_HERE = re.compile(PRESENT)

# Commands and wishes
_NO_COMMAND = any_of(
    r"""
\w+ (your|of|by|theory|recommendations|talking|messages)
(call|text|message|phone) (me|it|this|that|an?|yourself|upon|for|centers?)(?!.* (taxi|cab|uber))
(let|give) us
order (the|these)
play (with|dead|dumb|tennis|football|guitar)
make me (happy|feel)
add \w+ and \w+$
... by size
"""
)
_CERTAIN = any_of(r"\w+ (the|my|our|it|them|everything|all)")
_WISH = any_of(
    "(i (want|need|would like|would love|would appreciate)|we need|(can|could) (we|i) have)"
)
_OF_ONES_OWN = any_of(r"i (\w+ ){1,2}to (learn|know|talk|understand|make|cook|buy|be)")
_MOVED = any_of(
    """
... (on|off|up|down|out|low|open|closed|shut|warmer|cooler|brighter|darker|turned|switched|opened)
... (locked|unlocked|dimmed)
"""
)
_SET_TO = any_of(r"... to \w+( (percent|degrees))?$")
_SENTENCE = any_of("... (is|are|was|were|saves?|when|what|it|better|than|strange)")

# Questions
_CLIMATE = any_of("... (temperature|humidity|warm|cold|hot|cool|humid|bright|dark|air)")
_INDOORS = any_of("... (in here|at home)")
_GENERAL = any_of("... (should|an?|does)")
_DID_THEY = any_of("(did|have|has) (you|i|we|anyone|someone|he|she|they)")
_MOVE = any_of(r"... (turn|switch|lock|clos|open|leav|left|shut|start|set|run)\w*")
_ADVICE = any_of(
    r"""
... (you|your|yourself|should|sang|wrote|called)
... (can|could|do|shall|may) (i|we) (?!have|need)\w+
"""
)
_IS_THE = any_of(r"\w+ ((all )?(the|my|our|any|both)|there any)")
_CLASSES = any_of("... (than|an?|hard|healthy|good|bad|true|real|important|dangerous)")
_WAS_THE = any_of("((was|were|did|has|have|had) the|are there any)")
_OURS = any_of("... (my|our|any|(do|did) (i|we) (have|get))")
_DEFINITE = any_of(
    """
... (the|my|our|any|all|every|both)
(which|how many|are there)
"""
)
_HOW_MUCH = any_of(
    r"""
how much (\w+ )?(battery|power|energy|electricity|water|charge) ... (left|we|i|the|my)
what is using
"""
)
_JOURNEY = any_of("... (next|there|delays|from ... to)")
_MINE = any_of(
    r"""
(what|when|where|how|who|which) ... (my|our|i|we)
(when|what) is \w+s birthday
"""
)
_TALKED_OF = any_of(
    r"""
... (name|say|said|talk\w*|ask\w*|mean|favou?rite|learn|live|do(?! (i|we) (have|need)))
... (cook|eat|make|use|if|born)
(who|what) am i
"""
)
_IT = any_of(
    "(is|was|will|could|might|would|did|are) (it|there|we|tomorrow|today|the (sun|weather|sky))"
)
_OUT = any_of(r"... (out|there|enough for \w+|(in|on) \w+)$")
_HOW_IS_IT = any_of(r"how (\w+ )?({feel}) (is|will|was|does) (it|the weather)", feel="|".join(FEEL))
_IS_IT = any_of("(is|are|was) (it|today|tomorrow|we|yesterday)")
_HOLIDAY = any_of("... (weekend|weekday|holiday|leap year)")
_UNTIL = any_of("how (long|far|many|much) ... (until|till|til|to|before|away|left|off)")
_SINCE = any_of(
    r"""
how (many|much) \w+ (in|did|has|have)
... since
"""
)


def is_made_of_words(phrase: Phrase) -> bool:
    """Whether it asks for fiction, a translation, a game: nothing in it is asked for or claimed."""
    return phrase.has(TALK) or phrase.fits(OF_WORDS)


def is_knowledge(phrase: Phrase) -> bool:
    """Whether it asks how things are in general, for advice, or about the assistant."""
    return phrase.fits(KNOWLEDGE) and not phrase.fits(OF_THE_PRESENT)


def topic_of(phrase: Phrase, start: int = 0) -> Found | None:
    """The ability that the phrase's things belong to, and the first such thing."""
    for ability, things in TOPICS.items():
        if thing := phrase.first_of(things, start):
            return ability, thing
    return None


def need_in(phrase: Phrase) -> str | None:
    """The ability that a phrase needs, with what of it after a slash: "home/do lamp"."""
    if not phrase.words or is_made_of_words(phrase) or is_knowledge(phrase) or phrase.fits(TOLD):
        return None
    elsewhere = phrase.has(UNIVERSAL - {"sun"})
    for need, pattern in REQUESTS:
        if phrase.fits(pattern) and not (elsewhere and need.startswith("weather")):
            return need
    if phrase.fits(_WISH):
        return _wish(phrase)
    if phrase.word(0) in ASK:
        return _question(phrase)
    return _command(phrase) or _fragment(phrase)


def _command(p: Phrase) -> str | None:
    verb, found = p.word(0), topic_of(p, 1)
    if (verb not in VERBS and verb not in DOERS) or p.fits(_NO_COMMAND):
        return None
    if len(p.words) == 1:
        return _detail(DOERS[verb], "do", "alarm") if verb in _ALONE else None
    ability = DOERS.get(verb)
    ride = found is not None and found[0] == "shopping" and verb == "call"
    if ability in ("home", "calls", "news", "shopping") and not ride:
        return _detail(ability, "do", found[1] if found and found[0] == "home" else "")
    if found is not None:
        return _detail(found[0], "check" if verb in _LOOKING else "do", found[1])
    if ability is not None:
        return ability
    way = p.word(1) in WAYS or p.word(-1) in WAYS
    if way and (p.has(ANYTHING, ROOMS) or p.word(1) in ("on", "off") or verb in _SWITCHING):
        return "home/do"
    if verb == "stop" and p.word(1).endswith("ing"):
        return "home/do"
    if p.has(ROOMS) and verb in ("set", "heat", "cool", "warm"):
        return "home/do"
    never_mind = verb in ("stop", "cancel") and p.word(-1) in ANYTHING
    return "home/do" if p.fits(_CERTAIN) and verb not in OF_THE_MIND and not never_mind else None


def _wish(p: Phrase) -> str | None:
    """The need of "I'd like the fan on", "I need a timer"; none of "I want to learn the guitar"."""
    found = topic_of(p)
    if found is None or p.fits(_OF_ONES_OWN) or (found[0] == "home" and not p.fits(_MOVED)):
        return None
    return _detail(found[0], "do", found[1])


def _fragment(p: Phrase) -> str | None:
    """The need of what has no verb: "kitchen lights on", "ten minute timer", "bitcoin price"."""
    found = topic_of(p)
    if found is None:
        short = len(p.words) <= 4 and p.word(-1) in WAYS and p.has(ANYTHING)
        return "home/do" if short else None
    if len(p.words) > 8 or p.fits(_SENTENCE):
        return None
    ability, thing = found
    if ability == "home":
        moved = len(p.words) <= 6 and (p.word(-1) in WAYS or p.fits(_SET_TO))
        just_lights = p.has(LIGHTS) and p.bag <= LIGHTS | ROOMS | {"the", "some", "more", "in"}
        return _detail(ability, "do", thing) if moved or just_lights else None
    named = ability in ("timers", "news", "volume", "lists") or len(p.words) == 1
    listed = p.word(0) in ("my", "new", "any", "some", "anything")
    return _detail(ability, "do", thing) if named or listed else None


def _question(p: Phrase) -> str | None:
    """What a question needs, if no model can know its answer."""
    found = topic_of(p)
    home = found[1] if found and found[0] == "home" else ""
    if p.fits(_CLIMATE) and (p.has(ROOMS) or p.fits(_INDOORS)) and not p.fits(_GENERAL):
        return "home/check temperature"
    if p.has(UNIVERSAL - {"sun"}) and not p.has(TOPICS["home"]):
        return None
    if moment := _weather(p) or _clock(p):
        return moment
    if p.has(UNIVERSAL) and not p.has(TOPICS["home"]):
        return None
    if p.fits(_DID_THEY) and p.fits(_MOVE) and (found or p.has(ANYTHING)):
        return _detail("home", "check", home)
    if p.fits(_ADVICE):
        return None
    if _is_of_a_certain_thing(p, found):
        return _state(p, found)
    if p.fits(_HOW_MUCH):
        return _detail("home", "check", home)
    if p.has(SHOPS) and p.has(vocabulary("open closed busy")):
        return "news/hours"
    if found and found[0] == "news" and p.fits(_JOURNEY):
        return "news/transport"
    if p.fits(_MINE) and not p.fits(_TALKED_OF):
        return _state(p, found) if found else "news/mine"
    return _state(p, found) if p.fits(_HERE) else None


def _is_of_a_certain_thing(p: Phrase, found: Found | None) -> bool:
    """Whether it asks how one thing is: "is the gate shut", not "is jazz hard to play"."""
    stateful = found is not None and p.has(STATES)
    if p.word(0) in ASK_IF and p.fits(_IS_THE):
        history = found is None and p.fits(_WAS_THE) and not p.has(HOUSEHOLD, ROOMS)
        if stateful or not (history or p.fits(_CLASSES)):
            return True
    if found is not None and (p.fits(_OURS) or (found[0] in _KEPT and p.has(vocabulary("the")))):
        return True
    return stateful and (p.fits(_DEFINITE) or (len(p.words) <= 3 and p.word(0) in ASK_IF))


def _weather(p: Phrase) -> str | None:
    if p.has(vocabulary("weather forecast")):
        about_words = p.has(vocabulary("difference call called balloon vane"))
        asks = p.word(0) in vocabulary("what how is will was any when")
        return "weather" if asks and not about_words else None
    if p.word(0) in ASK_IF and p.has(WEAR) and p.has(vocabulary("i we for")):
        return "weather"
    if p.fits(_IT):
        near = p.word(-1) in FEEL or p.fits(_HERE) or p.fits(_OUT)
        falls = p.has(SKY) and "star" not in p.bag
        return "weather" if falls or (p.has(FEEL) and near) else None
    return "weather" if p.fits(_HOW_IS_IT) else None


def _clock(p: Phrase) -> str | None:
    if p.fits(_IS_IT):
        if p.has(DAYS | MONTHS) or p.fits(_HOLIDAY):
            return "clock/date"
        short = len(p.words) <= 7 and not p.has(vocabulary("if a an"))
        if short and (p.has(HOURS) or p.word(-1) in COUNTS):
            return "clock"
    return "clock/until" if p.fits(_UNTIL) and p.has(_EVENTS) and not p.fits(_SINCE) else None


def _state(p: Phrase, found: Found | None) -> str:
    if found is not None:
        return _detail(found[0], "check", found[1])
    return "home/check people" if p.has(HOUSEHOLD) else "home/check" if p.has(ROOMS) else "news"


def _detail(ability: str, verb: str, thing: str) -> str:
    """A need and what an answer may name of it: "home/do lights", "timers/alarm"."""
    if ability == "timers":
        return f"timers/{thing.rstrip('s')}"
    if ability == "calls" and verb == "check":
        return "calls/inbox"
    if ability != "home":
        return ability
    thing = "lights" if thing in LIGHTS - _LAMPS else "heating" if thing in HEATING else thing
    return f"home/{verb} {thing}".rstrip()
