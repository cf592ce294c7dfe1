"""A browser tab as a room: real sockets, a whole hub with scripted engines."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from pretend_tabs import BEFORE, QUESTION, RUN, TIMEOUT, house_of_tabs, replied_to
from scripted import VOICE
from web_hub import bare_websocket, satellite

from hub.conversation.turn import Outcome
from hub.live.state import Level
from hub.service import admission
from hub.web import tabs, talk


@pytest.fixture
async def house(tmp_path, monkeypatch):
    async with house_of_tabs(tmp_path, monkeypatch) as house:
        yield house


@pytest.fixture
async def replying(house):
    async with replied_to(house) as tab:
        yield tab


async def test_a_question_is_answered_step_by_step_in_a_room_of_the_tab_s_own(house):
    async with house.tab() as tab:
        assert tab.room == "Browser"
        (room,) = house.hub.live.rooms()
        assert (room.name, room.kind, room.controls) == ("Browser", "tab", ["volume"])
        await tab.send("run-pipeline", **RUN)
        turn = (await tab.expect("transcribe"))["turn"]
        await tab.say(QUESTION)
        assert await tab.hear() == house.engines.llm.text
        order = [t for t in dict.fromkeys(tab.types) if t not in ("ping", "transcript-chunk")]
        assert order == [
            *("voice-started", "voice-stopped", "transcript", "audio-start", "synthesize"),
            "audio-stop",
        ]
        named = {event["data"]["turn"] for event in tab.seen if "turn" in event["data"]}
        assert named == {turn}
        start = next(e["data"] for e in tab.seen if e["type"] == "audio-start")
        assert (start["rate"], start["width"], start["channels"]) == (24000, 2, 1)
        (ended,) = await house.turns(1)
        assert ended.outcome is Outcome.ANSWERED
        assert len(tab.sound) == round(ended.playback.seconds_sent * 24000) * 2


async def test_a_typed_question_is_answered_aloud_and_remembered(house):
    async with house.tab() as tab:
        await tab.send("ask", text="  What is\n the capital\x07 of France? ")
        assert (await tab.expect("transcript"))["text"] == "What is the capital of France?"
        assert await tab.hear() == house.engines.llm.text
        await house.turns(1)
        (exchange,) = house.hub.rooms.get("Browser").memory.exchanges
        assert exchange.user == "What is the capital of France?"


async def test_a_typed_question_interrupts_a_reply(house, replying):
    await replying.send("ask", text="and in Italy?")
    assert (await replying.expect("flush"))["turn"] == replying.turn
    assert await replying.hear() == "It is Rome."
    one, two = await house.turns(2)
    assert [one.outcome, two.outcome] == [Outcome.INTERRUPTED, Outcome.ANSWERED]


async def test_a_tab_that_comes_back_has_its_room_and_what_was_said_there(house):
    async with house.tab(1) as one, house.tab(2) as two:
        assert [one.room, two.room] == ["Browser", "Browser 2"]
        await one.send("ask", text="hello")
        await one.hear()
        await house.turns(1)
    async with house.tab(3) as three, house.tab(1) as one:
        assert [one.room, three.room] == ["Browser", "Browser 3"]
        assert len(house.hub.rooms.get(one.room).memory.exchanges) == 1
        await one.send("ask", text="and then?")
        await one.hear()
        said = [message.content for message in house.engines.llm.prompts[-1]]
        assert "hello" in said


async def test_a_page_that_is_reloaded_in_mid_turn_goes_on_in_the_same_room(house):
    house.engines.llm.stall = 60.0
    async with house.tab() as tab:
        await tab.send("ask", text="hello")
        await tab.expect("transcript")
    house.engines.llm.stall = 0.0
    async with house.tab() as tab:
        assert tab.room == "Browser"
        await tab.send("ask", text="how are you")
        assert await tab.hear() == house.engines.llm.text
        one, two = await house.turns(2)
        assert [one.outcome, two.outcome] == [Outcome.GONE, Outcome.ANSWERED]


async def test_of_two_connections_of_one_tab_the_newer_counts(house):
    async with house.tab() as older, house.tab() as newer:
        assert await older.closed() == ["replaced"]
        assert newer.room == "Browser"
        await newer.send("ask", text="hello")
        assert await newer.hear()


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        '{"data": {}}',
        '{"type": 7}',
        '{"type": "ask", "data": []}',
        '{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}}',
        '{"type": "x", "data": {"y": "' + 20_000 * "z" + '"}}',
        "[" * 10_000,
        '{"type": "ask", "data": {"text": "' + 1001 * "a" + '"}}',
        '{"type": "ask", "data": {"text": " \\u0000\\ud800"}}',
        '{"type": "ask"}',
        '{"type": "microphone", "data": {"mode": ["speech"]}}',
        '{"type": "microphone", "data": {}}',
        '{"type": "run-pipeline", "data": {}}',
        '{"type": "run-pipeline", "data": {"start_stage": "asr", "end_stage": "tts",'
        ' "push_to_talk": 1}}',
        '{"type": "playback", "data": {"turn": "x", "samples_played": -1}}',
        '{"type": "status", "data": {"muted": false, "volume": 7, "wake_words": []}}',
        b"\0" * 32_002,
        b"\0",
    ],
    ids=lambda frame: repr(frame[:30]),
)
async def test_what_is_no_event_is_told_so_and_ends_the_connection_and_nothing_else(house, frame):
    async with house.tab(2) as other, house.tab(1) as tab:
        if isinstance(frame, bytes):
            await tab.socket.send_bytes(frame)
        else:
            await tab.socket.send_str(frame)
        assert await tab.closed() == ["malformed"]
        await other.send("ask", text="hello")
        assert await other.hear()


async def test_a_frame_that_is_far_too_large_is_not_even_read(house):
    async with house.tab() as tab:
        with contextlib.suppress(ConnectionError):
            await tab.socket.send_bytes(bytes(2 * talk._MOST_FRAME))
        await tab.closed()
        assert tab.socket.close_code in (1006, 1009)
        await house.answers()


async def test_more_tabs_than_there_is_place_for_are_told_so(house):
    async with contextlib.AsyncExitStack() as stack:
        for number in range(tabs.MOST_TABS):
            await stack.enter_async_context(house.tab(number))
        async with house.stranger() as stranger:
            assert await stranger.closed() == ["too-many-connections"]
        async with house.tab(0) as again:  # it has its place already
            assert again.room == "Browser"


@pytest.mark.parametrize("tab", ["", "short", "a b" * 10, "x" * 65, "%00" * 20])
async def test_a_tab_needs_an_id_that_nobody_guesses(house, tab):
    async with house.client.get("/api/talk", params={"tab": tab}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "malformed"


async def test_who_does_not_speak_websocket_is_told_so(house):
    async with house.client.get("/api/talk", params={"tab": "x" * 20}) as answer:
        assert answer.status == 426
        assert (await answer.json())["error"]["code"] == "no-websocket"


async def test_a_page_of_another_site_cannot_listen(house):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        origin = "https://evil.example"
        await house.client.ws_connect("/api/talk", params={"tab": "x" * 20}, origin=origin)
    assert refused.value.status == 403


async def test_no_tab_is_called_as_a_satellite_is(house):
    async with (
        satellite(house.hub, "Kitchen"),
        house.tab(1, name="kitchen") as one,
        house.tab(2, name="Study") as two,
    ):
        assert [one.room, two.room] == ["kitchen 2", "Study"]


async def test_announcements_and_volume_reach_a_tab(house):
    async with house.tab() as tab:
        announcing = asyncio.create_task(house.hub._announcer.announce("Dinner is ready."))
        assert await tab.hear() == "Dinner is ready."
        assert await announcing == {"Browser": "heard"}
        await tab.send("ask", text="set the volume to 30 percent")
        assert (await tab.expect("volume"))["level"] == pytest.approx(0.3)


async def test_how_loud_it_is_in_a_tab_is_told_to_who_watches(house):
    watching = house.hub.live.subscribe()
    await watching.next()
    async with house.tab() as tab:
        await tab.send("microphone", mode="off")
        await tab.say([b"\x00\x40" * 320] * 20)
        async with asyncio.timeout(TIMEOUT):
            while not isinstance(event := await watching.next(), Level):
                pass
        assert event.room == "Browser"
        assert event.level > 0.8
    house.hub.live.unsubscribe(watching)


async def test_half_a_letter_from_a_tab_hides_the_hub_from_nobody(house):
    async with house.tab() as tab, house.client.ws_connect("/api/events") as watching:
        words = '[{"name": "a\\udc80", "phrase": "\\ud83d\\ude00\\ud83d", "active": true}]'
        status = f'{{"muted": true, "volume": 1, "wake_words": {words}}}'
        await tab.socket.send_str(f'{{"type": "status", "data": {status}}}')
        async with asyncio.timeout(TIMEOUT):
            async for message in watching:
                event = json.loads(message.data)
                if event["event"] == "room" and event["room"]["wake_words"]:
                    break
        assert event["room"]["wake_words"] == [{"name": "a", "phrase": "😀", "active": True}]


async def test_forgetting_a_conversation_also_stops_what_plays_of_it(house, replying):
    async with house.client.post("/api/rooms/Browser/forget") as response:
        assert response.status == 200
    assert (await replying.expect("flush"))["turn"] == replying.turn


async def asks_and_takes_nothing(house, tab):
    """Be a tab that asks for a long story, and reads none of it."""
    house.engines.llm.text = "Many words that nobody hears. " * 400
    writer = await bare_websocket(house.hub, f"/api/talk?tab={tab}")
    text = json.dumps({"type": "ask", "data": {"text": "go on"}}).encode()
    writer.write(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)  # masked with zeros
    return writer


async def test_a_tab_that_comes_back_does_not_wait_for_its_old_connection_that_takes_nothing(
    house, monkeypatch
):
    monkeypatch.setattr(admission, "_REFUSAL_TIMEOUT", 0.3)
    writer = await asks_and_takes_nothing(house, f"{1:0>20}")
    await asyncio.sleep(2)  # till nothing more of the reply finds place anywhere
    async with asyncio.timeout(5), house.tab(1) as tab:
        assert tab.room == "Browser"
    writer.close()


async def test_a_tab_that_takes_nothing_is_dropped_and_holds_nobody_up(house, monkeypatch):
    monkeypatch.setattr(talk, "_WRITE_TIMEOUT", 0.3)
    writer = await asks_and_takes_nothing(house, "y" * 20)
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.GONE
    house.engines.llm.text = "Hello."
    await house.answers()
    writer.close()


async def test_a_tab_that_vanishes_in_mid_turn_leaves_nothing_behind(house, replying):
    await replying.say(BEFORE + [VOICE] * 15)
    await replying.expect("hold")
    replying.socket._response.connection.transport.abort()
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.GONE
    async with asyncio.timeout(TIMEOUT):
        while house.hub._satellites.links:
            await asyncio.sleep(0.01)
    assert house.hub.live.rooms()[0].state == "offline"


async def test_a_hub_that_stops_hangs_up_on_its_tabs_at_once(house, replying):
    async with asyncio.timeout(1.5):  # (requests under way would get 2 s)
        await house.hub._web.close()
        assert await replying.closed() == []
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.GONE
