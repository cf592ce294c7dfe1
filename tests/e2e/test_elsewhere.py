"""A hub whose engines are other projects' servers, which die and come back; and Piper by itself.

That such a hub does all that a hub does: `pytest --elsewhere tests/e2e/test_turn_processes.py`.
"""

import asyncio
import sys
from pathlib import Path

import pytest
from elsewhere import ElsewhereHouse, ears, mouth, wyoming
from processes import VOICE, House
from test_turn_processes import ANSWERED, LONG, transcribe

from hub.config import Settings, TtsSettings
from hub.engines.choices import PIPER_VOICE
from hub.engines.registry import make_tts
from hub.engines.remote.wyoming_stt import WyomingStt
from hub.engines.remote.wyoming_tts import WyomingTts
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, Converter

pytestmark = [pytest.mark.long, pytest.mark.local]
QUESTION = "What is the capital of France?"
LAMP = "Please turn on the lamp in the kitchen."


@pytest.fixture
def stranger(site, tmp_path):
    """A house of servers; nothing of ours is in it."""
    return ElsewhereHouse(site, tmp_path)


async def heard_of(speech) -> bytes:
    return b"".join([pcm async for pcm in speech])


async def heard_from(ears_at: str, mouth_at: str, text: str) -> str:
    """Return what one server hears of what another one says."""
    voice, stt = WyomingTts(mouth_at, None, "en"), WyomingStt(ears_at, None, ("en",))
    try:
        await voice.load()
        await stt.load()
        pcm = await heard_of(voice.synthesize(text))
        converter = Converter(voice.format, SPEECH)
        sound = converter.process(pcm) + converter.flush()
        return (await stt.transcribe(sound, language="en", bias=("kitchen",))).text.lower()
    finally:
        await voice.close()
        await stt.close()


async def test_stock_servers_hear_all_sentences_that_they_say(stranger):
    async with ears(stranger) as hears, mouth(stranger) as speaks:
        said = await heard_from(hears.url, speaks.url, f"{LAMP} Thank you very much.")
    assert "lamp in the kitchen" in said
    assert "thank you" in said  # the second sentence, too


async def test_another_hub_hears_all_sentences_that_it_says(site, tmp_path):
    async with House(site, tmp_path).hub() as hub:
        said = await heard_from(hub.service, hub.service, f"{LAMP} Thank you very much.")
    assert "lamp in the kitchen" in said
    assert "thank you" in said


async def test_a_voice_that_dies_in_mid_reply_is_stood_in_for_and_comes_back(site, tmp_path, ask):
    house = House(site, tmp_path)
    async with mouth(house) as first:
        # (what is in the way of the address's port is gone at once: the hub closes first)
        house.tables = f'[tts]\nengine = "{wyoming(first)}"\nvoice = "{PIPER_VOICE}"\n'
        async with house.hub() as hub, house.satellite(hub.address) as kitchen:
            await hub.wait_for("tts ready: piper")
            house.say(kitchen, "1", VOICE, ask(LONG))
            await kitchen.wait_for("reply begins to play")
            first.kill()
            await hub.wait_for(ANSWERED)
            house.say(kitchen, "2", VOICE, ask(QUESTION))
            assert (await hub.wait_for(ANSWERED, nth=2))[1] == "answered"
            async with mouth(house, first.url):
                await hub.wait_for("tts ready: piper", nth=2, timeout=90)
                house.say(kitchen, "3", VOICE, ask(QUESTION))
                assert (await hub.wait_for(ANSWERED, nth=3))[1] == "answered"
            assert "Traceback" not in hub.text()


async def test_ears_that_die_are_stood_in_for(site, tmp_path, ask):
    house = House(site, tmp_path)
    async with ears(house) as first:
        house.tables = f'[stt]\nengine = "{wyoming(first)}"\n'
        async with house.hub() as hub, house.satellite(hub.address) as kitchen:
            await hub.wait_for("stt ready: faster-whisper")
            first.kill()
            house.say(kitchen, "1", VOICE, ask(QUESTION))
            await hub.wait_for(ANSWERED)
            house.say(kitchen, "2", VOICE, ask(QUESTION))
            assert (await hub.wait_for(ANSWERED, nth=2))[1] == "answered"
            assert "Traceback" not in hub.text()


@pytest.fixture
def piper():
    """Piper can be started here."""
    if not Path(f"{sys.prefix}-piper/bin/python").exists():
        pytest.skip("run: make piper")
    try:
        path_of(PIPER_VOICE)
    except ModelMissing:
        pytest.skip(f"run: make models MODELS={PIPER_VOICE}")


async def test_a_hub_speaks_with_piper_which_it_starts_itself(piper, site, tmp_path, ask):
    house = House(site, tmp_path, tables='[tts]\nengine = "piper"\nfallback = ""\n')
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask(QUESTION))
        assert (await hub.wait_for(ANSWERED))[1] == "answered"
        assert await kitchen.stop() == 0
    assert "paris" in (await transcribe(kitchen.heard_wav)).lower()


async def test_piper_says_each_sentence_once_it_is_made_and_stops_when_it_is_told_to(piper):
    voice = make_tts(Settings(tts=TtsSettings(engine="piper")))
    clock = asyncio.get_running_loop().time
    try:
        await voice.load()
        assert voice.languages == ("en",)
        assert voice.voices == (PIPER_VOICE,)
        assert voice.format.rate == 22050
        text = " ".join([LAMP] * 10)
        began = clock()
        speech = voice.synthesize(text)
        await anext(speech)
        first = clock() - began
        rest = await heard_of(speech)
        assert first < (clock() - began) / 2
        assert voice.format.seconds(len(rest)) > 10
        speech = voice.synthesize(" ".join([LAMP] * 200))
        await anext(speech)
        await speech.aclose()
        began = clock()
        await anext(short := voice.synthesize("Yes."))  # it does not wait for the long one
        await short.aclose()
        assert clock() - began < 10
    finally:
        await voice.close()
