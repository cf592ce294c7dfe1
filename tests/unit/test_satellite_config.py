"""satellite.toml."""

import re
from pathlib import Path

import pytest

from protocol.settings import ConfigError
from satellite.config import Settings, load_settings

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "satellite.sample.toml"


def write(tmp_path, text):
    path = tmp_path / "satellite.toml"
    path.write_text(text)
    return path


def test_without_a_file_there_are_defaults():
    assert load_settings(None) == Settings()


def test_the_sample_shows_every_key_with_its_default(tmp_path):
    assert load_settings(SAMPLE) == Settings()
    every = re.sub(r"^# (?=\w+ = )", "", SAMPLE.read_text(), flags=re.MULTILINE)
    settings = load_settings(write(tmp_path, every))
    assert (settings.listen, settings.area, settings.wake.threshold) == (
        "tcp://127.0.0.1:10700",
        "Ground floor",
        0.9,
    )

    def keys(struct):
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            yield name
            if hasattr(value, "__struct_fields__"):
                yield from keys(value)

    for key in keys(settings):
        assert re.search(rf"^(\[{key}\]|{key} =)", every, re.MULTILINE), key


def test_overrides_win_over_the_file(tmp_path):
    path = write(tmp_path, 'room = "Hall"\n[wake]\nwords = ["alexa"]\npre_roll = 0.3\n')
    settings = load_settings(path, {"room": "Attic", "wake.words": ["okay_nabu"]})
    assert settings.room == "Attic"
    assert settings.wake.words == ("okay_nabu",)
    assert settings.wake.pre_roll == 0.3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rom = 'x'", "rom: unknown key; did you mean 'room'?"),
        ("[wake]\nthreshhold = 0.5", "wake.threshhold: unknown key; did you mean 'threshold'?"),
        ("[wake]\nxyz = 1", "wake.xyz: unknown key; there are: words, engine, threshold"),
        ("[wake]\nthreshold = 'high'", "wake.threshold: Expected `float | null`, got `str`"),
        ("[wake]\nthreshold = 1.5", "wake.threshold: Expected `float` < 1.0"),
        ("[timeouts]\nlistening = 0", "timeouts.listening: Expected `float` > 0"),
        ("wake = 3", "wake: Expected `object`, got `int`"),
        ("hub = '192.168.1.5'", "hub: expected tls://HOST:PORT, tcp://HOST:PORT or unix:///PATH"),
        ("listen = '0.0.0.0:1'", "listen: expected tcp://HOST:PORT or unix:///PATH"),
        ("[wake]\nwords = []", "wake.words: Expected `array` of length >= 1"),
        ("[wake]\nwords = [3]", "wake.words[0]: Expected `str`, got `int`"),
    ],
)
def test_an_error_names_the_key_and_what_is_wrong(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text))
    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_toml_or_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"satellite\.toml: Invalid value"):
        load_settings(write(tmp_path, "room = "))
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")


def test_an_override_below_a_key_that_is_no_table_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="wake: expected a table"):
        load_settings(write(tmp_path, "wake = 3"), {"wake.words": ["alexa"]})
