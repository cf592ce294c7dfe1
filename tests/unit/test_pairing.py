"""Pairing: the string, what either side keeps of it, and the commands."""

import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import pytest

from hub.__main__ import main as hub_main
from hub.config import LinkSettings
from hub.locked import locked
from hub.pairings import Pairings, digest_of
from hub.service.admission import check_exposure
from protocol.pairing import BadPairing, Pairing
from protocol.private_files import read_private, write_private
from protocol.settings import ConfigError
from satellite.__main__ import main as satellite_main
from satellite.config import Settings
from satellite.pairing import load_pairing, pairing_path, store_pairing, target_of

TOKEN = "Zm9vYmFyYmF6cXV4-_Zm9vYmFyYmF6cXV4cXV1eHF1"
PIN = bytes(range(32))
PAIRING = Pairing("tls://192.168.1.10:10601", "kitchen", TOKEN, PIN)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- the string


@pytest.mark.parametrize(
    "room", ["kitchen", "Living room", "Küche", "厨房", "a/b?c#d@e:f%20&=+", "100 %", "'\"\\$`!"]
)
@pytest.mark.parametrize("hub", ["tls://192.168.1.10:10601", "tls://[fd00::1]:1", "tls://hub:2"])
def test_every_room_and_address_survives_the_string(room, hub):
    pairing = Pairing(hub, room, TOKEN, PIN)
    text = pairing.to_text()
    assert Pairing.from_text(f"  {text}\n") == pairing
    assert text.isascii()
    assert not re.search(r"[\s'\"\\`$]", text)


def test_the_string_looks_as_documented():
    pin = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert PAIRING.to_text() == f"parlour://{TOKEN}@192.168.1.10:10601/kitchen?pin={pin}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text[:-20],
        lambda text: text + "A",
        lambda text: text.split("?")[0],
        lambda text: text.replace("kitchen", ""),
        lambda text: text.replace("kitchen", "a%0Ab"),
        lambda text: text.replace("kitchen", "%ff"),
        lambda text: text.replace("kitchen", "x" * 101),
        lambda text: text.replace("parlour", "http"),
        lambda text: text.replace(":10601", ""),
        lambda text: text.replace(":10601", ":99999"),
        lambda text: text.replace(TOKEN, "short"),
        lambda text: text.replace(TOKEN + "@", ""),
        lambda text: text.replace(TOKEN, TOKEN + ":password"),
        lambda text: text.replace("192.168.1.10", "[::1"),
        lambda text: text + "#more",
        lambda text: text + "&more=1",
    ],
)
def test_a_damaged_string_is_refused_without_quoting_the_secret(damage):
    with pytest.raises(BadPairing) as caught:
        Pairing.from_text(damage(PAIRING.to_text()))
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_secret_is_in_no_representation():
    assert TOKEN not in repr(PAIRING)
    assert TOKEN not in repr(target_of_stored(PAIRING))


def target_of_stored(pairing, **settings):
    with TemporaryDirectory() as folder:
        store_pairing(pairing_path(Settings(pairing=f"{folder}/p")), pairing)
        return target_of(Settings(pairing=f"{folder}/p", **settings))


# ---- private files


def test_a_private_file_is_for_this_user_alone_and_replaced_whole(tmp_path):
    path = tmp_path / "new" / "secret"
    write_private(path, b"first")
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    path.chmod(0o644)
    write_private(path, b"second")
    assert mode(path) == 0o600
    assert read_private(path) == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_private_file_that_cannot_be_replaced_stays_as_it_was(tmp_path):
    (tmp_path / "secret").mkdir()
    with pytest.raises(OSError):
        write_private(tmp_path / "secret", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


# ---- what the hub keeps


def test_only_a_digest_of_the_token_is_kept(tmp_path):
    pairings = Pairings(tmp_path)
    token, had = pairings.add("kitchen")
    assert not had
    assert len(token) == 43
    assert token not in pairings.path.read_text()
    assert mode(pairings.path) == 0o600
    assert pairings.read()["kitchen"].digest == digest_of(token)
    assert pairings.read()["kitchen"].seen is None


def test_pairing_again_replaces_the_token_and_revoking_takes_it_away(tmp_path):
    pairings = Pairings(tmp_path)
    first, _ = pairings.add("kitchen")
    before = pairings.version()
    second, had = pairings.add("kitchen")
    assert had
    assert first != second
    assert pairings.version() != before
    assert pairings.remove("kitchen")
    assert not pairings.remove("kitchen")
    assert pairings.read() == {}


def test_who_was_revoked_meanwhile_is_not_noted_as_seen(tmp_path):
    pairings = Pairings(tmp_path)
    token, _ = pairings.add("kitchen")
    pairings.saw("kitchen", digest_of(token))
    assert pairings.read()["kitchen"].seen is not None
    pairings.add("kitchen")
    pairings.saw("kitchen", digest_of(token))
    pairings.saw("den", digest_of(token))
    assert pairings.read()["kitchen"].seen is None
    assert list(pairings.read()) == ["kitchen"]


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    # The lock belongs to an open file, so that it parts threads as it does processes.
    with ThreadPoolExecutor(8) as writers:
        tokens = list(writers.map(lambda n: Pairings(tmp_path).add(f"room {n}")[0], range(40)))
    kept = Pairings(tmp_path).read()
    assert {room: paired.digest for room, paired in kept.items()} == {
        f"room {n}": digest_of(token) for n, token in enumerate(tokens)
    }


def test_a_writer_that_holds_the_lock_for_ever_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.locked._PATIENCE", 0.1)
    with locked(tmp_path), pytest.raises(TimeoutError, match="another parlour-hub"):
        Pairings(tmp_path).add("kitchen")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kitchen": {}}', '{"kitchen": {"digest": 3}}'])
def test_broken_pairings_are_named(tmp_path, text):
    write_private(tmp_path / "satellites.json", text.encode())
    with pytest.raises(ConfigError, match=r"satellites\.json is broken"):
        Pairings(tmp_path).read()


def test_pairings_that_others_can_change_are_refused(tmp_path):
    pairings = Pairings(tmp_path)
    pairings.add("kitchen")
    pairings.path.chmod(0o660)
    with pytest.raises(ConfigError, match="chmod 600"):
        pairings.read()


# ---- what is not said in plain text


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (LinkSettings(listen="tcp://0.0.0.0:10601"), 'write "tls://0.0.0.0:10601"'),
        (LinkSettings(listen="tcp://[::]:1"), 'write "tls://[::]:1"'),
        (LinkSettings(listen="tcp://hub.local:1"), "not encrypted"),
        (LinkSettings(dial=("tcp://192.168.1.20:10700",)), "set link.dial_plain = true"),
    ],
)
def test_a_hub_that_would_speak_plain_text_to_others_does_not_start(link, message):
    with pytest.raises(ConfigError, match="link") as caught:
        check_exposure(link)
    assert message in str(caught.value)


