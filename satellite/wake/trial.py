"""Tries a custom wake word model in a process of its own, since a wrong one ends its process.

The libraries check nothing: they crash on a damaged file, and answer nonsense with a model that was
made for another program. hub/engines/wake_trial.py is the same for the hub.
"""

import subprocess
import sys
from pathlib import Path

from protocol.audio import SPEECH
from satellite.wake.base import Scorer, WakeError

_SILENCE = SPEECH.bytes_for(1.0)
_TIMEOUT = 30.0  # seconds; it takes one, of which most is to load numpy


def try_model(program: str, name: str, path: Path) -> None:
    """Load a custom model and let it hear a second of silence, elsewhere; blocks for a second.

    Raises:
        WakeError: it is damaged, or no model of this program.
    """
    # -P: not whatever lies in the current folder under the name of one of our modules.
    command = [sys.executable, "-P", "-m", "satellite.wake.trial", program, name, str(path)]
    try:
        trial = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        why = f"{path} takes too long"
    else:
        if trial.returncode == 0:
            return
        why = trial.stdout.decode(errors="replace").strip()
        why = why or f"{path} is damaged, or no {program} model"
        if path.suffix == ".tflite":
            why += " (a microWakeWord model is named by its .json file)"
    raise WakeError(f"cannot load wake word {name!r}: {why}")


def main(program: str, name: str, path: str) -> int:
    """Try one model.

    Returns:
        0 it works; 1 it does not, and the standard output may say why. Or it crashes.
    """
    scorer: Scorer
    try:
        if program == "microwakeword":
            from satellite.wake.microwakeword import MicroWakeWords

            scorer = MicroWakeWords({name: Path(path)})
        else:
            from satellite.wake.openwakeword import OpenWakeWords

            scorer = OpenWakeWords({name: Path(path)})
        scores = scorer.score(bytes(_SILENCE))
    except WakeError as error:
        print(error.__cause__ or error)  # noqa: T201 - for `try_model`
        return 1
    except ValueError:  # its answer is not one number
        return 1
    return 0 if scores and all(0 <= score.probability <= 1 for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
