"""The language model behind OpenAI's API: how it is loaded, known, and watched over."""

import asyncio
import json

import pytest
from pretend_llm import (
    SAID,
    Server,
    engine,
    load_error,
    loaded,
    pieces_of,
    serving,
)

from hub.config import LlmSettings, Settings
from hub.engines.base import (
    EngineError,
    EngineUnavailable,
)
from hub.engines.registry import make_llm
from hub.engines.remote import openai_llm
from hub.engines.remote.openai_llm import OpenAiLlm
from hub.engines.remote.openai_reply import drained


async def test_a_server_that_refuses_what_goes_beyond_the_oldest_api_is_asked_without():
    def answer(body):
        return {"error": {"message": "unknown field"}} if "stream_options" in body else None

    async with serving(Server()) as server:
        server.answer = answer
        async with loaded(server) as llm:
            assert (await pieces_of(llm))[0] == ["Par", "is."]
            assert "stream_options" not in server.bodies[0]


async def test_it_takes_the_model_that_is_named_or_the_first_that_chats():
    async with serving(Server(models=("nomic-embed-text", "large:7b", "small:1b"))) as server:
        async with loaded(server) as llm:
            assert llm.model == "large:7b"
        async with loaded(server, model="small:1b") as llm:
            assert llm.model == "small:1b"
        async with loaded(server, model="parlour") as llm:  # another name that the server knows
            assert llm.model == "nomic-embed-text"
        error = await load_error(server, model="huge")
        assert error.startswith("llm.model: ")
        assert error.endswith("no model 'huge'; it has: nomic-embed-text, large:7b, small:1b")
        server.models = []
        assert "has no models yet" in await load_error(server)


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        ((404, "not here", "text/plain"), "is that the base, ending in /v1"),
        ((200, "<html>Welcome</html>", "text/html"), "is that the base, ending in /v1"),
        ((200, "[]", "application/json"), "is that the base, ending in /v1"),
        ((401, "{}", "application/json"), "llm.key_file: .* asks for a key"),
        ((403, '{"error": "no"}', "application/json"), "llm.key_file: .* asks for a key"),
        ((502, "<html>", "text/html"), "status 502"),
        ((503, '{"error": {"message": "Loading model"}}', "application/json"), "Loading model"),
    ],
)
async def test_loading_says_what_is_wrong_with_the_server(listing, says):
    async with serving(Server()) as server:
        server.listing = listing
        with pytest.raises(EngineError, match=says) as caught:
            async with loaded(server):
                pass
        assert "\n" not in str(caught.value)


async def test_loading_says_where_nobody_answers(unused_tcp_port):
    for url, says in (
        (f"http://127.0.0.1:{unused_tcp_port}/v1", "nobody answers there"),
        ("http://no-such-machine.invalid/v1", "no machine of that name"),
        ("http://me:secret@127.0.0.1/v1", "set llm.key_file"),
    ):
        llm = OpenAiLlm(url, model=None, key_file=None, temperature=0)
        with pytest.raises(EngineUnavailable, match=says) as caught:
            await llm.load()
        await llm.close()
        assert "secret" not in str(caught.value) + llm.name + llm.device


async def test_the_key_is_sent_from_a_private_file_and_never_told(tmp_path):
    path = tmp_path / "key"
    async with serving(Server()) as server:
        assert "no file" in await load_error(server, key_file=path)
        path.write_text("sesame 42")
        assert "chmod 600" in await load_error(server, key_file=path)
        path.chmod(0o600)
        assert "holds no key" in await load_error(server, key_file=path)
        path.write_text("sesame-42\n")
        async with loaded(server, key_file=path) as llm:
            assert server.keys[-1] == "Bearer sesame-42"
            assert llm.note == ""  # it goes no further than this machine
        answer = {"error": {"message": "Incorrect API key provided: sesame-42"}}
        server.listing = (401, json.dumps(answer), "application/json")
        error = await load_error(server, key_file=path)
        assert f"refuses the key in {path}" in error
        server.listing = (500, json.dumps(answer), "application/json")
        error += await load_error(server, key_file=path)
        assert "sesame" not in error


async def test_a_key_that_crosses_the_network_in_plain_text_is_noted(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_text("sesame-42")
    path.chmod(0o600)
    monkeypatch.setattr(openai_llm, "_is_here", lambda url: False)
    async with serving(Server()) as server, loaded(server, key_file=path) as llm:
        assert "in plain text" in llm.note


def test_this_machine_is_known_by_its_addresses():
    for url in ("http://localhost:1/v1", "http://127.0.0.9/v1", "http://[::1]:8/v1"):
        assert openai_llm._is_here(url)
    for url in ("http://192.168.1.2/v1", "http://gpu.lan/v1", "http://[fe80::1]/v1"):
        assert not openai_llm._is_here(url)


async def test_a_server_that_goes_is_lost_after_two_looks(monkeypatch):
    monkeypatch.setattr(openai_llm, "_HEALTH_EVERY", 0.05)
    monkeypatch.setattr(openai_llm, "_HEALTH_AGAIN", 0.05)
    async with serving(Server()) as server, loaded(server) as llm:
        losing = asyncio.create_task(llm.lost())
        looked = server.looked
        await asyncio.sleep(0.3)
        assert server.looked > looked + 1
        server.listing = (503, '{"error": {"message": "Loading model"}}', "application/json")
        async with asyncio.timeout(5):
            error = await losing
        assert type(error) is EngineError


async def test_a_server_that_writes_is_not_asked_how_it_is(monkeypatch):
    """llama-cpp-python's server lists its models between replies only (server/app.py; seen)."""
    monkeypatch.setattr(openai_llm, "_HEALTH_EVERY", 0.05)
    async with engine() as (server, llm):
        server.endless = True
        reply = llm.generate("kitchen", SAID, max_tokens=20)
        await anext(aiter(reply))
        looked = server.looked
        losing = asyncio.create_task(llm.lost())
        await asyncio.sleep(0.3)
        assert server.looked == looked
        losing.cancel()
        await asyncio.gather(losing, return_exceptions=True)
        await reply.aclose()


async def test_the_settings_make_it(tmp_path):
    async with serving(Server(models=("one", "two"))) as server:
        settings = Settings(llm=LlmSettings(engine=f"openai+{server.url}", model="two"))
        llm = make_llm(settings)
        await llm.load()
        assert await drained(llm.generate("kitchen", SAID, max_tokens=9)) == "Paris."
        assert llm.device == server.url
        await llm.close()
