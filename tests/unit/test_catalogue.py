from pathlib import Path

import pytest

from hub.models.catalogue import (
    CatalogueError,
    HubSource,
    PackageSource,
    UnknownModel,
    find_model,
    load_catalogue,
)

DIGEST = "a" * 64
ONE_MODEL = f"""
[[models]]
name = "m"
role = "stt"
licence = "MIT"
languages = ["en"]
provenance = "a test"
files = [{{ name = "a.bin", bytes = 4, sha256 = "{DIGEST}" }}]
sources = [
  {{ kind = "packages", packages = [
    {{ name = "p-1", version = "1", members = {{ "p/1" = "a.bin" }} }},
    {{ name = "p-2", version = "1", members = {{ "p/2" = "a.bin", "p/3" = "a.bin" }} }},
  ] }},
  {{ kind = "hub", repository = "o/r", revision = "abc" }},
]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "catalogue.toml"
    path.write_text(text)
    return path


def test_built_in_catalogue_has_the_default_models() -> None:
    catalogue = load_catalogue()
    assert {
        "whisper-tiny.en",
        "whisper-base",
        "qwen2.5-coder-0.5b-instruct-q4_k_m",
        "qwen2.5-coder-1.5b-instruct-q4_k_m",
        "smart-turn-v3.2",
    } <= set(catalogue)
    assert catalogue["qwen2.5-coder-1.5b-instruct-q4_k_m"].bytes == 1_117_320_768


def test_catalogue_says_where_there_is_no_upstream_digest_to_compare() -> None:
    assert "no upstream digest" in load_catalogue()["whisper-base"].provenance


def test_parts_keep_the_order_in_which_they_are_joined() -> None:
    gguf = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    source = find_model(gguf).sources[0]
    assert isinstance(source, PackageSource)
    numbers = [int(part[-6:-4]) for part in source.parts(f"{gguf}.gguf")]
    assert numbers == list(range(1, 23))


def test_both_kinds_of_sources_are_read_in_order(tmp_path: Path) -> None:
    packages, hub = load_catalogue(written(tmp_path, ONE_MODEL))["m"].sources
    assert isinstance(packages, PackageSource)
    assert packages.parts("a.bin") == ["p-1==1:p/1", "p-2==1:p/2", "p-2==1:p/3"]
    assert hub == HubSource("o/r", "abc")


def test_unknown_model_names_the_known_ones_and_the_closest() -> None:
    with pytest.raises(UnknownModel) as caught:
        find_model("whisper-tiny")
    message = str(caught.value)
    assert "Did you mean 'whisper-tiny.en'?" in message
    assert all(name in message for name in load_catalogue())


@pytest.mark.parametrize("base", [KeyError, ValueError])
def test_unknown_model_is_caught_as_a_key_or_a_value_error(base: type[Exception]) -> None:
    with pytest.raises(base):
        find_model("nothing-like-it")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"a.bin", bytes', '"../a.bin", bytes', "not a plain file name"),
        ('"a.bin", bytes', '".parts", bytes', "not a plain file name"),
        ('name = "m"', 'name = "../m"', "not a plain model name"),
        (DIGEST, DIGEST.upper(), "not a sha256"),
        (DIGEST, "abc", "not a sha256"),
        ("bytes = 4", "bytes = 0", "bytes must be positive"),
        ('"p/1" = "a.bin"', '"p/1" = "b.bin"', "disagree on b.bin"),
        ('role = "stt"', 'role = "cook"', "models[0].role"),
        ('kind = "hub"', 'kind = "ftp"', "ftp"),
        ("licence =", "license =", "license"),
        ("[[models]]", "[[models", "Expected"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in ONE_MODEL
    with pytest.raises(CatalogueError, match=r"catalogue\.toml") as caught:
        load_catalogue(written(tmp_path, ONE_MODEL.replace(old, new)))
    assert complaint in str(caught.value)


def test_a_model_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="twice"):
        load_catalogue(written(tmp_path, ONE_MODEL + ONE_MODEL))


def test_a_catalogue_that_is_not_there_is_a_catalogue_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="nowhere"):
        load_catalogue(tmp_path / "nowhere.toml")
