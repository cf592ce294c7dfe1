"""Sentences that set alarms and reminders, in English: "remind me to call mum at half past five".

They are no templates, since what is to be remembered may be anything, and times are said in so many
ways. `hub.home.phrases_alarms` has those that ask for alarms and cancel them.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hub.conversation.request_words import vocabulary
from hub.home.clock_times import clock_time
from hub.home.english import in_seconds
from hub.home.recognised import Recognised

REMIND = "ParlourRemind"
CANNOT_REPEAT = "ParlourCannotRepeat"

_SET = (
    r"(?:set|make|create|add|schedule|put on|start|turn on|give me|get me|have|i need|i want|set up"
    r"|set me|i'd like|i would like)"
)
_AN = r"(?:(?:an?|the|my|another)(?: new| daily| wake up)? )?"
_ALARM = re.compile(
    rf"(?:(?:{_SET} )?{_AN}alarm(?: clock)?(?: to (?:go off|ring|wake me up"
    r"|wake me|get me up))?|(?:wake|get) me(?: up)?"
    r"|(?:(?:i|we) (?:need|have|want|must|ought)(?: to)? )?(?:wake up|get up|be up|be awake)"
    r"|(?:make sure|see to it)(?: that)? i'm (?:up|awake))(?: (?P<when>.+))?"
)
_ALARM_BEHIND = re.compile(rf"{_SET} {_AN}(?P<when>.+) alarm")
_ALARMS = re.compile(
    rf"(?:{_SET} )?(?:(?:two|2) alarms|{_AN}alarms?) (?:for|at) (?P<one>.+?),? and"
    r" (?:(?:another|an?) )?(?:one |alarm )?(?:for |at )?(?P<other>.+)"
)
_REMINDER = re.compile(
    rf"(?:remind (?:me|us)(?: again)?|{_SET} {_AN}reminder|(?:don't|do not) let me forget"
    r"|(?P<tell>tell me(?= to )))(?: (?!(?:who|what|when|where|which|why|how|if)\b)(?P<rest>.+))?"
)
_REMINDER_BEHIND = re.compile(r"(?P<when>.+?),? remind (?:me|us) (?P<text>(?:to|that|about) .+)")
_CANCEL_ONE = re.compile(
    r"(?:cancel|stop|delete|remove|clear|turn off|switch off|forget|dismiss|get rid of)"
    r" (?:the |my |that )?(?:(?P<before>.+) alarm|alarm (?:for|at) (?P<alarm>.+)"
    r"|reminder (?P<reminder>(?:to|that|about) .+)|reminder (?:for|at) (?P<at>.+))"
)
_SPAN = re.compile(r"(?:(?:in|after|for) )?(\d+) seconds(?: from now)?")
_TEXT = re.compile(r"(?:to|that|about) \w")
_STARTS_WHEN = vocabulary(  # no "for": "remind me to run for ten minutes" says no time
    "in at on by tomorrow today tonight this monday tuesday wednesday thursday friday saturday"
    " sunday"
)
_REPEATED = re.compile(
    r"\b(?:every (?:single |other )?(?:day|morning|evening|afternoon|night|week|weekday|weekend"
    r"|month|year|hour|minute|\w+day|\d+|two|three|four|five|ten|half)|daily|weekly|hourly"
    r"|weekdays|weekends|(?:mon|tues|wednes|thurs|fri|satur|sun)days)\b"
)
_CONDITION = re.compile(r"^(?:to .+ |)(?:when|if|once|whenever|as soon as|before|after) \D+$")
_DAY = r"(?:(?:on )?\w+day|tomorrow|tonight)(?: morning| afternoon| evening| night)?"
_DAY = rf"(?:{_DAY}|this (?:morning|afternoon|evening)|in the (?:morning|afternoon|evening))"
_DAY_BEHIND = re.compile(rf"(?P<text>.+) (?P<day>{_DAY})")
_DAY_BEFORE = re.compile(rf"(?P<day>{_DAY}) (?P<text>to .+)")
_MINE = {"my": "your", "me": "you", "i": "you", "i'm": "you're", "i've": "you've", "mine": "yours"}
_MINE |= {"i'll": "you'll", "myself": "yourself", "am": "are"}
_NO_ALARM = re.compile(r"(?:(?:set|turn on) )?the alarm")  # it may be that against burglars


def recognise(words: str) -> Recognised | None:
    """Return what plain words (`hub.home.english.plain`) ask for; None if it is no such thing."""
    if (cancelled := _CANCEL_ONE.fullmatch(words)) is not None:
        return _cancel(cancelled)
    if _REPEATED.search(words) is None:
        return _alarm(words) or _alarms(words) or _reminder(words)
    asks = any(p.fullmatch(words) for p in (_ALARM, _ALARM_BEHIND, _REMINDER, _REMINDER_BEHIND))
    return Recognised(CANNOT_REPEAT, {}) if asks else None


def answer(words: str, what: str, text: str) -> Recognised | None:
    """Return what the answer to "For what time?" asks for; None if it is no time.

    Args:
        words: plain ones.
        what: "alarm" or "reminder".
        text: what they are to be reminded of.
    """
    words = re.sub(r"^(?:make it|set it|remind me|wake me(?: up)?) ", "", words)
    day = _DAY_BEHIND.fullmatch(text)
    if day is not None and (when := _when(f"{words} {day['day']}")) is not None:
        text = day["text"]  # "to call mum tomorrow": that is when, too
    else:
        when = _when(words)
    return None if when is None else Recognised(REMIND, {"what": what, "name": text, **when})


def _alarm(words: str) -> Recognised | None:
    match = _ALARM.fullmatch(words)
    if match is not None and match["when"] is None:
        if " alarm" not in words or _NO_ALARM.fullmatch(words):
            return None
        return Recognised(REMIND, {"what": "alarm"})
    match = match or _ALARM_BEHIND.fullmatch(words)
    if match is None:
        return None
    when = _when(match["when"])
    if when is None and not _TEXT.match(match["when"]):  # "an alarm for 7 to take my pills"
        return _first_remind(match["when"])
    if when is None or "seconds" in when:
        return None  # "an alarm in ten minutes" is a timer
    wakes = {} if "alarm" in words else {"morning": True}
    return Recognised(REMIND, {"what": "alarm", **when, **wakes})


def _alarms(words: str) -> Recognised | None:
    if (match := _ALARMS.fullmatch(words)) is None:
        return None
    one, other = clock_time(match["one"]), clock_time(match["other"])
    if one is None or other is None:
        return None
    both = (one.like(other), other.like(one))
    found = [Recognised(REMIND, {"what": "alarm", "at": at}) for at in both]
    return replace(found[0], also=(found[1],))


def _reminder(words: str) -> Recognised | None:
    if (match := _REMINDER_BEHIND.fullmatch(words)) is not None:
        when = _when(match["when"])
        return _remind(match["text"], when) if when is not None else None
    if (match := _REMINDER.fullmatch(words)) is None:
        return None
    rest = match["rest"] or ""
    if not rest:
        return Recognised(REMIND, {"what": "reminder"}) if "reminder" in words else None
    if (when := _when(rest)) is not None:
        if "seconds" in when and "reminder" not in words:
            return None  # a timer
        return Recognised(REMIND, {"what": "reminder", **when})
    if (found := _first_remind(rest)) is not None or match["tell"]:
        return found
    if (day := _DAY_BEFORE.fullmatch(rest)) is not None:  # "tomorrow to call mum"
        rest = f"{day['text']} {day['day']}"
    if rest.startswith("to ") and not _CONDITION.match(rest):
        return _remind(rest, {})
    return None


def _first_remind(words: str) -> Recognised | None:
    """Return the reminder of "to call mum in ten minutes" or "in ten minutes to call mum"."""
    for text, time in _splits(words):
        if (when := _when(time)) is not None:
            return _remind(text, when)
    return None


def _splits(words: str) -> Iterator[tuple[str, str]]:
    """Yield all ways to read words as what to remember and when, the longest time first."""
    parts = words.split()
    if _TEXT.match(words):  # "to call mum in ten minutes"
        for at in range(2, len(parts)):
            if parts[at] in _STARTS_WHEN:
                yield " ".join(parts[:at]), " ".join(parts[at:])
    else:  # "in ten minutes to call mum"
        for at in range(len(parts) - 2, 0, -1):
            text = " ".join(parts[at:])
            if _TEXT.match(text):
                yield text, " ".join(parts[:at])


def _remind(text: str, when: dict[str, Any]) -> Recognised:
    return Recognised(REMIND, {"what": "reminder", "name": _told(text), **when})


def _told(text: str) -> str:
    """Return what somebody is to be reminded of as it is said to them: "to call your mum"."""
    return " ".join(_MINE.get(word, word) for word in text.split())


def _cancel(match: re.Match[str]) -> Recognised | None:
    slots: dict[str, Any] = {"what": "reminder" if match["reminder"] or match["at"] else "alarm"}
    if match["reminder"]:
        slots["name"] = _told(match["reminder"])
    else:
        clock = clock_time(match["before"] or match["alarm"] or match["at"])
        if clock is None:
            return None
        slots["at"] = clock
    return Recognised("HassCancelTimer", slots, needs=slots["what"])


def _when(words: str) -> dict[str, Any] | None:
    if (span := _SPAN.fullmatch(in_seconds(words))) is not None:
        return {"seconds": float(span[1])}
    clock = clock_time(words)
    return None if clock is None else {"at": clock}
