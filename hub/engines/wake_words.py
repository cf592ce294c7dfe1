"""Wake words for satellites that have none: microWakeWord and openWakeWord, many streams at once.

Measured on one core of a 2.x GHz Xeon: a stream of microWakeWord takes 0.4 % of it and 0.1 % for
each further word, one of openWakeWord 5 % and 0.2 %.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hub.config import WakeSettings
from hub.engines.base import (
    BadInput,
    EngineBusy,
    EngineUnavailable,
    WakeDetection,
    WakeWordModel,
    WakeWordStream,
)
from hub.engines.thread import EngineThread
from hub.engines.wake_models import MICRO, OPEN, Detector, Word
from hub.engines.wake_trial import try_model
from protocol.audio import SPEECH
from protocol.settings import ConfigError

_MAX_MICRO_STREAMS = 64  # a quarter of a core, at one word each
_SLICE = SPEECH.bytes_for(0.32)  # of one stream's sound, before it is another stream's turn
_LOAD_TIMEOUT = 60.0  # seconds
_TIMEOUT = 10.0  # seconds for a slice, which takes 30 ms
_PROGRAMS = {".json": MICRO, ".tflite": OPEN}  # by a custom model's file
_OKAY_NABU = ("en", "nl", "fr", "de", "it", "es", "sv")
# What is inside the libraries; a test compares it with them.
_BUILT_IN = (
    WakeWordModel("hey_jarvis", "Hey Jarvis", ("en",), MICRO),
    WakeWordModel("alexa", "Alexa", ("en",), MICRO),
    WakeWordModel("hey_mycroft", "Hey Mycroft", ("en",), MICRO),
    WakeWordModel("okay_nabu", "Okay Nabu", _OKAY_NABU, MICRO),
    WakeWordModel("hey_jarvis", "Hey Jarvis", ("en",), OPEN),
    WakeWordModel("alexa", "Alexa", ("en",), OPEN),
    WakeWordModel("hey_mycroft", "Hey Mycroft", ("en",), OPEN),
    WakeWordModel("okay_nabu", "Okay Nabu", ("en",), OPEN),
    WakeWordModel("hey_rhasspy", "Hey Rhasspy", ("en",), OPEN),
)


def known_wake_words(settings: WakeSettings) -> tuple[WakeWordModel, ...]:
    """Return the wake words that there are, those of the configured program first; loads nothing.

    Raises:
        ConfigError: a word that no program has, or a model that is no file of theirs.
    """
    custom = [
        WakeWordModel(_id(t.name), _phrase(t.name), (), _program(t.name, t.model))
        for t in settings.word
        if t.model is not None
    ]
    models = {(m.name, m.program): m for m in (*_BUILT_IN, *custom)}.values()
    names = list(dict.fromkeys(m.name for m in models))
    for name in (*(settings.words or ()), *(t.name for t in settings.word)):
        if _id(name) not in names:
            raise ConfigError(f"wake: no word {name!r}; there are: {', '.join(names)}")
    return tuple(sorted(models, key=lambda model: model.program != settings.engine))


class WakeWords:
    """Hears wake words; see `hub.engines.base.WakeWord`.

    Args:
        settings: [wake].

    Raises:
        ConfigError: a word that no program has, or a model that is no file of theirs.
    """

    name = "wake words"
    device = "cpu"
    note = ""

    def __init__(self, settings: WakeSettings) -> None:
        self._settings = settings
        self.models = known_wake_words(settings)
        self._tables = {_id(table.name): table for table in settings.word}
        self._thread = EngineThread("wake words")
        self._open = {MICRO: 0, OPEN: 0}  # streams
        self._limits = {MICRO: _MAX_MICRO_STREAMS, OPEN: settings.max_streams}
        self._loaded = False

    async def load(self) -> None:
        """Load every custom model and one built-in one of each program, to see that it works.

        Raises:
            EngineUnavailable: a library is missing.
            EngineError: a model cannot be loaded.
        """
        words = [self._word(model) for model in self.models if model.name in self._tables]
        words += [self._word(self._find("hey_jarvis", program)[0]) for program in (MICRO, OPEN)]

        def load() -> None:
            try:
                for word in words:
                    if word.model is not None:
                        try_model(word)
                    Detector([word])
            except ImportError as exc:
                raise EngineUnavailable(f"wake words: {exc}; install the extra 'hub'") from exc

        await self._thread.run(load, timeout=_LOAD_TIMEOUT)
        self._loaded = True

    async def close(self) -> None:
        """End the thread; streams that are open cannot go on."""
        self._loaded = False
        await self._thread.close()

    def stream(
        self, names: Sequence[str] | None = None, program: str | None = None
    ) -> WakeWordStream:
        """Return a fresh detector; see `hub.engines.base.WakeWord.stream`.

        Raises:
            EngineUnavailable: not loaded.
            BadInput: no such name or program.
            EngineBusy: too many streams are open.
        """
        if not self._loaded:
            raise EngineUnavailable("wake words are not loaded")
        if program not in (None, MICRO, OPEN):
            raise BadInput(f"no wake program {program!r}; there are: {MICRO}, {OPEN}")
        wanted: list[WakeWordModel] = []
        for name in names if names is not None else self._settings.words or ():
            found = self._find(name, program)
            if not found and names is None:
                continue  # nobody asked for it; the selected program has no such word
            if not found:
                raise BadInput(f"no wake word {name!r}; there are: {self._known(program)}")
            wanted.append(found[0])
        if not wanted:
            wanted = [m for m in self.models if m.program == (program or self._settings.engine)]
        by_name = {model.name: model for model in wanted}
        return _Stream(self, [self._word(model) for model in by_name.values()])

    def enter(self, programs: set[str]) -> None:
        """Take a stream's place.

        Raises:
            EngineBusy: there is none left.
        """
        for program in programs:
            if self._open[program] >= self._limits[program]:
                raise EngineBusy(
                    f"{self._limits[program]} streams listen for {program}'s words already"
                    + ("; wake.max_streams allows no more" if program == OPEN else "")
                )
        for program in programs:
            self._open[program] += 1

    def leave(self, programs: set[str]) -> None:
        """Give a stream's place back."""
        for program in programs:
            self._open[program] -= 1

    @property
    def thread(self) -> EngineThread:
        """Where all detectors work."""
        return self._thread

    def _find(self, name: str, program: str | None) -> list[WakeWordModel]:
        """Return the models of a name, the configured program's first."""
        wanted = _id(name)
        return [m for m in self.models if m.name == wanted and program in (None, m.program)]

    def _known(self, program: str | None) -> str:
        models = [m for m in self.models if program in (None, m.program)]
        return ", ".join(dict.fromkeys(m.name for m in models))

    def _word(self, model: WakeWordModel) -> Word:
        table, settings = self._tables.get(model.name), self._settings
        path = None
        if table and table.model and _program(table.name, table.model) == model.program:
            path = Path(table.model).expanduser()
        threshold = settings.threshold
        if table and table.threshold is not None:
            threshold = table.threshold
        refractory = settings.refractory
        if table and table.refractory is not None:
            refractory = table.refractory
        return Word(model.name, model.program, path, threshold, refractory)


