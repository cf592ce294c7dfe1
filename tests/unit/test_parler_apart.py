"""Parler's libraries stay out of the hub's environment; what the hub knows of it needs none."""

import importlib.metadata
import subprocess
import sys

import pytest

from hub.engines.base import BadInput
from hub.engines.parler.descriptions import MOST_LETTERS, describe, most_steps, pieces, seed_of
from hub.engines.parler.voices import VOICES


@pytest.mark.parametrize("package", ["torch", "transformers", "parler-tts", "torchaudio"])
def test_the_hubs_environment_does_not_hold(package):
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version(package)


def test_the_hub_knows_the_voices_without_a_model_library():
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'parler_tts', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "import hub.engines.choices, hub.engines.parler.voices, hub.engines.parler.engine\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_name_makes_a_description_of_that_speaker():
    for voice in VOICES:
        assert describe(voice, "").startswith(f"{voice}'s voice")
    assert describe(None, "").startswith(VOICES[0])


def test_words_are_taken_as_they_are_where_they_name_a_speaker_or_none_is_asked_for():
    assert describe("Jon", "Laura whispers.") == "Laura whispers."
    assert describe(None, " A man\nwhispers. ") == "A man whispers."
    assert describe("Jon", "Slow and sad.") == "Jon's voice: Slow and sad."
    assert describe("Jon", "Jonathan sings.") == "Jon's voice: Jonathan sings."


def test_a_voice_that_does_not_exist_is_refused():
    with pytest.raises(BadInput, match="Hal"):
        describe("Hal", "")


def test_a_seed_belongs_to_its_description():
    assert seed_of("a") == seed_of("a") != seed_of("b")
    assert 0 <= seed_of("a") < 2**32


def test_the_cap_grows_with_the_text_up_to_the_models_own():
    assert most_steps("Yes.", 2579) < most_steps("Yes. " * 10, 2579) < 2579
    assert most_steps("a" * 5000, 2579) == 2579
    assert most_steps("", 2579) > 100


@pytest.mark.parametrize(
    "text",
    [
        "One. Two! Three?",
        "A sentence of some length, with commas; and more. " * 30,
        "no pause at all " * 60,
        "x" * 2000,
        "Ende. „Gut.“ " * 50,
        "日本" * 400,
    ],
)
def test_pieces_are_short_enough_and_lose_no_letter(text):
    found = pieces(text)
    assert all(len(piece) <= MOST_LETTERS for piece in found)

    def letters(value: str) -> str:
        return "".join(filter(str.isalnum, value))

    assert letters("".join(found)) == letters(text)


def test_text_that_fits_stays_in_one_piece():
    assert pieces(" One. Two! ") == ["One. Two!"]
    assert pieces("...") == pieces("") == []
