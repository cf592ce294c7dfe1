"""The service port with the real Whisper, voice activity and wake words."""

import numpy as np
import pytest
from processes import VOICE
from service_port import quick, service_port
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart

from hub.engines.faster_whisper import FasterWhisper
from hub.engines.silero import Silero
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, Converter

SENTENCES = (
    "We planted apples and pears in the garden the year after our daughter was born.",
    "The doctor said that a short walk after dinner helps more than any medicine.",
    "My sister keeps three hens behind the house and sells their eggs.",
    "The museum is closed on Monday, but the park around it is open all day.",
    "A good soup needs time, fresh vegetables, and somebody who is not in a hurry.",
)


@pytest.fixture
async def port():
    try:
        stt = FasterWhisper(path_of("whisper-tiny.en"), threads=1)
    except ModelMissing:
        pytest.skip("run: make models")
    bench = quick(stt=stt, vad=Silero())
    async with service_port(bench, load_timeout=120) as port:
        yield port
        for engine in (bench.engines.stt, bench.engines.vad):
            await engine.close()


@pytest.fixture(scope="session")
def say(voice):
    """Say something: text → 16 kHz mono 16-bit."""

    def say(text: str) -> bytes:
        converter = Converter(VOICE, SPEECH)
        return converter.process(voice(text)) + converter.flush()

    return say


async def heard(port, pcm: bytes, *, stop: bool = True, **options) -> str:
    async with port.client() as client:
        await client.send(Transcribe(language="en", **options), AudioStart(16000, 2, 1))
        step = SPEECH.bytes_for(0.1)
        pieces = [pcm[at : at + step] for at in range(0, len(pcm), step)]
        await client.send_sound(*pieces, stop=stop)
        event = await client.expect("transcript", timeout=120)
        return event.data["text"]


@pytest.mark.parametrize("name", ["Siobhan", "Xanthe", "Aoife"])
async def test_a_name_that_the_client_gives_is_spelt_as_it_gives_it(port, say, name):
    pcm = say(f"Send a message to {name}, please.")
    assert name not in await heard(port, pcm)
    others = ["Thibault", "Saoirse"]
    assert name in await heard(port, pcm, transcript_names=[name, *others])


async def test_names_that_nobody_said_do_not_appear(port, say):
    names = ["Siobhan", "Xanthe", "Aoife", "Thibault", "Saoirse"]
    text = await heard(port, say(SENTENCES[0]), transcript_names=names)
    assert "apples and pears" in text
    assert not [name for name in names if name in text]


@pytest.mark.parametrize("names", [None, ["Siobhan", "Xanthe"]])
async def test_silence_and_noise_are_an_empty_transcript(port, names):
    rng = np.random.default_rng(1)
    for level in (0, 30, 300, 3000):
        noise = (rng.standard_normal(SPEECH.rate * 4) * level).astype("<i2").tobytes()
        assert await heard(port, noise, transcript_names=names) == ""


async def test_the_end_of_a_command_is_heard_before_the_client_says_so(port, say):
    pcm = say("Turn on the lamp in the kitchen.") + bytes(SPEECH.bytes_for(1.0))
    text = await heard(port, pcm, stop=False, vad_sensitivity="default")
    assert "lamp in the kitchen" in text


async def test_a_long_recording_is_heard_whole_and_part_by_part(port, say):
    pause = bytes(SPEECH.bytes_for(0.6))
    pcm = pause.join(say(sentence) for sentence in SENTENCES * 4)
    assert SPEECH.seconds(len(pcm)) > 80
    async with port.client() as client:
        await client.send(Transcribe(), AudioStart(16000, 2, 1))
        step = SPEECH.bytes_for(1.0)
        for at in range(0, len(pcm), step):
            await client.send(AudioChunk(16000, 2, 1, pcm[at : at + step]))
        await client.send_sound()
        text = (await client.expect("transcript", timeout=240)).data["text"]
    parts = [event for event in client.seen if event.type == "transcript-chunk"]
    assert len(parts) >= 3
    for phrase in ("apples and pears", "short walk after dinner", "closed on Monday", "good soup"):
        assert text.count(phrase) == 4, text
