"""From settings to a detector: which words, on which program, with which threshold."""

from dataclasses import dataclass
from pathlib import Path

from satellite.config import WakeSettings, WordSettings
from satellite.wake.base import Scorer, WakeError
from satellite.wake.detector import Detector
from satellite.wake.trial import try_model

_DEFAULT = "hey_jarvis"
BUILT_IN = {
    "microwakeword": ("hey_jarvis", "alexa", "hey_mycroft", "okay_nabu"),
    "openwakeword": ("hey_jarvis", "alexa", "hey_mycroft", "okay_nabu", "hey_rhasspy"),
}
"""The words that each program brings; here, so that to name them imports neither."""
_ONNX = "openwakeword, in ONNX"
# What a custom model's file says of the program that it is for.
_PROGRAMS = {".json": "microwakeword", ".tflite": "openwakeword", ".onnx": _ONNX}


@dataclass(frozen=True, slots=True)
class Word:
    """One word to listen for.

    Args:
        name: its id.
        program: which models have it: a key of what `open_wake` loads.
        model: the file of a custom model; None for a built-in one.
        threshold: probability above which it counts; None takes the model's own.
        refractory: seconds after a hit in which it is not reported again.
    """

    name: str
    program: str
    model: Path | None
    threshold: float | None
    refractory: float


def chosen_words(settings: WakeSettings) -> list[Word]:
    """Return what the settings ask to listen for.

    `words` says which; where it is left out, all of [[wake.word]] are; without any of these,
    "hey_jarvis" is.

    Raises:
        WakeError: a word is there twice, or its model is for another program.
    """
    tables: dict[str, WordSettings] = {}
    for table in settings.word:
        name = _id(table.name)
        if name in tables:
            raise WakeError(f"wake.word: {table.name!r} is there twice")
        tables[name] = table
    names = [_id(name) for name in settings.words or ()] or list(tables) or [_DEFAULT]
    return [
        _word(name, tables.get(name) or WordSettings(name), settings)
        for name in dict.fromkeys(names)
    ]


def unused_words(settings: WakeSettings) -> list[str]:
    """Return the names of [[wake.word]] that `words` leaves out."""
    names = {word.name for word in chosen_words(settings)}
    return [table.name for table in settings.word if _id(table.name) not in names]


def known_words(settings: WakeSettings) -> list[str]:
    """Return the names of all words that could be listened for: [[wake.word]], and the built-in.

    Raises:
        WakeError: see `chosen_words`.
    """
    if settings.remote:
        return []
    ours = [word.name for word in chosen_words(settings)]
    tables = [_id(table.name) for table in settings.word]
    return list(dict.fromkeys((*ours, *tables, *BUILT_IN[settings.engine])))


def open_wake(settings: WakeSettings) -> Detector:
    """Load the models; takes up to a second, more with .onnx models. With `remote` there are none.

    Raises:
        WakeError: a wake word that is not there or cannot be loaded.
    """
    words = [] if settings.remote else chosen_words(settings)
    by_program: dict[str, dict[str, Path | None]] = {}
    for word in words:
        by_program.setdefault(word.program, {})[word.name] = word.model
    return Detector(
        [_open(program, models, settings) for program, models in by_program.items()],
        thresholds={w.name: w.threshold for w in words if w.threshold is not None},
        refractory={w.name: w.refractory for w in words},
    )


def _word(name: str, table: WordSettings, settings: WakeSettings) -> Word:
    model = None if table.model is None else Path(table.model).expanduser()
    program: str = table.engine or settings.engine
    if model is not None:
        if model.suffix not in _PROGRAMS:
            raise WakeError(f"wake.word {name!r}: {model} is not a {', '.join(_PROGRAMS)} file")
        program = _PROGRAMS[model.suffix]
        if table.engine is not None and not program.startswith(table.engine):
            raise WakeError(f"wake.word {name!r}: a {model.suffix} model is not {table.engine}'s")
    return Word(
        name,
        program,
        model,
        settings.threshold if table.threshold is None else table.threshold,
        settings.refractory if table.refractory is None else table.refractory,
    )


def _open(program: str, models: dict[str, Path | None], settings: WakeSettings) -> Scorer:
    # Imported here, so that only what is used takes memory, and only that needs to be installed.
    try:
        if program == "microwakeword":
            from satellite.wake.microwakeword import MicroWakeWords

            _try(program, models)
            return MicroWakeWords(models)
        if program == "openwakeword":
            from satellite.wake.openwakeword import OpenWakeWords

            _try(program, models)
            return OpenWakeWords(models)
        from satellite.wake.openwakeword_onnx import OnnxWakeWords
    except ImportError as error:
        raise WakeError(f"{program}: {error}; install the extra 'satellite'") from error
    features = settings.onnx_features
    return OnnxWakeWords(
        {name: path for name, path in models.items() if path is not None},
        None if features is None else Path(features).expanduser(),
    )


def _try(program: str, models: dict[str, Path | None]) -> None:
    for name, path in models.items():
        if path is not None:
            try_model(program, name, path)


def _id(name: str) -> str:
    """Return the id of a word that may be written as it is spoken: "Hey Jarvis"."""
    return "_".join(name.lower().split())
