"""Several rooms at once: each gets its own right answer, and remembers its own conversation."""

import asyncio
from contextlib import AsyncExitStack

import hostile
import pytest
from processes import VOICE
from sentences import SENTENCES
from wyoming.asr import Transcribe, Transcript

from protocol.audio import SPEECH, Converter
from protocol.connection import Limits
from protocol.transport import connect

ANSWERED = r"turn ended: (\S+)"
ROOMS = {
    "kitchen": ("France", "paris", "french"),
    "bedroom": ("Italy", "rome", "italian"),
    "office": ("Japan", "tokyo", "japanese"),
    "attic": ("Germany", "berlin", "german"),
}


@pytest.mark.long
async def test_four_rooms_speak_at_once_and_each_gets_and_remembers_its_own_answer(house, ask):
    capital = {room: ask(f"What is the capital of {ROOMS[room][0]}?") for room in ROOMS}
    language = ask("What language do the people there speak?")
    async with house.hub() as hub, AsyncExitStack() as stack:
        satellites = {}
        for room in ROOMS:
            satellites[room] = await stack.enter_async_context(house.satellite(hub.address, room))
        for room, satellite in satellites.items():
            house.say(satellite, "1", VOICE, capital[room])
        await hub.wait_for(ANSWERED, nth=4, timeout=120)
        for satellite in satellites.values():
            house.say(satellite, "2", VOICE, language)
        await hub.wait_for(ANSWERED, nth=8, timeout=120)
        await asyncio.gather(
            *(one.wait_for("reply has been played", nth=2) for one in satellites.values())
        )
    assert hub.count("turn ended: answered") == 8, hub.text()
    for room, (_, city, tongue) in ROOMS.items():
        said = " ".join(line.lower() for _, line in hub.lines if f"{room}: says:" in line)
        assert city in said, (room, said)
        assert tongue in said.split(city, 1)[1], (room, said)


@pytest.mark.local
@pytest.mark.long
async def test_minutes_of_sound_on_the_service_port_keep_no_room_waiting(house, ask, voice):
    converter = Converter(VOICE, SPEECH)
    speech = converter.process(b"".join(map(voice, SENTENCES)))  # some three minutes
    patient = Limits(idle_timeout=None, write_timeout=120)
    async with house.hub() as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, ask("What is the capital of France?"))
        await hub.wait_for("kitchen: turn ended: answered", timeout=120)
        async with await connect(hub.service, limits=patient) as client:
            sending = asyncio.create_task(_send_all(client, speech))
            house.say(kitchen, "2", VOICE, ask("What is the capital of Italy?"))
            await hub.wait_for("kitchen: turn ended: answered", nth=2, timeout=60)
            assert not sending.done()  # it was busy with that all the time
            async with asyncio.timeout(300):
                text = await sending
    said, heard = " ".join(SENTENCES).split(), text.split()
    assert 0.9 < len(heard) / len(said) < 1.1
    assert heard[-1] == said[-1]


async def _send_all(client, speech: bytes) -> str:
    """Transcribe as fast as the hub takes the sound; return all of the transcript."""

    async def send() -> None:
        await client.write(Transcribe(language="en"))
        for event in hostile.utterance(speech):
            await client.write(event)

    sending = asyncio.create_task(send())
    try:
        async for event in client:
            if Transcript.is_type(event.type):
                return event.data["text"]
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return ""
