"""What a user and their browser do with Home Assistant, over its REST and websocket APIs."""

import asyncio
import contextlib
import itertools
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from protocol.audio import SPEECH

CHUNK = 0.01  # seconds of sound in one message, as Home Assistant's own satellites send it
SILENCE = 8.0  # seconds that the microphone stays open after the last word, at most


class Refused(AssertionError):
    """Home Assistant said no."""


@dataclass
class Run:
    """One run of a pipeline: its events as they came, with the moments (monotonic seconds)."""

    events: list[tuple[float, dict]] = field(default_factory=list)
    said_at: float = 0.0  # when the last word was sent

    def data(self, kind: str) -> dict:
        for _, event in self.events:
            if event["type"] == kind:
                return event["data"] or {}
        raise AssertionError(f"no {kind} among {self.events}")

    def at(self, kind: str) -> float:
        return next(moment for moment, event in self.events if event["type"] == kind)

    def has(self, kind: str) -> bool:
        return any(event["type"] == kind for _, event in self.events)

    @property
    def kinds(self) -> list[tuple[float, str, dict | None]]:
        """For people: when each event came, in seconds, and what it says."""
        began = self.events[0][0] if self.events else 0.0
        return [(round(at - began, 2), one["type"], one["data"]) for at, one in self.events]

    @property
    def error(self) -> dict | None:
        return self.data("error") if self.has("error") else None

    @property
    def transcript(self) -> str:
        return self.data("stt-end")["stt_output"]["text"]

    @property
    def reply(self) -> str:
        return self.response["speech"]["plain"]["speech"]

    @property
    def response(self) -> dict:
        """What the conversation agent answered; `response_type` says whether it did something."""
        return self.data("intent-end")["intent_output"]["response"]

    @property
    def conversation(self) -> str:
        return self.data("intent-end")["intent_output"]["conversation_id"]


