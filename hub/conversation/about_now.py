"""What a clock alone answers: the time, the date, how long until something, which room this is.

Facts that change have no place in the system prompt, whose cache they would cost; and a small model
given them behind the question still gets every third answer wrong ("The latest time is 10:45 PM",
"Yesterday was Thursday", a day's date tomorrow), measured on 22 questions. So they are no model's
business. `hub.conversation.requests` tells which sentences ask for them.
"""

import calendar
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from hub.conversation.request_idioms import any_of
from hub.conversation.request_phrases import bare
from hub.conversation.request_words import vocabulary
from hub.conversation.requests import Need, needs_of

_DAYS = [name.lower() for name in calendar.day_name]
_MONTHS = [name.lower() for name in calendar.month_name]
_DAY = re.compile(rf"\b({'|'.join(_DAYS)})\b")
_FEASTS = {
    "christmas": ("Christmas", 12, 25),
    "halloween": ("Halloween", 10, 31),
    "new year": ("New Year", 1, 1),
}
_HOURS = {"noon": 12, "midday": 12, "midnight": 0}
_ELSEWHERE = re.compile(r"\bin (?!here|the|this|my|our|an?\b|total|days|hours)\w+")
_SHIFTS = {"today": 0, "todays": 0, "tomorrow": 1, "tomorrows": 1, "overmorrow": 2}
_SHIFTS |= {"yesterday": -1, "yesterdays": -1, "ereyesterday": -2}
_TWO_DAYS = (  # in one word, as English once had them
    (re.compile(r"\b(the )?day after tomorrow\b"), "overmorrow"),
    (re.compile(r"\b(the )?day before yesterday\b"), "ereyesterday"),
)
_ONES = re.findall(
    r"\w+",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen",
)
_TEN_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {name: 10 * ten for ten, name in enumerate(re.findall(r"\w+", _TEN_NAMES), 2)}
_NUMBERS = {name: value for value, name in enumerate(_ONES, 1)} | _TENS
_COUNT = (
    rf"(\d{{1,4}}|(?:{'|'.join(_TENS)}) (?:{'|'.join(_ONES)})|{'|'.join(_NUMBERS)}|half an|an?)"
)
_AHEAD = re.compile(
    rf"\bin {_COUNT} (minute|hour|day|week)s?(?: (?:{_COUNT} minutes?|(a half)))?(?: time)?\b"
)
_SPAN = re.compile(r"\bin .*\b(seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b|\bago\b")
_TOGETHER = (  # what is one moment, though it has a comma or an "and"
    (re.compile(r"\b(\w+) and a half (hours)\b", re.IGNORECASE), r"\1 \2 a half"),
    (re.compile(r"\b(hours?|days?|weeks?) and (?=a half\b|\w+ min)", re.IGNORECASE), r"\1 "),
    (
        re.compile(
            rf"(?<=day), +(?=the \w+ of|{'|'.join([*_MONTHS[1:], *_SHIFTS])})", re.IGNORECASE
        ),
        " ",
    ),
)
_IS_IT = any_of(r"((is|was) (it|this|today|tomorrow|yesterday)|are we)")
_ORDINAL = re.compile(r"\d+(st|nd|rd|th)?|\w+th|(\w+ty)?(first|second|third)|of|twenty|thirty")
_NEXT = any_of(r"(when|what \w+|which \w+) is (the )?next")
_CHECKED = vocabulary("is it this the a now still really finally just currently right")
_ASKED = vocabulary(
    "what which when how about is was will are do have be it we this the our now in on of at for "
    "exact exactly right local correct current currently date day month year week season century "
    "quarter and or so okay well then no but please really again try guess just come you sure "
    "tell me"
)
_WHICH_ROOM = any_of(
    r"""
(which|what) room (is|am|are) (this|it|i|we|you)( in| here| now)*$
where (am i|are we)( now| right now)*$
(what is|tell me) the name of this room$
what is this room( called)?$
"""
)
_UNKNOWN = "I can't work that out."
_SAME_YEAR = 360  # days within which a date needs no year


def about_now(text: str, now: datetime, place: str = "", earlier: Sequence[str] = ()) -> str | None:
    """Return the answer to a question about the present moment or place, or None if it is none.

    Args:
        text: what the person said.
        now: the local time.
        place: the room's name; "" where it is not known.
        earlier: what they said before in this conversation, oldest first.
    """
    if place and _WHICH_ROOM.match(bare(text).text):
        return f"This room is called {place}."
    for pattern, together in _TOGETHER:
        text = pattern.sub(together, text)
    needs = [need for need in needs_of(text, earlier) if need.ability == "clock"]
    return " ".join(dict.fromkeys(_answer(need, now) for need in needs)) or None


def time_of(now: datetime) -> str:
    """Return a sentence that tells the time."""
    if now.minute == 0 and now.hour in (0, 12):
        return "It's noon." if now.hour else "It's midnight."
    return f"It's {now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}."


def _answer(need: Need, now: datetime) -> str:
    words = need.words
    for pattern, name in _TWO_DAYS:
        words = pattern.sub(name, words)
    if need.detail == "until":
        return _until(words, now)
    return _date(words, now) if need.detail == "date" else _time(words, now)


def _time(words: str, now: datetime) -> str:
    ahead, rest = _ahead(words)
    if _SPAN.search(rest):
        return f"{_UNKNOWN} {time_of(now)}"
    # (By way of the seconds since 1970, as clocks may be changed meanwhile.)
    told = time_of(datetime.fromtimestamp(now.timestamp() + ahead.total_seconds(), now.tzinfo))
    if ahead:
        told = told.replace("It's", "It will be")
    return f"I only know the time here. {told}" if _ELSEWHERE.search(rest) else told


