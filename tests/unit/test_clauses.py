# full-width marks are what some of these tests are about
# ruff: noqa: RUF001
import random

import pytest

from hub.conversation.clauses import RUN_ON_CHARACTERS, ClauseSplitter


def clauses_of(text: str) -> list[str]:
    splitter = ClauseSplitter()
    return splitter.push(text) + splitter.flush()


def stripped(text: str) -> list[str]:
    return [clause.strip() for clause in clauses_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure, here is a fact about whales, they sing.", ["Sure, here is a fact about whales,"]),
        ("Yes! That is right.", ["Yes!", "That is right."]),
        ("The answer is simple: eat more soup.", ["The answer is simple:", "eat more soup."]),
        ("It is raining because the air cools.", ["It is raining", "because the air cools."]),
        ("The sea is deep — nobody knows how deep.", ["The sea is deep —"]),
        ("The sea is deep—nobody knows how deep.", ["The sea is deep—"]),
        ("It was signed on May 12, 2024 in Rome.", ["It was signed on May 12, 2024 in Rome."]),
        (
            "The cat sat on the very old kitchen mat and then it slept.",
            ["The cat sat on the very old kitchen mat", "and then it slept."],
        ),
        ("Romeo and Juliet is a play.", ["Romeo and Juliet is a play."]),
        ("Even though it rained, we went.", ["Even though it rained,", "we went."]),
        ("Paris.", ["Paris."]),
        ("Well, no, I am not sure.", ["Well, no, I am not sure."]),
        ("The telephone was probably invented by Bell.", ["The telephone was probably invented"]),
        ("A thermostat is a device that controls heat.", ["A thermostat is a device"]),
        (
            "They have all been very interested in music.",
            ["They have all been very interested in music."],
        ),
        ("It takes ten hours to fly from Rome.", ["It takes ten hours to fly from Rome."]),
    ],
)
def test_the_first_clause_is_as_short_as_can_be_said(text: str, expected: list[str]) -> None:
    assert stripped(text)[: len(expected)] == expected


def test_a_first_clause_has_an_end_where_nothing_natural_ends_it() -> None:
    first = "Seven tall old men quickly ate much more very good warm fresh bread"
    assert stripped(f"{first} a day than we did.") == [first, "a day than we did."]


def test_a_long_second_clause_ends_at_a_comma_so_that_it_is_ready_in_time() -> None:
    second = "because of the scattering of light by many tiny particles in the air,"
    assert stripped(
        f"The sky is blue {second} such as dust, drops, and ice. Look, up there, now."
    ) == [
        "The sky is blue",
        second,
        "such as dust, drops, and ice.",
        "Look, up there, now.",
    ]


def test_claims_are_not_cut_where_phrases_are_not() -> None:
    splitter = ClauseSplitter(phrases=False)
    text = "The weather will certainly be sunny in the whole of the town, and warm. Yes."
    assert splitter.push(text) == [
        "The weather will certainly be sunny in the whole of the town,",
        " and warm.",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "Mr. Smith met Dr. Jones and Mrs. Lee in St. Ives.",
        "Eat fruit, e.g. apples or pears, i.e. what grows on trees.",
        "The U.S. Government met at 7 a.m. on Monday.",
        "Version 3.5.1 costs 3.50 dollars at 12.30 or so.",
        "Look at https://example.com/a.b?c=d!e for more.",
        "J. R. R. Tolkien and George W. Bush never met.",
        "She bought apples, pears, etc. and went home.",
        "He waited... and waited... and left.",
        'She shouted "Stop!" and ran.',
        "It is No. 5 on the list.",
        "It grew by approx. five percent.",
        "The café Node.js is open.",
        "Use `a. B` to call it.",
        "See [the site. Really](https://example.com) for more.",
    ],
)
def test_dots_inside_a_sentence_do_not_end_it(sentence: str) -> None:
    # an opening sentence first: only what comes after the first clause is held to whole sentences
    assert stripped(f"Here you go. {sentence} Then more.")[1:] == [sentence, "Then more."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Is it? Yes.", 4),
        ("We met in the U.S. The end was near.", 2),
        ("It opens at 7 a.m. It closes at 9 p.m. They rest.", 3),
        ("Take vitamin C. It helps.", 2),
        ('He said "go home." Then he left.', 2),
        ("(It was late.) We left.", 2),
        ("**Done.** Next one.", 2),
        ("The answer is no. Next one.", 2),
        ("1. Milk\n2. Eggs\n3. Bread", 3),
        ("- milk\n- eggs", 2),
        ("Title here\nText", 2),
        ("It is 5. Then it is 6.", 2),
    ],
)
def test_sentences_list_items_and_lines_end_clauses(text: str, expected: int) -> None:
    assert len(clauses_of(text)) == expected


