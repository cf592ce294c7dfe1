"""A browser tab as a room, at a whole hub with scripted engines: says exactly what a test wants."""

import asyncio
import contextlib
import json

import aiohttp
from scripted import QUIET, VOICE
from web_hub import Engines, web_hub

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


@contextlib.asynccontextmanager
async def house_of_tabs(tmp_path, monkeypatch):
    """A hub to which tabs come; no task of theirs outlives them."""
    engines, ended = Engines(), []
    async with web_hub(tmp_path, monkeypatch, engines) as hub:
        keep = hub.rooms._ended
        monkeypatch.setattr(hub.rooms, "_ended", lambda turn: (keep(turn), ended.append(turn)))
        async with aiohttp.ClientSession(hub.web_address) as client:
            yield House(hub, engines, client, ended)
        async with asyncio.timeout(TIMEOUT):
            while left_behind():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def replied_to(house):
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
