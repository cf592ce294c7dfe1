"""The main job over two real processes and a real socket."""

import asyncio
import re
import time

import pytest
from processes import VOICE, free_port
from recordings import AUDIO

from protocol.audio import SPEECH, Converter, read_wav

ANSWERED = r"turn ended: (\S+)"
STAGE = r"^ +[\d.]+ s  \w+$"
LONG = "Tell me about elephants."  # the 0.5B model takes five sentences


async def transcribe(path, last: float | None = None) -> str:
    """What is said in a wave file, or in its last seconds."""
    from hub.config import Settings
    from hub.engines.registry import make_stt

    form, pcm = await asyncio.to_thread(read_wav, path)
    converter = Converter(form, SPEECH)
    start = len(pcm) - form.bytes_for(last) if last is not None else 0
    sound = converter.process(pcm[max(0, start) :]) + converter.flush()
    stt = make_stt(Settings())
    await stt.load()
    try:
        return (await stt.transcribe(sound, language="en")).text
    finally:
        await stt.close()


async def test_a_spoken_question_is_answered_aloud_while_the_model_still_writes(house, ask):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask("Why is sleep important?"))
        assert (await hub.wait_for(ANSWERED))[1] == "answered"
        heard = (await hub.wait_for(r"heard: (.*)"))[1]
        assert "sleep" in heard.lower()
        assert "jarvis" not in heard.lower()
        total = float((await hub.wait_for(r"([\d.]+) s  in all"))[1])
        stages = [line.split() for _, line in hub.lines if re.search(STAGE, line)]
        times = [float(seconds) for seconds, *_ in stages]
        marks = [mark for *_, mark in stages]
        assert {"wake", "transcript", "first_audio_sent", "done"} <= set(marks)
        assert min(times) >= 0
        assert sum(times) == pytest.approx(total, abs=0.01 * len(times))
        assert marks.index("first_audio_played") < marks.index("last_token")
        assert await kitchen.stop() == 0
    assert "sleep" in (await transcribe(kitchen.heard_wav)).lower()


@pytest.mark.long
async def test_silence_after_the_wake_word_is_not_answered(house, voice):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, voice("Hey Jarvis."))
        assert (await hub.wait_for(ANSWERED))[1] == "nothing-said"
        assert hub.count("says:") == 0


@pytest.mark.long
async def test_twenty_questions_in_a_row_are_answered_and_memory_stays_flat(house, ask):
    questions = [
        "What is the capital of France?",
        "Who wrote Romeo and Juliet?",
        "What color is the sky?",
        "How many legs does a spider have?",
        "Turn on the lamp.",
        "What time is it?",
        "What is the opposite of hot?",
        "Name a fruit.",
        "What do cows drink?",
        "What is two plus two?",
    ]
    short = "max_reply_tokens = 16\n"
    async with house.hub(extra=short) as hub, house.satellite(hub.address) as kitchen:
        memory = []
        for number in range(1, 21):
            question = questions[number % len(questions)]
            house.say(kitchen, f"{number:02d}", VOICE, ask(question))
            outcome = await hub.wait_for(ANSWERED, nth=number, timeout=60)
            assert outcome[1] == "answered", f"{number}. {question}\n{hub.text()}\n{kitchen.text()}"
            await kitchen.wait_for("reply has been played", nth=number)
            memory.append((hub.memory(), kitchen.memory()))
    # From when each question was asked once: each length of sound has buffers of its own.
    for early, late in zip(memory[len(questions) - 1], memory[-1], strict=True):
        assert late - early < 12e6, memory


@pytest.mark.long
async def test_the_wake_word_interrupts_the_reply_and_the_new_question_is_answered(house, ask):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask(LONG))
        await kitchen.wait_for("reply begins to play")
        await asyncio.sleep(1.0)
        house.say(kitchen, "2", VOICE, ask("What is the capital of France?"))
        assert (await hub.wait_for(ANSWERED))[1] == "interrupted"
        await kitchen.wait_for("reply begins to play", nth=2)
        began = time.monotonic()
        assert (await hub.wait_for(ANSWERED, nth=2))[1] == "answered"
        assert await kitchen.stop() == 0
        spoken = time.monotonic() - began
    assert "paris" in (await transcribe(kitchen.heard_wav, last=spoken + 0.3)).lower()


