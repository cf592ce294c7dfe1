"""How soon somebody who interrupts is heard, and how soon it is quiet: in the room and on the CPU.

Moments come from the satellite's log, sound from the true timeline of its `wave:` loudspeaker, both
on the one monotonic clock of this machine. And the same with a loudspeaker on PulseAudio, where a
recorder whose own delay is known (tests/sound.py) hears when it is quiet.
"""

import asyncio
import re
import time
from dataclasses import dataclass

import numpy as np
import pytest
import sound
from processes import VOICE, House, Process
from psutil import Process as Psutil
from recordings import AUDIO
from results import bar, percentile, progress, record, spread, table

from protocol.audio import read_wav

SECTION = "barge-in"
LONG = "Tell me about elephants."  # the 0.5B model takes five sentences
INTO_REPLY = 1.5  # seconds; the model still writes
ROUNDS = 5
AUDIBLE = 600  # of 32768: where a clip begins
IDLE = 0.1  # of one core; voice activity alone takes less
IDLE_FOR = 0.1  # seconds
LOOK = 0.02  # seconds between two looks at the CPU
QUIET = 8  # of 32768: what the sound server's change of rate leaves
SILENT = "[sounds]\nawake = false\n"
SPEECH = "[barge_in]\nspeech = true\n"
VERBOSE = ("--verbose",)
FORGETFUL = "[memory]\nbudget = 0\n"  # so that each reply is the same


@dataclass(frozen=True)
class Clip:
    """Something said, or heard, over a reply."""

    name: str
    pcm: bytes

    @property
    def onset(self) -> float:
        """Where its first sound is, in seconds."""
        samples = np.abs(np.frombuffer(self.pcm, "<i2").astype(int))
        return int(np.argmax(samples > AUDIBLE)) / VOICE.rate


@dataclass(frozen=True)
class Over:
    """What came of it; moments in seconds on the monotonic clock, None where it did not come."""

    onset: float
    held: float | None
    resumed: float | None
    flushed: float | None
    ruling: str | None
    idle: float | None  # when the hub's CPU was, from there on


class Cpu:
    """Looks at a process's CPU time, over and over."""

    def __init__(self, pid: int) -> None:
        self._process = Psutil(pid)
        self.looks: list[tuple[float, float]] = []

    async def look(self) -> None:
        while True:
            times = self._process.cpu_times()
            self.looks.append((time.monotonic(), times.user + times.system))
            await asyncio.sleep(LOOK)

    def idle_from(self, moment: float) -> float | None:
        """Return from when on, after `moment`, it was idle for a while."""
        looks = [look for look in self.looks if look[0] >= moment]
        for at, used in looks:
            later = [look for look in looks if look[0] >= at + IDLE_FOR]
            if later and later[0][1] - used <= IDLE * (later[0][0] - at):
                return at
        return None


class Room:
    """A hub, a satellite, and the moments in its log."""

    def __init__(self, house: House, hub: Process, satellite: Process, wake: bytes) -> None:
        self._house = house
        self._hub = hub
        self._satellite = satellite
        self._question = wake

    async def speak_over(self, clip: Clip) -> Over:
        """Ask for a long reply, and say `clip` while it plays."""
        await self._say(self._question)
        begun = await self._new(self._satellite, "reply begins to play")
        await asyncio.sleep(INTO_REPLY)
        lines, hub_lines = len(self._satellite.lines), len(self._hub.lines)
        cpu = Cpu(self._hub.child.pid)
        looking = asyncio.create_task(cpu.look())
        heard = await self._say(clip.pcm)
        # Decided within 1.5 s; and then some, to see the CPU go idle.
        await asyncio.sleep(VOICE.seconds(len(clip.pcm)) + 3.0)
        looking.cancel()
        ruled = self._since(self._hub, hub_lines, r"spoken over: (.+)")
        held, resumed, flushed = (
            self._moment(lines, pattern)
            for pattern in (r"held at ([\d.]+)", r"goes on at ([\d.]+)", r"flush at ([\d.]+)")
        )
        idle = cpu.idle_from(flushed) if flushed is not None else None
        await self._rest(begun)
        return Over(
            heard + clip.onset, held, resumed, flushed, ruled[0][1] if ruled else None, idle
        )

    async def _say(self, pcm: bytes) -> float:
        name = f"{len(list(self._satellite.spool.iterdir())):03d}"
        self._house.say(self._satellite, name, VOICE, pcm)
        found = await self._satellite.wait_for(rf"{name}\.wav is heard from ([\d.]+) on")
        return float(found[1])

    async def _new(self, process: Process, pattern: str) -> int:
        """Wait for a new line like that; return how many lines there were before."""
        lines = len(process.lines)
        await process.wait_for(pattern, nth=process.count(pattern) + 1)
        return lines

    async def _rest(self, lines: int) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            states = self._since(self._satellite, lines, r" -> (\S+)$")
            if states and states[-1][1] == "idle":
                await asyncio.sleep(1.0)
                return
            await asyncio.sleep(0.1)
        raise AssertionError(self._satellite.text())

    def _moment(self, lines: int, pattern: str) -> float | None:
        found = self._since(self._satellite, lines, pattern)
        return float(found[0][1]) if found else None

    @staticmethod
    def _since(process: Process, lines: int, pattern: str) -> list[re.Match[str]]:
        return [m for _, line in process.lines[lines:] if (m := re.search(pattern, line))]


