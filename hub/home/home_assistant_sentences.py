"""Which sentences Home Assistant's own intent engine knows, told without asking it.

The same recogniser (hassil) with the same sentences (home-assistant-intents), and the names of what
is exposed. It only says that a sentence is Home Assistant's: what to do is decided there.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hassil import Intents, TextSlotList, filter_intents, recognize_all, recognize_best
from hassil.intents import SlotList
from hassil.models import UnmatchedTextEntity
from hassil.recognize import MISSING_ENTITY, RecognizeResult
from hassil.util import remove_punctuation
from home_assistant_intents import get_intents, get_languages

from hub.home.exposed import Exposed, Named, folded

# Parlour's own: `hub.home` has timers, volume and the time, and it is not called Home Assistant.
OURS = frozenset(
    (
        "HassCancelAllTimers",
        "HassCancelTimer",
        "HassDecreaseTimer",
        "HassGetCurrentDate",
        "HassGetCurrentTime",
        "HassIncreaseTimer",
        "HassNevermind",
        "HassPauseTimer",
        "HassRespond",
        "HassStartTimer",
        "HassTimerStatus",
        "HassUnpauseTimer",
    )
)
# What tells that a sentence wants something done, where its thing has no name that we know.
_ACTIONS = frozenset(("HassTurnOff", "HassTurnOn"))
_ACTION_WORDS = 2  # of a sentence that are no name: "turn", "on"; "start ..." may be anything
_MOST_NAME_WORDS = 4
_LIST = re.compile(r"\{([^}:]+)(?::[^}]*)?\}")
_RULE = re.compile(r"<([^>]+)>")
# How the area is said; the bare name last, which most sentences of most languages take.
_IN_AREA = {
    "de": ("in der {}", "im {}", "{}"),
    "en": ("in the {}", "in {}", "{}"),
    "es": ("en {}", "de {}", "{}"),
    "fr": ("dans {}", "de {}", "{}"),
    "it": ("in {}", "{}"),
    "nl": ("in de {}", "in {}", "{}"),
    "sv": ("i {}", "{}"),
}
_HERE = {
    "de": ("hier",),
    "en": ("in here", "in this room", "here"),
    "es": ("aquí",),
    "fr": ("ici",),
    "it": ("qui",),
    "nl": ("hier",),
    "sv": ("här",),
}
_MOST_WORDS = 30  # longer ones are no commands, and slow to read


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence that Home Assistant knows.

    Args:
        intent: its name, "HassTurnOn".
        slots: what it was told, by Home Assistant's names for it.
        here: whether it means the room that it is said in, without naming it.
    """

    intent: str
    slots: Mapping[str, Any]
    here: bool = False


