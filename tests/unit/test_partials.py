"""What two drafts in a row agree on is stable, and is never taken back."""

import random

import pytest

from hub.conversation.partials import StablePrefix


def pushed(*drafts: str) -> list[str]:
    prefix = StablePrefix()
    return [prefix.push(draft) for draft in drafts]


def test_words_are_stable_once_two_drafts_in_a_row_begin_with_them():
    assert pushed("turn", "turn on the", "turn on the lamp", "turn on the lamp in") == [
        "",
        "turn",
        "on the",
        "lamp",
    ]


def test_a_word_that_only_every_other_draft_has_stays_open():
    assert pushed("cancel all", "cancel old", "cancel all", "cancel old") == ["", "cancel", "", ""]


def test_case_and_the_marks_that_close_a_draft_do_not_count():
    prefix = StablePrefix()
    new = [prefix.push(d) for d in ("What's the weather?", "what's the weather in Berlin?")]
    assert new == ["", "what's the weather"]
    assert prefix.text == "what's the weather"


def test_the_mark_behind_the_last_stable_word_is_left_out_as_it_may_change():
    prefix = StablePrefix()
    assert [prefix.push(d) for d in ("Stop.", "Stop.")] == ["", "Stop"]
    assert [prefix.push(d) for d in ("Stop, please, and", "Stop, please, and go")] == [
        "",
        "please, and",
    ]


def test_a_draft_that_contradicts_what_is_stable_adds_nothing_until_drafts_agree_with_it_again():
    assert pushed("a b", "a b c", "x b c d", "x b c d", "a b c d", "a b c d e") == [
        "",
        "a b",
        "",
        "",
        "",
        "c d",
    ]


@pytest.mark.parametrize("draft", ["", "   ", "..."])
def test_an_empty_draft_and_marks_alone_are_no_mistake(draft):
    prefix = StablePrefix()
    for _ in range(3):
        prefix.push(draft)
    assert prefix.push("hello there") == ""
    prefix.push("hello there")
    assert prefix.text.endswith("there") or draft.strip()


def test_what_is_told_only_ever_grows_and_is_what_some_two_drafts_began_with():
    rng = random.Random(4)
    for _ in range(300):
        prefix, told, before = StablePrefix(), "", ""
        for _ in range(12):
            draft = " ".join(rng.choice("ab") for _ in range(rng.randrange(6)))
            new = prefix.push(draft)
            if new:
                told = f"{told} {new}".strip()
                assert f"{draft} ".startswith(f"{told} ")
                assert f"{before} ".startswith(f"{told} ")
            assert prefix.text == told
            before = draft
