"""Real microphones and speakers, through pyaudio in processes of their own (device_process.py)."""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from protocol.audio import SPEECH, Chunker, Converter, PcmFormat
from satellite.audio.device_child import BLOCK_SECONDS, HEADER, MOST_AHEAD, SAMPLE_BYTES, SOUND
from satellite.audio.device_process import DeviceProcess, Gone, Opened, Pipe, Request
from satellite.audio.devices import FRAME_SAMPLES, Source
from satellite.audio.orders import Decide, Order
from satellite.audio.portaudio import Direction

_LOGGER = logging.getLogger(__name__)
_MAX_WAITING = 32  # frames, one second, that wait for a busy satellite; what is older is lost
# Blocks that are asked for before anybody knows whether the device works.
_PRIMING = 25 + MOST_AHEAD
_PULL_SECONDS = BLOCK_SECONDS


class PyAudioMicrophone:
    """A microphone that the operating system knows.

    Args:
        device: "default", or a name or part of one as `parlour-satellite devices` prints it.
        rate: sample rate to open it at, in Hz; None for 16000 where it does that, else its own.
        channels: how many channels to open; None for what it has.
        channel: take this one, counted from 1; None mixes them.
    """

    def __init__(
        self,
        device: str,
        *,
        rate: int | None = None,
        channels: int | None = None,
        channel: int | None = None,
    ) -> None:
        self._request = Request(Direction.INPUT, device, rate or SPEECH.rate, channels, channel)
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._listening = False  # what was lost before is nothing to tell of
        self._told = False

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield what it hears; see `Microphone.frames`. While the device is gone nothing comes."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # at the very end the loop may be closed
                loop.call_soon_threadsafe(arrived.set)

        process = DeviceProcess(
            self._request, lambda opened, pipe, sounded: self._serve(opened, pipe, sounded, wake)
        )
        self._waiting.clear()
        try:
            await process.start()
            while True:
                await arrived.wait()  # no time-out: the process is watched
                arrived.clear()
                while self._waiting:
                    yield self._waiting.popleft()
                    self._listening = True
        finally:
            await process.stop()

    def _serve(
        self, opened: Opened, pipe: Pipe, sounded: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        """Take what one process hears; in its thread."""
        capture = Capture(
            PcmFormat(opened.rate, SAMPLE_BYTES, opened.channels), self._request.channel
        )
        while True:
            n_bytes, lost = HEADER.unpack(pipe.read_exactly(HEADER.size))
            pcm = pipe.read_exactly(n_bytes)
            sounded()
            for frame in capture.frames(pcm):
                lost += len(self._waiting) == _MAX_WAITING
                self._waiting.append(frame)
            if lost and self._listening and not self._told:
                self._told = True  # once: it would go on as long as we are too slow
                _LOGGER.warning("microphone: sound was lost, this machine is too busy")
            wake()


class Capture:
    """Turns what a device hears into microphone frames.

    Args:
        form: the device's.
        channel: take this one, counted from 1; None mixes them.
    """

    def __init__(self, form: PcmFormat, channel: int | None) -> None:
        self._form = form
        self._channel = channel
        heard = form if channel is None else PcmFormat(form.rate, form.width, 1)
        self._converter = Converter(heard, SPEECH)
        self._chunker = Chunker(FRAME_SAMPLES * SPEECH.bytes_per_frame)

    def frames(self, pcm: bytes) -> Iterator[bytes]:
        """Take whole samples of every channel; return the 32 ms frames that are now full."""
        if self._channel is not None:
            samples = np.frombuffer(pcm, "<i2").reshape(-1, self._form.channels)
            pcm = samples[:, self._channel - 1].tobytes()
        return self._chunker.push(self._converter.process(pcm))


class PyAudioSpeaker:
    """A speaker that the operating system knows.

    Args:
        device: "default", or a name or part of one as `parlour-satellite devices` prints it.
        audio_format: what the source returns; converted where the device does not do it.
    """

    def __init__(self, device: str, audio_format: PcmFormat) -> None:
        self._request = Request(Direction.OUTPUT, device, audio_format.rate)
        self._format = audio_format
        self._process: DeviceProcess | None = None
        self._lock = threading.Lock()  # a block is pulled and sent; or an order is
        self._feed: Feed | None = None  # of the process that plays now

    @property
    def format(self) -> PcmFormat:
        """The format that the source must return."""
        return self._format

    async def start(self, source: Source) -> None:
        """Begin to pull; see `Speaker.start`. While the device is gone nothing is pulled."""
        self._process = DeviceProcess(
            self._request, lambda opened, pipe, sounded: self._serve(opened, pipe, sounded, source)
        )
        await self._process.start()

    async def close(self) -> None:
        """Stop pulling; idempotent."""
        if self._process is not None:
            await self._process.stop()

    def order(self, decide: Decide) -> None:
        """Have `decide` say what becomes of what is ahead; see `Speaker.order`."""
        with self._lock:
            if self._feed is None:
                decide(0)
                return
            orders = decide(self._feed.unplayed)
            # Gone with the device is what it had ahead, too; the thread sees to that.
            with contextlib.suppress(Gone):
                self._feed.obey(orders)

    def _serve(
        self, opened: Opened, pipe: Pipe, sounded: Callable[[], None], source: Source
    ) -> None:
        """Give one process what it asks for; in its thread."""
        form = PcmFormat(opened.rate, SAMPLE_BYTES, opened.channels)
        feed = Feed(pipe, Playback(source, self._format, form), round(form.rate * BLOCK_SECONDS))
        self._feed = feed
        asked = 0
        try:
            while True:
                for ahead in pipe.read(MOST_AHEAD):
                    asked += 1
                    if asked > _PRIMING:
                        sounded()
                    with self._lock:
                        feed.send(ahead)
        finally:
            self._feed = None


class Feed:
    """What one process is sent; for one thread at a time.

    Args:
        pipe: to the process.
        playback: pulls.
        block: frames that it takes at once.
    """

    def __init__(self, pipe: Pipe, playback: "Playback", block: int) -> None:
        self._pipe = pipe
        self._playback = playback
        self._block = block
        self._ahead = 0

    @property
    def unplayed(self) -> int:
        """Frames of the source's that were pulled and are not played, exact to the block."""
        return self._playback.unplayed(self._ahead * self._block)

    def send(self, ahead: int) -> None:
        """Send the next block; with it the process has so many that are not played.

        Raises:
            Gone: the process ended.
        """
        self._ahead = ahead
        self._pipe.write(bytes([SOUND]) + self._playback.pull(self._block))

    def obey(self, orders: tuple[Order, ...]) -> None:
        """Have these orders followed, here and in the process.

        Raises:
            Gone: the process ended.
        """
        for order in orders:
            self._playback.obey(order)
        self._pipe.write(bytes(orders))


class Playback:
    """Pulls from a source in one format what a device takes in another.

    Args:
        source: where sound comes from.
        source_format: what it returns.
        form: the device's.
    """

    def __init__(self, source: Source, source_format: PcmFormat, form: PcmFormat) -> None:
        self._source = source
        self._source_format = source_format
        self._form = form
        self._block = round(source_format.rate * _PULL_SECONDS)
        self._conversion = _Conversion(Converter(source_format, form))
        self._aside: _Conversion | None = None

    def unplayed(self, n_frames: int) -> int:
        """Return how many frames of the source's are in its converter and in the last ones given.

        Args:
            n_frames: these last ones; the device's.
        """
        own, rate = self._source_format.rate, self._form.rate
        if self._source_format == self._form:
            return n_frames
        now = self._conversion
        return max(0, now.pulled - (now.given - n_frames) * own // rate)

    def pull(self, n_frames: int) -> bytes:
        """Return exactly `n_frames` for the device."""
        if self._source_format == self._form:
            return self._source(n_frames)
        wanted = n_frames * self._form.bytes_per_frame
        now = self._conversion
        while len(now.ready) < wanted:  # the converter holds back at most some 70 ms
            now.pulled += self._block
            now.ready += now.converter.process(self._source(self._block))
        now.given += n_frames
        pcm = bytes(now.ready[:wanted])
        del now.ready[:wanted]
        return pcm

    def obey(self, order: Order) -> None:
        """Do with what the converter holds back as with all else that is not played."""
        if order is Order.HOLD:
            self._aside = self._conversion
            self._conversion = _Conversion(Converter(self._source_format, self._form))
        elif order is Order.RESUME and self._aside is not None:
            self._conversion, self._aside = self._aside, None
        elif order is Order.DROP:
            self._aside = None


@dataclass(slots=True)
class _Conversion:
    """A converter, and what came out of it and is not given yet."""

    converter: Converter
    ready: bytearray = field(default_factory=bytearray)
    pulled: int = 0  # frames of the source's
    given: int = 0  # frames of the device's