class Sentences:
    """All sentences of a language. Making one reads a file and takes a second: not on the loop.

    Args:
        language: ISO 639-1.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        found = get_intents(language) or get_intents(_variant(language)) or {"intents": {}}
        found = _without_wildcards(found)
        self._ours = Intents.from_dict(_only(found, lambda name: name in OURS))
        known = _only(found, lambda name: name not in OURS)
        self._known = Intents.from_dict(known)
        self._actions = Intents.from_dict(_of_things(_only(known, lambda n: n in _ACTIONS)))

    def of_home(self, exposed: Exposed) -> "HomeSentences":
        """Return those that make sense in a home. The first time takes a second, as above."""
        known = filter_intents(self._known, domains=exposed.domains)
        home = HomeSentences(self.language, exposed, known, self._ours, self._actions)
        home.understand("warms up")  # compiles every pattern, once for all homes
        home.is_ours("warms up")
        return home


@functools.cache
def all_sentences(language: str) -> Sentences:
    """Return the sentences of a language, made once."""
    return Sentences(language)


class HomeSentences:
    """The sentences of one home. Pure: nothing in here does anything.

    Args:
        language: ISO 639-1.
        exposed: what there is in it.
        known: Home Assistant's sentences for it.
        ours: sentences that Home Assistant would answer, and that it is not to.
        actions: sentences that want something done.
    """

    def __init__(
        self, language: str, exposed: Exposed, known: Intents, ours: Intents, actions: Intents
    ) -> None:
        self._language = language
        self._exposed = exposed
        self._known = known
        self._ours = ours
        self._actions = actions
        self._names = [
            (_plain(name), name, entity.domain, entity.device_class, entity.area)
            for entity in exposed.entities
            for name in entity.names
        ]
        self._areas = [(_plain(name), name) for area in exposed.areas for name in area.names]
        self._floors = [(_plain(name), name) for floor in exposed.floors for name in floor.names]

    def understand(self, text: str, area: Named | None = None) -> Match | None:
        """Return what Home Assistant would make of a sentence; None where it knows none.

        Args:
            text: what was said.
            area: the one that it was said in.
        """
        if len(text.split()) > _MOST_WORDS:
            return None
        lists = self._lists(text)
        match = self._match(text, lists, None)
        if match is None and area is not None:
            match = self._match(text, lists, area)
        elif match is not None and area is not None and self._is_ambiguous(match, area):
            match = Match(match.intent, {**match.slots, "area": area.name}, here=True)
        return match if match is not None and self._has(match) else None

    def placed(self, text: str, match: Match, area: Named) -> str:
        """Return a sentence that says in which area what `match` understood is to be done.

        Home Assistant's API is told of no room, so the words have to say it. The area's name is
        put where the sentence still means the same: "Turn on the lights" becomes "Turn on the
        lights in the kitchen". Where there is no such place, `text` is returned as it is. It takes
        a few tries of recognition, so not on the loop.
        """
        for words in _without_here(_plain(text).split(), self._language):
            for said in _IN_AREA.get(self._language, ("{}",)):
                for at in range(len(words), 0, -1):
                    sentence = " ".join((*words[:at], said.format(area.name), *words[at:]))
                    found = self._match(sentence, self._lists(sentence), None)
                    if (
                        found is not None
                        and found.intent == match.intent
                        and {k: str(v) for k, v in found.slots.items()}
                        == {k: str(v) for k, v in match.slots.items()}
                    ):
                        return sentence
        return text

    def is_ours(self, text: str) -> bool:
        """Say whether Home Assistant would answer, for itself, what Parlour answers: "hello"."""
        return (
            len(text.split()) <= _MOST_WORDS
            and recognize_best(text, self._ours, language=self._language) is not None
        )

    def is_action(self, text: str) -> bool:
        """Say whether a sentence clearly wants something switched or set, by whatever name.

        Takes 100 ms and more: not on the loop.
        """
        if len(text.split()) > _MOST_WORDS:
            return False
        results = recognize_all(
            text,
            self._actions,
            slot_lists=self._lists(text),
            allow_unmatched_entities=True,
            language=self._language,
        )
        return any(_is_clear(result) for result in results)

    def _match(self, text: str, lists: dict[str, SlotList], area: Named | None) -> Match | None:
        context = {"area": {"value": area.name, "text": area.name}} if area else None
        result = recognize_best(
            text,
            self._known,
            slot_lists=lists,
            intent_context=context,
            language=self._language,
            best_slot_name="name",
        )
        if result is None:
            return None
        slots = {entity.name: entity.value for entity in result.entities_list}
        here = area is not None and slots.get("area") == area.name
        return Match(result.intent.name, slots, here)

    def _lists(self, text: str) -> dict[str, SlotList]:
        """Return the names that a sentence holds; hassil would try every one everywhere."""
        plain = _plain(text)
        names = [
            (name, name, {"domain": domain, "device_class": kind} if kind else {"domain": domain})
            for spoken, name, domain, kind, _ in self._names
            if spoken and spoken in plain
        ]
        return {
            "name": TextSlotList.from_tuples(names, allow_template=False, name="name"),
            "area": _list("area", self._areas, plain),
            "floor": _list("floor", self._floors, plain),
        }

    def _is_ambiguous(self, match: Match, area: Named) -> bool:
        """Say whether a thing of the name that was said is in `area`, and others elsewhere."""
        if "name" not in match.slots or "area" in match.slots or "floor" in match.slots:
            return False
        said = _plain(str(match.slots["name"]))
        where = {place.id if place else "" for spoken, *_, place in self._names if spoken == said}
        return len(where) > 1 and area.id in where

    def _has(self, match: Match) -> bool:
        """Say whether there is anything of the kind that a sentence is about.

        "Is it warm?" of a home with no thermometer is a question for somebody else.
        """
        if "name" in match.slots:
            return True
        wanted = match.slots.get("domain")
        domains = {wanted} if isinstance(wanted, str) else set(wanted or ())
        if match.intent.startswith("HassClimate"):
            return "climate" in self._exposed.domains
        if match.intent == "HassGetWeather":
            domains = {"weather"}
        if match.intent == "HassLightSet":
            domains = {"light"}
        if match.intent.startswith("HassMedia") or match.intent.startswith("HassSetVolume"):
            domains = {"media_player"}
        if match.here and "media_player" in domains:  # "next" means nothing where nothing plays
            area = match.slots.get("area")
            return any(
                entity.domain == "media_player" and entity.area and entity.area.name == area
                for entity in self._exposed.entities
            )
        return not domains or bool(domains & self._exposed.domains)


def _is_clear(result: RecognizeResult) -> bool:
    """Say whether a sentence with a name that nobody knows holds enough words that we do."""
    unknown = [
        entity.text
        for entity in result.unmatched_entities_list
        if isinstance(entity, UnmatchedTextEntity) and entity.text != MISSING_ENTITY
    ]
    names = [*unknown, *(str(entity.text) for entity in result.entities_list)]
    words = sum(len(name.split()) for name in names)
    return (
        bool(unknown)
        and words <= _MOST_NAME_WORDS
        and len(result.original_text.split()) - words >= _ACTION_WORDS
    )


def _of_things(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the sentences of scenes and scripts, whose name may be nearly all of them."""

    def is_of_things(block: dict[str, Any]) -> bool:
        domain = block.get("requires_context", {}).get("domain", "")
        return not {"scene", "script"} & {*([domain] if isinstance(domain, str) else domain)}

    return {
        **found,
        "intents": {
            name: {"data": [block for block in intent["data"] if is_of_things(block)]}
            for name, intent in found["intents"].items()
        },
    }


