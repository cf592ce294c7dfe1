"""`parlour-hub serve`: run the hub."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from hub.app import Hub
from hub.certificate import load_certificate
from hub.config import Settings, state_folder
from hub.conversation.turn import Turn
from hub.engines.base import EngineUnavailable
from hub.engines.choices import is_elsewhere, llm_model, stt_model
from hub.web.listening import WebAddress
from protocol.discovery import manual_entry, reachable_at
from protocol.service_manager import configure_logging, notify, watched
from protocol.uri import Inet

_LOAD_TIMEOUT = 600.0  # seconds
_WAKE_TIMEOUT = 60.0
_LOOK = 2.0  # seconds; how often a hub that is not ready looks whether it is


async def serve(settings: Settings, *, show: bool) -> int:
    """Run until SIGTERM or SIGINT; `show` prints each turn as it happens, with its text."""
    configure_logging(
        settings.log.level.upper(),
        "%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it logs each call
    hub = Hub(settings, _show if show else None)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    # An address that is taken is no ConfigError: it may be free again a moment later.
    address = await hub.start()
    print(f"listening for satellites on {address}", flush=True)
    if hub.needs_pairing:
        print("no satellite is paired; for each one run: parlour-hub pair --room NAME", flush=True)
    if hub.service_address:
        print(f"listening for Wyoming clients on {hub.service_address}", flush=True)
        if entry := await asyncio.to_thread(manual_entry, hub.service_address):
            print(f"Home Assistant: {entry}", flush=True)
    if hub.web_address:
        for line in await asyncio.to_thread(_page, hub.web_address):
            print(line, flush=True)
    print(f"loading {', '.join(_chosen(settings))} ...", flush=True)
    notify("READY=1", f"STATUS=listening on {address}; loading models")
    try:
        announcing = asyncio.create_task(_announce(hub, address), name="announce ready")
        async with watched():
            await stop.wait()  # for ever: until somebody stops the hub
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
        print("stopping", flush=True)
        notify("STOPPING=1", "STATUS=stopping")
    finally:
        await hub.close()
    return 0


def _chosen(settings: Settings) -> tuple[str, str, str]:
    """Return what hears, thinks and speaks: a model, an engine, or another server's address."""
    stt, llm, tts = settings.stt.engine, settings.llm.engine, settings.tts.engine
    return (
        stt if is_elsewhere(stt) else stt_model(settings),
        llm if is_elsewhere(llm) else llm_model(settings.llm),
        tts,
    )


def _page(address: str) -> list[str]:
    """Return what to say of where the page is. Blocks."""
    where = WebAddress.read(address)
    if not where.secure:
        return [f"the page is at {address}"]
    # (Nothing speaks plain text there; it is how addresses are asked for.)
    first, *others = reachable_at(str(Inet(where.host, where.port))) or [where.host]
    page = replace(where, host=first)
    more = f" (or {', '.join(others)})" if others else ""
    pin = load_certificate(state_folder()).pin.hex(":").upper()
    return [
        f"the page is at {page} for whoever knows the password{more}",
        f"browsers warn of its certificate once; it is the hub's if its SHA-256 is {pin}",
    ]


async def _announce(hub: Hub, address: str) -> None:
    """Say what keeps the models from loading, and when they are loaded."""
    began = time.monotonic()
    async for problem in _problems(hub.ready, _LOAD_TIMEOUT):
        print(f"not ready: {problem}", flush=True)
        notify(f"STATUS=not ready: {problem}")
    print(f"ready after {time.monotonic() - began:.1f} s", flush=True)
    ready = f"STATUS=ready: listening on {address}; models loaded"
    notify(ready)
    # Satellites do without the hub's wake words, so it is ready without them.
    told = False
    async for problem in _problems(hub.wake_ready, _WAKE_TIMEOUT):
        told = True
        print(f"no wake words for clients: {problem}", flush=True)
        notify(f"{ready}; no wake words for clients: {problem}")
    if told:
        print("wake words are loaded", flush=True)
        notify(ready)


async def _problems(
    ready: Callable[[float], Awaitable[None]], timeout: float
) -> AsyncIterator[str]:
    """Yield what keeps something from being ready, each reason once, until it is."""
    told = ""
    while True:
        problem = ""
        try:
            await ready(timeout)
        except* EngineUnavailable as group:
            problem = "; ".join(map(str, group.exceptions))
        if not problem:
            return
        if problem != told:
            yield problem
            told = problem
        await asyncio.sleep(_LOOK)


_LABELS = {
    "listening": "listens",
    "transcript": "heard",
    "nothing-said": "heard nothing",
    "clause": "says",
    "sent": "speech sent",
    "failed": "failed",
    "ended": "turn ended",
}


def _show(turn: Turn, step: str, text: str) -> None:
    """Print one step of a turn: seconds since the wake word, room, what happens."""
    elapsed = turn.record.elapsed()
    with contextlib.suppress(BrokenPipeError):  # whoever watched has gone; the turn goes on
        label, words = _LABELS.get(step, step), " ".join(text.split())
        line = f"{label}: {words}" if words else label
        print(f"  {elapsed:6.2f} s  {turn.room}: {line}", flush=True)
        if step == "ended":
            for name, seconds in turn.record.stages():
                print(f"            {seconds:6.2f} s  {name}", flush=True)
            print(f"            {turn.record.total():6.2f} s  in all", flush=True)
