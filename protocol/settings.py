"""TOML files as typed settings, with errors that name the key and suggest a spelling.

Shared by both sides so that hub.toml and satellite.toml behave the same.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

# What a pattern asks for, in words; one that is not here is shown as it is.
_IN_WORDS = {
    "^(tcp|tls|unix)://.": "tls://HOST:PORT, tcp://HOST:PORT or unix:///PATH",
    "^(tcp|unix)://.": "tcp://HOST:PORT or unix:///PATH",
    "^$|^(tcp|unix)://.": 'tcp://HOST:PORT, unix:///PATH, or "" for none',
    "^$|^https?://[^/]": 'http://HOST:PORT or https://HOST, or "" for none',
    "^[a-z]{2}$": "two small letters, for example en",
}


class ConfigError(ValueError):
    """A setting that cannot be used; the message begins with its key path."""


def load_toml(path: Path | None, overrides: Mapping[str, Any], kind: type[T]) -> T:
    """Read a TOML file as `kind`, a msgspec Struct of plain values and nested Structs.

    Args:
        path: the file; None takes the defaults.
        overrides: values that win over the file, by dotted key, for example "wake.words".
        kind: the Struct of the whole file.

    Raises:
        ConfigError: the file is unreadable or not TOML, or a key is unknown, missing or of a
            wrong type or value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    for key, value in overrides.items():
        *tables, last = key.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{name}: expected a table")
        table[last] = value
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), kind)) from error


def problem_of(error: msgspec.ValidationError) -> str:
    """Return what is wrong with one value, its key first."""
    text, path = _parts(str(error))
    return f"{path}: {text}"


def _parts(message: str) -> tuple[str, str]:
    """Return what msgspec says, and the dotted key that it says it of."""
    text, _, place = message.partition(" - at `$")
    return text, place.rstrip("`").removeprefix(".")


def _explain(message: str, kind: type[Any]) -> str:
    """Put the key path first, and say what is expected: a spelling, a choice, a form."""
    text, path = _parts(message)
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown is None:
        if (pattern := re.search("matching regex '(.*)'", text)) and pattern[1] in _IN_WORDS:
            text = f"expected {_IN_WORDS[pattern[1]]}"
        elif text.startswith("Invalid enum value"):
            text += f"; there are: {', '.join(_choices(_type_at(path, kind)))}"
        return f"{path or 'settings'}: {text}"
    table = _type_at(path, kind)
    known = [field.name for field in msgspec.structs.fields(table)]
    near = difflib.get_close_matches(unknown[1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return f"{path + '.' if path else ''}{unknown[1]}: unknown key; {hint}"


def _type_at(path: str, kind: Any) -> Any:
    """Return the type of the field at a dotted path; of a list of tables, the table's."""
    for name in filter(None, re.sub(r"\[.*?\]", "", path).split(".")):
        kind = next(f.type for f in msgspec.structs.fields(kind) if f.name == name)
        kind = next(_structs(kind), kind)
    return kind


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield every Struct in a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in get_args(kind):
        yield from _structs(part)


def _choices(kind: Any) -> list[str]:
    """Return the values of every Literal and Enum in a type."""
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [choice for part in get_args(kind) for choice in _choices(part)]
