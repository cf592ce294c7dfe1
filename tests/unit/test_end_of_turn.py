"""How long a pause must be to be an end, by how it sounded and by the words before it."""

import pytest

from hub.config import TurnSettings
from hub.conversation.end_of_turn import LOOKS, Words, silence_wanted, tell

SETTINGS = TurnSettings()
CERTAIN, SURE, LIKELY, UNLIKELY = 0.98, 0.972, 0.8, 0.1


def wanted(probability, text, **changes):
    return silence_wanted(probability, text, TurnSettings(**changes))


def test_a_sentence_that_sounds_finished_ends_about_when_the_model_has_answered():
    assert LOOKS[0] <= wanted(SURE, "What time is it?") <= LOOKS[0] + 0.1


def test_words_that_are_not_known_yet_are_waited_for_unless_the_model_is_certain():
    assert wanted(SURE, "What time is it?") < wanted(SURE, None) <= 0.5
    assert wanted(CERTAIN, None) == wanted(SURE, "What time is it?")


def test_the_less_sure_the_model_is_the_longer_is_the_pause():
    text = "I would like a large coffee."
    assert wanted(SURE, text) < wanted(LIKELY, text) < wanted(UNLIKELY, text)


def test_a_pause_of_a_second_is_survived_wherever_the_model_is_not_sure():
    for text in (None, "I would like a large coffee.", "I would like a large"):
        assert wanted(LIKELY, text) >= 1.0
        assert wanted(UNLIKELY, text) >= 1.0


@pytest.mark.parametrize("probability", [None, UNLIKELY, LIKELY, SURE])
def test_words_that_something_must_follow_wait_for_it_however_finished_they_sound(probability):
    assert wanted(probability, "Turn off the") >= 1.0


@pytest.mark.parametrize("probability", [None, 0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("text", [None, "", "Turn off the", "What time is it?", "Stop."])
def test_nobody_waits_longer_than_two_seconds(probability, text):
    assert LOOKS[0] <= wanted(probability, text) <= 2.0


def test_a_short_answer_is_whole_even_if_it_does_not_sound_so():
    assert wanted(LIKELY, "No.") == wanted(SURE, "What time is it?")
    assert wanted(UNLIKELY, "No.") <= SETTINGS.silence


def test_without_a_model_the_fixed_silence_counts():
    assert wanted(None, None, silence=0.9) == 0.9
    assert wanted(None, "What time is it?", silence=0.9) == 0.9


def test_patience_stretches_doubt_and_leaves_certainty_alone():
    for probability, text in (
        (LIKELY, "A large coffee."),
        (UNLIKELY, None),
        (SURE, "Turn off the"),
    ):
        once = wanted(probability, text)
        assert wanted(probability, text, patience=1.5) == pytest.approx(1.5 * once)
    assert wanted(SURE, "What time is it?", patience=3.0) == wanted(SURE, "What time is it?")


@pytest.mark.parametrize(
    "text",
    [
        "Turn off the",
        "turn off the.",
        "Turn off the...",
        "Set a timer for",
        "Set a timer",
        "Can you set an alarm?",
        "Set a timer for thirty",
        "Set the volume.",
        "Turn the kitchen lights",
        "Turn on.",
        "I'd like",
        "I'd like a small medium-",
        "If it rains, then",
        "Milk, eggs,",
        "Milk, eggs, and",
        "What is the",
        "What's",
        "Remind me to",
        "Play some",
        "Tell me about",
        "My name is",
        "I want to go to",
        "So, um",
        "Because",
        "How about",
        "I work for",
        "What is the weather like in",
        "Set the lights",
        "Show me how to",
    ],
)
def test_words_that_go_on(text):
    assert tell(text) is Words.OPEN


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "yes",
        "No, thanks.",
        "Stop!",
        "Okay.",
        "Thank you very much.",
        "Never mind.",
        "Oh yes please.",
        "Cancel.",
        "That's all.",
        "Go on.",
        "I don't know.",
    ],
)
def test_short_answers_and_commands_that_are_whole(text):
    assert tell(text) is Words.WHOLE


@pytest.mark.parametrize(
    "text",
    [
        "Turn the lights on.",
        "Turn off the lights.",
        "Set a timer for thirty seconds.",
        "Set a timer for 30 seconds.",
        "Set the volume to five.",
        "What is it like?",
        "Where is she from?",
        "What is this for?",
        "Do you know what time it is?",
        "What is the weather like?",
        "Who are you?",
        "How are you?",
        "What can you do?",
        "Play some music.",
        "Call my mother.",
        "Turn it off.",
        "Turn the lights off.",
        "Set the lights to green.",
        "Dim the lights.",
        "What room am I in?",
        "Is the front door open?",
        "The baker gets up at three.",
    ],
)
def test_words_that_may_be_all_or_not(text):
    assert tell(text) is Words.EITHER


def test_words_that_speech_to_text_ends_without_a_mark_are_doubted():
    assert tell("I would like a large") is Words.UNMARKED
    assert tell("Get me a small coffee") is Words.UNMARKED
    assert wanted(SURE, "Get me a small coffee") > wanted(SURE, "Get me a small coffee.")


def test_a_typographic_apostrophe_is_an_apostrophe():
    assert tell("I don\u2019t know.") is Words.WHOLE
    assert tell("What\u2019s") is Words.OPEN


def test_no_words_tell_nothing():
    assert tell("") is Words.EITHER
    assert tell(" ... ") is Words.EITHER


def test_of_other_languages_marks_tell_and_english_words_do_not():
    assert tell("Was will", "de") is Words.UNMARKED
    assert tell("Mach das Licht an.", "de") is Words.EITHER
    assert tell("Mach das Licht an,", "de") is Words.OPEN
    assert tell("Stop.", "de") is Words.EITHER


@pytest.mark.parametrize(
    "text",
    [
        *("What?", "How?", "Who is she?", "How old is he?", "What do I need?", "Who am I?"),
        *("What should I order?", "Who won the World Cup then?", "Yes, I can.", "No, it isn't."),
    ],
)
def test_short_questions_and_answers_are_not_kept_waiting(text):
    assert tell(text) is not Words.OPEN


@pytest.mark.parametrize("text", ["Can you?", "What is?", "What can I"])
def test_questions_that_lack_their_end_are_waited_for(text):
    assert tell(text) is Words.OPEN
