"""English times of day, as they are said and as speech-to-text writes them: "half past 7"."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from hub.home.english import value_of

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HALVES = {"morning": "am", "afternoon": "pm", "evening": "pm", "night": "pm"}
_MERIDIEM = re.compile(r"(?<=[\d ])([ap])\.? ?m\b\.?")
_DAY = re.compile(
    rf"\b(?:(?:on |this |for )?(today|tomorrow|tonight|{'|'.join(_WEEKDAYS)}))\b"
    r"(?: (morning|afternoon|evening|night))?"
    r"|\b(?:in the |this |at )(morning|afternoon|evening|night)\b"
)
_BEFORE = re.compile(r"^(?:(?:at|for|by|around|about|exactly|to|on|the) )+")
_CORE = re.compile(
    r"(?P<named>noon|midday|midnight)"
    r"|(?:(?P<half>half)|(?:a )?(?P<quarter>quarter)|(?P<off>\d\d?)(?: minutes?)?)"
    r" (?P<way>past|after|to|before|till) (?P<of>\d\d?)"
    r"|(?P<packed>\d{3,4})"
    r"|(?P<hour>\d\d?)(?:[:. ](?P<minute>\d\d|0 \d))?"
)
_CLOCK = re.compile(rf"(?:{_CORE.pattern})(?: ?o'? ?clock)?(?: ?(?P<meridiem>am|pm))?")
_WORD = re.compile(
    r"\b(?:(twenty|thirty|forty|fifty)[ -](one|two|three|four|five|six|seven|eight|nine)|[a-z]+)\b"
)


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A time of day, as far as it was said.

    Args:
        hour: 0 to 23, or 1 to 12 where `open`.
        minute: 0 to 59.
        open: whether it may be in the morning or in the evening.
        day: 0 for today, 1 for tomorrow, None for the next time that it is so late.
        weekday: 0 for Monday; None where no day of the week is said.
    """

    hour: int
    minute: int
    open: bool = False
    day: int | None = None
    weekday: int | None = None

    def after(self, now: datetime, *, morning: bool = False) -> datetime:
        """Return the moment that is meant, in local time; one that has passed, only if that is.

        Args:
            now: the local time.
            morning: whether it is rather in the morning where that is not said: they want to wake.
        """
        hours = [self.hour % 12, self.hour % 12 + 12] if self.open else [self.hour]
        another_day = self.day == 1 or self.weekday is not None
        if self.open and 5 <= self.hour < 12 and (morning or another_day):
            hours = hours[:1]
        elif self.open and another_day:
            hours = hours[1:]  # "tomorrow at two"
        at = [datetime.combine(now.date(), time(hour, self.minute)) for hour in hours]
        if self.weekday is not None:
            ahead = timedelta((self.weekday - now.weekday()) % 7)
            moments = [moment + ahead for moment in at]
            return next((m for m in moments if m > now), moments[0] + timedelta(7))
        if self.day is not None:
            moments = [moment + timedelta(self.day) for moment in at]
            return next((m for m in moments if m > now), moments[-1])
        return next(m for m in (*at, *(m + timedelta(1) for m in at)) if m > now)

    def like(self, other: "ClockTime") -> "ClockTime":
        """Return it in the same half of the same day as another, where its own was not said."""
        day = other.day if self.day is None else self.day
        if not self.open or other.open:
            return replace(self, day=day)
        hour = self.hour % 12 + (12 if other.hour >= 12 else 0)
        return replace(self, hour=hour, open=False, day=day)

    def fits(self, at: datetime) -> bool:
        """Tell whether it may be that moment's time of day."""
        hours = {self.hour % 12, self.hour % 12 + 12} if self.open else {self.hour}
        return at.hour in hours and at.minute == self.minute


def clock_time(words: str) -> ClockTime | None:
    """Return the time of day that plain English words say, and nothing else; None otherwise."""
    words = _MERIDIEM.sub(lambda found: f"{found[1]}m", _in_digits(words))
    day, weekday, part = None, None, ""
    for found in _DAY.finditer(words):
        name = found[1] or ""
        day = {"today": 0, "tonight": 0, "tomorrow": 1}.get(name, day)
        weekday = _WEEKDAYS.index(name) if name in _WEEKDAYS else weekday
        part = "night" if name == "tonight" else found[2] or found[3] or part
    core = _BEFORE.sub("", " ".join(_DAY.sub(" ", words).split()) + " ").strip()
    match = _CLOCK.fullmatch(core)
    clock = _hour_and_minute(match) if match is not None else None
    if match is None or clock is None:
        return None
    hour, minute = clock
    exact = bool(match["named"]) or not 1 <= hour <= 12 or core.startswith("0")
    half = match["meridiem"] or _HALVES.get(part, "")
    if exact and match["meridiem"]:
        return None  # "17 pm"
    if half and not exact:
        small = part == "night" and not match["meridiem"] and (hour == 12 or hour < 5)
        hour = hour % 12 + (12 if half == "pm" and not small else 0)
        exact = True
    if part == "night" and hour < 5 and day == 0:
        day = 1  # "tonight at one" is tomorrow by the calendar
    return ClockTime(hour, minute, not exact, day, weekday)


def _hour_and_minute(match: re.Match[str]) -> tuple[int, int] | None:
    if match["named"]:
        return (0 if match["named"] == "midnight" else 12), 0
    if match["way"]:
        off = 30 if match["half"] else 15 if match["quarter"] else int(match["off"])
        hour = int(match["of"])
        if match["way"] not in ("past", "after"):
            if match["half"]:
                return None
            hour, off = (hour - 1) or 12, 60 - off
    elif match["packed"]:
        hour, off = int(match["packed"][:-2]), int(match["packed"][-2:])
    else:
        hour, off = int(match["hour"]), int((match["minute"] or "0").replace(" ", ""))
    return (hour, off) if hour < 24 and 0 <= off < 60 else None


def _in_digits(words: str) -> str:
    words = re.sub(
        r"\b(?:oh|o) (?=(?:one|two|three|four|five|six|seven|eight|nine)\b)", "0 ", words
    )

    def digits(word: re.Match[str]) -> str:
        value = value_of(word[0])
        return word[0] if value is None else str(value)

    return _WORD.sub(digits, words)
