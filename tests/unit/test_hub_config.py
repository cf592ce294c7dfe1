"""hub.toml."""

import re
from pathlib import Path

import msgspec
import pytest

from hub.config import Settings, StoreSettings, load_settings, store_path
from protocol.settings import ConfigError

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "hub.sample.toml"


def write(tmp_path, text):
    path = tmp_path / "hub.toml"
    path.write_text(text)
    return path


def keys_of(struct, table=""):
    """Every (table, key) of a Struct of Structs."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            yield from keys_of(value, name)
        else:
            yield table, name


def test_without_a_file_there_are_defaults():
    assert load_settings(None) == Settings()


def test_the_sample_parses_to_the_defaults():
    assert load_settings(SAMPLE) == Settings()


def test_the_sample_shows_every_key_in_its_table(tmp_path):
    every = re.sub(r"^# (?=\w+ = )", "", SAMPLE.read_text(), flags=re.MULTILINE)
    load_settings(write(tmp_path, every))  # what is commented out is right, too
    table, shown = "", set()
    for line in every.splitlines():
        if match := re.match(r"\[(\w+)\]", line):
            table = match[1]
        elif match := re.match(r"(\w+) = ", line):
            shown.add((table, match[1]))
    assert shown == set(keys_of(Settings()))


def test_what_the_sample_leaves_commented_has_no_default():
    commented = set(re.findall(r"^# (\w+) = ", SAMPLE.read_text(), re.MULTILINE))
    assert commented == {
        *("words", "threshold", "model", "persona", "path", "token_file", "voice", "key_file"),
        *("fallback", "fallback_model", "environment"),
    }


def test_overrides_win_over_the_file(tmp_path):
    path = write(tmp_path, 'language = "de"\n[link]\nlisten = "tcp://0.0.0.0:1"\n')
    settings = load_settings(path, {"link.listen": "unix:///run/hub"})
    assert (settings.language, settings.link.listen) == ("de", "unix:///run/hub")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("langage = 'de'", "langage: unknown key; did you mean 'language'?"),
        ("[llm]\nmax_room = 3", "llm.max_room: unknown key; did you mean 'max_rooms'?"),
        ("[log]\nxyz = 1", "log.xyz: unknown key; there are: level, transcripts"),
        ("[turn]\nsilence = 'long'", "turn.silence: Expected `float`, got `str`"),
        ("[turn]\nsilence = 0", "turn.silence: Expected `float` > 0"),
        ("[turn]\nspeech_threshold = 1.5", "turn.speech_threshold: Expected `float` < 1"),
        ("[llm]\ncontext_tokens = 10", "llm.context_tokens: Expected `int` >= 1024"),
        ("[stt]\ndevice = 'gpu'", "stt.device: Invalid enum value 'gpu'; there are: auto, cpu"),
        ("language = 'english'", "language: expected two small letters, for example en"),
        (
            "[link]\nlisten = '0.0.0.0:1'",
            "link.listen: expected tls://HOST:PORT, tcp://HOST:PORT or unix:///PATH",
        ),
        ("[link]\ndial = ['den:1']", "link.dial[0]: expected tcp://HOST:PORT or unix:///PATH"),
        ("llm = 3", "llm: Expected `object`, got `int`"),
        ("[log]\nlevel = 'loud'", "log.level: Invalid enum value 'loud'; there are: debug, "),
    ],
)
def test_an_error_names_the_key_and_what_is_wrong(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text))
    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_toml_not_text_or_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"hub\.toml: Invalid value"):
        load_settings(write(tmp_path, "name = "))
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=tmp_path.name):
        load_settings(tmp_path)
    (tmp_path / "hub.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"hub\.toml: .*utf-8"):
        load_settings(tmp_path / "hub.toml")


def test_the_record_is_kept_where_the_desktop_wants_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert store_path(StoreSettings()) == tmp_path / "parlour" / "hub.db"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_path(StoreSettings()) == tmp_path / ".local" / "state" / "parlour" / "hub.db"
    assert store_path(StoreSettings(path="~/mine.db")) == tmp_path / "mine.db"
