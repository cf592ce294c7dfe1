"""Sessions and tokens, the file that keeps them, and the commands that change it."""

import io
import re
import stat

import pytest
from guarded_hub import PASSWORD, Clock

from hub.commands import login
from hub.web.callers import Callers, NotLoggedIn
from hub.web.credentials import Credentials
from protocol.settings import ConfigError
from protocol.throttle import Throttle


@pytest.fixture
async def callers(tmp_path):
    credentials = Credentials(tmp_path)
    credentials.set_password(PASSWORD)
    clock = Clock(1000.0)
    callers = Callers(credentials, clock=clock, throttle=Throttle(clock=clock))
    await callers.load()
    callers.clock = clock
    return callers


async def test_a_session_ends_a_week_after_it_was_last_used_and_a_month_after_it_began(callers):
    idle = await callers.log_in(PASSWORD, "192.0.2.1")
    kept = await callers.log_in(PASSWORD, "192.0.2.1")
    for _ in range(29):
        callers.clock.now += 86400
        assert callers.by_cookie(kept) is not None
        await callers.refresh()
    assert callers.by_cookie(idle) is None
    callers.clock.now += 2 * 86400
    assert callers.by_cookie(kept) is None
    await callers.refresh()
    assert callers.sessions == 0


async def test_of_too_many_sessions_the_one_used_longest_ago_ends(callers, monkeypatch):
    monkeypatch.setattr("hub.web.callers._MOST_SESSIONS", 3)
    first, second, third = [await callers.log_in(PASSWORD, "192.0.2.1") for _ in range(3)]
    assert callers.by_cookie(first) is not None
    fourth = await callers.log_in(PASSWORD, "192.0.2.1")
    assert callers.by_cookie(second) is None
    assert all(callers.by_cookie(secret) for secret in (first, third, fourth))
    assert callers.sessions == 3


async def test_guesses_from_one_address_keep_nobody_else_out(callers):
    for _ in range(5):
        with pytest.raises(NotLoggedIn, match="wrong-password"):
            await callers.log_in("a guess", "192.0.2.66")
    with pytest.raises(NotLoggedIn, match="too-many-logins"):
        await callers.log_in(PASSWORD, "192.0.2.66")
    assert await callers.log_in(PASSWORD, "192.0.2.1")
    callers.clock.now += 16
    assert await callers.log_in(PASSWORD, "192.0.2.66")


async def test_a_broken_file_ends_nothing_and_is_told_once(callers, tmp_path, caplog):
    secret = await callers.log_in(PASSWORD, "192.0.2.1")
    (tmp_path / "web.json").write_text("{broken")
    for _ in range(3):
        await callers.refresh()
    assert callers.by_cookie(secret) is not None
    assert caplog.text.count("is broken") == 1
    (tmp_path / "web.json").unlink()
    await callers.refresh()
    assert callers.by_cookie(secret) is None
    with pytest.raises(NotLoggedIn, match="no-password"):
        await callers.log_in(PASSWORD, "192.0.2.1")


# -- what is kept, and the commands ---------------------------------------------------------------


def test_the_file_holds_no_password_and_no_token_and_is_private(tmp_path):
    credentials = Credentials(tmp_path)
    credentials.set_password(PASSWORD)
    token, _ = credentials.add_token("phone")
    file = tmp_path / "web.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert token not in file.read_text()
    kept = credentials.read()
    assert kept.password.matches(PASSWORD)
    assert not kept.password.matches(PASSWORD + " ")
    assert kept.holder_of(token) == "phone"
    assert kept.holder_of(token[:-1]) is None
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        credentials.read()


def test_the_same_password_twice_is_kept_differently(tmp_path):
    kept = []
    for folder in ("one", "two"):
        Credentials(tmp_path / folder).set_password(PASSWORD)
        kept.append(Credentials(tmp_path / folder).read().password.digest)
    assert kept[0] != kept[1]


def test_a_password_is_the_same_however_its_letters_are_made_up(tmp_path):
    Credentials(tmp_path).set_password("Gru\u0308ße aus Köln")
    assert Credentials(tmp_path).read().password.matches("Grüße aus Köln")


@pytest.mark.parametrize("password", ["", "short", "x" * 257, "tab\tand more", "null\0and more"])
def test_what_is_no_password_is_refused_and_changes_nothing(tmp_path, password):
    Credentials(tmp_path).set_password(PASSWORD)
    with pytest.raises(ConfigError, match="8 to 256 printable letters"):
        Credentials(tmp_path).set_password(password)
    assert Credentials(tmp_path).read().password.matches(PASSWORD)


def test_the_password_command_reads_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nmore\n"))
    assert login.set_password() == 0
    assert Credentials(tmp_path / "parlour").read().password.matches(PASSWORD)
    told = capsys.readouterr()
    assert PASSWORD not in told.out + told.err


def test_at_a_terminal_it_asks_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter(["one password", "another one", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    with pytest.raises(ConfigError, match="two different"):
        login.set_password()
    assert Credentials(tmp_path / "parlour").read().password is None
    assert login.set_password() == 0
    assert Credentials(tmp_path / "parlour").read().password.matches(PASSWORD)


def test_the_token_command_makes_lists_and_revokes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert login.list_tokens() == 0
    assert "there is no token" in capsys.readouterr().err
    assert login.make_token("prometheus") == 0
    token = capsys.readouterr().out.strip()
    assert len(token) == 43
    assert login.list_tokens() == 0
    listed = capsys.readouterr().out
    assert re.search(r"^prometheus +\d{4}-\d\d-\d\d", listed, re.M)
    assert token not in listed
    assert login.make_token("prometheus") == 0
    assert "had a token before" in capsys.readouterr().err
    assert login.revoke_token("prometheus") == 0
    assert login.revoke_token("prometheus") == 1
    for name in ("", " x", "x" * 61, "a\nb"):
        with pytest.raises(ConfigError, match="a token's name"):
            login.make_token(name)
