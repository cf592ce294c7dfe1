"""Calls and stops, found in text that comes in any pieces."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.web.openai.stops import Stops
from hub.web.openai.subtitles import cues_of, srt_of, vtt_of
from hub.web.openai.tools import Reader, ToolCall, called
from hub.web.steps import Segment

NAMES = frozenset({"get_time", "get_weather"})
OSLO = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
ROME = '{"name": "get_weather", "arguments": {"city": "Rome"}}'


def marked(call):
    return f"<tool_call>\n{call}\n</tool_call>"


def call_of(text):
    read = json.loads(text)
    return ToolCall(read["name"], json.dumps(read["arguments"]))


def read(text, pieces=(), **options):
    """Return the text and the calls in `text`, which comes in pieces that end at `pieces`."""
    reader = Reader(NAMES, **options)
    cuts = sorted({0, len(text), *(at % (len(text) + 1) for at in pieces)})
    found = []
    for begin, end in itertools.pairwise(cuts):
        found += reader.push(text[begin:end])
    found += reader.flush()
    said = "".join(part for part in found if isinstance(part, str))
    return said, [part for part in found if isinstance(part, ToolCall)]


CASES = {
    "text alone": ("Hello there.", "Hello there.", []),
    "a call": (marked(OSLO), "", [OSLO]),
    "text and a call": (f"Let me look.\n{marked(OSLO)}", "Let me look.", [OSLO]),
    "two calls": (f"{marked(OSLO)}\n{marked(ROME)}", "", [OSLO, ROME]),
    "the same call again": (f"{marked(OSLO)}\n{marked(OSLO)}\n{marked(ROME)}", "", [OSLO]),
    "a mark that is missing": (f"<tool_call>\n{OSLO}", "", [OSLO]),
    "no marks": (OSLO, "", [OSLO]),
    "two without marks": (f"{OSLO}\n{ROME}", "", [OSLO, ROME]),
    "an invented result": (f'{OSLO}\n{{"sky": "blue"}}\nIt is blue.', "", [OSLO]),
    "a block of code": (f"```json\n{OSLO}\n```", "", [OSLO]),
    "JSON that is no call": ('{"a": 1}', '{"a": 1}', []),
    "JSON that is no call, and text": ('{"a": 1} it is', '{"a": 1} it is', []),
    "a brace that begins no JSON": ("{curly} words", "{curly} words", []),
    "code that is no call": ("```python\nprint(1)\n```", "```python\nprint(1)\n```", []),
    "a function that is not there": (
        marked('{"name": "fly", "arguments": {}}'),
        marked('{"name": "fly", "arguments": {}}'),
        [],
    ),
    "a call that is broken": (marked('{"name": '), marked('{"name": '), []),
    "a mark in the text": ("a < b and <tool is no mark", "a < b and <tool is no mark", []),
    "nothing": ("", "", []),
}


@pytest.mark.parametrize("case", CASES)
@given(pieces=st.lists(st.integers(0, 500), max_size=60))
def test_text_and_calls_are_told_apart_however_they_are_cut(case, pieces):
    text, said, calls = CASES[case]
    assert read(text, pieces) == (said, [call_of(call) for call in calls])
    assert read(text, range(len(text))) == (said, [call_of(call) for call in calls])


def test_one_call_is_taken_where_one_is_wanted():
    assert read(f"{marked(OSLO)}\n{marked(ROME)}", one=True) == ("", [call_of(OSLO)])


@given(text=st.text(alphabet='<>{}"/`tol_cal: \n', max_size=80), cuts=st.lists(st.integers(0, 99)))
def test_no_text_is_lost_or_made_up_where_there_is_no_call(text, cuts):
    said, calls = read(text, cuts)
    assert calls == []
    assert said.split() == text.split()


def test_what_was_called_is_written_as_models_write_it():
    assert called("", [call_of(OSLO)]) == marked(OSLO)
    assert called("Well.", [call_of(OSLO)]) == f"Well.\n{marked(OSLO)}"


@given(
    text=st.text(alphabet="abc", max_size=40),
    stops=st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 40)),
)
def test_a_text_ends_before_the_first_stop_however_it_is_cut(text, stops, cuts):
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    reader, said = Stops(stops), ""
    ends = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(ends):
        said += reader.push(text[begin:end])
    found = reader.found
    said += reader.flush()
    assert found == bool(places)
    if found:  # a longer stop may begin earlier and end later
        assert text.startswith(said)
        assert len(said) >= min(places)
        assert not any(stop in said for stop in stops)
    else:
        assert said == text


def test_subtitles_are_cut_into_sentences_and_short_lines():
    words = " ".join(["word"] * 60) + "."
    segments = [Segment(0.0, 10.0, f"One sentence. Another one! {words}"), Segment(3600, 3601, "É")]
    cues = list(cues_of(segments))
    assert [cue.text for cue in cues][:2] == ["One sentence.", "Another one!"]
    assert all(len(cue.text) <= 84 for cue in cues)
    assert " ".join(cue.text for cue in cues[:-1]) == segments[0].text
    assert cues[0].begin == 0
    assert cues[-2].end == pytest.approx(10)
    assert all(one.end <= two.begin + 1e-9 for one, two in itertools.pairwise(cues))
    assert srt_of(segments).endswith("01:00:00,000 --> 01:00:01,000\nÉ\n")
    assert vtt_of([Segment(0, 1, "a --> b & c")]).endswith("a --&gt; b &amp; c\n")
    assert srt_of([]) == ""
