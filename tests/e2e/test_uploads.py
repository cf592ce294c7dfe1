"""Uploads to a real hub: what a person sends, and what nobody should; its memory stays flat."""

import asyncio
import contextlib

import aiohttp
import pytest
from processes import VOICE
from web_hub import wav

pytestmark = [pytest.mark.long, pytest.mark.local]

MEGABYTE = 1 << 20
ALLOWED = 40 * MEGABYTE  # that models take for themselves when they first work
TYPES = {"raw": "audio/wav", "form": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


async def pieces(gigabytes):
    for _ in range(int(gigabytes * 1024)):
        yield bytes(MEGABYTE)


async def post(address, kind, body, length=None):
    """Send a body as far as the hub takes it; return the head of its answer, and bytes sent."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = f"POST /api/transcribe HTTP/1.1\r\nHost: {host}\r\nContent-Type: {TYPES[kind]}\r\n{size}"
    writer.write(f"{head}\r\n\r\n".encode())
    answering, sent = asyncio.create_task(reader.read(1000)), 0
    with contextlib.suppress(ConnectionError):
        async for piece in body:
            data = PART + piece if kind == "form" and not sent else piece
            writer.write(data if length is not None else b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            sent += len(data)
    answer = await answering
    writer.close()
    return answer.decode(), sent


async def test_what_should_not_be_sent_is_refused_in_flat_memory(house, ask):
    question = wav(ask("What is the capital of France?"), VOICE.rate)
    async with house.hub() as hub, aiohttp.ClientSession(hub.web) as client:

        async def transcribed(body):
            headers = {"Content-Type": "audio/wav"}
            async with client.post("/api/transcribe", data=body, headers=headers) as response:
                return response.status, await response.json()

        status, told = await transcribed(question)
        assert status == 200
        assert "capital of France" in told["text"]
        before = hub.memory()
        for kind in TYPES:
            for length in (None, 2 * 1024 * MEGABYTE):
                answer, sent = await post(hub.web, kind, pieces(2), length)
                assert " 413 " in answer.split("\r\n")[0], answer
                print(kind, length, "took", sent // MEGABYTE, "MB")
        assert hub.memory() - before < ALLOWED

        async def slow():
            for _ in range(100):
                yield b"RIFF"
                await asyncio.sleep(0.5)

        began = asyncio.get_running_loop().time()
        answer, _ = await post(hub.web, "raw", slow())
        assert " 408 " in answer.split("\r\n")[0], answer
        assert asyncio.get_running_loop().time() - began < 60
        for broken in (b"", b"RIFF" * 1000, question[:44], b"\0" * MEGABYTE):
            status, told = await transcribed(broken)
            assert (status, told["error"]["code"]) == (400, "bad-sound")
        silence = wav(bytes(16000 * 2 * 60 * 40))  # 77 MB
        status, told = await transcribed(silence)
        assert (status, told["text"], told["seconds"]) == (200, "", 2400.0)
        assert hub.memory() - before < ALLOWED
        status, told = await transcribed(question)
        assert status == 200
        assert "capital of France" in told["text"]
        assert hub.count("Traceback") == 0, hub.text()
        assert hub.count("web:") == 0, hub.text()
