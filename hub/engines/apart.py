"""Engines in processes of their own (`hub.engines.serve`), started, watched and stopped."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from hub.config import Settings
from hub.engines.base import EngineError, EngineUnavailable
from hub.engines.choices import EngineSpec, spec_of, stt_languages
from hub.engines.process import EngineProcess
from hub.engines.remote.wyoming import Client
from hub.engines.remote.wyoming_stt import WyomingStt
from hub.engines.remote.wyoming_tts import WyomingTts


class _Apart(Client):
    """What a client does with a process that it has to itself."""

    _process: EngineProcess

    def _name(self, name: str) -> None:
        self.name = name
        self._remote.where = f"{name}'s process"  # people know of no socket

    async def load(self) -> None:
        """Start the process, wait until its engine is loaded, connect.

        Raises:
            EngineUnavailable: something is missing; says what to do.
            EngineError: the process ended, or takes too long.
        """
        name = self.name
        await self._process.start()
        await super().load()
        self.name = name  # the engine's, and not the socket's

    async def close(self) -> None:
        """End the connections and the process."""
        try:
            await super().close()
        finally:
            await self._process.close()

    async def lost(self) -> EngineError:
        """Wait until the process has ended or hangs, or answers no more; say why."""
        return await _first(self._process.lost, super().lost)


class SttProcess(_Apart, WyomingStt):
    """The configured speech-to-text engine in a process of its own.

    Args:
        settings: the hub's.

    Raises:
        EngineUnavailable: its environment is missing; says what to do.
    """

    def __init__(self, settings: Settings) -> None:
        spec = spec_of("stt", settings.stt.engine)
        self._process = EngineProcess("stt", settings, python_of(spec, None))
        WyomingStt.__init__(self, self._process.uri, None, stt_languages(settings))
        self._name(spec.name)


class TtsProcess(_Apart, WyomingTts):
    """The configured voice in a process of its own.

    Args:
        settings: the hub's.

    Raises:
        EngineUnavailable: its environment is missing; says what to do.
    """

    def __init__(self, settings: Settings) -> None:
        spec = spec_of("tts", settings.tts.engine)
        self._process = EngineProcess("tts", settings, python_of(spec, settings.tts.environment))
        WyomingTts.__init__(self, self._process.uri, settings.tts.voice, settings.language)
        self._name(spec.name)


def python_of(spec: EngineSpec, environment: str | None) -> Path:
    """Return the interpreter that an engine's process runs on.

    Args:
        spec: the engine.
        environment: the folder of its environment, as the settings have it; None for the one that
            `make` builds beside the hub's, or the hub's own where it needs no other.

    Raises:
        EngineUnavailable: the environment is missing; says what to do.
    """
    if not spec.environment and environment is None:
        return Path(sys.executable)
    folder = Path(environment or f"{sys.prefix}-{spec.environment}").expanduser()
    python = folder / "bin" / "python"
    if python.exists():
        return python
    if environment is not None:
        raise EngineUnavailable(f"tts.environment: no Python in {folder}")
    name = spec.environment
    how = f"make {name}"
    if folder.name != f".venv-{name}":  # of a hub that is installed, and not of a checkout
        how = f"PARLOUR=. deploy/{name}.sh {folder} (in Parlour's checkout)"
    raise EngineUnavailable(f"{spec.name}: its environment is missing, {folder}; run: {how}")


async def _first(*waits: Callable[[], Awaitable[EngineError]]) -> EngineError:
    """Return what the first of them does."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        # No time-out: an engine may last for ever.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
