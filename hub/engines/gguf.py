"""What a GGUF file says of its model, read without loading it: how much memory it will take.

The format: "GGUF specification", docs/gguf.md of ggml-org/ggml, versions 2 and 3.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"GGUF"
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_NUMBERS |= {10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST = 1 << 20  # entries and letters; no header has more, a file that says so is broken
_KEPT = 4096  # numbers of an array; longer ones are no shapes but vocabularies
_CACHE_BYTES = 2  # llama.cpp keeps keys and values in 16 bits

Value = int | float | str | list[int | float] | None


class NoGguf(ValueError):
    """The file is no GGUF, or a broken one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much memory a model takes.

    Args:
        layers: how many it has.
        file_bytes: of the file, which is what its weights take.
        token_bytes: of the cache for one token.
    """

    layers: int
    file_bytes: int
    token_bytes: int


def read_shape(path: Path) -> Shape:
    """Read a model's shape from the header of its file. Blocks.

    Raises:
        NoGguf: it is none, or does not tell.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            said = _header(file)
        except (struct.error, UnicodeDecodeError) as exc:
            raise NoGguf(f"{path} is no GGUF model, or broken") from exc
    kind = said.get("general.architecture")
    layers = said.get(f"{kind}.block_count")
    heads = said.get(f"{kind}.attention.head_count")
    if not (isinstance(layers, int) and layers > 0):
        raise NoGguf(f"{path} does not say how many layers it has")
    cached = said.get(f"{kind}.attention.head_count_kv", heads)
    each = _numbers(cached, layers)
    width = said.get(f"{kind}.embedding_length")
    head = 0
    if isinstance(width, int) and (most := max(_numbers(heads, layers), default=0)):
        head = width // most
    keys = _number(said, f"{kind}.attention.key_length", head)
    values = _number(said, f"{kind}.attention.value_length", head)
    return Shape(layers, path.stat().st_size, sum(each) * (keys + values) * _CACHE_BYTES)


def _header(file: BinaryIO) -> dict[str, Value]:
    if file.read(4) != _MAGIC:
        raise struct.error("no magic")
    version, _, count = _unpack(file, "<IQQ")
    if not 2 <= version <= 3 or count > _MOST:
        raise struct.error("no version that is known")
    found: dict[str, Value] = {}
    for _ in range(count):
        key = _string(file)
        found[key] = _value(file, _unpack(file, "<I")[0])
    return found


def _value(file: BinaryIO, kind: int) -> Value:
    if kind in _NUMBERS:
        number: int | float = _unpack(file, _NUMBERS[kind])[0]
        return number
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        raise struct.error("no kind of value that is known")
    inner, count = _unpack(file, "<IQ")
    if count > 16 * _MOST:
        raise struct.error("an array without end")
    if inner in _NUMBERS:
        size = struct.calcsize(_NUMBERS[inner])
        if count <= _KEPT:
            return [_unpack(file, _NUMBERS[inner])[0] for _ in range(count)]
        file.seek(size * count, 1)
        return None
    if inner != _STRING:
        raise struct.error("arrays of arrays, which no model has")
    for _ in range(count):  # their lengths stand before each; they are passed over
        file.seek(min(_unpack(file, "<Q")[0], _MOST), 1)
    return None


def _string(file: BinaryIO) -> str:
    length = _unpack(file, "<Q")[0]
    if length > _MOST:
        raise struct.error("a text without end")
    data = file.read(length)
    if len(data) < length:
        raise struct.error("the file ends")
    return data.decode(errors="replace")


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    size = struct.calcsize(form)
    return struct.unpack(form, file.read(size))


def _numbers(value: Value, layers: int) -> list[int]:
    """Return one number a layer: some models have one for all, others a list."""
    if isinstance(value, list):
        return [int(number) for number in value[:layers]]
    return [value] * layers if isinstance(value, int) else []


def _number(said: Mapping[str, Value], key: str, default: int) -> int:
    value = said.get(key)
    return value if isinstance(value, int) else default
