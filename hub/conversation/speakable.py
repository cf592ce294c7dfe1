"""What a language model writes, turned into what can be said aloud.

Markdown, HTML, links, emoji and code vanish or become words, in any language; numbers, units and
symbols become words where there is a module for the language (`hub.conversation.spoken_english`).
Any voice can read the result: nothing relies on what a voice's own normaliser knows.
"""

# Typographic quotes and dashes are what this file is about.
# ruff: noqa: RUF001

import html
import re

from hub.conversation import spoken_english

CODE_LEFT_OUT = "I've left the code out."
"""Said once a code block: whoever asked for code would otherwise wonder at the silence."""

_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)")
_RULE_LINE = re.compile(r"^[ \t>]*(?:(?:[-*_][ \t]*){3,}|=+)$")
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.*?)[ \t]*#*$")
_BULLET = re.compile(r"^[ \t]*[-*+•‣◦▪–][ \t]+(?:\[[ xX]\][ \t]+)?")
_NUMBERED = re.compile(r"^[ \t]*[*_]{0,2}(\d{1,3})[.)][*_]{0,2}[ \t]+(?=\S)")
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+(?=\D|$)")

_IMAGE_OR_LINK = re.compile(
    r"!?\[([^\]\n]*)\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+[^)]*)?\))"
)
_REFERENCE = re.compile(r"!?\[([^\]\n]+)\]\[[^\]\n]*\]")
_FOOTNOTE = re.compile(r"\s?\[\^?\d+\](?!\()")
_TAG = re.compile(
    r"<!--.*?-->|</?(?:a|abbr|b|big|blockquote|br|center|code|dd|del|details|div|dl|dt|em|font"
    r"|h[1-6]"
    r"|hr|i|img|ins|kbd|li|mark|ol|p|pre|s|small|span|strike|strong|sub|summary|sup|table|tbody|td"
    r"|th"
    r"|thead|tr|tt|u|ul|think|video|audio)"
    r"(?:\s+[\w:-]+=(?:\"[^\"]*\"|'[^']*'|[^\s>]+))*\s*/?>",
    re.IGNORECASE | re.DOTALL,
)
_URL = re.compile(r"<?\b(?:https?://|ftp://|www\.)[^\s<>\"'`\])}]*[^\s<>\"'`\])}.,;:!?*_]>?", re.I)
_EMAIL = re.compile(r"<?(?:mailto:)?\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)\b>?")

_PICTOGRAPHS = (
    "\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff"
    "\u2500-\u25ff\u2460-\u24ff\u3030\u303d\u3297\u3299\u00a9\u00ae\u2122\u2139\ufffc\ufffd"
)
_EMOJI = re.compile(
    "[0-9#*]\ufe0f?\u20e3"  # keycaps
    f"|[{_PICTOGRAPHS}](?:[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d[{_PICTOGRAPHS}]"
    "|[\U000e0020-\U000e007f])*"
    "|[\ufe0e\ufe0f\u20e3]|[\u2194-\u2199\u21a9\u21aa]\ufe0f"
)
_EMOTICON = re.compile(
    r"(?<!\S)(?:[:;=8][-'o^]?[)(DPpOo3|/\\*\]\[]|[xX]D|<3|\^_+\^|¯\\_\(ツ\)_/¯)(?=[\s.,!?]|$)"
)
_EMPHASIS = re.compile(r"\*+(?=\S)|(?<=\S)\*+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|~~")
_SPACES = re.compile(r"\s+")


def speakable(text: str, language: str = "en") -> str:
    """A whole text in words; "" when there is nothing to say.

    Args:
        text: as a language model writes it.
        language: of the text, as in "en" or "en-GB". In a language that has no module, markup,
            links and emoji go and numbers are left to the voice.
    """
    return Speakable(language).push(text)


