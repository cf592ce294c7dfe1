"""What systemd is told, on real sockets."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time

import pytest

from protocol.service_manager import (
    JournalFormatter,
    configure_logging,
    notify,
    watchdog_interval,
    watched,
)

TIMEOUT = 10.0


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A service manager's socket: every message that comes within `TIMEOUT`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(TIMEOUT)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


def waiting(manager):
    """Take all messages that have come."""
    manager.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(manager.recv(4096))
    except BlockingIOError:
        manager.settimeout(TIMEOUT)
        return messages


def test_assignments_arrive_as_one_message_of_lines(manager):
    notify("READY=1", "STATUS=listening in the café")
    assert manager.recv(4096) == "READY=1\nSTATUS=listening in the café".encode()


def test_a_status_of_several_lines_stays_one_assignment(manager):
    notify("STATUS=the model is missing\nREADY=1")
    assert manager.recv(4096) == b"STATUS=the model is missing READY=1"


def test_a_socket_in_the_abstract_namespace_is_reached(monkeypatch):
    name = f"parlour-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.settimeout(TIMEOUT)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify("STOPPING=1")
        assert receiver.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize(
    "address", [None, "", "@", "/nowhere/notify", "/" + 200 * "long", "vsock:2:1234", "/a\udcff"]
)
def test_a_manager_that_is_not_there_is_no_error(monkeypatch, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_manager_that_reads_nothing_is_not_waited_for(manager):
    began = time.monotonic()
    for _ in range(2000):  # more than any queue takes
        notify("WATCHDOG=1")
    assert time.monotonic() - began < TIMEOUT / 2
    assert len(waiting(manager)) < 2000


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("500000", "ours", 0.5),
        ("500000", "1", None),  # another process is watched
        (None, None, None),
        ("", None, None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_names_us(monkeypatch, usec, pid, seconds):
    if pid == "ours":  # (as a parameter, the workers of pytest-xdist would not agree on it)
        pid = str(os.getpid())
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_interval() == seconds


async def test_the_watchdog_is_fed_twice_an_interval_and_not_after_the_body(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    async with watched():
        await asyncio.sleep(1.05)
    fed = waiting(manager)
    assert set(fed) == {b"WATCHDOG=1"}
    assert 5 <= len(fed) <= 11  # 11 on an idle machine
    await asyncio.sleep(0.3)
    assert waiting(manager) == []


async def test_a_blocked_loop_feeds_nothing(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    async with watched():
        await asyncio.sleep(0.12)
        assert waiting(manager)
        time.sleep(0.5)  # noqa: ASYNC251  as code that hangs on the loop does
        assert waiting(manager) == []
        await asyncio.sleep(0.12)
        assert waiting(manager)


async def test_nothing_is_fed_when_nobody_watches(manager, monkeypatch):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    async with watched():
        await asyncio.sleep(0.05)
    assert waiting(manager) == []


async def test_an_error_in_the_body_passes_and_ends_the_feeding(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with pytest.raises(OSError, match="mine"):
        async with watched():
            raise OSError("mine")
    assert [task.get_name() for task in asyncio.all_tasks()].count("watchdog") == 0


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.DEBUG, "<7>hub: it\n<7>is"),
        (logging.INFO, "<6>hub: it\n<6>is"),
        (logging.WARNING, "<4>hub: it\n<4>is"),
        (logging.ERROR, "<3>hub: it\n<3>is"),
        (logging.CRITICAL, "<2>hub: it\n<2>is"),
    ],
)
def test_each_line_for_the_journal_begins_with_its_priority(level, line):
    record = logging.LogRecord("hub", level, __file__, 1, "it\n%s", ("is",), None)
    assert JournalFormatter("%(name)s: %(message)s").format(record) == line


LOG_ONE_LINE = f"""
import logging
from {configure_logging.__module__} import configure_logging
configure_logging("INFO", "%(levelname)s for people: %(message)s")
logging.warning("the kettle boils")
"""


@pytest.mark.parametrize(
    ("journal", "line"),
    [
        (True, "<4>root: the kettle boils"),
        (False, "WARNING for people: the kettle boils"),  # inherited, but stderr goes elsewhere
    ],
)
def test_only_a_stderr_that_is_the_journal_gets_its_form(tmp_path, journal, line):
    with (tmp_path / "stderr").open("w+") as stderr:
        stat = os.fstat(stderr.fileno())
        stream = f"{stat.st_dev}:{stat.st_ino if journal else stat.st_ino + 1}"
        subprocess.run(
            [sys.executable, "-c", LOG_ONE_LINE],
            env={**os.environ, "JOURNAL_STREAM": stream},
            stderr=stderr,
            check=True,
            timeout=30,
        )
        stderr.seek(0)
        assert stderr.read().splitlines() == [line]
