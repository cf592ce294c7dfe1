"""Which command a sentence is: timers, volume, the time, "say that again".

Recognition is hassil's, with the sentences of home-assistant-intents and our own
(`hub.home.phrases`). It has no effect, and takes well under a millisecond for most sentences.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hassil.intents import Intents
from hassil.recognize import RecognizeResult, recognize_all
from home_assistant_intents import get_intents

from hub.conversation.request_words import vocabulary
from hub.home import reminders
from hub.home.english import in_seconds, plain, timers_in
from hub.home.phrases import ENGLISH, RULES, Phrases
from hub.home.phrases_alarms import ALARMS
from hub.home.phrases_elsewhere import OTHERS
from hub.home.recognised import Recognised

_OURS = (
    "HassStartTimer",
    "HassCancelTimer",
    "HassCancelAllTimers",
    "HassIncreaseTimer",
    "HassDecreaseTimer",
    "HassPauseTimer",
    "HassUnpauseTimer",
    "HassTimerStatus",
    "HassSetVolume",
    "HassSetVolumeRelative",
    "HassNevermind",
)
_CLOCK = ("HassGetCurrentTime", "HassGetCurrentDate")
_ELSEWHERE = re.compile(r"\{(?:area|name|floor|timer_command)\b")  # of devices, or of other homes
_PERCENTAGES = {  # no two alike: hassil 3.12 keeps a range's words, and the sign of the first
    "volume": {"range": {"type": "percentage", "from": 0, "to": 100}},
    "volume_step_up": {"range": {"type": "percentage", "from": 1, "to": 100}},
    "volume_step_down": {"range": {"type": "percentage", "from": 2, "to": 100, "multiplier": -1}},
}
_NUMBERS = {
    "tenths": {"range": {"from": 0, "to": 10}},
    "volume_high": {"range": {"from": 11, "to": 100}},
    "bare": {"range": {"from": 0, "to": 90}},
}
_VARIANTS = {"zh": "zh-CN", "no": "nb"}
_MOST_LETTERS = 150  # no command is longer, and hassil takes long for what is
_MOST_NAME_WORDS = 4
_NO_NAMES = vocabulary(  # in a timer's name, so that "stop telling me about the timer" has none
    "timer timers about how what why who where when which is are was were do does did can could"
    " would should will if that this it i you me we they he she story song poem joke tell say all"
    " every each both any second seconds minute minutes hour hours left until with work works use"
    " not have has had be alarm alarms music by to at of in on off up from time today tomorrow"
    " tonight noon midnight morning afternoon evening o'clock am pm monday tuesday wednesday"
    " thursday friday saturday sunday"
)
_SECONDS = re.compile(r"(\d+) seconds")
_ARTICLES = re.compile(r"^(?:(?:the|a|an|my|our|your|some) )+")


class Sentences:
    """Recognises commands in some languages. Making it takes a moment: do it on a thread.

    Args:
        languages: ISO 639-1, most likely first; those that nobody has sentences for are left out.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        self._intents: dict[str, Intents] = {}
        for language in languages:
            if (intents := _load(language)) is not None:
                self._intents[language] = intents
                # hassil writes out its number words at the first use, for a tenth of a second
                for text in ("set a timer for ten", "volume ten", "volume up by ten percent"):
                    self.recognise(text)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those for which there are sentences."""
        return tuple(self._intents)

    def recognise(self, text: str) -> Recognised | None:
        """Return what `text` asks for, or None if that is no command of ours."""
        if len(text) > _MOST_LETTERS:
            return None
        for language, intents in self._intents.items():
            words = plain(text) if language == "en" else _tidy(text)
            if language != "en":
                found = _best(words, intents)
            else:
                found = (
                    reminders.recognise(words)
                    or _more(words)
                    or _best(in_seconds(words), intents)
                    or _several(words, intents)
                )
            if found is not None:
                return found
        return None


def _best(words: str, intents: Intents) -> Recognised | None:
    found = [r for r in map(_of, recognize_all(words, intents)) if r is not None]
    return min(found, key=lambda r: (len(r.name.split()), bool(r.needs)), default=None)


def _more(words: str) -> Recognised | None:
    """Recognise "five more minutes", which `in_seconds` takes for the duration that it is."""
    span = _SECONDS.fullmatch(in_seconds(words)) if " more " in words else None
    slots = {"seconds": float(span[1])} if span is not None else {}
    return Recognised("HassIncreaseTimer", slots, needs="timer") if slots else None


def _several(words: str, intents: Intents) -> Recognised | None:
    """Recognise several timers in one sentence: "for five minutes, and another one for ten"."""
    found = [_best(in_seconds(part), intents) for part in timers_in(words)]
    timers = [r for r in found if r is not None and r.intent == "HassStartTimer" and r.seconds]
    if not timers or len(timers) < len(found):
        return None
    return replace(timers[0], also=tuple(timers[1:]))


def _load(language: str) -> Intents | None:
    stored: dict[str, Any] = get_intents(_VARIANTS.get(language, language)) or {}
    own = (*ENGLISH, *ALARMS) if language == "en" else OTHERS.get(language, ())
    # (English asks the time in more ways: `hub.conversation.about_now`.)
    wanted = _OURS if language == "en" else (*_OURS, *_CLOCK)
    intents: dict[str, Any] = {}
    for phrases in own:
        intents.setdefault(phrases.intent, {"data": []})["data"].append(_data(phrases))
    for name in wanted:
        blocks = stored.get("intents", {}).get(name, {}).get("data", ())
        kept = list(_without_elsewhere(blocks))
        if kept:
            intents.setdefault(name, {"data": []})["data"].extend(kept)
    if not intents:
        return None
    words = language != "en"
    numbers = {
        "timer_seconds": {"range": {"from": 0, "to": 10_000_000, "words": False}},
        "timer_minutes": {"range": {"from": 0, "to": 1500, "words": False}},
        "timer_hours": {"range": {"from": 0, "to": 100, "words": False}},
    }
    if words:
        numbers = {name: {"range": {"from": 1, "to": 180}} for name in numbers}
    nothing: dict[str, Any] = {name: {"values": []} for name in ("area", "name", "floor")}
    return Intents.from_dict(
        {
            "language": language,
            "intents": intents,
            "skip_words": stored.get("skip_words", []),
            "expansion_rules": stored.get("expansion_rules", {})
            | (RULES if language == "en" else {}),
            "lists": stored.get("lists", {})
            | {"timer_name": {"wildcard": True}}
            | _NUMBERS
            | _PERCENTAGES
            | numbers
            | nothing,
        }
    )


def _data(phrases: Phrases) -> dict[str, Any]:
    return {
        "sentences": [line for line in phrases.templates.strip().splitlines() if line],
        "slots": dict(phrases.slots),
        "metadata": {"needs": phrases.needs},
    }


def _without_elsewhere(blocks: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield those sentences that name no device and no other area, for any satellite."""
    for block in blocks:
        sentences = [s for s in block.get("sentences", ()) if not _ELSEWHERE.search(s)]
        if sentences:
            kept = {key: block[key] for key in ("slots", "expansion_rules") if key in block}
            yield {"sentences": sentences, "metadata": {}, **kept}


def _of(result: RecognizeResult) -> Recognised | None:
    slots = {entity.name: entity.value for entity in result.entities_list if entity.name != "bare"}
    if "name" in slots:
        name = _ARTICLES.sub("", str(slots["name"]).strip().lower())
        words = name.split()
        if not words or len(words) > _MOST_NAME_WORDS or not _NO_NAMES.isdisjoint(words):
            return None
        if words[0][0].isdigit():
            return None  # "a timer for 7:30"
        slots["name"] = name
    return Recognised(result.intent.name, slots, (result.intent_metadata or {}).get("needs", ""))


def _tidy(text: str) -> str:
    return " ".join(
        re.sub(r"[.,!?;:\u00bf\u00a1\u2026]+(?=\s|$)|[\u00bf\u00a1]", " ", text).split()
    )
