"""What the hub counts, as Prometheus reads it."""

import asyncio

import pytest
from guarded_hub import running_hub
from prometheus_client.parser import text_string_to_metric_families

from hub.conversation.turn import Mark, Outcome, Turn
from hub.web.metrics import Metrics


@pytest.fixture
async def client(aiohttp_client, here):
    return await aiohttp_client(here.server.app())


async def read(client):
    """Return all samples by name and labels."""
    answer = await client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(await answer.text())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def turn_of(outcome=Outcome.ANSWERED, text="is it raining", announcement=False, **marks):
    clock = iter([marks[name] for name in marks] + [max(marks.values(), default=0.0)] * 3)
    turn = Turn("Kitchen", lambda: next(clock))
    turn.record.marks.update({Mark(name): at for name, at in marks.items()})
    turn.transcript = text
    turn.announcement = announcement
    turn.outcome = outcome
    return turn


async def test_a_turn_is_counted_by_how_it_ended_and_where_its_time_went(here, client):
    turn = turn_of(
        wake=0.0,
        speech_start=0.5,
        speech_end=2.0,
        transcript=2.25,
        end_of_turn=2.3,
        first_token=2.5,
        first_clause=2.75,
        audio_ready=3.0,
        first_audio_sent=3.0,
        first_audio_played=3.125,
        done=5.0,
    )
    turn.record.tokens.prompt_tokens = 100
    turn.record.tokens.reused_tokens = 80
    turn.record.tokens.generated_tokens = 12
    here.hub._ended(turn)
    figures = await read(client)
    assert figures["parlour_turns_total", "answered", "spoken"] == 1
    sums = {
        key[1]: value
        for key, value in figures.items()
        if key[0] == "parlour_turn_stage_seconds_sum"
    }
    assert sums == pytest.approx(
        {
            "answer": 1.0,
            "end_of_turn": 0.3,
            "transcript": 0.25,
            "first_token": 0.25,
            "first_clause": 0.25,
            "first_speech": 0.25,
            "first_played": 0.125,
            "whole": 5.0,
        }
    )
    assert figures["parlour_turn_stage_seconds_bucket", "1.0", "answer"] == 1
    assert figures["parlour_turn_stage_seconds_bucket", "0.75", "answer"] == 0
    tokens = {kind: figures["parlour_tokens_total", kind] for kind in ("prompt", "reused")}
    assert tokens == {"prompt": 100, "reused": 80}
    assert figures["parlour_tokens_total", "generated"] == 12


async def test_each_kind_of_turn_is_its_own(here, client):
    for turn in (
        turn_of(wake=0.0, done=1.0),
        turn_of(announcement=True, text="", wake=0.0, done=1.0),
        turn_of(Outcome.NOTHING_SAID, text="", wake=0.0, done=1.0),
        turn_of(Outcome.FAILED, wake=0.0, speech_start=0.5, done=1.0),
    ):
        here.hub._ended(turn)
    figures = await read(client)
    counted = {key[1:] for key in figures if key[0] == "parlour_turns_total"}
    assert counted == {
        ("answered", "written"),
        ("announcement", "answered"),
        ("nothing-said", "spoken"),
        ("failed", "spoken"),
    }


def test_what_was_ready_before_the_end_of_the_speech_was_there_at_once():
    metrics = Metrics()
    metrics.ended(turn_of(wake=0.0, speech_end=2.0, transcript=1.5, done=3.0))
    labels = {"stage": "transcript"}
    assert metrics.registry.get_sample_value("parlour_turn_stage_seconds_sum", labels) == 0
    assert metrics.registry.get_sample_value("parlour_turn_stage_seconds_count", labels) == 1


async def test_a_typed_question_is_counted_from_end_to_end(here, client):
    async def send(clause):
        pass

    await here.hub.rooms.get("Kitchen").answer("What is the capital of France?", send)
    figures = await read(client)
    assert figures["parlour_turns_total", "answered", "written"] == 1
    assert not [key for key in figures if "Kitchen" in key]  # rooms are no labels


async def test_requests_are_counted_by_kind_of_address_and_strangers_add_none(here, client):
    for n in range(30):
        await client.get(f"/api/turns/{n}-of-many")
        await client.get(f"/nothing/{n}")
        await client.request(f"VERB{n}", "/health")
        await client.get("/health", headers={"Host": f"attacker{n}.example"})
    figures = await read(client)
    counted = {
        key[1:]: value for key, value in figures.items() if key[0] == "parlour_http_requests_total"
    }
    assert sum(value for key, value in counted.items() if "unknown" in key) >= 30
    assert sum(value for key, value in counted.items() if "403" in key) == 30
    assert len(counted) < 12
    assert not [
        key for key in figures if any("attacker" in part or "-of-many" in part for part in key)
    ]


async def test_how_it_stands_is_told(here, client):
    async with client.ws_connect("/api/events") as events:
        await events.receive_json()
        figures = await read(client)
        assert figures["parlour_live_readers",] == 1
    assert figures["parlour_engine_state", "ready", "stt"] == 1
    assert figures["parlour_engine_state", "loading", "stt"] == 0
    assert figures["parlour_engine_restarts_total", "llm"] == 0
    assert figures["parlour_engine_clients", "llm"] == 0
    for kind in ("satellite", "tab", "service", "http", "websocket"):
        assert ("parlour_connections", kind) in figures
    for queue in ("announcements", "store"):
        assert figures["parlour_queue", queue] == 0
    assert figures["parlour_uptime_seconds",] > 0
    assert figures["process_resident_memory_bytes",] > 10_000_000


async def test_an_engine_that_fails_is_seen(here, client):
    stt, made, mended = here.hub.engines.stt, here.hub.engines.stt._make, asyncio.Event()

    async def make():
        await mended.wait()
        return await made()

    stt._make = make
    stt.failed(stt.current, RuntimeError("it broke"))
    figures = await read(client)
    assert figures["parlour_engine_restarts_total", "stt"] == 1
    assert figures["parlour_engine_state", "loading", "stt"] == 1
    answer = await client.get("/ready")
    assert answer.status == 503
    assert (await answer.json())["error"] == {
        "code": "not-ready",
        "text": "the hub waits for stt",
    }
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get("/health")).status == 200
    mended.set()
    await here.hub.ready(10)
    answer = await client.get("/ready")
    assert (answer.status, await answer.json()) == (200, {"ready": True})


async def test_two_hubs_in_one_process_count_apart(here, client, tmp_path, monkeypatch):
    (tmp_path / "two").mkdir()
    async with running_hub(tmp_path / "two", monkeypatch) as other:
        here.hub._ended(turn_of(wake=0.0, done=1.0))
        assert ("parlour_turns_total", "answered", "written") in await read(client)
        async with other.client() as others:
            assert "parlour_turns_total{" not in await (await others.get("/metrics")).text()


async def test_it_is_told_as_openmetrics_to_who_asks_for_that(client):
    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await answer.text()).endswith("# EOF\n")