class _Stream:
    def __init__(self, engine: WakeWords, words: Sequence[Word]) -> None:
        self._engine = engine
        self._words = words
        self._programs = {word.program for word in words}
        self._detector: Detector | None = None
        engine.enter(self._programs)
        self._closed = False

    async def process(self, pcm: bytes) -> list[WakeDetection]:
        if len(pcm) % SPEECH.bytes_per_frame:
            raise BadInput("wake words: half a sample")
        found: list[WakeDetection] = []
        for start in range(0, len(pcm), _SLICE):
            hear = partial(self._hear, pcm[start : start + _SLICE])
            found += await self._engine.thread.run(hear, timeout=_TIMEOUT)
        return found

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._engine.leave(self._programs)
            self._detector = None

    def _hear(self, pcm: bytes) -> list[WakeDetection]:
        if self._detector is None:
            self._detector = Detector(self._words)
        return self._detector.process(pcm)


def _id(name: str) -> str:
    """Return the id of a word that may be written as it is spoken: "Hey Jarvis"."""
    return "_".join(name.lower().split())


def _phrase(name: str) -> str:
    return name.replace("_", " ").title()


def _program(name: str, model: str) -> str:
    program = _PROGRAMS.get(Path(model).suffix)
    if program is None:
        raise ConfigError(f"wake.word {name!r}: {model} is not a {' or '.join(_PROGRAMS)} file")
    return program
