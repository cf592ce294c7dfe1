"""The events and keys that Wyoming lacks, alone and under the eyes of the real library."""

import pytest
from wyoming.asr import Transcribe
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Attribution, Info, Satellite

from protocol.connection import Connection, MalformedFrame
from protocol.extensions import (
    Accepted,
    Flush,
    Hold,
    Interruption,
    Introduction,
    Playback,
    Resume,
    introduce,
    introduction_of,
    turn_of,
    with_turn,
)
from protocol.transport import connect, serve


@pytest.mark.parametrize(
    "event",
    [
        Playback("t1", 4800),
        Hold("t1"),
        Resume("t1"),
        Flush("t1"),
        Flush("t1", listen=True),
        Interruption("t1"),
        Interruption("t1", stop=True),
        Accepted("Küche"),
    ],
)
async def test_an_event_of_ours_survives_the_wire(event: Eventable) -> None:
    async def echo(connection: Connection) -> None:
        async for received in connection:
            await connection.write(received)

    server = await serve("tcp://127.0.0.1:0", echo)
    async with await connect(server.uri) as connection:
        await connection.write(event)
        received = await connection.read()
    await server.close()
    all_kinds = (Playback, Hold, Resume, Flush, Interruption, Accepted)
    kinds = [kind for kind in all_kinds if kind.is_type(received.type)]
    assert kinds == [type(event)]
    assert type(event).from_event(received) == event


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"turn": "t1"},
        {"samples_played": 1},
        {"turn": 1, "samples_played": 1},
        {"turn": None, "samples_played": 1},
        {"turn": "t1", "samples_played": "1"},
        {"turn": "t1", "samples_played": 1.0},
        {"turn": "t1", "samples_played": True},
        {"turn": "t1", "samples_played": -1},
    ],
)
def test_a_playback_with_wrong_fields_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(MalformedFrame):
        Playback.from_event(Event("playback", data))


@pytest.mark.parametrize("kind", [Hold, Resume, Flush])
@pytest.mark.parametrize("data", [{}, {"turn": None}, {"turn": 3}, {"turn": ["t1"]}])
def test_an_order_without_a_turn_is_refused(
    kind: type[Hold | Resume | Flush], data: dict[str, object]
) -> None:
    with pytest.raises(MalformedFrame):
        kind.from_event(Event(kind.TYPE, data))


@pytest.mark.parametrize(
    "data", [{}, {"turn": 3}, {"turn": "t1", "stop": 1}, {"turn": "t1", "stop": None}]
)
def test_an_interruption_with_wrong_fields_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(MalformedFrame):
        Interruption.from_event(Event("interruption", data))


@pytest.mark.parametrize("data", [{}, {"room": 3}])
def test_an_acceptance_without_a_room_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(MalformedFrame):
        Accepted.from_event(Event("accepted", data))


def test_a_turn_is_added_to_a_copy_and_found_again() -> None:
    plain = Event("audio-start", {"rate": 16000}, b"p")
    marked = with_turn(plain, "t7")
    assert marked == Event("audio-start", {"rate": 16000, "turn": "t7"}, b"p")
    assert turn_of(marked) == "t7"
    assert turn_of(plain) is None
    with pytest.raises(MalformedFrame):
        turn_of(Event("audio-start", {"turn": 7}))


@pytest.mark.parametrize(
    "standard",
    [AudioStart(22050, 2, 1), Transcribe(language="en"), AudioStop(), Error("no", "code")],
)
def test_the_library_reads_a_standard_event_that_names_a_turn(standard: Eventable) -> None:
    assert type(standard).from_event(with_turn(standard, "t1")) == standard


INFO = Info(
    satellite=Satellite(
        name="kitchen",
        attribution=Attribution(name="Parlour", url=""),
        installed=True,
        description=None,
        version="1",
    )
)


@pytest.mark.parametrize(
    "introduction",
    [
        Introduction("kitchen", "0.1.0"),
        Introduction("Küche", "0.1.0", token="s3cret", area="ground floor"),
        Introduction("kitchen", "0.1.0", check=True),
    ],
)
def test_an_introduction_rides_on_an_info_that_the_library_still_reads(
    introduction: Introduction,
) -> None:
    plain = INFO.event()
    event = introduce(plain, introduction)
    assert introduction_of(event) == introduction
    assert Info.from_event(event) == INFO
    assert introduction_of(plain) is None


@pytest.mark.parametrize(
    "fields",
    [
        [],
        "kitchen",
        {},
        {"room": "kitchen"},
        {"version": "1"},
        {"room": "", "version": "1"},
        {"room": "  ", "version": "1"},
        {"room": 5, "version": "1"},
        {"room": "kitchen", "version": 1},
        {"room": "kitchen", "version": "1", "token": 5},
        {"room": "kitchen", "version": "1", "area": ["x"]},
        {"room": "kitchen", "version": "1", "check": "yes"},
    ],
)
def test_an_introduction_with_wrong_fields_is_refused(fields: object) -> None:
    with pytest.raises(MalformedFrame):
        introduction_of(Event("info", {"parlour": fields}))


def test_a_token_does_not_show_when_an_introduction_is_printed() -> None:
    assert "s3cret" not in repr(Introduction("kitchen", "1", token="s3cret"))
