"""A stream of tokens becomes clauses that can be spoken while the model is still writing.

The first clause is as short as can be said naturally, since it decides when speech begins; what
follows comes in whole sentences, since they sound better. The idea of a quick first fragment, and
its ten letters, are RealtimeTTS's and stream2sentence's ("quick answer").
"""

# Typographic quotes, dashes and full-width marks are what this file is about.
# ruff: noqa: RUF001

import re
from enum import Enum, auto

FIRST_CLAUSE_LETTERS = 10
"""A comma ends the first clause only after this many letters and digits."""

WEAK_CONJUNCTION_LETTERS = 24
""""And" and "or" often join two words rather than two clauses: they need more before. So do
prepositions that begin a phrase of their own ("... was invented | by Bell"), and "that" a bit less.
"""

RELATIVE_LETTERS = 20

LONG_LETTERS = 50
"""After so many the first clause ends before any small word, since speech must begin. Of 120 first
clauses of two models the longest has 14 words, half of them have 6 or less."""

SECOND_CLAUSE_LETTERS = 40
"""A comma ends the second clause after so many: it must be ready before the first, which is short,
has been spoken. At 15 tokens a second 4 of 130 clauses came late without it, by up to 0.6 s.
"""

RUN_ON_CHARACTERS = 240
"""A sentence longer than this is cut at its best comma or space."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENDS = ".!?…؟।॥"
_WIDE_ENDS = "。！？｡"  # no space follows these
_CLOSERS = "\"'”’)]}»›*_`」』）】》"
_SOFT = ",;:—–"
_WIDE_SOFT = "，、；："

# Never the end of a sentence: something always follows.
_OPEN_ABBREVIATIONS = _words(
    "mr mrs ms mx dr prof st mt ft rev hon gen col capt lt sgt fr sr. e.g i.e eg ie vs cf viz "
    "approx fig figs nos vol chap sec art dept est gov sen rep messrs mme"
)
# The end of a sentence only when the next word looks like the beginning of one.
_AMBIGUOUS_ABBREVIATIONS = _words(
    "etc inc ltd co corp jr sr al ave blvd rd no a.m p.m am pm b.c a.d "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun "
    "min max avg temp tel ext ph.d m.d b.a m.a oz lb lbs hr hrs"
)
_STARTERS = _words(
    "the a an it he she they we you i this that these those there here in on at for from with but "
    "and so or if when while after before because although however then also some many most all "
    "what who why how where which is are do does did can could would will my your his her our "
    "their its it's i'm that's there's let's please just not no yes as by to one another both "
    "each every once since until unless remember try make next finally first second today "
    "tomorrow"
)
_STRONG_CONJUNCTIONS = _words("but because which while although though whereas unless")
_WEAK_CONJUNCTIONS = _words("and or so if when")
_RELATIVES = _words("that who where")
_PREPOSITIONS = _words("by with in from through during using due without into")
_SMALL_WORDS = _words("of to at on for about as the a an is are can will it they")
# "even though", "nothing but", "for which": the conjunction belongs to the word before it.
_BINDS_CONJUNCTION = _words(
    "even just only and but not such the all nothing anything everything for from with about upon "
    "like both between either whether see know now than then over under ever "
    # "two hundred and fifty", "twenty or thirty"
    "hundred thousand million billion one two three four five six seven eight nine ten eleven "
    "twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty "
    "fifty sixty seventy eighty ninety"
)
# A phrase does not end with these, nor with what a preposition belongs to ("made from").
_BINDS_PREPOSITION = _BINDS_CONJUNCTION | _words(
    "are was were been being has have had can could will would may might must should does did "
    "that this these those who which where what their your its his her our some any every each "
    "more most very also into through during without due using one made comes come live lives "
    "filled covered interested involved dealing deal"
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # J, U.S, D.C, without the last dot
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t>]*(?:[-*+] +)?[*_]{0,2}\d{1,3}$")


class _Answer(Enum):
    NO = auto()
    WAIT = auto()


class ClauseSplitter:
    """Cuts a stream of text into clauses, whatever the sizes of the pieces it comes in.

    The clauses are slices of the text: joined, they give it back, but for an end without any
    letter or digit, which is dropped. Decisions look ahead as far as they must and no further
    (usually one character beyond the space, which a token brings with it), so the same text gives
    the same clauses however it was chunked.

    Args:
        quick_start: whether the first clause may be less than a sentence.
        phrases: whether it may also end in mid-clause, before a phrase, and the second one at a
            comma.
        least: letters and digits that a clause has at least, but for the last: what is shorter goes
            with what follows.
    """

    def __init__(self, *, quick_start: bool = True, phrases: bool = True, least: int = 1) -> None:
        self._least = least
        self._text = ""  # not yet given out
        self._next = 0  # index in _text of the first character not yet decided on
        self._quick_start = self._first = quick_start
        self._phrases = phrases
        self._second = False
        self._needed = dict.fromkeys(_WEAK_CONJUNCTIONS | {"that"}, WEAK_CONJUNCTION_LETTERS)
        if phrases:
            self._needed |= dict.fromkeys(_PREPOSITIONS, WEAK_CONJUNCTION_LETTERS)
            self._needed |= dict.fromkeys(_RELATIVES, RELATIVE_LETTERS)
            self._needed |= dict.fromkeys(_SMALL_WORDS, LONG_LETTERS)
        self._needed |= dict.fromkeys(_STRONG_CONJUNCTIONS, FIRST_CLAUSE_LETTERS)
        self._ended = False

    def push(self, text: str) -> list[str]:
        """Takes more of the text, returns the clauses that it completes (often none)."""
        self._text += text
        return self._cut()

    def flush(self) -> list[str]:
        """Ends the text, returns what was left of it; the splitter is then as new."""
        self._ended = True
        clauses = self._cut()
        if _speakable(self._text):
            clauses.append(self._text)
        self._text, self._next, self._ended = "", 0, False
        self._first, self._second = self._quick_start, False
        return clauses

    def _cut(self) -> list[str]:
        clauses: list[str] = []
        while self._next < len(self._text):
            if self._next >= RUN_ON_CHARACTERS:
                end: int | _Answer = self._run_on_end()
            else:
                end = self._end_at(self._next)
            if end is _Answer.WAIT:
                break
            if isinstance(end, int) and _letters(self._text[:end]) >= self._least:
                clauses.append(self._text[:end])
                self._text = self._text[end:]
                self._next = 0
                self._first, self._second = False, self._first
            elif self._next >= RUN_ON_CHARACTERS:
                # Its head has too few letters, and stays as it is: no place further on will do.
                self._next = len(self._text)
            else:
                self._next += 1
        return clauses

    def _end_at(self, i: int) -> int | _Answer:
        """Whether a clause ends with the character at i: the end of its slice, NO or WAIT."""
        character = self._text[i]
        if character == "\n":
            return i + 1
        if character in _ENDS or character in _WIDE_ENDS:
            return self._sentence_end(i)
        if character in _SOFT or character in _WIDE_SOFT:
            if self._first:
                return self._soft_end(i, FIRST_CLAUSE_LETTERS)
            if self._second and self._phrases:
                return self._soft_end(i, SECOND_CLAUSE_LETTERS)
        if character == " " and self._first:
            return self._joint_end(i)
        return _Answer.NO

    def _sentence_end(self, i: int) -> int | _Answer:
        text = self._text
        if i > 0 and text[i - 1] in _ENDS + _WIDE_ENDS:
            return _Answer.NO  # "...": decided at its first dot
        end = i + 1
        while end < len(text) and (text[end] in _CLOSERS or text[end] in _ENDS + _WIDE_ENDS):
            end += 1
        if end == len(text):
            return len(text) if self._ended else _Answer.WAIT
        if text[i] in _WIDE_ENDS:
            return _Answer.NO if _inside_markup(text[:i]) else end
        if not text[end].isspace():
            return _Answer.NO
        if text[end] == "\n":
            return _Answer.NO  # the newline itself ends it
        if _inside_markup(text[: i + 1]) and "`" not in text[i:end] and "]" not in text[i:end]:
            return _Answer.NO
        following = end
        while following < len(text) and text[following].isspace():
            if text[following] == "\n":
                return _Answer.NO
            following += 1
        if following == len(text):
            return end if self._ended else _Answer.WAIT
        quoted = any(closer in text[i:end] for closer in "\"'”’»)")
        if quoted and text[following].islower():
            return _Answer.NO  # "Stop!" he said
        ellipsis = "…" in text[i:end] or ".." in text[i:end]
        if text[i] != ".":
            ambiguous = ellipsis
        else:
            word = _word_before(text, i)
            bare = word.lower()
            if _LIST_NUMBER.search(text[:i]) or bare in _OPEN_ABBREVIATIONS:
                return _Answer.NO
            if bare == "no" and text[following].isdigit():
                return _Answer.NO
            initials = _INITIALS.fullmatch(word) is not None and word != "I"
            ambiguous = ellipsis or initials or bare in _AMBIGUOUS_ABBREVIATIONS - {"no"}
        if not ambiguous:
            return end
        if ellipsis and self._first and _letters(text[:i]) >= FIRST_CLAUSE_LETTERS:
            return end
        return self._if_starter(following, end)

    def _if_starter(self, following: int, end: int) -> int | _Answer:
        """A sentence ends at end if the word at following is one that begins sentences."""
        text = self._text
        if not text[following].isupper():
            return _Answer.NO
        stop = following
        while stop < len(text) and (text[stop].isalpha() or text[stop] in "'’"):
            stop += 1
        if stop == len(text) and not self._ended:
            return _Answer.WAIT
        return end if text[following:stop].lower().replace("’", "'") in _STARTERS else _Answer.NO

    def _soft_end(self, i: int, letters: int) -> int | _Answer:
        text = self._text
        if i + 1 == len(text) and not self._ended:
            return _Answer.WAIT
        following = text[i + 1 : i + 2]
        dash, wide = text[i] == "—", text[i] in _WIDE_SOFT
        if not (dash or wide or following.isspace()) or following == "\n":
            return _Answer.NO
        if text[i] == "–" and not text[i - 1 : i].isspace():
            return _Answer.NO
        if text[i - 1 : i].isdigit() or _letters(text[:i]) < letters:
            return _Answer.NO  # "May 12, 2024"
        return _Answer.NO if _inside_markup(text[:i]) else i + 1

    def _joint_end(self, i: int) -> int | _Answer:
        """Whether the first clause ends with the space at i, since the next word begins another."""
        text = self._text
        stop = i + 1
        while stop < len(text) and text[stop].isalpha() and stop - i <= 9:
            stop += 1
        if stop == len(text) and not self._ended:
            possible = text[i + 1 : stop].lower()
            longer = any(word.startswith(possible) for word in self._needed)
            return _Answer.WAIT if longer else _Answer.NO
        word = text[i + 1 : stop].lower()
        if word not in self._needed or text[stop : stop + 1] != " ":
            return _Answer.NO
        before = _word_before(text, i).lower()
        if word in _STRONG_CONJUNCTIONS | _WEAK_CONJUNCTIONS | _RELATIVES:
            bound = before in _BINDS_CONJUNCTION
        else:
            bound = before in _BINDS_PREPOSITION | _SMALL_WORDS
        if bound or len(before) < 3 or not before.isalpha():
            return _Answer.NO
        if _letters(text[:i]) < self._needed[word] or _inside_markup(text[:i]):
            return _Answer.NO
        return i + 1

    def _run_on_end(self) -> int:
        """The best place to cut the first RUN_ON_CHARACTERS of a sentence that does not end."""
        head = self._text[:RUN_ON_CHARACTERS]
        soft = max((m.end() for m in re.finditer(r"[,;:—–)] |[，、；：]", head)), default=0)
        if soft > RUN_ON_CHARACTERS // 3:
            return soft
        space = head.rfind(" ") + 1
        return space if space > RUN_ON_CHARACTERS // 3 else RUN_ON_CHARACTERS


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def _speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _word_before(text: str, i: int) -> str:
    """The word that ends just before i, with its inner dots ("e.g" before the last dot)."""
    start = i
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] in ".'’"):
        start -= 1
    return text[start:i].strip("'’")


def _inside_markup(text: str) -> bool:
    """Whether a link's text or inline code is still open at the end of text."""
    line = text[text.rfind("\n") + 1 :]
    return line.replace("```", "").count("`") % 2 == 1 or line.rfind("[") > line.rfind("]")
