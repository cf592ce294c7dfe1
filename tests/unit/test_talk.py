"""A browser tab as a room: real sockets, a whole hub with scripted engines."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from scripted import QUIET, VOICE, WAKE_WORD
from service_port import ScriptedWake, ScriptedWakeStream
from web_hub import Engines, satellite, web_hub

from hub.conversation.turn import Outcome
from hub.engines.base import EngineError
from hub.live.state import Level
from hub.service import admission
from hub.web import tabs, talk

TIMEOUT = 10.0
RUN = {"start_stage": "asr", "end_stage": "tts"}
REPLY = "One two three four five. " * 20
BEFORE, AFTER = [QUIET] * 25, [QUIET] * 60
QUESTION = [QUIET] * 10 + [VOICE] * 60 + AFTER


class Tab:
    """A page that says exactly what a test wants."""

    def __init__(self, socket):
        self.socket = socket
        self.seen = []
        self.sound = bytearray()
        self.room = ""

    async def send(self, type_, **data):
        await self.socket.send_str(json.dumps({"type": type_, "data": data}))

    async def say(self, frames):
        """Send frames of 20 ms, some ten times as fast as they would come."""
        for index, pcm in enumerate(frames):
            await self.socket.send_bytes(pcm)
            if index % 5 == 0:
                await asyncio.sleep(0.01)

    async def next(self):
        """The next event, None where the hub has hung up; sound on the way is kept."""
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                self.sound += message.data
            elif message.type is aiohttp.WSMsgType.TEXT:
                event = json.loads(message.data)
                self.seen.append(event)
                return event
            else:
                return None

    async def expect(self, type_):
        async with asyncio.timeout(TIMEOUT):
            while (event := await self.next()) is not None:
                if event["type"] == type_:
                    return event["data"]
        raise AssertionError(f"hung up before {type_}: {self.types}")

    async def hear(self):
        """Wait for the whole reply, play it; return its words."""
        self.seen.clear()
        self.sound.clear()
        await self.expect("audio-stop")
        await self.send("played")
        return " ".join(e["data"]["text"].strip() for e in self.seen if e["type"] == "synthesize")

    async def closed(self):
        """Wait until the hub hangs up; return the errors it told."""
        async with asyncio.timeout(TIMEOUT):
            while await self.next() is not None:
                pass
        return [event["data"]["code"] for event in self.seen if event["type"] == "error"]

    @property
    def types(self):
        return [event["type"] for event in self.seen]


class House:
    def __init__(self, hub, engines, client, ended):
        self.hub = hub
        self.engines = engines
        self.client = client
        self.ended = ended

    @contextlib.asynccontextmanager
    async def tab(self, number=1, **query):
        query = {"tab": f"{number:0>20}"} | query
        async with self.client.ws_connect("/api/talk", params=query, max_msg_size=0) as socket:
            tab = Tab(socket)
            tab.room = (await tab.expect("accepted"))["room"]
            await tab.expect("run-satellite")
            yield tab

    @contextlib.asynccontextmanager
    async def stranger(self, number=99):
        params = {"tab": f"{number:0>20}"}
        async with self.client.ws_connect("/api/talk", params=params) as socket:
            yield Tab(socket)

    async def turns(self, count):
        """Wait until so many turns have ended."""
        async with asyncio.timeout(TIMEOUT):
            while len(self.ended) < count:
                await asyncio.sleep(0.005)
        return self.ended

    async def answers(self, number=50):
        """See that somebody else's question is answered."""
        async with self.tab(number) as other:
            await other.send("ask", text="hello")
            assert await other.hear()


def left_behind():
    """Tasks of tabs; none outlives them."""
    names = ("judge", "open microphone", "wake word", "heartbeat", "turn")
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(names)]


@pytest.fixture
async def house(tmp_path, monkeypatch):
    engines, ended = Engines(), []
    async with web_hub(tmp_path, monkeypatch, engines) as hub:
        keep = hub.rooms._ended
        monkeypatch.setattr(hub.rooms, "_ended", lambda turn: (keep(turn), ended.append(turn)))
        async with aiohttp.ClientSession(hub.web_address) as client:
            yield House(hub, engines, client, ended)
        async with asyncio.timeout(TIMEOUT):
            while left_behind():
                await asyncio.sleep(0.01)


