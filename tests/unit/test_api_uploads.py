"""Uploads that are too long, too slow, no sound, broken, or whose sender goes away."""

import asyncio
import random
import resource
import struct
import tempfile
from pathlib import Path

import pytest
from web_hub import QUESTION, WAV, code_of, wav, web_hub

from hub.web import uploads

MEGABYTE = 1_000_000


@pytest.fixture
async def house(tmp_path, monkeypatch, engines):
    async with web_hub(tmp_path, monkeypatch, engines, max_upload=3) as house:
        yield house


def memory():
    """Return the most megabytes that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def open_files():
    """Return how many uploads this process has open; such files have no name."""
    found = 0
    for number in Path("/proc/self/fd").iterdir():
        try:
            path = str(number.readlink())
        except OSError:
            continue
        found += "(deleted)" in path and path.startswith(str(uploads._folder()))
    return found


async def test_what_says_that_it_is_too_long_is_refused_before_it_comes(house):
    """As a client does that looks whether there is an answer before it has sent everything."""
    host, port = house.web_address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /api/transcribe HTTP/1.1\r\nHost: {host}\r\nContent-Type: audio/wav\r\n"
    writer.write(f"{head}Content-Length: {2 << 30}\r\n\r\n".encode() + bytes(1000))
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"}}")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"too-long"' in answer


@pytest.mark.parametrize("form", [False, True])
async def test_two_gigabytes_that_do_not_say_so_are_refused_in_flat_memory(house, form):
    """All of it is sent, in chunks, as fast as the hub takes it; whatever the hub answers."""
    before, sent = memory(), 0
    host, port = house.web_address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    kind = "multipart/form-data; boundary=x" if form else "audio/wav"
    head = f"POST /api/transcribe HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    if form:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
    piece = wav(QUESTION)[:65536]
    answer = asyncio.create_task(reader.readuntil(b"}}"))  # while it sends: then it is cut off
    try:
        async with asyncio.timeout(60):
            while sent < 2 << 30:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
                await writer.drain()
    except ConnectionError:
        pass
    assert (await answer).startswith(b"HTTP/1.1 413")
    writer.close()
    assert sent > 3 * MEGABYTE
    assert memory() - before < 40
    assert open_files() == 0


async def test_a_slow_upload_is_given_up(client, monkeypatch):
    monkeypatch.setattr(uploads, "_PATIENCE", 0.3)

    async def slow():
        for byte in wav()[:200]:
            yield bytes([byte])
            await asyncio.sleep(0.02)

    for headers in (WAV, {"Content-Type": "multipart/form-data; boundary=x"}):
        response = await client.post("/api/transcribe", data=slow(), headers=headers)
        assert await code_of(response, 408) == "too-slow"
    assert open_files() == 0


async def test_an_upload_that_comes_slowly_but_steadily_is_taken(client, monkeypatch):
    monkeypatch.setattr(uploads, "_PATIENCE", 0.3)

    async def steady():
        whole = wav()
        for at in range(0, len(whole), 7000):
            yield whole[at : at + 7000]
            await asyncio.sleep(0.1)

    response = await client.post("/api/transcribe", data=steady(), headers=WAV)
    assert response.status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "video/x-msvideo", "image/png"])
async def test_another_type_is_refused(client, kind):
    response = await client.post("/api/transcribe", data=wav(), headers={"Content-Type": kind})
    assert await code_of(response, 415) == "not-sound"


def lying(**fields):
    """Return a wave file whose header says something else than what is in it."""
    whole = bytearray(wav())
    places = {"riff": 4, "channels": 22, "rate": 24, "block": 32, "bits": 34, "data": 40}
    for name, value in fields.items():
        kind = "<H" if name in ("channels", "block", "bits") else "<I"
        struct.pack_into(kind, whole, places[name], value)
    return bytes(whole)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"RIFF",
        wav()[:44],
        wav(b""),
        b"no sound at all " * 100,
        random.Random(7).randbytes(50_000),
        b'{"text": "Hello"}',
        lying(rate=0),
        lying(channels=0),
        lying(bits=0, block=0),
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
    ids=lambda body: str(body[:12]),
)
async def test_what_is_no_sound_is_said_to_be_none(client, body, engines):
    for path in ("/api/transcribe", "/api/turn"):
        response = await client.post(path, data=body, headers=WAV)
        assert await code_of(response, 400) == "bad-sound"
    assert engines.stt.work.calls == 0
    assert open_files() == 0


@pytest.mark.parametrize(
    "body",
    [
        wav()[:20_000],
        lying(data=1 << 31),
        lying(riff=0, data=0xFFFFFFFF),
        lying(data=7),
        lying(rate=1),
        lying(rate=3_000_000_000),
        lying(bits=7),
    ],
)
async def test_a_header_that_lies_costs_no_more_than_its_own_sound(client, body):
    before = memory()
    response = await client.post("/api/transcribe", data=body, headers=WAV)
    assert response.status in (200, 400)
    assert memory() - before < 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        b"--x--\r\n",
        b"--x\r\n\r\nsound\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="sound"\r\n\r\nabc\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        b"--x\r\n" + b"A" * 100_000 + b"\r\n\r\nabc\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Length: z\r\n\r\n',
    ],
    ids=lambda body: str(body[:30]),
)
async def test_what_is_no_form_is_said_to_be_none(client, body):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/api/transcribe", data=body, headers=headers)
    assert await code_of(response, 400) in ("malformed", "bad-sound")


async def test_a_form_without_a_boundary_and_broken_compression_are_no_bugs(client, caplog):
    headers = {"Content-Type": "multipart/form-data"}
    response = await client.post("/api/transcribe", data=b"abc", headers=headers)
    assert await code_of(response, 400) == "malformed"
    headers = {**WAV, "Content-Encoding": "gzip"}
    response = await client.post("/api/transcribe", data=b"no gzip", headers=headers)
    assert response.status == 400
    assert "web:" not in caplog.text


async def test_a_form_of_very_many_fields_is_refused(client):
    field = b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\nabc\r\n'
    body = b"".join(field % n for n in range(1000)) + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/api/transcribe", data=body, headers=headers)
    assert await code_of(response, 400) == "malformed"


async def test_a_full_disk_is_said_to_be_full_and_the_next_upload_does_well(client, monkeypatch):
    class Full(tempfile.SpooledTemporaryFile):
        """A file on a device that is full."""

        def rollover(self):
            self._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - closed with us
            self._rolled = True

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "SpooledTemporaryFile", Full)
        response = await client.post("/api/transcribe", data=wav(QUESTION * 20), headers=WAV)
        assert await code_of(response, 507) == "disk-full"
    response = await client.post("/api/transcribe", data=wav(QUESTION * 20), headers=WAV)
    assert response.status == 200


async def test_whoever_goes_away_stops_the_work_and_leaves_nothing(house, engines, caplog):
    engines.stt.seconds = 5.0
    steps = house._web._parts.steps
    places = steps._places
    host, port = house.web_address.removeprefix("http://").split(":")
    body = wav(QUESTION * 40)  # more than is kept in memory
    head = f"POST /api/transcribe HTTP/1.1\r\nHost: {host}\r\nContent-Type: audio/wav\r\n"
    for sent in (len(body), len(body) // 2):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:sent])
        await writer.drain()
        async with asyncio.timeout(5):
            while open_files() == 0 or (sent == len(body) and engines.stt.work.calls == 0):
                await asyncio.sleep(0.02)
        assert steps._places == places - (sent == len(body))  # what only comes in takes none
        writer.close()
        async with asyncio.timeout(3):
            while steps._places < places or open_files():
                await asyncio.sleep(0.02)
        worked = len(engines.stt.work.times)
        await asyncio.sleep(0.6)
        assert len(engines.stt.work.times) == worked
    assert "ERROR" not in caplog.text


async def test_who_sends_slowly_keeps_no_question_waiting(house, client):
    host, port = house.web_address.removeprefix("http://").split(":")
    head = f"POST /api/transcribe HTTP/1.1\r\nHost: {host}\r\nContent-Type: audio/wav\r\n"
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode() + wav()[:5000])
        await writer.drain()
        writers.append(writer)
    async with asyncio.timeout(5):
        while house._web._parts.steps._uploads:
            await asyncio.sleep(0.02)
    response = await client.post("/api/ask", json={"text": "what is the capital of france"})
    assert response.status == 200
    response = await client.post("/api/transcribe", data=wav(), headers=WAV)
    assert await code_of(response, 503) == "busy"
    for writer in writers:
        writer.close()
    async with asyncio.timeout(5):
        while house._web._parts.steps._uploads < 16:
            await asyncio.sleep(0.02)
    response = await client.post("/api/transcribe", data=wav(), headers=WAV)
    assert response.status == 200
