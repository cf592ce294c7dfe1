"""`detect` on the service port, over real sockets."""

import asyncio

import pytest
from scripted import QUIET, WAKE_WORD
from service_port import service_port
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import SelectProgram
from wyoming.wake import Detect


async def test_a_wake_word_is_reported_as_soon_as_it_is_heard():
    async with service_port() as port, port.client() as client:
        await client.send(Detect(["alexa"]))
        await client.send_sound(*[QUIET] * 50, WAKE_WORD, stop=False)
        assert (await client.expect("detection")).data == {
            "name": "alexa",
            "timestamp": 1000,
            "speaker": None,
        }
        assert port.wake.asked == [(["alexa"], None)]
        await client.send_sound(*[QUIET] * 50, WAKE_WORD)  # it goes on listening
        assert (await client.expect("detection")).data["timestamp"] == 2020
    async with asyncio.timeout(5):
        while port.wake.open:
            await asyncio.sleep(0.01)


async def test_the_time_is_that_of_the_clients_own_sound():
    async with service_port() as port, port.client() as client:
        await client.send(Detect(), AudioStart(16000, 2, 1))
        for number, pcm in enumerate([QUIET, QUIET, WAKE_WORD]):
            await client.send(AudioChunk(16000, 2, 1, pcm, timestamp=5000 + 20 * number))
        assert (await client.expect("detection")).data["timestamp"] == 5040


@pytest.mark.parametrize("names", [None, []])
async def test_sound_that_ends_without_a_wake_word_is_not_detected(names):
    async with service_port() as port, port.client() as client:
        await client.send(Detect(names))
        await client.send_sound(*[QUIET] * 50)
        await client.expect("not-detected")
        assert port.wake.asked == [(None, None)]
        await client.send(Detect(["alexa"]))  # and again, on the same connection
        await client.send_sound(QUIET, WAKE_WORD)
        await client.expect("detection")
        assert port.wake.open <= 1


async def test_a_program_that_was_selected_listens():
    async with service_port() as port, port.client() as client:
        await client.send(SelectProgram("openwakeword"), Detect())
        await client.send_sound(WAKE_WORD)
        await client.expect("detection")
        assert port.wake.asked == [(None, "openwakeword")]


async def test_the_context_comes_back_with_whatever_is_heard():
    async with service_port() as port, port.client() as client:
        for sound, answer in ((WAKE_WORD, "detection"), (QUIET, "not-detected")):
            await client.send(Detect(["alexa"], context={"room": "hall"}))
            await client.send_sound(sound)
            assert (await client.expect(answer)).data["context"] == {"room": "hall"}


async def test_many_streams_are_listened_to_at_once():
    async with service_port() as port:

        async def listen(name: str) -> str:
            async with port.client() as client:
                await client.send(Detect([name]))
                await client.send_sound(*[QUIET] * 20, stop=False)
                await asyncio.sleep(0.05)
                await client.send(AudioChunk(16000, 2, 1, WAKE_WORD), AudioStop())
                return (await client.expect("detection")).data["name"]

        names = ["alexa", "hey_jarvis", "hey_rhasspy"] * 3
        assert await asyncio.gather(*map(listen, names)) == names


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Detect(["hey_you"]).event(), "unknown-wake-word"),
        (Event("detect", {"names": "alexa"}), "malformed"),
        (Event("detect", {"context": "hall"}), "malformed"),
    ],
)
async def test_a_bad_request_is_refused(event, code):
    async with service_port() as port, port.client() as client:
        await client.send(event)
        await client.refused(code)
