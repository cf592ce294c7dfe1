"""A scripted home, for turns on a virtual clock; see scripted.py."""

import asyncio
from dataclasses import dataclass
from functools import partial

from scripted import now

from hub.conversation.nonsense import normalised
from hub.home.base import Command, Place


@dataclass
class ScriptedTools:
    """Offers the language model one thing to do, which it chooses by saying "1"."""

    home: "ScriptedHome"
    said: str
    answer: str
    prompt: str = "1. do it"
    most_tokens: int = 4

    def chosen(self, reply: str) -> Command | None:
        do = partial(self.home._act, self.said, self.answer)
        return Command("Tool", acts=True, do=do) if reply.strip() == "1" else None


class ScriptedHome:
    """Understands what it is told to; notes what was done, and when."""

    known: tuple[str, ...] = ()

    def __init__(self, seconds: float = 0.05) -> None:
        self.acts: dict[str, str | Exception | None] = {}  # by what is said
        self.tells: dict[str, str] = {}  # without any effect
        self.asked: dict[str, str | Exception | None] = {}  # known to nobody before it is asked
        self.asks = False
        self.tools: dict[str, ScriptedTools] = {}
        self.done: list[tuple[float, str]] = []
        self.seconds = seconds

    def understand(self, text: str, place: Place) -> Command | None:
        said = normalised(text)
        if said in self.tells:
            return Command("Tell", acts=False, do=lambda: self._answer(self.tells[said]))
        if said in self.acts:
            return Command("Act", acts=True, do=lambda: self._act(said, self.acts[said]))
        return None

    def names(self, room: str) -> tuple[str, ...]:
        return self.known

    def tools_for(self, text: str, place: Place) -> "ScriptedTools | None":
        return self.tools.get(normalised(text))

    async def ask(self, text: str, place: Place) -> str | None:
        return await self._act(normalised(text), self.asked.get(normalised(text)))

    async def _act(self, said: str, answer: str | Exception | None) -> str | None:
        if answer is not None:
            self.done.append((now(), said))
        return await self._answer(answer)

    async def _answer(self, answer: str | Exception | None) -> str | None:
        await asyncio.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer
