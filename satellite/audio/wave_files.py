"""Microphones and speakers made of wave files: for tests, for the demo, for machines without sound.

They keep real time as a sound card does, against absolute deadlines so that no drift builds up.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from protocol.audio import SPEECH, BadWav, Converter, PcmFormat, WavWriter, read_wav
from satellite.audio.devices import FRAME_SAMPLES, DeviceError, Source
from satellite.audio.orders import Decide

_LOGGER = logging.getLogger(__name__)
_FRAME_BYTES = FRAME_SAMPLES * SPEECH.bytes_per_frame
_FRAME_SECONDS = FRAME_SAMPLES / SPEECH.rate
_SILENCE = bytes(_FRAME_BYTES)
_MAX_BURST = 1.0  # seconds that a stalled microphone makes up for; what is older is lost
_WRITE_SECONDS = 0.2  # write to disk that often
_MAX_LAG = 0.2  # seconds that a stalled speaker makes up for; beyond, the gap is in its timeline
_SCAN_FRAMES = 6  # look into the spool folder every 192 ms


def load_speech(path: Path) -> bytes:
    """Read a wave file of any PCM format as 16 kHz mono 16-bit audio.

    Raises:
        DeviceError: the file is missing, unreadable, or not PCM.
    """
    try:
        audio_format, pcm = read_wav(path)
    except (OSError, BadWav) as error:
        raise DeviceError(f"cannot read {path}: {error}") from error
    converter = Converter(audio_format, SPEECH)
    return converter.process(pcm) + converter.flush()


class _Frames(Protocol):
    def next_frame(self) -> bytes: ...


async def _paced(source: _Frames) -> AsyncGenerator[bytes, None]:
    """Yield `source`'s frames at real-time pace; after a stall, drop all but the last second."""
    start = time.monotonic()
    count = 0
    while True:
        count += 1
        late = time.monotonic() - (start + count * _FRAME_SECONDS)
        if late > _MAX_BURST:
            lost = int((late - _MAX_BURST) / _FRAME_SECONDS) + 1
            _LOGGER.warning("microphone stalled: %.1f s lost", lost * _FRAME_SECONDS)
            for _ in range(lost):
                source.next_frame()
            count += lost
        elif late < 0:
            await asyncio.sleep(-late)
        else:
            await asyncio.sleep(0)  # catching up must not starve the loop
        yield source.next_frame()


class _Clip:
    """One recording, cut into frames, the last one padded with silence."""

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm
        self._offset = 0

    @property
    def over(self) -> bool:
        return self._offset >= len(self._pcm)

    def next_frame(self) -> bytes:
        if self.over:
            return _SILENCE
        frame = self._pcm[self._offset : self._offset + _FRAME_BYTES]
        self._offset += _FRAME_BYTES
        return frame.ljust(_FRAME_BYTES, b"\0")


class SilenceMicrophone:
    """A microphone in a silent room."""

    def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield silence at real-time pace, for ever."""
        return _paced(_Clip(b""))


class WaveMicrophone:
    """A microphone that hears one wave file, once, and then silence.

    Args:
        path: a PCM wave file of any rate, width and channel count.
        delay: seconds of silence before it.
    """

    def __init__(self, path: Path, *, delay: float = 0.0) -> None:
        self._path = path
        self._delay = delay

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield the file, then silence; see `Microphone.frames`."""
        pcm = await asyncio.to_thread(load_speech, self._path)
        async for frame in _paced(_Clip(bytes(SPEECH.bytes_for(self._delay)) + pcm)):
            yield frame


