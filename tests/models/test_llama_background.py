"""The real 0.5B model: replies in the background, which make way; and how words are chosen."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from test_llama_cpp import model, said, text_of

from hub.engines.base import BadInput, Generation, Message, Sampling, TooLong
from hub.engines.llama_cpp import LlamaCpp
from hub.web.openai.tools import OBJECT_RULES, Tool, grammar_of_calls

pytestmark = [pytest.mark.models, pytest.mark.slow]

COUNT = said("Count from 1 to 60, separated by commas.")
NUMBERS = [str(n) for n in range(1, 41)]
LARGE = said("Remember these words: " + "apple banana cherry " * 36)  # some 110 tokens
OBJECT = "root ::= object" + OBJECT_RULES


@asynccontextmanager
async def engine_of(context_tokens: int, max_rooms: int = 4) -> AsyncGenerator[LlamaCpp]:
    engine = LlamaCpp(model(), threads=1, context_tokens=context_tokens, max_rooms=max_rooms)
    await engine.load()
    try:
        async with asyncio.timeout(60):
            await engine.prefill("", said()[:1])
            yield engine
    finally:
        await engine.close()


async def until_written(reply: Generation, tokens: int, look: float = 0.01) -> None:
    while reply.stats.generated_tokens < tokens:
        await asyncio.sleep(look)


def numbers_in(text: str) -> list[str]:
    return [number.strip(" .") for number in text.split(",")][:40]


@pytest.mark.long
async def test_a_reply_in_the_background_goes_on_where_it_was_after_it_made_place() -> None:
    async with engine_of(352) as engine:
        writing = engine.generate("chat", COUNT, max_tokens=250, background=True)
        counting = asyncio.create_task(text_of(writing))
        await until_written(writing, 30)
        # It holds more than there would be left for them.
        for room in ("kitchen", "attic"):
            reply = engine.generate(room, LARGE, max_tokens=60)
            before = writing.stats.generated_tokens
            await text_of(reply)
            assert writing.stats.generated_tokens <= before + 60
        text = await counting
    assert numbers_in(text) == NUMBERS, text


@pytest.mark.long
@pytest.mark.parametrize("rooms", [1, 3])
async def test_a_new_beginning_takes_no_place_that_was_promised_to_replies(rooms: int) -> None:
    other = Message("system", "You are a pirate. " + "apple banana cherry " * 40)
    async with engine_of(512) as engine:
        replies = [
            engine.generate(f"room {number}", COUNT, max_tokens=140, background=number >= rooms)
            for number in range(3)
        ]
        texts = [asyncio.create_task(text_of(reply)) for reply in replies]
        while any(reply.stats.generated_tokens < 5 for reply in replies):
            await asyncio.sleep(0.01)
        await engine.prefill("", [other])
        for text in await asyncio.gather(*texts):
            assert numbers_in(text)[:35] == NUMBERS[:35], text


async def test_a_room_that_waits_for_its_first_clause_has_the_model_for_itself() -> None:
    async with engine_of(2048) as engine:
        writing = engine.generate("chat", COUNT, max_tokens=400, background=True)
        counting = asyncio.create_task(text_of(writing))
        await until_written(writing, 5)
        reply = engine.generate("kitchen", COUNT, max_tokens=40)
        while reply.stats.prompt_tokens == 0:
            await asyncio.sleep(0.001)
        before = writing.stats.generated_tokens
        await until_written(reply, 15, 0.001)
        assert writing.stats.generated_tokens <= before + 1
        await reply.aclose()
        at = writing.stats.generated_tokens
        await until_written(writing, at + 5)  # and then it goes on
        await writing.aclose()
        await counting


@pytest.mark.long
async def test_three_long_replies_in_the_background_share_a_small_context() -> None:
    async with engine_of(400) as engine:
        replies = [
            engine.generate(f"chat {n}", COUNT, max_tokens=10_000, background=True)
            for n in range(3)
        ]
        texts = await asyncio.gather(*map(text_of, replies))
    for text in texts:
        assert numbers_in(text) == NUMBERS, text


async def test_a_reply_in_the_background_is_cut_where_the_context_ends() -> None:
    async with engine_of(128) as engine:
        reply = engine.generate("chat", COUNT, max_tokens=10_000, background=True)
        text = await text_of(reply)
        assert reply.stats.cut
        assert reply.stats.prompt_tokens + reply.stats.generated_tokens == 128
        assert text.startswith("1, 2, 3")
        short = engine.generate("chat", said("Say yes."), max_tokens=50, background=True)
        await text_of(short)
        assert not short.stats.cut
        with pytest.raises(TooLong):
            await text_of(engine.generate("chat", LARGE, max_tokens=1, background=True))


@pytest.mark.long
async def test_the_caches_of_chats_make_place_before_those_of_rooms() -> None:
    async with engine_of(2048, max_rooms=3) as engine:
        question = said("Name a fruit.")
        await text_of(engine.generate("kitchen", question, max_tokens=2))
        for n in range(6):
            await text_of(engine.generate(f"chat {n}", LARGE, max_tokens=2, background=True))
        again = engine.generate("kitchen", question, max_tokens=2)
        await text_of(again)
        assert again.stats.prompt_tokens - again.stats.reused_tokens == 1


async def test_a_cancelled_reply_that_waits_for_place_ends() -> None:
    async with engine_of(300) as engine:
        writing = engine.generate("chat", COUNT, max_tokens=200, background=True)
        counting = asyncio.create_task(text_of(writing))
        await until_written(writing, 60)
        room = engine.generate("kitchen", COUNT, max_tokens=200)
        answering = asyncio.create_task(text_of(room))
        await until_written(room, 3)
        async with asyncio.timeout(5):
            await writing.aclose()
            await room.aclose()
        await asyncio.gather(counting, answering)


async def test_the_same_seed_brings_the_same_words_and_another_one_others() -> None:
    async with engine_of(512) as engine:

        async def poem(seed: int) -> str:
            engine.forget("chat")
            sampling = Sampling(temperature=1.2, top_p=1.0, seed=seed)
            messages = said("Write a line of a poem.")
            return await text_of(
                engine.generate("chat", messages, max_tokens=16, sampling=sampling)
            )

        one, same, other = await poem(5), await poem(5), await poem(6)
        assert one == same != other


async def test_a_grammar_is_kept_to() -> None:
    messages = said("Write a short poem about the sea. Do not write JSON.")
    tool = Tool("get_tide", {"function": {"name": "get_tide"}})
    async with engine_of(1024) as engine:
        for temperature in (0.0, 1.5):
            sampling = Sampling(temperature=temperature, seed=1, repeat=1.0, grammar=OBJECT)
            text = await text_of(
                engine.generate("chat", messages, max_tokens=300, sampling=sampling)
            )
            assert isinstance(json.loads(text), dict), text
        sampling = Sampling(repeat=1.0, grammar=grammar_of_calls([tool]))
        text = await text_of(engine.generate("chat", messages, max_tokens=300, sampling=sampling))
        call = text.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert json.loads(call)["name"] == "get_tide", text
        with pytest.raises(BadInput):
            broken = Sampling(grammar="root ::= (")
            await text_of(engine.generate("chat", messages, max_tokens=3, sampling=broken))
        assert await text_of(engine.generate("chat", messages, max_tokens=3))
