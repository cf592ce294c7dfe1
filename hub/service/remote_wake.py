"""The wake word in what a satellite hears that listens for none itself, and streams all of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.config import WakeSettings
from hub.conversation.patience import answer_of, where
from hub.conversation.peer import PeerGone
from hub.engines.base import EngineError, WakeWord, WakeWordStream
from hub.engines.supervisor import Supervised
from hub.engines.thread import client
from hub.service.request import LOADING_PATIENCE
from protocol.audio import SPEECH
from protocol.connection import ConnectionClosed, ProtocolError

_LOGGER = logging.getLogger(__name__)

_KEPT = SPEECH.bytes_for(2.0)  # of what was heard; a word is reported within a second of its end
_MOST_WAITING = SPEECH.bytes_for(2.0)  # that the model has not heard yet; older sound is skipped
_PRE_ROLL = SPEECH.bytes_for(0.2)  # before the detection: who goes on at once is heard, too
_FIRST_RETRY = 1.0  # seconds, after the model has failed
_LONGEST_RETRY = 30.0

Heard = Callable[[str, str, int], Awaitable[None]]
"""Told of a wake word's name, how it is spoken, and when it was, in milliseconds of the sound. It
calls `take`, and pushes the sound of the command elsewhere, until it is over."""


class RemoteWake:
    """Listens for one satellite.

    Args:
        engine: the hub's wake words.
        room: the satellite's.
        begins: called when it begins to listen, at first and after each command, and when it
            listens for other words.
        heard: told of a wake word. Either may raise what a connection does when the peer has gone.
    """

    def __init__(
        self,
        engine: Supervised[WakeWord],
        room: str,
        begins: Callable[[], Awaitable[None]],
        heard: Heard,
    ) -> None:
        self._engine = engine
        self._room = room
        self._begins = begins
        self._heard = heard
        self._sound = bytearray()  # the newest
        self._at = 0  # bytes of all sound, up to the end of `_sound`
        self._listened = 0  # of them, those that the model has heard
        self._word = 0  # where the newest wake word was
        self._began: WakeWord | None = None  # that there was when it began to listen
        self._came = asyncio.Event()
        self._again = False
        self._task: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether it wants sound."""
        return self._task is not None and not self._task.done()

    def phrases(self, settings: WakeSettings) -> list[str]:
        """Return what is said for the wake words, as far as that is known."""
        models = () if (engine := self._engine.current) is None else engine.models
        words = {_plain(word) for word in settings.words or ()}
        named = [m.phrase for m in models if {_plain(m.name), _plain(m.phrase)} & words]
        return list(
            dict.fromkeys(named or [m.phrase for m in models if m.program == settings.engine])
        )

    def listen(self, *, again: bool) -> None:
        """Listen from now on; `again` also after the command that follows.

        Where it listens already it goes on.
        """
        self._again = again
        if not self.listening:
            self._listened = self._at
            self._task = asyncio.create_task(self._run(), name=f"wake word {self._room}")

    def push(self, pcm: bytes) -> None:
        """Take sound, 16 kHz mono 16-bit."""
        self._sound += pcm
        self._at += len(pcm)
        del self._sound[: max(0, len(self._sound) - _KEPT)]
        self._came.set()

    def take(self) -> bytes:
        """Return the sound since just before the wake word, and forget it."""
        pcm = self._since(max(0, self._word - _PRE_ROLL))
        self._sound.clear()
        self._listened = self._at
        return pcm

    async def stop(self) -> None:
        """Listen no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        """Listen until stopped, or until a word was heard; a model that fails is tried again."""
        client.set(self._room)
        try:
            while True:
                self._began = self._engine.current
                await self._begins()
                name, phrase = await self._next_word()
                await self._heard(name, phrase, round(1000 * SPEECH.seconds(self._word)))
                if not self._again:
                    return
                self._came.clear()
                await self._came.wait()  # no time-out: the command's sound comes first
        except (ConnectionClosed, ProtocolError, PeerGone) as exc:
            _LOGGER.debug("%s: %s", self._room, exc)  # whoever reads it sees it, too
        except Exception as exc:  # a bug; the satellite's connection goes on
            _LOGGER.error("%s: wake word: %s", self._room, where(exc))

    async def _next_word(self) -> tuple[str, str]:
        """Return the next wake word's name and how it is spoken, however long that takes."""
        delay = _FIRST_RETRY
        while True:
            try:
                return await self._word_in_sound()
            except EngineError as exc:
                _LOGGER.warning("%s: no wake word can be heard: %s; trying again", self._room, exc)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_RETRY)

    async def _word_in_sound(self) -> tuple[str, str]:
        async with self._engine.lent(timeout=LOADING_PATIENCE) as engine:
            if engine is not self._began:
                self._began = engine
                await self._begins()
            stream = engine.stream(None, None)
            try:
                name = await self._follow(stream)
            finally:
                await stream.close()
            return name, next((m.phrase for m in engine.models if m.name == name), name)

    async def _follow(self, stream: WakeWordStream) -> str:
        fed = 0  # bytes
        while True:
            self._came.clear()
            # Where the model lags, old sound is skipped: nobody waits for what they said then.
            self._listened = max(self._listened, self._at - _MOST_WAITING)
            if not (pcm := self._since(self._listened)):
                await self._came.wait()  # no time-out: the connection has one
                continue
            self._listened += len(pcm)
            fed += len(pcm)
            for detection in await answer_of(stream.process(pcm), "wake"):
                self._word = self._listened - fed + SPEECH.bytes_per_frame * detection.position
                return detection.name

    def _since(self, begin: int) -> bytes:
        """Return the sound from `begin` on, as far as it is kept."""
        return bytes(self._sound[max(0, len(self._sound) - (self._at - begin)) :])


def _plain(word: str) -> str:
    """Return a wake word's id, or how it is spoken, in one way of writing."""
    return word.casefold().replace(" ", "_")
