import pytest
from honesty_cases import NEEDS_ABILITY, ORDINARY
from honesty_more_cases import MORE_NEEDS_ABILITY, MORE_ORDINARY
from honesty_spoken_chat import SPOKEN_CHAT
from honesty_spoken_requests import SPOKEN_REQUESTS

from hub.conversation.honesty import ReplyCheck, missing_ability
from hub.conversation.requests import need_of


@pytest.mark.parametrize(("ability", "text"), NEEDS_ABILITY)
def test_a_request_for_a_missing_ability_gets_an_honest_answer(ability: str, text: str) -> None:
    answer = missing_ability(text)
    assert answer is not None
    assert "can't" in answer
    need = need_of(text)
    assert need is not None and need.ability == ability


@pytest.mark.parametrize("text", (*MORE_NEEDS_ABILITY, *SPOKEN_REQUESTS))
def test_its_many_phrasings_get_an_honest_answer_too(text: str) -> None:
    assert missing_ability(text) is not None


@pytest.mark.parametrize("text", ORDINARY + MORE_ORDINARY + SPOKEN_CHAT)
def test_conversation_and_knowledge_questions_go_to_the_language_model(text: str) -> None:
    assert missing_ability(text) is None


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "{} please",
        "please {}",
        "can you {}",
        "could you please {} for me",
        "hey, {}",
        "Jarvis, {}.",
        "Okay Nabu, could you {}?",
        "um, {} now",
        "I want you to {}",
        "I'd like you to {}, thanks",
        "{}, will you",
    ],
)
@pytest.mark.parametrize(
    "request_", ["turn on the lamp", "play some jazz", "set a timer for ten minutes", "call mom"]
)
def test_politeness_and_wake_words_do_not_hide_a_request(wrapped: str, request_: str) -> None:
    assert missing_ability(wrapped.format(request_)) is not None
    assert missing_ability(wrapped.format(request_).upper()) is not None


def test_an_ability_that_is_there_switches_its_answers_off() -> None:
    assert missing_ability("set a timer for ten minutes", frozenset({"timers"})) is None
    assert missing_ability("turn on the lamp", frozenset({"timers"})) is not None


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("Turn on the light in the kitchen.", "And in the bedroom?"),
        ("What time is it?", "And in New York?"),
        ("What's the weather today?", "What about tomorrow?"),
        ("What's the weather today?", "Just guess."),
        ("Play some music.", "Okay, something by Mozart then."),
        ("Set a timer for five minutes.", "Make it ten."),
        ("Is the door locked?", "And the windows?"),
        ("Turn on the lamp.", "Please."),
        ("Turn on the lamp.", "Try again."),
        ("Turn on the lamp.", "Did you do it?"),
        ("Turn on the lamp.", "The other one."),
        ("Add milk to my shopping list.", "And bread."),
    ],
)
def test_a_follow_up_to_what_it_could_not_do_gets_an_honest_answer(before: str, text: str) -> None:
    answer = missing_ability(text, earlier=[before])
    assert answer is not None and "can't" in answer
    assert missing_ability(text, earlier=[before, "And the other one?"]) is not None


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("Turn on the lamp.", "Why not?"),
        ("Turn on the lamp.", "Okay, then tell me a joke."),
        ("What time is it?", "Okay, thanks anyway."),
        ("What's the weather today?", "And what is the capital of France?"),
        ("What is the capital of France?", "And of Spain?"),
        ("Tell me a joke.", "Another one, please."),
        ("Tell me a joke.", "Try again."),
        ("How do I boil an egg?", "And for a soft one?"),
    ],
)
def test_a_new_subject_after_an_honest_answer_goes_to_the_language_model(
    before: str, text: str
) -> None:
    assert missing_ability(text, earlier=[before]) is None


def test_two_requests_in_a_sentence_are_both_answered() -> None:
    answer = missing_ability("Turn off the lights and tell me the time.")
    assert answer is not None
    assert "lights" in answer and "time" in answer


def test_a_request_beside_a_joke_is_not_hidden_by_it() -> None:
    assert missing_ability("Turn off the lights and tell me a joke.") is not None


def test_the_answer_names_what_was_asked_for() -> None:
    for text, thing in (("close the blinds", "blinds"), ("is the oven on", "oven")):
        answer = missing_ability(text)
        assert answer is not None and thing in answer


def test_an_emergency_is_told_to_use_a_phone() -> None:
    answer = missing_ability("call an ambulance")
    assert answer is not None and "phone" in answer


