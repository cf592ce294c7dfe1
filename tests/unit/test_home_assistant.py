"""Home Assistant as Parlour's home, on real sockets, where it fails as a real one may."""

import asyncio
import contextlib
import time

import msgspec
import pytest
from pretend_home import LAMP, PretendHome, settings_for, spoken

from hub.home.base import HomeError, Place
from hub.home.home_assistant import CANT_REACH, NOT_LET_IN, UNCLEAR, HomeAssistant

KITCHEN, HALL, NOWHERE = Place("Kitchen"), Place("hall"), Place("Den")
UNKNOWN_LAMP = spoken(
    "Sorry, I am not aware of any device called garage", "error", "no_valid_targets"
)


@pytest.fixture
async def pretend():
    async with PretendHome() as home:
        yield home


@pytest.fixture
def settings(pretend, tmp_path):
    return settings_for(pretend.url, tmp_path)


@contextlib.asynccontextmanager
async def running(settings):
    home = HomeAssistant(settings)
    task = asyncio.create_task(home.run())
    try:
        yield home
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def home(settings):
    async with running(settings) as home:
        await until(lambda: home.exposed.entities)
        yield home


async def until(condition, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_exposed_is_known_by_name_alias_and_area(home):
    lamp = next(entity for entity in home.exposed.entities if entity.id == LAMP)
    assert (lamp.name, lamp.aliases, lamp.area.name) == ("Kitchen lamp", ("big light",), "Kitchen")
    assert "Front door" not in home.names("")
    assert {"Kitchen lamp", "Hall light", "big light", "Kitchen", "galley"} <= {*home.names("")}


async def test_names_of_the_room_that_one_is_in_come_before_the_others(home):
    names = list(home.names("hall"))
    assert names.index("Hall light") < names.index("Kitchen lamp")


async def test_a_changed_state_and_a_new_name_are_known_at_once(home, pretend):
    await pretend.tell({"c": {LAMP: {"+": {"s": "on", "a": {"brightness": 9}}}}})
    await until(lambda: home.exposed.states[LAMP].value == "on")
    assert home.exposed.states[LAMP].attributes["brightness"] == 9
    await pretend.tell({"c": {LAMP: {"+": {"a": {"friendly_name": "Sun"}}}}})
    await until(lambda: "Sun" in home.names(""))
    assert home.understand("turn on the sun", NOWHERE) is not None


async def test_a_new_entity_is_known_soon_after_the_registry_has_it(home, pretend):
    pretend.things["fan.attic"] = ("off", {"friendly_name": "Attic fan"}, "hall", [])
    await pretend.tell({"event_type": "entity_registry_updated", "data": {"action": "create"}})
    await until(lambda: "Attic fan" in home.names(""))


async def test_a_thing_that_is_gone_is_no_longer_understood(home, pretend):
    assert home.understand("close the kitchen blind", NOWHERE) is not None
    await pretend.tell({"r": ["cover.kitchen"]})
    await until(lambda: "Kitchen blind" not in home.names(""))
    assert home.understand("close the kitchen blind", NOWHERE) is None


async def test_a_sentence_that_is_understood_is_sent_once_when_it_is_done(home, pretend):
    pretend.answers["turn on the kitchen lamp"] = spoken("Turned on the light")
    command = home.understand("turn on the kitchen lamp", NOWHERE)
    assert (command.name, command.acts) == ("HassTurnOn", True)
    assert pretend.sentences == []
    assert await command.do() == "Turned on the light"
    (body,) = pretend.sentences
    assert body == {
        "text": "turn on the kitchen lamp",
        "language": "en",
        "agent_id": "conversation.home_assistant",
    }


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("Turn on the lights.", "turn on the lights in the Kitchen"),
        ("Turn off the lights in here", "turn off the lights in the Kitchen"),
        ("set the brightness to 40 percent", "set the brightness in the Kitchen to 40 percent"),
    ],
)
async def test_lights_without_an_area_are_those_of_the_room(home, pretend, said, sent):
    pretend.answers[sent] = spoken("Done")
    assert await home.understand(said, KITCHEN).do() == "Done"
    assert [body["text"] for body in pretend.sentences] == [sent]


async def test_lights_without_an_area_are_nobody_s_in_a_room_that_is_no_area(home):
    assert home.understand("Turn on the lights.", NOWHERE) is None


@pytest.mark.parametrize(
    "text",
    [
        "what's the capital of Peru",
        "tell me a joke about lamps",
        "why is the kitchen the heart of a home",
        "who invented the light bulb",
        "hello",
        "what time is it",
        "set a timer for five minutes",
        "is everyone in the world happy",
        "add milk to my shopping list",
        "turn on the garage lamp",
    ],
)
async def test_what_is_not_about_exposed_things_is_not_claimed(home, text):
    assert home.understand(text, KITCHEN) is None


async def test_what_home_assistant_does_not_understand_is_for_the_language_model(home, pretend):
    assert await home.ask("why is sleep important", KITCHEN) is None
    assert pretend.recognised == ["why is sleep important"]
    assert pretend.sentences == []


