from datetime import datetime

import pytest
from scripted import ScriptedLlm

from hub.conversation.about_now import about_now
from hub.conversation.reply import write_reply
from hub.conversation.turn import Turn
from hub.engines.base import Message

NOW = datetime(2026, 11, 26, 16, 10)  # a Thursday


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "what's the time right now",
        "Hey, do you know what time it is?",
        "Tell me the time, please.",
        "How late is it?",
        "Is it past noon already?",
        "Are we late?",
        "Is it time for lunch?",
        "What time is it in here?",
    ],
)
def test_the_time_is_told(text: str) -> None:
    assert about_now(text, NOW) == "It's 4:10 PM."


@pytest.mark.parametrize(
    ("hour", "minute", "told"),
    [
        (0, 0, "It's midnight."),
        (0, 5, "It's 12:05 AM."),
        (9, 0, "It's 9:00 AM."),
        (12, 0, "It's noon."),
        (12, 30, "It's 12:30 PM."),
        (23, 59, "It's 11:59 PM."),
    ],
)
def test_hours_are_told_as_people_say_them(hour: int, minute: int, told: str) -> None:
    assert about_now("What time is it?", NOW.replace(hour=hour, minute=minute)) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("What day is it?", "It's Thursday, November 26."),
        ("What's today's date?", "It's Thursday, November 26."),
        ("What day of the week is it today?", "It's Thursday, November 26."),
        ("What day is tomorrow?", "Tomorrow is Friday, November 27."),
        ("What day was yesterday?", "Yesterday was Wednesday, November 25."),
        ("What year is it?", "It's 2026."),
        ("What month is it?", "It's November."),
        ("Is it Friday today?", "No, it's Thursday."),
        ("Is it Thursday?", "Yes, it's Thursday."),
        ("Is it the weekend?", "No, it's Thursday."),
        ("Is it November?", "Yes, it's November."),
        ("When is the next Monday?", "It is Monday, November 30."),
        ("When is the next Thursday?", "It is Thursday, December 3."),
        ("How many days until Christmas?", "Christmas is in 29 days."),
        ("How long until Halloween?", "Halloween is in 339 days."),
        ("How long until Friday?", "Friday is tomorrow."),
        ("How long is it until midnight?", "7 hours and 50 minutes until midnight."),
        ("How long till noon?", "19 hours and 50 minutes until noon."),
    ],
)
def test_what_the_calendar_knows_is_told(text: str, told: str) -> None:
    assert about_now(text, NOW) == told


@pytest.mark.parametrize(
    "text", ["When is the next full moon?", "How many days until my birthday?"]
)
def test_what_it_does_not_know_is_not_made_up(text: str) -> None:
    told = about_now(text, NOW)
    assert told is not None
    assert told.startswith("I can't work that out.")


def test_the_time_elsewhere_is_not_made_up() -> None:
    told = "I only know the time here. It's 4:10 PM."
    assert about_now("What time is it in Tokyo?", NOW) == told
    assert about_now("And in New York?", NOW, earlier=["What time is it?"]) == told


def test_a_question_may_go_on_from_the_one_before() -> None:
    told = about_now("And tomorrow?", NOW, earlier=["What day is it?"])
    assert told == "Tomorrow is Friday, November 27."


@pytest.mark.parametrize("text", ["Which room am I in?", "What room is this?", "Where are we now?"])
def test_the_room_is_named_where_it_is_known(text: str) -> None:
    assert about_now(text, NOW, "Kitchen") == "This room is called Kitchen."
    assert about_now(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "How do clocks work?",
        "When was the French Revolution?",
        "Tell me a joke about Mondays.",
        "What's the weather tomorrow?",
        "Set a timer for ten minutes.",
    ],
)
def test_other_questions_are_left_to_others(text: str) -> None:
    assert about_now(text, NOW, "Kitchen") is None


async def reply_to(text: str, now: datetime | None, llm: ScriptedLlm) -> str:
    clauses = write_reply(Turn("Kitchen"), llm, [Message("user", text)], max_tokens=50, now=now)
    return "".join([clause async for clause in clauses])


async def test_without_a_clock_no_time_is_told() -> None:
    assert "no clock" in await reply_to("What time is it?", None, ScriptedLlm())
    assert await reply_to("What time is it?", NOW, ScriptedLlm()) == "It's 4:10 PM."


async def test_what_else_was_asked_is_answered_too() -> None:
    reply = await reply_to("Turn off the lamp and tell me the time.", NOW, ScriptedLlm())
    assert reply.startswith("It's 4:10 PM. I can't control the lamp")


async def test_a_time_that_the_model_claims_is_set_right() -> None:
    llm = ScriptedLlm("It is now three o'clock, so yes. Enjoy it.")
    assert await reply_to("Is now a good moment for some soup?", NOW, llm) == "It's 4:10 PM."
