"""Which things of the home a sentence may be about, where no intent engine understood it.

English. It errs on the side of none: what it leaves out cannot be switched by mistake.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub.conversation.requests import is_making_up
from hub.home.exposed import Entity, Exposed, Named, folded

MOST_THINGS = 10  # that the language model is told of

# What may be done to what, by the language model. No locks, alarms, valves, vacuums or scripts.
ACTIONS = {
    "light": ("turn on", "turn off", "set"),
    "switch": ("turn on", "turn off"),
    "input_boolean": ("turn on", "turn off"),
    "fan": ("turn on", "turn off"),
    "cover": ("open", "close"),
    "climate": ("turn on", "turn off", "set"),
    "humidifier": ("turn on", "turn off"),
    "media_player": ("turn on", "turn off"),
    "scene": ("turn on",),
}
_SAFE_COVERS = frozenset(("awning", "blind", "curtain", "shade", "shutter", ""))
# Of these a kind of word is enough: "it is too dark". Others must be called by their name.
_BY_KIND = {
    "light": "light lights lamp lamps lighting",
    "cover": "blind blinds curtain curtains shutter shutters shade shades",
    "climate": "heating heater thermostat radiator temperature",
    "fan": "fan fans ventilation",
}
_KINDS = {word: domain for domain, words in _BY_KIND.items() for word in words.split()}
# What people say instead of a command, and what may then be done: to what, and which of it.
_MORE, _LESS = ("turn on", "open", "more"), ("turn off", "close", "less")
_COMPLAINTS = (
    ("dark|gloomy|brighter", {"light": _MORE, "cover": _MORE}),
    ("bright|glare|glaring|blinding|dimmer|darker", {"light": _LESS, "cover": _LESS}),
    ("cold|chilly|freezing|warmer|shivering", {"climate": _MORE, "fan": _LESS}),
    ("hot|boiling|sweltering|cooler|sweating", {"climate": _LESS, "fan": _MORE}),
    ("stuffy", {"fan": _MORE}),
    ("cosy|cozy|romantic", {"light": ("turn on", "less"), "climate": _MORE, "scene": _MORE}),
)
_DEGREE = (  # what stands before them: "it is too ...", "I'm ...", "make it a bit ..."
    r"(is|s|m|am|are|re|too|so|very|really|bit|pretty|quite|little|feels?|feeling|getting|make|much)"
)
_NO_COMPLAINT = re.compile(
    r"^(this|that|these|those|what|whats|why|how|who|which|when|where|tell|explain|do|does)\b"
)
_NOT_MEANT = re.compile(r"\b(not|no|n[o']?t (too )?|never|isn ?t|wasn ?t|was|were|used to|if)\b")
_DOING = re.compile(
    r"^(please |can you |could you |would you |i want |i d like |i would like )*"
    r"(turn|switch|make|set|dim|open|close|shut|lower|raise|put|brighten|light|kill|get|give|lose|cut"
    r"|start|activate|(let s|time for) (?!not))\b"
)
_ASKING = re.compile(r"^(is|are|did|which|what|what s|whats|how many|any)\b")
_ANYTHING = re.compile(r"\b(any|anything|something|everything|what|whats)\b")
_WATCHING = re.compile(r"^what (is|s) (on|left)\b")  # what is on TV, not whether the TV is on
_STATE_WORDS = re.compile(r"\b(on|off|open|closed|shut|running|still|left)\b")
# A sentence that holds any other word than these, and the names that it is about, is about more
# than switching something: "it's getting dark early in winter", "put coffee on my list".
_WORD = re.compile(r"[^\W_]+")
_SMALL_WORDS = frozenset(
    _WORD.findall(
        """
        a about absolutely activate again all already also am and any anymore anything are
        at barely be bit blinding brighten but can cannot close closed could cut d day
        degree degrees did dim do down everything everywhere eyes feel feeling feels few
        from full get getting give going good got half hardly heating here hey high home
        house i in increase into is it its just kill kind leave left let lets light like
        little ll lose lot low lower m make many maximum me minimum more most much my near
        need night now off on one open or our percent please pretty put quarter quite raise
        rather re really reduce right room running s save see set shut so some something
        start still such sun switch switched t thanks the these thing things third this time
        to today tonight too totally turn turned up ve very want way we well what whats
        which will with would you your
        """
    )
)
_PHRASES = re.compile(  # of words that are not small elsewhere: "make light of it"
    r"\b(kind of|sort of|bit of|some of|all of|most of|any of|for me|for us|for now|over here"
    r"|have you|this room)\b"
)
_MOODS = {word for said, _ in _COMPLAINTS for word in _WORD.findall(re.sub(r"[(|)?]", " ", said))}
_FLOORS = frozenset(("upstairs", "downstairs", "floor"))
_YOU = re.compile(r"\byou (are|re|have|is)\b|\byour\b")
_ORDINARY = frozenset(("the", "a", "an", "my", "our", "of", "in", "on", "at", "to", "and", "room"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a sentence may be about.

    Args:
        things: most likely ones first.
        question: whether it asks how they are, so that nothing is to be done.
        allowed: what may be done to each kind of thing; kinds that are not in it, as they may.
    """

    things: tuple[Entity, ...]
    question: bool
    allowed: dict[str, tuple[str, ...]]


