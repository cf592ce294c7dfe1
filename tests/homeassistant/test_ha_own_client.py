"""The hub's own client of Home Assistant, against a real one: what is exposed, and what is done."""

import asyncio
import contextlib

import msgspec
import pytest
import pytest_asyncio
from ha_server import LAMP, HomeAssistant

from hub.config import Settings
from hub.home.base import HomeError, Place
from hub.home.home_assistant import HomeAssistant as Home
from hub.home.home_assistant import check
from protocol.private_files import write_private

pytestmark = pytest.mark.asyncio(loop_scope="session")
KITCHEN, DEN = Place("Kitchen"), Place("Den")


# What its owner has made themselves: an automation with sentences, and a sentence in a file.
OWN = """\
automation:
  - alias: Movie night
    trigger:
      - platform: conversation
        command: ["movie night", "(start|begin) the show in {room}"]
    action:
      - service: light.turn_on
        target: {entity_id: light.living_room_lamp}
      - set_conversation_response: Enjoy the film.
intent_script:
  FeedCat:
    speech: {text: The cat is fed.}
"""
CAT = """\
language: en
intents:
  FeedCat:
    data:
      - sentences: ["feed the cat [now]"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def assistant(built):
    assistant = HomeAssistant(built, OWN)
    sentences = assistant.home / "custom_sentences" / "en"
    sentences.mkdir(parents=True)
    (sentences / "cat.yaml").write_text(CAT, encoding="utf-8")
    async with assistant.running():
        yield assistant


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def user(assistant):
    """Somebody at Home Assistant's page, who exposed the lamp and made the area."""
    async with assistant.client() as user:
        await user.expose(LAMP)
        # Onboarding has made the kitchen.
        alias = {"area_id": "kitchen", "aliases": ["galley"]}
        await user.call("config/area_registry/update", **alias)
        place = {"entity_id": LAMP, "area_id": "kitchen", "aliases": ["big light"]}
        await user.call("config/entity_registry/update", **place)
        await user.add("shopping_list")
        yield user


@pytest.fixture(scope="module")
def settings(assistant, tmp_path_factory):
    token = tmp_path_factory.mktemp("own") / "token"
    write_private(token, assistant.token.encode())
    table = {"url": assistant.url, "token_file": str(token), "control": "on"}
    return msgspec.convert({"home_assistant": table}, Settings)


@pytest_asyncio.fixture(loop_scope="session")
async def home(user, settings):
    home = Home(settings)
    task = asyncio.create_task(home.run())
    try:
        await until(lambda: home.exposed.entities)
        yield home
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest_asyncio.fixture(loop_scope="session")
async def off(user):
    await user.service("light.turn_off", LAMP)
    await user.wait_for_state(LAMP, "off")


async def until(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_is_exposed_is_known_with_its_aliases_and_its_area(home):
    lamp = next(entity for entity in home.exposed.entities if entity.id == LAMP)
    assert (lamp.name, lamp.aliases, lamp.area.name) == (
        "Living room lamp",
        ("big light",),
        "Kitchen",
    )
    assert home.exposed.area("galley").name == "Kitchen"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("Turn on the big light.", DEN),
        ("Turn on the lights.", KITCHEN),
        ("turn on the lights in here", Place("galley")),
        ("turn on all the lights in the kitchen", DEN),
    ],
)
async def test_a_sentence_that_is_understood_here_does_one_thing_there(
    home, user, off, said, place
):
    actions = await user.watch_actions()
    command = home.understand(said, place)
    assert command is not None
    assert actions == []
    assert await command.do()
    await until(lambda: home.exposed.states[LAMP].value == "on")
    lights = [one for one in actions if one["domain"] == "light"]
    assert [one["service"] for one in lights] == ["turn_on"]


@pytest.mark.parametrize(
    "said",
    [
        "what's the capital of Peru",
        "What is the capital of France?",
        "Tell me about elephants.",
        "What's the weather?",
        "What is the sun?",
        "why is sleep important",
        "who was Alan Turing",
        "how do I turn on the living room lamp",
    ],
)
async def test_ordinary_questions_are_not_home_assistant_s(home, user, off, said):
    actions = await user.watch_actions()
    assert home.understand(said, KITCHEN) is None
    assert await home.ask(said, KITCHEN) is None
    await user.call("get_config")  # its answer comes behind what was told before
    assert actions == []


@pytest.mark.parametrize("said", ["Movie night.", "begin the show in the garden"])
async def test_an_automation_s_sentence_runs_it_once_and_its_answer_is_said(home, user, off, said):
    actions = await user.watch_actions()
    assert await home.ask(said, KITCHEN) == "Enjoy the film."
    await user.wait_for_state(LAMP, "on")
    assert [one["service"] for one in actions if one["domain"] == "light"] == ["turn_on"]


async def test_a_sentence_in_a_file_of_the_owner_s_is_done(home):
    assert await home.ask("Feed the cat now.", KITCHEN) == "The cat is fed."


async def test_what_takes_any_words_at_all_is_done(home, user):
    assert "oat milk" in (await home.ask("Add oat milk to my shopping list.", KITCHEN)).lower()
    items = await user.rest("GET", "/api/shopping_list")
    assert [item["name"].strip().lower() for item in items] == ["oat milk"]


async def test_a_lamp_that_is_not_there_gets_home_assistant_s_own_answer(home):
    assert home.understand("turn on the garage lamp", KITCHEN) is None
    with pytest.raises(HomeError, match="garage"):
        await home.ask("turn on the garage lamp", KITCHEN)


async def test_a_question_about_a_thing_is_answered_by_home_assistant(home, off):
    command = home.understand("is the living room lamp on", DEN)
    assert (await command.do()).casefold().startswith("no")


async def test_an_area_and_an_exposure_that_change_are_known_soon(home, user):
    await user.call("config/area_registry/create", name="Conservatory")
    await until(lambda: home.exposed.area("conservatory"))
    await user.expose("input_boolean.lamp")
    await until(lambda: "input_boolean.lamp" in home.exposed.states)
    await user.expose("input_boolean.lamp", to_assistants=False)
    await until(lambda: "input_boolean.lamp" not in home.exposed.states)


async def test_the_model_s_call_switches_the_lamp_and_is_said_back(home, off):
    toolbox = home.tools_for("it's too dark in the kitchen", DEN)
    assert toolbox.offers == ["turn on Living room lamp"]
    said = await toolbox.call(toolbox.parse("1"))
    assert said == "The living room lamp is on."
    assert home.exposed.states[LAMP].value == "on"


async def test_the_doctor_names_the_version_and_counts_what_is_exposed(user, settings):
    good, text = await check(settings)
    assert good, text
    assert "entities in" in text
