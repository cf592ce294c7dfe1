"""Sound files that come in, and those that go out: the only code that imports PyAV (FFmpeg).

What comes in is strangers' data: only formats that hold their own sound are read. FFmpeg also knows
playlists, which name other files and addresses; they are refused, and so is whatever else it would
open.
"""

import asyncio
import io
import struct
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from protocol.audio import SPEECH, Converter, PcmFormat

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer

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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sound file that can be made.

    Args:
        content_type: as HTTP has it.
        codec: FFmpeg's encoder; "" needs none.
        container: FFmpeg's name of the format.
        rates: Hz, that it may have, the best last; none for any.
    """

    content_type: str
    codec: str = ""
    container: str = ""
    rates: tuple[int, ...] = ()


_ALL_KINDS = {
    "wav": Kind("audio/wav"),
    "pcm": Kind("audio/pcm", rates=(24000,)),  # it does not say, so it is always the same
    "flac": Kind("audio/flac", "flac", "flac"),
    "mp3": Kind("audio/mpeg", "libmp3lame", "mp3", (16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": Kind("audio/ogg", "libopus", "ogg", (16000, 24000, 48000)),
    "aac": Kind("audio/aac", "aac", "adts", (16000, 22050, 24000, 32000, 44100, 48000)),
}
_OPTIONS = {
    "mp3": {"write_xing": "0", "id3v2_version": "0"},  # what would have to be corrected later
    "ogg": {"page_duration": "200000"},  # microseconds; a second by default
}
_BIT_RATES = {"libmp3lame": 64_000, "libopus": 32_000, "aac": 64_000}


@cache
def kinds() -> dict[str, Kind]:
    """Return the kinds that can be made here, by what they are called: wav, pcm, flac, ..."""
    import av

    made = {}
    for name, kind in _ALL_KINDS.items():
        try:
            if kind.codec:
                av.Codec(kind.codec, "w")
        except av.FFmpegError:  # this FFmpeg was built without it
            continue
        made[name] = kind
    return made


class Encoder:
    """Makes a sound file as the sound comes, never going back: so it can be sent meanwhile.

    A wave file made so says in its header that it goes on for ever, as FFmpeg's do. It takes a few
    milliseconds a second of sound, on the caller's thread.

    Args:
        kind: one of `kinds()`.
        form: of the sound; 16-bit.
    """

    def __init__(self, kind: str, form: PcmFormat) -> None:
        self._kind = kinds()[kind]
        rates = self._kind.rates
        rate = form.rate
        if rates and rate not in rates:
            rate = next((able for able in rates if able >= rate), rates[-1])
        self._form = PcmFormat(rate, 2, 1)
        self._converter = Converter(form, self._form)
        self._out = _Out()
        self._container: OutputContainer | None = None
        self._stream: Any = None  # an audio stream, which PyAV types as one of many
        self._samples = 0
        if self._kind.codec:
            self._begin()
        elif kind == "wav":
            self._out.write(_wave_header(self._form))

    @property
    def content_type(self) -> str:
        """How HTTP calls it."""
        return self._kind.content_type

    def push(self, pcm: bytes) -> bytes:
        """Add sound; return what of the file is ready, which may be nothing."""
        self._encode(self._converter.process(pcm))
        return self._out.take()

    def flush(self) -> bytes:
        """End the file; return its rest."""
        self._encode(self._converter.flush())
        if self._container is not None:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
        return self._out.take()

    def _begin(self) -> None:
        import av

        kind = self._kind
        options = {"flush_packets": "1", **_OPTIONS.get(kind.container, {})}
        self._container = av.open(self._out, mode="w", format=kind.container, options=options)
        self._stream = self._container.add_stream(kind.codec, rate=self._form.rate, layout="mono")
        if kind.codec in _BIT_RATES:
            self._stream.bit_rate = _BIT_RATES[kind.codec]

    def _encode(self, pcm: bytes) -> None:
        if self._container is None:
            self._out.write(pcm)
            return
        if not pcm:
            return
        frame = _frame_of(pcm, self._form, self._samples)
        self._samples += frame.samples
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


class Tempo:
    """Makes speech faster or slower; its pitch stays (FFmpeg's atempo, a WSOLA).

    Args:
        form: of the sound; 16-bit mono.
        speed: 0.25 to 4; 2 is twice as fast.
    """

    def __init__(self, form: PcmFormat, speed: float) -> None:
        from av.filter import Graph

        self._form = form
        self._samples = 0
        self._graph = Graph()
        nodes = [self._graph.add_abuffer(format="s16", sample_rate=form.rate, layout="mono")]
        # One of them goes no lower than half the speed; and from twice on it would leave out words.
        steps = 2 if speed < 0.5 or speed > 2 else 1
        nodes += [self._graph.add("atempo", str(speed ** (1 / steps))) for _ in range(steps)]
        # Behind the filters samples are floats, so they are made whole again.
        nodes += [self._graph.add("aformat", "sample_fmts=s16"), self._graph.add("abuffersink")]
        self._graph.link_nodes(*nodes).configure()

    def push(self, pcm: bytes) -> bytes:
        """Take sound; return what is ready."""
        if pcm:
            frame = _frame_of(pcm, self._form, self._samples)
            self._samples += frame.samples
            self._graph.push(frame)
        return self._ready()

    def flush(self) -> bytes:
        """End; return the rest."""
        self._graph.push(None)
        return self._ready()

    def _ready(self) -> bytes:
        import av

        ready = bytearray()
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return bytes(ready)
            assert isinstance(frame, av.AudioFrame)
            ready += bytes(frame.planes[0])[: frame.samples * self._form.bytes_per_frame]


def _frame_of(pcm: bytes, form: PcmFormat, position: int) -> "av.AudioFrame":
    """Return 16-bit mono sound as FFmpeg has it."""
    import av

    samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts = form.rate, position
    frame.time_base = Fraction(1, form.rate)
    return frame


class _Out:
    """What FFmpeg writes to. It cannot go back: there is no `seek`."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written since."""
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


def _wave_header(form: PcmFormat) -> bytes:
    """Return the header of a wave file whose length nobody knows yet."""
    fmt = struct.pack(
        "<HHIIHH",
        1,  # PCM
        form.channels,
        form.rate,
        form.bytes_per_second,
        form.bytes_per_frame,
        form.width * 8,
    )
    unknown = 0xFFFFFFFF
    return (
        struct.pack("<4sI4s4sI", b"RIFF", unknown, b"WAVE", b"fmt ", len(fmt))
        + fmt
        + struct.pack("<4sI", b"data", unknown)
    )
