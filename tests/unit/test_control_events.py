"""What a hub sets at a satellite, and the satellite's report, on the wire."""

import math

import pytest
from wyoming.event import Event

from protocol.connection import Connection, MalformedFrame
from protocol.control import MOST_WAKE_WORDS, Configure, Status, Volume, WakeWordStatus
from protocol.transport import connect, serve

JARVIS = WakeWordStatus("hey_jarvis", "Hey Jarvis", active=True)
WORD = {"name": "alexa", "phrase": "Alexa", "active": False}
GOOD = {"muted": False, "volume": 1.0, "wake_words": []}


@pytest.mark.parametrize(
    "event",
    [
        Volume(0.25),
        Configure(),
        Configure(muted=False),
        Configure(muted=True, wake_words=("hey_jarvis", "küche")),
        Status(False, 1.0),
        Status(True, 0.5, (JARVIS, WakeWordStatus("alexa", "Alexa", active=False)), "no such file"),
    ],
)
async def test_an_event_survives_the_wire(event):
    async def echo(connection: Connection) -> None:
        async for received in connection:
            await connection.write(received)

    server = await serve("tcp://127.0.0.1:0", echo)
    async with await connect(server.uri) as connection:
        await connection.write(event)
        received = await connection.read()
    await server.close()
    kinds = [kind for kind in (Volume, Configure, Status) if kind.is_type(received.type)]
    assert kinds == [type(event)]
    assert type(event).from_event(received) == event


@pytest.mark.parametrize(
    "data",
    [
        {"muted": "yes"},
        {"muted": 1},
        {"wake_words": []},
        {"wake_words": "alexa"},
        {"wake_words": [7]},
        {"wake_words": [""]},
        {"wake_words": ["a" * 101]},
        {"wake_words": ["a"] * (MOST_WAKE_WORDS + 1)},
    ],
)
def test_a_malformed_configure_is_refused(data):
    with pytest.raises(MalformedFrame):
        Configure.from_event(Event("configure", data))


@pytest.mark.parametrize(
    "wrong",
    [
        {"muted": None},
        {"volume": "loud"},
        {"volume": True},
        {"volume": 1.01},
        {"volume": math.nan},
        {"wake_words": None},
        {"wake_words": ["alexa"]},
        {"wake_words": [{**WORD, "name": 1}]},
        {"wake_words": [{**WORD, "phrase": ""}]},
        {"wake_words": [{**WORD, "active": "no"}]},
        {"wake_words": [WORD] * (MOST_WAKE_WORDS + 1)},
        {"problem": ["a"]},
    ],
)
def test_a_malformed_status_is_refused(wrong):
    assert Status.from_event(Event("status", GOOD)) == Status(False, 1.0)
    with pytest.raises(MalformedFrame):
        Status.from_event(Event("status", {**GOOD, **wrong}))


def test_a_problem_is_one_short_line_whatever_the_satellite_sends():
    status = Status.from_event(Event("status", {**GOOD, "problem": "no\nsuch  " + "file " * 500}))
    assert status.problem.startswith("no such file")
    assert len(status.problem) == 500
    assert "\n" not in status.problem