CLAIMS = [
    ("get cosy in here", "I've turned on the lamp."),
    ("illuminate us", "The lamp is now on."),
    ("hit the switch over there", "Turning on the lights."),
    ("do the lights thing", "Done! Anything else?"),
    ("I need ten minutes", "Sure, I'll set a timer for ten minutes."),
    ("we are out of milk", "Okay, I have added milk to your shopping list."),
    ("some jazz would be nice", "Okay, playing some jazz music."),
    ("get me out of bed at seven", "Your alarm is set for seven."),
    ("get me out of bed at seven", "I will wake you at seven."),
    ("I always forget the bins", "I'll remind you tomorrow morning."),
    ("let me hear the Beatles", "Now playing Hey Jude by the Beatles."),
    ("how late is it getting", "Let me check, it is 3:45."),
    ("is it late", "The current time is half past nine."),
    ("should I hurry", "It's 10:15 in the morning, so yes."),
    ("is it hot", "It's 72 degrees and sunny."),
    ("is it hot", "The weather today is sunny with a high of 25 degrees."),
    ("anything special going on", "Today is Monday, March 3."),
    ("anything special going on", "Today's date is October 5th, 2023."),
    ("I'm freezing", "I've set the thermostat to 22 degrees."),
    ("I'm freezing", "Let me turn up the heating for you."),
    ("I'm freezing", "I'm turning up the heat now."),
    ("my mother worries", "I've sent your mother a message."),
    ("I'm hungry", "I have ordered a pizza for you."),
    ("I'm hungry", "Your pizza order has been placed."),
    ("I miss Anna", "I'm calling Anna on your phone."),
    ("the room is gloomy", "I can turn on the lights for you."),
    ("do I look ok to go out", "It is currently raining outside."),
    ("bring some light", "**Sure!** I’ve switched on the *lights*."),  # noqa: RUF001 - typographic
    ("I'm off then", "I have locked the front door."),
    ("are we safe", "The front door is now locked."),
    ("movie night", "The hour is 10:00 AM."),
    ("let me hear the beatles", "Here's a short clip of their song."),
    ("how is it looking", "It's a beautiful day outside, with the sun shining."),
    ("the laundry must be finished, is it", "Yes, the washing machine is done."),
    ("what about Christmas", "There are 25 days left until Christmas."),
]


@pytest.mark.parametrize(("request_", "clause"), CLAIMS)
def test_a_claimed_action_or_invented_fact_is_replaced_and_the_model_stopped(
    request_: str, clause: str
) -> None:
    review = ReplyCheck(request_).review(clause)
    assert review.stop
    assert len(review.say) == 1
    assert "can't" in review.say[0]


@pytest.mark.parametrize(
    ("request_", "clause"),
    [
        ("how does a lamp work", "When the switch is closed, the lamp is on."),
        ("how do I use my lamp", "You can turn on the lamp by pressing the switch."),
        ("how do timers work", "To set a timer, turn the dial to the right."),
        ("how do timers work", "A timer is set by turning its dial."),
        ("how do I save energy", "Turning off the lights when you leave is a good start."),
        ("call me Sam from now on", "Sure, I can call you Sam from now on."),
        ("what is calm", "Playing music can help you to relax."),
        ("I'm cold", "I'd turn on the heating if I could."),
        ("I'm cold", "I can't turn on the heating, but a warm tea helps."),
        ("can you help me at home", "I can't control lights or play music."),
        ("what is a fever", "It's when the body is over 38 degrees."),
        ("how hot is the sun", "It's about 5,500 degrees at its surface."),
        ("what's London like", "It's often rainy and cool in London."),
        ("when is Christmas", "Christmas is on December 25."),
        ("when did the war end", "It ended on May 8, 1945."),
        ("what is noon", "It's the middle of the day, when the sun is highest."),
        ("who was Bell", "He called his assistant on the first telephone."),
        ("explain ovens", "The oven is heated by gas or by electricity."),
        ("tell me about doors", "Doors are usually made of wood."),
        ("let's chat", "I'll start with a question: what did you do today?"),
        ("give me an idea", "Let me see, how about a walk in the park?"),
        ("how are you", "I'm doing well, thank you!"),
        ("name three fruits", "I made a choice: apples, pears and plums."),
        ("what can you do", "I can answer questions, tell stories and chat with you."),
        ("teach me German", 'You say "the light is now on" like this.'),
        ("how many hours are in a day", "There are 24 hours in a day."),
        ("why do we sleep", "At night, it is dark and the body rests."),
        ("what's a good movie", "I'd suggest a classic such as Casablanca."),
        ("what did Edison do", "Edison's lamp was on for over 13 hours."),
        ("what is spring", "It's warm and the flowers bloom."),
    ],
)
def test_explanations_hypotheticals_and_refusals_pass(request_: str, clause: str) -> None:
    check = ReplyCheck(request_)
    review = check.review(clause)
    assert not review.stop
    assert review.say + check.finish().say == (clause,)


