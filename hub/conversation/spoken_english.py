"""Numbers, units, dates, sums of money and symbols in English words."""

# Dashes, primes and multiplication signs are what this file is about.
# ruff: noqa: RUF001

import re
from collections.abc import Callable

from num2words import num2words

from hub.conversation.english_units import CURRENCIES, PER, UNITS

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
)
_N = r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+"  # a plain number, with thousands or decimals
_START = r"(?<![\w.,/:])"

_BIG = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million"} | {
    "b": "billion",
    "B": "billion",
    "bn": "billion",
    "tn": "trillion",
}
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8", "⅕": "1/5"}
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ABBREVIATIONS = (
    (r"\be\.\s?g\.,?|\beg\.,?", "for example,"),
    (r"\bi\.\s?e\.,?|\bie\.,?", "that is,"),
    (r"\betc\b\.?(?=\s+[A-Z]|\s*$)", "et cetera."),
    (r"\betc\b\.?", "et cetera"),
    (r"\bvs?\.(?=\s)|\bvs\b", "versus"),
    (r"\bapprox\.", "approximately"),
    (r"\bw/o\b", "without"),
    (r"\bw/(?=\s)", "with"),
    (r"\b(?:No|no|Nr)\.\s?(?=\d)", "number "),
    (r"\bNos\.\s?(?=\d)", "numbers "),
    (r"\bMr\b\.?", "Mister"),
    (r"\bMrs\b\.?", "Missus"),
    (r"\bDr\.?(?=\s+[A-Z])", "Doctor"),
    (r"\bProf\.(?=\s+[A-Z])", "Professor"),
    (r"\bSt\.(?=\s+[A-Z])", "Saint"),
    (r"\bJr\.", "Junior"),
    (r"\bSr\.", "Senior"),
    (r"\bC#", "C sharp"),
    (r"\bF#", "F sharp"),
    (r"\bC\+\+", "C plus plus"),
    (r"\band/or\b", "and or"),
    (r"\b24/7\b", "twenty-four seven"),
    (r"\b9/11\b", "nine eleven"),
)


def cardinal(number: str) -> str:
    """A number as it is written ("1,234.50", "-3") in words; decimals digit by digit."""
    text = number.replace(",", "").replace("−", "-")
    minus = "minus " if text.startswith("-") else ""
    whole, _, decimals = text.lstrip("-").partition(".")
    if len(whole) > 15 or (len(whole) > 1 and whole.startswith("0")):
        words = _digits(whole)
    else:
        words = str(num2words(int(whole or 0))).replace(",", "")
    return minus + words + (f" point {_digits(decimals)}" if decimals else "")


def _ordinal(number: int) -> str:
    return str(num2words(number, to="ordinal")).replace(",", "")


def _year(number: int) -> str:
    if 2000 <= number <= 2009 or number % 1000 == 0:
        return cardinal(str(number))
    return str(num2words(number, to="year")).replace("-hundred", " hundred").replace(" oh-", " oh ")


def _digits(text: str) -> str:
    return " ".join(str(num2words(int(digit))) for digit in text if digit.isdigit())


def _date(month: int, day: int, year: int | None) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    return f"{_MONTHS[month - 1]} {_ordinal(day)}" + (f", {_year(year)}" if year else "")


def _slash_date(match: re.Match[str]) -> str:
    first, second = int(match[1]), int(match[2])
    year = int(match[3]) + (0 if len(match[3]) == 4 else 2000)
    if first > 12 or second > 12:
        month, day = (second, first) if first > 12 else (first, second)
        return _date(month, day, year) or match[0]
    # 12/05 is December in one country and May in the next: say what is written
    return f"{cardinal(str(first))} slash {cardinal(str(second))} slash {_year(year)}"


def _month_number(name: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name[:3]))


def _month_day(match: re.Match[str]) -> str:
    year = int(match[3]) if match[3] else None
    return _date(_month_number(match[1]), int(match[2]), year) or match[0]


def _day_month(match: re.Match[str]) -> str:
    day, year = int(match[1]), match[3]
    if not 1 <= day <= 31:
        return match[0]
    month = _MONTHS[_month_number(match[2]) - 1]
    return f"the {_ordinal(day)} of {month}" + (f", {_year(int(year))}" if year else "")


