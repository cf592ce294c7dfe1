"""`transcript` → `handled` on the service port, over real sockets."""

import asyncio

import pytest
from scripted import ScriptedLlm
from service_port import quick, service_port
from wyoming.asr import Transcript
from wyoming.event import Event

from hub.conversation.pipeline import APOLOGY
from hub.conversation.turn import Outcome
from hub.engines.base import EngineError
from hub.engines.supervisor import EngineState
from hub.service import handle

ANSWER = "Sure, the capital of France is Paris. It lies on the Seine."


def ask(text: str, conversation: str | None = None, **context) -> Transcript:
    if conversation is not None:
        context["conversation_id"] = conversation
    return Transcript(text, context or None, "en")


def said_before(prompt) -> list[str]:
    return [message.content for message in prompt if message.role == "user"][:-1]


async def test_a_question_is_answered_in_parts_and_as_a_whole():
    async with service_port() as port, port.client() as client:
        await client.send(ask("what is the capital of france", "c1", device_id="d"))
        await client.expect("handled-stop")
        types = client.types()
        assert types[0] == "handled-start"
        assert types[-2:] == ["handled", "handled-stop"]
        parts = [e.data["text"] for e in client.seen if e.type == "handled-chunk"]
        assert len(parts) >= 2
        assert "".join(parts) == client.seen[-2].data["text"] == ANSWER
        assert client.seen[-2].data["context"] == {"conversation_id": "c1", "device_id": "d"}
        (turn,) = port.bench.ended
        assert turn.outcome is Outcome.ANSWERED
        assert turn.transcript == "what is the capital of france"
        assert turn.playback.heard() == ANSWER


async def test_a_conversation_is_remembered_by_its_id_from_connection_to_connection():
    async with service_port() as port:
        for text, conversation in (("first", "a"), ("other", "b"), ("second", "a")):
            async with port.client() as client:
                await client.send(ask(text, conversation))
                await client.expect("handled")
        prompts = port.bench.llm.prompts
        assert [said_before(prompt) for prompt in prompts] == [[], [], ["first"]]


async def test_without_an_id_a_conversation_lasts_as_long_as_its_connection():
    async with service_port() as port:
        for _ in range(2):
            async with port.client() as client:
                for text in ("first", "second"):
                    await client.send(ask(text))
                    await client.expect("handled")
        prompts = port.bench.llm.prompts
        assert [said_before(prompt) for prompt in prompts] == [[], ["first"], [], ["first"]]


async def test_no_conversation_is_a_satellites_room():
    async with service_port() as port, port.client() as client:
        await client.send(ask("hello there", "kitchen"))
        await client.expect("handled")
        room = port.bench.ended[0].room
        assert room != "kitchen"
        assert not room.isprintable()  # which a satellite's name must be


async def test_what_cannot_be_done_is_said_honestly_and_without_the_model():
    async with service_port() as port, port.client() as client:
        await client.send(ask("turn on the lamp"))
        text = (await client.expect("handled")).data["text"]
        assert "can't" in text
        assert port.bench.llm.work.calls == 0


async def test_two_questions_at_once_in_one_conversation_are_answered_one_by_one():
    async with service_port() as port, port.client() as one, port.client() as two:
        await one.send(ask("first", "a"))
        await two.send(ask("second", "a"))
        await one.expect("handled")
        await two.expect("handled")
        assert sorted(len(said_before(p)) for p in port.bench.llm.prompts) == [0, 1]


async def test_a_client_that_goes_stops_the_model():
    bench = quick(llm=ScriptedLlm("word " * 2000, first=0.01, each=0.01))
    async with service_port(bench) as port:
        async with port.client() as client:
            await client.send(ask("tell me a story", "a"))
            async with asyncio.timeout(5):
                while not bench.llm.work.times:
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while bench.llm.work.running or not bench.ended:
                await asyncio.sleep(0.01)
        assert bench.ended[0].outcome is Outcome.GONE
        async with port.client() as client:  # the conversation is free for the next
            bench.llm.text = "Hello there, my friend."
            await client.send(ask("are you there", "a"))
            await client.expect("handled")


@pytest.mark.parametrize("error_after", [0, 8])
async def test_a_model_that_fails_is_said_in_words_that_can_be_spoken(error_after):
    bench = quick()
    bench.llm.error, bench.llm.error_after = EngineError("out of memory"), error_after
    async with service_port(bench) as port, port.client() as client:
        await client.send(ask("what is the capital of france", "a"))
        assert (await client.expect("not-handled")).data["text"] == APOLOGY
        if error_after:  # whoever reads the stream waits for its end
            await client.expect("handled-stop")
        assert "handled" not in client.types()
        assert bench.engines.llm.restarts == 1
        bench.llm.error = None
        await client.send(ask("and of italy", "a"))
        await client.expect("handled")
        assert said_before(bench.llm.prompts[-1]) == []  # what failed did not happen


async def test_a_model_that_is_not_loaded_is_said_in_words():
    async with service_port() as port, port.client() as client:
        llm = port.bench.engines.llm
        llm._engine, llm.state, llm.reason = None, EngineState.FAILED, "no such file"
        await client.send(ask("hello there", "a"))
        assert (await client.expect("not-handled")).data["text"] == handle.NOT_READY


async def test_a_reply_without_words_is_an_honest_answer():
    async with service_port(quick(llm=ScriptedLlm("..."))) as port, port.client() as client:
        await client.send(ask("hello there", "a"))
        assert "no answer" in (await client.expect("handled")).data["text"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Event("transcript", {}), "malformed"),
        (Event("transcript", {"text": None}), "malformed"),
        (Event("transcript", {"text": "hi", "context": "c"}), "malformed"),
        (Event("transcript", {"text": "hi", "context": {"conversation_id": 3}}), "malformed"),
        (Event("transcript", {"text": "hi", "context": {"conversation_id": "\x1fa"}}), "malformed"),
        (
            Event("transcript", {"text": "hi", "context": {"conversation_id": "x" * 201}}),
            "malformed",
        ),
        (Event("transcript", {"text": "hi", "language": "de"}), "unsupported-language"),
        (Event("transcript", {"text": "x" * 2001}), "too-long"),
        (Event("recognize", {"text": "hi"}), "unsupported"),
    ],
)
async def test_a_bad_request_is_refused(event, code):
    async with service_port() as port, port.client() as client:
        await client.send(event)
        await client.refused(code)
        assert port.bench.llm.work.calls == 0
