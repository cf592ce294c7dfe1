"""Sound files that come in; this and `sound_encoding` alone import PyAV (FFmpeg).

What comes in is strangers' data: only formats that hold their own sound are read. FFmpeg also knows
playlists, which name other files and addresses; they are refused, and so is whatever else it would
open.
"""

import asyncio
import io
import threading
from collections.abc import AsyncGenerator, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from protocol.audio import SPEECH

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_FORMATS = (
    "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,amr,amrnb,amrwb"
)
_CODECS = frozenset(
    "flac alac mp3 mp3float mp2 mp2float aac aac_fixed aac_latm opus libopus vorbis amrnb amrwb "  # noqa: SIM905  a line, not eighteen
    "gsm gsm_ms ac3 eac3".split()
)
_CODEC_FAMILIES = ("pcm_", "adpcm_")
_RATES = (4000, 384_000)  # Hz; below is no speech, above is no sound card
_PIECE = SPEECH.bytes_for(1.0)  # decoded at once: some milliseconds of work
_MOST_BROKEN = 200  # packets, one after the other, that cannot be decoded: it is no sound
READS = "WAV, FLAC, MP3, AAC, Ogg (Opus, Vorbis, FLAC), WebM, MP4/M4A, AIFF"


class BadSound(ValueError):
    """The file is no sound that can be read; says why."""


async def decoded(file: BinaryIO) -> AsyncGenerator[bytes]:
    """Yield the sound of a file, 16 kHz mono 16-bit, about a second at a time.

    It is decoded as it is asked for, on a thread, so hours of it take no more memory than seconds.
    A file that was cut short yields what is there. `file` may be closed once this is.

    Args:
        file: any of `READS`; it must be seekable.

    Raises:
        BadSound: it is empty, broken, has no sound or is of another kind.
    """
    decoder = _Decoder(file)
    try:
        while pcm := await asyncio.to_thread(decoder.read):
            yield pcm
    finally:
        # On a thread, since a read that was cancelled may not have ended yet.
        await asyncio.shield(asyncio.to_thread(decoder.close))


class _Plain:
    """A file without its name, by which FFmpeg would guess, and without its end."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


class _Decoder:
    """Decodes a file bit by bit; every call blocks."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()  # a cancelled read may still run when it is closed
        self._container: InputContainer | None = None
        self._pcm: Iterator[bytes] | None = None
        self._closed = False
        self._any = False

    def read(self) -> bytes:
        """Return the next second or so; b"" at the end."""
        import av

        with self._lock:
            if self._closed:
                return b""
            try:
                if self._pcm is None:
                    self._pcm = self._open()
                piece = bytearray()
                while len(piece) < _PIECE and (pcm := next(self._pcm, None)) is not None:
                    piece += pcm
            except BadSound:
                raise
            except (av.FFmpegError, ValueError, OverflowError, MemoryError):
                raise BadSound("the sound is broken: it cannot be decoded") from None
            if not piece and not self._any:
                raise BadSound("the file has no sound in it, or it is broken")
            self._any = True
            return bytes(piece)

    def close(self) -> None:
        """Free the decoder, after a read that is under way."""
        with self._lock:
            self._closed, self._pcm = True, None
            if self._container is not None:
                self._container.close()

    def _open(self) -> Iterator[bytes]:
        import av

        if not self._file.seek(0, io.SEEK_END):
            raise BadSound("the file is empty")
        self._file.seek(0)
        options = {"format_whitelist": _FORMATS, "codec_whitelist": _codecs()}
        try:
            self._container = av.open(
                _Plain(self._file),
                mode="r",
                options=options,
                metadata_errors="ignore",
                io_open=_opens_nothing,
            )
        except (av.FFmpegError, ValueError):
            raise BadSound(f"this is no sound file that can be read here ({READS})") from None
        stream = next(iter(self._container.streams.audio), None)
        if stream is None:
            raise BadSound("the file has no sound in it")
        if stream.codec_context is None:  # PyAV's types do not say so: FFmpeg knows no such codec
            raise BadSound("the sound is of a kind that is not read here, or the file is broken")
        name = stream.codec_context.name
        if name not in _CODECS and not name.startswith(_CODEC_FAMILIES):
            raise BadSound(f"sound of the kind {name!r} is not read here")
        return self._samples(self._container, stream)

    def _samples(self, container: "InputContainer", stream: "av.AudioStream") -> Iterator[bytes]:
        import av

        resampler, form, broken = None, None, 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:  # as players do, go on behind it
                broken += 1
                if broken >= _MOST_BROKEN:
                    raise BadSound("the sound is broken: it cannot be decoded") from None
                continue
            for frame in frames:
                broken = 0
                came = (frame.sample_rate, frame.layout.name, frame.format.name)
                if came != form:  # the first one; or the stream changes, as those of radios do
                    if not _RATES[0] <= frame.sample_rate <= _RATES[1]:
                        raise BadSound(f"a sample rate of {frame.sample_rate} Hz is not read here")
                    yield from _bytes_of(resampler, None)
                    resampler = av.AudioResampler("s16", "mono", SPEECH.rate)
                    form = came
                frame.pts = None  # gaps and jumps in the clock of a file mean nothing here
                yield from _bytes_of(resampler, frame)
        yield from _bytes_of(resampler, None)


def _bytes_of(
    resampler: "av.AudioResampler | None", frame: "av.AudioFrame | None"
) -> Iterator[bytes]:
    """Yield what comes out of a resampler; None for a frame is the end."""
    if resampler is None:
        return
    for out in resampler.resample(frame):
        yield bytes(out.planes[0])[: out.samples * SPEECH.bytes_per_frame]


def _opens_nothing(url: str, flags: int, options: dict[str, str]) -> Any:
    raise OSError("a sound file opens no others")


@cache
def _codecs() -> str:
    """Return what may be decoded, as FFmpeg wants it."""
    import av

    return ",".join(
        name
        for name in sorted(av.codecs_available)
        if name in _CODECS or name.startswith(_CODEC_FAMILIES)
    )
