"""Whom a turn answers: a satellite that speaks, or a client that reads."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from hub.conversation.turn import Turn
from protocol.audio import PcmFormat

SendClause = Callable[[str], Awaitable[None]]
"""Sends one clause of a written reply."""


class PeerGone(Exception):
    """The peer is not there any more, or takes nothing; the message says which."""


class Peer(Protocol):
    """Whoever had the wake word and has the speaker; what a turn tells it as it goes on.

    Any of these may raise `PeerGone`.
    """

    async def listening(self, turn: Turn) -> None:
        """Say that sound is being listened to."""

    async def voice_started(self, turn: Turn) -> None:
        """Say that somebody speaks."""

    async def voice_stopped(self, turn: Turn) -> None:
        """Say that they have finished; no more sound is needed."""

    async def partial(self, turn: Turn, text: str) -> None:
        """Tell what was said so far, as far as it will not change any more."""

    async def transcript(self, turn: Turn, text: str) -> None:
        """Tell what was said."""

    async def clause(self, turn: Turn, text: str) -> None:
        """Tell what the speech that comes next says."""

    async def audio_start(self, turn: Turn, form: PcmFormat) -> None:
        """Begin the reply's speech; all of it is in `form`."""

    async def audio(self, turn: Turn, pcm: bytes) -> None:
        """Send some of it."""

    async def audio_stop(self, turn: Turn) -> None:
        """Say that all of it is sent."""

    async def stopped(self, turn: Turn) -> None:
        """Say that the turn is over and wants no reply: they said "stop"."""

    async def failed(self, turn: Turn, code: str, text: str) -> None:
        """Say that this turn has no reply, and why."""
