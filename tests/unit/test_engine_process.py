"""An engine's own process, from the hub's side: what is logged of it, what it may take."""

import asyncio
import gc
import logging
import os
import subprocess
import sys

import msgspec
import pytest

from hub.config import Settings, TtsSettings
from hub.engines import process
from hub.engines.apart import python_of
from hub.engines.base import EngineError, EngineUnavailable
from hub.engines.choices import spec_of
from hub.engines.process import EngineProcess
from hub.engines.process_lines import ProcessLines
from hub.engines.process_memory import memory_of

TIMEOUT = 20.0


async def lines_of(data, caplog):
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    lines = ProcessLines("tts", logging.getLogger("test"))
    with caplog.at_level("DEBUG", "test"):
        await lines.read(stream)
    return lines


async def test_lines_keep_their_level_and_lose_what_is_not_printable(caplog):
    lines = await lines_of(
        b"ERROR a: b\x1b[31mc\n\nplain \xff\nparlour-engine: no model\nbye", caplog
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "tts: a: b [31mc"),
        ("INFO", "tts: plain �"),
        ("INFO", "tts: parlour-engine: no model"),
        ("INFO", "tts: bye"),
    ]
    assert lines.last_words == "no model"


async def test_a_process_cannot_flood_the_log(caplog):
    await lines_of(b"x" * 1_000_000 + b"\n" + b"y\n" * 10_000, caplog)
    assert len(caplog.records) < 60
    assert max(len(record.getMessage()) for record in caplog.records) < 600
    assert "9951 more lines" in caplog.records[-1].getMessage()


def test_memory_counts_what_a_process_has_started():
    hold = "x = bytearray(50_000_000); x[::4096] = x[::4096]; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        gc.collect()
        for most in (1 << 50, 0):  # resident; true shares
            alone, both = memory_of(child.pid, most), memory_of(os.getpid(), most)
            assert alone > 50_000_000
            assert both > alone
        child.communicate(b"\n", timeout=TIMEOUT)
    assert memory_of(child.pid, 1) == 0


def test_memory_is_read_whatever_a_process_calls_itself():
    rename = "import ctypes; ctypes.CDLL(None).prctl(15, b'\\xff\\xfe'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        assert memory_of(child.pid, 1 << 50) > 0
        child.communicate(b"\n", timeout=TIMEOUT)


def test_a_missing_environment_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    with pytest.raises(EngineUnavailable, match=r"\.venv-parler; run: make parler"):
        python_of(spec_of("tts", "parler"), None)
    with pytest.raises(EngineUnavailable, match=r"tts\.environment: no Python in /nowhere"):
        python_of(spec_of("tts", "parler"), "/nowhere")
    python = tmp_path / ".venv-parler" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert python_of(spec_of("tts", "parler"), None) == python
    assert str(python_of(spec_of("tts", "hibari"), None)) == sys.executable


def test_the_socket_is_in_the_users_folder_where_that_will_do(tmp_path, monkeypatch):
    short, deep = tmp_path, tmp_path / ("x" * 100)
    deep.mkdir()
    for runtime, expected in ((short, short), (deep, None), ("", None), ("/nowhere", None)):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        folder = process._private_folder()
        assert (folder.parent == expected) == (expected is not None)
        assert len(str(folder / "notify")) <= 107


def test_a_full_temporary_folder_is_no_matter_where_the_users_own_will_do(tmp_path, monkeypatch):
    def full():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(process.tempfile, "gettempdir", full)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert process._private_folder().parent == tmp_path


async def test_a_process_that_ended_by_itself_is_not_killed_again(tmp_path, monkeypatch):
    """Its number may be another's by then."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    engine = EngineProcess("tts", Settings(), python)
    with pytest.raises(EngineError, match="status 3"):
        await engine.start()
    killed = []
    monkeypatch.setattr(os, "killpg", lambda *group: killed.append(group))
    await engine.close()
    assert killed == []


async def test_a_process_that_cannot_be_started_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    engine = EngineProcess("tts", Settings(), tmp_path / "no-python")
    with pytest.raises(EngineUnavailable, match="does not start"):
        await engine.start()
    assert list(tmp_path.iterdir()) == []


def test_the_process_is_told_what_concerns_it_and_no_more(tmp_path):
    settings = Settings(tts=TtsSettings(description="Calm.", voice="heart"))
    told = msgspec.json.decode(EngineProcess("tts", settings, tmp_path)._settings_json())
    assert set(told) == {"language", "name", "process", "log", "tts"}
    assert (told["tts"]["voice"], told["tts"]["description"]) == ("heart", "")


async def test_one_that_was_not_started_can_be_closed(tmp_path):
    engine = EngineProcess("tts", Settings(), tmp_path)
    await engine.close()
    await engine.close()
    assert isinstance(engine._end_of(-9), EngineError)
