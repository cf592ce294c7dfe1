"""Stock clients, unchanged, against the service port of a real hub process."""

import asyncio
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import wave
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest
import pytest_asyncio
from processes import VOICE, House, free_port

from protocol.audio import wav_of, write_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT = 300.0
SENTENCES = (
    "The train to London leaves at noon from platform seven.",
    "Please water the plants in the kitchen this evening.",
    "Tomorrow we are going to visit my grandmother.",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(site, tmp_path_factory):
    async with House(site, tmp_path_factory.mktemp("house")).hub() as hub:
        hub.port = int(hub.service.rpartition(":")[2])
        yield hub


async def bench(hub, kind: str, *arguments: str) -> str:
    """Run wyoming-bench; it ends well unless everything fails, so its text is what counts."""
    child = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("wyoming-bench"),
        kind,
        f"127.0.0.1:{hub.port}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(TIMEOUT):
        output = (await child.communicate())[0].decode()
    assert child.returncode == 0, output
    assert "NOT SUPPORTED" not in output, output
    assert "unreachable" not in output, output
    return output


def results(output: str) -> dict[str, tuple[int, int]]:
    """Return (ok, fail) by mode."""
    found = re.findall(r"^\[(\w+)\] ok=(\d+) fail=(\d+)", output, re.MULTILINE)
    return {mode: (int(ok), int(fail)) for mode, ok, fail in found}


async def test_wyoming_bench_reads_what_is_offered(hub):
    output = await bench(hub, "info")
    assert "faster-whisper (transcript streaming)" in output
    assert "hibari (synthesize streaming)" in output
    assert "handle, wake" in output


async def test_wyoming_bench_measures_speech_in_both_modes(hub):
    output = await bench(
        hub, "tts", "--mode", "both", "--rounds", "2", "--programs", "all", "--texts", *SENTENCES
    )
    assert results(output) == {"non_streaming": (6, 0), "streaming": (6, 0)}, output


async def test_wyoming_bench_measures_transcripts_in_both_modes(hub, voice, tmp_path):
    for number, sentence in enumerate(SENTENCES):
        write_wav(tmp_path / f"{number}.wav", VOICE, voice(sentence))
        (tmp_path / f"{number}.txt").write_text(sentence.replace("seven", "7"))
    options = ("--corpus", str(tmp_path), "--mode", "both", "--rounds", "1", "--programs", "all")
    output = await bench(hub, "stt", *options)
    assert results(output) == {"non_streaming": (3, 0), "streaming": (3, 0)}, output
    rates = [float(rate) for rate in re.findall(r"WER=([\d.]+)%", output)]
    assert len(rates) == 2
    assert max(rates) <= 10, output


@asynccontextmanager
async def bridge(hub, kind: str):
    """One of wyoming's own HTTP servers; a function that asks it for a path."""
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"wyoming.http.{kind}_server"),
        *("--uri", f"tcp://127.0.0.1:{hub.port}", "--host", "127.0.0.1", "--port", str(port)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )

    def get(path: str, body: bytes | None) -> bytes:
        headers = {"Content-Type": "audio/wav"} if body else {}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()

    async def ask(path: str, body: bytes | None = None) -> bytes:
        return await asyncio.to_thread(get, path, body)

    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    await ask("/api/info")
                    break
                except (urllib.error.URLError, ConnectionError):
                    await asyncio.sleep(0.1)
        yield ask
    finally:
        child.terminate()
        await child.communicate()


async def test_the_asr_bridge_hears(hub, voice):
    sound = wav_of(VOICE, voice(SENTENCES[1]))
    async with bridge(hub, "asr") as ask:
        info = json.loads(await ask("/api/info"))
        assert info["asr"][0]["name"] == "faster-whisper"
        for query in ("", "?language=en&transcript_names=Siobhan,Aoife&transcript_terms=kitchen"):
            text = json.loads(await ask(f"/api/speech-to-text{query}", sound))["text"]
            assert "plants in the kitchen" in text
        with pytest.raises(urllib.error.HTTPError):  # at once, not after a time-out
            await ask("/api/speech-to-text?language=de", sound)


async def test_the_tts_bridge_speaks(hub):
    async with bridge(hub, "tts") as ask:
        text = urllib.parse.quote(SENTENCES[0])
        for query in ("", "&voice=heart"):
            sound = await ask(f"/api/text-to-speech?text={text}{query}")
            with wave.open(BytesIO(sound)) as wav:
                assert 2 < wav.getnframes() / wav.getframerate() < 6
        with pytest.raises(urllib.error.HTTPError):
            await ask(f"/api/text-to-speech?text={text}&voice=nobody")


async def test_the_intent_bridge_is_answered(hub):
    async with bridge(hub, "intent") as ask:
        reply = json.loads(await ask("/api/recognize-intent?text=turn%20on%20the%20lamp"))
        assert reply["type"] == "handled"
        assert "can't" in reply["result"]["text"]
        reply = json.loads(await ask("/api/recognize-intent?text=Why%20is%20sleep%20important%3F"))
        assert reply["type"] == "handled"
        assert len(reply["result"]["text"].split()) > 3


async def test_the_wake_bridge_hears_its_word(hub, voice):
    sound = wav_of(VOICE, voice("Hey Jarvis.") + bytes(VOICE.bytes_for(1.0)))
    other = wav_of(VOICE, voice(SENTENCES[2]) + bytes(VOICE.bytes_for(1.0)))
    async with bridge(hub, "wake") as ask:
        heard = json.loads(await ask("/api/detect-wake-word?wake_words=hey_jarvis", sound))
        assert (heard["type"], heard["data"]["name"]) == ("detection", "hey_jarvis")
        heard = json.loads(await ask("/api/detect-wake-word?wake_words=hey_jarvis", other))
        assert heard["type"] == "not-detected"
