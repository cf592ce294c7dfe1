"""Check what the satellite needs, one line each, and say what to do."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from wyoming.error import Error
from wyoming.info import Info

from protocol.audio import level
from protocol.connection import Connection, ConnectionClosed, ProtocolError
from protocol.extensions import Accepted, Introduction, introduce
from protocol.settings import ConfigError
from protocol.transport import WrongCertificate, connect, serve
from satellite.app import version
from satellite.audio.devices import DeviceError, open_microphone, open_speaker
from satellite.config import Settings
from satellite.pairing import Target, pairing_path, target_of
from satellite.wake.base import WakeError
from satellite.wake.words import open_wake, unused_words

_MICROPHONE_FRAMES = 25  # half a second
_TIMEOUT = 5.0  # seconds for any one check


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Args:
        name: what was checked.
        ok: whether it works.
        text: what was found; where it does not work, also what to do.
    """

    name: str
    ok: bool
    text: str


async def examine(settings: Settings, path: Path | None) -> AsyncIterator[Finding]:
    """Check settings, devices, wake words and the hub, one after another; never raises."""
    yield Finding("settings", True, str(path) if path else "defaults (no --config)")
    yield await _microphone(settings)
    yield await _speaker(settings)
    yield await _wake(settings)
    try:
        target = await asyncio.to_thread(target_of, settings)
    except ConfigError as error:
        yield Finding("hub", False, str(error))
        return
    if target.pin is not None:
        text = f"this is {target.room!r} for the hub at {target.uri}"
        yield Finding("pairing", True, f"{text}; kept in {pairing_path(settings)}")
    yield await (_hub(target) if settings.listen is None else _port(settings.listen))


async def _microphone(settings: Settings) -> Finding:
    own = settings.microphone
    name = own.device
    try:
        heard = b""
        async with asyncio.timeout(_TIMEOUT):
            microphone = open_microphone(
                name, rate=own.rate, channels=own.channels, channel=own.channel
            )
            async with contextlib.aclosing(microphone.frames()) as frames:
                async for frame in frames:
                    heard += frame
                    if len(heard) >= _MICROPHONE_FRAMES * len(frame):
                        break
    except TimeoutError:
        return Finding("microphone", False, f"{name}: no sound in {_TIMEOUT:g} s")
    except DeviceError as error:
        return Finding("microphone", False, f"{error}; set [microphone] device or --microphone")
    return Finding("microphone", True, f"{name}, level {level(heard):.0f} dBFS")


async def _speaker(settings: Settings) -> Finding:
    kind, _, place = settings.speaker.device.partition(":")
    try:
        speaker = open_speaker(settings.speaker.device, rate=settings.speaker.rate)
        # A file is not opened: that would overwrite the recording.
        if kind == "wave" and not await asyncio.to_thread(Path(place).parent.is_dir):
            text = f"{place}: its folder is missing; make it, or set [speaker] device or --speaker"
            return Finding("speaker", False, text)
        if kind != "wave":
            async with asyncio.timeout(_TIMEOUT):
                await speaker.start(
                    lambda n_frames: bytes(n_frames * speaker.format.bytes_per_frame)
                )
                await speaker.close()
    except TimeoutError:
        return Finding("speaker", False, f"{settings.speaker.device}: not open in {_TIMEOUT:g} s")
    except DeviceError as error:
        return Finding("speaker", False, f"{error}; set [speaker] device or --speaker")
    return Finding("speaker", True, f"{settings.speaker.device}, {speaker.format.rate} Hz")


async def _wake(settings: Settings) -> Finding:
    if settings.wake.remote:
        return Finding("wake words", True, "heard by whoever drives this satellite")
    try:
        wake = await asyncio.to_thread(open_wake, settings.wake)
        unused = unused_words(settings.wake)
    except WakeError as error:
        return Finding("wake words", False, f"{error}; set [wake] or --wake-word")
    text = "say " + " or ".join(f'"{m.phrase}" ({m.program})' for m in wake.models)
    if unused:
        text += f"; not listened for, as wake.words leaves them out: {', '.join(unused)}"
    return Finding("wake words", True, text)


async def _hub(target: Target) -> Finding:
    """See whether the hub answers at its address, how fast, and whether it would let us in."""
    uri, begin = target.uri or "", time.monotonic()
    try:
        connection = await connect(uri, pin=target.pin, timeout=_TIMEOUT)
    except WrongCertificate as error:
        return Finding("hub", False, f"{uri}: {error}; if the hub is new, pair again")
    except (OSError, ValueError) as error:
        problem = str(error) or "no answer in time"
        return Finding("hub", False, f"{uri}: {problem}; is `parlour-hub serve` running there?")
    found = f"{uri} answers in {1000 * (time.monotonic() - begin):.0f} ms"
    if target.pin is not None:
        found += ", and is the one we are paired with"
    async with connection:
        problem = await _refusal(connection, target)
    if problem:
        return Finding("hub", False, f"{found}, but {problem}")
    accepted = "token accepted" if target.token is not None else "it takes this satellite"
    return Finding("hub", True, f"{found}; {accepted} as {target.room!r}")


async def _refusal(connection: Connection, target: Target) -> str:
    """Ask the hub whether it would let us in; return why not, or "".

    Only asking leaves the satellite that may be running here in its place.
    """
    introduction = Introduction(target.room, version(), token=target.token, check=True)
    try:
        async with asyncio.timeout(_TIMEOUT):
            await connection.write(introduce(Info().event(), introduction))
            while True:
                event = await connection.read()
                if Accepted.is_type(event.type):
                    return ""
                if Error.is_type(event.type):
                    why = event.data.get("text") or event.data.get("code") or "no reason given"
                    return f"refuses this satellite: {why}"
    except TimeoutError:
        return "does not say whether it lets this satellite in; is it a hub, and as new as this?"
    except ProtocolError as error:
        return f"is no hub: {error}"
    except ConnectionClosed:
        return (
            "hung up without a word: as many satellites as may be are there, or too many attempts "
            "from here have failed; then wait some minutes"
        )


async def _port(uri: str) -> Finding:
    """See whether the port to be dialled at is free."""

    async def handle(_: object) -> None:
        return

    try:
        server = await serve(uri, handle)
        await server.close()
    except (OSError, ValueError) as error:
        return Finding("port", False, f"{uri}: {error}; is another satellite running?")
    return Finding("port", True, f"{uri} is free; add this address in Home Assistant")
