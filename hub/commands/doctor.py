"""`parlour-hub doctor`: check that this machine can run the hub, and say what to do."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from typing import cast

from hub.certificate import load_certificate
from hub.commands.profile import told
from hub.config import Settings, state_folder, store_path
from hub.engines.base import Engine, EngineError, TextToSpeech
from hub.engines.choices import available_memory, default_models, llm_model, stand_in
from hub.engines.gpu import find_gpus
from hub.engines.registry import make_llm, make_stt, make_tts, make_turn, make_vad, make_wake
from hub.engines.stand_in import too_slow
from hub.home import home_assistant
from hub.models import fetch
from hub.models.catalogue import find_model
from hub.pairings import Pairings
from hub.service.admission import check_exposure
from hub.store import Store
from hub.web.credentials import Credentials
from hub.web.listening import WebAddress
from protocol.access import allow_list
from protocol.connection import ProtocolError
from protocol.settings import ConfigError
from protocol.transport import serve
from protocol.uri import Inet

_MIN_FREE_BYTES = 1 << 30
_LOAD_TIMEOUT = 300.0  # seconds for one engine; Parler reads 2 GB, and a server may be far
_MARKS = {True: "✓", False: "✗", None: "!"}

Outcome = tuple[bool | None, str]
"""Whether it is well, and what is to be said; None: it works, and not as it was meant to."""


async def doctor(settings: Settings) -> int:
    """Print one line for each check; 1 if something keeps the hub from working."""
    makers: list[tuple[str, Callable[[Settings], Engine], Settings]] = [
        ("voice activity", make_vad, settings)
    ]
    roles: list[tuple[str, str, Callable[[Settings], Engine]]] = [
        ("stt", "speech-to-text", make_stt),
        ("llm", "language model", make_llm),
        ("tts", "text-to-speech", make_tts),
    ]
    for role, name, make in roles:
        makers.append((name, make, settings))
        if (other := stand_in(role, settings)) is not None:
            makers.append((f"{name}, standing in", make, other))
    if settings.turn.model:
        makers.append(("end of turn", make_turn, settings))
    if settings.service.listen:  # else nobody can ask for them
        makers.append(("wake words", make_wake, settings))
    good = [
        _check("processor and memory", _machine(settings)),
        await _check_async("GPU", _gpu(settings)),
        _check("models", _models(settings)),
        await _check_async("record of turns", _store(settings)),
        await _check_async("satellite port", _port(settings)),
        await _check_async("service port", _service_port(settings)),
        await _check_async("page", _page(settings)),
        await _check_async("home assistant", home_assistant.check(settings)),
    ]
    for name, maker, those in makers:
        good.append(await _check_async(name, _engine(maker, those)))
    if False in good:
        print("something needs you: see the lines with ✗")
    elif None in good:
        print("all works, though not all as it was meant to: see the lines with !")
    else:
        print("all is well")
    return 1 if False in good else 0


def _check(name: str, outcome: Outcome) -> bool | None:
    good, text = outcome
    print(f"{_MARKS[good]} {name}: {text}", flush=True)
    return good


async def _check_async(name: str, outcome: Awaitable[Outcome]) -> bool | None:
    shown = sys.stdout.isatty()  # some take minutes: a checkpoint that is loaded, say
    if shown:
        print(f"  {name} ...", end="", flush=True)
    found = await outcome
    if shown:
        print("\r\033[K", end="")
    return _check(name, found)


async def _gpu(settings: Settings) -> Outcome:
    report = await find_gpus()
    # a machine without a GPU is as good as any; one that cannot use its own is not
    return None if report.problem and report.present else True, told(report, settings.language)


def _machine(settings: Settings) -> tuple[bool, str]:
    cores = len(os.sched_getaffinity(0))
    free = available_memory()
    text = f"{cores} cores, {free / 1e9:.1f} GB free; language model: {llm_model(settings.llm)}"
    if free < _MIN_FREE_BYTES:
        return False, f"{text}; less than 1 GB is free: close something"
    return True, text


def _models(settings: Settings) -> tuple[bool, str]:
    for name in default_models(settings):
        for state in fetch.verify(find_model(name)):
            if state.status is not fetch.FileStatus.OK:
                return False, f"{name}: {state}; run: parlour-hub models pull {name}"
    return True, f"complete, in {fetch.models_dir()}"


async def _store(settings: Settings) -> tuple[bool, str]:
    path = store_path(settings.store)
    folder = next(parent for parent in path.parents if parent.exists())
    if path.exists():
        try:
            await Store(path, text=settings.store.text, days=settings.store.days).turns(1)
        except OSError as exc:
            return False, f"{exc}; move it away, or set store.path"
    if not (folder.is_dir() and os.access(path if path.exists() else folder, os.W_OK)):
        return False, f"{path} cannot be written; set store.path"
    return True, f"{path}, {shutil.disk_usage(folder).free / 1e9:.1f} GB free"


async def _port(settings: Settings) -> tuple[bool, str]:
    listen, paired = settings.link.listen, ""
    try:
        check_exposure(settings.link)
        if listen.startswith("tls:"):
            await asyncio.to_thread(load_certificate, state_folder())
            rooms = await asyncio.to_thread(Pairings(state_folder()).read)
            paired = f"; paired: {', '.join(sorted(rooms)) or 'none (parlour-hub pair)'}"
    except (ConfigError, OSError) as exc:
        return False, str(exc)
    free, text = await _free(listen)
    return free, text + paired * free


async def _service_port(settings: Settings) -> tuple[bool, str]:
    listen, allow = settings.service.listen, settings.service.allow
    if not listen:
        return True, "switched off"
    try:
        allow_list("service.", listen, allow)
    except ConfigError as exc:
        return False, str(exc)
    free, text = await _free(listen)
    return free, f"{text}; beyond this machine: {', '.join(allow) or 'nobody'}" if free else text


async def _page(settings: Settings) -> tuple[bool, str]:
    listen = settings.web.listen
    if not listen:
        return True, "switched off"
    who = "on this machine alone, without a password"
    try:
        address = WebAddress.read(listen)
        if address.secure:
            kept = await asyncio.to_thread(Credentials(state_folder()).read)
            if kept.password is None:
                return False, "it has no password yet; run: parlour-hub password"
            who = f"behind its password; tokens: {', '.join(sorted(kept.tokens)) or 'none'}"
    except (ConfigError, OSError) as exc:
        return False, str(exc)
    uri = str(Inet(address.host, address.port))  # free is free, whatever is spoken
    free, text = await _free(uri)
    return free, f"{address}, {who}" if free else text


async def _free(listen: str) -> tuple[bool, str]:
    async def refuse(_: object) -> None:
        """Only the port is tried."""

    try:
        server = await serve(listen.replace("tls:", "tcp:", 1), refuse)  # free is free
    except (OSError, ProtocolError, ValueError) as exc:
        return False, f"{listen}: {exc} (is a hub running already?)"
    await server.close()
    return True, f"{listen} is free"


async def _engine(make: Callable[[Settings], Engine], settings: Settings) -> Outcome:
    began = time.monotonic()
    try:
        engine = await asyncio.to_thread(make, settings)
    except (EngineError, ConfigError, OSError) as exc:
        return False, str(exc)
    try:
        async with asyncio.timeout(_LOAD_TIMEOUT):
            await engine.load()
    except TimeoutError:
        return False, f"{engine.name} does not load within {_LOAD_TIMEOUT:g} s"
    except (EngineError, ConfigError, OSError) as exc:
        return False, str(exc)
    finally:
        await engine.close()
    text = f"{engine.name} loads in {time.monotonic() - began:.1f} s, on {engine.device}"
    if (speed := getattr(engine, "speed", None)) is not None:
        text += f"; first sound after {speed.first_audio:.2f} s"
        if slow := too_slow(cast("TextToSpeech", engine), 0):
            return None, f"{text}; {slow}"
    if engine.note:
        return None if engine.device == "cpu" else True, f"{text}; {engine.note}"
    return True, text
