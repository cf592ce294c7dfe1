"""One connected satellite, or browser tab: what it says, and who hears its sound."""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from wyoming.audio import AudioChunk, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import RunSatellite
from wyoming.snd import Played
from wyoming.wake import Detect, Detection

from hub.config import Settings
from hub.conversation.announcing import Announcement
from hub.conversation.interruption import Judge
from hub.conversation.room import Room
from hub.conversation.turn import Turn
from hub.engines.base import VoiceActivity, WakeWord
from hub.engines.supervisor import Supervised
from hub.service.connections import EventConnection
from hub.service.open_microphone import BEFORE_RULING, BEFORE_TURN, OpenMicrophone
from hub.service.remote_wake import RemoteWake
from hub.service.turns import Turns
from protocol.audio import SPEECH, BadFormat, Converter, PcmFormat
from protocol.connection import ConnectionClosed, MalformedFrame, ProtocolError
from protocol.control import Status
from protocol.extensions import Interruption, Playback
from protocol.talk import Ask, Listening, Microphone, is_push_to_talk

_LONGEST_CHUNK = 10.0  # seconds; converting more than that at once would hold up the other rooms

Hears = Callable[[bytes], None]
"""Given what a microphone hears, 16 kHz mono 16-bit."""


def nobody_listens(pcm: bytes) -> None:
    """Take no notice of what a microphone hears."""


def nobody_reads(status: Status) -> None:
    """Take no notice of what a satellite says of itself."""


