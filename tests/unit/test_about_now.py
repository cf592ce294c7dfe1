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
    ("text", "told"),
    [
        ("Is it Friday tomorrow?", "Yes, tomorrow is Friday."),
        ("Is it Thursday tomorrow?", "No, tomorrow is Friday."),
        ("Is it Thursday, tomorrow?", "No, tomorrow is Friday."),
        ("Is tomorrow Monday?", "No, tomorrow is Friday."),
        ("Was it Wednesday yesterday?", "Yes, yesterday was Wednesday."),
        ("Is it Saturday in two days?", "Yes, it will be Saturday."),
        ("Is it the weekend tomorrow?", "No, tomorrow is Friday."),
        ("Is it a weekday?", "Yes, it's Thursday."),
        ("Is it Thursday or Friday?", "It's Thursday."),
        ("Is it October or November?", "It's November."),
        ("Is it November 27th?", "It's Thursday, November 26."),
        ("Is it Thursday, the fifth of November?", "It's Thursday, November 26."),
        ("What day is it in two days?", "It is Saturday, November 28."),
        ("What day is it in 3 days?", "It is Sunday, November 29."),
        ("What day is it in 400 days?", "It is Friday, December 31, 2027."),
        ("What year is it in 40 days?", "It is Tuesday, January 5, 2027."),
        ("What's the date on Saturday?", "It is Saturday, November 28."),
        (
            "What's the date on Thursday?",
            "It's Thursday, November 26, and the next one is December 3.",
        ),
        (
            "What is the date next Saturday?",
            "This Saturday is November 28, and the one after it is December 5.",
        ),
        ("What day is next Monday?", "It is Monday, November 30."),
        ("What time is it in ten minutes?", "It will be 4:20 PM."),
        ("What time is it in forty-five minutes?", "It will be 4:55 PM."),
        ("What time is it in half an hour?", "It will be 4:40 PM."),
        ("What time is it in an hour and a half?", "It will be 5:40 PM."),
        ("What time is it in two and a half hours?", "It will be 6:40 PM."),
        ("What time is it in 8 hours?", "It will be 12:10 AM."),
        ("What time is it in an hour in Tokyo?", "I only know the time here. It will be 5:10 PM."),
    ],
)
def test_another_day_or_time_than_now_is_told_as_such(text: str, told: str) -> None:
    assert about_now(text, NOW) == told


@pytest.mark.parametrize(
    "text",
    [
        "When is the next full moon?",
        "How many days until my birthday?",
        "How long until noon tomorrow?",
        "Is it my turn on Thursday?",
        "Is it Thursday in Tokyo?",
        "Is it Thursday today or tomorrow?",
        "Is it a holiday on Friday?",
        "What day was Friday?",
        "What day is it in 99999 days?",
        "What time is it in a couple of hours?",
    ],
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
    for text, told in [
        ("And tomorrow?", "Tomorrow is Friday, November 27."),
        ("And the day after tomorrow?", "It is Saturday, November 28."),
        ("And the day before yesterday?", "It was Tuesday, November 24."),
        ("What about Monday?", "It is Monday, November 30."),
    ]:
        assert about_now(text, NOW, earlier=["What day is it?"]) == told


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
