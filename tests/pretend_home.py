"""A small home with Home Assistant's API, for what a real one cannot be made to do: fail."""

import asyncio
import contextlib
import json

import msgspec
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from hub.config import Settings
from protocol.private_files import write_private

TOKEN = "a-token"
LAMP = "light.kitchen_lamp"


def spoken(text, kind="action_done", code=None):
    data = {"code": code} if code else {"targets": [], "success": [], "failed": []}
    speech = {"plain": {"speech": text, "extra_data": None}}
    return {"response_type": kind, "speech": speech, "data": data, "language": "en", "card": {}}


NOT_UNDERSTOOD = spoken("Sorry, I couldn't understand that", "error", "no_intent_match")


def settings_for(url, folder, token=TOKEN):
    file = folder / "token"
    write_private(file, f"{token}\n".encode())
    table = {"url": url, "token_file": str(file)}
    return msgspec.convert({"home_assistant": table}, Settings)


class PretendHome:
    """Speaks the part of the API that Parlour uses.

    `answers` maps a sentence to a response; it is known word by word, unless the response is an
    error, or it is one of `guesses`, or `sources` has it as its owner's ("trigger", "custom").
    `trouble` is what happens to sentences and services instead: "hang", "vanish" (does it, and
    closes without a word), "garbage", or a status; `mute` what happens to the question what it
    would make of a sentence: "hang", "decline", "garbage", or "vanish".
    """

    def __init__(self):
        self.things = {
            LAMP: ("off", {"friendly_name": "Kitchen lamp"}, "kitchen", ["big light"]),
            "light.hall": ("on", {"friendly_name": "Hall light"}, "hall", []),
            "cover.kitchen": (
                "open",
                {"friendly_name": "Kitchen blind", "device_class": "blind"},
                "kitchen",
                [],
            ),
        }
        self.hidden = {"lock.door": ("locked", {"friendly_name": "Front door"}, "hall", [])}
        self.areas = [("kitchen", "Kitchen", ["galley"]), ("hall", "Hall", [])]
        self.answers = {}
        self.guesses = {}  # the intent that a sentence is taken for
        self.sources = {}
        self.intents = {}  # of sentences that are known; "HassTurnOn" where it does not matter
        self.trouble = None
        self.mute = None
        self.token = TOKEN
        self.version = "2026.2.3"
        self.administrator = True
        self.recognised = []  # sentences that were asked about
        self.sentences = []  # bodies of conversation/process, as they came
        self.services = []  # (domain, service, data)
        self.sockets = []
        self.port = None
        self.tls = None  # an ssl.SSLContext to speak https with
        self._server = None
        self._release = asyncio.Event()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    async def start(self):
        app = web.Application()
        app.router.add_get("/api/websocket", self._websocket)
        app.router.add_post("/api/conversation/process", self._process)
        app.router.add_post("/api/services/{domain}/{service}", self._service)
        self._server = TestServer(app, port=self.port or 0)
        self._release.clear()
        await self._server.start_server(ssl=self.tls)
        self.port = self._server.port

    async def stop(self):
        self._release.set()
        for socket in list(self.sockets):
            await socket.close()
        await self._server.close()

    async def tell(self, event):
        """Tell everybody of an event, to whatever subscription they have for its type."""
        for socket in self.sockets:
            for number, kind in socket.subscriptions.items():
                if kind == event.get("event_type", "states"):
                    await socket.send_json({"id": number, "type": "event", "event": event})

    def _known(self, request):
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _process(self, request):
        if not self._known(request):
            return web.Response(status=401)
        body = await request.json()
        self.sentences.append(body)
        answer = self.answers.get(body["text"], NOT_UNDERSTOOD)
        return await self._outcome(request, {"response": answer, "conversation_id": "x"})

    async def _service(self, request):
        if not self._known(request):
            return web.Response(status=401)
        domain, service = request.match_info["domain"], request.match_info["service"]
        data = await request.json()
        self.services.append((domain, service, data))
        state = {"turn_on": "on", "turn_off": "off", "close_cover": "closed"}.get(service)
        changed = {"entity_id": data["entity_id"], "state": state, "attributes": {}}
        return await self._outcome(request, [changed])

    async def _outcome(self, request, content):
        if self.trouble == "hang":
            await self._release.wait()
        if self.trouble == "vanish":
            request.transport.abort()
        if self.trouble == "garbage":
            return web.Response(text="<html>what?</html>")
        if isinstance(self.trouble, int):
            return web.Response(status=self.trouble)
        return web.json_response(content)

    async def _websocket(self, request):
        socket = web.WebSocketResponse()
        socket.subscriptions = {}
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required", "ha_version": self.version})
        hello = await socket.receive_json()
        if hello.get("access_token") != self.token:
            await socket.send_json({"type": "auth_invalid", "message": "no"})
            await socket.close()
            return socket
        await socket.send_json({"type": "auth_ok", "ha_version": self.version})
        self.sockets.append(socket)
        with contextlib.suppress(ConnectionError):
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(socket, json.loads(message.data))
        self.sockets.remove(socket)
        return socket

    async def _answer(self, socket, message):
        number, kind = message["id"], message["type"]
        if kind == "conversation/agent/homeassistant/debug":
            return await self._debug(socket, message)
        if kind == "homeassistant/expose_entity/list" and not self.administrator:
            trouble = {"code": "unauthorized", "message": "Unauthorized"}
            failed = {"id": number, "type": "result", "success": False, "error": trouble}
            return await socket.send_json(failed)
        await socket.send_json(
            {"id": number, "type": "result", "success": True, "result": self._result(message)}
        )
        if kind == "subscribe_events":
            socket.subscriptions[number] = message["event_type"]
        if kind == "subscribe_entities":
            socket.subscriptions[number] = "states"
            states = {
                name: {"s": state, "a": attributes, "c": "x", "lc": 1.0}
                for name, (state, attributes, *_) in self.things.items()
                if name in message["entity_ids"]
            }
            await socket.send_json({"id": number, "type": "event", "event": {"a": states}})
        return None

    async def _debug(self, socket, message):
        answer = {"id": message["id"], "type": "result", "success": True}
        self.recognised += message["sentences"]
        if self.mute == "hang":
            return None
        if self.mute == "vanish":
            return await socket.close()
        if self.mute == "decline":
            trouble = {"code": "unknown_command", "message": "Unknown command."}
            return await socket.send_json(answer | {"success": False, "error": trouble})
        results = [self._recognised(text) for text in message["sentences"]]
        return await socket.send_json(
            answer | {"result": {"results": [] if self.mute == "garbage" else results}}
        )

    def _recognised(self, text):
        answer = self.answers.get(text)
        if text in self.sources:
            return {"match": True, "source": self.sources[text], "sentence_template": text}
        if text in self.guesses:
            intent = {"name": self.guesses[text]}
            return {"intent": intent, "match": True, "source": "builtin", "fuzzy_match": True}
        if answer is None:
            return None
        known = answer["response_type"] != "error" or text in self.intents
        intent = {"name": self.intents.get(text, "HassTurnOn")}
        return {"intent": intent, "match": known, "source": "builtin", "fuzzy_match": False}

    def _result(self, message):
        match message["type"]:
            case "homeassistant/expose_entity/list":
                hidden = {name: {"cloud.alexa": True} for name in self.hidden}
                marked = {name: {"conversation": True} for name in self.things}
                return {"exposed_entities": marked | hidden}
            case "config/entity_registry/get_entries":
                everything = self.things | self.hidden
                return {
                    name: {
                        "entity_id": name,
                        "aliases": everything[name][3],
                        "area_id": everything[name][2],
                        "device_id": None,
                    }
                    for name in message["entity_ids"]
                }
            case "config/area_registry/list":
                return [
                    {"area_id": area, "name": name, "aliases": aliases, "floor_id": "ground"}
                    for area, name, aliases in self.areas
                ]
            case "config/floor_registry/list":
                return [{"floor_id": "ground", "name": "Ground floor", "aliases": []}]
            case "config/device_registry/list":
                return []
        return None