def test_fiction_is_not_checked() -> None:
    check = ReplyCheck("tell me a story about a smart home")
    for clause in ("I've turned on the lamp, said the robot.", "It is 3:45 and raining outside."):
        assert check.review(clause).say == (clause,)


def test_an_opener_is_held_back_when_the_request_may_need_an_ability() -> None:
    check = ReplyCheck("it's too dark in here")
    assert check.review("Sure!").say == ()
    review = check.review(" I'll turn on the lights.")
    assert review.stop
    assert "Sure!" not in review.say


def test_a_held_opener_is_spoken_with_the_harmless_clause_after_it() -> None:
    check = ReplyCheck("it's too dark in here")
    assert check.review("Sure!").say == ()
    assert check.review(" Darkness can be cosy.").say == ("Sure!", " Darkness can be cosy.")


def test_an_opener_that_nothing_follows_is_spoken_at_the_end() -> None:
    check = ReplyCheck("it's too dark in here")
    assert check.review("Sure!").say == ()
    assert check.finish().say == ("Sure!",)
    assert check.finish().say == ()


def test_ordinary_conversation_is_never_held_back() -> None:
    assert ReplyCheck("why is the sky blue").review("Sure!").say == ("Sure!",)


def test_a_claim_in_a_later_clause_is_replaced_too() -> None:
    check = ReplyCheck("I'm freezing")
    assert check.review("I'm sorry to hear that.").say == ("I'm sorry to hear that.",)
    assert check.review(" I've turned on the heating.").stop


def test_a_reply_that_goes_wrong_after_ordinary_words_just_ends() -> None:
    check = ReplyCheck("tell me about your day")
    assert check.review("I had a quiet morning.").say == ("I had a quiet morning.",)
    review = check.review(" Then I turned on the lights.")
    assert review.stop
    assert review.say == ()


@pytest.mark.parametrize(
    "clause",
    [
        "A thermostat is a device that controls the temperature of a home.",
        " It works by monitoring the room and adjusting the temperature to keep it comfortable.",
        " It creates a glow that illuminates everything around it.",
        "A leap year has 366 days, and every four years the year is one day longer.",
        "The longest day of the year is June 21.",
    ],
)
def test_an_explanation_is_never_interrupted(clause: str) -> None:
    check = ReplyCheck("how does a thermostat work")
    assert check.review("I can explain that.").say
    assert check.review(clause).say == (clause,)


@pytest.mark.parametrize(
    "clause",
    [
        "Sure, I can help you with that!",
        "I'd be happy to go back a song.",
        "The road is currently busy.",
    ],
)
def test_an_offer_to_do_what_it_cannot_is_replaced(clause: str) -> None:
    review = ReplyCheck("go back a song").review(clause)
    assert review.stop
    assert "can't" in review.say[0]


def test_claims_about_an_ability_that_is_there_pass() -> None:
    clause = "I've set a timer for ten minutes."
    timers = frozenset({"timers"})
    assert ReplyCheck("set a timer for ten minutes", timers).review(clause).say == (clause,)
    assert ReplyCheck("set a timer for ten minutes", timers).review("Done!").say == ("Done!",)
    assert ReplyCheck("I'm cold", timers).review("I've turned on the heating.").stop


@pytest.mark.parametrize(
    "text",
    [
        "How much is Apple stock?",
        "how much is a bitcoin",
        "Is Bitcoin up?",
        "How are the markets doing?",
        "what's the dollar worth in euros",
        "how much are shares in Google",
    ],
)
def test_the_price_of_what_is_traded_is_not_known(text):
    assert "can't look up" in (missing_ability(text) or "")


def test_a_price_is_not_invented_where_the_question_is_about_now():
    review = ReplyCheck("is the new console in the shop now").review("It costs $499.99 today.")
    assert review.stop
    assert "499" not in " ".join(review.say)
    assert ReplyCheck("What does gas cost?").review("Gas costs about $0.50 per gallon.").stop
    assert not ReplyCheck("how much does a house cost").review("About $300,000.").stop