def test_a_hub_may_speak_plain_text_to_itself_and_where_it_is_told_to():
    check_exposure(LinkSettings())
    check_exposure(LinkSettings(listen="tls://0.0.0.0:1", dial=("tcp://localhost:1",)))
    check_exposure(LinkSettings(dial=("tcp://192.168.1.20:10700",), dial_plain=True))


# ---- what the satellite dials


def test_without_anything_it_dials_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    target = target_of(Settings())
    assert (target.uri, target.room, target.token, target.pin) == (
        "tcp://127.0.0.1:10601",
        "Living room",
        None,
        None,
    )


def test_a_stored_pairing_says_hub_room_token_and_pin(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    store_pairing(pairing_path(Settings()), PAIRING)
    assert mode(tmp_path / "parlour" / "pairing.toml") == 0o600
    target = target_of(Settings())
    assert (target.uri, target.room) == (PAIRING.hub, "kitchen")
    assert (target.token, target.pin) == (TOKEN, PIN)


def test_a_hub_that_moved_is_dialled_at_its_new_address_with_the_same_pin():
    target = target_of_stored(PAIRING, hub="tls://192.168.1.99:10601", room="kitchen")
    assert (target.uri, target.pin, target.token) == ("tls://192.168.1.99:10601", PIN, TOKEN)


@pytest.mark.parametrize("settings", [{"hub": "tcp://127.0.0.1:1"}, {"hub": "unix:///run/hub"}])
def test_a_token_is_never_sent_in_plain_text(settings):
    assert target_of_stored(PAIRING, **settings).token is None


def test_who_waits_to_be_dialled_shows_nobody_the_token():
    assert target_of_stored(PAIRING, listen="tcp://127.0.0.1:1").token is None


def test_another_room_than_the_paired_one_is_an_error():
    with pytest.raises(ConfigError, match=r"^room: 'den', but .* paired as 'kitchen'"):
        target_of_stored(PAIRING, room="den")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(hub="tcp://192.168.1.10:10601"), "^hub: other machines could hear"),
        (Settings(hub="tcp://hub.local:10601"), "^hub: other machines could hear"),
        (Settings(hub="tls://192.168.1.10:10601"), "^hub: .* takes a pairing"),
        (Settings(pairing="/nowhere/pairing"), "^pairing: /nowhere/pairing is not there"),
    ],
)
def test_what_would_not_be_safe_is_refused_with_what_to_do(
    tmp_path, monkeypatch, settings, message
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=message) as caught:
        target_of(settings)
    assert "parlour-hub pair --room" in str(caught.value)


def test_a_pairing_that_is_broken_or_readable_by_others_is_refused(tmp_path):
    path = tmp_path / "p"
    store_pairing(path, PAIRING)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_pairing(path)
    write_private(path, f"pairing = '{PAIRING.to_text()[:-3]}'".encode())
    with pytest.raises(ConfigError, match="is broken") as caught:
        load_pairing(path)
    assert TOKEN not in str(caught.value)


# ---- the commands


@pytest.fixture
def homes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


LISTEN = ("--listen", "tls://0.0.0.0:10601")


def paired(capsys, *arguments) -> str:
    assert hub_main(["pair", *LISTEN, *arguments]) == 0
    (line,) = capsys.readouterr().out.splitlines()  # alone, so that it can be piped
    return line


