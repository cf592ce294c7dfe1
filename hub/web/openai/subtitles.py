"""Subtitles from what was heard."""

import re
from collections.abc import Iterator, Sequence

from hub.web.steps import Segment

_LONGEST = 84  # letters of a subtitle: two lines of 42, as broadcasters have it
_SENTENCE = re.compile(r".+?(?:[.!?…。！？]+[\"'”’)]*(?=\s|$)|$)", re.DOTALL)  # noqa: RUF001  marks of many languages


def srt_of(segments: Sequence[Segment]) -> str:
    """Return a SubRip file."""
    cues = enumerate(cues_of(segments), 1)
    return "\n".join(
        f"{n}\n{_time(cue.begin, ',')} --> {_time(cue.end, ',')}\n{cue.text}\n" for n, cue in cues
    )


def vtt_of(segments: Sequence[Segment]) -> str:
    """Return a WebVTT file."""
    cues = (
        f"{_time(cue.begin, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n"
        for cue in cues_of(segments)
    )
    return "\n".join(["WEBVTT\n", *cues])


def cues_of(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield what is shown at once.

    A segment may be 30 s long, and only its beginning and end are known: what is said within it is
    taken to be said at an even pace.
    """
    for segment in segments:
        pieces = list(_pieces_of(segment.text))
        letters, said = sum(map(len, pieces)), 0
        for piece in pieces:
            begin = segment.begin + (segment.end - segment.begin) * said / letters
            said += len(piece)
            end = segment.begin + (segment.end - segment.begin) * said / letters
            yield Segment(begin, end, piece)


def _pieces_of(text: str) -> Iterator[str]:
    """Yield sentences, and of a long one as much as is read at once."""
    for sentence in _SENTENCE.findall(text):
        line = ""
        for word in sentence.split():
            if line and len(line) + 1 + len(word) > _LONGEST:
                yield line
                line = word
            else:
                line = f"{line} {word}" if line else word
        if line:
            yield line


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
