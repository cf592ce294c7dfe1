"""`parlour-engine`: any one engine as its own Wyoming process, in its own environment.

The hub starts it with settings on its standard input (`hub.engines.process`); people and service
managers start it with a hub.toml. It runs with the base install and its engine's own libraries. An
engine that fails ends the process: whoever watches over it starts a fresh one.
"""

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
from wyoming.event import Event

from hub.config import Settings, load_settings
from hub.conversation.patience import where
from hub.engines.base import Engine, EngineError, EngineUnavailable, SpeechToText, TextToSpeech
from hub.engines.choices import is_elsewhere, spec_of
from hub.engines.registry import make_stt_here, make_tts_here
from hub.engines.serve_info import stt_info, tts_info
from hub.engines.serve_session import Session
from hub.engines.thread import EngineThread
from protocol.access import allow_list
from protocol.connection import Connection, Limits
from protocol.service_manager import configure_logging, notify, watched
from protocol.settings import ConfigError
from protocol.transport import BadUri, serve
from protocol.uri import Inet, parse

_LOGGER = logging.getLogger("hub.engines.serve")  # __name__ may be "__main__"
_LISTEN = {"stt": "tcp://127.0.0.1:10300", "tts": "tcp://127.0.0.1:10200"}  # Wyoming's own ports
_MOST_PEERS = 128  # the hub makes a connection for each request
# A peer that is worked for may be silent (`Session`), and a reply that waits for its turn to be
# confirmed is not read meanwhile.
_LIMITS = Limits(idle_timeout=None, write_timeout=60.0)
_MOST_SETTINGS = 1 << 20  # bytes
_MAKE_TIMEOUT = 300.0  # seconds; it may hash a model's files
_CLOSE_TIMEOUT = 4.0  # seconds; `hub.engines.process` kills after 5
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Serving:
    """One engine, and the Wyoming server in front of it.

    Args:
        role: "stt" or "tts".
        settings: which engine.

    Raises:
        ConfigError: no such engine.
    """

    def __init__(self, role: str, settings: Settings) -> None:
        engine = getattr(settings, role).engine
        if is_elsewhere(engine):
            raise ConfigError(f"{role}.engine: {engine} is another server; name an engine")
        self.role = role
        self.settings = settings
        self.stt: SpeechToText | None = None
        self.tts: TextToSpeech | None = None
        self._spec = spec_of(role, engine)
        self._failure: asyncio.Future[EngineError] = asyncio.get_running_loop().create_future()
        self.info()  # so that what it lacks is known at once, and what it reads is read

    def info(self) -> Event:
        """Return the answer to `describe`."""
        if self.role == "stt":
            return stt_info(self.settings, self.stt)
        return tts_info(self.settings, self.tts)

    def failed(self, error: EngineError) -> None:
        """Take a report that the engine is to be given up: the process ends."""
        if not self._failure.done():
            self._failure.set_result(error)

    async def handle(self, connection: Connection) -> None:
        """Serve one connection."""
        await Session(connection, self).run()

    async def run(self, listen: str, allow: list[str], stop: asyncio.Event) -> None:
        """Listen at once, load meanwhile, serve until `stop` is set.

        Args:
            listen: where.
            allow: addresses that may connect from beyond this machine.
            stop: ends it.

        Raises:
            BadUri: `listen` is not supported.
            ConfigError: others could reach `listen`, and `allow` is empty or wrong.
            OSError: the address is taken or cannot be had.
            EngineError: the engine failed, or cannot be had.
        """
        address = parse(listen)
        if isinstance(address, Inet) and address.secure:
            raise BadUri(f"{listen}: plain text is spoken here; use tcp://, or unix:///PATH")
        admit = allow_list("--", listen, allow)
        server = await serve(
            listen, self.handle, limits=_LIMITS, max_connections=_MOST_PEERS, admit=admit
        )
        _LOGGER.info("listening on %s; loading %s", server.uri, self._spec.name)
        notify(f"STATUS=listening on {server.uri}; loading {self._spec.name}")
        loading = asyncio.create_task(self._load(), name="load")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            # No time-out: engines have their own, and the hub and systemd have one each.
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                engine = loading.result()
                note = f" ({engine.note})" if engine.note else ""
                ready = f"{self._spec.name} is ready on {engine.device}{note}"
                _LOGGER.info("%s", ready)
                notify("READY=1", f"STATUS={ready}; listening on {server.uri}")
                async with watched():
                    # For ever: until somebody stops it, or it fails.
                    ends: set[asyncio.Future[Any]] = {stopping, self._failure}
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if not stopping.done():
                    raise self._failure.result()
            notify("STOPPING=1", "STATUS=stopping")
        finally:
            for task in (loading, stopping):
                task.cancel()
            await asyncio.gather(loading, stopping, return_exceptions=True)
            await server.close()
            await self._close()

    async def _load(self) -> Engine:
        """Make the engine and load it.

        Raises:
            EngineError: it cannot be had; says what to do.
            ConfigError: what its settings ask for does not exist.
        """
        make = make_stt_here if self.role == "stt" else make_tts_here
        try:
            # (on a daemon thread: an import that takes long must not keep the process from ending)
            maker = EngineThread("make")
            engine: SpeechToText | TextToSpeech = await maker.run(
                lambda: make(self.settings), timeout=_MAKE_TIMEOUT
            )
            await maker.close()
            await engine.load()
        except (EngineError, ConfigError):
            raise
        except ImportError as exc:
            build = self._spec.environment or "setup"
            raise EngineUnavailable(f"{self._spec.name}: {exc}; run: make {build}") from exc
        except Exception as exc:  # a model library raises what it likes
            raise EngineError(f"{self._spec.name}: {exc} ({where(exc)})") from exc
        if self.role == "stt":
            self.stt = engine  # type: ignore[assignment]  # `make` is that of the role
        else:
            self.tts = engine  # type: ignore[assignment]
        return engine

    async def _close(self) -> None:
        engine: Engine | None = self.stt or self.tts
        if engine is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await engine.close()
        except Exception as exc:  # whatever it is, the process ends
            _LOGGER.warning("%s did not close in order: %s", self._spec.name, where(exc))


