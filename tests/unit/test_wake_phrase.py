"""What is left of the wake word comes off a transcript, and nothing else does."""

import pytest

from hub.conversation.wake_phrase import strip_wake_phrase


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        ("hey_jarvis", "Hey Jarvis, what is it?"),
        ("hey_jarvis", "Hey, Jarvis. what is it?"),
        ("hey_jarvis", "Jarvis, what is it?"),
        ("hey_jarvis", "Travis, what is it?"),
        ("hey_jarvis", "Vis, what is it?"),
        ("hey_jarvis", "...jarvis! what is it?"),
        ("hey_jarvis", "Jarvis — what is it?"),
        ("alexa", "Alexa, what is it?"),
        ("alexa", "Lexa what is it?"),
        ("hey_mycroft", "Hey Mycroft what is it?"),
        ("hey_mycroft", "Hey Microsoft, what is it?"),
        ("hey_mycroft", "Croft, what is it?"),
        ("okay_nabu", "Okay Nabu, what is it?"),
        ("okay_nabu", "Okay naboo what is it?"),
        ("okay_nabu", "Nabu. what is it?"),
        ("Okay Nabu", "what is it?"),
    ],
)
def test_the_wake_word_or_its_tail_comes_off(phrase, heard):
    assert strip_wake_phrase(heard, phrase) == "what is it?"


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("hey_jarvis", "Is it raining?"),
        ("hey_jarvis", "Mars is red."),
        ("hey_jarvis", "Java is a language."),
        ("hey_jarvis", "Who is Jarvis?"),
        ("hey_jarvis", "What is a travis?"),
        ("alexa", "A lemon, please."),
        ("hey_mycroft", "My car is red."),
        ("okay_nabu", "Now, tell me a story."),
        ("okay_nabu", "Turn on the lamp."),
        (None, "Hey Jarvis, what is it?"),
        ("", "Hey Jarvis, what is it?"),
    ],
)
def test_a_question_stays_whole(phrase, said):
    assert strip_wake_phrase(said, phrase) == said


@pytest.mark.parametrize("heard", ["Hey Jarvis", "Jarvis.", "vis", "", "  ", "Hey, Jarvis!"])
def test_the_wake_word_alone_leaves_nothing(heard):
    assert strip_wake_phrase(heard, "hey_jarvis") == ""


def test_it_comes_off_once():
    assert strip_wake_phrase("Jarvis, Jarvis is a name.", "hey_jarvis") == "Jarvis is a name."
