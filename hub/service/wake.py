"""`detect`: wake words in a peer's sound, as soon as they are heard."""

from typing import Any

from wyoming.event import Event
from wyoming.wake import Detection, NotDetected

from hub.conversation.patience import answer_of
from hub.engines.base import BadInput, WakeWord, WakeWordStream
from hub.engines.supervisor import Supervised
from hub.service.request import (
    LOADING_PATIENCE,
    RequestError,
    Write,
    optional_object,
    texts_in,
)
from hub.service.sound import IncomingSound
from protocol.audio import SPEECH


class WakeListener:
    """Listens for all connections.

    Args:
        engine: the hub's.
    """

    def __init__(self, engine: Supervised[WakeWord]) -> None:
        self._engine = engine

    def request(self, event: Event, program: str | None, write: Write) -> "Listening":
        """Return the request that a `detect` begins.

        Args:
            event: the `detect`.
            program: the kind of model that the peer has selected, if any.
            write: sends to the peer.

        Raises:
            MalformedFrame: it is not as Wyoming has it.
        """
        names, context = texts_in(event, "names") or None, optional_object(event, "context")
        return Listening(self, names, program, context, write)

    async def listen(self, request: "Listening") -> bool:
        """Report what is heard; say whether anything was."""
        async with self._engine.lent(timeout=LOADING_PATIENCE) as engine:
            try:
                stream = engine.stream(request.names, request.program)
            except BadInput as exc:
                raise RequestError("unknown-wake-word", str(exc)) from exc
            try:
                return await self._follow(stream, request)
            finally:
                await stream.close()

    async def _follow(self, stream: WakeWordStream, request: "Listening") -> bool:
        heard = False
        async for pcm in request.sound:
            for detection in await answer_of(stream.process(pcm), "wake"):
                heard = True
                await request.detected(detection.name, detection.position)
        return heard


class Listening:
    """One `detect` and its sound.

    Args:
        listener: does the work.
        names: what to listen for; None for whatever is configured.
        program: the kind of model, or None.
        context: what the peer sent with it, and gets back.
        write: sends to the peer.
    """

    def __init__(
        self,
        listener: WakeListener,
        names: list[str] | None,
        program: str | None,
        context: dict[str, Any] | None,
        write: Write,
    ) -> None:
        self.names = names
        self.program = program
        self.sound = IncomingSound()
        self._context = context
        self._listener = listener
        self._write = write

    async def take(self, event: Event) -> None:
        """Take an audio event."""
        await self.sound.take(event)

    def end(self) -> None:
        """Say that no more sound comes."""
        self.sound.end()

    async def run(self) -> None:
        """Send a `detection` for each wake word; `not-detected` at the end where there was none."""
        if not await self._listener.listen(self):
            await self._write(NotDetected(context=self._context))

    async def detected(self, name: str, position: int) -> None:
        """Report a wake word that was heard `position` samples into the sound."""
        ms = (self.sound.first_ms or 0) + round(1000 * position / SPEECH.rate)
        await self._write(Detection(name=name, timestamp=ms, context=self._context))
