"""Make the satellite's sounds: python deploy/make_sounds.py [FOLDER].

Plain sine tones with soft edges, so that they are ours to give away and quiet enough not to be
taken for speech: 16 kHz mono 16-bit. The same call always writes the same bytes.
"""

import argparse
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16000
LEVEL = 0.18  # of full scale, -15 dBFS
SOUNDS: dict[str, list[tuple[float, float]]] = {  # (Hz, seconds) one after another
    "awake": [(660.0, 0.06), (880.0, 0.09)],
    "done": [(880.0, 0.05)],
    "error": [(440.0, 0.12), (0.0, 0.04), (330.0, 0.2)],
    "ring": [(1047.0, 0.1), (0.0, 0.05), (1047.0, 0.1), (0.0, 0.05), (1319.0, 0.16)],
}


def tone(frequency: float, seconds: float) -> NDArray[np.float64]:
    """Return one sine tone in -1..1 whose edges rise and fall over 12 ms, against clicks."""
    times = np.arange(round(seconds * RATE)) / RATE
    edge = np.clip(np.minimum(times, seconds - times) / 0.012, 0.0, 1.0)
    return np.sin(2 * np.pi * frequency * times) * np.sin(edge * np.pi / 2) ** 2


def main() -> None:
    """Write every sound."""
    parser = argparse.ArgumentParser(description="Make the satellite's sounds.")
    default = Path(__file__).resolve().parent.parent / "satellite" / "sounds"
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="where to write them")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, tones in SOUNDS.items():
        samples = np.concatenate([tone(*part) for part in tones])
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((samples * LEVEL * 32767).astype("<i2").tobytes())
        print(f"{name}.wav  {len(samples) / RATE:.2f} s")


if __name__ == "__main__":
    main()