@pytest.fixture
async def replying(house):
    """A tab with an open microphone, to which the hub is just replying."""
    house.engines.llm.text = REPLY
    async with house.tab() as tab:
        await tab.send("microphone", mode="speech")
        await tab.send("ask", text="tell me a story")
        start = await tab.expect("audio-start")
        await tab.expect("synthesize")
        await tab.send("playback", turn=start["turn"], samples_played=24000)
        house.engines.llm.text = "It is Rome."
        tab.turn = start["turn"]
        yield tab


async def speak(house, tab, text, frames=25):
    house.engines.stt.text = text
    await tab.say(BEFORE + [VOICE] * frames + AFTER)


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


async def test_as_long_as_a_button_is_held_no_pause_ends_what_is_said(house):
    async with house.tab() as tab:
        await tab.send("run-pipeline", **RUN, push_to_talk=True)
        await tab.say([VOICE] * 30 + [QUIET] * 150 + [VOICE] * 30)
        await tab.expect("voice-started")
        await asyncio.sleep(0.3)
        await tab.send("audio-stop")
        tab.seen.clear()
        await tab.expect("voice-stopped")
        assert await tab.hear() == house.engines.llm.text
        assert house.engines.stt.heard_seconds >= 4.0


async def test_with_an_open_microphone_whoever_speaks_is_answered_from_the_first_word_on(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="speech")
        await tab.say([QUIET] * 100 + [VOICE] * 60 + AFTER)
        await tab.expect("transcribe")
        assert await tab.hear() == house.engines.llm.text
        assert house.engines.stt.heard_seconds >= 60 * 0.02
        await tab.say(QUESTION)  # and again, nothing pressed
        await tab.expect("transcribe")
        assert await tab.hear() == house.engines.llm.text


async def test_a_click_is_nobody_who_speaks(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="speech")
        await tab.say(([QUIET] * 50 + [VOICE] * 4) * 5 + [QUIET] * 50)
        await tab.send("ask", text="hello")
        await tab.hear()
        assert "transcribe" not in tab.types
        assert len(await house.turns(1)) == 1


@pytest.mark.parametrize("mode", ["off", "wake", None])
async def test_without_an_open_microphone_speech_at_rest_begins_nothing(house, mode):
    async with house.tab() as tab:
        if mode is not None:
            await tab.send("microphone", mode=mode)
        await tab.say(QUESTION)
        await tab.send("ask", text="hello")
        await tab.hear()
        assert "transcribe" not in tab.types


async def test_a_wake_word_in_the_sound_of_a_tab_begins_a_turn_and_is_listened_for_again(house):
    async with house.tab() as tab:
        await tab.send("microphone", mode="wake")
        names = (await tab.expect("detect"))["names"]
        assert names
        for _ in range(2):
            await tab.say([QUIET] * 20 + [WAKE_WORD] * 3 + QUESTION)
            await tab.expect("detection")
            assert await tab.hear() == house.engines.llm.text
            if "detect" not in tab.types:
                await tab.say([QUIET] * 5)
                await tab.expect("detect")


async def test_a_tab_is_told_of_other_wake_words_as_soon_as_they_are_listened_for(
    house, monkeypatch
):
    class Renewed(ScriptedWake):
        models = tuple(model for model in ScriptedWake.models if model.name == "alexa")

        def stream(self, names=None, program=None):
            return super().stream(["alexa"])

    async with house.tab() as tab:
        await tab.send("microphone", mode="wake")
        await tab.expect("detect")
        monkeypatch.setattr(house.hub._wake, "_make", lambda: asyncio.sleep(0, Renewed()))
        monkeypatch.setattr(ScriptedWakeStream, "process", gone(house.engines.wake))
        change = {"values": {"wake.words": ["alexa"]}}
        async with house.client.patch("/api/settings", json=change) as response:
            assert response.status == 200
        await tab.say([QUIET] * 5)
        assert (await tab.expect("detect"))["names"] == ["Alexa"]
        await tab.say([QUIET] * 20 + [WAKE_WORD] * 3 + QUESTION)
        assert await tab.hear() == house.engines.llm.text


