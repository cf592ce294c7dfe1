"""What of a home Home Assistant lets be controlled by voice: entities, areas and floors, by name.

Made from what its websocket API lists. Nothing in here knows of a connection.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

# Domains of what is most often asked for by name, most often first; the rest come after.
_OFTEN = (
    "light",
    "cover",
    "climate",
    "media_player",
    "fan",
    "switch",
    "vacuum",
    "scene",
    "script",
    "lock",
    "valve",
    "water_heater",
    "humidifier",
    "lawn_mower",
    "input_boolean",
    "todo",
    "person",
)
_RANK = {domain: rank for rank, domain in enumerate(_OFTEN)}
_AREAS_FIRST = 8  # areas before the first entity; homes with more have many that are seldom said


class ListingError(ValueError):
    """Home Assistant listed something that cannot be read."""


class _Area(msgspec.Struct):
    area_id: str
    name: str
    aliases: list[str | None] = []
    floor_id: str | None = None


class _Floor(msgspec.Struct):
    floor_id: str
    name: str
    aliases: list[str | None] = []


class _Device(msgspec.Struct):
    id: str
    area_id: str | None = None


class _Entry(msgspec.Struct):
    entity_id: str
    aliases: list[str | None] = []
    area_id: str | None = None
    device_id: str | None = None


@dataclass(slots=True)
class State:
    """An entity's state now, and its attributes, as Home Assistant names them."""

    value: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Named:
    """An area or a floor.

    Args:
        id: Home Assistant's.
        name: as people see it.
        aliases: what else it is called.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and what else it is called."""
        return (self.name, *self.aliases)

    def is_called(self, name: str) -> bool:
        """Say whether that is one of its names."""
        return any(folded(one) == folded(name) for one in self.names)


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that may be controlled or asked for.

    Args:
        id: "light.kitchen".
        name: as people see it.
        aliases: what else it is called.
        area: the one that it is in, if any.
        device_class: as "temperature", "blind"; "" for none.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    area: Named | None = None
    device_class: str = ""

    @property
    def domain(self) -> str:
        """What kind of thing it is: "light"."""
        return self.id.partition(".")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and what else it is called."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Exposed:
    """All that is exposed.

    Args:
        entities: in the order in which they were listed.
        areas: all of the home's.
        floors: all of the home's.
        floor_of: an area's floor, by the ids of both.
        states: of `entities`, by id; kept current by whoever made this.
    """

    entities: tuple[Entity, ...] = ()
    areas: tuple[Named, ...] = ()
    floors: tuple[Named, ...] = ()
    floor_of: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)

    @property
    def domains(self) -> frozenset[str]:
        """The kinds of things that are exposed."""
        return frozenset(entity.domain for entity in self.entities)

    def area(self, name: str) -> Named | None:
        """Return the area of that name, or None; upper and lower case are the same."""
        return next((area for area in self.areas if area.is_called(name)), None)

    def names(self, room: str = "") -> list[str]:
        """Return all names that may be said, most likely ones first.

        Args:
            room: where somebody is; what is in the area of that name comes first.
        """
        here = self.area(room) if room else None

        def likely(entity: Entity) -> tuple[bool, int]:
            away = here is None or entity.area is None or entity.area.id != here.id
            return away, _RANK.get(entity.domain, len(_RANK))

        entities = sorted(self.entities, key=likely)
        areas = [area.name for area in self.areas]
        names = [
            *areas[:_AREAS_FIRST],
            *(entity.name for entity in entities),
            *areas[_AREAS_FIRST:],
            *(floor.name for floor in self.floors),
            *(alias for area in self.areas for alias in area.aliases),
            *(alias for entity in entities for alias in entity.aliases),
        ]
        return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Listing:
    """What Home Assistant's registries hold, as it sends them.

    Args:
        exposed: ids of the entities that are exposed to conversations.
        entries: theirs in the entity registry; entities of YAML may have none.
        devices: the device registry.
        areas: the area registry.
        floors: the floor registry.
    """

    exposed: frozenset[str]
    entries: Mapping[str, _Entry]
    devices: Mapping[str, _Device]
    areas: Sequence[_Area]
    floors: Sequence[_Floor]

    @classmethod
    def read(cls, exposed: Any, entries: Any, devices: Any, areas: Any, floors: Any) -> "Listing":
        """Read the results of the websocket commands of these lists.

        Raises:
            ListingError: one is not as Home Assistant sends it.
        """
        try:
            marked = msgspec.convert(exposed, dict[str, dict[str, bool]])
            found = msgspec.convert(entries, dict[str, _Entry | None])
            return cls(
                frozenset(name for name, to in marked.items() if to.get("conversation")),
                {name: entry for name, entry in found.items() if entry is not None},
                {device.id: device for device in msgspec.convert(devices, list[_Device])},
                msgspec.convert(areas, list[_Area]),
                msgspec.convert(floors, list[_Floor]),
            )
        except msgspec.ValidationError as error:
            raise ListingError(str(error)) from error

    def exposed_now(self, states: Mapping[str, State]) -> Exposed:
        """Return what is exposed and there.

        Args:
            states: of the exposed entities, by id; one without a state is not there.
        """
        areas = {area.area_id: _named(area.area_id, area) for area in self.areas}
        entities = []
        for entity_id, state in states.items():
            if entity_id not in self.exposed:
                continue
            entry = self.entries.get(entity_id)
            entities.append(
                Entity(
                    entity_id,
                    str(state.attributes.get("friendly_name") or _from_id(entity_id)).strip(),
                    _clean(entry.aliases) if entry else (),
                    areas.get(self._area_of(entry)),
                    str(state.attributes.get("device_class") or ""),
                )
            )
        return Exposed(
            tuple(entities),
            tuple(areas.values()),
            tuple(_named(floor.floor_id, floor) for floor in self.floors),
            {area.area_id: area.floor_id for area in self.areas if area.floor_id},
            states,
        )

    def _area_of(self, entry: _Entry | None) -> str:
        if entry is None:
            return ""
        device = self.devices.get(entry.device_id or "")
        return entry.area_id or (device.area_id if device else None) or ""


def folded(text: str) -> str:
    """Return `text` as names are compared: without case, outer and double spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _named(id_: str, listed: _Area | _Floor) -> Named:
    return Named(id_, listed.name.strip(), _clean(listed.aliases))


def _clean(aliases: Iterable[str | None]) -> tuple[str, ...]:
    """Leave out empty ones, and newer versions' null for "its own name, too"."""
    return tuple(sorted({alias.strip() for alias in aliases if alias and alias.strip()}))


def _from_id(entity_id: str) -> str:
    return entity_id.partition(".")[2].replace("_", " ")