def _half_day(text: str) -> str:
    return f"{text[0].lower()}.m."


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    if hour > 24 or minute > 59:
        return match[0]
    words = cardinal(str(hour)) if hour else ("twelve" if half else "zero")
    if minute:
        words += f" {'oh ' if minute < 10 else ''}{cardinal(str(minute))}"
    elif not half and not second:
        words += " o'clock" if 0 < hour <= 12 else " hundred"
    if second:
        words += f" and {cardinal(str(int(second)))} seconds"
    return f"{words} {_half_day(half)}" if half else words


def _money(sign: str, number: str, big: str | None) -> str:
    one, many, hundredth = CURRENCIES[sign]
    if big:
        return f"{cardinal(number)} {_BIG.get(big, big.lower())} {many}"
    whole, _, cents = number.replace(",", "").partition(".")
    if cents and len(cents) != 2:
        return f"{cardinal(number)} {many}"
    amount = f"{cardinal(whole)} {one if whole == '1' else many}"
    if not cents or cents == "00" or not hundredth:
        return amount
    part = f"{cardinal(str(int(cents)))} {hundredth}" + (
        "s" if hundredth.startswith("cent") and cents != "01" else ""
    )
    return part if whole.strip("0") == "" else f"{amount} and {part}"


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    if not (0 < top < bottom and (bottom <= 10 or bottom in (12, 16, 20, 32, 64, 100))):
        return f"{whole or ''}{cardinal(match[2])} over {cardinal(match[3])}"
    name = {2: "half", 4: "quarter"}.get(bottom, _ordinal(bottom))
    plural = "halves" if bottom == 2 else name + "s"
    if whole:
        part = f"a {name}" if top == 1 else f"{cardinal(match[2])} {plural}"
        return f"{cardinal(whole.strip())} and {part}"
    return f"{cardinal(match[2])} {name if top == 1 else plural}"


def _unit(match: re.Match[str]) -> str:
    minus, number, upper, unit, per = match[1], match[2], match[3], match[4], match[5]
    one, many = UNITS[unit]
    words = one if number in ("1", "1.0") and not upper else many
    if per:
        words += f" per {PER.get(per) or UNITS[per][0]}"
    to = f" to {cardinal(upper)}" if upper else ""
    return f"{'minus ' if minus else ''}{cardinal(number)}{to} {words}"


def _degrees(match: re.Match[str]) -> str:
    minus, number, upper, scale = match[1], match[2], match[3], (match[4] or "").upper()
    words = "degree" if number == "1" and not upper else "degrees"
    name = {"C": " Celsius", "F": " Fahrenheit"}.get(scale, "")
    to = f" to {cardinal(upper)}" if upper else ""
    return f"{'minus ' if minus else ''}{cardinal(number)}{to} {words}{name}"


def _bare_number(match: re.Match[str]) -> str:
    minus, number = match[1], match[2]
    before, after = match.string[: match.start()], match.string[match.end() :]
    if (
        minus is None
        and number.isdigit()
        and len(number) == 4
        and _looks_like_year(before, int(number), after)
    ):
        return _year(int(number))
    if number.isdigit() and len(number) >= 10:
        return _digits(number)
    return cardinal(("-" if minus else "") + number)


_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|by|until|till|before|after|from|of|during|around|circa|year|early|late|mid|the"
    r"|to"
    rf"|and|between|{_MONTH}|spring|summer|autumn|fall|winter|copyright|founded|born"
    r"|died)[ ,]*\(?$",
    re.IGNORECASE,
)


def _looks_like_year(before: str, number: int, after: str) -> bool:
    """Whether four digits are a year: after "in", in brackets, or of our time and not a count."""
    if not 1000 <= number <= 2099:
        return False
    if before.endswith("(") and after.startswith(")"):
        return True
    if re.match(r" (?:[a-z]+s|people)\b(?<!was)(?<!is)(?<!has)", after):
        return False  # "2000 people", "the 1500 steps"
    return number >= 1900 or _YEAR_BEFORE.search(before) is not None


_UNIT_ALTERNATIVES = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
_PER_ALTERNATIVES = "|".join(
    re.escape(u) for u in sorted(PER | UNITS, key=len, reverse=True) if "/" not in u
)
_CURRENCY_SIGNS = "[$€£¥₹]"
_CURRENCY_CODES = "(?:USD|EUR|GBP|CHF|CAD|AUD|JPY|€|£)"
_BIG_WORDS = r"(?:hundred|thousand|million|billion|trillion|mn|bn|tn|[kKmMbB])"