def _plain(text: str) -> str:
    return folded(str(remove_punctuation(text)))


def _list(name: str, spoken: list[tuple[str, str]], plain: str) -> TextSlotList:
    found = [(said, said) for folded_name, said in spoken if folded_name and folded_name in plain]
    return TextSlotList.from_tuples(found, allow_template=False, name=name)


def _without_here(words: list[str], language: str) -> Iterator[list[str]]:
    """Yield the words without "in here", if it is in them, and then as they are."""
    text = f" {' '.join(words)} "
    for here in _HERE.get(language, ()):
        if f" {here} " in text:
            yield text.replace(f" {here} ", " ", 1).split()
    yield words


def _variant(language: str) -> str:
    return next((code for code in get_languages() if code.startswith(f"{language}-")), language)


def _only(found: dict[str, Any], wanted: Any) -> dict[str, Any]:
    return {
        **found,
        "intents": {name: data for name, data in found["intents"].items() if wanted(name)},
    }


def _without_wildcards(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out sentences that take any words at all, "add ... to my list": slow, and unsure."""
    wild = {name for name, values in found.get("lists", {}).items() if values.get("wildcard")}
    rules = found.get("expansion_rules", {})
    intents = {}
    for name, intent in found["intents"].items():
        blocks = []
        for block in intent["data"]:
            own = {n for n, values in block.get("lists", {}).items() if values.get("wildcard")}
            known = {**rules, **block.get("expansion_rules", {})}
            tame = [
                sentence
                for sentence in block["sentences"]
                if not _lists_in(sentence, known) & (wild | own)
            ]
            if tame:
                blocks.append({**block, "sentences": tame})
        if blocks:
            intents[name] = {**intent, "data": blocks}
    return {**found, "intents": intents}


def _lists_in(sentence: str, rules: Mapping[str, str]) -> set[str]:
    """Return the lists that a sentence refers to, through its rules, too."""
    lists, rest, seen = set(), [sentence], set()
    while rest:
        text = rest.pop()
        lists.update(_LIST.findall(text))
        for rule in _RULE.findall(text):
            if rule not in seen:
                seen.add(rule)
                rest.append(rules.get(rule, ""))
    return lists
