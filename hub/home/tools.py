"""Lets the language model switch things of the home, where no intent engine understood.

It is shown the few things that could be done about a sentence, numbered, and answers with one
number; 0 for none of them. Small models keep to that better than to lines of words or JSON, which
were tried. What is not offered cannot be chosen; see docs/home-assistant.md for how well it does.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hub.home.base import Command
from hub.home.english import listed
from hub.home.exposed import Entity, Exposed, State, folded
from hub.home.tool_choice import ACTIONS, Choice, choose

CHECK = "check"
MOST_OFFERS = 12  # that the language model chooses from: about 250 tokens of prompt
_MOST_REPLY_TOKENS = 4  # that it needs to say which
_SETTLE = 1.0  # seconds in which a thing tells of its new state
_CLIMATE = (7.0, 28.0)  # degrees that it is never set beyond
_UNITS = {"light": "percent", "climate": "degrees"}
_SERVICES = {
    ("cover", "open"): "open_cover",
    ("cover", "close"): "close_cover",
    ("light", "set"): "turn_on",
    ("climate", "set"): "set_temperature",
}
_INTENTS = {
    CHECK: "HassGetState",
    "turn on": "HassTurnOn",
    "open": "HassTurnOn",
    "turn off": "HassTurnOff",
    "close": "HassTurnOff",
}
_FIELDS = {"light": "brightness_pct", "climate": "temperature"}
_ANSWER = re.compile(r"\s*(\d{1,2})(?!\d)")
_DEGREES = 2.0  # by which it is made warmer or cooler
_UP = frozenset(("up", "raise", "increase", "more", "warmer", "hotter"))
_DOWN = frozenset(("down", "lower", "reduce", "less", "cooler", "colder"))
_DIMMED = 30.0  # percent
_MOST_STATES = 6  # things that are said one by one
_OFF = frozenset(("off", "closed", "idle", "standby", "unavailable", "unknown"))

Service = Callable[[str, str, dict[str, Any]], Awaitable[Any]]
"""Calls a service: domain, service, data. It raises `hub.home.base.HomeError`."""


@dataclass(frozen=True, slots=True)
class Call:
    """Something to be done that was checked against what was offered.

    Args:
        thing: what it is done to; None to tell how the things are.
        action: "turn on", "turn off", "open", "close", "set" or "check".
        value: percent or degrees, for "set".
    """

    thing: Entity | None
    action: str
    value: float | None = None

    @property
    def intent(self) -> str:
        """What Home Assistant calls it."""
        if self.action == "set":
            light = self.thing is not None and self.thing.domain == "light"
            return "HassLightSet" if light else "HassClimateSetTemperature"
        return _INTENTS[self.action]


class Toolbox:
    """What the language model may do about one sentence.

    Args:
        text: the sentence.
        choice: what it may be about.
        states: of these things, kept current by somebody else.
        service: calls Home Assistant.
    """

    def __init__(
        self, text: str, choice: Choice, states: Mapping[str, State], service: Service
    ) -> None:
        self._said = " ".join(text.replace('"', " ").split())
        self._text = folded(text)
        self._words = frozenset(re.findall(r"\w+", self._text))
        self._choice = choice
        self._states = states
        self._service = service
        self._offers = self._offered()

    @property
    def offers(self) -> list[str]:
        """What could be done, in words."""
        return [words for words, _ in self._offers]

    @property
    def prompt(self) -> str:
        """What the model is told instead of the person's words, as the last message."""
        offers = "\n".join(
            f"{number}. {words}" for number, (words, _) in enumerate(self._offers, 1)
        )
        return (
            f'Somebody at home says: "{self._said}"\n'
            f"Which of these do they want?\n{offers}\n0. none of these\n"
            "Answer with the number alone."
        )

    @property
    def most_tokens(self) -> int:
        """How many the model needs to choose."""
        return _MOST_REPLY_TOKENS

    def chosen(self, reply: str) -> Command | None:
        """Return what was chosen, to be done once; None for nothing."""
        call = self.parse(reply)
        if call is None:
            return None
        return Command(call.intent, acts=call.thing is not None, do=partial(self.call, call))

    def parse(self, reply: str) -> Call | None:
        """Return what a whole reply chose; None for nothing, and then the model is asked anew.

        Without any of this, since the person wanted to talk.
        """
        number = _ANSWER.match(reply)
        if number is None or not 1 <= int(number[1]) <= len(self._offers):
            return None
        return self._offers[int(number[1]) - 1][1]

    async def call(self, call: Call) -> str:
        """Do it, once; return what is said of it.

        Raises:
            HomeError: it was not done, or nobody knows.
        """
        if call.thing is None:
            return self._how_they_are()
        thing, action = call.thing, call.action
        service = _SERVICES.get((thing.domain, action), action.replace(" ", "_"))
        data: dict[str, Any] = {"entity_id": thing.id}
        if call.value is not None:
            data[_FIELDS[thing.domain]] = call.value
        await self._service(thing.domain, service, data)
        return await self._said_back(call)

    def _offered(self) -> list[tuple[str, Call]]:
        """Return what could be done, in words, at most `MOST_OFFERS`."""
        if self._choice.question:
            return [("tell which of the devices are on, off or open", Call(None, CHECK))]
        offers = []
        for thing in self._choice.things:
            for step in self._may(thing):
                if step != "set":
                    offers.append((f"{step} {thing.name}", Call(thing, step)))
                    continue
                offers += [
                    (
                        f"{'dim' if thing.domain == 'light' else 'set'} {thing.name} to "
                        f"{value:g} {_UNITS[thing.domain]}",
                        Call(thing, step, value),
                    )
                    for value in self._values(thing)
                ]
        return offers[:MOST_OFFERS]

    def _values(self, thing: Entity) -> list[float]:
        """Return what a thing might be set to."""
        now = self._value(thing)
        allowed = self._choice.allowed.get(thing.domain, ("more", "less"))
        if now is None:
            return []
        if thing.domain == "light":
            return [_DIMMED] if "less" in allowed and now > _DIMMED else []
        low, high = _CLIMATE
        if self._words & _DOWN:
            allowed = ("less",)
        elif self._words & _UP:
            allowed = ("more",)
        steps = {"more": now + _DEGREES, "less": now - _DEGREES}
        return [value for step, value in steps.items() if step in allowed and low <= value <= high]

    def _may(self, thing: Entity) -> tuple[str, ...]:
        """Return what may be done to a thing, for this sentence."""
        steps = ACTIONS[thing.domain]
        allowed = self._choice.allowed.get(thing.domain)
        if allowed is None and self._choice.allowed:
            allowed = ()  # they complained, and this is no remedy
        if allowed is not None:
            either = "more" in allowed or "less" in allowed
            steps = tuple(s for s in steps if s in allowed or (s == "set" and either))
        if self._words & (_UP | _DOWN) and "set" in steps and self._values(thing):
            return ("set",)
        for said, other in (
            ("on", "turn off"),
            ("off", "turn on"),
            ("open", "close"),
            ("close", "open"),
        ):
            if said in self._words and not self._choice.allowed:
                steps = tuple(s for s in steps if s != other)
        return tuple(step for step in steps if not self._is_so(thing, step))

    def _is_so(self, thing: Entity, step: str) -> bool:
        """Say whether nothing would come of a step, so that it only invites mistakes."""
        state = self._states.get(thing.id)
        if state is None or thing.domain == "scene":
            return False
        if step == "turn on":
            return state.value not in _OFF
        return state.value == {"turn off": "off", "open": "open", "close": "closed"}.get(step)

    def _value(self, thing: Entity) -> float | None:
        """Return what "set" sets, as it is now; None where it cannot be set, or is off."""
        state = self._states.get(thing.id)
        if state is None or state.value in _OFF:
            return None
        name = "brightness" if thing.domain == "light" else "temperature"
        now = state.attributes.get(name)
        if not isinstance(now, int | float):
            return None
        return now / 2.55 if thing.domain == "light" else float(now)

    async def _said_back(self, call: Call) -> str:
        """Say what was done, from the thing's state where it comes in time."""
        assert call.thing is not None
        name = _spoken(call.thing)
        if call.value is not None:
            number = f"{call.value:g} {_UNITS[call.thing.domain]}"
            return f"{name} is set to {number}."
        if call.thing.domain == "scene":
            return f"{name} is on."
        wanted = {"turn on": "on", "turn off": "off", "open": "open", "close": "closed"}[
            call.action
        ]
        moving = {"open": "opening", "closed": "closing"}.get(wanted, wanted)
        loop = asyncio.get_running_loop()
        until = loop.time() + _SETTLE
        while loop.time() < until:
            state = self._states.get(call.thing.id)
            value = state.value if state is not None else ""
            on = wanted == "on" and value not in _OFF | {""}  # a heater is on as "heat"
            if value in (wanted, moving) or on:
                return f"{name} is {value if value == moving else wanted}."
            await asyncio.sleep(0.05)
        return f"{name} doesn't say that it is {wanted}, though I asked it to be."

    def _how_they_are(self) -> str:
        """Say which of the things are as was asked."""
        words = self._words
        asked = "open" if "open" in words else "off" if "off" in words else "on"
        if "closed" in words or "shut" in words:
            asked = "closed"
        found = [thing for thing in self._choice.things if self._is(thing, asked)]
        if not found:
            if len(self._choice.things) > 1 or re.search(r"\bany", self._text):
                return f"No, nothing is {asked}."
            name = _spoken(self._choice.things[0])
            return f"No, {name[:1].lower()}{name[1:]} isn't {asked}."
        names = [_spoken(thing) for thing in found[:_MOST_STATES]]
        names[1:] = [f"{name[:1].lower()}{name[1:]}" for name in names[1:]]
        if len(found) > _MOST_STATES:
            names.append(f"{len(found) - _MOST_STATES} more")
        return f"{listed(names)} {'is' if len(found) == 1 else 'are'} {asked}."

    def _is(self, thing: Entity, asked: str) -> bool:
        state = self._states.get(thing.id)
        if state is None:
            return False
        if asked in ("open", "closed"):
            return state.value == asked
        if thing.domain == "cover":
            return False
        return state.value == "off" if asked == "off" else state.value not in _OFF


def toolbox_for(text: str, exposed: Exposed, room: str, service: Service) -> Toolbox | None:
    """Return what may be done about a sentence; None where that is nothing. English."""
    choice = choose(text, exposed, room)
    if choice is None:
        return None
    toolbox = Toolbox(text, choice, exposed.states, service)
    return toolbox if toolbox.offers else None


def _spoken(thing: Entity) -> str:
    name = thing.name[:1].lower() + thing.name[1:] if thing.name[1:2].islower() else thing.name
    return name[:1].upper() + name[1:] if name.casefold().startswith("the ") else f"The {name}"