def gone(engine):
    """Return how streams of a closed engine work."""
    process = ScriptedWakeStream.process

    async def ended(stream, pcm):
        if stream._wake is engine:
            raise EngineError("it was closed")
        return await process(stream, pcm)

    return ended


async def test_stop_over_a_reply_holds_it_at_once_and_then_ends_it(house, replying):
    await speak(house, replying, "Stop!")
    assert (await replying.expect("hold"))["turn"] == replying.turn
    flush = await replying.expect("flush")
    assert flush == {"turn": replying.turn}
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.INTERRUPTED
    assert "transcribe" not in replying.types


async def test_mhm_over_a_reply_holds_it_for_a_moment(house, replying):
    await speak(house, replying, "Mhm.")
    assert (await replying.expect("hold"))["turn"] == replying.turn
    assert (await replying.expect("resume"))["turn"] == replying.turn
    if "audio-stop" not in replying.types:
        await replying.expect("audio-stop")
    await replying.send("played")
    (turn,) = await house.turns(1)
    assert turn.outcome is Outcome.ANSWERED


@pytest.mark.parametrize("mode", ["speech", "off"])
async def test_a_question_over_a_reply_is_answered(house, replying, mode):
    await replying.send("microphone", mode=mode)
    await speak(house, replying, "and what is the capital of Italy", frames=60)
    await replying.expect("hold")
    assert await replying.expect("flush") == {"turn": replying.turn, "listen": True}
    await replying.expect("transcribe")
    assert await replying.hear() == "It is Rome."
    _, turn = await house.turns(2)
    assert turn.transcript == "and what is the capital of Italy"


async def test_after_three_false_alarms_a_reply_is_not_held_any_more(house, replying):
    for _ in range(3):
        await speak(house, replying, "Mhm.")
        await replying.expect("resume")
    await speak(house, replying, "Mhm.")
    if "audio-stop" not in replying.types:
        await replying.expect("audio-stop")
    await replying.send("played")
    await house.turns(1)
    assert replying.types.count("hold") == 3
    await speak(house, replying, "what about Italy", frames=60)  # a turn like any other
    assert await replying.hear() == "It is Rome."


async def test_the_button_that_means_stop_ends_whatever_goes_on(house, replying):
    await replying.send("interruption", turn=replying.turn, stop=True)
    assert await replying.expect("flush") == {"turn": replying.turn}
    await replying.send("run-pipeline", **RUN)
    turn = (await replying.expect("transcribe"))["turn"]
    await replying.say([VOICE] * 10)
    await replying.send("interruption", turn=turn, stop=True)
    assert await replying.expect("flush") == {"turn": turn}
    await replying.say(QUESTION)  # the microphone is open: it is heard again
    assert await replying.hear() == "It is Rome."


async def test_a_tab_that_is_muted_is_not_heard_out(house):
    async with house.tab() as tab:
        await tab.send("run-pipeline", **RUN)
        await tab.say([VOICE] * 20)
        await tab.expect("voice-started")
        await tab.send("status", muted=True, volume=1.0, wake_words=[])
        (turn,) = await house.turns(1)
        assert turn.outcome is Outcome.INTERRUPTED
        (room,) = house.hub.live.rooms()
        assert room.muted


async def test_a_microphone_that_is_switched_off_while_a_question_over_a_reply_is_taken_is_off(
    house, replying, monkeypatch
):
    room = house.hub.rooms.get("Browser")
    begin = room.begin

    async def slow(*given, **options):  # a reply may take a moment to stop
        await asyncio.sleep(0.5)
        return await begin(*given, **options)

    monkeypatch.setattr(room, "begin", slow)
    await speak(house, replying, "what is the capital of italy")
    assert (await replying.expect("flush"))["listen"]
    await replying.send("status", muted=True, volume=1, wake_words=[])
    await house.turns(1)
    await asyncio.sleep(1)
    assert room.turn is None
    assert len(house.ended) == 1


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
    host, port = house.hub.web_address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /api/talk?tab={tab} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
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