def silent_after(satellite: Process, held: float) -> float:
    """Return how long the loudspeaker still played after `held`, in seconds."""
    found = (re.search(r"first sample is played at ([\d.]+)", line) for _, line in satellite.lines)
    began = float(next(match[1] for match in found if match))
    form, pcm = read_wav(satellite.heard_wav)
    samples = np.frombuffer(pcm, "<i2")
    at = round((held - began) * form.rate)
    sound = np.flatnonzero(samples[at : at + round(0.3 * form.rate)])
    return (int(sound[-1]) + 1) / form.rate if len(sound) else 0.0


def heard_after(recorder: sound.Recorder, held: float) -> float:
    """Return how long a recorded loudspeaker was still heard after `held`, in seconds."""
    at = recorder.place(held)
    loud = np.abs(recorder.samples()[at : at + round(0.3 * VOICE.rate)].astype(int)) > QUIET
    return (int(np.flatnonzero(loud)[-1]) + 1) / VOICE.rate if loud.any() else 0.0


def false_alarms(voice) -> list[Clip]:
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(2 * VOICE.rate)
    burst = noise[: VOICE.rate // 5] * np.geomspace(9000, 90, VOICE.rate // 5)
    gap = np.zeros(VOICE.rate // 10)
    clips = [
        Clip("mhm", voice("Mhm.")),
        Clip("uh huh", voice("Uh huh.")),
        Clip("yeah", voice("Yeah.")),
        Clip("cough (made of noise)", np.concatenate([burst, gap, burst]).astype("<i2").tobytes()),
        Clip("white noise", (noise * 3000).astype("<i2").tobytes()),
    ]
    if (path := AUDIO / "noise_coffee_shop.wav").is_file():
        form, pcm = read_wav(path)
        at = np.arange(4 * VOICE.rate) * form.rate // VOICE.rate
        clips.append(Clip("coffee shop", np.frombuffer(pcm, "<i2")[at].tobytes()))
    return clips


@pytest.mark.slow
async def test_barge_in(site, tmp_path, voice, ask):
    house = House(site, tmp_path)
    wake_word = Clip("wake word", voice("Hey Jarvis."))
    speech = [
        Clip("question", voice("What is the capital of France?")),
        Clip("stop", voice("Stop!")),
    ]
    overs: dict[str, list[Over]] = {}
    async with (
        house.hub(extra=FORGETFUL) as hub,
        house.satellite(hub.address, "hall", settings=SILENT, options=VERBOSE) as hall,
        house.satellite(hub.address, settings=SPEECH + SILENT, options=VERBOSE) as kitchen,
    ):
        satellites = {clip.name: kitchen for clip in speech} | {wake_word.name: hall}
        rooms = {name: Room(house, hub, one, ask(LONG)) for name, one in satellites.items()}
        for number in range(ROUNDS):
            for clip in [wake_word, *speech]:
                progress(f"{clip.name}, {number + 1} of {ROUNDS}")
                overs.setdefault(clip.name, []).append(await rooms[clip.name].speak_over(clip))
        alarms = {}
        for clip in false_alarms(voice):
            progress(clip.name)
            alarms[clip.name] = await rooms["stop"].speak_over(clip)
        await kitchen.stop()
        await hall.stop()

    heads = ("over a reply", "noticed", "detected p50", "p95", "to silence p95", "to flush p50",
             "to idle CPU p95")  # fmt: skip
    rows, silences, idles = [], [], []
    for name, found in overs.items():
        held = [over for over in found if over.held is not None]
        assert held, f"{name} was never noticed"
        detected = [over.held - over.onset for over in held]
        silent = [silent_after(satellites[name], over.held) for over in held]
        flush = [over.flushed - over.held for over in held if over.flushed is not None]
        idle = [over.idle - over.flushed for over in held if over.idle is not None]
        record(
            SECTION,
            {
                name: {
                    "noticed": len(held) / len(found),
                    "first sound to detection": spread(detected),
                    "detection to silence": spread(silent),
                    "detection to flush": spread(flush) if flush else None,
                    "flush to idle CPU": spread(idle) if idle else None,
                    "rulings": [over.ruling for over in found],
                }
            },
        )
        p95 = [percentile(values, 0.95) if values else None for values in (silent, idle)]
        median = percentile(flush, 0.5) if flush else None
        rows.append((name, f"{len(held)}/{len(found)}", percentile(detected, 0.5),
                     percentile(detected, 0.95), p95[0], median, p95[1]))  # fmt: skip
        silences += silent
        if name == "stop":  # after the others a new turn begins
            idles += idle
    table("barge-in, in seconds", heads, rows)
    holes = {
        name: None if over.held is None else (over.resumed or float("inf")) - over.held
        for name, over in alarms.items()
    }
    shown = [
        (
            name,
            "not noticed" if hole is None else alarms[name].ruling,
            "-" if hole is None else hole,
        )
        for name, hole in holes.items()
    ]
    table("false alarms", ("over a reply", "it was", "hole in the reply (s)"), shown)
    lost = [name for name, over in alarms.items() if over.flushed is not None]
    record(
        SECTION, {"false alarms": {"holes": {n: str(h) for n, h in holes.items()}, "lost": lost}}
    )
    met = [
        bar(SECTION, "detection to silence, p95", percentile(silences, 0.95), at_most=0.1),
        bar(SECTION, "replies lost by a false alarm", len(lost), at_most=0, unit=""),
        bar(
            SECTION,
            "CPU idle after stop, p95",
            percentile(idles, 0.95) if idles else float("inf"),
            at_most=0.3,
        ),
    ]
    assert all(met)


@pytest.mark.slow
@pytest.mark.skipif(bool(sound.missing()), reason=sound.missing())
async def test_barge_in_on_a_sound_device(site, tmp_path, monkeypatch, voice, ask):
    folder = tmp_path / "sound"
    folder.mkdir(mode=0o700)
    place = sound.Room(folder)
    recorder = None
    try:
        await place.start()
        for name, value in place.variables.items():
            monkeypatch.setenv(name, value)
        recorder = sound.Recorder(place, "box", VOICE)
        house = House(site, tmp_path)
        own = (*VERBOSE, "--speaker", f"pyaudio:{sound.SPEAKER}")
        overs = []
        async with (
            house.hub(extra=FORGETFUL) as hub,
            house.satellite(hub.address, settings=SPEECH + SILENT, options=own) as kitchen,
        ):
            kitchen_room = Room(house, hub, kitchen, ask(LONG))
            for number in range(2 * ROUNDS):
                progress(f"stop on a sound device, {number + 1} of {2 * ROUNDS}")
                overs.append(await kitchen_room.speak_over(Clip("stop", voice("Stop!"))))
            await kitchen.stop()
        silences = [heard_after(recorder, over.held) for over in overs if over.held is not None]
    finally:
        if recorder is not None:
            recorder.stop()
        place.kill()
    assert silences, "it was never noticed"
    record(SECTION, {"on a sound device": {"detection to silence": spread(silences)}})
    row = ("stop", f"{len(silences)}/{len(overs)}")
    row += tuple(percentile(silences, share) for share in (0.5, 0.95, 1.0))
    table(
        "barge-in on a sound device (PulseAudio), detection to silence in seconds",
        ("over a reply", "noticed", "p50", "p95", "worst"),
        [row],
    )
    assert bar(SECTION, "detection to silence on a sound device, worst", max(silences), at_most=0.1)
