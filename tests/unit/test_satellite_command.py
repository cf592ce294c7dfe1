"""`parlour-satellite run`: how it starts, ends and fails."""

import asyncio
import os
import signal

import pytest

from satellite import app
from satellite.__main__ import main
from satellite.audio.devices import DeviceError
from satellite.config import WakeSettings
from satellite.wake.base import WakeError
from satellite.wake.words import open_wake

NOBODY = "tcp://127.0.0.1:1"
TIMEOUT = 20.0


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("wave:{tmp}/missing.wav", "missing.wav"),
        ("wave:{tmp}/README.md", "README.md"),
        ("spool:{tmp}/README.md", "spool folder"),
        ("spool:{tmp}/missing/say", "spool folder"),
    ],
)
def test_a_microphone_that_cannot_work_ends_it_with_one_line(tmp_path, capfd, device, message):
    (tmp_path / "README.md").write_text("no wave file")
    heard = tmp_path / "heard.wav"
    arguments = ["--hub", NOBODY, "--speaker", f"wave:{heard}"]
    assert main(["run", *arguments, "--microphone", device.format(tmp=tmp_path)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("microphone: ") and message in line
    assert not heard.exists()


def test_a_speaker_file_in_no_folder_ends_it_with_one_line(tmp_path, capfd):
    assert main(["run", "--hub", NOBODY, "--speaker", f"wave:{tmp_path}/missing/x.wav"]) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "missing").exists()


def test_a_wrong_setting_is_exit_code_78_as_the_hub_s(capfd, tmp_path):
    """The units do not restart what only new settings can help (RestartPreventExitStatus)."""
    assert main(["run", "--hub", "127.0.0.1"]) == os.EX_CONFIG
    assert "hub: expected" in capfd.readouterr().err
    missing = ["--config", f"{tmp_path}/missing.toml"]
    for arguments in (["run", *missing], [*missing, "run"]):
        assert main(arguments) == os.EX_CONFIG
        assert "missing.toml" in capfd.readouterr().err
    assert main(["run", "--hub", NOBODY, "--wake-word", "hey_travis"]) == os.EX_CONFIG
    assert "hey_travis" in capfd.readouterr().err


def test_an_interrupt_before_it_runs_is_exit_code_130(monkeypatch):
    async def interrupted(*_):
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(TIMEOUT)

    monkeypatch.setattr(app, "run", interrupted)
    assert main(["run"]) == 130


def test_an_interrupt_while_it_starts_ends_it_before_anything_is_recorded(monkeypatch, tmp_path):
    def slow(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return open_wake(*args, **kwargs)

    monkeypatch.setattr(app, "open_wake", slow)
    assert main(["run", "--hub", NOBODY, "--speaker", f"wave:{tmp_path}/heard.wav"]) == 0
    assert not (tmp_path / "heard.wav").exists()


async def test_a_microphone_that_fails_later_is_told_once_and_opened_again(monkeypatch, caplog):
    monkeypatch.setattr(app, "_MICROPHONE_RETRY", 0.0)

    again = asyncio.Event()

    class Microphone:
        opened = 0

        async def frames(self):
            self.opened += 1
            if self.opened < 4:
                raise DeviceError("unplugged")
            yield b"second"
            await asyncio.Event().wait()

    class Session:
        def __init__(self):
            self.frames = []

        def heard(self, frame):
            self.frames.append(frame)
            if frame == b"second":
                again.set()

    async def first():
        yield b"first"
        raise DeviceError("unplugged")

    session = Session()
    hearing = asyncio.create_task(app._hear(Microphone(), first(), session))
    async with asyncio.timeout(TIMEOUT):
        await again.wait()
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    assert session.frames == [b"first", b"second"]
    assert caplog.text.count("unplugged; trying again until it works") == 1


def test_a_wake_word_may_be_written_as_it_is_spoken():
    wake = open_wake(WakeSettings(words=("Hey Jarvis", "alexa")))
    assert [model.name for model in wake.models] == ["hey_jarvis", "alexa"]
    with pytest.raises(WakeError, match="hey_jarvis"):
        open_wake(WakeSettings(words=("Hey Travis",)))
