"""A private PulseAudio daemon whose null sinks are a room: its microphone and its loudspeaker.

What is played into a sink can be heard at its monitor. Programs see the devices through ALSA, by
the names in `PCMS`. Nothing outside the daemon's own folder is used, no session bus either.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np

from protocol.audio import PcmFormat

MICROPHONE = "parlour test microphone"  # hears what is played into the sink `air`
SPEAKER = "parlour test loudspeaker"  # plays into the sink `box`
RECORDED = PcmFormat(16000, 2, 1)
_PLACES = {  # as ALSA has them; PulseAudio mixes channels that are in different places
    1: "mono",
    2: "front-left,front-right",
    4: "front-left,front-right,rear-left,rear-right",
}
_CONFIG = f"""
</usr/share/alsa/alsa.conf>
pcm."{MICROPHONE}" {{ type pulse device "air.monitor" }}
pcm."{SPEAKER}" {{ type pulse device "box" }}
pcm.!default {{ type pulse }}
"""


def missing() -> str:
    """What the machine lacks for these tests; empty where all is there."""
    lacking = [program for program in ("pulseaudio", "pactl", "parec") if not shutil.which(program)]
    if importlib.util.find_spec("pyaudio") is None:
        lacking.append("pyaudio")
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        lacking.append("libasound2-plugins")
    return ", ".join(lacking) and f"run deploy/test_tools.sh; missing: {', '.join(lacking)}"


class Recorder:
    """Hears what a sink plays, and when.

    A null sink makes a stretch of sound when its first sample is due, so nothing can arrive before
    it was played; how much later it does is the recorder's own delay. The stretch that came with
    the least delay says when all others were played: within a few milliseconds, and late rather
    than early.

    Args:
        room: where.
        sink: which.
        form: what it is recorded as, 16-bit mono; at the sink's own rate nothing is changed.
    """

    _SETTLES = 20  # stretches, until the daemon's start of the stream is over

    def __init__(self, room: "Room", sink: str, form: PcmFormat):
        self._form = form
        self._pcm = bytearray()
        self._arrived: list[tuple[float, int]] = []  # when, and how many samples before
        how = ["--format=s16le", f"--rate={form.rate}", "--channels=1", "--latency-msec=10"]
        self._process = subprocess.Popen(
            ["parec", "--raw", *how, f"--device={sink}.monitor"],
            env=room.environment,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._thread = threading.Thread(target=self._run, name="recorder")
        self._thread.start()

    def _run(self) -> None:
        assert self._process.stdout is not None
        while pcm := os.read(self._process.stdout.fileno(), 1 << 16):
            self._arrived.append((time.monotonic(), len(self._pcm) // 2))
            self._pcm += pcm

    def samples(self) -> np.ndarray:
        """Return all that was heard so far."""
        return np.frombuffer(bytes(self._pcm), "<i2")

    def place(self, moment: float) -> int:
        """Return which sample was played at a moment, in seconds on the monotonic clock."""
        rate = self._form.rate
        began = min(at - before / rate for at, before in self._arrived[self._SETTLES :])
        return round((moment - began) * rate)

    def stop(self) -> None:
        """End it; idempotent."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()


class Room:
    """The daemon, and what a person in the room does.

    Args:
        folder: the daemon's own.
        air: rate and channels of the sink that the microphone hears.
        box: rate and channels of the sink that the loudspeaker is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        air: tuple[int, int] = (48000, 2),
        box: tuple[int, int] = (48000, 2),
    ):
        self.folder = folder
        self._sinks = {"air": air, "box": box}
        self._daemon: subprocess.Popen[bytes] | None = None
        self._recordings: list[subprocess.Popen[bytes]] = []
        config = folder / "asound.conf"
        config.write_text(_CONFIG)
        self.variables = {
            "PULSE_SERVER": f"unix:{folder / 'socket'}",
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(config),
            "XDG_RUNTIME_DIR": str(folder),
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a process in the room is started with."""
        return {**os.environ, **self.variables, "HOME": str(self.folder)}

    async def start(self) -> None:
        """Start the daemon, and record the loudspeaker from now on."""
        arguments = ["--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
        arguments += ["--use-pid-file=no"]
        socket = f"module-native-protocol-unix auth-anonymous=1 socket={self.folder / 'socket'}"
        modules = [socket]
        for name, (rate, channels) in self._sinks.items():
            places = f"channels={channels} channel_map={_PLACES[channels]}"
            modules.append(f"module-null-sink sink_name={name} rate={rate} {places}")
        for module in modules:
            arguments += ["-L", module]
        self._daemon = self._run("pulseaudio", "-n", *arguments, output="pulseaudio.log")
        deadline = time.monotonic() + 10
        while self._run("pactl", "info", output="info").wait() != 0:
            assert time.monotonic() < deadline, (self.folder / "pulseaudio.log").read_text()
            await asyncio.sleep(0.05)
        self._recordings = [self._record("box", "heard.pcm"), self._record("air", "said.pcm")]

    def hang(self) -> None:
        """Have the daemon answer nobody any more."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)

    def stall_loudspeaker(self, stalled: bool) -> None:
        """Have the loudspeaker take no more sound, or again; nobody is told."""
        self._pactl("suspend-sink", "box", str(int(stalled)))

    def _pactl(self, *command: str) -> None:
        assert self._run("pactl", *command, output="pactl").wait() == 0

    def _run(self, *command: str, output: str) -> subprocess.Popen[bytes]:
        with (self.folder / output).open("wb") as file:
            return subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=subprocess.STDOUT
            )

    def _record(self, sink: str, output: str) -> subprocess.Popen[bytes]:
        # Also keeps the sink awake: one that nobody hears renders only every two seconds.
        form = ["--format=s16le", f"--rate={RECORDED.rate}", "--channels=1", "--latency-msec=50"]
        return self._run("parec", "--raw", *form, f"--device={sink}.monitor", output=output)

    def kill(self) -> None:
        """End the daemon as a crash would."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
        for recording in self._recordings:
            recording.terminate()
            recording.wait()
        self._recordings = []

    async def say(self, form: PcmFormat, pcm: bytes) -> None:
        """Play sound into the microphone, and wait until it has been played."""
        how = [f"--rate={form.rate}", f"--channels={form.channels}", "--format=s16le"]
        how.append(f"--channel-map={_PLACES[form.channels]}")
        process = await asyncio.create_subprocess_exec(
            *("pacat", "--raw", *how, "--latency-msec=400", "--device=air"),
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(form.seconds(len(pcm)) + 10):
                await process.communicate(pcm)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 0

    def heard(self) -> bytes:
        """All that the loudspeaker played since the daemon started, as `RECORDED`."""
        return (self.folder / "heard.pcm").read_bytes()

    def level(self, seconds: float = 0.2) -> float:
        """The loudest sample of the last so many seconds, 0 to 1."""
        samples = np.frombuffer(self.heard()[-RECORDED.bytes_for(seconds) :], "<i2")
        return float(np.abs(samples.astype(np.float32)).max(initial=0)) / 32768