class SatelliteLink:
    """One connected satellite, or browser tab: drives it.

    Args:
        connection: to the satellite.
        room: its room.
        phrases: wake-word model names to what is said, from its introduction.
        settings: the hub's.
        judge: says whether speech over a reply interrupts it.
        stock: it is no Parlour satellite, and knows nothing of `protocol.extensions`.
        wake: the hub's wake words, for a satellite that listens for none.
        vad: tells speech in what a satellite hears that cannot tell it itself; None for others.
        hears: given all sound that it sends.
        reports: told what it says of itself.
    """

    def __init__(
        self,
        connection: EventConnection,
        room: Room,
        phrases: dict[str, str],
        settings: Settings,
        judge: Judge,
        *,
        stock: bool = False,
        wake: Supervised[WakeWord] | None = None,
        vad: Supervised[VoiceActivity] | None = None,
        hears: Hears = nobody_listens,
        reports: Callable[[Status], None] = nobody_reads,
    ) -> None:
        self._connection = connection
        self._room = room
        self._settings = settings
        self._turns = Turns(connection, room, settings, judge, stock=stock)
        self._remote = (
            None if wake is None else RemoteWake(wake, room.name, self._listens, self._woken)
        )
        self._open = None if vad is None else OpenMicrophone(vad, room.name, self._speaks)
        self._mode = Listening.OFF
        self._turns.phrases = phrases
        self._stock = stock
        self._hears = hears
        self._reports = reports
        self._wake_word: str | None = None
        self._converter: Converter | None = None

    async def run(self, arrived: Callable[[], Awaitable[None]]) -> None:
        """Serve the satellite until it goes; its turn goes with it.

        Args:
            arrived: called when it is accepted.

        Raises:
            ProtocolError: it broke the protocol.
            ConnectionClosed: it went while something was being sent to it.
        """
        await self._connection.write(RunSatellite().event())
        await arrived()
        try:
            async for event in self._connection:
                await self._handle(event)
        finally:
            if self._remote is not None:
                await self._remote.stop()
            if self._open is not None:
                await self._open.stop()
            await self._turns.close()

    async def send(self, event: Event, *, extension: bool = False) -> bool:
        """Send the satellite an event that belongs to no turn; False where it cannot be sent.

        Args:
            event: what to send.
            extension: whether only Parlour's own satellites know it.
        """
        if extension and self._stock:
            return False
        try:
            await self._connection.write(event)
        except (ConnectionClosed, ProtocolError):
            return False
        return True

    async def announce(self, announcement: Announcement) -> Turn | None:
        """Play an announcement, and return its turn, which is over; None while another goes on."""
        return await self._turns.announce(announcement)

    async def quiet(self) -> None:
        """Wait until the room has no turn; whoever waits bounds it."""
        await self._room.quiet()

    async def stop(self) -> None:
        """Stop the turn that goes on, and what plays of it."""
        with contextlib.suppress(ConnectionClosed, ProtocolError):  # then nothing plays any more
            await self._turns.stop()

    async def hear_no_more(self) -> None:
        """Drop what somebody is saying: the microphone is off. A reply goes on."""
        await self._turns.hear_no_more()

    # -- from the satellite -------------------------------------------------------------------

    async def _handle(self, event: Event) -> None:
        if AudioChunk.is_type(event.type):
            self._heard(self._to_speech(event))
        elif Detection.is_type(event.type):
            name = Detection.from_event(event).name
            self._wake_word = name if isinstance(name, str) else ""
        elif RunPipeline.is_type(event.type):
            await self._begin_turn(event)
        elif Interruption.is_type(event.type):
            self._converter = None
            interruption = Interruption.from_event(event)
            await self._turns.interrupted(interruption.turn, stop=interruption.stop)
        elif AudioStop.is_type(event.type):
            converter = self._converter
            self._turns.end_of_sound(converter.flush() if converter is not None else b"")
        elif Playback.is_type(event.type):
            self._turns.played_so_far(Playback.from_event(event))
        elif Played.is_type(event.type):
            self._turns.played()
        elif Microphone.is_type(event.type):
            await self._listen_for(Microphone.from_event(event).mode)
        elif Ask.is_type(event.type):
            await self._turns.ask(Ask.from_event(event).text)
        elif Status.is_type(event.type):
            await self._has_status(Status.from_event(event))
        # Anything else (audio-start, info, streaming-started, ...) needs no answer.

    async def _begin_turn(self, event: Event) -> None:
        try:
            pipeline = RunPipeline.from_event(event)
        except (KeyError, ValueError) as exc:
            raise MalformedFrame("run-pipeline: no stages to begin and end at") from exc
        if pipeline.start_stage is PipelineStage.WAKE and self._remote is not None:
            self._remote.listen(again=pipeline.restart_on_end)
            return
        if (pipeline.start_stage, pipeline.end_stage) != (PipelineStage.ASR, PipelineStage.TTS):
            await self._connection.write(
                Error(
                    f"Cannot run {pipeline.start_stage.value} to {pipeline.end_stage.value}, "
                    "only asr to tts",
                    "bad-stage",
                )
            )
            return
        phrase = self._turns.phrases.get(self._wake_word or "", self._wake_word)
        self._wake_word, self._converter = None, None
        await self._turns.begin(phrase, push_to_talk=is_push_to_talk(event))

    async def _has_status(self, status: Status) -> None:
        """Take which wake words it listens for, and whether its microphone is on."""
        if active := {word.name: word.phrase for word in status.wake_words if word.active}:
            self._turns.phrases = active
        self._reports(status)
        if status.muted:
            await self.hear_no_more()

    def _to_speech(self, event: Event) -> bytes:
        try:
            chunk = AudioChunk.from_event(event)
            form = PcmFormat(chunk.rate, chunk.width, chunk.channels)
        except (KeyError, BadFormat) as exc:
            raise MalformedFrame("audio-chunk: its rate, width and channels are no format") from exc
        if form.seconds(len(chunk.audio)) > _LONGEST_CHUNK:
            raise MalformedFrame(f"audio-chunk: longer than {_LONGEST_CHUNK:g} s")
        if form == SPEECH:
            return chunk.audio
        if self._converter is None or self._converter.source != form:
            self._converter = Converter(form, SPEECH)
        return self._converter.process(chunk.audio)

    # -- a microphone that is open all the time -----------------------------------------------

    def _heard(self, pcm: bytes) -> None:
        """Take what the microphone hears to whoever listens to it now."""
        self._hears(pcm)
        taken = self._turns.push(pcm)
        # (a wake word over a reply may begin while it is judged what they say)
        wakes = not taken or self._turns.judging
        if wakes and self._remote is not None and self._remote.listening:
            self._remote.push(pcm)
        if self._open is not None:
            self._open.push(pcm, listen=not taken and self._cares_for_speech)

    @property
    def _cares_for_speech(self) -> bool:
        """Whether somebody who speaks now interrupts a turn, or begins one."""
        if self._turns.under_way is not None:
            return self._turns.interruptible
        return self._mode is Listening.SPEECH

    async def _listen_for(self, mode: Listening) -> None:
        """Let something else begin a turn from now on."""
        self._mode = mode
        if self._remote is None:
            return
        if mode is Listening.WAKE:
            self._remote.listen(again=True)
        else:
            await self._remote.stop()

    async def _speaks(self) -> None:
        """Begin a turn, or hold the reply and judge: somebody speaks."""
        assert self._open is not None
        if self._turns.under_way is not None:
            await self._turns.speaks_over(partial(self._open.take, BEFORE_RULING))
        elif self._mode is Listening.SPEECH:
            await self._turns.begin(None, before=partial(self._open.take, BEFORE_TURN))

    async def _listens(self) -> None:
        """Say that its sound is listened to for a wake word; a tab is told for which."""
        assert self._remote is not None
        names = None if self._open is None else self._remote.phrases(self._settings.wake)
        await self._connection.write(Detect(names=names))

    async def _woken(self, name: str, phrase: str, ms: int) -> None:
        """Begin a turn: there was a wake word in its sound."""
        assert self._remote is not None
        await self._connection.write(Detection(name=name, timestamp=ms))
        await self._turns.begin(phrase, before=self._remote.take)