_Replacement = str | Callable[[re.Match[str]], str]
_STEPS: tuple[tuple[re.Pattern[str], _Replacement], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # dates and times
        (r"(?<=\d:\d\d)((?:\s?[AaPp]\.?[Mm]\b\.?)?)\s?[-–]\s?(?=\d{1,2}:\d\d)", r"\1 to "),
        (r"\b(\d{4})-(\d{2})-(\d{2})\b", lambda m: _date(int(m[2]), int(m[3]), int(m[1])) or m[0]),
        (r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b", _slash_date),
        (r"\b(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s?([AaPp])\.?[Mm]\b\.?)?(?![\d:])", _time),
        (
            r"\b(\d{1,2})\s?([AaPp])(?:\.[Mm]\.|[Mm]\b)",
            lambda m: f"{cardinal(m[1])} {_half_day(m[2])}",
        ),
        (
            rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?![\d:%/])(?:,? (\d{{4}})\b)?",
            _month_day,
        ),
        (
            rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\b\.?(?:,? (\d{{4}})\b)?",
            _day_month,
        ),
        (r"\b(\d{3}0)['’]?s\b", lambda m: _decade(_year(int(m[1])))),
        (r"(?<!\w)['’]?([2-9]0)['’]?s\b", lambda m: _decade(cardinal(m[1]))),
        # telephone numbers and addresses, digit by digit
        (
            r"(?<![\w.])(?:\+?\d{1,3}[ -.])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])"
            r"|(?<![\w.-])\d{3}-\d{4}(?![\w-])|(?<!\w)\+\d{1,3}(?: ?\d{2,4}){2,4}(?!\w)",
            lambda m: ", ".join(_digits(group) for group in re.findall(r"\d+", m[0])),
        ),
        (
            r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
            lambda m: " dot ".join(_digits(g) for g in m[0].split(".")),
        ),
        (
            r"\b[vV]?(\d+(?:\.\d+){2,})\b",
            lambda m: " point ".join(cardinal(g) for g in m[1].split(".")),
        ),
        (r"\b[vV](?=\d)", "version "),
        (r"\b(\d+):(\d+)\b(?!:)", r"\1 to \2"),
        # money
        (
            rf"([-−])?({_CURRENCY_SIGNS})\s?({_N})\s?[-–]\s?{_CURRENCY_SIGNS}?({_N})",
            lambda m: f"{cardinal(m[3])} to {_money(m[2], m[4], None)}",
        ),
        (
            rf"([-−])?({_CURRENCY_SIGNS})\s?({_N})(?:\s?({_BIG_WORDS})\b)?",
            lambda m: ("minus " if m[1] else "") + _money(m[2], m[3], m[4]),
        ),
        (
            rf"{_START}({_N})\s?(?:({_BIG_WORDS})\s)?({_CURRENCY_CODES})(?!\w)",
            lambda m: _money(m[3], m[1], m[2]),
        ),
        (rf"\b({_CURRENCY_CODES})\s?({_N})", lambda m: _money(m[1], m[2], None)),
        (rf"({_N})\s?¢", lambda m: f"{cardinal(m[1])} cents"),
        # degrees, units, percent; with ranges
        (rf"{_START}([-−])?({_N})(?:\s?(?:[-–]|to)\s?({_N}))?\s?[°º]\s?([CFcf]\b)?", _degrees),
        (
            rf"{_START}([-−])?({_N})(?:\s?[-–]\s?({_N}))?[\s-]?({_UNIT_ALTERNATIVES})"
            rf"(?:/({_PER_ALTERNATIVES}))?(?![\w²³^])",
            _unit,
        ),
        (
            rf"{_START}({_N})\s?[-–]\s?({_N})\s?%",
            lambda m: f"{cardinal(m[1])} to {cardinal(m[2])} percent",
        ),
        (rf"({_N})\s?%", r"\1 percent"),
        (r"(\d)['′](\d{1,2})[\"″]", lambda m: f"{cardinal(m[1])} feet {cardinal(m[2])} inches"),
        # fractions, ordinals, ranges
        (r"(?<![\w./])(\d+\s+)?(\d{1,3})\s?/\s?(\d{1,3})(?![\w/]|\.\d)", _fraction),
        (
            r"\b(\d{1,3}(?:,\d{3})*|\d+)(?:st|nd|rd|th)\b",
            lambda m: _ordinal(int(m[1].replace(",", ""))),
        ),
        (r"(?<=\d)\s+[-−–]\s+(?=\d[^=]*=)", " minus "),
        (rf"{_START}({_N})\s?[-–]\s?({_N})(?![\w-])", r"\1 to \2"),
        # symbols
        (r"(?<=\d)x(?=\d)|(?<=\d) x (?=\d)", " by "),
        (r"(?<![\w&])#\s?(?=\d)", "number "),
        (r"(?<!\w)#(?=[A-Za-z])", ""),
        (r"(?<![\w+])\+(?=\d)", "plus "),
        (r"(?<=\w)\+(?!\w)", " plus "),
        (r"[~≈∼](?=\s?\d)", "about "),
        (r"<?[-=–]+>|[→⇒➜]", " to "),
        (r"<=|≤", " is at most "),
        (r">=|≥", " is at least "),
        (r"!=|≠", " is not equal to "),
        (r"(?<=\S)\s?=+\s?(?=\S)", " equals "),
        (r"(?<=[\w)])\s?<\s?(?=[\w(.-])", " is less than "),
        (r"(?<=[\w)])\s?>\s?(?=[\w(.-])", " is greater than "),
        (r"\s\+\s|(?<=\w)\+(?=\w)", " plus "),
        (r"±", " plus or minus "),
        (r"÷", " divided by "),
        (r"(?<=\w)\s-\s(?=\w\s?(?:equals|plus|minus))", " minus "),
        (r"√\s?(?=\w)", " the square root of "),
        (r"∞", " infinity "),
        (r"π", " pi "),
        (r"\s?&\s?", " and "),
        (r"(?<=\w)@(?=\w)|(?<=\s)@(?=\s)", " at "),
        (r"@(?=\w)", "at "),
        (r"(?<=\d)/(?=\w)|(?<=(?:rs|ts|es|os|ds))/(?=[a-z])", " per "),
        (r"(?<=\w)\s?/\s?(?=\w)", " slash "),
        (r"(?<=[A-Za-z]{2})\.(?=[a-z]{2})", " dot "),
        # what is left of numbers
        (r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[A-Za-z])", " "),
        (rf"((?<![\w)])[-−])?({_N})", _bare_number),
        (r"[\\^~<>=*+#°§¶†‡·×_]|%(?!\w)", " "),
    )
)


