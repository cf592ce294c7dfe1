"""A role's engine with another one that stands in while it loads, has failed, or is too slow."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from hub.engines.base import Engine, EngineUnavailable, TextToSpeech
from hub.engines.supervisor import E, EngineState, Supervised

_KEEPS_UP = 0.9  # seconds of computing for one of speech: a tenth is left for what comes between
_FIRST_AUDIO = 1.0  # seconds that nobody should wait for a voice that could have begun at once


def always_fit(engine: Engine, in_use: int) -> str:
    """Say nothing against an engine."""
    return ""


class Backed(Supervised[E]):
    """The engine that is wanted, and one that works in its place meanwhile.

    Args:
        role: as `Supervised` has it.
        make: returns the one that is wanted, not loaded yet.
        stand_in: the other.
        warm: as `Supervised` has it.
        unfit: says why a loaded engine is not to be used, "" where it is; given the engine and how
            many use it already.
    """

    def __init__(
        self,
        role: str,
        make: Callable[[], Awaitable[E]],
        stand_in: Supervised[E],
        warm: Callable[[E], Awaitable[None]] | None = None,
        unfit: Callable[[E, int], str] = always_fit,
    ) -> None:
        super().__init__(role, make, warm)
        self.stand_in = stand_in
        self.stand_in.share_news(self)
        self._unfit = unfit

    @property
    def own(self) -> E | None:
        """The engine that is wanted, where it is loaded."""
        return super().current

    @property
    def unfit(self) -> str:
        """Why the engine that is wanted is not used though it is loaded; "" where it is."""
        return self._unfit(self.own, self.in_use) if self.own is not None else ""

    @property
    def idle(self) -> bool:
        """Whether nobody has either of them lent at the moment."""
        return super().idle and self.stand_in.idle

    @property
    def current(self) -> E | None:
        """Whichever works at the moment: a slow one is better than none."""
        own = self.own
        if own is not None and not self.unfit:
            return own
        return self.stand_in.current or own

    @property
    def loaded(self) -> tuple[E, ...]:
        """Those of both that are loaded."""
        return (*super().loaded, *self.stand_in.loaded)

    def has(self, engine: E) -> bool:
        """Tell whether this very engine, either of them, is loaded and not reported as failed."""
        return super().has(engine) or self.stand_in.has(engine)

    def other(self, engine: E) -> E | None:
        """Return one that works, other than this one; None where there is none."""
        both = (self.own, self.stand_in.current)
        return next((one for one in both if one is not None and one is not engine), None)

    def fit(self, engine: E) -> bool:
        """Tell whether a loaded engine, either of them, is one to turn to."""
        return engine is not self.own or not self.unfit

    def start(self) -> None:
        """Begin to load both; returns at once."""
        super().start()
        self.stand_in.start()

    async def get(self, *, timeout: float) -> E:
        """Return whichever works, waiting at most `timeout` seconds while both load.

        Raises:
            EngineUnavailable: both failed, or neither becomes ready in time; the reason is that of
                the one that is wanted.
        """
        try:
            async with asyncio.timeout(timeout):
                while (engine := self.current) is None:
                    if self.state is self.stand_in.state is EngineState.FAILED:
                        raise EngineUnavailable(f"{self.reason}; instead: {self.stand_in.reason}")
                    await self.news()
        except TimeoutError:
            raise EngineUnavailable(f"{self.role} is still loading") from None
        return engine

    def failed(self, engine: E, error: BaseException) -> None:
        """Take a report that `engine`, either of them, raised or hung."""
        super().failed(engine, error)
        self.stand_in.failed(engine, error)

    @contextmanager
    def using(self, engine: E) -> Iterator[None]:
        """Count that `engine`, either of them, is used; see `Supervised`."""
        with super().using(engine) if super().has(engine) else self.stand_in.using(engine):
            yield

    def renew(self) -> None:
        """Load both anew."""
        super().renew()
        self.stand_in.renew()

    async def close(self) -> None:
        """Free both."""
        await asyncio.gather(super().close(), self.stand_in.close())


def too_slow(voice: TextToSpeech, in_use: int) -> str:
    """Say why a voice does not keep up with speech; "" where it does, or nobody knows.

    Args:
        voice: a loaded one.
        in_use: how many replies it speaks already.
    """
    if (speed := voice.speed) is None:
        return ""
    if (factor := speed.real_time_factor) > _KEEPS_UP:
        return f"too slow on this machine: {factor:.1f} s for each second of speech"
    if speed.first_audio > _FIRST_AUDIO:
        return f"too slow on this machine: {speed.first_audio:.1f} s to its first sound"
    if in_use and factor * (in_use + 1) > _KEEPS_UP:
        return f"it speaks {in_use} other replies, and does not keep up with one more"
    return ""
