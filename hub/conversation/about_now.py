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
from hub.conversation.requests import Need, needs_of

_DAYS = [name.lower() for name in calendar.day_name]
_MONTHS = [name.lower() for name in calendar.month_name]
_DAY = re.compile(rf"\b({'|'.join(_DAYS)})\b")
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS[1:])})\b")
_FEASTS = {
    "christmas": ("Christmas", 12, 25),
    "halloween": ("Halloween", 10, 31),
    "new year": ("New Year", 1, 1),
}
_HOURS = {"noon": 12, "midday": 12, "midnight": 0}
_ELSEWHERE = re.compile(r"\bin (?!here|the|this|my|our|an?\b|total|days|hours)\w+")
_SHIFTS = {"tomorrow": 1, "tomorrows": 1, "yesterday": -1, "yesterdays": -1}
_IS_IT = any_of(r"(is it|is (today|this)|are we)")
_NEXT = any_of(r"(when|what \w+|which \w+) is (the )?next")
_WHICH_ROOM = any_of(
    r"""
(which|what) room (is|am|are) (this|it|i|we|you)( in| here| now)*$
where (am i|are we)( now| right now)*$
(what is|tell me) the name of this room$
what is this room( called)?$
"""
)
_UNKNOWN = "I can't work that out."


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
    needs = [need for need in needs_of(text, earlier) if need.ability == "clock"]
    return " ".join(dict.fromkeys(_answer(need, now) for need in needs)) or None


def time_of(now: datetime) -> str:
    """Return a sentence that tells the time."""
    if now.minute == 0 and now.hour in (0, 12):
        return "It's noon." if now.hour else "It's midnight."
    return f"It's {now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}."


def _answer(need: Need, now: datetime) -> str:
    words, today = need.words, now.date()
    if need.detail == "until":
        return _until(words, now)
    if need.detail != "date":
        elsewhere = _ELSEWHERE.search(words)
        return f"I only know the time here. {time_of(now)}" if elsewhere else time_of(now)
    if _NEXT.match(words):
        named = _DAY.search(words)
        return _day(_next_weekday(today, named[1]), today) if named else _UNKNOWN
    if "since" in words.split():
        return _UNKNOWN
    if _IS_IT.match(words) and (found := _DAY.search(words)):
        yes = today.weekday() == _DAYS.index(found[1])
        return f"{'Yes' if yes else 'No'}, it's {_weekday(today)}."
    if _IS_IT.match(words) and "weekend" in words:
        return f"{'Yes' if today.weekday() > 4 else 'No'}, it's {_weekday(today)}."
    if _IS_IT.match(words) and (found := _MONTH.search(words)):
        yes = today.month == _MONTHS.index(found[1])
        return f"{'Yes' if yes else 'No'}, it's {today:%B}."
    if re.search(r"\byear\b", words):
        return f"It's {today.year}."
    if re.search(r"\bmonth\b", words) and "day" not in words:
        return f"It's {today:%B}."
    shift = sum(_SHIFTS.get(word, 0) for word in words.split())
    return _day(today + timedelta(shift), today)


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
        if name in words.split():
            at = datetime.combine(today, time(hour), now.tzinfo)
            minutes = round((at - now).total_seconds() / 60) % (24 * 60)
            return f"{_hours_and_minutes(minutes)} until {name}."
    return f"{_UNKNOWN} {_day(today, today)}"


def _next_weekday(today: date, name: str) -> date:
    return today + timedelta((_DAYS.index(name) - today.weekday() - 1) % 7 + 1)


def _weekday(day: date) -> str:
    return f"{day:%A}"


def _day(day: date, today: date) -> str:
    names = {-1: "Yesterday was", 0: "It's", 1: "Tomorrow is"}
    return f"{names.get((day - today).days, 'It is')} {day:%A}, {day:%B} {day.day}."


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
