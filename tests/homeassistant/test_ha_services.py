"""The hub as Home Assistant's speech-to-text, text-to-speech, conversation agent and wake word."""

import re

import numpy as np
import pytest
from ha_server import NOWADAYS
from recordings import recording

from protocol.audio import SPEECH, to_float32

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is said, what Home Assistant hears of it, what is answered.
COMMANDS = (
    ("Turn on the living room lamp.", r"turn on the living room lamp", r"turned on"),
    ("What time is it?", r"what time is it", r"\d"),
    ("Turn off the living room lamp.", r"turn off the living room lamp", r"turned off"),
    ("What is the date today?", r"what is the date today", r"\d"),
    ("Is the living room lamp on?", r"is the living room lamp on", r"^no"),
)


def is_speech(pcm: bytes) -> bool:
    sound = to_float32(pcm)
    return len(pcm) > SPEECH.bytes_for(0.4) and float(np.sqrt(np.mean(sound**2))) > 0.01


async def test_one_entry_brings_every_service_of_the_hub(home, client, added):
    domains = {one["entity_id"].partition(".")[0] for one in await client.entities(added.hub)}
    agents = {"conversation"} if home.assistant.version >= NOWADAYS else set()
    assert domains == {"stt", "tts", "wake_word"} | agents


async def test_five_spoken_commands_in_a_row_are_done_and_answered_aloud(
    home, client, added, spoken, lamp_off
):
    for said, heard, answer in COMMANDS:
        if said.startswith("What") and home.assistant.version < NOWADAYS:
            continue  # it knows neither time nor date
        run = await client.run_pipeline(added.assist, spoken(said))
        assert run.error is None, run.kinds
        assert re.search(heard, run.transcript, re.IGNORECASE), run.transcript
        assert re.search(answer, run.reply, re.IGNORECASE), (said, run.reply)
        assert is_speech(await client.speech(run)), run.events
        if said.startswith("Turn"):
            await client.wait_for_state(lamp_off, "on" if "on" in said.split()[1] else "off")


@pytest.mark.usefixtures("nowadays")
async def test_a_person_who_asks_is_heard_and_answered_by_parlour(client, added):
    run = await client.run_pipeline(added.parlour, recording("en_whats_the_weather.wav"))
    assert "weather" in run.transcript.lower()
    assert "can't" in run.reply, (run.transcript, run.reply)
    assert is_speech(await client.speech(run))


@pytest.mark.usefixtures("nowadays")
async def test_parlour_answers_as_conversation_agent_and_remembers_what_was_said(
    client, added, spoken
):
    run = await client.run_pipeline(added.parlour, spoken("What is the capital of France?"))
    assert "Paris" in run.reply, (run.transcript, run.reply)
    assert is_speech(await client.speech(run))
    # ("there" means nothing to who has forgotten the question)
    more = await client.run_pipeline(
        added.parlour,
        start="intent",
        end="intent",
        text="Which country did I just ask you about?",
        conversation_id=run.conversation,
    )
    assert "France" in more.reply


async def test_silence_is_reported_as_such_and_the_next_run_works(client, added, spoken):
    run = await client.run_pipeline(added.assist, bytes(SPEECH.bytes_for(1.0)), timeout=40)
    assert run.error is not None and run.error["code"].startswith("stt"), run.kinds
    run = await client.run_pipeline(added.assist, spoken("What time is it?"))
    assert run.error is None


async def test_the_hubs_wake_word_opens_a_pipeline(client, added, spoken, lamp_off):
    # (without a pause: Home Assistant takes the end of the wake word for a command that is over)
    command = spoken("Hey Jarvis.") + spoken("Turn on the living room lamp.")
    sound = bytes(SPEECH.bytes_for(1.0)) + command
    run = await client.run_pipeline(added.assist, sound, start="wake_word")
    assert run.error is None, run.kinds
    assert run.data("wake_word-end")["wake_word_output"]["wake_word_id"] == "hey_jarvis"
    assert "jarvis" not in run.transcript.lower()
    await client.wait_for_state(lamp_off, "on")
