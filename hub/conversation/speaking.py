"""Says a reply aloud, and what to say where there is none."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing

from hub.config import Settings
from hub.conversation.announcing import Announcement
from hub.conversation.patience import PATIENCE, NoAnswer, pieces_of, where
from hub.conversation.peer import Peer, PeerGone
from hub.conversation.stages import LOADING_PATIENCE, Engines, Gate, Watcher
from hub.conversation.turn import Mark, Outcome, Turn
from hub.conversation.voice import Voice
from hub.engines.base import EngineError
from hub.engines.supervisor import being_cancelled
from protocol.audio import PcmFormat

_LOGGER = logging.getLogger(__name__)

_PLAYED_MARGIN = 5.0  # seconds that a reply may take longer to play than its speech is long
_PIECE = 0.25  # seconds of what was spoken before, that are sent at once
_APOLOGY_TIMEOUT = 10.0
_FIRST_SOUND = 2.5  # seconds for a voice to begin a reply, where another one could speak instead
APOLOGY = "Sorry, something went wrong. Please try again."


class Speaking:
    """Speaks replies; holds no state of any of them.

    Args:
        engines: the models.
        settings: the hub's.
        watch: told of each step.
    """

    def __init__(self, engines: Engines, settings: Settings, watch: Watcher) -> None:
        self._engines = engines
        self._settings = settings
        self._watch = watch

    async def say(
        self, turn: Turn, peer: Peer, text: str, words: str, gate: Gate | None = None
    ) -> None:
        """Send the speech of `words`, which is how `text` is said aloud.

        The first of a reply waits for `gate` to open. The whole of a reply is spoken by one voice.

        Raises:
            PeerGone: the peer went.
            EngineError: the voice failed, and its supervisor knows.
        """
        voices = self._engines.tts
        for again in (False, True):
            # Another voice may speak the reply for as long as nothing was heard of it.
            unheard = not turn.playback.started
            if turn.voice is None or (unheard and not voices.has(turn.voice.engine)):
                engine = await voices.get(timeout=LOADING_PATIENCE)
                turn.voice = Voice.of(engine, self._settings.tts)
            engine = turn.voice.engine
            other = voices.other(engine) if unheard and not again else None
            hurries = other is not None and voices.fit(other)
            patience = _FIRST_SOUND if hurries else PATIENCE
            speech = pieces_of(turn.voice.say(words), "tts", first=patience)
            try:
                with voices.using(engine):
                    try:
                        async with aclosing(speech) as pieces:
                            await self._say(turn, peer, text, engine.format, pieces, gate)
                        return
                    except NoAnswer:
                        if not hurries or turn.playback.started:
                            raise
                        # It is slow at the moment, and works: nobody restarts it.
            except EngineError:
                if other is None or turn.playback.started or being_cancelled():
                    raise
            assert other is not None
            turn.voice = Voice.of(other, self._settings.tts)

    async def _say(
        self,
        turn: Turn,
        peer: Peer,
        text: str,
        form: PcmFormat,
        pieces: AsyncIterator[bytes],
        gate: Gate | None,
    ) -> None:
        first = True
        with ExitStack() as work:
            work.enter_context(turn.span("speak", provisional=True))
            async for pcm in pieces:
                if not pcm:
                    continue
                if first:
                    first = False
                    if not turn.playback.started:
                        turn.mark(Mark.AUDIO_READY)
                        if gate is not None:
                            work.close()  # waiting is no work
                            with turn.span("gate", provisional=True):
                                await gate.wait()
                            work.enter_context(turn.span("speak", provisional=True))
                        await peer.audio_start(turn, form)
                    await self._begin_clause(turn, peer, text, form)
                await self._send(turn, peer, pcm)
        if not first:
            turn.playback.end_clause()

    async def play(self, turn: Turn, peer: Peer, announcement: Announcement) -> None:
        """Send what was spoken before; returns when it was played.

        Raises:
            PeerGone: the peer went.
        """
        form, pcm = announcement.form, announcement.pcm
        turn.mark(Mark.CONFIRMED)
        await peer.audio_start(turn, form)
        await self._begin_clause(turn, peer, announcement.text, form)
        size = form.bytes_for(_PIECE)
        for at in range(0, len(pcm), size):
            await self._send(turn, peer, pcm[at : at + size])
        turn.playback.end_clause()
        await self.finish(turn, peer)

    async def _begin_clause(self, turn: Turn, peer: Peer, text: str, form: PcmFormat) -> None:
        await peer.clause(turn, text)
        self._watch(turn, "clause", text)
        turn.playback.begin_clause(text, form)

    async def _send(self, turn: Turn, peer: Peer, pcm: bytes) -> None:
        await peer.audio(turn, pcm)
        turn.playback.sent(pcm)
        turn.mark(Mark.FIRST_AUDIO_SENT)

    async def finish(self, turn: Turn, peer: Peer) -> None:
        """Say that all is sent, and wait until it was played.

        Raises:
            PeerGone: the peer went.
        """
        await peer.audio_stop(turn)
        self._watch(turn, "sent", "")
        if not await turn.playback.wait(_PLAYED_MARGIN):
            _LOGGER.debug("turn %s: the peer did not say when it had played", turn.id)

    async def apologise(self, turn: Turn, peer: Peer) -> None:
        """Say aloud that it failed; where even that fails, send an error. Ends the turn.

        Raises:
            PeerGone: the peer went.
        """
        turn.fail()  # an apology that is interrupted is no answer either
        try:
            async with asyncio.timeout(_APOLOGY_TIMEOUT):
                if not turn.playback.started or self._still_there(turn.voice):
                    await self.say(turn, peer, APOLOGY, APOLOGY)
        except PeerGone:
            raise
        except Exception as exc:  # whatever it is, the peer must not wait for ever
            _LOGGER.warning("turn %s: no apology: %s", turn.id, where(exc))
        if turn.playback.started:
            await self.finish(turn, peer)
        else:
            await peer.failed(turn, "engine-failed", "The hub could not answer")
        turn.end(Outcome.FAILED)

    def _still_there(self, voice: Voice | None) -> bool:
        """Tell whether the voice that began a reply can go on: no reply changes it halfway."""
        tts = self._engines.tts
        return voice is not None and tts.has(voice.engine)
