"""The hub's satellite link over TLS: who is let in, who is not, and what both sides say then."""

import asyncio
import contextlib
import errno
import logging
from dataclasses import dataclass

import pytest
from test_satellite_server import INFO, QUESTION, RUN, TIMEOUT, Satellite, quick
from wyoming.error import Error
from wyoming.event import Event

from hub.certificate import load_certificate
from hub.config import LinkSettings, Settings
from hub.conversation.interruption import Judge
from hub.pairings import Pairings
from hub.service import admission, satellites
from hub.service.satellites import SatelliteServer
from protocol.connection import Connection, ConnectionClosed
from protocol.extensions import Introduction, introduce
from protocol.settings import ConfigError
from protocol.tls import HandshakeFailed, pin_of
from protocol.transport import connect, serve
from satellite import link as link_module
from satellite.link import Link

LISTEN = LinkSettings(listen="tls://127.0.0.1:0", max_satellites=3)


@dataclass
class Hub:
    bench: object
    server: SatelliteServer
    uri: str
    pairings: Pairings
    pin: bytes

    def pair(self, room: str = "kitchen") -> str:
        return self.pairings.add(room)[0]

    async def until_known(self, room: str = "kitchen") -> None:
        while room not in self.server._admission._rooms:
            await asyncio.sleep(0.01)

    async def paired(self, room: str = "kitchen") -> str:
        token = await asyncio.to_thread(self.pair, room)
        await self.until_known(room)
        return token

    @contextlib.asynccontextmanager
    async def stranger(self, *events: Event):
        async with await connect(self.uri, pin=self.pin) as connection:
            satellite = Satellite(connection)
            await satellite.send(*events)
            yield satellite

    @contextlib.asynccontextmanager
    async def satellite(self, token: str | None, room: str = "kitchen"):
        async with self.stranger(introduce(INFO, Introduction(room, "1", token))) as satellite:
            yield satellite

    async def refusal(self, token: str | None, room: str = "kitchen") -> Error:
        async with self.satellite(token, room) as satellite:
            (error,) = await satellite.closed()
            return Error.from_event(error)


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(satellites, "_LOOK_AGAIN", 0.05)
    return tmp_path / "parlour"


@contextlib.asynccontextmanager
async def serving(state, link=LISTEN):
    bench = await quick().open()
    settings = Settings(link=link, turn=bench.settings.turn)
    judge = Judge(bench.engines.vad, bench.engines.stt, settings)
    server = SatelliteServer(bench.rooms, settings, judge)
    uri = await server.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            yield Hub(bench, server, uri, Pairings(state), load_certificate(state).pin)
    finally:
        await server.close()
        await bench.rooms.close()
        async with asyncio.timeout(TIMEOUT):
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left, timeout=0.05)


def warnings(caplog) -> list[str]:
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert all(r.exc_info is None for r in records)
    return [r.getMessage() for r in records]


async def test_a_satellite_paired_while_the_hub_runs_is_answered_without_a_restart(state):
    async with serving(state) as hub:
        assert hub.server.needs_pairing
        token = await hub.paired()
        assert not hub.server.needs_pairing
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            assert hub.server._server.connections == 1
        while hub.server._server.connections:
            await asyncio.sleep(0.01)
    assert hub.pairings.read()["kitchen"].seen is not None


@pytest.mark.parametrize(
    ("shows", "room", "code", "line"),
    [
        (lambda tokens: None, "kitchen", "not-paired", "has no token for 'kitchen'"),
        (lambda tokens: "guess" * 9, "kitchen", "wrong-token", "wrong or revoked token"),
        (lambda tokens: "guess" * 9, "cellar", "wrong-token", "wrong or revoked token"),
        (lambda tokens: "", "kitchen", "wrong-token", "wrong or revoked token"),
        (
            lambda tokens: tokens[0],
            "den",
            "wrong-room",
            "paired as 'kitchen', says that it is 'den'",
        ),
        (lambda tokens: tokens[1], "kitchen", "wrong-room", "is paired as 'den'"),
    ],
    ids=["no token", "guess", "guess for no room", "empty", "as another", "as another, too"],
)
async def test_a_wrong_token_is_refused_with_one_line_and_without_the_token(
    state, caplog, shows, room, code, line
):
    async with serving(state) as hub:
        tokens = [await hub.paired("kitchen"), await hub.paired("den")]
        error = await hub.refusal(shows(tokens), room)
        assert error.code == code
        assert "pair" in error.text
        assert not hub.bench.ended
    (told,) = warnings(caplog)
    assert line in told
    assert told.startswith("127.0.0.1:")
    assert not any(token in caplog.text for token in (*tokens, "guessguess"))


