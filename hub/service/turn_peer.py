"""What a room's turns tell its satellite."""

import asyncio
from collections.abc import Callable

from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped

from hub.config import Settings
from hub.conversation.partials import Told
from hub.conversation.peer import PeerGone
from hub.conversation.turn import Turn
from hub.service.connections import EventConnection
from protocol.audio import SPEECH, PcmFormat
from protocol.connection import ConnectionClosed, ProtocolError
from protocol.extensions import Flush, with_turn


class TurnPeer:
    """One satellite as the `Peer` of its room's turns.

    Args:
        connection: to the satellite.
        settings: the hub's.
        heard_all: called when a turn needs no more sound.
        stock: it is no Parlour satellite, and knows nothing of `protocol.extensions`.
    """

    def __init__(
        self,
        connection: EventConnection,
        settings: Settings,
        heard_all: Callable[[], None],
        *,
        stock: bool = False,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._heard_all = heard_all
        self._stock = stock
        self._reply_format = SPEECH  # until a reply begins
        self._listening_since = 0.0
        self._told = Told()  # of the transcript

    async def listening(self, turn: Turn) -> None:
        """Say that sound is being listened to."""
        self._listening_since = asyncio.get_running_loop().time()
        self._told = Told()
        transcribe = Transcribe(language=self._settings.language).event()
        await self._tell(turn, with_turn(transcribe, turn.id))

    async def voice_started(self, turn: Turn) -> None:
        """Say that somebody speaks."""
        await self._tell(turn, VoiceStarted(timestamp=self._listened_ms()))

    async def voice_stopped(self, turn: Turn) -> None:
        """Say that they have finished; the satellite stops streaming."""
        self._heard_all()
        await self._tell(turn, VoiceStopped(timestamp=self._listened_ms()))

    async def partial(self, turn: Turn, text: str) -> None:
        """Tell what was said so far, as far as it will not change any more."""
        if piece := self._told.more(text, final=False):
            await self._tell(turn, with_turn(TranscriptChunk(text=piece).event(), turn.id))

    async def transcript(self, turn: Turn, text: str) -> None:
        """Tell what was said."""
        transcript = Transcript(text=text, language=self._settings.language).event()
        await self._tell(turn, with_turn(transcript, turn.id))

    async def clause(self, turn: Turn, text: str) -> None:
        """Tell what the speech that comes next says."""
        await self._tell(turn, Synthesize(text=text))

    async def audio_start(self, turn: Turn, form: PcmFormat) -> None:
        """Begin the reply's speech."""
        self._heard_all()  # an apology may come while somebody still speaks
        self._reply_format = form
        start = AudioStart(rate=form.rate, width=form.width, channels=form.channels, timestamp=0)
        await self._tell(turn, with_turn(start.event(), turn.id))

    async def audio(self, turn: Turn, pcm: bytes) -> None:
        """Send some of it."""
        form = self._reply_format
        await self._tell(
            turn, AudioChunk(rate=form.rate, width=form.width, channels=form.channels, audio=pcm)
        )

    async def audio_stop(self, turn: Turn) -> None:
        """Say that all of it is sent."""
        await self._tell(turn, with_turn(AudioStop().event(), turn.id))

    async def stopped(self, turn: Turn) -> None:
        """Say that the turn is over and wants no reply: they said "stop"."""
        self._heard_all()
        if not self._stock:
            await self._send(Flush(turn.id))
            return
        # An empty reply: any other end would make the sound of an error.
        start = AudioStart(rate=SPEECH.rate, width=SPEECH.width, channels=SPEECH.channels)
        await self._send(start)
        await self._send(AudioStop())

    async def failed(self, turn: Turn, code: str, text: str) -> None:
        """Say that this turn has no reply, and why."""
        self._heard_all()
        await self._send(with_turn(Error(text, code).event(), turn.id))

    async def _tell(self, turn: Turn, event: Event | Eventable) -> None:
        """Send a part of `turn`; not where it is over: its stages stop a moment after it."""
        if not turn.ended:
            await self._send(event)

    async def _send(self, event: Event | Eventable) -> None:
        try:
            await self._connection.write(event)
        except (ConnectionClosed, ProtocolError) as exc:
            raise PeerGone(str(exc)) from exc

    def _listened_ms(self) -> int:
        return int((asyncio.get_running_loop().time() - self._listening_since) * 1000)
