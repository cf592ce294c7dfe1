"""The language model behind OpenAI's API, on real servers: another project's, and our own."""

import asyncio
import time
from contextlib import asynccontextmanager

import psutil
import pytest
from llm_server import SERVED, llm_server
from processes import LLM, free_port

from hub.engines.base import BadInput, EngineError, EngineUnavailable, Message, Sampling
from hub.engines.remote.openai_llm import OpenAiLlm
from hub.engines.remote.openai_reply import drained

pytestmark = pytest.mark.long
CAPITAL = [
    Message("system", "You are a voice assistant. Answer in one short sentence."),
    Message("user", "What is the capital of France?"),
]
LONG = [Message("user", "Tell me a long story about a small boat.")]


@asynccontextmanager
async def engine(url, *, model=None, key_file=None):
    llm = OpenAiLlm(url, model=model, key_file=key_file, temperature=0.0)
    try:
        await llm.load()
        yield llm
    finally:
        await llm.close()


async def cpu_of(process, seconds):
    """Return the share of one core that a process takes for a while."""
    one = psutil.Process(process.child.pid)
    before, began = sum(one.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(seconds)
    return (sum(one.cpu_times()[:2]) - before) / (time.monotonic() - began)


async def stops_computing(process):
    """Say whether it does, within 5 s."""
    for _ in range(10):
        if await cpu_of(process, 0.5) < 0.2:
            return True
    return False


async def begun(llm):
    """Return a long reply of which a few pieces have come."""
    reply = llm.generate("kitchen", LONG, max_tokens=900)
    pieces = aiter(reply)
    for _ in range(3):
        await anext(pieces)
    return reply, pieces


async def test_another_projects_server_answers_and_stops_when_the_reply_is_closed(tmp_path):
    async with llm_server(tmp_path) as server, engine(server.url) as llm:
        assert llm.model == SERVED
        await llm.prefill("", CAPITAL[:1])
        reply = llm.generate("kitchen", CAPITAL, max_tokens=40)
        assert "Paris" in await drained(reply)
        assert 3 <= reply.stats.generated_tokens <= 40
        assert not reply.stats.cut

        cut = llm.generate("kitchen", LONG, max_tokens=5)
        await drained(cut)
        assert cut.stats.cut

        only = Sampling(grammar='root ::= "yes" | "no"')
        asked = [Message("user", "Is grass green?")]
        told = await drained(llm.generate("kitchen", asked, max_tokens=9, sampling=only))
        assert told in ("yes", "no")

        reply, _ = await begun(llm)
        await reply.aclose()
        assert await stops_computing(server)

        # Whoever reads is cancelled, and nobody comes to close the reply.
        reply, pieces = await begun(llm)
        reading = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await stops_computing(server)


async def test_a_server_that_is_killed_in_mid_reply_is_lost_and_found_again(tmp_path):
    port = free_port()
    async with llm_server(tmp_path, port=port) as server, engine(server.url) as llm:
        losing = asyncio.create_task(llm.lost())
        _, pieces = await begun(llm)
        server.kill()
        with pytest.raises(EngineError, match="mid-reply"):
            while True:
                await anext(pieces)
        async with asyncio.timeout(30):
            assert "nobody answers there" in str(await losing)
        with pytest.raises(EngineUnavailable, match="nobody answers there"):
            async with engine(server.url):
                pass
        async with llm_server(tmp_path, port=port), engine(server.url) as again:
            assert "Paris" in await drained(again.generate("kitchen", CAPITAL, max_tokens=40))


async def test_a_server_that_asks_for_a_key_gets_it_from_the_file(tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("sesame-42\n")
    key_file.chmod(0o600)
    async with llm_server(tmp_path, key="sesame-42") as server:
        with pytest.raises(EngineUnavailable, match=r"llm\.key_file: .* asks for a key"):
            async with engine(server.url):
                pass
        async with engine(server.url, key_file=key_file) as llm:
            assert "Paris" in await drained(llm.generate("kitchen", CAPITAL, max_tokens=40))


async def test_another_parlour_answers_counts_and_stops(house):
    async with house.hub() as hub, engine(f"{hub.web}/v1", model="parlour") as llm:
        assert llm.model == LLM
        reply = llm.generate("kitchen", CAPITAL, max_tokens=40)
        assert "Paris" in await drained(reply)
        assert reply.stats.prompt_tokens > 20
        assert 3 <= reply.stats.generated_tokens <= 40

        long = [Message("user", "word " * 3980)]
        with pytest.raises(BadInput, match="do not fit into the language model server's context"):
            await drained(llm.generate("kitchen", [*long, *long], max_tokens=40))

        with pytest.raises(BadInput, match="takes no grammar"):
            llm.generate("kitchen", LONG, max_tokens=9, sampling=Sampling(grammar='root ::= "a"'))

        reply, _ = await begun(llm)
        await reply.aclose()
        assert await stops_computing(hub)
