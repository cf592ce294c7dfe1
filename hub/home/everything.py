"""All that can be done in the home, seen as one: the built-in commands, then Home Assistant."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from hub.conversation.patience import where
from hub.home.base import Command, Home, Place, Tools
from hub.home.commands import BuiltIn
from hub.home.controls import Controls, TellStatus, nobody_cares
from hub.home.kept import Keeper, Kept
from hub.home.sentences import Sentences
from hub.home.timers import Say, Send, Timers
from hub.home.volume import SendExtension, Volumes

_LOGGER = logging.getLogger(__name__)


class Everything:
    """The hub's one `Home`.

    Args:
        path: the database, for timers and what is set at satellites.
        languages: those that are spoken to the hub, most likely first.
        send: tells a room's satellite.
        send_extension: tells one of Parlour's own.
        say: says in a room that a timer is done.
        home_assistant: what Home Assistant does; None where it is not configured.
        told: told how satellites are set.
    """

    def __init__(
        self,
        path: Path,
        languages: Sequence[str],
        send: Send,
        send_extension: SendExtension,
        say: Say,
        home_assistant: Home | None = None,
        told: TellStatus = nobody_cares,
    ) -> None:
        self._languages = languages
        self._keeper = Keeper(path)
        self.timers = Timers(send, say, self._changed)
        self.volumes = Volumes(
            send_extension, self._changed, lambda room, level: told(room, volume=level)
        )
        self.controls = Controls(send, send_extension, self.volumes, self._changed, told)
        self._built_in = BuiltIn(self.timers, self.volumes)
        self._home_assistant = home_assistant
        self._starting: asyncio.Task[None] | None = None

    @property
    def asks(self) -> bool:
        """Whether `ask` may know what `understand` does not."""
        return self._home_assistant is not None and self._home_assistant.asks

    def names(self, room: str) -> Sequence[str]:
        """Return names that may be said: of timers, which are few, and of what is in the home."""
        home = self._home_assistant
        return (*self.timers.names, *(home.names(room) if home is not None else ()))

    def understand(self, text: str, place: Place) -> Command | None:
        """Understand a sentence; see `hub.home.base.Home`."""
        command = self._built_in.understand(text, place)
        if command is None and self._home_assistant is not None:
            command = self._home_assistant.understand(text, place)
        return command

    def tools_for(self, text: str, place: Place) -> Tools | None:
        """Return what a language model may do about a sentence; see `hub.home.base.Home`."""
        home = self._home_assistant
        return home.tools_for(text, place) if home is not None else None

    async def ask(self, text: str, place: Place) -> str | None:
        """Let Home Assistant understand `text`; see `hub.home.base.Home`."""
        if self._home_assistant is None:
            return None
        return await self._home_assistant.ask(text, place)

    def start(self) -> None:
        """Read what was kept and load the sentences; returns at once."""
        self._starting = asyncio.create_task(self._start(), name="home")

    async def _start(self) -> None:
        kept = await self._keeper.load()
        self.volumes.start(kept.volumes)
        self.controls.start(kept.controls)
        self.timers.start(kept.timers)
        for room in kept.volumes:  # whose satellite may have been quicker than the disk
            await self.volumes.arrived(room)
        for room in kept.controls:
            await self.controls.arrived(room)
        try:
            self._built_in.sentences = await asyncio.to_thread(Sentences, self._languages)
        except Exception as exc:  # whatever a library raises; the conversation does without
            _LOGGER.error("no built-in commands: %s", where(exc))

    async def ready(self) -> None:
        """Wait until all of it is there. No time-out: it is a file read and 0.2 s of computing."""
        if self._starting is not None:
            await asyncio.wait([self._starting])

    async def arrived(self, room: str) -> None:
        """Say that a room has a satellite, and can be told what it missed."""
        await self.volumes.arrived(room)
        await self.controls.arrived(room)
        self.timers.arrived(room)

    async def close(self) -> None:
        """Stop, and write down what is to be kept."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.timers.close()
        self._changed()
        await self._keeper.close()

    def _changed(self) -> None:
        self._keeper.keep(Kept(self.timers.kept(), self.volumes.kept(), self.controls.kept()))
