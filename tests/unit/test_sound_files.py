import asyncio
import io
import struct
import wave
from contextlib import aclosing

import av
import numpy as np
import psutil
import pytest

from hub.web.sound_decoding import BadSound, decoded
from hub.web.sound_encoding import Encoder, kinds
from protocol.audio import SPEECH, PcmFormat, wav_of

VOICE = PcmFormat(24000, 2, 1)


def tone(seconds: float, form: PcmFormat = VOICE, hertz: float = 440.0) -> bytes:
    time = np.arange(round(seconds * form.rate)) / form.rate
    samples = (np.sin(2 * np.pi * hertz * time) * 8000).astype("<i2")
    return np.repeat(samples[:, None], form.channels, axis=1).tobytes()


async def all_of(data: bytes) -> bytes:
    return b"".join([pcm async for pcm in decoded(io.BytesIO(data))])


def loudest_hertz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SPEECH.rate / len(samples))


def made(kind: str, pcm: bytes, form: PcmFormat = VOICE, piece: int = 6000) -> bytes:
    encoder = Encoder(kind, form)
    pieces = [encoder.push(pcm[at : at + piece]) for at in range(0, len(pcm), piece)]
    return b"".join([*pieces, encoder.flush()])


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus", "aac"])
@pytest.mark.parametrize("rate", [22050, 24000, 44100])
async def test_what_is_encoded_is_decoded_to_the_same_sound(kind, rate):
    form = PcmFormat(rate, 2, 1)
    pcm = await all_of(made(kind, tone(2.0, form), form))
    assert SPEECH.seconds(len(pcm)) == pytest.approx(2.0, abs=0.15)
    assert loudest_hertz(pcm) == pytest.approx(440, abs=3)
    middle = np.frombuffer(pcm, "<i2")[8000:24000]
    assert np.abs(middle).max() == pytest.approx(8000, rel=0.15)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("ipod", "aac"),
        ("mov", "pcm_s16le"),
        ("webm", "libopus"),
        ("matroska", "flac"),
        ("aiff", "pcm_s16be"),
        ("ogg", "flac"),
        ("wav", "adpcm_ms"),
        ("au", "pcm_mulaw"),
    ],
)
async def test_sound_is_read_out_of_other_containers(container, codec):
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48000, layout="stereo")
        form = PcmFormat(48000, 2, 2)
        samples = np.frombuffer(tone(2.0, form), "<i2").reshape(1, -1)
        for at in range(0, 96_000, 4800):
            part = np.ascontiguousarray(samples[:, 2 * at : 2 * (at + 4800)])
            frame = av.AudioFrame.from_ndarray(part, "s16", "stereo")
            frame.sample_rate, frame.pts = 48000, at
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    pcm = await all_of(file.getvalue())
    assert SPEECH.seconds(len(pcm)) == pytest.approx(2.0, abs=0.15)
    assert loudest_hertz(pcm) == pytest.approx(440, abs=3)


async def test_pictures_and_films_have_no_sound(tmp_path):
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(BadSound, match="no sound"):
        await all_of(file.getvalue())
    png = b"\x89PNG\r\n\x1a\n" + bytes(500)
    with pytest.raises(BadSound, match="no sound file"):
        await all_of(png)


def test_raw_sound_is_always_at_24_khz():
    assert made("pcm", tone(1.0)) == tone(1.0)
    other = made("pcm", tone(1.0, PcmFormat(44100, 2, 1)), PcmFormat(44100, 2, 1))
    assert len(other) == pytest.approx(48000, abs=100)


@pytest.mark.parametrize("kind", ["wav", "pcm", "flac", "mp3", "opus", "aac"])
def test_a_file_begins_to_come_before_its_sound_has_ended(kind):
    assert kind in kinds()
    encoder = Encoder(kind, VOICE)
    came = sum(len(encoder.push(tone(0.1))) for _ in range(5))
    assert came > 200  # more than a header, after half a second


def test_a_wave_file_that_was_streamed_is_read_by_the_standard_library():
    with wave.open(io.BytesIO(made("wav", tone(1.0)))) as wav:
        assert (wav.getframerate(), wav.getsampwidth(), wav.getnchannels()) == (24000, 2, 1)
        assert wav.readframes(48000) == tone(1.0)


