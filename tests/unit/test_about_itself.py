"""What the assistant says of itself is never left to a model."""

import pytest

from hub.conversation.about_itself import about_itself

ASKED = {
    "recorded|keep no sound": [
        "Do you record what I say?",
        "are you recording me",
        "Is this being recorded?",
        "do you store my voice",
        "Are our conversations saved?",
        "Do you keep everything we say?",
    ],
    "wake word": [
        "Are you listening to me all the time?",
        "are you always listening",
        "Do you hear everything?",
        "are you spying on me",
    ],
    "not connected to the internet": [
        "Are you connected to the internet?",
        "do you have internet access",
        "Do you need the internet?",
        "are you online",
        "do you use the cloud",
    ],
    "nothing you say leaves it": [
        "Is my voice sent to the cloud?",
        "Where are you running?",
        "do you share my data",
        "where do you live",
        "Does what I say go to Google?",
        "who can hear me",
    ],
    "open-source": [
        "Who made you?",
        "who created you",
        "Are you ChatGPT?",
        "Who are you?",
        "what is your name",
        "what's your name",
        "who are you exactly",
    ],
}
OTHERS = [
    "who made the first lamp",
    "where are the Alps",
    "How does the internet work?",
    "what is the cloud",
    "who invented the telephone",
    "how are you",
    "are you happy",
    "Do you like music?",
    "how do I record my voice",
    "tell me about Google",
    "where do penguins live",
    "what is your favorite color",
    "do you know any jokes",
    "are you there",
    "do you remember my name",
    "can you keep a secret",
    "is it safe to eat raw eggs",
    "do you hear that noise",
    "who are the Beatles",
    "what are you doing",
    "will you listen to me",
]


@pytest.mark.parametrize(
    ("answer", "text"), [(answer, text) for answer, texts in ASKED.items() for text in texts]
)
def test_questions_about_itself_get_the_facts(answer, text):
    said = about_itself(text)
    assert said is not None
    assert any(part in said for part in answer.split("|")), said


@pytest.mark.parametrize("text", OTHERS)
def test_other_questions_are_left_to_the_model(text):
    assert about_itself(text) is None


def test_it_goes_by_the_name_that_it_was_given():
    assert "Jeeves" in (about_itself("who are you", "Jeeves") or "")


def test_it_says_that_it_keeps_sound_where_it_does():
    said = about_itself("Do you record my voice?", keeps_sound=True) or ""
    assert said.startswith("I keep the sound of what you said last")