class Client:
    """A user who is logged in.

    Args:
        url: of Home Assistant.
        token: a long-lived one.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self._ids = itertools.count(1)
        self._results: dict[int, asyncio.Future[dict]] = {}
        self._events: dict[int, Callable[[dict], None]] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, token: str) -> AsyncIterator[Self]:
        client = cls(url, token)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(url, headers=headers) as client.session,
            client.session.ws_connect("/api/websocket", max_msg_size=0) as client.socket,
        ):
            assert (await client.socket.receive_json())["type"] == "auth_required"
            await client.socket.send_json({"type": "auth", "access_token": token})
            answer = await client.socket.receive_json()
            assert answer["type"] == "auth_ok", answer
            reader = asyncio.create_task(client._read())
            try:
                yield client
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self.socket:
            content = message.json()
            for one in content if isinstance(content, list) else [content]:
                if one["type"] == "event" and (handler := self._events.get(one["id"])):
                    handler(one["event"])
                elif one["type"] == "result":
                    result = self._results.get(one["id"])
                    if result is not None and not result.done():
                        result.set_result(one)
        for result in self._results.values():
            if not result.done():
                result.set_exception(ConnectionError("Home Assistant closed the websocket"))

    # ---- the two APIs -----------------------------------------------------------------------

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, path, json=body) as answer:
            if answer.status >= 400:
                raise Refused(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def call(
        self,
        kind: str,
        *,
        on_event: Callable[[dict], None] | None = None,
        timeout: float = 30.0,
        **fields: Any,
    ) -> Any:
        """Send a command and return its result; `on_event` gets the events of a subscription."""
        number = next(self._ids)
        result = self._results[number] = asyncio.get_running_loop().create_future()
        if on_event is not None:
            self._events[number] = on_event
        try:
            await self.socket.send_json({"id": number, "type": kind, **fields})
            async with asyncio.timeout(timeout):
                answer = await result
        finally:
            del self._results[number]
        if not answer["success"]:
            raise Refused(f"{kind}: {answer['error']}")
        return answer["result"]

    async def service(
        self, name: str, entity: str | None = None, timeout: float = 60.0, **data: Any
    ) -> None:
        """Call a service, "light.turn_on"; returns when it is done."""
        domain, _, service = name.partition(".")
        target = {"entity_id": entity} if entity else {}
        fields = {"domain": domain, "service": service, "service_data": data, "target": target}
        await self.call("call_service", timeout=timeout, **fields)

    async def state(self, entity: str) -> str:
        return (await self.rest("GET", f"/api/states/{entity}"))["state"]

    async def wait_for_state(self, entity: str, *states: str, timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while (state := await self.state(entity)) not in states:
            assert time.monotonic() < deadline, f"{entity} is {state!r}, not one of {states}"
            await asyncio.sleep(0.1)

    async def watch_states(self, entity: str) -> list[str]:
        """Return a list that each new state of an entity is added to."""
        seen: list[str] = []

        def changed(event: dict) -> None:
            state = (event["data"]["new_state"] or {}).get("state")
            if event["data"]["entity_id"] == entity and state not in (None, *seen[-1:]):
                seen.append(state)

        await self.call("subscribe_events", event_type="state_changed", on_event=changed)
        return seen

    async def watch_actions(self) -> list[dict]:
        """Return a list that each call of a service is added to, as Home Assistant saw it.

        Each is {"domain", "service", "service_data"}; all of them, the user's own, too.
        """
        seen: list[dict] = []
        await self.call(
            "subscribe_events",
            event_type="call_service",
            on_event=lambda event: seen.append(event["data"]),
        )
        return seen

    # ---- adding things ----------------------------------------------------------------------

    async def add(self, integration: str, **fields: Any) -> str:
        """Add an integration whose form has these fields, as a user does; return its entry's id."""
        flows = "/api/config/config_entries/flow"
        form = await self.rest("POST", flows, {"handler": integration})
        assert form["type"] == "form", form
        done = await self.rest("POST", f"{flows}/{form['flow_id']}", fields)
        assert done["type"] == "create_entry", done
        return done["result"]["entry_id"]

    async def add_wyoming(self, address: str) -> str:
        """Add a Wyoming service by host and port; return its entry's id."""
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        entry = await self.add("wyoming", host=host, port=int(port))
        await self.wait_for_entry(entry)
        return entry

    async def wait_for_entry(self, entry: str, state: str = "loaded", timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while (now := await self.entry_state(entry)) != state:
            assert time.monotonic() < deadline, f"the entry is {now}"
            await asyncio.sleep(0.1)

    async def entry_state(self, entry: str) -> str:
        entries = await self.rest("GET", "/api/config/config_entries/entry")
        return next(one["state"] for one in entries if one["entry_id"] == entry)

    async def entities(self, entry: str) -> list[dict]:
        """Return the entities of an entry, as the registry has them."""
        everything = await self.call("config/entity_registry/list")
        return [one for one in everything if one["config_entry_id"] == entry]

    async def entity(self, entry: str, domain: str, ending: str = "") -> dict:
        """Wait for an entry's entity of a domain; `ending` is that of its unique id."""
        for _ in range(100):
            for one in await self.entities(entry):
                if one["entity_id"].startswith(f"{domain}.") and one["unique_id"].endswith(ending):
                    return one
            await asyncio.sleep(0.1)
        raise AssertionError(f"no {domain} {ending} among {await self.entities(entry)}")

    async def expose(self, *entities: str, to_assistants: bool = True) -> None:
        """Let Home Assistant's own assistants know entities, or no longer."""
        await self.call(
            "homeassistant/expose_entity",
            entity_ids=entities,
            assistants=["conversation"],
            should_expose=to_assistants,
        )

    async def own_agent(self) -> str:
        """Return the id of Home Assistant's own conversation agent."""
        agents = (await self.call("conversation/agent/list"))["agents"]
        return next(one["id"] for one in agents if one["name"] == "Home Assistant")

    async def make_pipeline(self, name: str, hub: str, agent: str) -> str:
        """Make a pipeline of the hub's services and an agent, and prefer it; return its id."""
        stt, tts, wake = [
            (await self.entity(hub, domain))["entity_id"] for domain in ("stt", "tts", "wake_word")
        ]
        made = await self.create_pipeline(name, stt, tts, agent, wake)
        await self.call("assist_pipeline/pipeline/set_preferred", pipeline_id=made)
        return made

    async def create_pipeline(
        self, name: str, stt: str, tts: str, agent: str, wake: str | None = None
    ) -> str:
        """Make an English pipeline of these entities and an agent; return its id."""
        made = await self.call(
            "assist_pipeline/pipeline/create",
            name=name,
            language="en",
            conversation_engine=agent,
            conversation_language="en",
            stt_engine=stt,
            stt_language=await self.english("stt", stt),
            tts_engine=tts,
            tts_language=await self.english("tts", tts),
            tts_voice=None,
            wake_word_entity=wake,
            wake_word_id=None,
        )
        return made["id"]

    async def english(self, kind: str, engine: str) -> str:
        providers = (await self.call(f"{kind}/engine/list"))["providers"]
        languages = next(p["supported_languages"] for p in providers if p["engine_id"] == engine)
        return next(one for one in languages if one.startswith("en"))

    # ---- speaking ---------------------------------------------------------------------------

    async def run_pipeline(
        self,
        pipeline: str,
        spoken: bytes = b"",
        *,
        text: str = "",
        start: str = "stt",
        end: str = "tts",
        timeout: float = 60.0,
        **fields: Any,
    ) -> Run:
        """Run a pipeline from speech, paced as it is spoken, or from text; return what happened.

        Args:
            pipeline: its id.
            spoken: 16 kHz mono 16-bit; silence follows until Home Assistant has heard the end.
            text: what `start="intent"` and `start="tts"` begin with.
            start: the first stage.
            end: the last stage.
            timeout: seconds for all of it.
            fields: of the command: device_id, conversation_id.
        """
        run, over = Run(), asyncio.Event()

        def happened(event: dict) -> None:
            run.events.append((time.monotonic(), event))
            if event["type"] == "run-end":
                over.set()

        given = {"text": text} if text else {"sample_rate": SPEECH.rate}
        if start == "wake_word":
            given["timeout"] = timeout
        stages = {"start_stage": start, "end_stage": end, "input": given, "timeout": timeout}
        command = {"pipeline": pipeline, **stages, **fields}
        async with asyncio.timeout(timeout):
            await self.call("assist_pipeline/run", on_event=happened, **command)
            if not text:
                await self._speak(run, spoken)
            await over.wait()
        return run

    async def _speak(self, run: Run, spoken: bytes) -> None:
        while not run.has("run-start"):
            await asyncio.sleep(0.001)
        handler = bytes([run.data("run-start")["runner_data"]["stt_binary_handler_id"]])
        size = SPEECH.bytes_for(CHUNK)
        sound = spoken + bytes(SPEECH.bytes_for(SILENCE))
        began = time.monotonic()
        for number, at in enumerate(range(0, len(sound), size), 1):
            if run.has("stt-end") or run.has("error"):
                return
            await self.socket.send_bytes(handler + sound[at : at + size])
            if at < len(spoken):
                run.said_at = time.monotonic()
            await asyncio.sleep(max(0.0, began + number * CHUNK - time.monotonic()))
        await self.socket.send_bytes(handler)

    async def speech(self, run: Run) -> bytes:
        """Fetch what was spoken in a run, and decode it: 16 kHz mono 16-bit."""
        url = run.data("tts-end")["tts_output"]["url"]
        async with self.session.get(url) as answer:
            assert answer.status == 200, (url, answer.status)
            content = await answer.read()
        return await asyncio.to_thread(decoded, content)

    async def has(self, *components: str) -> bool:
        config = await self.rest("GET", "/api/config")
        return config["state"] == "RUNNING" and set(components) <= set(config["components"])

    async def wait_until_running(self, *components: str, timeout: float = 120.0) -> None:
        deadline = time.monotonic() + timeout
        while not await self.has(*components):
            assert time.monotonic() < deadline, "Home Assistant does not come up"
            await asyncio.sleep(0.2)


def decoded(content: bytes) -> bytes:
    """Any sound file as 16 kHz mono 16-bit."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:", "-f", "s16le", "-ac", "1", "-ar", "16000"]
    done = subprocess.run([*command, "pipe:"], input=content, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.asynccontextmanager
async def onboarded(url: str) -> AsyncIterator[str]:
    """Make the first user of a fresh Home Assistant; yield a long-lived token."""
    own = {"client_id": f"{url}/"}
    user = {"name": "Test", "username": "test", "password": "only-on-loopback", "language": "en"}
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/api/onboarding/users", json=own | user) as answer:
            assert answer.status == 200, await answer.text()
            code = (await answer.json())["auth_code"]
        form = own | {"grant_type": "authorization_code", "code": code}
        async with session.post("/auth/token", data=form) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["access_token"]
    async with Client.connect(url, token) as client:
        lasting = {"client_name": "tests", "lifespan": 1}
        yield await client.call("auth/long_lived_access_token", **lasting)
