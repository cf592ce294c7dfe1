"""PCM audio: formats, conversion, chunking, level, wave files. The only place that converts audio.

PCM is interleaved and little-endian; 8-bit samples are unsigned, as in wave files, wider ones
signed. Everything here is synchronous; callers on an event loop put file access on a thread.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import soxr
from numpy.typing import NDArray

_RATES = (4000, 384_000)  # below is no speech, above is no sound card
_LEVEL_FLOOR = -96.0  # dBFS; about the quantisation step of 16-bit samples


class BadFormat(ValueError):
    """The numbers describe no PCM format that is supported, or bytes do not fit the format."""


class BadWav(ValueError):
    """The file is no wave file with PCM audio in it."""


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How PCM bytes are to be read.

    Args:
        rate: Frames a second, in Hz; 4000 to 384000.
        width: Bytes a sample; 1 to 4.
        channels: Samples a frame; 1 to 8.

    Raises:
        BadFormat: A number is out of its range or no integer.
    """

    rate: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        for name, value, (low, high) in (
            ("rate", self.rate, _RATES),
            ("width", self.width, (1, 4)),
            ("channels", self.channels, (1, 8)),
        ):
            if type(value) is not int or not low <= value <= high:
                raise BadFormat(f"{name} must be an integer from {low} to {high}, not {value!r}")

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.width * self.channels

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second."""
        return self.rate * self.bytes_per_frame

    def seconds(self, n_bytes: int) -> float:
        """Tell how long so many bytes sound, in seconds."""
        return n_bytes / self.bytes_per_second

    def bytes_for(self, seconds: float) -> int:
        """Tell how many bytes sound so long, rounded to whole frames."""
        return round(seconds * self.rate) * self.bytes_per_frame


SPEECH = PcmFormat(16000, 2, 1)
"""What speech-to-text, wake words and voice activity take: 16 kHz, 16 bit, mono."""


class Converter:
    """Convert a stream of PCM from one format to another.

    Input may be cut anywhere, also inside a sample; the output as a whole does not depend on the
    cuts. Where channel counts differ, the source's are averaged and the result is copied to each
    channel of the target. Samples out of range are clipped. Equal formats pass through unchanged.

    Rates are converted by libsoxr at its high quality, which holds back 20 to 70 ms of audio until
    more comes or `flush` is called.

    Args:
        source: Format of the input.
        target: Format of the output.
    """

    def __init__(self, source: PcmFormat, target: PcmFormat) -> None:
        self.source = source
        self.target = target
        self._rest = b""  # the beginning of a frame whose end has not come
        self._mix = source.channels != target.channels
        self._resampler: Any = None  # soxr.ResampleStream, which carries no types
        if source.rate != target.rate:
            channels = 1 if self._mix else source.channels
            self._resampler = soxr.ResampleStream(
                source.rate, target.rate, channels, dtype="float32", quality="HQ"
            )

    def process(self, pcm: bytes) -> bytes:
        """Convert the next bytes of the stream.

        Args:
            pcm: Bytes in the source format, of any length.

        Returns:
            Whole frames in the target format; what is not ready comes with a later call.
        """
        if self.source == self.target:
            return pcm
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % self.source.bytes_per_frame
        self._rest = pcm[whole:]
        return self._convert(_decode(pcm[:whole], self.source), last=False)

    def flush(self) -> bytes:
        """End the stream; the converter is then ready for another one.

        Returns:
            The frames held back, in the target format. An incomplete last frame is dropped.
        """
        self._rest = b""
        if self._resampler is None:
            return b""
        tail = self._convert(np.zeros((0, self.source.channels), np.float32), last=True)
        self._resampler.clear()
        return tail

    def _convert(self, samples: NDArray[np.float32], *, last: bool) -> bytes:
        if self._mix:
            samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if self._mix:
            samples = np.repeat(samples, self.target.channels, axis=1)
        return _encode(samples, self.target.width)


class Chunker:
    """Cut a stream of bytes into chunks of one size.

    Args:
        n_bytes: Size of a chunk; at least 1.

    Raises:
        ValueError: The size is below 1.
    """

    def __init__(self, n_bytes: int) -> None:
        if n_bytes < 1:
            raise ValueError(f"a chunk has at least 1 byte, not {n_bytes}")
        self._size = n_bytes
        self._rest = b""

    def push(self, data: bytes) -> Iterator[bytes]:
        """Add bytes; they count also if the result is not used.

        Returns:
            The chunks that are now full, in order.
        """
        data = self._rest + data
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        return iter([data[at : at + self._size] for at in range(0, whole, self._size)])

    def flush(self) -> bytes:
        """Return the incomplete last chunk, maybe empty, and begin anew."""
        rest, self._rest = self._rest, b""
        return rest


def level(pcm16: bytes) -> float:
    """Measure the loudness of 16-bit samples.

    Args:
        pcm16: Signed 16-bit samples.

    Returns:
        Root mean square in dB relative to full scale, -96.0 at least. A sine of full scale has
        -3.0, a square wave 0.0.

    Raises:
        BadFormat: The number of bytes is odd.
    """
    samples = to_float32(pcm16)
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return max(_LEVEL_FLOOR, 10 * math.log10(power)) if power > 0 else _LEVEL_FLOOR


def to_float32(pcm16: bytes) -> NDArray[np.float32]:
    """Turn 16-bit samples into floats.

    Args:
        pcm16: Signed 16-bit samples.

    Returns:
        Shape (samples,), in [-1, 1).

    Raises:
        BadFormat: The number of bytes is odd.
    """
    if len(pcm16) % 2:
        raise BadFormat("16-bit samples have an even number of bytes")
    return np.frombuffer(pcm16, "<i2").astype(np.float32) / np.float32(32768)


def from_float32(samples: NDArray[np.float32]) -> bytes:
    """Turn floats into signed 16-bit samples.

    Args:
        samples: Shape (samples,); what is outside [-1, 1) is clipped, NaN becomes silence.

    Returns:
        Two bytes a sample.
    """
    return _encode(samples, 2)


def _decode(pcm: bytes, source: PcmFormat) -> NDArray[np.float32]:
    """Turn whole frames into floats of shape (frames, channels), in [-1, 1)."""
    samples: NDArray[np.float32]
    if source.width == 1:
        samples = (np.frombuffer(pcm, np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif source.width == 2:
        samples = to_float32(pcm)
    else:
        padded = np.zeros((len(pcm) // source.width, 4), np.uint8)
        padded[:, 4 - source.width :] = np.frombuffer(pcm, np.uint8).reshape(-1, source.width)
        samples = padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    return samples.reshape(-1, source.channels)


def _encode(samples: NDArray[np.float32], width: int) -> bytes:
    """Turn floats of any shape into samples, in row order."""
    scale = float(2 ** (8 * width - 1))
    # float64, because float32 cannot hold the largest 32-bit sample
    scaled = np.rint(np.nan_to_num(samples, nan=0.0).astype(np.float64) * scale)
    whole = np.clip(scaled, -scale, scale - 1).astype("<i4")
    if width == 1:
        return (whole + 128).astype(np.uint8).tobytes()
    return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def read_wav(path: Path) -> tuple[PcmFormat, bytes]:
    """Read a whole wave file.

    Args:
        path: The file.

    Returns:
        Its format and its PCM, whole frames. A file that was cut short yields what is there.

    Raises:
        BadWav: It is no wave file, has no PCM or no audio in it, or its format is not supported.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        try:
            with wave.open(file) as wav:
                form = PcmFormat(wav.getframerate(), wav.getsampwidth(), wav.getnchannels())
                pcm = wav.readframes(wav.getnframes())
        except EOFError:
            raise BadWav(f"{path.name} is no wave file: its header is incomplete") from None
        except RuntimeError:  # what the wave module raises, bare, on chunk sizes that do not add up
            raise BadWav(f"{path.name} is no wave file: its chunks do not add up") from None
        except (wave.Error, BadFormat) as error:
            raise BadWav(f"{path.name} is no plain PCM wave file: {error}") from None
    pcm = pcm[: len(pcm) - len(pcm) % form.bytes_per_frame]
    if not pcm:
        raise BadWav(f"{path.name} has no audio in it")
    return form, pcm


