"""The real Whisper tiny.en (and base, where it is here) on recordings and on odd input."""

import asyncio
import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from recordings import AUDIO, recording
from words import distance

from hub.engines.base import BadInput, EngineError, EngineUnavailable
from hub.engines.faster_whisper import FasterWhisper
from hub.engines.hibari import Hibari
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, Converter

pytestmark = pytest.mark.models

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = (
    "en_set_a_timer_for_30_seconds.wav",
    "en_whats_the_weather.wav",
    "en_light_roast_house_coffee.wav",
    "en_librivox_ill_disposed.wav",
    "en_jfk_ask_not.wav",
)
FRENCH = ("fr_allume_la_lumiere.wav", "fr_quelle_heure_est_il.wav")


def model(name: str = "whisper-tiny.en") -> Path:
    try:
        return path_of(name)
    except ModelMissing:
        pytest.skip("run: make models")


@pytest.fixture(scope="module")
def stt() -> Iterator[FasterWhisper]:
    engine = FasterWhisper(model(), threads=1)
    asyncio.run(engine.load())
    yield engine
    asyncio.run(engine.close())


def transcript_of(name: str) -> str:
    with (AUDIO / "manifest.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return next(row["transcript"] for row in rows if row["file"] == name)


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower().replace("30", "thirty").replace("-", " "))


def word_error_rate(expected: str, found: str) -> float:
    """Levenshtein distance over words, as a share of the expected words."""
    said = words(expected)
    return distance(said, words(found)) / len(said)


@pytest.mark.parametrize("name", ENGLISH)
async def test_what_people_say_in_recordings_is_heard(stt: FasterWhisper, name: str) -> None:
    heard = await stt.transcribe(recording(name), language="en")
    assert word_error_rate(transcript_of(name), heard.text) <= 0.25, heard.text
    assert heard.no_speech_prob < 0.5
    assert heard.avg_logprob > -1


async def test_what_our_own_voice_says_is_heard(stt: FasterWhisper) -> None:
    voice, text = Hibari(), "The train to London leaves at noon from platform seven."
    await voice.load()
    speech = b"".join([piece async for piece in voice.synthesize(text)])
    await voice.close()
    converter = Converter(voice.format, SPEECH)
    pcm = converter.process(speech) + converter.flush()
    heard = await stt.transcribe(pcm, language="en")
    assert word_error_rate(text, heard.text.replace("7", "seven")) <= 0.2, heard.text


async def test_another_language_is_heard_by_a_model_that_knows_it() -> None:
    stt = FasterWhisper(model("whisper-base"), threads=1, languages=("fr",))
    await stt.load()
    try:
        for name in FRENCH:
            heard = await stt.transcribe(recording(name), language="fr")
            assert word_error_rate(transcript_of(name), heard.text) <= 0.5, heard.text
    finally:
        await stt.close()


@pytest.mark.parametrize("seconds", [0, 1 / 16000, 0.01])
async def test_hardly_any_sound_is_no_error(stt: FasterWhisper, seconds: float) -> None:
    heard = await stt.transcribe(bytes(SPEECH.bytes_for(seconds)), language="en")
    assert not words(heard.text)
    assert heard.no_speech_prob > 0.5


async def test_longer_than_whispers_window_is_heard_to_the_end(stt: FasterWhisper) -> None:
    clip = recording("en_jfk_ask_not.wav")
    pcm = (clip * 9)[: SPEECH.bytes_for(90)]
    heard = await stt.transcribe(pcm, language="en")
    assert words(heard.text).count("americans") >= 7


@pytest.mark.long
@pytest.mark.slow
async def test_sounds_of_all_lengths_leave_memory_flat(stt: FasterWhisper) -> None:
    """Buffers are kept for each length of a window that is met, so there may be few of them."""
    clip, memory = recording("en_jfk_ask_not.wav"), []
    for number in range(1, 61):
        seconds = 0.5 + number * 0.6180339 % 1 * 4
        await stt.transcribe(clip[: SPEECH.bytes_for(seconds)], language="en")
        memory.append(psutil.Process().memory_info().rss)
    assert memory[-1] - memory[19] < 25e6, [round(size / 1e6) for size in memory]


async def test_calls_at_once_are_served_in_order(stt: FasterWhisper) -> None:
    clips, done = [recording(name) for name in ENGLISH[:3]], []

    async def transcribe(number: int) -> str:
        text = (await stt.transcribe(clips[number], language="en")).text
        done.append(number)
        return text

    texts = await asyncio.gather(*(transcribe(number) for number in range(3)))
    assert done == [0, 1, 2]
    assert all(
        word_error_rate(transcript_of(name), text) <= 0.2
        for name, text in zip(ENGLISH[:3], texts, strict=True)
    )


async def test_a_caller_that_leaves_does_not_disturb_the_next(stt: FasterWhisper) -> None:
    clip = recording(ENGLISH[1])
    first = asyncio.create_task(stt.transcribe(clip, language="en"))
    await asyncio.sleep(0.05)
    first.cancel()
    heard = await stt.transcribe(clip, language="en")
    assert first.cancelled()
    assert "weather" in heard.text


async def test_wrong_input_is_the_callers_error(stt: FasterWhisper) -> None:
    with pytest.raises(BadInput, match="'de'"):
        await stt.transcribe(bytes(32000), language="de")
    with pytest.raises(BadInput, match="31 bytes"):
        await stt.transcribe(bytes(31), language="en")


async def test_an_english_model_refuses_another_language_when_it_is_loaded() -> None:
    stt = FasterWhisper(model(), threads=1, languages=("de",))
    with pytest.raises(EngineUnavailable, match="knows English alone"):
        await stt.load()
    await stt.close()


async def test_a_model_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="nowhere"):
        await FasterWhisper(tmp_path / "nowhere").load()
    for file in model().iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match="does not load"):
        await FasterWhisper(tmp_path).load()


async def test_an_engine_that_is_closed_says_so() -> None:
    stt = FasterWhisper(model(), threads=1)
    with pytest.raises(EngineUnavailable, match="not loaded"):
        await stt.transcribe(bytes(32000), language="en")
    await stt.load()
    await stt.close()
    with pytest.raises(EngineUnavailable, match="not loaded"):
        await stt.transcribe(bytes(32000), language="en")


def test_loading_and_transcribing_ask_nothing_of_the_network() -> None:
    program = """
import asyncio, sys
from pathlib import Path
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("network:", event, args, flush=True)
sys.addaudithook(hook)
from hub.engines.faster_whisper import FasterWhisper
async def main():
    engine = FasterWhisper(Path(sys.argv[1]), threads=1)
    await engine.load()
    await engine.transcribe(bytes(32000), language="en")
    await engine.close()
    print("done")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(model())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "done\n", done.stdout + done.stderr
