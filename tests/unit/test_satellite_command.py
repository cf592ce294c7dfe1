"""`parlour-satellite run`: how it starts, ends and fails."""

import asyncio
import os
import re
import signal
import time
from typing import ClassVar

import pytest

from protocol.audio import PcmFormat
from satellite import app
from satellite.__main__ import main
from satellite.audio.devices import DeviceError
from satellite.config import WakeSettings
from satellite.session import State
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
    for option in ("--microphone", "--speaker"):
        assert main(["run", "--hub", NOBODY, option, "nonsense"]) == os.EX_CONFIG
        assert re.match(f"settings: no {option[2:]} 'nonsense': ", capfd.readouterr().err)


def test_what_fails_while_it_dials_is_not_said_to_be_about_listening(monkeypatch, capfd):
    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(app, "load_sounds", full)
    assert main(["run", "--hub", NOBODY]) == 1
    assert capfd.readouterr().err == "no space left on device\n"
    assert main(["run", "--listen", "tcp://127.0.0.1:1"]) == 1
    assert capfd.readouterr().err.startswith("cannot listen at tcp://127.0.0.1:1: ")


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


class SlowDevice:
    """A device that is never open: the satellite is told to stop as it opens, and then `then`."""

    format = PcmFormat(24000, 2, 1)

    def __init__(self, number, then=asyncio.Event):
        self.number = number
        self.then = then
        self.closed = False

    async def start(self, _=None):
        os.kill(os.getpid(), self.number)
        async with asyncio.timeout(TIMEOUT):
            await self.then().wait()

    async def close(self):
        self.closed = True

    async def frames(self):
        try:
            await self.start()
            yield b""
        finally:
            await self.close()


def gone():
    raise DeviceError("it got the signal, too")


@pytest.mark.parametrize("then", [asyncio.Event, gone], ids=["hangs", "fails"])
@pytest.mark.parametrize("which", ["open_microphone", "open_speaker"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_a_device_opens_is_heeded_at_once_and_no_failure(
    monkeypatch, number, which, then
):
    device = SlowDevice(number, then)
    monkeypatch.setattr(app, which, lambda *_, **__: device)
    began = time.monotonic()
    assert main(["run", "--hub", NOBODY]) == 0
    assert time.monotonic() - began < 5  # of the 10 s for which it would wait for a sound
    assert device.closed


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
        state = State.LISTENING

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


async def test_an_idle_room_hears_two_frames_at_once_and_a_listening_one_each():
    class Session:
        state = State.IDLE
        heard_pcm: ClassVar[list[bytes]] = []

        def heard(self, pcm):
            self.heard_pcm.append(pcm)
            self.state = State.LISTENING if b"2" in pcm else State.IDLE

    async def frames():
        for number in b"123456":
            yield bytes([number])
        await asyncio.Event().wait()

    session = Session()
    hearing = asyncio.create_task(app._hear(None, frames(), session))
    await asyncio.sleep(0.05)
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    assert session.heard_pcm == [b"12", b"3", b"45"]  # a room that listens does not wait


def test_a_wake_word_may_be_written_as_it_is_spoken():
    wake = open_wake(WakeSettings(words=("Hey Jarvis", "alexa")))
    assert [model.name for model in wake.models] == ["hey_jarvis", "alexa"]
    with pytest.raises(WakeError, match="hey_jarvis"):
        open_wake(WakeSettings(words=("Hey Travis",)))