@pytest.mark.long
async def test_a_satellite_that_waits_to_be_dialled_is_driven_by_the_hub(house, ask):
    address = f"tcp://{house.rooms_address}:{free_port()}"
    dial = f'dial = ["{address}"]\n'
    async with house.hub(link=dial) as hub, house.satellite(address, waits=True) as kitchen:
        await hub.wait_for("kitchen: connected", timeout=30)
        house.say(kitchen, "1", VOICE, ask("What is the capital of France?"))
        assert (await hub.wait_for(ANSWERED))[1] == "answered"


@pytest.mark.long
async def test_a_hub_killed_in_mid_reply_is_found_again_within_three_seconds(house, ask):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        address = hub.address
        house.say(kitchen, "1", VOICE, ask(LONG))
        await kitchen.wait_for("reply begins to play")
        hub.kill()
        await kitchen.wait_for("hub gone")
        await asyncio.sleep(2)
        async with house.hub(address, ready=False) as again:
            began = time.monotonic()
            await again.wait_for("kitchen: connected", timeout=3.0)
            assert time.monotonic() - began < 3.0
            house.say(kitchen, "2", VOICE, ask("What is the capital of France?"))
            assert (await again.wait_for(ANSWERED))[1] == "answered"


@pytest.mark.long
async def test_a_satellite_killed_in_mid_reply_costs_the_hub_nothing(house, ask):
    async with house.hub() as hub:
        async with house.satellite(hub.address) as kitchen:
            house.say(kitchen, "1", VOICE, ask(LONG))
            await kitchen.wait_for("reply begins to play")
            kitchen.kill()
            assert (await hub.wait_for(ANSWERED))[1] == "gone"
        async with house.satellite(hub.address) as kitchen:
            house.say(kitchen, "2", VOICE, ask("What is the capital of France?"))
            assert (await hub.wait_for(ANSWERED, nth=2))[1] == "answered"


@pytest.mark.long
async def test_two_rooms_are_answered_at_once_each_in_its_own(house, ask):
    async with (
        house.hub() as hub,
        house.satellite(hub.address, "kitchen") as kitchen,
        house.satellite(hub.address, "bedroom") as bedroom,
    ):
        house.say(kitchen, "1", VOICE, ask("What is the capital of France?"))
        house.say(bedroom, "1", VOICE, ask("What is the capital of Italy?"))
        await hub.wait_for(ANSWERED, nth=2, timeout=90)
        assert hub.count("turn ended: answered") == 2
        assert "paris" in (await hub.wait_for("kitchen: says: (.*)"))[1].lower()
        assert "rome" in (await hub.wait_for("bedroom: says: (.*)"))[1].lower()


async def test_both_stop_on_sigterm_in_time_and_in_order(house):
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        assert await kitchen.stop(5) == 0
        assert await hub.stop(10) == 0
        assert "Traceback" not in hub.text() + kitchen.text()


@pytest.mark.long
async def test_recorded_people_are_understood_too(house):
    if not AUDIO.is_dir():
        pytest.skip("the recordings in ../shared/audio are not here")
    wake_format, wake = read_wav(AUDIO / "wake_hey_mycroft.wav")
    form, question = read_wav(AUDIO / "en_whats_the_weather.wav")
    assert wake_format == form == SPEECH
    async with house.hub() as hub, house.satellite(hub.address, wake="hey_mycroft") as kitchen:
        house.say(kitchen, "1", form, wake + question)
        assert (await hub.wait_for(ANSWERED))[1] == "answered"
        assert "weather" in (await hub.wait_for(r"heard: (.*)"))[1].lower()
        assert "can't" in (await hub.wait_for(r"says: (.*)"))[1]
