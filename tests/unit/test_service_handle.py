"""`transcript` → `handled` on the service port, over real sockets."""

import asyncio
import contextlib

import pytest
from scripted import ScriptedLlm, ScriptedStt, Speech
from service_port import quick, service_port
from wyoming.asr import Transcript
from wyoming.event import Event

from hub.conversation.pipeline import APOLOGY
from hub.conversation.turn import Mark, Outcome
from hub.engines.base import EngineError
from hub.engines.supervisor import EngineState
from hub.service import handle
from protocol.connection import WriteTimeout

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


@pytest.mark.parametrize("key", ["device_id", "satellite_id"])
async def test_a_satellites_next_conversation_goes_on_where_the_one_before_it_ended(key):
    asked = (("first", "a", "hall"), ("other", "b", "den"), ("second", "c", "hall"))
    async with service_port() as port:
        for text, conversation, place in asked:
            async with port.client() as client:
                await client.send(ask(text, conversation, **{key: place}))
                await client.expect("handled")
        async with port.client() as client:  # an id of one kind is none of another
            await client.send(ask("third", "hall"))
            await client.expect("handled")
        prompts = port.bench.llm.prompts
        assert [said_before(prompt) for prompt in prompts] == [[], [], ["first"], []]


async def test_a_device_is_one_room_whether_its_satellite_is_named_or_not():
    async with service_port() as port, port.client() as client:
        for text, ids in (
            ("first", {"device_id": "d1", "satellite_id": "assist_satellite.hall"}),
            ("second", {"device_id": "d1"}),
        ):
            await client.send(ask(text, "c", **ids))
            await client.expect("handled")
        assert said_before(port.bench.llm.prompts[-1]) == ["first"]


@pytest.mark.parametrize("key", ["device_id", "satellite_id", "conversation_id"])
@pytest.mark.parametrize("bad", [7, "x" * 201, "a\nb", ["a"]])
async def test_an_id_that_is_none_is_refused(key, bad):
    async with service_port() as port, port.client() as client:
        await client.send(Transcript("hello", {key: bad}, "en"))
        assert key in await client.refused("malformed")


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


@pytest.mark.parametrize("text", ["", " \n"])
async def test_no_question_is_said_in_words_and_without_the_model(text):
    async with service_port() as port, port.client() as client:
        await client.send(ask(text, "a"))
        assert (await client.expect("not-handled")).data["text"] == handle.NOTHING_ASKED
        assert port.bench.llm.work.calls == 0
        await client.send(ask("hello there", "a"))
        await client.expect("handled")


async def test_an_empty_id_is_none():
    async with service_port() as port:
        for _ in range(2):
            async with port.client() as client:
                await client.send(ask("hello there", ""))
                await client.expect("handled")
        assert [said_before(prompt) for prompt in port.bench.llm.prompts] == [[], []]


async def test_a_model_that_cannot_forget_is_no_error(caplog):
    def broken(_):
        raise EngineError("it is being closed")

    bench = quick()
    bench.llm.forget = broken
    async with service_port(bench) as port, port.client() as client:
        await client.send(ask("hello there"))
        await client.expect("handled")
    assert "it is being closed" not in caplog.text


class NarrowLlm(ScriptedLlm):
    """Has few sequences and gives them to whoever came first, as the real one."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.sequences = asyncio.Semaphore(4)

    def generate(self, room, messages, *, max_tokens):
        generation = super().generate(room, messages, max_tokens=max_tokens)
        return NarrowGeneration(generation, self.sequences)


class NarrowGeneration:
    def __init__(self, generation, sequences) -> None:
        self.stats = generation.stats
        self._generation = generation
        self._sequences = sequences
        self._has_one = False

    def __aiter__(self):
        return self

    async def __anext__(self) -> str:
        if not self._has_one:
            await self._sequences.acquire()
            self._has_one = True
        return await anext(self._generation)

    async def aclose(self) -> None:
        await self._generation.aclose()
        if self._has_one:
            self._has_one = False
            self._sequences.release()


async def test_many_questions_at_once_keep_no_room_waiting():
    bench = quick(llm=NarrowLlm(first=0.2, each=0.05), stt=ScriptedStt(seconds=0.02))
    async with service_port(bench) as port, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(port.client()) for _ in range(20)]
        for number, client in enumerate(clients):
            await client.send(ask("what is the capital of france", f"{number}"))
        async with asyncio.timeout(5):
            while not bench.llm.work.times:
                await asyncio.sleep(0.01)
        turn, _ = await bench.say(Speech(0.1, 0.6))
        assert turn.outcome is Outcome.ANSWERED
        assert turn.record.between(Mark.TRANSCRIPT, Mark.FIRST_TOKEN) < 0.6
        for client in clients:
            await client.expect("handled")


async def test_a_question_that_waits_for_too_long_is_told_so(monkeypatch):
    monkeypatch.setattr(handle, "_TURN_PATIENCE", 0.3)
    bench = quick(llm=ScriptedLlm("word " * 200, first=0.01, each=0.005))
    async with service_port(bench) as port, port.client() as one, port.client() as two:
        await one.send(ask("first", "a"))
        await two.send(ask("second", "b"))
        await one.expect("handled-start")
        await two.expect("handled-start")
        async with port.client() as three:
            await three.send(ask("third", "c"))
            assert (await three.expect("not-handled")).data["text"] == handle.BUSY
            await one.expect("handled")
            await two.expect("handled")
            await three.send(ask("once more", "c"))  # the connection stays
            await three.expect("handled")


async def test_who_goes_while_it_waits_is_waited_for_by_nobody():
    bench = quick(llm=ScriptedLlm("word " * 4000, first=0.01, each=0.005))
    async with service_port(bench) as port, port.client() as one, port.client() as four:
        async with port.client() as two:
            await one.send(ask("first", "a"))
            await two.send(ask("second", "b"))
            await one.expect("handled-start")
            await two.expect("handled-start")
            async with port.client() as three:
                await three.send(ask("third", "c"))
                await asyncio.sleep(0.1)
            bench.llm.text = "Hello there, my friend."
            await four.send(ask("fourth", "d"))
        await four.expect("handled")
        assert [prompt[-1].content for prompt in bench.llm.prompts] == ["first", "second", "fourth"]


async def test_a_peer_that_takes_nothing_in_mid_answer_ends_its_connection():
    sent = []

    async def write(event) -> None:
        sent.append(event.event().type)
        if sent[-1] == "handled-chunk":
            raise WriteTimeout("it took nothing for 30 s")

    async with service_port() as port:
        bench = port.bench
        answerer = handle.Answerer(bench.engines, bench.rooms, "en")
        question = answerer.request(ask("what is the capital of france", "a").event(), "own", write)
        with pytest.raises(WriteTimeout):
            await question.run()
        assert sent == ["handled-start", "handled-chunk"]
        assert bench.ended[0].outcome is Outcome.GONE


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
        (Event("transcript", {"text": "hi", "context": {"conversation_id": []}}), "malformed"),
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