def choose(text: str, exposed: Exposed, room: str) -> Choice | None:
    """Return what a sentence may be about; None where it is hardly about the home."""
    plain = _PHRASES.sub(
        lambda said: "it" if said[0] == "this room" else "",
        " ".join(_WORD.findall(folded(text.replace("'", " ")))),
    )
    plain = " ".join(plain.split())
    words = frozenset(plain.split())
    if is_making_up(text) or not words:
        return None
    allowed = _complained(plain)
    question = _ASKING.match(plain) is not None
    watching = _WATCHING.match(plain) is not None
    if question and not _STATE_WORDS.search(plain):
        return None
    if not (question or allowed or _DOING.match(plain)):
        return None
    spoken = _areas(plain, exposed)
    here = exposed.area(room) if room else None
    where = {area.id for area in spoken} or ({here.id} if here and not question else set())
    kinds = {_KINDS[word] for word in words if word in _KINDS} | allowed.keys()
    things = []
    for entity in exposed.entities:
        if not _may_be_shown(entity, question=question, watching=watching):
            continue
        named = _is_named(entity, words, spoken)
        placed = entity.area is not None and entity.area.id in where
        of_kind = entity.domain in kinds and (not spoken or placed)
        if question:
            fits = (
                named or of_kind or (placed and not kinds and _ANYTHING.search(plain) is not None)
            )
        else:
            fits = named or (placed and of_kind and entity.domain in _BY_KIND)
        if fits:
            things.append((not named, not placed, entity))
    if not things:
        return None
    known = _SMALL_WORDS | _KINDS.keys() | _words_of(spoken) | _FLOORS | _MOODS
    known |= _words_of(thing for *_, thing in things)
    known |= {word for word in words if word.isdecimal()}
    if words - known or _YOU.search(plain):
        return None
    things.sort(key=lambda thing: thing[:2])
    if not things[0][0]:  # "the reading lamp" is not the other lamps
        things = [thing for thing in things if not thing[0]]
    most = len(things) if question else MOST_THINGS
    return Choice(tuple(entity for *_, entity in things[:most]), question, allowed)


def _complained(plain: str) -> dict[str, tuple[str, ...]]:
    """Return what may be done about what a sentence complains of."""
    blind = re.search(r"\bcan ?(not|t) see\b", plain) is not None
    if _NO_COMPLAINT.match(plain) or (_NOT_MEANT.search(plain) and not blind):
        return {}
    allowed: dict[str, tuple[str, ...]] = {}
    for said, remedies in _COMPLAINTS:
        if re.search(rf"\b{_DEGREE}( \w+){{0,4}} ({said})\b", plain) or (
            blind and said.startswith("dark|")
        ):
            for domain, steps in remedies.items():  # of two complaints, what helps with both
                before = allowed.get(domain, steps)
                allowed[domain] = tuple(step for step in steps if step in before)
    return allowed


def _areas(plain: str, exposed: Exposed) -> list[Named]:
    """Return the areas that are named, and those of the floors that are."""
    floors = {floor.id for floor in exposed.floors if _says(plain, floor)}
    return [
        area
        for area in exposed.areas
        if _says(plain, area) or exposed.floor_of.get(area.id) in floors
    ]


def _words_of(things: Iterable[Entity | Named]) -> set[str]:
    """Return the words of the names of things or areas."""
    return {word for thing in things for name in thing.names for word in _split(name)}


def _split(name: str) -> list[str]:
    return _WORD.findall(folded(name))


def _says(plain: str, named: Named) -> bool:
    names = (" ".join(_split(name)) for name in named.names)
    return any(name and re.search(rf"\b{re.escape(name)}\b", plain) for name in names)


def _is_named(entity: Entity, words: frozenset[str], spoken: list[Named]) -> bool:
    """Say whether a word of its name was said that is not its kind's, nor its area's."""
    places = _words_of((*spoken, *((entity.area,) if entity.area else ())))
    return bool((_words_of((entity,)) - places - _ORDINARY - _KINDS.keys()) & words)


def _may_be_shown(entity: Entity, *, question: bool, watching: bool) -> bool:
    if watching and entity.domain == "media_player":
        return False
    if question:
        return entity.domain in ACTIONS and entity.domain != "scene"
    if entity.domain == "cover" and entity.device_class not in _SAFE_COVERS:
        return False
    return entity.domain in ACTIONS
