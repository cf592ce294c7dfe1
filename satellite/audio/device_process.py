"""Keeps a sound device's process going: starts it, watches it, and starts another when it fails.

A device that is gone (unplugged, its sound server killed or hanging) is tried again until it is
back, with one line in the log when it goes and one when it is back. Whatever happens in there, the
satellite itself goes on. See device_child.py for what the process does and says.
"""

import asyncio
import concurrent.futures
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from satellite.audio.device_child import STOPPED
from satellite.audio.error import DeviceError
from satellite.audio.portaudio import KINDS, Device, Direction

_LOGGER = logging.getLogger(__name__)
_OPENS = 10.0  # seconds for a process to open its device; a sound server may be slow
_FIRST_SOUND = 5.0  # seconds to get going; a sound server that slept takes 2 (seen)
# Seconds without any sound, and the device is gone. A machine whose cores are all busy was seen to
# let one wait for more than 1.2.
_STILL = 2.5
_ENDS = 1.5  # seconds for a process to close its device; then it is killed
_STEADY = 10.0  # seconds that a device works until a new loss is a new story
_FIRST_RETRY = 0.5  # seconds; then doubled
_MAX_RETRY = 8.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to open.

    Args:
        direction: for a microphone or for a speaker.
        device: "default", or a name or a part of one.
        rate: the sample rate that would need no conversion, in Hz.
        channels: exactly so many channels; None for the best.
        channel: one that must be there by itself, counted from 1; None for no matter.
    """

    direction: Direction
    device: str
    rate: int
    channels: int | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened.

    Args:
        device: its whole name.
        rate: its sample rate in Hz.
        channels: how many; 16-bit samples.
    """

    device: str
    rate: int
    channels: int


class Gone(Exception):
    """The device or its process ended; the message says how."""


class Pipe:
    """A process's two pipes, for the thread that serves it, and for no other.

    Args:
        process: with pipes at its standard input and output, these unbuffered.
        stop: a file descriptor that becomes readable when the thread is to end; or None.
    """

    def __init__(self, process: subprocess.Popen[bytes], stop: int | None = None) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin.fileno()
        self._stdout = process.stdout.fileno()
        self._stop = stop
        self._watched = [self._stdout] if stop is None else [self._stdout, stop]
        self._patient_until: float | None = None

    def read(self, most: int, timeout: float | None = None) -> bytes:
        """Return what comes next, 1 to `most` bytes.

        Args:
            most: bytes.
            timeout: seconds; None for as long as a device may be still.

        Raises:
            Gone: nothing came in time, or the process ended, or the thread is to end.
        """
        silence = "the sound system does not answer"
        if timeout is None:
            now = time.monotonic()
            if self._patient_until is None:
                self._patient_until = now + _FIRST_SOUND
            timeout = max(_STILL, self._patient_until - now)
            silence = f"no sound for {timeout:.1f} s"
        ready, _, _ = select.select(self._watched, [], [], timeout)
        if not ready:
            raise Gone(silence)
        if self._stop in ready:
            raise Gone("closed")
        data = os.read(self._stdout, most)
        if not data:
            try:
                code = self._process.wait(_ENDS)
            except subprocess.TimeoutExpired:
                raise Gone("its process hangs while it ends") from None
            raise Gone("it stopped" if code == STOPPED else f"its process ended with code {code}")
        return data

    def read_exactly(self, n_bytes: int) -> bytes:
        """Return the next `n_bytes`; see `read`."""
        data = b""
        while len(data) < n_bytes:
            data += self.read(n_bytes - len(data))
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            Gone: the process ended.
        """
        try:
            while data:
                data = data[os.write(self._stdin, data) :]
        except OSError as error:
            raise Gone(str(error)) from error


Serve = Callable[[Opened, Pipe, Callable[[], None]], None]
"""Serves one process until `Gone` is raised; calls its last argument whenever there was sound."""


class DeviceProcess:
    """One device's process, and the thread that serves it.

    Args:
        request: what to open.
        serve: called in the thread, once for each process.
    """

    def __init__(self, request: Request, serve: Serve) -> None:
        self._request = request
        self._serve = serve
        self._what = f'{KINDS[request.direction]} "{request.device}"'
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._stop_read, self._stop_write = os.pipe()  # ends what waits for sound
        self._began = 0.0
        self._lost = False

    async def start(self) -> None:
        """Open the device; from then on it is opened again whenever it fails.

        Raises:
            DeviceError: it cannot be opened now; then it is not tried again.
        """
        opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name=self._what, daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(opened)  # no time-out: the thread has one

    async def stop(self) -> None:
        """Close the device; idempotent."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        os.close(self._stop_write)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)  # it kills a process that does not end
        os.close(self._stop_read)

    def _run(self, opened: concurrent.futures.Future[None]) -> None:
        opened.set_running_or_notify_cancel()
        delay = 0.0
        while not self._stopping.wait(delay):
            self._began = time.monotonic()
            try:
                self._serve_one(opened)
            except (DeviceError, Gone) as error:
                why = str(error)
            except Exception as error:  # a fault of ours must not silence the room for good
                why = repr(error)
            if not opened.done():
                opened.set_exception(DeviceError(why))
                return
            if self._stopping.is_set():
                return
            if not self._lost:
                _LOGGER.error("%s is gone: %s; trying again", self._what, why)
                self._lost = True
            else:
                _LOGGER.debug("%s: %s", self._what, why)
            steady = delay == 0.0 or time.monotonic() - self._began > _STEADY
            delay = _FIRST_RETRY if steady else min(2 * delay, _MAX_RETRY)
        if not opened.done():
            opened.set_exception(DeviceError(f"{self._what}: closed"))

    def _serve_one(self, opened: concurrent.futures.Future[None]) -> None:
        process = _start(json.dumps(asdict(self._request)))
        try:
            pipe = Pipe(process, self._stop_read)
            device = Opened(**_first_line(pipe))
            if not opened.done():
                how = f"{device.rate} Hz, {device.channels} channel{'s' * (device.channels > 1)}"
                _LOGGER.info('%s is "%s", %s', self._what, device.device, how)
                opened.set_result(None)
            self._serve(device, pipe, self._sounded)
        finally:
            _end(process)

    def _sounded(self) -> None:
        if self._lost:
            self._lost = False
            _LOGGER.info("%s is back", self._what)


def find_devices() -> list[Device]:
    """Return every sound device of this machine; blocks for up to 10 s.

    Raises:
        DeviceError: there is no pyaudio, or the sound system does not answer.
    """
    process = _start("list")
    try:
        pipe = Pipe(process)
        devices = _first_line(pipe)["devices"]
    except Gone as error:
        raise DeviceError(f"the sound devices cannot be listed: {error}") from error
    finally:
        _end(process)
    return [
        Device(**{**d, "default_for": tuple(map(Direction, d["default_for"]))}) for d in devices
    ]


def _start(argument: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: not whatever lies in the current folder under the name of one of our modules.
        [sys.executable, "-P", "-m", "satellite.audio.device_child", argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # ALSA, JACK and PortAudio write pages while they look for devices: not for people.
        stderr=None if _LOGGER.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL,
        bufsize=0,
    )


def _first_line(pipe: Pipe) -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        line += pipe.read(1, _OPENS)  # no more, as sound follows
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError:
        raise Gone(f"its process says {line[:80]!r}") from None
    if "error" in message:
        raise DeviceError(message["error"])
    return message


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it close its device, or kill it: it may hang in the sound system."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_ENDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
