"""The real voice (hibari) and voice activity detector (Silero), on ordinary and odd input."""

import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recordings import AUDIO

from hub.engines.base import VAD_FRAME_BYTES, BadInput, EngineUnavailable
from hub.engines.hibari import Hibari
from hub.engines.silero import Silero
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, Converter, PcmFormat, level, read_wav

pytestmark = pytest.mark.models

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = "The kettle is boiling, so it is time for tea."


@pytest.fixture(scope="module")
def voice() -> Iterator[Hibari]:
    engine = Hibari()
    asyncio.run(engine.load())
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def vad() -> Iterator[Silero]:
    engine = Silero()
    asyncio.run(engine.load())
    yield engine
    asyncio.run(engine.close())


async def speech_of(voice: Hibari, text: str) -> list[bytes]:
    return [piece async for piece in voice.synthesize(text)]


async def as_heard(voice: Hibari, text: str) -> bytes:
    converter = Converter(voice.format, SPEECH)
    return converter.process(b"".join(await speech_of(voice, text))) + converter.flush()


def quiet(voice: Hibari, pcm: bytes) -> tuple[float, float]:
    """How many seconds of next to nothing come before the speech, and behind it."""
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.float64))
    heard = np.flatnonzero(samples > samples.max() / 100)  # -40 dB
    return heard[0] / voice.format.rate, (len(samples) - 1 - heard[-1]) / voice.format.rate


async def probabilities(vad: Silero, pcm: bytes) -> list[float]:
    stream = vad.stream()
    frames = range(0, len(pcm) - VAD_FRAME_BYTES + 1, VAD_FRAME_BYTES)
    return [await stream.probability(pcm[at : at + VAD_FRAME_BYTES]) for at in frames]


def share_voiced(found: list[float]) -> float:
    return sum(p >= 0.5 for p in found) / len(found)


class TestVoice:
    async def test_a_sentence_is_speech_in_the_promised_format(self, voice: Hibari) -> None:
        assert voice.format == PcmFormat(24000, 2, 1)
        pcm = b"".join(await speech_of(voice, SENTENCE))
        assert len(pcm) % voice.format.bytes_per_frame == 0
        assert 1.5 < voice.format.seconds(len(pcm)) < 5
        assert -35 < level(pcm) < -6

    async def test_the_first_piece_is_small_so_that_sound_begins_soon(self, voice: Hibari) -> None:
        first, *others = await speech_of(voice, SENTENCE)
        assert voice.format.seconds(len(first)) == pytest.approx(0.12)
        assert all(voice.format.seconds(len(piece)) <= 0.5 for piece in others)

    async def test_speech_begins_with_its_first_sound(self, voice: Hibari) -> None:
        words = (
            "Sure,",
            "Paris.",
            "Hello there.",
            "The kettle is on.",
            "Five.",
            "It is.",
            SENTENCE,
        )
        before = [quiet(voice, b"".join(await speech_of(voice, text)))[0] for text in words]
        assert statistics.median(before) <= 0.02
        assert max(before) <= 0.05

    @pytest.mark.parametrize(
        ("text", "least", "most"),
        [
            ("The kettle is on.", 0.3, 0.4),
            ("The kettle is on,", 0.15, 0.25),
            ("The kettle", 0, 0.13),
        ],
    )
    async def test_the_pause_behind_a_clause_is_the_one_its_end_asks_for(
        self, voice: Hibari, text: str, least: float, most: float
    ) -> None:
        assert least <= quiet(voice, b"".join(await speech_of(voice, text)))[1] <= most

    async def test_sentences_of_one_text_are_a_pause_apart(self, voice: Hibari) -> None:
        texts = ("The kettle is on.", "The tea is hot.")
        alone = [sum(map(len, await speech_of(voice, text))) for text in texts]
        together = sum(map(len, await speech_of(voice, " ".join(texts))))
        assert voice.format.seconds(abs(together - sum(alone))) < 0.1

    async def test_the_same_text_always_sounds_the_same(self, voice: Hibari) -> None:
        assert await speech_of(voice, SENTENCE) == await speech_of(voice, SENTENCE)

    async def test_closing_early_stops_the_work(self, voice: Hibari) -> None:
        speech = voice.synthesize("This sentence is one of very many. " * 300)  # seconds of work
        await anext(speech)
        await speech.aclose()
        await asyncio.sleep(0.2)  # for the sentence that is under way
        before = time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - before < 0.1
        assert await speech_of(voice, "Next.")

    @pytest.mark.parametrize(
        "text", ["", " ", "\n", "...", "?!", "😀", "日本語", "\x00", "\ud800", "—", "a" * 2000]
    )
    async def test_odd_texts_are_neither_an_error_nor_a_hang(
        self, voice: Hibari, text: str
    ) -> None:
        async with asyncio.timeout(20):
            pieces = await speech_of(voice, text)
        assert all(pieces)

    async def test_a_long_text_without_a_full_stop_is_spoken_whole(self, voice: Hibari) -> None:
        words = "seven little monkeys sat in the tall tree and " * 44  # some 2000 letters
        async with asyncio.timeout(30):
            pcm = b"".join(await speech_of(voice, words))
        assert voice.format.seconds(len(pcm)) > 60

    async def test_two_clauses_at_once_are_both_spoken(self, voice: Hibari) -> None:
        texts = (SENTENCE, "Good morning to you.")
        alone = [await speech_of(voice, text) for text in texts]
        assert await asyncio.gather(*(speech_of(voice, text) for text in texts)) == alone

    async def test_an_unknown_voice_is_a_clear_error(self, voice: Hibari) -> None:
        with pytest.raises(BadInput, match="no voice 'bella'"):
            await anext(voice.synthesize("Hello.", voice="bella"))
        with pytest.raises(EngineUnavailable, match="choose one of: heart"):
            Hibari("bella")

    async def test_a_voice_that_is_not_loaded_says_so(self) -> None:
        with pytest.raises(EngineUnavailable, match="not loaded"):
            await anext(Hibari().synthesize("Hello."))


