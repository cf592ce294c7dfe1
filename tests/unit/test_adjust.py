"""Settings that are changed while the hub runs: all or nothing, saved on demand."""

import json
import logging
import stat

import pytest

from hub.adjust import Adjustments
from hub.config import LlmSettings, Settings
from hub.conversation.prompt import DEFAULT_PERSONA
from protocol.settings import ConfigError


@pytest.fixture
def settings():
    return Settings(llm=LlmSettings(max_reply_tokens=80))


@pytest.fixture
def told():
    return []


@pytest.fixture
def adjust(settings, told, tmp_path):
    return Adjustments(settings, told.append, tmp_path)


def view(views, key):
    return next(view for view in views if view.key == key)


def test_a_change_holds_at_once_and_shows_beside_what_the_file_says(adjust, settings, told):
    views = adjust.change({"llm.persona": "You are a butler.", "llm.max_reply_tokens": 200})
    assert settings.llm.persona == "You are a butler."
    assert settings.llm.max_reply_tokens == 200
    shown = view(views, "llm.max_reply_tokens")
    assert (shown.value, shown.file, shown.saved) == (200, 80, None)
    assert view(views, "llm.persona").file == DEFAULT_PERSONA
    assert told == [{"llm.persona", "llm.max_reply_tokens"}]


def test_what_is_the_same_already_changes_nothing(adjust, told):
    adjust.change({"llm.max_reply_tokens": 80})
    assert told == []


def test_null_is_what_the_file_says_and_an_empty_persona_the_default(adjust, settings):
    adjust.change({"llm.max_reply_tokens": 200, "llm.persona": "You are a butler."})
    adjust.change({"llm.max_reply_tokens": None, "llm.persona": ""})
    assert settings.llm.max_reply_tokens == 80
    assert settings.llm.persona is None


def test_json_has_floats_where_we_have_whole_numbers(adjust, settings):
    adjust.change({"llm.max_reply_tokens": 200.0, "turn.patience": 1})
    assert settings.llm.max_reply_tokens == 200
    assert settings.turn.patience == 1.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"llm.max_reply_tokens": 1}, "llm.max_reply_tokens"),
        ({"llm.max_reply_tokens": 80.5}, "llm.max_reply_tokens"),
        ({"llm.max_reply_tokens": "many"}, "llm.max_reply_tokens"),
        ({"llm.persona": "x" * 2001}, "llm.persona"),
        ({"llm.persona": ["a"]}, "llm.persona"),
        ({"tts.voice": "nobody"}, "tts.voice"),
        ({"language": "xx"}, "language"),
        ({"language": "English"}, "language"),
        ({"wake.words": ["hey_nobody"]}, "hey_nobody"),
        ({"wake.words": []}, "wake.words"),
        ({"link.listen": "tcp://0.0.0.0:1"}, "cannot be changed here"),
        ({"nothing": 1}, "cannot be changed here"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    adjust, settings, told, values, words
):
    before = adjust.views()
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        adjust.change({"name": "Jeeves", **values})
    assert adjust.views() == before
    assert settings.name == "Parlour"
    assert told == []


async def test_only_what_is_saved_holds_after_a_restart(adjust, tmp_path):
    adjust.change({"llm.persona": "You are a butler.", "name": "Jeeves"})
    views = await adjust.save(["llm.persona"])
    assert view(views, "llm.persona").saved == "You are a butler."
    assert view(views, "name").saved is None
    again = Settings()
    restarted = Adjustments(again, folder=tmp_path)
    restarted.load()
    assert again.llm.persona == "You are a butler."
    assert again.name == "Parlour"
    assert view(restarted.views(), "llm.persona").file == DEFAULT_PERSONA
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_saving_what_the_file_says_forgets_what_was_saved(adjust, tmp_path):
    adjust.change({"name": "Jeeves"})
    await adjust.save(["name"])
    adjust.change({"name": None})
    views = await adjust.save(["name"])
    assert view(views, "name").saved is None
    assert json.loads((tmp_path / "adjusted.json").read_text()) == {}


async def test_saving_what_cannot_be_changed_is_refused(adjust, tmp_path):
    with pytest.raises(ConfigError, match=r"link\.listen"):
        await adjust.save(["link.listen"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": {}}', "\x00\xff"])
def test_a_broken_file_is_named_and_the_hub_starts(adjust, settings, tmp_path, caplog, content):
    (tmp_path / "adjusted.json").write_text(content, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        adjust.load()
    assert "adjusted.json" in caplog.text
    assert settings == Settings(llm=LlmSettings(max_reply_tokens=80))


def test_of_saved_values_those_that_are_wrong_are_left_out(settings, tmp_path, caplog):
    saved = {"tts.voice": "gone", "name": "Jeeves", "unknown.key": 1}
    (tmp_path / "adjusted.json").write_text(json.dumps(saved))
    adjust = Adjustments(settings, folder=tmp_path)
    adjust.load()
    assert settings.name == "Jeeves"
    assert settings.tts.voice is None
    assert "tts.voice" in caplog.text
    assert "unknown.key" in caplog.text


async def test_a_disk_that_fails_loses_nothing(adjust, settings, tmp_path):
    adjust.change({"name": "Jeeves"})
    await adjust.save(["name"])
    before = (tmp_path / "adjusted.json").read_bytes()
    (tmp_path / "adjusted.json").unlink()
    (tmp_path / "adjusted.json").mkdir()
    adjust.change({"name": "Wooster"})
    with pytest.raises(OSError, match=r"adjusted\.json"):
        await adjust.save(["name"])
    assert settings.name == "Wooster"
    assert view(adjust.views(), "name").saved == "Jeeves"
    assert before
