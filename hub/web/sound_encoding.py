"""Sound files that go out; this and `sound_decoding` alone import PyAV (FFmpeg)."""

import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.audio import Converter, PcmFormat

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer


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
MEDIA = tuple(kind.content_type for kind in _ALL_KINDS.values())
"""The media types of all kinds; FFmpeg is not loaded to say so."""

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


async def encoded(
    pieces: AsyncGenerator[bytes], encoder: Encoder, tempo: Tempo | None = None
) -> AsyncGenerator[bytes]:
    """Yield the sound file of some sound as it is made; closes `pieces`.

    Args:
        pieces: yields the sound.
        encoder: makes the file.
        tempo: makes the sound faster or slower; None leaves it as it is.
    """
    async with aclosing(pieces):
        async for pcm in pieces:
            if data := encoder.push(tempo.push(pcm) if tempo is not None else pcm):
                yield data
    rest = encoder.push(tempo.flush()) if tempo is not None else b""
    if data := rest + encoder.flush():
        yield data


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