def test_closing_quotes_and_brackets_belong_to_the_sentence() -> None:
    assert stripped('He said "go home." (It was late.) Then he left.') == [
        'He said "go home."',
        "(It was late.)",
        "Then he left.",
    ]


def test_scripts_without_spaces_are_cut_too() -> None:
    assert stripped("今日はいい天気です。散歩に行きましょう！「はい。」行きますか？") == [
        "今日はいい天気です。",
        "散歩に行きましょう！",
        "「はい。」",
        "行きますか？",
    ]


def test_a_run_on_is_cut_at_its_best_comma_or_else_a_space() -> None:
    commas = "It went, " + "and on it went over the hills, " * 20
    spaces = "word " * 200
    for text in (commas, spaces, "x" * 1000):
        parts = clauses_of(text)
        assert all(len(part) <= RUN_ON_CHARACTERS for part in parts)
        assert "".join(parts).strip() == text.strip()
    assert clauses_of(commas)[1].rstrip().endswith(",")
    assert all(part.strip().split()[-1] == "word" for part in clauses_of(spaces))


@pytest.mark.parametrize("text", ["", "  \n\n ", "...", "!?", "---\n***\n", "😀", "\n—\n"])
def test_nothing_speakable_gives_no_clause(text: str) -> None:
    assert clauses_of(text) == []


def test_punctuation_goes_with_the_words_that_follow_it() -> None:
    assert clauses_of("--- \n**Hello you.** 😀 Bye now. ...") == [
        "--- \n**Hello you.**",
        " 😀 Bye now.",
    ]


def test_a_clause_is_given_out_as_soon_as_it_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("The capital of France is Paris") == []
    assert splitter.push(".") == []  # might be "Paris.fr"
    assert splitter.push(" It") == ["The capital of France is Paris."]
    assert splitter.flush() == [" It"]


def test_a_flushed_splitter_starts_anew() -> None:
    splitter = ClauseSplitter()
    first = splitter.push("Of course I can, said the fox. And") + splitter.flush()
    again = splitter.push("Of course I can, said the fox. And") + splitter.flush()
    assert first == again == ["Of course I can,", " said the fox.", " And"]


TEXTS = [
    "Sure! Mr. Smith paid $3.50 at 7 a.m. It was, e.g. for milk... And then? He left the U.S. "
    'The "end." (really?!) No. 5 — it\'s over; J. R. Tolkien agreed because he could.',
    "Here is a list:\n1. **Milk.** Whole.\n2. Eggs, etc. Fresh\n\n```python\nprint('a. B')\n```\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\nSee [a. b](https://x.org/a?b=1). Done 😀! Ok…",
    "今日は。元気ですか？「はい！」と言った。 مرحبا؟ نعم। " + "and so it goes, on and on " * 30,
    "It was the 1.5 version that we had wanted for such a long time and nobody knew why... But "
    "then... I saw it. Vitamin C. It helps. Ask W. about it. " + "x" * 500,
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_cuts_do_not_depend_on_how_the_text_was_chunked(text: str) -> None:
    whole = clauses_of(text)
    assert text.startswith("".join(whole))
    assert not any(character.isalnum() for character in text[len("".join(whole)) :])
    rng = random.Random(7)
    for longest in (1, 2, 5, 17, 60):
        for _ in range(40):
            splitter, parts, at = ClauseSplitter(), [], 0
            while at < len(text):
                size = rng.randint(1, longest)
                parts += splitter.push(text[at : at + size])
                at += size
            assert parts + splitter.flush() == whole


def test_without_a_quick_start_the_first_clause_is_a_sentence_too() -> None:
    text = "Sure, here is a fact about whales, they sing. It is true."
    splitter = ClauseSplitter(quick_start=False)
    for _ in range(2):  # flush makes it as new
        clauses = splitter.push(text) + splitter.flush()
        assert clauses == ["Sure, here is a fact about whales, they sing.", " It is true."]


@pytest.mark.parametrize(
    "text",
    [
        "The distance from here to there is roughly two hundred and fifty miles.",
        "That usually takes somewhere around twenty or thirty minutes.",
    ],
)
def test_numbers_are_not_cut_in_two(text):
    splitter = ClauseSplitter()
    first = [*splitter.push(text), *splitter.flush()][0]
    assert first.split()[-1] not in ("hundred", "twenty")
