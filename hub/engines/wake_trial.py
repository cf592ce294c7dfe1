"""Tries a custom wake word model in a process of its own, since a wrong one ends its process.

satellite/wake/trial.py is the same for the satellite, and says why.
"""

import subprocess
import sys
from pathlib import Path

from hub.engines.base import EngineError
from hub.engines.wake_models import Word, hear
from protocol.audio import SPEECH

_SILENCE = SPEECH.bytes_for(1.0)
_TIMEOUT = 30.0  # seconds; it takes one, of which most is to load numpy


def try_model(word: Word) -> None:
    """Load a custom model and let it hear a second of silence, elsewhere; blocks for a second.

    Raises:
        EngineError: it is damaged, or no model of its program.
    """
    # -P: not whatever lies in the current folder under the name of one of our modules.
    command = [sys.executable, "-P", "-m", "hub.engines.wake_trial"]
    command += [word.program, word.name, str(word.model)]
    try:
        trial = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        why = f"{word.model} takes too long"
    else:
        if trial.returncode == 0:
            return
        why = trial.stdout.decode(errors="replace").strip()
        why = why or f"{word.model} is damaged, or no {word.program} model"
        if str(word.model).endswith(".tflite"):
            why += " (a microWakeWord model is named by its .json file)"
    raise EngineError(f"cannot load wake word {word.name!r}: {why}")


def main(program: str, name: str, path: str) -> int:
    """Try one model.

    Returns:
        0 it works; 1 it does not, and the standard output may say why. Or it crashes.
    """
    try:
        scores = hear(Word(name, program, Path(path), None, 0.0), bytes(_SILENCE))
    except EngineError as error:
        print(error.__cause__ or error)  # noqa: T201 - for `try_model`
        return 1
    except ValueError:  # its answer is not one number
        return 1
    return 0 if scores and all(0 <= probability <= 1 for _, probability, _ in scores) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