async def test_a_sentence_that_home_assistant_knows_word_by_word_is_done_there(home, pretend):
    pretend.answers["add milk to my shopping list"] = spoken("Added milk")
    assert await home.ask("add milk to my shopping list", KITCHEN) == "Added milk"
    assert len(pretend.sentences) == 1


@pytest.mark.parametrize("source", ["trigger", "custom"])
@pytest.mark.parametrize("text", ["movie night", "hello", "tell me a story"])
async def test_sentences_of_the_owner_s_own_come_before_everything(home, pretend, source, text):
    pretend.sources[text] = source
    pretend.answers[text] = spoken("Done")
    assert await home.ask(text, KITCHEN) == "Done"


@pytest.mark.parametrize(
    ("text", "intent", "said"),
    [
        ("What is the capital of France?", "HassGetCurrentTime", "1:22 AM"),
        ("Tell me about elephants.", "HassGetCurrentTime", "1:22 AM"),
        ("Is there life on Mars?", "HassTurnOn", "Turned on the light"),
    ],
)
async def test_home_assistant_does_not_do_what_it_guesses(home, pretend, text, intent, said):
    pretend.guesses[text] = intent
    pretend.answers[text] = spoken(said)
    assert await home.ask(text, KITCHEN) is None
    assert pretend.sentences == []


@pytest.mark.parametrize("text", ["turn on the flux capacitor", "play some music by Abba"])
async def test_a_guess_at_what_is_for_the_home_is_not_done_and_that_is_said(home, pretend, text):
    pretend.guesses[text] = "HassTurnOn"
    pretend.answers[text] = spoken("Turned on the light")
    with pytest.raises(HomeError, match=UNCLEAR):
        await home.ask(text, KITCHEN)
    assert pretend.sentences == []


async def test_what_home_assistant_has_no_part_for_is_for_the_language_model(home, pretend):
    text = "What's the weather?"
    pretend.answers[text] = spoken("Unknown intent HassGetWeather", "error", "unknown")
    pretend.intents[text] = "HassGetWeather"
    assert await home.ask(text, KITCHEN) is None
    assert len(pretend.sentences) == 1


async def test_a_question_that_breaks_home_assistant_is_for_the_language_model(home, pretend):
    text = "What's the weather?"
    pretend.answers[text], pretend.intents[text] = spoken("It rains"), "HassGetWeather"
    assert await home.ask(text, KITCHEN) == "It rains"
    pretend.trouble = 500
    assert await home.ask(text, KITCHEN) is None


async def test_a_thing_that_is_not_exposed_is_not_what_a_question_is_about(home, pretend):
    text = "what is the sun"
    pretend.answers[text] = spoken("Sorry, Sun is not exposed", "error", "no_valid_targets")
    pretend.intents[text] = "HassGetState"
    assert await home.ask(text, KITCHEN) is None


@pytest.mark.parametrize("mute", ["hang", "decline", "garbage", "vanish"])
async def test_one_that_does_not_say_what_it_would_do_is_sent_what_is_for_the_home_alone(
    home, pretend, mute, monkeypatch
):
    monkeypatch.setattr("hub.home.home_assistant._SHORT_PATIENCE", 0.3)
    pretend.mute = mute
    pretend.answers |= {
        "What is the capital of France?": spoken("1:22 AM"),
        "turn on the garage lamp": spoken("Turned on the light"),
    }
    assert await home.ask("What is the capital of France?", KITCHEN) is None
    assert await home.ask("turn on the garage lamp", KITCHEN) == "Turned on the light"
    assert [body["text"] for body in pretend.sentences] == ["turn on the garage lamp"]


async def test_questions_at_once_get_their_own_answers(home, pretend):
    texts = [f"scene {number}" for number in range(20)]
    pretend.answers |= {text: spoken(text) for text in texts[::2]}
    answers = await asyncio.gather(*(home.ask(text, KITCHEN) for text in texts))
    assert answers == [text if text in pretend.answers else None for text in texts]


async def test_the_capital_of_peru_is_no_device(home, pretend):
    pretend.answers["what's the capital of Peru"] = spoken(
        "Sorry, I am not aware of any device called capital of Peru", "error", "no_valid_targets"
    )
    assert await home.ask("what's the capital of Peru", KITCHEN) is None


@pytest.mark.parametrize("text", ["turn on the garage lamp", "turn on the flux capacitor"])
async def test_a_thing_that_is_not_there_gets_home_assistant_s_own_answer(home, pretend, text):
    pretend.answers[text] = UNKNOWN_LAMP
    with pytest.raises(HomeError, match="not aware of any device called garage"):
        await home.ask(text, KITCHEN)


async def test_a_request_for_the_home_that_is_not_understood_is_not_left_to_a_model(home):
    with pytest.raises(HomeError, match="couldn't understand"):
        await home.ask("open the garage", KITCHEN)


@pytest.mark.parametrize("text", ["hello", "who made you", "tell me a story about a lamp"])
async def test_home_assistant_is_not_asked_for_what_parlour_says_itself(home, pretend, text):
    assert await home.ask(text, KITCHEN) is None
    assert pretend.sentences == []