class TestVoiceActivity:
    async def test_speech_is_told_from_silence_and_noise(self, vad: Silero, voice: Hibari) -> None:
        assert share_voiced(await probabilities(vad, await as_heard(voice, SENTENCE))) > 0.5
        assert share_voiced(await probabilities(vad, bytes(SPEECH.bytes_for(3)))) == 0
        noise = np.random.default_rng(5).standard_normal(48000) * 1000
        assert share_voiced(await probabilities(vad, noise.astype("<i2").tobytes())) < 0.05

    async def test_people_are_heard_in_recordings(self, vad: Silero) -> None:
        if not AUDIO.is_dir():
            pytest.skip("the recordings of ../shared/audio are not here")
        shares = {}
        for path in sorted(AUDIO.glob("*.wav")):
            form, pcm = read_wav(path)
            converter = Converter(form, SPEECH)
            found = await probabilities(vad, converter.process(pcm) + converter.flush())
            shares[path.name] = share_voiced(found)
        del shares["noise_coffee_shop.wav"]  # the talk of other guests is speech to Silero
        assert len(shares) >= 9
        assert min(shares.values()) > 0.2, shares

    async def test_streams_do_not_share_a_memory(self, vad: Silero, voice: Hibari) -> None:
        speech = await as_heard(voice, SENTENCE)
        silence = bytes(len(speech))
        alone = [await probabilities(vad, pcm) for pcm in (speech, silence)]
        together = await asyncio.gather(*(probabilities(vad, pcm) for pcm in (speech, silence)))
        assert together == alone

    @pytest.mark.parametrize("size", [0, 1, VAD_FRAME_BYTES - 2, VAD_FRAME_BYTES + 2, 3200])
    async def test_a_frame_of_another_size_is_the_callers_error(
        self, vad: Silero, size: int
    ) -> None:
        with pytest.raises(BadInput, match=f"1024 bytes, not {size}"):
            await vad.stream().probability(bytes(size))

    async def test_a_detector_that_is_not_loaded_says_so(self) -> None:
        with pytest.raises(EngineUnavailable, match="not loaded"):
            Silero().stream()


_LOADERS = {
    "silero": "Silero()",
    "llama_cpp": "LlamaCpp(Path(sys.argv[1]), threads=1, context_tokens=256)",
    "faster_whisper": "FasterWhisper(Path(sys.argv[2]), threads=1)",
    "hibari": "Hibari()",
}
# Each is the first once, and each is loaded both before and after every other one.
_ORDERS = (
    ("silero", "llama_cpp", "faster_whisper", "hibari"),
    ("hibari", "faster_whisper", "llama_cpp", "silero"),
    ("llama_cpp", "silero", "hibari", "faster_whisper"),
    ("faster_whisper", "hibari", "silero", "llama_cpp"),
)


@pytest.mark.parametrize("order", _ORDERS, ids="-".join)
def test_engines_load_in_one_process_in_any_order(order: tuple[str, ...]) -> None:
    """Two libraries that bring the same shared library once kept each other from loading."""
    try:
        llm = path_of("qwen2.5-coder-0.5b-instruct-q4_k_m")
        stt = path_of("whisper-tiny.en")
    except ModelMissing:
        pytest.skip("run: make models")
    names = {name: re.match(r"\w+", call).group() for name, call in _LOADERS.items()}
    imports = "\n".join(f"from hub.engines.{name} import {names[name]}" for name in order)
    loads = "\n".join(f"    await load({_LOADERS[name]})" for name in order)
    program = f"""
import asyncio, sys
from pathlib import Path
{imports}
async def load(engine):
    await engine.load()
    print(engine.name, flush=True)
async def main():
{loads}
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(next(llm.glob("*.gguf"))), str(stt)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(order)
