"""Plays a recording to the hub's own `Endpointer`, on a clock that runs with the sound.

Models compute for as long as they like while the clock stands still; how long that takes on some
machine is an assumption of the replay (`Delays`). So the outcome does not depend on this one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pauses import Said

from hub.config import TurnSettings
from hub.conversation.endpoint import (
    Endpointer,
    EndReason,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    Utterance,
)
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS

Ask = Callable[[bytes], Awaitable[Any]]


@dataclass(frozen=True)
class Delays:
    """Seconds from asking a model to its answer."""

    turn: float = 0.07  # Smart Turn: 0.05 s of one core
    words: float = 0.2  # speech-to-text of a command: see the part "stt"


@dataclass(frozen=True)
class End:
    """An end that was decided on; times in seconds of sound.

    `resumed` is when it turned out that they go on.
    """

    at: float
    speech_end: float
    resumed: float | None = None

    def cut_off(self, ready: float) -> bool:
        """Say whether the answer came before they went on.

        Args:
            ready: seconds after the last word at which the answer's first sound is there.
        """
        return self.resumed is not None and max(self.at, self.speech_end + ready) < self.resumed


@dataclass
class _Clock:
    now: float = 0.0
    computing: int = 0
    _waiting: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)

    @contextmanager
    def held(self) -> Iterator[None]:
        self.computing += 1
        try:
            yield
        finally:
            self.computing -= 1

    async def until(self, moment: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((moment, future))
        await future  # no time-out: the sound ends, and whoever waits is cancelled

    async def advance(self, seconds: float) -> None:
        await _let_others_run()
        while self.computing:
            await asyncio.sleep(0.001)
        self.now += seconds
        due = [future for moment, future in self._waiting if moment <= self.now]
        self._waiting = [(m, future) for m, future in self._waiting if m > self.now]
        for future in due:
            if not future.done():
                future.set_result(None)
        await _let_others_run()


async def _let_others_run() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


class _Recorded:
    """Voice activity that was computed before."""

    def __init__(self, activity: tuple[float, ...]) -> None:
        self._activity = iter(activity)

    async def probability(self, frame: bytes) -> float:
        return next(self._activity)


def remembered(ask: Ask) -> Ask:
    """Return `ask` with a memory: the same sound is computed once."""
    known: dict[bytes, Any] = {}

    async def answer(pcm: bytes) -> Any:
        key = hashlib.sha256(pcm).digest()
        if key not in known:
            known[key] = await ask(pcm)
        return known[key]

    return answer


async def replay(
    said: Said,
    settings: TurnSettings,
    *,
    turn: Ask | None = None,
    words: Ask | None = None,
    delays: Delays = Delays(),
) -> list[End]:
    """Return the ends that were decided on while `said` was played; the last one is the true one.

    Args:
        said: what to play.
        settings: of the endpointer.
        turn: returns P(finished) of sound; without it a fixed silence ends.
        words: returns the transcript of sound.
        delays: how long these take.
    """
    clock = _Clock()

    async def finished(pcm: bytes) -> float:
        assert turn is not None
        asked = clock.now
        with clock.held():
            probability: float = await turn(pcm)
        await clock.until(asked + delays.turn)
        return probability

    async def understand(utterance: Utterance) -> None:
        assert words is not None
        asked = clock.now
        with clock.held():
            text = await words(utterance.pcm)
        await clock.until(asked + delays.words)
        endpointer.transcribed(utterance, text)

    async def sound() -> AsyncIterator[bytes]:
        for at in range(0, len(said.activity) * VAD_FRAME_BYTES, VAD_FRAME_BYTES):
            await clock.advance(VAD_FRAME_SECONDS)
            yield said.pcm[at : at + VAD_FRAME_BYTES]

    endpointer = Endpointer(
        _Recorded(said.activity),
        settings,
        wake_word=False,
        finished=finished if turn is not None else None,
    )
    ends: list[End] = []
    understanding: asyncio.Task[None] | None = None
    try:
        async with aclosing(endpointer.listen(sound())) as events:
            async for event in events:
                if isinstance(event, SpeechPaused) and words is not None:
                    understanding = asyncio.create_task(understand(event.utterance))
                elif isinstance(event, SpeechResumed):
                    if understanding is not None:
                        understanding.cancel()
                    if ends and ends[-1].resumed is None:
                        ends[-1] = replace(ends[-1], resumed=clock.now)
                elif isinstance(event, SpeechEnded) and event.reason is EndReason.SILENCE:
                    ends.append(End(clock.now, event.utterance.speech_end))
    finally:
        if understanding is not None:
            understanding.cancel()
            await asyncio.gather(understanding, return_exceptions=True)
    return ends
