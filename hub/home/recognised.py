"""What a sentence was recognised as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a sentence means.

    Args:
        intent: its name, as Home Assistant has it.
        slots: what it says of it.
        needs: "timer", "alarm" or "reminder", where it means that only if there is one.
        also: what else is to be done: "and another timer for 10 minutes".
    """

    intent: str
    slots: Mapping[str, Any]
    needs: str = ""
    also: "tuple[Recognised, ...]" = ()

    @property
    def seconds(self) -> int | None:
        """The duration that is said, if any."""
        return _total(self.slots, "")

    @property
    def start_seconds(self) -> int | None:
        """The duration that the timer was set for, which is meant, if that is said."""
        return _total(self.slots, "start_")

    @property
    def name(self) -> str:
        """The timer's name, "" if none is said."""
        return str(self.slots.get("name", ""))

    @property
    def what(self) -> str:
        """What is meant: "timer", "alarm" or "reminder"."""
        return str(self.slots.get("what", "timer"))


def _total(slots: Mapping[str, Any], prefix: str) -> int | None:
    units = (("hours", 3600), ("minutes", 60), ("seconds", 1))
    values = [slots[prefix + n] * size for n, size in units if prefix + n in slots]
    return round(sum(values)) if values else None
