"""One connected satellite, and what its room's turns tell it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import RunSatellite
from wyoming.snd import Played
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detect, Detection

from hub.conversation.announcing import Announcement
from hub.conversation.interruption import Judge, Overheard, Ruling, is_stop
from hub.conversation.partials import Told
from hub.conversation.patience import where
from hub.conversation.peer import PeerGone
from hub.conversation.room import Room
from hub.conversation.turn import Mark, Outcome, Turn
from hub.engines.base import WakeWord
from hub.engines.supervisor import Supervised
from hub.service.remote_wake import RemoteWake
from hub.service.turn_sound import TurnSound
from protocol.audio import SPEECH, BadFormat, Converter, PcmFormat
from protocol.connection import Connection, ConnectionClosed, MalformedFrame, ProtocolError
from protocol.extensions import Flush, Interruption, Playback, Resume, with_turn

_LOGGER = logging.getLogger(__name__)

_LONGEST_CHUNK = 10.0  # seconds; converting more than that at once would hold up the other rooms


class SatelliteLink:
    """One connected satellite: drives it, and is the peer of its room's turns.

    Args:
        connection: to the satellite.
        room: its room.
        phrases: wake-word model names to what is said, from its introduction.
        language: of the conversation.
        judge: says whether speech over a reply interrupts it.
        stock: it is no Parlour satellite, and knows nothing of `protocol.extensions`.
        wake: the hub's wake words, for a satellite that listens for none.
    """

    def __init__(
        self,
        connection: Connection,
        room: Room,
        phrases: dict[str, str],
        language: str,
        judge: Judge,
        *,
        stock: bool = False,
        wake: Supervised[WakeWord] | None = None,
    ) -> None:
        self._connection = connection
        self._room = room
        self._remote = (
            None if wake is None else RemoteWake(wake, room.name, self._listens, self._woken)
        )
        self._phrases = phrases
        self._language = language
        self._judge = judge
        self._stock = stock
        self._overheard: TurnSound | None = None  # what is said over a reply, until it is judged
        self._judging: asyncio.Task[None] | None = None
        self._sound: TurnSound | None = None
        self._turn: Turn | None = None
        self._wake_word: str | None = None
        self._converter: Converter | None = None
        self._reply_format = SPEECH  # until a reply begins
        self._listening_since = 0.0
        self._told = Told()  # of the transcript

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
            await self._judge_no_more()
            if self._remote is not None:
                await self._remote.stop()
            if self._turn is not None and self._room.turn is self._turn:
                await self._room.stop(Outcome.GONE)

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
        return await self._room.announce(announcement, self, self._announces)

    def _announces(self, turn: Turn) -> None:
        """Take reports and interruptions for those of the announcement from now on."""
        self._turn = turn

    async def quiet(self) -> None:
        """Wait until the room has no turn; whoever waits bounds it."""
        await self._room.quiet()

    # -- from the satellite -------------------------------------------------------------------

    async def _handle(self, event: Event) -> None:
        if AudioChunk.is_type(event.type):
            if (sound := self._overheard or self._sound) is not None and not sound.closed:
                sound.push(self._to_speech(event))
            elif self._remote is not None and self._remote.listening:
                self._remote.push(self._to_speech(event))
        elif Detection.is_type(event.type):
            name = Detection.from_event(event).name
            self._wake_word = name if isinstance(name, str) else ""
        elif RunPipeline.is_type(event.type):
            await self._begin_turn(event)
        elif Interruption.is_type(event.type):
            await self._spoken_over(Interruption.from_event(event))
        elif AudioStop.is_type(event.type):
            self._end_of_sound()
        elif Playback.is_type(event.type):
            self._played_so_far(Playback.from_event(event))
        elif Played.is_type(event.type):
            self._played()
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
        phrase = self._phrases.get(self._wake_word or "", self._wake_word)
        await self._stop_before()
        self._wake_word, self._converter = None, None
        self._sound = TurnSound()
        self._turn = await self._room.begin(self, self._sound, phrase)

    async def _stop_before(self) -> None:
        """Stop the turn that is under way: they said the wake word again."""
        await self._judge_no_more()
        if (before := self._turn) is not None:
            # Told at once: what has to stop may take its time, if a model hangs. One that was
            # played to its end is none that is interrupted: it only has not noticed yet.
            finished = before.playback.finished
            before.cancel(Outcome.ANSWERED if finished else Outcome.INTERRUPTED)
            if before.playback.started and not finished:
                await self._connection.write(Flush(before.id))
        await self._room.stop(Outcome.INTERRUPTED)  # till then it may close its sound

    # -- the wake word of a satellite that listens for none -----------------------------------

    async def _listens(self) -> None:
        """Say that its sound is listened to for a wake word."""
        await self._connection.write(Detect())

    async def _woken(self, name: str, phrase: str, ms: int) -> None:
        """Begin a turn: there was a wake word in its sound."""
        assert self._remote is not None
        await self._connection.write(Detection(name=name, timestamp=ms))
        await self._stop_before()
        self._sound = TurnSound()
        self._sound.push(self._remote.take())
        self._turn = await self._room.begin(self, self._sound, phrase)

    # -- speech over a reply ------------------------------------------------------------------

    async def _spoken_over(self, interruption: Interruption) -> None:
        """The satellite is quiet, and asks whether to go on."""
        await self._judge_no_more()
        turn = self._turn
        if turn is None or turn.id != interruption.turn or turn.ended:
            # It has all of the reply that there is.
            if not interruption.stop:
                await self._connection.write(Resume(interruption.turn))
        elif interruption.stop:
            await self._stop(turn)
        else:
            self._converter = None
            self._overheard = TurnSound()
            listening = self._listen_over(turn, self._overheard)
            self._judging = asyncio.create_task(listening, name=f"judge {turn.id}")

    async def _judge_no_more(self) -> None:
        self._overheard = None
        if (judging := self._judging) is not None:
            self._judging = None
            judging.cancel()
            await asyncio.gather(judging, return_exceptions=True)

    async def _listen_over(self, turn: Turn, sound: TurnSound) -> None:
        """Do with the reply of `turn` what the judge says."""
        overheard = Overheard(sound)
        try:
            phrases = [p for p in self._phrases.values() if not is_stop(p, self._language)]
            ruling = await self._judge.rule(self._room.name, overheard, turn.playback, phrases)
            self._overheard = None
            _LOGGER.info("turn %s: spoken over: %s", turn.id, ruling.value)
            if ruling is Ruling.LISTEN:
                turn.cancel(Outcome.INTERRUPTED)
                self._sound = sound
                await self._connection.write(Flush(turn.id, listen=True))
                phrase = phrases[0] if phrases else None  # it may come before their question
                self._turn = await self._room.begin(self, overheard.again(), phrase)
            elif ruling is Ruling.STOP:
                await self._stop(turn)
            else:
                await self._connection.write(Resume(turn.id))
        except (ConnectionClosed, ProtocolError) as exc:
            _LOGGER.debug("turn %s: %s", turn.id, exc)  # `run` sees it, too
        except Exception as exc:  # a bug; the satellite goes on by itself
            _LOGGER.error("turn %s: spoken over: %s", turn.id, where(exc))

    async def _stop(self, turn: Turn) -> None:
        """Stop a reply, and say nothing else."""
        turn.cancel(Outcome.INTERRUPTED)  # its room sees it out, however long that takes
        await self._connection.write(Flush(turn.id))

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

    def _end_of_sound(self) -> None:
        if (sound := self._overheard or self._sound) is not None:
            if self._converter is not None:
                sound.push(self._converter.flush())
            sound.close()

    def _played_so_far(self, report: Playback) -> None:
        turn = self._turn
        if turn is None or report.turn != turn.id:
            return
        turn.playback.report(report.samples_played)
        if turn.playback.seconds_ago():
            # An estimate: the first report may come after several blocks were taken at once.
            turn.mark(
                Mark.FIRST_AUDIO_PLAYED,
                ago=turn.playback.seconds_ago(),
                after=Mark.FIRST_AUDIO_SENT,
            )

    def _played(self) -> None:
        turn = self._turn
        if turn is not None and turn.playback.started:
            turn.playback.finish()

    # -- to the satellite: the peer of its turns ----------------------------------------------

    async def listening(self, turn: Turn) -> None:
        """Say that sound is being listened to."""
        self._listening_since = asyncio.get_running_loop().time()
        self._told = Told()
        await self._tell(turn, with_turn(Transcribe(language=self._language).event(), turn.id))

    async def voice_started(self, turn: Turn) -> None:
        """Say that somebody speaks."""
        await self._tell(turn, VoiceStarted(timestamp=self._listened_ms()))

    async def voice_stopped(self, turn: Turn) -> None:
        """Say that they have finished; the satellite stops streaming."""
        self._want_no_more_sound()
        await self._tell(turn, VoiceStopped(timestamp=self._listened_ms()))

    async def partial(self, turn: Turn, text: str) -> None:
        """Tell what was said so far, as far as it will not change any more."""
        if piece := self._told.more(text, final=False):
            await self._tell(turn, with_turn(TranscriptChunk(text=piece).event(), turn.id))

    async def transcript(self, turn: Turn, text: str) -> None:
        """Tell what was said."""
        await self._tell(turn, Transcript(text=text, language=self._language))

    async def clause(self, turn: Turn, text: str) -> None:
        """Tell what the speech that comes next says."""
        await self._tell(turn, Synthesize(text=text))

    async def audio_start(self, turn: Turn, form: PcmFormat) -> None:
        """Begin the reply's speech."""
        self._want_no_more_sound()  # an apology may come while somebody still speaks
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
        self._want_no_more_sound()
        if not self._stock:
            await self._send(Flush(turn.id))
            return
        # An empty reply: any other end would make the sound of an error.
        start = AudioStart(rate=SPEECH.rate, width=SPEECH.width, channels=SPEECH.channels)
        await self._send(start)
        await self._send(AudioStop())

    async def failed(self, turn: Turn, code: str, text: str) -> None:
        """Say that this turn has no reply, and why."""
        self._want_no_more_sound()
        await self._send(with_turn(Error(text, code).event(), turn.id))

    def _want_no_more_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()

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
