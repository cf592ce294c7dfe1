"""English commands made plain before they are recognised: politeness off, durations in seconds."""

import re
from collections.abc import Sequence
from datetime import datetime

_DROPPED = re.compile(r"\b(?:um+|uh+|er|erm|please|for me)\b")
_BEFORE = re.compile(
    r"^(?:(?:hey|hi|hello|okay|ok|so|well|now|and|then|alright|all right|right|actually|yes|yeah"
    r"|no|oh|sorry|parlour|parlor|just|go ahead and|i want you to|i would like you to"
    r"|i'd like you to|i need you to|can you|could you|would you|will you|can we|can i|could i"
    r"|may i|let's|let us"
    r"|i want to|i would like to|i'd like to|thanks|thank you) )+"
)
_BEHIND = re.compile(
    r"(?:(?: (?:please|thanks|thank you|okay|ok|right now|will you|would you|can you|could you"
    r"|then|mate|dear|parlour|parlor))|(?<! from) now)+$"
)
_UNMUTE = re.compile(r"^(?:and|un|on|i'm)[ -]mute\b")  # as Whisper's smallest model writes it
_HEARD = (  # how Whisper's smallest model writes it, now and then
    (re.compile(r"^(?:sat|sit|said|set) (?:at|up|a|the|up a|it) (?=(?:\w+ ){0,4}timer)"), "set a "),
    (re.compile(r"\btime or\b"), "timer"),
    (re.compile(r"\bcount down\b"), "countdown"),
    (re.compile(r"\b(?:a second|another|a new|one more|a further) (?=(?:\S+ )?timer)"), "a "),
)

_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_VALUES = {word: value for value, word in enumerate(_ONES)}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_ONES[1:10])}))?|{'|'.join(_ONES[::-1])})"
_NUMBER = (
    rf"(?:\d+(?:\.\d+)?|(?:(?:a|{'|'.join(_ONES[1:10])}) )?hundred(?:(?: and)? {_SMALL})?|{_SMALL})"
)
_FRACTIONS = {
    "a half": 0.5,
    "half": 0.5,
    "1/2": 0.5,
    "a quarter": 0.25,
    "1/4": 0.25,
    "three quarters": 0.75,
    "3/4": 0.75,
}
_FRACTION = "a half|a quarter|three quarters|half|1/2|1/4|3/4"
_UNITS = {"h": 3600, "m": 60, "s": 1}
_UNIT = r"(?P<unit>hours?|hrs?|minutes?|mins?|seconds?|secs?)"
_PART = re.compile(
    r"(?<![\w.:'/-])(?:another (?!h|min|sec)|an extra |an additional )?"
    r"(?:(?P<part>(?:a )?half(?: an?)?|(?:a )?quarter(?: of an?)|three quarters of an?"
    r"|1/2|1/4|3/4)"
    rf"|(?P<count>{_NUMBER})(?:(?: and)? (?P<more>{_FRACTION}))?"
    r"|(?P<article>(?:a )?couple(?: of)?|another|an|a))"
    r"(?: more| extra| additional)?"
    rf"[ -]?{_UNIT}(?: and (?P<after>a half|a quarter|three quarters))?\b"
)
_MOST_AT_ONCE = 5  # timers in one sentence
_TIMERS = re.compile(
    r"(?:set|start|make|create|put on) (?:me )?(?:\w+ )?timers (?:for|of|one for) (?P<spans>.+)"
)
_AND_TIMER = re.compile(
    r"(?:,? and|,)(?: then| also)*(?: (?:set|start|make|create|put on))?"
    r"(?= (?:an? |the |another |one |for )(?!half\b|quarter\b))"
)
_ANOTHER = re.compile(r"^(?:(?:another|an?|the|one)(?: one| timer)? )?(?=for\b)")
_SOME_UNIT = re.compile(r"\b(?:hour|minute|second)s?\b")
_PERCENT = re.compile(rf"\b({_NUMBER}) percent\b")
_REST = re.compile(r" ([1-5]?\d)")
_JOINT = re.compile(r"(?:\s*,)?(?: and)? ")


def plain(text: str) -> str:
    """Return a command in lower case without punctuation and politeness."""
    words = text.lower().replace("\u2019", "'").replace("%", " percent ")
    words = words.replace("\u00bd", " 1/2").replace("\u00bc", " 1/4")
    words = re.sub(r"(?<!\d)[.,:](?!\d)|[.,:](?!\d)|[!?;\"()\u2026]|--+", " ", words)
    words = _UNMUTE.sub("unmute", " ".join(_DROPPED.sub(" ", words).split()))
    before = ""
    while before != words:
        before = words
        words = _BEFORE.sub("", words)
        words = _BEHIND.sub("", words)
    for pattern, meant in _HEARD:
        words = pattern.sub(meant, words)
    return words


