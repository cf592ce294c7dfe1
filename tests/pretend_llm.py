"""A server with OpenAI's API that plays what real ones do, and an engine that uses it."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from hub.engines.base import (
    EngineError,
    Message,
)
from hub.engines.remote.openai_llm import OpenAiLlm

SAID = [Message("system", "Be brief."), Message("user", "What is the capital of France?")]
DONE = "data: [DONE]\n\n"


def chunk(text=None, finish=None, **more):
    delta = {} if text is None else {"content": text}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


def event(data):
    return f"data: {json.dumps(data)}\n\n"


PARIS = [chunk("Par"), chunk("is."), chunk(finish="stop"), DONE]


class Server:
    """A server with OpenAI's API that sends what a test says.

    Args:
        owner: of its models, by which servers are told from each other.
        models: their names.
    """

    def __init__(self, owner="somebody", models=("small",)):
        self.owner = owner
        self.models = list(models)
        self.sent = list(PARIS)  # the body of the next replies
        self.status, self.answer = 200, None  # or this instead
        self.listing = None  # a response that stands for the list of models
        self.endless = False
        self.bodies = []
        self.keys = []
        self.at_once = self.most_at_once = 0
        self.gone = asyncio.Event()  # a client has left in mid-reply
        self.looked = 0
        self.url = ""

    async def list(self, request):
        self.keys.append(request.headers.get("Authorization"))
        self.looked += 1
        if self.listing is not None:
            status, text, kind = self.listing
            return web.Response(status=status, text=text, content_type=kind)
        data = [{"id": name, "object": "model", "owned_by": self.owner} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def one(self, request):
        if request.match_info["name"] != "parlour":
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        return web.json_response({"id": self.models[0], "owned_by": self.owner})

    async def complete(self, request):
        body = await request.json()
        self.bodies.append(body)
        if callable(self.answer):
            if (refusal := self.answer(body)) is not None:
                return web.json_response(refusal, status=400)
        elif self.status != 200:
            return web.json_response(self.answer, status=self.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for text in self.sent[:1] if self.endless else self.sent:
                await response.write(text if isinstance(text, bytes) else text.encode())
            while self.endless:
                await asyncio.sleep(0.01)
                await response.write(chunk("more ").encode())
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        finally:
            self.at_once -= 1
        return response


@asynccontextmanager
async def serving(server, port=0):
    app = web.Application()
    app.router.add_get("/v1/models", server.list)
    app.router.add_get("/v1/models/{name}", server.one)
    app.router.add_post("/v1/chat/completions", server.complete)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def loaded(server, *, model=None, key_file=None, temperature=0.0):
    """A loaded engine; what it has sent so far is forgotten."""
    llm = OpenAiLlm(server.url, model=model, key_file=key_file, temperature=temperature)
    try:
        await llm.load()
        server.bodies.clear()
        yield llm
    finally:
        await llm.close()


@asynccontextmanager
async def engine(*, model=None, key_file=None, temperature=0.0, **kind):
    async with (
        serving(Server(**kind)) as server,
        loaded(server, model=model, key_file=key_file, temperature=temperature) as llm,
    ):
        yield server, llm


async def pieces_of(llm, **options):
    reply = llm.generate("kitchen", SAID, max_tokens=20, **options)
    pieces = [piece async for piece in reply]
    await reply.aclose()
    return pieces, reply.stats


async def load_error(server, **options):
    with pytest.raises(EngineError) as caught:
        async with loaded(server, **options):
            pass
    return str(caught.value)
