"""The process of one sound device: all that PortAudio does happens here, and may go wrong here.

PortAudio has bugs that a process does not survive, or that leave it hanging in a native call (seen:
`Pa_StartStream` on a device that just went away never returns; a crash at exit with a stream open).
So each device has a process of its own, which can be ended at any time; see device_process.py.

The first line on the standard output says in JSON what was opened, or what went wrong. Then, from a
microphone: messages of `HEADER` and sound. From a speaker: one byte for each block that it wants
next, which is to come on the standard input. When that ends, so does the process.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import threading
from dataclasses import asdict
from typing import Any

from satellite.audio.error import DeviceError
from satellite.audio.portaudio import (
    KINDS,
    Device,
    Direction,
    find_device,
    formats_to_try,
    list_devices,
    load_pyaudio,
)

HEADER = struct.Struct("<II")
"""Before each microphone message: its bytes of sound, and the bytes lost so far."""
BLOCK_SECONDS = {Direction.INPUT: 0.016, Direction.OUTPUT: 0.02}
"""What one callback takes or gives."""
SAMPLE_BYTES = 2
STOPPED = 3
"""Exit code: the stream ended by itself."""

_BLOCKS_A_MESSAGE = 2  # 32 ms: the satellite is woken once a frame
_WAITING_SECONDS = 1.0  # sound that waits for a busy satellite; what comes then is lost
_MOST_PIPE_BYTES = 1 << 20  # what anybody may ask of Linux
_LOOK_SECONDS = 0.4
_CONTINUE = 0  # paContinue
_STDIN, _STDOUT = 0, 1


class Ears:
    """Sends what the microphone hears, and loses it rather than wait."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._unsent = b""  # the rest of a message that did not fit into the pipe
        self._lost = 0

    def callback(
        self, heard: bytes | None, _frames: int, _time: object, _status: int
    ) -> tuple[None, int]:
        """Take one block; in PortAudio's thread."""
        with contextlib.suppress(OSError):  # the satellite is gone: then we are soon, too
            self._blocks.append(heard or b"")
            if len(self._blocks) >= _BLOCKS_A_MESSAGE:
                self._send(b"".join(self._blocks))
                self._blocks.clear()
        return None, _CONTINUE

    def _send(self, pcm: bytes) -> None:
        if self._unsent:
            self._unsent = self._unsent[_write(self._unsent) :]
        if self._unsent:
            self._lost += len(pcm)
            return
        message = HEADER.pack(len(pcm), self._lost) + pcm
        sent = _write(message)
        if sent:
            self._unsent = message[sent:]
        else:
            self._lost += len(pcm)

    def wait(self) -> bool:
        """Wait a moment; return whether the satellite wants no more."""
        return bool(select.select([_STDIN], [], [], _LOOK_SECONDS)[0])


class Mouth:
    """Plays what the satellite sends, one block ahead, and silence rather than wait for it.

    Args:
        frame_bytes: bytes of one sample of every channel.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._ready = bytearray()
        self._asked = False
        self._ended = threading.Event()

    def callback(
        self, _heard: bytes | None, frames: int, _time: object, _status: int
    ) -> tuple[bytes, int]:
        """Give one block; in PortAudio's thread."""
        wanted = frames * self._frame_bytes
        with contextlib.suppress(OSError):
            self._fetch()
            if len(self._ready) < 2 * wanted and not self._asked:
                self._asked = _write(b"\0") == 1
        if len(self._ready) < wanted:
            return bytes(wanted), _CONTINUE
        pcm = bytes(self._ready[:wanted])
        del self._ready[:wanted]
        return pcm, _CONTINUE

    def _fetch(self) -> None:
        try:
            pcm = os.read(_STDIN, 1 << 16)
        except BlockingIOError:
            return
        self._asked = False
        self._ready += pcm
        if not pcm:
            self._ended.set()

    def wait(self) -> bool:
        """Wait a moment; return whether the satellite wants no more."""
        return self._ended.wait(_LOOK_SECONDS)


def _write(data: bytes) -> int:
    """Write what fits into the pipe at once; return how much that was."""
    try:
        return os.write(_STDOUT, data)
    except BlockingIOError:
        return 0


def _say(message: dict[str, Any]) -> None:
    os.write(_STDOUT, json.dumps(message).encode() + b"\n")


def _widen_pipe(n_bytes: float) -> None:
    with contextlib.suppress(OSError):  # then the default has to do
        fcntl.fcntl(_STDOUT, fcntl.F_SETPIPE_SZ, min(int(n_bytes), _MOST_PIPE_BYTES))


def _open(
    pyaudio: Any, portaudio: Any, direction: Direction, device: Device, rate: int, channels: int
) -> tuple[Any, Ears | Mouth]:
    end = Ears() if direction is Direction.INPUT else Mouth(SAMPLE_BYTES * channels)
    stream = portaudio.open(
        rate=rate,
        channels=channels,
        format=pyaudio.paInt16,
        frames_per_buffer=round(rate * BLOCK_SECONDS[direction]),
        stream_callback=end.callback,
        start=False,
        **{str(direction): True, f"{direction}_device_index": device.index},
    )
    return stream, end


def _serve(pyaudio: Any, portaudio: Any, request: dict[str, Any]) -> int:
    direction = Direction(request["direction"])
    device = find_device(list_devices(portaudio), request["device"], direction)
    problem: Exception | None = None
    tries = formats_to_try(
        device, direction, request["rate"], request["channels"], request["channel"]
    )
    for rate, channels in tries:
        try:
            stream, end = _open(pyaudio, portaudio, direction, device, rate, channels)
            break
        except (OSError, ValueError) as error:
            problem = problem or error
    else:
        raise DeviceError(f'{KINDS[direction]} "{device.name}" cannot be opened: {problem}')
    _say({"device": device.name, "rate": rate, "channels": channels})
    if direction is Direction.INPUT:
        _widen_pipe(rate * channels * SAMPLE_BYTES * _WAITING_SECONDS)
    for descriptor in (_STDIN, _STDOUT):
        os.set_blocking(descriptor, False)
    stream.start_stream()
    try:
        while not end.wait():
            if not stream.is_active():
                return STOPPED
    except OSError:  # pyaudio's, when the stream is broken
        return STOPPED
    finally:
        with contextlib.suppress(OSError):
            stream.close()
    return 0


def main(argument: str) -> int:
    """Serve one device until the standard input ends; or with "list", say what there is.

    Args:
        argument: "list"; or as JSON what `device_process.Request` has.

    Returns:
        0 done; 1 it could not be opened, as the first line says; `STOPPED`.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of us; the satellite decides
        signal.signal(number, signal.SIG_IGN)
    try:
        pyaudio = load_pyaudio()
        try:
            portaudio = pyaudio.PyAudio()
        except OSError as error:
            raise DeviceError(f"the sound system cannot be started: {error}") from error
        try:
            if argument == "list":
                _say({"devices": [asdict(device) for device in list_devices(portaudio)]})
                return 0
            return _serve(pyaudio, portaudio, json.loads(argument))
        finally:
            portaudio.terminate()
    except DeviceError as error:
        _say({"error": str(error)})
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
