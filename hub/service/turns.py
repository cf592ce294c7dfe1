"""The turns of one connected satellite: begun, spoken over, stopped."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from hub.config import Settings
from hub.conversation.announcing import Announcement
from hub.conversation.interruption import Judge, Overheard, Ruling, is_stop
from hub.conversation.patience import where
from hub.conversation.room import Room
from hub.conversation.turn import Mark, Outcome, Turn
from hub.service.connections import EventConnection
from hub.service.turn_peer import TurnPeer
from hub.service.turn_sound import TurnSound
from protocol.connection import ConnectionClosed, ProtocolError
from protocol.extensions import Flush, Hold, Playback, Resume

_LOGGER = logging.getLogger(__name__)

_MOST_FALSE_ALARMS = 3  # in one reply; then the room is too loud, and only other ways interrupt it


class Turns:
    """One satellite's turns, one at a time.

    Args:
        connection: to the satellite.
        room: its room.
        settings: the hub's.
        judge: says whether speech over a reply interrupts it.
        stock: it is no Parlour satellite, and knows nothing of `protocol.extensions`.
    """

    def __init__(
        self,
        connection: EventConnection,
        room: Room,
        settings: Settings,
        judge: Judge,
        *,
        stock: bool = False,
    ) -> None:
        self._connection = connection
        self._room = room
        self._settings = settings
        self._judge = judge
        self._peer = TurnPeer(connection, settings, self._want_no_more_sound, stock=stock)
        self._turn: Turn | None = None  # the last one
        self._sound: TurnSound | None = None  # of it
        self._overheard: TurnSound | None = None  # what is said over a reply, until it is judged
        self._judging: asyncio.Task[None] | None = None
        self._false_alarms = 0  # in the reply that plays
        self._beginning = asyncio.Lock()  # a tap and a wake word may come at once
        self.phrases: Mapping[str, str] = {}
        """How the satellite's wake words are spoken, by name."""

    @property
    def under_way(self) -> Turn | None:
        """The turn that goes on at the moment, if one does."""
        return None if self._turn is None or self._turn.ended else self._turn

    @property
    def judging(self) -> bool:
        """Whether what is said over a reply is being judged."""
        return self._overheard is not None

    @property
    def interruptible(self) -> bool:
        """Whether speech would interrupt the turn that goes on; too many false alarms forbid it."""
        return self.under_way is not None and self._false_alarms < _MOST_FALSE_ALARMS

    def push(self, pcm: bytes) -> bool:
        """Take what the microphone hears, 16 kHz mono 16-bit; False where no turn wants it."""
        if self._overheard is not None:
            self._overheard.push(pcm)
        elif self._sound is not None and not self._sound.closed:
            self._sound.push(pcm)
        else:
            return False
        return True

    def end_of_sound(self, rest: bytes = b"") -> None:
        """Take the last sound: `rest`, and no more."""
        if (sound := self._overheard or self._sound) is not None:
            sound.push(rest)
            sound.close()

    async def begin(
        self,
        phrase: str | None,
        *,
        before: Callable[[], bytes] | None = None,
        push_to_talk: bool = False,
    ) -> None:
        """Begin a turn with the sound that comes from now on; one that goes on is interrupted.

        Args:
            phrase: what woke the satellite, "" where that is not known; None if nothing did.
            before: returns sound that comes first.
            push_to_talk: whether only the end of the sound says that they have finished.
        """
        async with self._beginning:
            await self._stop_before()
            self._sound = sound = TurnSound()
            if before is not None:
                sound.push(before())
            turn = await self._room.begin(self._peer, sound, phrase, push_to_talk=push_to_talk)
            self._is_now(turn)

    async def ask(self, text: str) -> None:
        """Begin a turn about what was typed; one that goes on is interrupted."""
        async with self._beginning:
            await self._stop_before()
            self._want_no_more_sound()
            self._is_now(await self._room.ask(text, self._peer))

    async def announce(self, announcement: Announcement) -> Turn | None:
        """Play an announcement, and return its turn, which is over; None while another goes on."""
        return await self._room.announce(announcement, self._peer, self._is_now)

    async def interrupted(self, turn_id: str, *, stop: bool) -> None:
        """Somebody speaks over a reply, which the satellite has paused; it asks whether to go on.

        Args:
            turn_id: the turn's.
            stop: it is known already that they want silence.
        """
        await self._judge_no_more()
        turn = self.under_way
        if turn is None or turn.id != turn_id:
            # It has all of the reply that there is.
            if not stop:
                await self._connection.write(Resume(turn_id))
        elif stop:
            await self._stop(turn)
        else:
            self._judge_over(turn)

    async def speaks_over(self, before: Callable[[], bytes]) -> None:
        """Somebody speaks while a turn goes on, as the hub has heard: hold the reply, and judge.

        `before` returns what they have said so far.
        """
        async with self._beginning:
            await self._judge_no_more()
            if (turn := self.under_way) is not None:
                await self._connection.write(Hold(turn.id))
                self._judge_over(turn, before())

    async def hear_no_more(self) -> None:
        """Drop what somebody is saying: the microphone is off. A reply goes on."""
        if self._judging is not None and not self._judging.done():
            await self._judge_no_more()  # also where it is about to begin a turn of what they said
            if (turn := self.under_way) is not None:
                await self._connection.write(Resume(turn.id))
        elif self.under_way is not None and self._sound is not None and not self._sound.closed:
            self._want_no_more_sound()
            await self._room.stop(Outcome.INTERRUPTED)

    async def stop(self) -> None:
        """Stop the turn that goes on, and say nothing else."""
        async with self._beginning:
            await self._judge_no_more()
            if (turn := self.under_way) is not None:
                await self._stop(turn)

    def played_so_far(self, report: Playback) -> None:
        """Take a report of how much of a reply was played."""
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

    def played(self) -> None:
        """All of the reply was played."""
        turn = self._turn
        if turn is not None and turn.playback.started:
            turn.playback.finish()

    async def close(self) -> None:
        """End the turn that goes on: the satellite has gone."""
        await self._judge_no_more()
        if self._turn is not None and self._room.turn is self._turn:
            await self._room.stop(Outcome.GONE)

    def _is_now(self, turn: Turn) -> None:
        """Take reports and interruptions for those of `turn` from now on."""
        self._turn, self._false_alarms = turn, 0

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

    async def _stop(self, turn: Turn) -> None:
        """Stop a turn, and say nothing else."""
        self._want_no_more_sound()
        turn.cancel(Outcome.INTERRUPTED)  # its room sees it out, however long that takes
        await self._connection.write(Flush(turn.id))

    def _judge_over(self, turn: Turn, before: bytes = b"") -> None:
        """Judge what is said over the reply of `turn`: `before`, and what comes from now on."""
        self._overheard = TurnSound()
        self._overheard.push(before)
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
            language = self._settings.language
            phrases = [phrase for phrase in self.phrases.values() if not is_stop(phrase, language)]
            ruling = await self._judge.rule(self._room.name, overheard, turn.playback, phrases)
            self._overheard = None
            _LOGGER.info("turn %s: spoken over: %s", turn.id, ruling.value)
            if ruling is Ruling.LISTEN:
                turn.cancel(Outcome.INTERRUPTED)
                self._sound = sound
                await self._connection.write(Flush(turn.id, listen=True))
                phrase = phrases[0] if phrases else None  # it may come before their question
                self._is_now(await self._room.begin(self._peer, overheard.again(), phrase))
            elif ruling is Ruling.STOP:
                await self._stop(turn)
            else:
                self._false_alarms += 1
                await self._connection.write(Resume(turn.id))
        except (ConnectionClosed, ProtocolError) as exc:
            _LOGGER.debug("turn %s: %s", turn.id, exc)  # whoever reads it sees it, too
        except Exception as exc:  # a bug; the satellite goes on by itself
            _LOGGER.error("turn %s: spoken over: %s", turn.id, where(exc))

    def _want_no_more_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