async def test_a_stranger_is_served_nothing_before_it_is_let_in(state):
    async with serving(state) as hub, hub.stranger(RUN, *([RUN] * 3)) as stranger:
        (error,) = await stranger.closed()
        assert Error.from_event(error).code == "not-introduced"
        assert not hub.bench.ended


async def test_a_satellite_of_another_hub_is_named_in_the_log(state, caplog):
    async with serving(state) as hub:
        link, told = Link(INFO), []
        dialling = asyncio.create_task(link.dial(hub.uri, Quiet(told), pin=pin_of(b"other")))
        while "wrong-certificate" not in caplog.text or "trying again" not in caplog.text:
            await asyncio.sleep(0.01)
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        assert not told
    hub_line, satellite_line = sorted(warnings(caplog))
    assert "refused (wrong-certificate): it was paired with another hub" in hub_line
    assert "does not have the certificate of the hub we are paired with" in satellite_line
    assert satellite_line.endswith("trying again until it answers")


class Quiet:
    """A session that only notes what it is told."""

    def __init__(self, told):
        self.told = told

    def received(self, event):
        self.told.append(event.type)

    def link_lost(self):
        self.told.append("lost")


async def test_a_revoked_satellite_is_sent_away_within_two_seconds_and_told_why(
    state, caplog, monkeypatch
):
    monkeypatch.setattr(satellites, "_LOOK_AGAIN", 1.0)  # as it really is
    loop = asyncio.get_running_loop()
    async with serving(state) as hub:
        token, other = await hub.paired("kitchen"), await hub.paired("den")
        async with hub.satellite(token) as satellite, hub.satellite(other, "den") as den:
            await satellite.expect("run-satellite")
            await den.expect("run-satellite")
            began = loop.time()
            await asyncio.to_thread(hub.pairings.remove, "kitchen")
            (error,) = await satellite.closed()
            assert loop.time() - began < 2
            assert Error.from_event(error).code == "revoked"
            assert (await hub.refusal(token)).code == "wrong-token"
            await den.ask()  # and nobody else notices
            assert await den.hear() == hub.bench.llm.text
    assert "kitchen: its pairing was revoked or made anew; sent away" in warnings(caplog)


async def test_revoking_in_mid_turn_ends_the_turn(state):
    async with serving(state) as hub:
        token = await hub.paired()
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            await satellite.ask(QUESTION[:20])
            await asyncio.to_thread(hub.pairings.remove, "kitchen")
            await satellite.closed()
        while not hub.bench.ended:
            await asyncio.sleep(0.01)
        assert str(hub.bench.ended[0].outcome) == "gone"


async def test_pairing_a_room_anew_sends_away_who_has_the_old_token(state):
    async with serving(state) as hub:
        old = await hub.paired()
        async with hub.satellite(old) as satellite:
            await satellite.expect("run-satellite")
            new = await asyncio.to_thread(hub.pair)
            (error,) = await satellite.closed()
            assert Error.from_event(error).code == "revoked"
        async with hub.satellite(new) as satellite:
            await satellite.expect("run-satellite")


async def test_pairings_that_become_unreadable_change_nothing_and_are_told_once(state, caplog):
    async with serving(state) as hub:
        token = await hub.paired()
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            hub.pairings.path.write_text("{")
            while "still count" not in caplog.text:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            assert caplog.text.count("satellites.json is broken") == 1


@pytest.mark.parametrize("how", ["no text", "a bug"])
async def test_whatever_goes_wrong_with_the_pairings_later_ones_count_all_the_same(
    state, caplog, monkeypatch, how
):
    async with serving(state) as hub:
        token = await hub.paired()
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            if how == "no text":
                good = hub.pairings.path.read_bytes()
                hub.pairings.path.write_bytes(b'{"k\xff": 1}')
            else:
                real = Pairings.version
                monkeypatch.setattr(Pairings, "version", lambda _: {}["no such key"])
            while "pairings: " not in caplog.text:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert caplog.text.count("pairings: ") == 1
            if how == "no text":
                hub.pairings.path.write_bytes(good)
            else:
                monkeypatch.setattr(Pairings, "version", real)
            other = await hub.paired("den")
            async with hub.satellite(other, "den") as den:
                await den.expect("run-satellite")
            await asyncio.to_thread(hub.pairings.remove, "kitchen")
            assert Error.from_event((await satellite.closed())[-1]).code == "revoked"


