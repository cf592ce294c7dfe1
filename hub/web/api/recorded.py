"""A recorded question, answered as a satellite's would be."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec
from aiohttp import web

from hub.conversation.room import Room
from hub.conversation.turn import Outcome, Turn
from hub.live.state import TurnView
from hub.live.turn_view import view_of
from hub.web.api.asking import RoomName
from hub.web.api.conversations import Conversations
from hub.web.api.sound import TAG
from hub.web.errors import ApiError, Later
from hub.web.openapi import JSON, Call, Content, Endpoint, served
from hub.web.parts import Parts
from hub.web.sound_decoding import BadSound, decoded
from hub.web.sound_encoding import Encoder
from hub.web.steps import ENGINE_PROBLEMS
from hub.web.streams import streamed
from hub.web.uploads import SOUND, UPLOAD_PROBLEMS, Upload, received
from protocol.audio import PcmFormat

_WAVE = "audio/wav"
_AHEAD = 16  # pieces of the reply that wait to be sent


class TurnQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is asked.

    Args:
        room: names a conversation, which remembers what was said in it before; without one, this
            question stands alone.
    """

    room: RoomName | None = None


class RecordedTurn(msgspec.Struct, frozen=True):
    """What came of a recorded question.

    Args:
        turn: all of it: what was said, the reply, where the time went. The reply's sound is at
            /api/turns/{id}/reply.wav for a while.
    """

    turn: TurnView


def routes(parts: Parts, conversations: Conversations) -> list[web.RouteDef]:
    """Return what serves recorded questions."""
    return [
        served(
            Endpoint(
                "POST",
                "/api/turn",
                "A recorded question to a spoken answer",
                _Recorded(parts, conversations).turn,
                query=TurnQuery,
                body=SOUND,
                answer=[Content(JSON, RecordedTurn), Content(_WAVE)],
                errors={
                    **UPLOAD_PROBLEMS,
                    400: (*UPLOAD_PROBLEMS[400], "bad-room"),
                    422: ("no-reply",),
                    503: ENGINE_PROBLEMS,
                },
                tag=TAG,
                description="With `Accept: audio/wav` the answer is the spoken reply itself, sent "
                "as it is made; where nothing was said, or nothing to be answered, a 422.",
            )
        )
    ]


class _Recorded:
    def __init__(self, parts: Parts, conversations: Conversations) -> None:
        self._parts = parts
        self._conversations = conversations

    async def turn(self, call: Call) -> RecordedTurn | web.StreamResponse:
        request = call.request
        async with received(request, self._parts) as upload:
            with self._parts.steps.place():
                async with self._conversations.open(call.query.room) as room:
                    if _WAVE in request.headers.get("Accept", ""):
                        return await streamed(request, _WAVE, _spoken(room, upload))
                    turn = await _answered(room, upload)
        if turn.outcome is Outcome.FAILED:
            raise Later("engine-failed", "the hub could not answer; its log says why")
        return RecordedTurn(self._parts.live.turn(turn.id) or _view_of(self._parts, turn))


class _Listener:
    """A turn's peer that takes the reply's sound, as fast as it is made.

    Args:
        wanted: whether somebody reads `sound`.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.form: PcmFormat | None = None
        self.sound: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)  # None: no more
        self.problem = ""  # why there is no reply
        self._wanted = wanted

    async def listening(self, turn: Turn) -> None:
        """Nobody waits for that."""

    async def voice_started(self, turn: Turn) -> None:
        """Nobody waits for that."""

    async def voice_stopped(self, turn: Turn) -> None:
        """Nobody waits for that."""

    async def partial(self, turn: Turn, text: str) -> None:
        """Nobody waits for that."""

    async def transcript(self, turn: Turn, text: str) -> None:
        """It is in the turn."""

    async def clause(self, turn: Turn, text: str) -> None:
        """It is in the turn."""

    async def audio_start(self, turn: Turn, form: PcmFormat) -> None:
        """Take the format."""
        self.form = form

    async def audio(self, turn: Turn, pcm: bytes) -> None:
        """Take some sound."""
        if self._wanted:
            await self.sound.put(pcm)  # no time-out: who reads it stops the turn when it goes

    async def audio_stop(self, turn: Turn) -> None:
        """Count all of it as heard: whoever sends recordings plays the answer when they like."""
        turn.playback.finish()

    async def stopped(self, turn: Turn) -> None:
        """Say why there is no reply."""
        self.problem = "what was said wants no answer"

    async def failed(self, turn: Turn, code: str, text: str) -> None:
        """Say why there is no reply."""
        self.problem = text


async def _answered(room: Room, upload: Upload) -> Turn:
    """Return the turn that a recording makes; it is over."""
    async with _begun(room, upload, _Listener(wanted=False)) as turn:
        await room.quiet()  # a turn has its own time-out
    return turn


async def _spoken(room: Room, upload: Upload) -> AsyncGenerator[bytes]:
    """Yield the wave file of the reply to a recording."""
    listener, encoder = _Listener(wanted=True), None
    async with _begun(room, upload, listener) as turn:
        over = asyncio.create_task(_tell_the_end(room, listener), name=f"end of {turn.id}")
        try:
            while (pcm := await listener.sound.get()) is not None:
                assert listener.form is not None  # it comes before any sound
                encoder = encoder or Encoder("wav", listener.form)
                if data := encoder.push(pcm):
                    yield data
            if encoder is not None:
                yield encoder.flush()
            elif turn.outcome is Outcome.FAILED:
                raise Later("engine-failed", "the hub could not answer; its log says why")
            else:
                raise ApiError(422, "no-reply", listener.problem or "there is no reply")
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)


async def _tell_the_end(room: Room, listener: _Listener) -> None:
    await room.quiet()
    await listener.sound.put(None)


@asynccontextmanager
async def _begun(room: Room, upload: Upload, listener: _Listener) -> AsyncIterator[Turn]:
    """Begin the turn that a recording makes; leaving stops it, if it is not over."""
    async with aclosing(_sound_of(upload)) as sound:
        turn = await room.begin(listener, await _all_of(sound), push_to_talk=True)
        try:
            yield turn
        finally:
            await room.stop(Outcome.GONE)


async def _sound_of(upload: Upload) -> AsyncGenerator[bytes]:
    """Yield the recording; what is broken in the middle of it is its end."""
    heard = False
    async with aclosing(decoded(upload.file)) as pieces:
        try:
            async for pcm in pieces:
                heard = True
                yield pcm
        except BadSound as exc:
            if not heard:
                raise ApiError(400, "bad-sound", str(exc)) from None


async def _all_of(sound: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Return the sound when its first piece is there, so that no turn begins without any."""
    first = await anext(sound, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for pcm in sound:
            yield pcm

    return whole()


def _view_of(parts: Parts, turn: Turn) -> TurnView:
    """Return a turn that is over, where so many came after it that it is no longer shown live."""
    sound = parts.recordings.of(turn.id)
    return view_of(turn, partial="", reply=[], problem="", sound=sound)
