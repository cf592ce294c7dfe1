"""The process of one sound device: all that PortAudio does happens here, and may go wrong here.

PortAudio has bugs that a process does not survive, or that leave it hanging in a native call (seen:
`Pa_StartStream` on a device that just went away never returns; a crash at exit with a stream open).
So each device has a process of its own, which can be ended at any time; see device_process.py.

The first line on the standard output says in JSON what was opened, or what went wrong. Then, from a
microphone: messages of `HEADER` and sound. From a speaker: one byte for each block that it wants
next, which says how many blocks it then has that it has not played. These come on the standard
input, each as `SOUND` and the block; between them may be an `Order`, which is one byte. When the
standard input ends, so does the process; and when the satellite dies.
"""

import contextlib
import ctypes
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
from satellite.audio.orders import Order
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
SOUND = 0
"""The byte before each block for a speaker; the other ones are orders."""
BLOCK_SECONDS = 0.016
"""What one callback takes or gives."""
SAMPLE_BYTES = 2
STOPPED = 3
"""Exit code: the stream ended by itself."""

MOST_AHEAD = 12
"""Blocks, 192 ms, that a speaker may ask for before it plays them."""

_LEAST_AHEAD = 2  # blocks: one that is played, and one that the satellite makes meanwhile
_BLOCKS_TO_JUDGE = 300  # 5 s
_BLOCKS_A_MESSAGE = 2  # 32 ms: the satellite is woken once a frame
_WAITING_SECONDS = 1.0  # sound that waits for a busy satellite; what comes then is lost
_MOST_PIPE_BYTES = 1 << 20  # what anybody may ask of Linux
_LOOK_SECONDS = 0.4
_CONTINUE = 0  # paContinue
_STDIN, _STDOUT = 0, 1
_PR_SET_PDEATHSIG = 1  # of Linux's prctl: a signal for when the thread ends that started us


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
    """Plays what the satellite sends, some blocks ahead, and silence rather than wait for it.

    How many ahead follows what the sound system does: it may ask for several blocks at once, and
    each that then is missing is a gap. What is ahead is heard after the satellite's last word,
    though, so it is no more than was needed lately. An order to hold reaches also that: it is set
    aside, and what the satellite sends then is played at once.

    Args:
        frame_bytes: bytes of one sample of every channel.
        block_frames: samples of a block.
        most_bytes: how much may be on its way at once.
    """

    def __init__(self, frame_bytes: int, block_frames: int, most_bytes: int = 1 << 16) -> None:
        self._frame_bytes = frame_bytes
        self._block = frame_bytes * block_frames
        self._most = max(_LEAST_AHEAD, min(MOST_AHEAD, most_bytes // self._block))
        self._ahead = _LEAST_AHEAD  # blocks that are ready or on their way
        self._unread = bytearray()  # messages that have not come whole
        self._ready = bytearray()
        self._aside = bytearray()
        self._coming = 0  # blocks
        self._began = False  # to get what it asked for
        self._spare = self._most  # blocks that were always ready, in this while
        self._looks = 0
        self._ended = threading.Event()

    def begin_with(self, latency: float) -> None:
        """Tell it how many seconds the sound system says to be behind; before the first block."""
        blocks = _LEAST_AHEAD + round(latency / BLOCK_SECONDS)
        self._ahead = min(blocks, self._most)

    def callback(
        self, _heard: bytes | None, frames: int, _time: object, _status: int
    ) -> tuple[bytes, int]:
        """Give one block; in PortAudio's thread."""
        wanted = frames * self._frame_bytes
        with contextlib.suppress(OSError):
            self._fetch()
        pcm = bytes(self._ready[:wanted]) if len(self._ready) >= wanted else b""
        del self._ready[: len(pcm)]
        self._adapt(missed=not pcm)
        with contextlib.suppress(OSError):
            self._ask()
        return pcm or bytes(wanted), _CONTINUE

    def _fetch(self) -> None:
        try:
            data = os.read(_STDIN, self._most * (1 + self._block))
        except BlockingIOError:
            return
        if not data:
            self._ended.set()
        unread = self._unread
        unread += data
        while unread:
            if unread[0] != SOUND:
                self._obey(Order(unread.pop(0)))
            elif len(unread) > self._block:
                self._ready += unread[1 : 1 + self._block]
                self._coming -= 1
                del unread[: 1 + self._block]
            else:
                break

    def _obey(self, order: Order) -> None:
        if order is Order.HOLD:
            self._aside += self._ready
            self._ready.clear()
        elif order is Order.RESUME:
            self._ready = self._aside
            self._aside = bytearray()
        else:
            self._aside.clear()
        self._began = False  # to have nothing is no gap then

    def _ask(self) -> None:
        missing = self._ahead - len(self._ready) // self._block - self._coming
        if missing > 0:
            self._coming += _write(bytes([self._ahead]) * missing)

    def _adapt(self, *, missed: bool) -> None:
        """Have more ahead after a gap, and less when some of it was not needed for a while."""
        ready = len(self._ready) // self._block
        if missed:
            if self._began:
                self._ahead = min(self._ahead + 1, self._most)
            self._spare, self._looks = self._most, 0
            return
        self._began = True
        self._spare = min(self._spare, ready)
        self._looks += 1
        if self._looks >= _BLOCKS_TO_JUDGE:
            # One stays: the satellite is not always as quick as it was in this while.
            self._ahead = max(_LEAST_AHEAD, self._ahead - max(0, self._spare - 1))
            self._spare, self._looks = self._most, 0

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


def _widen_pipe(descriptor: int, n_bytes: float) -> int:
    """Have a pipe hold so much, or what it holds already; return what it holds, in bytes."""
    with contextlib.suppress(OSError):  # then the default has to do
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, min(int(n_bytes), _MOST_PIPE_BYTES))
    return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def _open(
    pyaudio: Any, portaudio: Any, direction: Direction, device: Device, rate: int, channels: int
) -> tuple[Any, Ears | Mouth]:
    frames = round(rate * BLOCK_SECONDS)
    end: Ears | Mouth
    if direction is Direction.INPUT:
        _widen_pipe(_STDOUT, rate * channels * SAMPLE_BYTES * _WAITING_SECONDS)
        end = Ears()
    else:
        # Twice what is asked for: a pipe's pages are seldom full.
        frame = SAMPLE_BYTES * channels
        room = _widen_pipe(_STDIN, 2 * MOST_AHEAD * frames * frame)
        end = Mouth(frame, frames, room // 2)
    stream = portaudio.open(
        rate=rate,
        channels=channels,
        format=pyaudio.paInt16,
        frames_per_buffer=frames,
        stream_callback=end.callback,
        start=False,
        **{str(direction): True, f"{direction}_device_index": device.index},
    )
    if isinstance(end, Mouth):
        end.begin_with(stream.get_output_latency())
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


def _die_with_the_satellite() -> None:
    """Also while a native call hangs, in which nothing of ours would see the pipes' end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    ends = select.poll()
    ends.register(_STDIN, 0)
    if any(event & select.POLLHUP for _, event in ends.poll(0)):  # it died before that
        os._exit(1)


def main(argument: str) -> int:
    """Serve one device until the standard input ends; or with "list", say what there is.

    Args:
        argument: "list"; or as JSON what `device_process.Request` has.

    Returns:
        0 done; 1 it could not be opened, as the first line says; `STOPPED`.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of us; the satellite decides
        signal.signal(number, signal.SIG_IGN)
    _die_with_the_satellite()
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
