"""Asks an engine without trusting it: whatever it raises, and a silence, become an EngineError.

The engines watch over hangs themselves; this is for one that does not, and for a person, who does
not wait as long as an engine may.
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from hub.engines.base import EndOfTurn, EngineError, VoiceActivity, VoiceActivityStream
from hub.engines.supervisor import Supervised

PATIENCE = 20.0  # seconds; with an apology after it, still within a satellite's own 30 s
_FRAME_PATIENCE = 5.0  # for one frame of voice activity
_FINISHED_PATIENCE = 2.0  # for the end-of-turn model
_STOPPING = 5.0  # seconds; llama.cpp stops within one step of a batch

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class NoAnswer(EngineError):
    """An engine said nothing for too long: it hangs, or it is too slow."""


class _Pieces(Protocol[T_co]):
    def __aiter__(self) -> AsyncIterator[T_co]: ...

    async def aclose(self) -> None: ...


async def answer_of(work: Awaitable[T], engine: str, *, timeout: float = PATIENCE) -> T:
    """Return what `work` returns.

    Args:
        work: one call of an engine.
        engine: what to call it in errors.
        timeout: the longest wait, in seconds.

    Raises:
        NoAnswer: nothing came in time.
        EngineError: the engine failed, however it said so.
    """
    try:
        async with asyncio.timeout(timeout) as clock:
            return await work
    except EngineError:
        raise
    except Exception as exc:  # a model library raises what it likes
        if isinstance(exc, TimeoutError) and clock.expired():
            raise NoAnswer(f"{engine}: no answer for {timeout:g} s") from None
        raise EngineError(f"{engine}: {where(exc)}") from exc


async def pieces_of(
    pieces: _Pieces[T], engine: str, *, timeout: float = PATIENCE, first: float = PATIENCE
) -> AsyncGenerator[T]:
    """Yield what an engine makes piece by piece, and stop the engine at the end.

    What the caller does between two pieces takes nobody's patience.

    Args:
        pieces: what it makes.
        engine: what to call it in errors.
        timeout: the longest wait for a piece, in seconds.
        first: the longest wait for the first one, in seconds.

    Raises:
        NoAnswer: no piece came in time, though the engine stopped when it was told to.
        EngineError: the engine failed, or does not stop.
    """
    end = object()
    iterator = aiter(pieces)
    try:
        wait = min(first, timeout)
        while (piece := await answer_of(anext(iterator, end), engine, timeout=wait)) is not end:
            wait = timeout
            yield piece  # type: ignore[misc]  # mypy does not narrow by a sentinel object
    finally:
        try:
            await answer_of(pieces.aclose(), engine, timeout=_STOPPING)
        except NoAnswer:
            raise EngineError(f"{engine}: does not stop; it hangs") from None


async def activity_of(vad: Supervised[VoiceActivity], *, timeout: float) -> VoiceActivityStream:
    """Return a fresh voice activity stream, whose every answer is waited for with patience.

    Where it fails, its supervisor is told.

    Args:
        vad: the engine.
        timeout: the longest wait for it, in seconds, while it loads.

    Raises:
        EngineUnavailable: it failed, or does not become ready in time.
    """
    return _PatientActivity(vad, await vad.get(timeout=timeout))


class _PatientActivity:
    def __init__(self, vad: Supervised[VoiceActivity], engine: VoiceActivity) -> None:
        self._vad = vad
        self._engine = engine
        self._activity = engine.stream()

    async def probability(self, frame: bytes) -> float:
        work = self._activity.probability(frame)
        try:
            return await answer_of(work, "vad", timeout=_FRAME_PATIENCE)
        except EngineError as exc:
            self._vad.failed(self._engine, exc)
            raise


def finished_of(
    turn: Supervised[EndOfTurn] | None,
) -> Callable[[bytes], Awaitable[float | None]] | None:
    """Return what asks the end-of-turn model, as `Endpointer` has it; None where it is not there.

    It answers None where the model cannot say, and its supervisor knows.
    """
    if turn is None or turn.current is None:
        return None

    async def finished(pcm: bytes) -> float | None:
        engine = turn.current
        if engine is None:
            return None
        try:
            return await answer_of(engine.probability(pcm), "turn", timeout=_FINISHED_PATIENCE)
        except EngineError as exc:
            turn.failed(engine, exc)
            return None

    return finished


def where(exc: BaseException) -> str:
    """Say what was raised and where, without its message: that may quote what somebody said."""
    frames = traceback.extract_tb(exc.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-4:]))
    return f"{type(exc).__name__} at {places}" if places else type(exc).__name__