def wav_of(form: PcmFormat, pcm: bytes) -> bytes:
    """Return a whole wave file.

    Args:
        form: Format of the audio.
        pcm: The audio, whole frames.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((form.channels, form.width, form.rate, 0, "NONE", ""))
        wav.writeframes(pcm)
    return file.getvalue()


def write_wav(path: Path, form: PcmFormat, pcm: bytes) -> None:
    """Write a whole wave file.

    Args:
        path: The file; replaced if it exists.
        form: Format of the audio.
        pcm: The audio; an incomplete last frame is left out.

    Raises:
        OSError: It cannot be written.
    """
    with WavWriter(path, form) as wav:
        wav.write(pcm)


class WavWriter:
    """Write a wave file bit by bit; it is a valid file after each write, also if we are killed.

    Args:
        path: The file; replaced if it exists.
        form: Format of the audio.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path, form: PcmFormat) -> None:
        self._rest = b""  # the beginning of a frame whose end has not come
        self._frame = form.bytes_per_frame
        self._file = path.open("wb")
        self._wav = wave.open(self._file, "wb")  # noqa: SIM115  open until close()
        self._wav.setparams((form.channels, form.width, form.rate, 0, "NONE", "not compressed"))
        self.write(b"")  # the header

    def write(self, pcm: bytes) -> None:
        """Append audio, cut anywhere.

        Args:
            pcm: Bytes in the file's format.

        Raises:
            OSError: They cannot be written.
        """
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % self._frame
        self._rest = pcm[whole:]
        self._wav.writeframes(pcm[:whole])  # sets the lengths in the header to what is there
        self._file.flush()

    def close(self) -> None:
        """Close the file; calling it again does nothing. An incomplete last frame is left out."""
        self._wav.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