async def _run(arguments: argparse.Namespace, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    serving = Serving(arguments.role, settings)
    await serving.run(arguments.listen or _LISTEN[arguments.role], arguments.allow, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parlour-engine",
        description="One speech engine of Parlour as a Wyoming server of its own.",
    )
    parser.add_argument("role", choices=("stt", "tts"), help="which: speech-to-text, or the voice")
    parser.add_argument(
        "--listen",
        metavar="URI",
        help="tcp://HOST:PORT or unix:///PATH; default: "
        + ", ".join(f"{uri} for {role}" for role, uri in _LISTEN.items()),
    )
    parser.add_argument(
        "--allow",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="an address or a network that may use it from beyond this machine; may be repeated",
    )
    where_from = parser.add_mutually_exclusive_group()
    where_from.add_argument("--config", metavar="FILE", type=Path, help="settings (hub.toml)")
    where_from.add_argument(
        "--settings", choices=("-",), help="settings as JSON, from standard input; for the hub"
    )
    parser.add_argument(
        "--parent", metavar="PID", type=int, help="end when this process does, which has started it"
    )
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.settings is None:
        return load_settings(arguments.config)
    raw = sys.stdin.buffer.read(_MOST_SETTINGS + 1)
    try:
        values = msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"settings: standard input has no JSON object: {exc}") from exc
    return load_settings(None, values)


def _end_with(parent: int) -> None:
    """Be killed when the parent ends, however it does: the kernel sees to it, even in a hang.

    Raises:
        ConfigError: it is not (or no longer) the parent.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # Linux
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ConfigError(f"--parent: {parent} has not started this process, or has ended")


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; what goes wrong is one line on stderr that says what to do.

    Returns:
        0 stopped; 1 failed, and a fresh one may work; 2 wrong usage (argparse); 78 the settings are
        wrong, and no other try will help.
    """
    arguments = _parser().parse_args(argv)
    for_hub = arguments.parent is not None
    pattern = "%(levelname)s %(name)s: %(message)s"
    try:
        if for_hub:
            _end_with(arguments.parent)
        settings = _settings(arguments)
        configure_logging(
            settings.log.level.upper(),
            pattern if for_hub else f"%(asctime)s {pattern}",
            force=True,
        )
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it logs each call
        asyncio.run(_run(arguments, settings))
    except (ConfigError, BadUri) as exc:
        return _complain(exc, os.EX_CONFIG)
    except (EngineError, OSError) as exc:
        return _complain(exc, 1)
    return 0


def _complain(problem: Exception, code: int) -> int:
    print(f"parlour-engine: {problem}", file=sys.stderr)
    notify(f"STATUS={problem}")
    return code


def command() -> None:
    """Run `main` as a program."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: model libraries abort when the interpreter takes their threads down in mid-load.
    os._exit(code)


if __name__ == "__main__":
    command()
