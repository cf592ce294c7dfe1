"""The turns of the past over REST: listed, sought in, counted, deleted."""

import asyncio

import pytest
from web_hub import WAV, ask, code_of, pcm_in, wav


async def stored(client, number):
    """Return the turns, once so many are written."""
    async with asyncio.timeout(5):
        while len(turns := (await (await client.get("/api/turns")).json())["turns"]) < number:
            await asyncio.sleep(0.02)
    return turns


async def test_turns_are_listed_newest_first_page_by_page_and_by_room(client):
    for number in range(5):
        await ask(client, f"Why number {number}?", room="even" if number % 2 == 0 else "odd")
    turns = await stored(client, 5)
    assert [turn["said"] for turn in turns] == [f"Why number {n}?" for n in (4, 3, 2, 1, 0)]
    two = (await (await client.get("/api/turns?limit=2")).json())["turns"]
    assert two == turns[:2]
    before = {"limit": "2", "before": str(two[-1]["began"])}
    assert (await (await client.get("/api/turns", params=before)).json())["turns"] == turns[2:4]
    odd = await (await client.get("/api/turns", params={"room": turns[1]["room"]})).json()
    assert odd["turns"] == [turns[1], turns[3]]


async def test_a_turn_of_the_past_says_what_a_turn_of_now_says(house, client):
    told = await (await client.post("/api/turn", data=wav(), headers=WAV)).json()
    live = told["turn"]
    (past,) = await stored(client, 1)
    for key in ("id", "room", "said", "heard", "outcome", "work", "sound", "spans"):
        assert past[key] == live[key], key
    assert past["marks"] == pytest.approx(live["marks"], abs=0.001)
    await house._web._parts.store.erase()
    assert (await client.get(f"/api/turns/{live['id']}")).status == 200  # it is shown live


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=now", "limit=1&limit=2", "page=2"]
)
async def test_a_query_that_makes_no_sense_is_refused(client, query):
    assert await code_of(await client.get(f"/api/turns?{query}"), 400) == "malformed"


async def test_a_reply_can_be_sought_in_as_browsers_do(client):
    turn = (await (await client.post("/api/turn", data=wav(), headers=WAV)).json())["turn"]
    path = f"/api/turns/{turn['id']}/reply.wav"
    whole = await (await client.get(path)).read()
    for wanted, part in (
        ("bytes=0-", whole),
        ("bytes=44-99", whole[44:100]),
        ("bytes=-10", whole[-10:]),
        (f"bytes={len(whole) - 5}-{len(whole) + 100}", whole[-5:]),
    ):
        response = await client.get(path, headers={"Range": wanted})
        assert response.status == 206
        assert await response.read() == part
        start = len(whole) - 10 if wanted == "bytes=-10" else int(wanted[6:].split("-")[0])
        end = start + len(part) - 1
        assert response.headers["Content-Range"] == f"bytes {start}-{end}/{len(whole)}"
    response = await client.get(path, headers={"Range": f"bytes={len(whole)}-"})
    assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
    assert await code_of(response, 416) == "bad-range"
    for odd in ("bytes=9-3", "bytes=0-1,4-5", "lines=1-2", "bytes=x"):
        assert await (await client.get(path, headers={"Range": odd})).read() == whole
    assert pcm_in(whole)[0] == 24000


async def test_sound_that_is_not_kept_is_said_not_to_be(client):
    turn = (await (await client.post("/api/turn", data=wav(), headers=WAV)).json())["turn"]
    assert await code_of(await client.get(f"/api/turns/{turn['id']}/said.wav"), 404) == "no-sound"
    assert await code_of(await client.get("/api/turns/nobody/reply.wav"), 404) == "no-such-turn"
    assert await code_of(await client.get("/api/turns/nobody"), 404) == "no-such-turn"


async def test_the_history_can_be_deleted_with_its_sound(client):
    turn = (await (await client.post("/api/turn", data=wav(), headers=WAV)).json())["turn"]
    await stored(client, 1)
    assert await (await client.delete("/api/turns")).json() == {"erased": True}
    assert await (await client.get("/api/turns")).json() == {"turns": []}
    assert (await client.get(f"/api/turns/{turn['id']}")).status == 404
    assert (await client.get(f"/api/turns/{turn['id']}/reply.wav")).status == 404


async def test_a_history_that_cannot_be_read_is_a_503(client, tmp_path):
    await asyncio.sleep(0.1)
    for path in tmp_path.glob("hub.db*"):
        path.unlink()
    (tmp_path / "hub.db").mkdir()
    for path in ("/api/turns", "/api/statistics"):
        assert await code_of(await client.get(path), 503) == "no-history"
    assert await code_of(await client.delete("/api/turns"), 503) == "no-history"


async def test_statistics_count_the_turns_of_the_last_hours(client):
    assert (await client.post("/api/turn", data=wav(), headers=WAV)).status == 200
    await stored(client, 1)
    told = await (await client.get("/api/statistics?hours=1")).json()
    assert (told["hours"], told["turns"], told["failed"]) == (1, 1, 0)
    assert told["answer"]["count"] == 1
    assert told["stages"]["transcript to first token"]["p50"] >= 0
    assert (await client.get("/api/statistics?hours=0")).status == 400
