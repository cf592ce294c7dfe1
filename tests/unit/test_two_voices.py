"""A voice and its stand-in: what is told of them, who speaks, and what may be asked for."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from prometheus_client.parser import text_string_to_metric_families
from two_voices import FAILS, LOADS, PARLER, SLOW, WORKS, two_voices
from web_hub import code_of, web_hub
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info

from hub.config import TtsSettings
from hub.engines.base import EngineError
from protocol.engine_keys import facts_of

TEXT = "The kitchen is warm. The hall is cold. The attic is dark."


class House:
    def __init__(self, hub, engines, client):
        self.hub, self.engines, self.client = hub, engines, client

    async def voices(self):
        """Both voices, as they are told: the chosen one first."""
        told = (await (await self.client.get("/api/engines")).json())["engines"]
        return [engine for engine in told if engine["role"] == "tts"]

    async def when(self, told):
        """Wait until both voices are as `told` has it, then return them."""
        async with asyncio.timeout(10):
            while not told(*(found := await self.voices())):
                await asyncio.sleep(0.02)
        return found

    async def setting(self, key):
        settings = (await (await self.client.get("/api/settings")).json())["settings"]
        return next(one for one in settings if one["key"] == key)

    async def speak(self, **asked):
        return await self.client.post("/api/speak", json={"text": TEXT, **asked})

    async def figures(self):
        text = await (await self.client.get("/metrics")).text()
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def housed(tmp_path, monkeypatch, aiohttp_client):
    """Return a way to run a hub with both voices."""
    async with AsyncExitStack() as stack:

        async def run(how=WORKS, tts=PARLER):
            engines = two_voices(how)
            running = web_hub(tmp_path, monkeypatch, engines, service="tcp://127.0.0.1:0", tts=tts)
            hub = await stack.enter_async_context(running)
            house = House(hub, engines, await aiohttp_client(hub._web.app()))
            ready = how in (WORKS, SLOW)
            state = {FAILS: "failed", LOADS: "loading"}.get(how, "ready")
            await house.when(
                lambda own, other: own["state"] == state and (ready or other["active"])
            )
            return house

        yield run


# -- what is told ---------------------------------------------------------------------------------


async def test_a_voice_that_works_is_told_with_its_device_and_speed_and_its_stand_in_rests(housed):
    own, other = await (await housed()).voices()
    assert (own["name"], own["device"]) == ("Parler-TTS · parler-tts-mini-v1", "cuda")
    assert (own["standby"], own["active"], own["reason"]) == (False, True, "")
    assert own["speed"] == {"real_time_factor": 0.4, "first_audio": 0.2}
    assert (other["name"], other["standby"], other["active"]) == ("hibari", True, False)
    assert other["speed"] is None
    assert own["needed"] and other["needed"]


@pytest.mark.parametrize(
    ("how", "state", "words"),
    [
        (LOADS, "loading", ""),
        (FAILS, "failed", "no kernel image"),
        (SLOW, "ready", "2.3 s for each second"),
    ],
)
async def test_who_stands_in_is_told_and_why_and_the_hub_is_ready(housed, how, state, words):
    house = await housed(how)
    own, other = await house.voices()
    assert own["state"] == state
    assert words in own["reason"]
    assert (own["active"], other["active"], other["state"]) == (False, True, "ready")
    assert (await house.client.get("/ready")).status == 200
    figures = await house.figures()
    assert figures["parlour_engine_state", state, "tts"] == 1
    assert figures["parlour_engine_state", "ready", "tts-standby"] == 1
    assert figures["parlour_engine_active", "tts"] == 0
    assert figures["parlour_engine_active", "tts-standby"] == 1
    assert ("parlour_engine_real_time_factor", "tts-standby") not in figures
    if how == SLOW:
        assert figures["parlour_engine_real_time_factor", "tts"] == 2.34


async def test_readers_of_the_live_events_see_the_voice_come_and_its_voices_to_choose(housed):
    house = await housed(LOADS)
    async with house.client.ws_connect("/api/events") as events, asyncio.timeout(10):
        first = await events.receive_json()
        voices = [one for one in first["engines"] if one["role"] == "tts"]
        assert [one["standby"] for one in voices] == [False, True]
        house.engines.tts.goes.set()
        active, choices = {}, []
        while active != {False: True, True: False} or choices != ["Jon", "Laura"]:
            event = await events.receive_json()
            if event["event"] == "engine" and event["engine"]["role"] == "tts":
                active[event["engine"]["standby"]] = event["engine"]["active"]
            if event["event"] == "settings":
                found = {one["key"]: one for one in event["settings"]}
                choices = found["tts.voice"]["choices"]


async def test_one_that_speaks_as_much_as_it_can_is_still_the_one_at_work(housed):
    house = await housed()
    house.engines.tts.speed = type(house.engines.tts.speed)(0.6, 0.2)
    with house.hub.engines.tts.using(house.engines.tts):
        own, other = await house.voices()
    assert (own["active"], own["reason"], other["active"]) == (True, "", False)


# -- who speaks -----------------------------------------------------------------------------------


async def test_a_text_keeps_the_voice_that_began_it_when_the_other_one_comes(housed):
    house = await housed(LOADS)
    house.engines.stand_in.seconds = 0.2
    response = await house.speak()
    assert response.status == 200
    house.engines.tts.goes.set()
    await house.when(lambda own, other: own["active"])
    await response.read()
    assert len(house.engines.stand_in.spoken) == 3
    assert house.engines.tts.asked == []
    assert (await house.speak()).status == 200
    assert house.engines.tts.asked


async def test_a_voice_that_dies_in_mid_text_cuts_it_off_and_the_other_speaks_the_next(
    housed,
):
    house = await housed()
    own = house.engines.tts
    own.error, own.error_after = EngineError("killed"), 1
    response = await house.speak()
    assert response.status == 200
    with pytest.raises(Exception, match=r"(?i)payload|disconnected|reset|closed"):
        await response.read()
    own.how = FAILS
    assert (await (await house.speak()).read())[:4] == b"RIFF"
    assert len(house.engines.stand_in.spoken) == 3


async def test_a_voice_that_dies_before_its_first_sound_is_replaced_within_the_request(housed):
    house = await housed()
    own, other = house.engines.tts, house.engines.stand_in
    own.error, own.how = EngineError("killed"), FAILS
    assert (await (await house.speak(voice="Laura")).read())[:4] == b"RIFF"
    assert len(other.spoken) == 3
    assert house.hub.engines.tts.restarts == 1


async def test_the_service_port_does_so_too_and_begins_its_sound_once(housed):
    house = await housed()
    own, other = house.engines.tts, house.engines.stand_in
    own.error, own.how = EngineError("killed"), FAILS
    host, port = house.hub.service_address.removeprefix("tcp://").split(":")
    async with AsyncTcpClient(host, int(port)) as client, asyncio.timeout(20):
        await client.write_event(Event("synthesize", {"text": TEXT}))
        kinds = []
        while not kinds or kinds[-1] not in ("audio-stop", "error"):
            kinds.append((await client.read_event()).type)
    assert (kinds[0], kinds[-1]) == ("audio-start", "audio-stop")
    assert kinds.count("audio-start") == 1
    assert len(other.spoken) == 3


async def test_a_voice_that_the_stand_in_lacks_is_no_error_while_it_stands_in(housed):
    house = await housed(LOADS)
    assert (await house.speak(voice="Laura")).status == 200
    assert (await house.speak(voice="heart")).status == 200
    assert await code_of(await house.speak(voice="nobody"), 400) == "unknown-voice"
    house.engines.tts.goes.set()
    await house.when(lambda own, other: own["active"])
    assert await code_of(await house.speak(voice="heart"), 400) == "unknown-voice"
    assert (await house.speak(voice="Laura")).status == 200
    assert house.engines.tts.asked[0][1:] == ("Laura", "")


async def test_any_voice_may_be_asked_of_a_server_that_nobody_could_ask_yet(housed):
    house = await housed(LOADS, TtsSettings(engine="wyoming://127.0.0.1:1"))
    assert (await house.speak(voice="en_GB-alba")).status == 200


async def test_a_server_is_told_by_its_address_before_it_answers_and_after(housed):
    house = await housed(LOADS, TtsSettings(engine="wyoming://127.0.0.1:1"))
    before, _ = await house.voices()
    assert (before["name"], before["device"]) == ("Wyoming server", "wyoming://127.0.0.1:1")
    house.engines.tts.goes.set()
    after, _ = await house.when(lambda own, other: own["active"])
    assert (after["name"], after["device"]) == ("Parler-TTS", "wyoming://127.0.0.1:1")


# -- descriptions ---------------------------------------------------------------------------------


async def test_a_description_is_followed_by_http_and_by_openai_s_clients(housed):
    house = await housed()
    await (await house.speak(description="A tired man whispers.")).read()
    assert {one[1:] for one in house.engines.tts.asked} == {(None, "A tired man whispers.")}
    house.engines.tts.asked.clear()
    asked = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "wav"}
    asked |= {"instructions": "Speak like a pirate. " * 100}
    response = await house.client.post("/v1/audio/speech", json=asked)
    assert response.status == 200
    await response.read()
    assert {one[2] for one in house.engines.tts.asked} == {("Speak like a pirate. " * 100)[:1000]}
    assert await code_of(await house.speak(description="x" * 1001), 400) == "malformed"


async def test_the_configured_description_is_of_the_configured_voice_alone(housed):
    house = await housed(tts=TtsSettings(engine="parler", voice="Laura", description="Slowly."))
    for asked, told in (
        ({}, ("Laura", "Slowly.")),
        ({"voice": "Laura"}, ("Laura", "Slowly.")),
        ({"voice": "Jon"}, ("Jon", "")),
        ({"voice": "Jon", "description": "Fast."}, ("Jon", "Fast.")),
    ):
        house.engines.tts.asked.clear()
        await (await house.speak(**asked)).read()
        assert {one[1:] for one in house.engines.tts.asked} == {told}


async def test_the_service_port_tells_of_the_loaded_voice_and_follows_descriptions(housed):
    house = await housed(LOADS)
    host, port = house.hub.service_address.removeprefix("tcp://").split(":")
    async with AsyncTcpClient(host, int(port)) as client, asyncio.timeout(20):

        async def tts():
            await client.write_event(Describe().event())
            event = await client.read_event()
            return Info.from_event(event).tts[0], facts_of(event.data["tts"][0])

        program, facts = await tts()
        assert facts is None
        assert "Laura" in [voice.name for voice in program.voices]  # as is known of Parler
        house.engines.tts.goes.set()
        await house.when(lambda own, other: own["active"])
        program, facts = await tts()
        assert [voice.name for voice in program.voices] == ["Jon", "Laura"]
        assert (facts.describable, facts.device, facts.real_time_factor) == (True, "cuda", 0.4)

        data = {"text": "Hello.", "voice": {"name": "Laura"}, "description": "Whispering."}
        await client.write_event(Event("synthesize", data))
        while (await client.read_event()).type != "audio-stop":
            pass
        assert house.engines.tts.asked == [("Hello.", "Laura", "Whispering.")]


# -- settings -------------------------------------------------------------------------------------


async def test_the_voices_to_choose_are_those_of_the_loaded_engine(housed):
    house = await housed(LOADS, TtsSettings(engine="wyoming://127.0.0.1:1"))
    before = await house.setting("tts.voice")
    assert (before["value"], before["available"]) == ("default", False)
    assert not (await house.setting("tts.description"))["available"]
    house.engines.tts.goes.set()
    await house.when(lambda own, other: own["active"])
    after = await house.setting("tts.voice")
    assert (after["value"], after["file"], after["choices"]) == ("Jon", "Jon", ["Jon", "Laura"])
    assert after["available"]
    assert (await house.setting("tts.description"))["available"]
    nobody = {"values": {"tts.voice": "nobody"}}
    assert await code_of(await house.client.patch("/api/settings", json=nobody), 400) == "bad-value"


async def test_voice_and_description_hold_from_the_next_text_on_without_loading_anew(housed):
    house = await housed()
    change = {"values": {"tts.voice": "Laura", "tts.description": "Very slowly."}}
    assert (await house.client.patch("/api/settings", json=change)).status == 200
    await (await house.speak()).read()
    assert {one[1:] for one in house.engines.tts.asked} == {("Laura", "Very slowly.")}
    answer = await house.client.post("/api/settings/save", json={"keys": ["tts.description"]})
    assert answer.status == 200
    assert (await house.setting("tts.description"))["saved"] == "Very slowly."
    too_long = {"values": {"tts.description": "x" * 1001}}
    response = await house.client.patch("/api/settings", json=too_long)
    assert await code_of(response, 400) == "bad-value"
    own, _ = await house.voices()
    assert own["restarts"] == 0