def _decade(words: str) -> str:
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def in_words(text: str) -> str:
    """A line without markup: its numbers, units, symbols and abbreviations in words."""
    for pattern, words in _ABBREVIATIONS:
        text = re.sub(pattern, words, text)
    text = text.translate(_SUBSCRIPTS)
    for sign, fraction in _FRACTIONS.items():
        text = re.sub(rf"(?<=\d)\s?{sign}", f" {fraction}", text).replace(sign, fraction)
    for step, replacement in _STEPS:
        text = step.sub(replacement, text)
    return text


def maths(text: str) -> str:
    r"""Formulas ("$x^2$", "\frac{1}{2}", "2**8") as they are read, before markdown goes."""
    text = re.sub(
        r"\$\$(.+?)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", lambda m: m[1] or m[2] or m[3], text
    )
    text = re.sub(r"\$(?![\d\s])([^$\n]*?[^\s$])\$(?![\d\w])", r"\1", text)
    text = re.sub(r"\$(\d[^$\n]*?[=^_\\+][^$\n]*?[^\s$])\$(?![\d\w])", r"\1", text)
    text = re.sub(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1 over \2", text)
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"the square root of \1", text)
    text = re.sub(r"\\(?:text|mathrm|mathbf|operatorname)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\(?:left|right|,|;|!|quad)|\\(?=[%$&#_{}])", " ", text)
    text = re.sub(r"\\(?:times|cdot)\b", " times ", text)
    text = re.sub(r"\\(?:leq?)\b", "≤", re.sub(r"\\(?:geq?)\b", "≥", text))
    text = re.sub(r"\\([A-Za-z]+)", r" \1 ", text)
    text = re.sub(
        r"(?<=[\w)])\s?(?:\*\*|\^)\{?2\}?(?![\d.])|(?<=[a-z])²(?![\w])(?<!m²)", " squared", text
    )
    text = re.sub(r"(?<=[\w)])\s?(?:\*\*|\^)\{?3\}?(?![\d.])|(?<=[\d])³", " cubed", text)
    text = re.sub(r"(?<=\d)²", " squared", text)
    text = re.sub(
        r"(?<=[\w)])\s?\^\{?(-?\w+)\}?|(?<=\d)\s?\*\*\s?(\d+)",
        lambda m: f" to the power of {m[1] or m[2]}",
        text,
    )
    return re.sub(r"(?<=[\d)])\s?[*×·]\s?(?=[\d(])|(?<=\w) [*×·] (?=\w)", " times ", text)
