"""`parlour-hub serve`: run the hub."""

import asyncio
import contextlib
import logging
import signal
import time

from hub.app import Hub
from hub.config import Settings
from hub.conversation.turn import Turn
from hub.engines.base import EngineUnavailable
from hub.engines.registry import llm_model, stt_model
from protocol.settings import ConfigError

_LOAD_TIMEOUT = 600.0
_LOOPBACK = ("tcp://127.", "tcp://localhost:", "tcp://[::1]:")


async def serve(settings: Settings, *, show: bool) -> int:
    """Run until SIGTERM or SIGINT; `show` prints each turn as it happens, with its text."""
    logging.basicConfig(
        force=True,
        level=settings.log.level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it logs each call
    hub = Hub(settings, _show if show else None)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    try:
        address = await hub.start()
    except OSError as exc:
        where = settings.link.listen
        raise ConfigError(f"link.listen: {where}: {exc} (is a hub running already?)") from exc
    if address.startswith("tcp://") and not address.startswith(_LOOPBACK):
        print("warning: anyone on this network can reach the hub; there is no pairing yet")
    print(f"listening for satellites on {address}", flush=True)
    print(f"loading {stt_model(settings)}, {llm_model(settings.llm)}, {settings.tts.engine} ...")
    try:
        announcing = asyncio.create_task(_announce(hub), name="announce ready")
        await stop.wait()  # for ever: until somebody stops the hub
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
        print("stopping", flush=True)
    finally:
        await hub.close()
    return 0


async def _announce(hub: Hub) -> None:
    began = time.monotonic()
    try:
        await hub.ready(_LOAD_TIMEOUT)
    except* EngineUnavailable as group:
        for error in group.exceptions:
            print(f"not ready: {error}", flush=True)
    else:
        print(f"ready after {time.monotonic() - began:.1f} s", flush=True)


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