@pytest.mark.parametrize(
    "form",
    [PcmFormat(8000, 1, 1), PcmFormat(48000, 3, 2), PcmFormat(44100, 4, 6), PcmFormat(16000, 2, 1)],
)
async def test_wave_files_of_all_widths_rates_and_channels_are_read(form):
    pcm = await all_of(wav_of(form, bytes(form.bytes_for(1.5))))
    assert SPEECH.seconds(len(pcm)) == pytest.approx(1.5, abs=0.05)


async def test_an_empty_file_is_refused():
    with pytest.raises(BadSound, match="empty"):
        await all_of(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am a text and no sound at all\n" * 100,
        bytes(5000),
        np.random.default_rng(5).bytes(40_000),
        b"RIFF\x00\x00",
        b"OggS" + bytes(400),
        b"\x1aE\xdf\xa3" + bytes(400),
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(4000),
        b"fLaC" + bytes(300),
    ],
)
async def test_what_is_no_sound_is_refused(data):
    with pytest.raises(BadSound):
        await all_of(data)


async def test_a_wave_file_without_samples_has_no_sound():
    with pytest.raises(BadSound, match="no sound"):
        await all_of(wav_of(SPEECH, b""))


async def test_a_file_that_was_cut_short_yields_what_is_there():
    whole = made("flac", tone(4.0))
    pcm = await all_of(whole[: len(whole) // 2])
    assert 1.0 < SPEECH.seconds(len(pcm)) < 3.0


async def test_a_wave_file_that_claims_more_than_it_has_yields_what_is_there():
    data = bytearray(wav_of(SPEECH, tone(1.0, SPEECH)))
    data[40:44] = struct.pack("<I", 0x7FFFFFFF)
    assert SPEECH.seconds(len(await all_of(bytes(data)))) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rate", [1, 100, 4_000_000_000])
async def test_an_impossible_sample_rate_is_refused(rate):
    data = bytearray(wav_of(SPEECH, tone(1.0, SPEECH)))
    data[24:28] = struct.pack("<I", rate)
    with pytest.raises(BadSound):
        await all_of(bytes(data))


async def test_noise_behind_a_header_of_each_kind_never_does_more_than_fail():
    noise = np.random.default_rng(7)
    for kind in ("flac", "mp3", "opus", "aac", "wav"):
        whole = bytearray(made(kind, tone(1.0)))
        for _ in range(20):
            broken = bytearray(whole)
            for at in noise.integers(0, len(broken), 60):
                broken[at] = noise.integers(0, 256)
            try:
                assert len(await all_of(bytes(broken))) < 40 * SPEECH.bytes_per_second
            except BadSound as exc:
                assert str(exc)


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile '{path}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile://{path}\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        '<Representation id="1"><BaseURL>file://{path}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
)
async def test_a_playlist_opens_no_other_file(tmp_path, playlist):
    path = tmp_path / "secret.wav"
    path.write_bytes(wav_of(SPEECH, tone(1.0, SPEECH)))
    with pytest.raises(BadSound, match="no sound file"):
        await all_of(playlist.format(path=path).encode())


async def test_hours_of_sound_take_no_memory():
    flac = made("flac", bytes(VOICE.bytes_for(600)), piece=480_000)
    process, seconds, least, most = psutil.Process(), 0.0, 1 << 60, 0
    for _ in range(12):
        async with aclosing(decoded(io.BytesIO(flac))) as pieces:
            async for pcm in pieces:
                seconds += SPEECH.seconds(len(pcm))
                assert len(pcm) < 4 * SPEECH.bytes_per_second
        if seconds > 1200:
            rss = process.memory_info().rss
            least, most = min(least, rss), max(most, rss)
    assert seconds == pytest.approx(7200, abs=1)
    assert most - least < 8 << 20


async def test_decoding_that_is_cancelled_or_left_frees_its_file():
    data = made("flac", tone(60.0))
    file = io.BytesIO(data)
    async with aclosing(decoded(file)) as pieces:
        await anext(pieces)
    file.close()

    file = io.BytesIO(data)

    async def decode():
        async with aclosing(decoded(file)) as pieces:
            async for _ in pieces:
                pass

    for ticks in range(8):
        task = asyncio.create_task(decode())
        for _ in range(ticks):
            await asyncio.sleep(0.001)
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)
    file.close()
