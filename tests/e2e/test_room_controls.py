"""A satellite's microphone and wake words, set over HTTP while it runs: real processes."""

import asyncio

import aiohttp
import pytest
from processes import VOICE

pytestmark = pytest.mark.local  # HTTP is for the hub's own machine

ANSWERED = r"turn ended: answered"
QUESTION = "What time is it?"


class Rooms:
    """The hub's rooms, over HTTP."""

    def __init__(self, hub, session):
        self.url = f"{hub.web}/api/rooms"
        self.session = session

    async def set(self, room, **change):
        async with self.session.patch(f"{self.url}/{room}", json=change) as answer:
            return answer.status, await answer.json()

    async def get(self, room):
        async with self.session.get(f"{self.url}/{room}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def until(self, room, **how):
        """Wait until a room is set so; return it."""
        async with asyncio.timeout(30):
            while True:
                view = await self.get(room)
                if all(now(view, key) == what for key, what in how.items()):
                    return view
                await asyncio.sleep(0.1)


def now(view, key):
    if key == "wake_words":
        return [word["name"] for word in view["wake_words"] if word["active"]]
    return view[key]


async def heard_nothing(house, hub, satellite, name, pcm):
    """Speak, and see that no turn begins."""
    before = hub.count("listens")
    house.say(satellite, name, VOICE, pcm)
    async with asyncio.timeout(60):
        while not (satellite.spool / f"{name}.wav.done").exists():
            await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)  # for what would come late
    assert hub.count("listens") == before, hub.text() + satellite.text()


@pytest.mark.long
async def test_a_muted_satellite_hears_nothing_and_an_unmuted_one_does(house, ask):
    async with (
        house.hub() as hub,
        house.satellite(hub.address) as kitchen,
        aiohttp.ClientSession() as session,
    ):
        rooms = Rooms(hub, session)
        view = await rooms.until("kitchen", muted=False, state="idle")
        assert sorted(view["controls"]) == ["mute", "volume", "wake-words"]
        status, view = await rooms.set("kitchen", muted=True)
        assert (status, view["muted"], view["state"]) == (200, True, "muted")
        await kitchen.wait_for("microphone off")
        await heard_nothing(house, hub, kitchen, "1", ask(QUESTION))

        kitchen.kill()  # a restart does not unmute it
    async with (
        house.hub() as hub,  # nor does the hub's
        house.satellite(hub.address) as kitchen,
        aiohttp.ClientSession() as session,
    ):
        rooms = Rooms(hub, session)
        await rooms.until("kitchen", muted=True)
        await heard_nothing(house, hub, kitchen, "2", ask(QUESTION))
        status, view = await rooms.set("kitchen", muted=False)
        assert (status, view["muted"]) == (200, False)
        house.say(kitchen, "3", VOICE, ask(QUESTION))
        await hub.wait_for(ANSWERED)


@pytest.mark.long
async def test_a_new_wake_word_is_heard_and_the_old_one_is_not_any_more(house, ask, voice):
    alexa = voice("Alexa.") + bytes(VOICE.bytes_for(0.15)) + voice(QUESTION)
    async with (
        house.hub() as hub,
        aiohttp.ClientSession() as session,
    ):
        rooms = Rooms(hub, session)
        async with house.satellite(hub.address) as kitchen:
            await rooms.until("kitchen", wake_words=["hey_jarvis"])
            status, view = await rooms.set("kitchen", wake_words=["alexa"])
            assert (status, now(view, "wake_words")) == (200, ["alexa"])
            await heard_nothing(house, hub, kitchen, "1", ask(QUESTION))
            house.say(kitchen, "2", VOICE, alexa)
            await hub.wait_for(ANSWERED)

            status, problem = await rooms.set("kitchen", wake_words=["hey_parrot"])
            assert (status, problem["error"]["code"]) == (400, "unknown-wake-word")
            assert "okay_nabu" in problem["error"]["text"]
            assert now(await rooms.get("kitchen"), "wake_words") == ["alexa"]

        async with house.satellite(hub.address) as kitchen:  # its file says "Hey Jarvis"
            await kitchen.wait_for('wake word is "Alexa" now')
            await rooms.until("kitchen", wake_words=["alexa"])
            house.say(kitchen, "3", VOICE, alexa)
            await hub.wait_for(ANSWERED, nth=2)


@pytest.mark.long
async def test_a_model_that_cannot_be_loaded_leaves_the_old_words_and_the_reason_is_told(
    house, ask, tmp_path
):
    damaged = tmp_path / "parrot.tflite"
    damaged.write_bytes(b"\0\0\0\0TFL3" + b"no model" * 100)
    word = f'[wake]\nwords = ["hey_jarvis"]\n[[wake.word]]\nname = "parrot"\nmodel = "{damaged}"\n'
    async with (
        house.hub() as hub,
        house.satellite(hub.address, settings=word) as kitchen,
        aiohttp.ClientSession() as session,
    ):
        rooms = Rooms(hub, session)
        await rooms.until("kitchen", wake_words=["hey_jarvis"])
        status, problem = await rooms.set("kitchen", wake_words=["parrot"])
        assert (status, problem["error"]["code"]) == (409, "not-done")
        assert "parrot" in problem["error"]["text"]
        assert now(await rooms.get("kitchen"), "wake_words") == ["hey_jarvis"]
        house.say(kitchen, "1", VOICE, ask(QUESTION))
        await hub.wait_for(ANSWERED)


@pytest.mark.long
async def test_a_volume_that_is_asked_for_aloud_is_shown(house, ask):
    settings = "[speaker]\nvolume = 0.5\n"
    async with (
        house.hub() as hub,
        house.satellite(hub.address, settings=settings) as kitchen,
        aiohttp.ClientSession() as session,
    ):
        rooms = Rooms(hub, session)
        await rooms.until("kitchen", volume=0.5)
        house.say(kitchen, "1", VOICE, ask("Set the volume to thirty percent."))
        await hub.wait_for(ANSWERED)
        await rooms.until("kitchen", volume=0.3)
        status, view = await rooms.set("kitchen", volume=0.7)
        assert (status, view["volume"]) == (200, 0.7)
