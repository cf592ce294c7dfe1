"""What was said when and heard when, on the one monotonic clock that all processes here share.

The end of speech comes from the recording itself, by voice activity; when the microphone heard it,
and when the loudspeaker took a reply's first sample, the satellite says (`--verbose`). Nothing here
asks the hub.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from processes import House, Process, ProcessEnded

from hub.engines.base import VAD_FRAME_BYTES
from hub.engines.silero import Silero
from protocol.audio import SPEECH, read_wav, to_float32

_THRESHOLD = 0.5  # as Silero means it
_PHASES = 4  # the frames are laid over the clip so often, 8 ms apart
_AUDIBLE = 10 ** (-45 / 20)  # of full scale; hibari's pauses are below
_WAKE_PATIENCE = 4.0  # seconds after a clip's end for its wake word to be noticed
_SETTLE = 0.4  # seconds of rest between two questions
_IDLE = r"-> idle"


@dataclass(frozen=True)
class Clip:
    """One recording with a wake word and a question in it.

    `speech_end` is where its last word ends, in seconds of the clip.
    """

    said: str
    pcm: bytes  # 16 kHz mono 16-bit
    speech_end: float
    people: bool  # recorded from somebody, not spoken by our voice

    @property
    def seconds(self) -> float:
        return SPEECH.seconds(len(self.pcm))


@dataclass(frozen=True)
class Heard:
    """What came of one question; moments in seconds on the monotonic clock, None where none."""

    clip: Clip
    asked: float  # when its first sample was heard
    idle: float  # when the satellite was idle again
    woken: bool
    reply: float | None  # when the loudspeaker took the reply's first sample
    underruns: int

    @property
    def speech_end(self) -> float:
        return self.asked + self.clip.speech_end

    @property
    def latency(self) -> float | None:
        """From the end of speech to the first sample; below 0 where the person was cut off."""
        return None if self.reply is None else self.reply - self.speech_end


async def speech_end(pcm: bytes) -> float:
    """Return where the last word of clean 16 kHz mono 16-bit speech ends, in seconds.

    That is the end of the last 32 ms frame that Silero takes for speech; of the four ways to lay
    frames over the clip, the earliest, so that no figure profits from a frame that ends late.
    """
    silero = Silero()
    await silero.load()
    ends = []
    try:
        for phase in range(_PHASES):
            begin = phase * VAD_FRAME_BYTES // _PHASES
            stream, end = silero.stream(), 0
            for at in range(begin, len(pcm) - VAD_FRAME_BYTES + 1, VAD_FRAME_BYTES):
                if await stream.probability(pcm[at : at + VAD_FRAME_BYTES]) >= _THRESHOLD:
                    end = at + VAD_FRAME_BYTES
            ends.append(end)
    finally:
        await silero.close()
    if not min(ends):
        raise ValueError("no speech in the recording")
    return SPEECH.seconds(min(ends))


class Asker:
    """Puts questions to one satellite, one after the other, and reads off what it heard and played.

    Args:
        house: where it runs.
        satellite: started with `--verbose`.
    """

    def __init__(self, house: House, satellite: Process) -> None:
        self._house = house
        self._satellite = satellite
        self._asked = 0

    async def ask(self, clip: Clip, *, timeout: float = 120.0, until: str = _IDLE) -> Heard:
        """Ask and wait until the satellite is idle again, or logs `until`."""
        lines = len(self._satellite.lines)
        self._asked += 1
        name = f"{self._asked:03d}"
        self._house.say(self._satellite, name, SPEECH, clip.pcm)
        found = await self._satellite.wait_for(rf"{name}\.wav is heard from ([\d.]+) on")
        asked = float(found[1])
        deadline = asked + clip.seconds + _WAKE_PATIENCE
        while not (woken := self._since(lines, r"wake word \S+")):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        if woken:
            await self._wait(lines, until, timeout)
        taken = self._since(lines, r"first sample is taken at ([\d.]+)")
        gaps = self._since(lines, r"reply has been played, (\d+) underruns")
        return Heard(
            clip,
            asked,
            time.monotonic(),
            bool(woken),
            float(taken[0][1]) if taken else None,
            int(gaps[0][1]) if gaps else 0,
        )

    async def rest(self, timeout: float = 120.0) -> None:
        """Wait until its last reply was played, and a moment more."""
        states = r"(\S+) -> (\S+)$"
        deadline = time.monotonic() + timeout
        while (found := self._since(0, states)) and found[-1][2] != "idle":
            if time.monotonic() > deadline:
                raise ProcessEnded(f"not idle after {timeout:g} s\n{self._satellite.text()}")
            await asyncio.sleep(0.05)
        await asyncio.sleep(_SETTLE)

    async def _wait(self, lines: int, pattern: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._since(lines, pattern):
            if time.monotonic() > deadline or self._satellite.child.returncode is not None:
                raise ProcessEnded(f"no {pattern!r} in time\n{self._satellite.text()}")
            await asyncio.sleep(0.02)

    def _since(self, lines: int, pattern: str) -> list[re.Match[str]]:
        new = self._satellite.lines[lines:]
        return [found for _, line in new if (found := re.search(pattern, line))]


def audible(satellite: Process, heard: list[Heard]) -> list[float | None]:
    """Return for each question when its reply could first be heard, on the monotonic clock.

    That is later than its first sample where speech begins with silence. Read from the recording
    of the loudspeaker, after the satellite has stopped.
    """
    patterns = (
        re.search(r"first sample is played at ([\d.]+)", line) for _, line in satellite.lines
    )
    began = float(next(found[1] for found in patterns if found))
    return [_audible_from(satellite.heard_wav, began, one) for one in heard]


def _audible_from(path: Path, began: float, one: Heard) -> float | None:
    if one.reply is None:
        return None
    form, pcm = read_wav(path)
    start = max(0, round((one.reply - 0.02 - began) * form.rate))  # it may be played a block late
    loud = np.flatnonzero(np.abs(to_float32(pcm)[start:]) > _AUDIBLE)
    return began + (start + int(loud[0])) / form.rate if len(loud) else None
