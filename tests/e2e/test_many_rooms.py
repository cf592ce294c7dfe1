"""Several rooms at once: each gets its own right answer, and remembers its own conversation."""

import asyncio
from contextlib import AsyncExitStack

from processes import VOICE

ANSWERED = r"turn ended: (\S+)"
ROOMS = {
    "kitchen": ("France", "paris", "french"),
    "bedroom": ("Italy", "rome", "italian"),
    "office": ("Japan", "tokyo", "japanese"),
    "attic": ("Germany", "berlin", "german"),
}


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
