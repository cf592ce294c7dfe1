import pytest

from hub.conversation.clauses import ClauseSplitter
from hub.conversation.speakable import CODE_LEFT_OUT, Speakable, speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and *it* and __b__ and _i_", "Bold and it and b and i"),
        ("a snake_case name", "a snake case name"),
        ("## Heading", "Heading"),
        ("- item one", "item one"),
        ("* [x] done task", "done task"),
        ("1. Milk", "one, Milk"),
        ("> quoted line", "quoted line"),
        ("***", ""),
        ("~~gone~~ here", "gone here"),
        ("See [the docs](https://example.com/a_(b)) now.", "See the docs now."),
        ("See ![a cat](cat.png) and [the site][1].", "See a cat and the site."),
        ("As shown[1] here[^2].", "As shown here."),
        ("Go to https://www.example.com/docs?x=1. Then rest.", "Go to example dot com. Then rest."),
        ("Visit <https://a.org> or example.com.", "Visit a dot org or example dot com."),
        ("Write to me.too@site.co.uk.", "Write to me dot too at site dot co dot uk."),
        ("Use `ls` here", "Use ls here"),
        ("<b>Hi</b><br>you &amp; me", "Hi you and me"),
        ("x < y and y > z", "x is less than y and y is greater than z"),
        ("| Name | Age |", "Name, Age"),
        ("|:---|---:|", ""),
    ],
)
def test_markup_vanishes_and_its_text_stays(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    "written",
    [
        "Great 😀 news!",
        "Great 👍🏽 news!",
        "Great 👨‍👩‍👧 news!",
        "Great 🇩🇪 news!",
        "Great 1️⃣ news!",
        "Great ❤️ news!",
        "Great ♪ ✓ ★ news!",
        "Great :) news!",
        "Great 🏴󠁧󠁢󠁳󠁣󠁴󠁿 news!",
    ],
)
def test_emoji_and_pictographs_vanish(written: str) -> None:
    assert speakable(written) == "Great news!"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("5 items", "five items"),
        ("1,234 people", "one thousand two hundred and thirty-four people"),
        ("3.14", "three point one four"),
        ("3.50", "three point five zero"),
        ("-5 degrees", "minus five degrees"),
        ("007", "zero zero seven"),
        ("1st, 22nd, 3rd, 100th", "first, twenty-second, third, one hundredth"),
        ("5 - 3 = 2", "five minus three equals two"),
        ("3-5 days, 10–12 people", "three to five days, ten to twelve people"),  # noqa: RUF001 - en dash
        ("50% or 5-10%", "fifty percent or five to ten percent"),
        ("1/2 cup, 3/4", "one half cup, three quarters"),
        ("1 1/2 cups and 2½ cups", "one and a half cups and two and a half cups"),
        ("version v2.3.1", "version two point three point one"),
        ("B12, COVID-19, GPT-4", "B twelve, COVID nineteen, GPT four"),
        ("H₂O", "H two O"),
        ("call 555-123-4567", "call five five five, one two three, four five six seven"),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("555-1234", "five five five, one two three four"),
        ("16:9", "sixteen to nine"),
        ("192.168.0.1", "one nine two dot one six eight dot zero dot one"),
    ],
)
def test_numbers_become_words(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$5.50", "five dollars and fifty cents"),
        ("$1", "one dollar"),
        ("$0.99", "ninety-nine cents"),
        ("€20 and £3", "twenty euros and three pounds"),
        ("5 USD or 5€", "five US dollars or five euros"),
        ("$1.5 million", "one point five million dollars"),
        ("$10-20", "ten to twenty dollars"),
        ("-$5", "minus five dollars"),
        ("$5/month", "five dollars per month"),
        ("72°F", "seventy-two degrees Fahrenheit"),
        ("21 °C", "twenty-one degrees Celsius"),
        ("-5°C", "minus five degrees Celsius"),
        ("20-25 °C", "twenty to twenty-five degrees Celsius"),
        ("80 km/h", "eighty kilometers per hour"),
        ("1 kg, 5 kg", "one kilogram, five kilograms"),
        ("10mm, 16GB", "ten millimeters, sixteen gigabytes"),
        ("2.5 kWh at 60 W", "two point five kilowatt hours at sixty watts"),
        ("30 m², 100 sq ft", "thirty square meters, one hundred square feet"),
        ("9.8 m/s", "nine point eight meters per second"),
        ("250 ml", "two hundred and fifty milliliters"),
    ],
)
def test_money_and_units_become_words(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3:45 pm", "three forty-five p.m."),
        ("3:05pm", "three oh five p.m."),
        ("15:30", "fifteen thirty"),
        ("at 7 a.m. on Monday", "at seven a.m. on Monday"),
        ("12:00", "twelve o'clock"),
        ("12:30-13:45", "twelve thirty to thirteen forty-five"),
        ("2024-05-12", "May twelfth, twenty twenty-four"),
        ("May 12, 2024", "May twelfth, twenty twenty-four"),
        ("12 May 2024", "the twelfth of May, twenty twenty-four"),
        ("05/13/2024", "May thirteenth, twenty twenty-four"),
        ("12/05/2024", "twelve slash five slash twenty twenty-four"),
        ("In 1999", "In nineteen ninety-nine"),
        ("in 1066", "in ten sixty-six"),
        ("in 2005", "in two thousand and five"),
        ("2000 people", "two thousand people"),
        ("1500 steps", "one thousand five hundred steps"),
        ("1939-1945", "nineteen thirty-nine to nineteen forty-five"),
        ("the 1990s, the '80s", "the nineteen nineties, the eighties"),
    ],
)
def test_times_dates_and_years_become_words(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("A & B @ C #1", "A and B at C number one"),
        ("5+3=8", "five plus three equals eight"),
        ("~20 cats", "about twenty cats"),
        ("a → b", "a to b"),
        ("and/or", "and or"),
        ("2^8, 3 * 4, 2*3", "two to the power of eight, three times four, two times three"),
        ("$E = mc^2$", "E equals mc squared"),
        (r"\(a^2 + b^2\)", "a squared plus b squared"),
        (r"\frac{1}{2}", "one over two"),
        ("costs $5 and $6 today", "costs five dollars and six dollars today"),
        ("C++ and C#", "C plus plus and C sharp"),
        ("fruit, e.g. apples, i.e. food", "fruit, for example, apples, that is, food"),
        ("pears, etc. and more", "pears, et cetera and more"),
        ("Dr. Who vs. Mr. X", "Doctor Who versus Mister X"),
        ("NASA and the USA", "NASA and the USA"),
        ("Wow!!! Really?!", "Wow! Really?"),
        ("Well... ok", "Well, ok"),
        ("we (all of us) go (end).", "we, all of us, go, end."),
        ('it’s — he said "no"', "it's, he said no"),  # noqa: RUF001 - typographic apostrophe
    ],
)
def test_symbols_and_punctuation_become_words_or_pauses(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize("written", ["", "  ", "---", "**", "😀", "...", "```", "|---|"])
def test_nothing_to_say_gives_an_empty_text(written: str) -> None:
    # an opened code block alone is said to be left out
    assert speakable(written) == (CODE_LEFT_OUT if written == "```" else "")


REPLY = """Sure! Here's a **quick
list**:

1. First item
2. Second item, etc.

```python
def f(x):
    return "a. B" # 5 dollars
```

| Name | Age |
|:---|---:|
| Bob | 42 |

Done. *All of
it* is __fine__. Bye!"""


def said_in_clauses(text: str) -> list[str]:
    splitter, words = ClauseSplitter(), Speakable()
    return [said for c in splitter.push(text) + splitter.flush() if (said := words.push(c))]


def test_markup_that_spans_clauses_is_cleaned() -> None:
    assert said_in_clauses(REPLY) == [
        "Sure!",
        "Here's a quick.",
        "list",
        "one, First item.",
        "two, Second item, et cetera.",
        CODE_LEFT_OUT,
        "Name, Age.",
        "Bob, forty-two.",
        "Done.",
        "All of.",
        "it is fine.",
        "Bye!",
    ]


def test_the_whole_text_says_what_its_clauses_say() -> None:
    plain = "".join(character for character in speakable(REPLY) if character.isalnum())
    parts = "".join(c for said in said_in_clauses(REPLY) for c in said if c.isalnum())
    assert plain == parts


def test_each_code_block_is_mentioned_once() -> None:
    text = "One:\n```\na = 1\nb = 2\n```\nTwo:\n~~~\nc\n~~~\nEnd."
    assert speakable(text).count(CODE_LEFT_OUT) == 2
    assert "equals" not in speakable(text)


def test_other_languages_keep_their_numbers_and_lose_the_markup() -> None:
    written = "Das kostet **5,50 €** 😀, siehe [hier](https://x.de/a) oder https://www.y.de/b.\n```\nx\n```"
    assert speakable(written, "de-DE") == "Das kostet 5,50 €, siehe hier oder y.de."