def timers_in(words: str) -> list[str]:
    """Return plain words that ask for several timers as so many sentences; [] if they do not."""
    if "timer" not in words:
        return []
    if (listed := _TIMERS.fullmatch(words)) is not None:
        spans = re.split(r",? and |, ", listed["spans"])
        parts = ["timer for " + re.sub(r"^(?:one |another )?for ", "", span) for span in spans]
    else:
        first, *more = _AND_TIMER.split(words)
        first += "" if "timer" in first else " timer"  # "a 5 minute and a 10 minute timer"
        parts = [first, *("set " + _ANOTHER.sub("timer ", part.strip()) for part in more)]
    for at in range(len(parts) - 1, -1, -1):  # "for 5 minutes and another for 10", "for 5 and 10"
        near = parts[at + 1 :] + parts[:at][::-1]
        unit = next((u[0] for part in near if (u := _SOME_UNIT.search(part))), "")
        if unit and re.search(rf"for {_NUMBER}$", parts[at]):
            parts[at] += f" {unit}"
    return parts if 1 < len(parts) <= _MOST_AT_ONCE else []


def in_seconds(words: str) -> str:
    """Return plain words with durations in seconds, and percentages, in digits.

    "A timer for an hour and a half" is "a timer for 5400 seconds".
    """
    found: list[str] = []
    at = 0
    while (match := _PART.search(words, at)) is not None:
        found.append(words[at : match.start()])
        total, at = _seconds_of(match), match.end()
        if (rest := _REST.fullmatch(words, at)) and _size(match) > 1:  # "1 hour 30"
            total, at = total + int(rest[1]) * _size(match) / 60, rest.end()
        while joint := _JOINT.match(words, at):  # "1 hour and 20 minutes", "2 minutes, 5 seconds"
            following = _PART.match(words, joint.end())
            if following is None or _size(following) >= _size(match):
                break
            match = following
            total, at = total + _seconds_of(match), match.end()
        found.append(f"{round(total)} seconds")
    told = "".join([*found, words[at:]])
    return _PERCENT.sub(lambda match: f"{round(_number(match[1]))} percent", told)


def _size(part: re.Match[str]) -> int:
    return _UNITS[part["unit"][0]]


def _seconds_of(part: re.Match[str]) -> float:
    if part["part"]:
        words = part["part"]
        count = 0.75 if "three" in words or "3/4" in words else 0.25
        count = 0.5 if "half" in words or "1/2" in words else count
    elif part["article"]:
        count = 2.0 if "couple" in part["article"] else 1.0
    else:
        count = _number(part["count"]) + _FRACTIONS.get(part["more"] or "", 0.0)
    count += _FRACTIONS.get(part["after"] or "", 0.0)
    return count * _size(part)


def value_of(words: str) -> int | None:
    """Return the number below a hundred that words are: "forty-five"; None if they are none."""
    parts = re.split("[ -]", words)
    values = [_VALUES[part] for part in parts if part in _VALUES]
    return sum(values) if len(values) == len(parts) else None


def _number(words: str) -> float:
    if words[0].isdigit():
        return float(words)
    total = 0
    for word in re.findall(r"[a-z]+", words):
        if word == "hundred":
            total = 100 * max(1, total)
        else:
            total += _VALUES.get(word, 1 if word == "a" else 0)
    return float(total)


def duration(seconds: float) -> str:
    """Return a duration as it is said: "1 hour and 20 minutes"."""
    return listed(_parts(seconds))


def listed(things: Sequence[str]) -> str:
    """Return several things as they are said: "one, two and three"."""
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)


def clock(at: datetime) -> str:
    """Return a time of day as it is said: "7 AM", "7:30 PM", "noon"."""
    if at.minute == 0 and at.hour in (0, 12):
        return "noon" if at.hour else "midnight"
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes} {'AM' if at.hour < 12 else 'PM'}"


def kind(seconds: float) -> str:
    """Return a duration as it stands before a thing: "1 hour 20 minute"."""
    return " ".join(part.rstrip("s") for part in _parts(seconds))


def _parts(seconds: float) -> list[str]:
    whole = max(0, round(seconds))
    counts = ((whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second"))
    parts = [f"{count} {unit}{'s' if count != 1 else ''}" for count, unit in counts if count]
    return parts or ["0 seconds"]
