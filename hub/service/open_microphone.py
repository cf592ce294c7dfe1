"""Somebody begins to speak, in what a microphone hears that is open all the time."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from hub.conversation.patience import activity_of, where
from hub.conversation.peer import PeerGone
from hub.engines.base import VAD_FRAME_BYTES, EngineError, VoiceActivity
from hub.engines.supervisor import Supervised
from hub.engines.thread import client
from hub.service.request import LOADING_PATIENCE
from protocol.audio import SPEECH
from protocol.connection import ConnectionClosed, ProtocolError

_LOGGER = logging.getLogger(__name__)

BEFORE_TURN = 0.65  # seconds before the detection: what it takes, and 0.4 s before the first word
BEFORE_RULING = 0.8  # as a satellite sends, which hears by itself that somebody speaks over a reply
_KEPT = SPEECH.bytes_for(2.0)  # of what was heard
_MOST_WAITING = SPEECH.bytes_for(1.0)  # that was not listened to yet; older sound is skipped
# As a satellite's (`satellite/voice_activity.py`, which says what was measured): 0.2 s of speech.
_VOICED = 0.6
_WINDOW = 8  # frames of 32 ms
_LEAST = 6  # voiced ones among them
_FIRST_RETRY = 1.0  # seconds, after the model has failed
_LONGEST_RETRY = 30.0

Speaks = Callable[[], Awaitable[None]]
"""Told that somebody speaks. It calls `take`, and from then on pushes sound elsewhere or with
`listen=False`. It may raise what a connection does when the peer has gone."""


class OpenMicrophone:
    """Listens to one room.

    Args:
        vad: tells speech.
        room: its name.
        speaks: told that somebody has been speaking for 0.2 s.
    """

    def __init__(self, vad: Supervised[VoiceActivity], room: str, speaks: Speaks) -> None:
        self._vad = vad
        self._room = room
        self._speaks = speaks
        self._sound = bytearray()  # the newest
        self._waiting = 0  # bytes at its end that are to be listened to
        self._fresh = True  # what comes does not follow on from what was listened to
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def push(self, pcm: bytes, *, listen: bool) -> None:
        """Take sound, 16 kHz mono 16-bit.

        Args:
            pcm: the sound.
            listen: whether it matters that somebody speaks in it; otherwise it is only kept.
        """
        self._sound += pcm
        del self._sound[: max(0, len(self._sound) - _KEPT)]
        if not listen:
            self._waiting, self._fresh = 0, True
            return
        # Where the model lags, old sound is skipped: nobody waits for what they said then.
        self._waiting = min(self._waiting + len(pcm), _MOST_WAITING, len(self._sound))
        self._came.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"open microphone {self._room}")

    def take(self, seconds: float) -> bytes:
        """Return the last `seconds` that were heard, and forget all."""
        pcm = bytes(self._sound[-SPEECH.bytes_for(seconds) :])
        self._sound.clear()
        self._waiting, self._fresh = 0, True
        return pcm

    async def stop(self) -> None:
        """Listen no more, until more is pushed."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        """Listen until stopped; a model that fails is tried again."""
        client.set(self._room)
        delay = _FIRST_RETRY
        try:
            while True:
                try:
                    await self._until_speech()
                    await self._speaks()
                    delay = _FIRST_RETRY
                except EngineError as exc:
                    _LOGGER.warning("%s: no speech can be heard: %s; trying again", self._room, exc)
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, _LONGEST_RETRY)
        except (ConnectionClosed, ProtocolError, PeerGone) as exc:
            _LOGGER.debug("%s: %s", self._room, exc)  # whoever reads it sees it, too
        except Exception as exc:  # a bug; the connection goes on
            _LOGGER.error("%s: open microphone: %s", self._room, where(exc))

    async def _until_speech(self) -> None:
        """Return when somebody has been speaking for a little while."""
        voiced: deque[bool] = deque(maxlen=_WINDOW)
        self._fresh = True
        while True:
            self._came.clear()
            if self._fresh:
                voiced.clear()
                self._fresh = False
                activity = await activity_of(self._vad, timeout=LOADING_PATIENCE)
            if self._waiting < VAD_FRAME_BYTES:
                await self._came.wait()  # no time-out: the connection has one
                continue
            begin = len(self._sound) - self._waiting
            frame = bytes(self._sound[begin : begin + VAD_FRAME_BYTES])
            self._waiting -= VAD_FRAME_BYTES
            voiced.append(await activity.probability(frame) >= _VOICED)
            if not self._fresh and voiced[-1] and sum(voiced) >= _LEAST:
                return