async def test_a_disk_that_is_full_is_no_error_in_the_settings(state, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hub.certificate.write_private", full)
    with pytest.raises(OSError, match=r"certificate and pairings in .*No space left"):
        async with serving(state):
            pass
    monkeypatch.undo()


async def test_a_hub_does_not_start_with_pairings_or_a_certificate_that_others_can_read(state):
    async with serving(state):
        pass
    for name in ("certificate.pem", "satellites.json"):
        path = state / name
        path.touch()
        path.chmod(0o644)
        with pytest.raises(ConfigError, match=f"chmod 600 .*{name}"):
            async with serving(state):
                pass
        path.chmod(0o600)


async def test_guessing_is_soon_not_answered_any_more_and_a_good_token_clears_the_count(
    state, caplog
):
    async with serving(state) as hub:
        token = await hub.paired()
        for _ in range(4):
            assert (await hub.refusal("guess" * 9)).code == "wrong-token"
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
        for _ in range(5):
            assert (await hub.refusal("guess" * 9)).code == "wrong-token"
        with pytest.raises((HandshakeFailed, ConnectionClosed)):
            await hub.refusal("guess" * 9)
    assert sum("not answered for 15 s" in line for line in warnings(caplog)) == 1


async def test_the_throttle_leaves_the_machine_itself_alone_where_no_token_is_needed(state):
    async with serving(state, LinkSettings(listen="tcp://127.0.0.1:0")) as hub:
        for _ in range(8):
            async with await connect(hub.uri) as connection:
                await connection.write(RUN)
                assert (await connection.read()).data["code"] == "not-introduced"


async def test_many_strangers_who_say_nothing_keep_no_satellite_out(state, monkeypatch):
    monkeypatch.setattr(admission, "_INTRODUCTION_TIMEOUT", 60.0)
    async with serving(state) as hub:
        token = await hub.paired()
        monkeypatch.setattr(
            hub.server._throttle, "failed", lambda host: None
        )  # all from one address
        quiet: list[Connection] = []
        for _ in range(100):  # more than there is place for
            quiet.append(await connect(hub.uri, pin=hub.pin))  # noqa: PERF401 (one by one)
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
        for connection in quiet:
            await connection.close()


async def test_one_satellite_too_many_is_told_so_but_one_that_comes_back_is_not(state):
    async with serving(state) as hub, contextlib.AsyncExitStack() as stack:
        tokens = {room: await hub.paired(room) for room in ("a", "b", "c", "d")}
        for room in ("a", "b", "c"):
            satellite = await stack.enter_async_context(hub.satellite(tokens[room], room))
            await satellite.expect("run-satellite")
        assert (await hub.refusal(tokens["d"], "d")).code == "too-many-connections"
        async with hub.satellite(tokens["a"], "a") as again:
            await again.expect("run-satellite")


# ---- the satellite's own side


async def attempts(monkeypatch, caplog, handler, count: int) -> list[float]:
    """Dial a hub that refuses; return the waits between attempts."""
    waits: list[float] = []
    enough = asyncio.Event()
    real_sleep = asyncio.sleep

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == count:
            enough.set()
        await real_sleep(0.001)

    server = await serve("tcp://127.0.0.1:0", handler)
    monkeypatch.setattr(link_module, "HEARTBEAT", None)  # it sleeps, too
    monkeypatch.setattr(link_module.asyncio, "sleep", sleep)
    monkeypatch.setattr(link_module.random, "uniform", lambda low, high: 1.0)
    dialling = asyncio.create_task(Link(INFO).dial(server.uri, Quiet([])))
    try:
        async with asyncio.timeout(TIMEOUT):
            await enough.wait()
    finally:
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        monkeypatch.undo()
        await server.close()
    return waits[:count]


@pytest.mark.parametrize("code", ["not-paired", "wrong-token", "wrong-room", "revoked"])
async def test_a_satellite_that_is_not_trusted_asks_ever_more_seldom_and_says_so_once(
    monkeypatch, caplog, code
):
    async def refuse(connection):
        await connection.read()
        await connection.write(Error("pair it again", code))

    waits = await attempts(monkeypatch, caplog, refuse, 7)
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    lines = [line for line in warnings(caplog) if "refuses this satellite" in line]
    assert len(lines) == 1
    assert lines[0].endswith("refuses this satellite: pair it again; trying again until it answers")


async def test_a_satellite_that_is_only_refused_for_now_comes_back_soon(monkeypatch, caplog):
    async def refuse(connection):
        await connection.read()
        await connection.write(Error("too many connections", "too-many-connections"))

    assert max(await attempts(monkeypatch, caplog, refuse, 7)) == link_module.LAST_RETRY