class SpoolMicrophone:
    """A microphone that hears each wave file put into a folder, and silence between them.

    Files are taken in the order of their names; write one under another name and rename it to
    *.wav. A file that was played is renamed to *.wav.done, one that cannot be read to *.wav.bad.

    Args:
        folder: made if it does not exist, but not the folders above it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told = ""  # the problem that was last logged
        self._clip = _Clip(b"")
        self._playing: Path | None = None
        self._frames = 0
        self._began = 0.0  # seconds on the monotonic clock: when the first frame's sound began
        self._scan: asyncio.Task[tuple[Path, bytes] | None] | None = None

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield what is in the spool, else silence; see `Microphone.frames`."""
        await asyncio.to_thread(self._make_folder)
        self._began = time.monotonic() - self._frames * _FRAME_SECONDS
        try:
            async for frame in _paced(self):
                yield frame
        finally:
            if self._scan is not None:
                self._scan.cancel()
                await asyncio.gather(self._scan, return_exceptions=True)

    def next_frame(self) -> bytes:
        """Return the next frame; files are read and renamed on another thread."""
        if self._scan is not None and self._scan.done():
            found = self._scan.result()
            self._scan = None
            if found is not None:
                self._playing, self._clip = found[0], _Clip(found[1])
                # The clock is that of all processes here, so benchmarks know what was said when.
                began = self._began + self._frames * _FRAME_SECONDS
                _LOGGER.debug("%s is heard from %.4f on", found[0].name, began)
        self._frames += 1
        if self._clip.over and self._scan is None and self._frames % _SCAN_FRAMES == 0:
            self._scan = asyncio.create_task(asyncio.to_thread(self._next_clip, self._playing))
            self._playing = None
        return self._clip.next_frame()

    def _make_folder(self) -> None:
        try:
            if not self._folder.is_dir():
                self._folder.mkdir()
                _LOGGER.info("made the spool folder %s", self._folder)
        except OSError as error:
            raise DeviceError(f"cannot make the spool folder: {error}") from error
        if not os.access(self._folder, os.W_OK | os.X_OK):  # each file would be played for ever
            raise DeviceError(f"cannot rename files in the spool folder {self._folder}")

    def _next_clip(self, finished: Path | None) -> tuple[Path, bytes] | None:
        try:
            if finished is not None:
                finished.rename(finished.with_name(finished.name + ".done"))
            for path in sorted(self._folder.glob("*.wav")):
                try:
                    return path, load_speech(path)
                except DeviceError as error:
                    _LOGGER.warning("%s", error)
                    path.rename(path.with_name(path.name + ".bad"))
            self._told = ""
        except OSError as error:  # somebody else renamed it, or the folder is gone: look again
            if str(error) != self._told:
                _LOGGER.warning("spool folder: %s", error)
                self._told = str(error)
        return None


class WaveSpeaker:
    """A speaker that writes what it plays to a wave file, at real-time pace, silence included.

    A sample's place in the file is the time it was played, counted from `start`, so that
    latencies can be read off the file. Like a sound card it pulls from its own thread.

    Args:
        path: the file to write, in a folder that exists; None plays to nobody.
        audio_format: what it plays.
    """

    _BLOCK_SECONDS = 0.02
    _UNHEARD_BLOCK_SECONDS = 0.04  # waking up is all that playing to nobody costs

    def __init__(self, path: Path | None, audio_format: PcmFormat) -> None:
        self._path = path
        self._format = audio_format
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._writer: WavWriter | None = None
        self._unwritten = bytearray()

    @property
    def format(self) -> PcmFormat:
        """The format that the source must return."""
        return self._format

    async def start(self, source: Source) -> None:
        """Begin to pull blocks from `source`: 20 ms, or 40 ms where nobody hears them.

        Raises:
            DeviceError: the file cannot be written.
        """
        if self._path is not None:
            self._writer = await asyncio.to_thread(self._open_file, self._path)
        self._thread = threading.Thread(target=self._run, args=(source,), name="speaker")
        self._thread.start()

    def order(self, decide: Decide) -> None:
        """Nothing is ahead: each block is played when it is pulled; see `Speaker.order`."""
        decide(0)

    async def close(self) -> None:
        """Stop pulling and complete the file; idempotent."""
        self._stopped = True
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _open_file(self, path: Path) -> WavWriter:
        if not path.parent.is_dir():  # a mistyped place must not become a folder tree
            raise DeviceError(f"cannot write {path}: no folder {path.parent}")
        try:
            return WavWriter(path, self._format)
        except OSError as error:
            raise DeviceError(f"cannot write {path}: {error}") from error

    def _run(self, source: Source) -> None:
        unheard = self._writer is None
        block_seconds = self._UNHEARD_BLOCK_SECONDS if unheard else self._BLOCK_SECONDS
        block = round(self._format.rate * block_seconds)
        seconds = block / self._format.rate
        start = time.monotonic()
        _LOGGER.debug("the speaker's first sample is played at %.4f", start + seconds)
        count = 0
        try:
            while not self._stopped:
                time.sleep(max(0.0, start + (count + 1) * seconds - time.monotonic()))
                lag = int((time.monotonic() - start) / seconds) - (count + 1)
                if lag * seconds > _MAX_LAG:
                    self._write(bytes(lag * block * self._format.bytes_per_frame))
                    count += lag
                self._write(source(block))
                count += 1
        except OSError as error:  # the disk is full: the satellite's watchdog ends the reply
            _LOGGER.error("speaker failed: %s", error)
        finally:
            self._close_file()

    def _write(self, pcm: bytes) -> None:
        if self._writer is not None:
            self._unwritten += pcm
            if len(self._unwritten) >= self._format.bytes_for(_WRITE_SECONDS):
                self._writer.write(bytes(self._unwritten))
                self._unwritten.clear()

    def _close_file(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # a full disk was reported before
                self._writer.write(bytes(self._unwritten))
                self._writer.close()