def test_pairing_by_the_two_commands(homes, capsys, monkeypatch):
    text = paired(capsys, "--room", "Küche 1", "--address", "hub.local")
    assert satellite_main(["pair", text]) == 0
    said = capsys.readouterr().out
    assert "paired as 'Küche 1' with the hub at tls://hub.local:10601" in said
    target = target_of(Settings())
    assert (target.uri, target.room) == ("tls://hub.local:10601", "Küche 1")
    assert digest_of(target.token) == Pairings(homes / "state" / "parlour").read()["Küche 1"].digest
    assert target.token not in said


def test_the_string_is_read_from_the_input_where_command_lines_are_seen(homes, capsys, monkeypatch):
    text = paired(capsys, "--room", "den", "--address", "[fd00::1]:7")
    for arguments in (["pair"], ["pair", "-"]):
        with (homes / "in").open("w+") as file:
            file.write(text + "\n")
            file.seek(0)
            monkeypatch.setattr("sys.stdin", file)
            assert satellite_main(arguments) == 0
    assert target_of(Settings()).uri == "tls://[fd00::1]:7"


def test_settings_say_where_the_satellite_keeps_its_pairing(homes, capsys):
    text = paired(capsys, "--room", "den", "--address", "10.0.0.1")
    config = homes / "satellite.toml"
    config.write_text(f'pairing = "{homes}/elsewhere/mine"\n')
    assert satellite_main(["pair", "--config", str(config), text]) == 0
    assert mode(homes / "elsewhere" / "mine") == 0o600
    assert not (homes / "config").exists()


@pytest.mark.parametrize("text", ["parlour://x", "hello", "-h me"])
def test_what_is_no_pairing_is_one_line(homes, capsys, text):
    assert satellite_main(["pair", "--", text]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pair: this is no pairing")
    assert not (homes / "config").exists()


def test_pairing_as_another_room_than_the_settings_name_is_refused(homes, capsys):
    text = paired(capsys, "--room", "den", "--address", "10.0.0.1")
    assert satellite_main(["pair", "--room", "attic", text]) != 0
    assert "room: 'attic', but" in capsys.readouterr().err
    assert not (homes / "config").exists()


def test_pairing_again_says_that_the_old_one_counts_no_more(homes, capsys):
    paired(capsys, "--room", "den")
    assert hub_main(["pair", *LISTEN, "--room", "den"]) == 0
    assert "paired before; that pairing counts no more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--room", "den"], 'set [link] listen = "tls://0.0.0.0:10601"'),
        (["--room", "", *LISTEN], "--room: a room's name has 1 to 100"),
        (["--room", "a\nb", *LISTEN], "--room: a room's name has 1 to 100"),
        (["--room", "den", "--address", "a b", *LISTEN], "--address: expected HOST"),
        (["--room", "den", "--address", "x:y", *LISTEN], "--address: expected HOST"),
        (["--room", "den", "--listen", "tls://0.0.0.0:0", "--address", "x"], "name a port"),
    ],
)
def test_a_pairing_that_could_not_work_is_one_line(homes, capsys, arguments, message):
    assert hub_main(["pair", *arguments]) != 0
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert not said.out
    assert not Pairings(homes / "state" / "parlour").read()


def test_the_address_is_the_one_that_is_listened_on_if_that_is_a_certain_one(homes, capsys):
    arguments = ["pair", "--room", "den", "--listen", "tls://192.168.7.7:5"]
    assert hub_main(arguments) == 0
    assert Pairing.from_text(capsys.readouterr().out).hub == "tls://192.168.7.7:5"


@pytest.mark.parametrize("both", [True, False])
def test_the_address_is_of_a_kind_that_is_listened_on(homes, capsys, monkeypatch, both):
    monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: both)
    tried = []

    class Probe(socket.socket):
        def connect(self, address):
            tried.append(self.family)
            raise OSError("no route")

    monkeypatch.setattr("socket.socket", Probe)
    for listen, kinds in (("0.0.0.0", [4]), ("[::]", [4, 6] if both else [6])):
        tried.clear()
        assert hub_main(["pair", "--room", "den", "--listen", f"tls://{listen}:5"]) != 0
        assert "--address" in capsys.readouterr().err
        assert tried == [{4: socket.AF_INET, 6: socket.AF_INET6}[kind] for kind in kinds]


def test_satellites_are_listed_and_revoked(homes, capsys):
    assert hub_main(["satellites"]) == 0
    assert "no satellite is paired" in capsys.readouterr().err
    paired(capsys, "--room", "Küche 1", "--address", "x")
    paired(capsys, "--room", "den", "--address", "x")
    assert hub_main(["satellites"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["room", "Küche 1", "den"]
    assert all(line.endswith("never") for line in lines[1:])
    assert hub_main(["satellites", "revoke", "den"]) == 0
    assert hub_main(["satellites", "revoke", "den"]) == 1
    assert "'den' is not paired" in capsys.readouterr().err
    assert list(Pairings(homes / "state" / "parlour").read()) == ["Küche 1"]