async def test_what_failed_is_said(home, pretend):
    pretend.answers["turn on the kitchen lamp"] = spoken(
        "An unexpected error occurred", "error", "failed_to_handle"
    )
    with pytest.raises(HomeError, match="An unexpected error occurred"):
        await home.understand("turn on the kitchen lamp", KITCHEN).do()


@pytest.mark.parametrize("trouble", ["hang", "vanish", "garbage", 500, 503])
async def test_a_command_whose_fate_is_not_known_is_not_sent_again(
    home, pretend, trouble, monkeypatch
):
    monkeypatch.setattr("hub.home.home_assistant._PATIENCE", 0.3)
    pretend.trouble = trouble
    with pytest.raises(HomeError, match="don't know whether"):
        await home.understand("turn on the kitchen lamp", KITCHEN).do()
    await asyncio.sleep(0.2)
    assert len(pretend.sentences) == 1


@pytest.mark.parametrize("trouble", ["hang", "vanish", "garbage", 500])
async def test_a_sentence_that_was_known_and_got_no_answer_is_not_left_to_the_language_model(
    home, pretend, trouble, monkeypatch
):
    monkeypatch.setattr("hub.home.home_assistant._PATIENCE", 0.3)
    pretend.answers["movie night"] = spoken("Enjoy")
    pretend.trouble = trouble
    with pytest.raises(HomeError, match="don't know whether"):
        await home.ask("movie night", KITCHEN)
    assert len(pretend.sentences) == 1


async def test_a_home_that_is_away_is_said_to_be_and_keeps_nobody_waiting(home, pretend):
    await pretend.stop()
    began = time.monotonic()
    with pytest.raises(HomeError, match=CANT_REACH):
        await home.understand("turn on the kitchen lamp", KITCHEN).do()
    with pytest.raises(HomeError, match=CANT_REACH):
        await home.ask("turn on the garage lamp", KITCHEN)
    assert await home.ask("what's the capital of Peru", KITCHEN) is None
    assert time.monotonic() - began < 2.0
    await pretend.start()


async def test_it_is_found_again_after_a_restart(home, pretend):
    await pretend.stop()
    await until(lambda: home.trouble)
    pretend.things[LAMP] = ("off", {"friendly_name": "Moon"}, "kitchen", [])
    await pretend.start()
    await until(lambda: "Moon" in home.names(""))
    assert home.trouble == ""


async def test_a_token_that_is_refused_is_said_to_be(pretend, tmp_path):
    settings = settings_for(pretend.url, tmp_path, token="wrong")
    async with running(settings) as home:
        await until(lambda: home.trouble)
        assert "refuses the token" in home.trouble
        with pytest.raises(HomeError, match=NOT_LET_IN):
            await home.ask("turn on the kitchen lamp", KITCHEN)
        assert await home.ask("what's the capital of Peru", KITCHEN) is None


async def test_a_token_that_others_may_read_is_not_used(pretend, tmp_path):
    settings = settings_for(pretend.url, tmp_path)
    (tmp_path / "token").chmod(0o644)
    async with running(settings) as home:
        await until(lambda: home.trouble)
        assert "chmod 600" in home.trouble
    assert pretend.sockets == []


async def test_a_token_of_somebody_who_may_not_read_what_is_exposed_says_so(pretend, settings):
    pretend.administrator = False
    async with running(settings) as home:
        await until(lambda: home.trouble)
        assert "administrator" in home.trouble
        pretend.answers["turn on the lights"] = spoken("Sure")
        assert await home.ask("turn on the lights", KITCHEN) == "Sure"


async def test_an_old_home_assistant_is_asked_for_its_agent_by_the_old_name(pretend, settings):
    pretend.version = "2024.3.3"
    async with running(settings) as home:
        await until(lambda: home.exposed.entities)
        pretend.answers["movie night"] = spoken("Enjoy")
        await home.ask("movie night", KITCHEN)
    assert pretend.sentences[0]["agent_id"] == "homeassistant"


async def test_states_that_cannot_be_read_end_the_connection_and_it_comes_back(home, pretend):
    (socket,) = pretend.sockets
    await pretend.tell({"c": {"light.nobody": {"+": {"s": "on"}}}})
    await until(lambda: pretend.sockets and pretend.sockets[0] is not socket)
    await until(lambda: not home.trouble)


@pytest.mark.parametrize(
    ("model", "may"),
    [("Qwen/Qwen2.5-0.5B-Instruct", False), ("Qwen/Qwen2.5-7B-Instruct", True), (None, True)],
)
async def test_a_small_model_of_a_server_is_not_to_switch_things(settings, model, may):
    engine = "openai+http://127.0.0.1:1/v1"
    settings.llm = msgspec.structs.replace(settings.llm, engine=engine, model=model)
    async with running(settings) as home:
        await until(lambda: home.exposed.entities)
        assert (home.tools_for("turn on the lamp", KITCHEN) is not None) is may