class Speakable:
    """Turns the clauses of one reply into words, one after the other.

    Code blocks, and where a line begins, are remembered from clause to clause.
    """

    def __init__(self, language: str = "en") -> None:
        self._english = language.lower().split("-")[0].split("_")[0] == "en"
        self._in_code = False
        self._line_starts = True

    def push(self, clause: str) -> str:
        """The words of the next clause, a raw slice of the reply; "" when there are none."""
        said: list[str] = []
        for piece in clause.splitlines(keepends=True):
            line = piece.rstrip("\r\n")
            ends = piece != line
            words = self._line(line)
            if words and ends and words[-1].isalnum():
                words += "."  # a heading, a list item: the voice should fall and pause
            said.append(words)
            self._line_starts = ends or (self._line_starts and not line.strip())
        return _tidy(" ".join(words for words in said if words))

    def _line(self, line: str) -> str:
        if self._line_starts:
            if _FENCE.match(line) and line.count("```") < 2:
                self._in_code = not self._in_code
                return CODE_LEFT_OUT if self._in_code and self._english else ""
            if self._in_code or _RULE_LINE.match(line) or _TABLE_RULE.match(line):
                return ""
            line = _QUOTE.sub("", line)
            line = _HEADING.sub(r"\1", line)
            line = _NUMBERED.sub(r"\1, ", _BULLET.sub("", line))
        elif self._in_code:
            return ""
        line = self._markup(line)
        if self._english:
            line = spoken_english.in_words(line)
        return line.strip() if any(character.isalnum() for character in line) else ""

    def _markup(self, line: str) -> str:
        line = _TAG.sub(" ", line)
        line = re.sub(r"&#?\w{2,8};", lambda m: html.unescape(m[0]), line)
        line = _IMAGE_OR_LINK.sub(r"\1", line)
        line = _FOOTNOTE.sub("", _REFERENCE.sub(r"\1", line))
        line = _URL.sub(lambda m: self._link(m[0]), line)
        line = _EMAIL.sub(lambda m: self._address(m[1], m[2]), line)
        line = _EMOTICON.sub(" ", _EMOJI.sub(" ", line))
        if self._english:
            line = spoken_english.maths(line)
        line = re.sub(r"`+", "", line)
        line = _EMPHASIS.sub("", line)
        line = line.strip().strip("|").replace("|", ", ") if "|" in line else line
        return re.sub(r"(?<=\w)_(?=\w)", " ", line)

    def _link(self, url: str) -> str:
        """Only the host: nobody wants to hear a path."""
        host = re.sub(r"^<?(?:\w+://)?(?:www\.)?", "", url, flags=re.I)
        host = re.split(r"[/?#:>]", host)[0]
        return host.replace(".", " dot ") if self._english else host

    def _address(self, user: str, host: str) -> str:
        if not self._english:
            return f"{user}@{host}"
        return f"{user.replace('.', ' dot ')} at {host.replace('.', ' dot ')}"


def _tidy(text: str) -> str:
    """Brackets become commas, repeated punctuation is said once, spaces are single."""
    text = text.replace("’", "'").replace("‘", "'")
    text = re.sub(r"[\"“”„«»‹›]|(?<!\w)'|'(?!\w)", " ", text)
    text = re.sub(r"(?<=\S)\s*[(\[{]\s*|\s*[)\]}]\s*(?=[\w])", ", ", text)
    text = re.sub(r"[()\[\]{}]", " ", text)
    text = re.sub(r"(?:\s*—\s*|\s+[–-]+\s+|--+)", ", ", text)
    text = re.sub(r"(?:\.\s?){2,}|…", "… ", text)
    text = re.sub(r"…(?=\s*[^\W\d_])(?=\s*[a-z])", ",", text).replace("…", ".")
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"[,;:]+(?=[.!?])|(?<=[!?,;:])[,;:]+|(?<=[^.]\.)(?<![ap]\.m\.)[,;:]+", "", text)
    text = re.sub(r"(?<![ap]\.m)([!?.])[!?.]+", _loudest, text)
    text = re.sub(r"([,!?;:])(?=[^\W\d_])", r"\1 ", text)
    text = _SPACES.sub(" ", text).strip(" ,;:-–—")
    return text if any(character.isalnum() for character in text) else ""


def _loudest(match: re.Match[str]) -> str:
    """One mark for several: "?!" and "??" ask, "!!" exclaims."""
    return "?" if "?" in match[0] else "!" if "!" in match[0] else "."