def _date(words: str, now: datetime) -> str:
    """Tell the date of the day that is meant.

    Where words are left over, it is another question, which nobody here can answer.
    """
    today = now.date()
    if _NEXT.match(words):
        named = _DAY.search(words)
        return _coming(named[1], words, today) if named else _UNKNOWN
    ahead, rest = _ahead(words)
    shifts = {_SHIFTS[word] for word in rest.split() if word in _SHIFTS}
    if len(shifts) > 1 or (ahead and shifts - {0}):
        return _UNKNOWN
    day = (now + ahead).date() + timedelta(sum(shifts))
    left = [word for word in rest.split() if word not in _SHIFTS]
    if _IS_IT.match(words):
        return _is_it(left, day, today)
    named = _DAY.search(rest)
    if set(left) - _ASKED - ({named[1], "next"} if named else set()):
        return _UNKNOWN
    if named:
        other = shifts or ahead or "was" in left
        return _UNKNOWN if other else _coming(named[1], words, today)
    if {"month", "year"} & set(left) and "day" not in left:
        if day != today:
            return f"{_day(day, today).rstrip('.')}, {day.year}."
        return f"It's {day.year}." if "month" not in left else f"It's {today:%B}."
    return _day(day, today)


def _is_it(left: Sequence[str], day: date, today: date) -> str:
    """Say whether `day` is what the words that are `left` say it is."""
    kinds = {"weekend": day.weekday() > 4, "weekday": day.weekday() < 5}
    names = {f"{day:%A}".lower(): True, f"{day:%B}".lower(): True} | kinds
    named = {word for word in left if word in {*_DAYS, *_MONTHS[1:], *kinds}}
    told = _day(day, today)
    if not named:
        return told
    known = _CHECKED | {"or", "was"} if day < today else _CHECKED | {"or"}
    known = known | {"are", "we", "in", "on"} if "we" in left else known
    others = set(left) - named - known
    if others:
        return told if all(_ORDINAL.fullmatch(word) for word in others) else _UNKNOWN
    by_month = named <= set(_MONTHS)
    if day == today:
        told = f"It's {day:%B}." if by_month else f"It's {_weekday(day)}."
    elif not by_month:
        told = told.partition(",")[0].replace("It is", "It will be") + "."
    if len(named) > 1 or "or" in left:
        return told
    yes = any(names.get(name, False) for name in named)
    return f"{'Yes' if yes else 'No'}, {told[0].lower()}{told[1:]}"


def _ahead(words: str) -> tuple[timedelta, str]:
    """Return how far ahead "in ten minutes" is, 0 where nothing is said, and the other words."""
    found = _AHEAD.search(words)
    if found is None:
        return timedelta(0), words
    count, unit, minutes, half = found.groups()
    if half and unit != "hour":
        return timedelta(0), words
    span = _number(count) * timedelta(**{f"{unit}s": 1})
    span += timedelta(minutes=30 if half else _number(minutes) if minutes else 0)
    return span, words[: found.start()] + words[found.end() :]


def _number(words: str) -> float:
    if words == "half an":
        return 0.5
    if words in ("a", "an"):
        return 1
    return int(words) if words.isdigit() else sum(_NUMBERS[word] for word in words.split())


def _coming(name: str, words: str, today: date) -> str:
    """Tell the date of a weekday to come."""
    day = _next_weekday(today, name)
    after = day + timedelta(7)
    if "next" not in words.split():
        if (day - today).days < 7:
            return _day(day, today)
        return f"{_day(today, today).rstrip('.')}, and the next one is {_month_day(day)}."
    # "Next Friday" is the one of next week to some, "the next Friday" to nobody.
    if "the next" in words or day.isocalendar()[:2] > today.isocalendar()[:2]:
        return _day(day, today)
    return (
        f"This {_weekday(day)} is {_month_day(day)}, and the one after it is {_month_day(after)}."
    )


def _until(words: str, now: datetime) -> str:
    today = now.date()
    for feast, (name, month, day) in _FEASTS.items():
        if feast in words:
            then = date(today.year, month, day)
            then = then if then >= today else then.replace(year=today.year + 1)
            return _days_until(name, (then - today).days)
    if found := _DAY.search(words):
        then = _next_weekday(today, found[1])
        return _days_until(_weekday(then), (then - today).days)
    for name, hour in _HOURS.items():
        if name in words.split() and "tomorrow" not in words:
            at = datetime.combine(today, time(hour), now.tzinfo)
            minutes = round((at - now).total_seconds() / 60) % (24 * 60)
            return f"{_hours_and_minutes(minutes)} until {name}."
    return f"{_UNKNOWN} {_day(today, today)}"


def _next_weekday(today: date, name: str) -> date:
    return today + timedelta((_DAYS.index(name) - today.weekday() - 1) % 7 + 1)


def _weekday(day: date) -> str:
    return f"{day:%A}"


def _day(day: date, today: date) -> str:
    names = {-2: "It was", -1: "Yesterday was", 0: "It's", 1: "Tomorrow is"}
    year = f", {day.year}" if abs((day - today).days) > _SAME_YEAR else ""
    return f"{names.get((day - today).days, 'It is')} {day:%A}, {_month_day(day)}{year}."


def _month_day(day: date) -> str:
    return f"{day:%B} {day.day}"


def _days_until(name: str, days: int) -> str:
    if days < 2:
        return f"{name} is {'tomorrow' if days else 'today'}."
    return f"{name} is in {days} days."


def _hours_and_minutes(minutes: int) -> str:
    parts = [
        f"{count} {name}{'s' if count > 1 else ''}"
        for count, name in ((minutes // 60, "hour"), (minutes % 60, "minute"))
        if count
    ]
    return " and ".join(parts).capitalize() or "No time at all"
