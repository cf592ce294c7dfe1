"""What the satellite's doctor says of the hub, on real sockets."""

import asyncio
import contextlib

import pytest
from test_admission import LISTEN, serving
from test_admission import state as state
from wyoming.satellite import RunSatellite

from hub.certificate import load_certificate
from hub.config import LinkSettings
from protocol import transport
from protocol.connection import ConnectionClosed
from protocol.pairing import Pairing
from protocol.tls import server_context
from protocol.transport import serve
from satellite import doctor
from satellite.command import run_command
from satellite.pairing import Target, store_pairing

GUESS = "guess" * 9


async def look(hub, token, room="kitchen"):
    return await doctor._hub(Target(hub.uri, room, token, hub.pin))


async def test_the_doctor_may_be_asked_often_and_takes_nobody_s_place(state, caplog):
    async with serving(state) as hub:
        token = await hub.paired()
        async with hub.satellite(token) as satellite:
            await satellite.expect("run-satellite")
            for _ in range(12):
                finding = await look(hub, token)
                assert finding.ok
                assert "is the one we are paired with; token accepted as 'kitchen'" in finding.text
            await satellite.ask()  # it is still the one that is driven
            assert await satellite.hear() == hub.bench.llm.text
        async with hub.satellite(token) as again:
            await again.expect("run-satellite")
    assert "not answered for" not in caplog.text
    assert "takes the place" not in caplog.text


@pytest.mark.parametrize(
    ("token", "room", "problem"),
    [
        (GUESS, "kitchen", "refuses this satellite: The token is not, or no longer"),
        (None, "kitchen", "refuses this satellite: This satellite is not paired"),
        ("good", "den", "refuses this satellite: This satellite was paired as another room"),
    ],
)
async def test_the_doctor_says_why_the_hub_would_not_let_the_satellite_in(
    state, token, room, problem
):
    async with serving(state) as hub:
        good = await hub.paired()
        finding = await look(hub, good if token == "good" else token, room)
        assert not finding.ok
        assert problem in finding.text
        assert good not in finding.text


async def test_the_doctor_fails_for_a_revoked_pairing(state, tmp_path, monkeypatch):
    async with serving(state) as hub:
        token = await hub.paired()
        assert (await look(hub, token)).ok
        await asyncio.to_thread(hub.pairings.remove, "kitchen")
        while hub.server._admission.rooms:
            await asyncio.sleep(0.01)
        assert "pair the satellite again" in (await look(hub, token)).text
        # and so says the whole command, with its exit status
        path = tmp_path / "pairing.toml"
        store_pairing(path, Pairing(hub.uri, "kitchen", token, hub.pin))
        config = tmp_path / "satellite.toml"
        config.write_text(f'pairing = "{path}"\n')
        assert await asyncio.to_thread(run_command, ["--config", str(config), "doctor"]) == 1


async def test_guessing_by_asking_alone_is_counted_as_any_other(state):
    async with serving(state) as hub:
        for _ in range(5):
            assert not (await look(hub, GUESS)).ok
        finding = await look(hub, GUESS)
        assert "too many attempts from here have failed" in finding.text


async def test_hanging_up_without_a_word_after_the_handshake_still_counts(state, caplog):
    async with serving(state) as hub:
        for _ in range(5):
            async with hub.stranger():
                pass
        while "not answered for 15 s" not in caplog.text:
            await asyncio.sleep(0.01)


async def test_the_doctor_asks_a_hub_on_this_machine_that_needs_no_token(state):
    async with serving(state, LinkSettings(listen="tcp://127.0.0.1:0")) as hub:
        finding = await doctor._hub(Target(hub.uri, "kitchen"))
        assert finding.ok
        assert "it takes this satellite as 'kitchen'" in finding.text
        assert not hub.server._connected


async def test_a_full_hub_says_so_to_the_doctor(state):
    async with serving(state, LinkSettings(listen=LISTEN.listen, max_satellites=1)) as hub:
        tokens = [await hub.paired("kitchen"), await hub.paired("den")]
        async with hub.satellite(tokens[0]) as satellite:
            await satellite.expect("run-satellite")
            assert "takes no more satellites" in (await look(hub, tokens[1], "den")).text
            assert (await look(hub, tokens[0])).ok


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        (lambda connection: connection.close(), "hung up without a word"),
        (lambda connection: connection.write(RunSatellite()), "does not say whether it lets"),
        (lambda connection: connection._writer.write(b"HTTP\n") or asyncio.sleep(9), "is no hub"),
    ],
    ids=["nothing", "something else", "no Wyoming"],
)
async def test_the_doctor_fails_where_what_answers_is_no_hub(monkeypatch, says, problem):
    async def handle(connection):
        await connection.read()
        await says(connection)
        with contextlib.suppress(ConnectionClosed):
            await connection.read()

    monkeypatch.setattr(doctor, "_TIMEOUT", 0.5)
    server = await serve("tcp://127.0.0.1:0", handle)
    finding = await doctor._hub(Target(server.uri, "kitchen"))
    await server.close()
    assert not finding.ok
    assert problem in finding.text


async def test_another_hub_that_resets_at_once_is_still_another_hub(state, monkeypatch):
    real = transport._open

    async def slowly(*where):
        reader, writer = await real(*where)
        await reader.read()  # until the reset is here, and known
        await asyncio.sleep(0.05)
        return reader, writer

    async def reset(connection):
        connection._writer.transport.abort()

    certificate = load_certificate(state)
    server = await serve(LISTEN.listen, reset, tls=server_context(certificate.path))
    monkeypatch.setattr(transport, "_open", slowly)
    finding = await doctor._hub(Target(server.uri, "kitchen", GUESS, b"another" * 4))
    await server.close()
    assert not finding.ok
    assert "does not have the certificate of the hub we are paired with" in finding.text
