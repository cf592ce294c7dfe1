"""Settings that take effect at once, and are saved only when asked."""

import asyncio
import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hub.config import MOST_DESCRIPTION, Settings, state_folder
from hub.conversation.prompt import DEFAULT_PERSONA
from hub.engines.base import TextToSpeech
from hub.engines.choices import check, stt_languages, wake_models
from hub.live.state import SettingView
from hub.service.voices import languages, voices
from protocol.private_files import write_private
from protocol.settings import ConfigError, problem_of

_LOGGER = logging.getLogger(__name__)

_FILE = "adjusted.json"

Value = str | float | list[str]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known when a setting is looked at.

    Args:
        settings: the hub's.
        voice: the loaded engine that `tts.engine` chooses; None where it is not loaded.
    """

    settings: Settings
    voice: TextToSpeech | None


def _no_choices(_: _Known) -> list[str]:
    return []


def _always(_: _Known) -> bool:
    return True


def _languages(known: _Known) -> list[str]:
    spoken = languages(known.voice, known.settings)
    return [language for language in stt_languages(known.settings) if language in spoken]


def _words(known: _Known) -> list[str]:
    return list(dict.fromkeys(model.name for model in wake_models(known.settings)))


def _voices(known: _Known) -> list[str]:
    return sorted(voices(known.voice, known.settings))


def _first_voice(known: _Known) -> str:
    return voices(known.voice, known.settings)[0]


def _describable(known: _Known) -> bool:
    if known.voice is None:
        return known.settings.tts.engine == "parler"
    return known.voice.describable


@dataclass(frozen=True, slots=True)
class _Setting:
    """One that can be changed.

    Args:
        hint: what it does.
        example: of what may be written there.
        choices: what it may be.
        unset: what stands for no value in the file; None where there always is one.
        least: the smallest number.
        most: the largest number, or the longest text.
        available: whether the engines can do it.
    """

    hint: str
    example: str = ""
    choices: Callable[[_Known], list[str]] = _no_choices
    unset: Callable[[_Known], Value] | None = None
    least: float | None = None
    most: float | None = None
    available: Callable[[_Known], bool] = _always


_SETTINGS = {
    "name": _Setting("What the assistant calls itself.", most=200),
    "llm.persona": _Setting(
        "Who the assistant is, in a sentence or two.", unset=lambda _: DEFAULT_PERSONA, most=2000
    ),
    "llm.max_reply_tokens": _Setting(
        "How long a reply may be, in tokens; about three quarters of a word each.",
        least=8,
        most=2000,
    ),
    "tts.voice": _Setting("Which voice speaks.", choices=_voices, unset=_first_voice),
    "tts.description": _Setting(
        "How the voice sounds, in words: pace, pitch, mood, how it is recorded.",
        example="A woman speaks calmly and a little slowly, in a low voice; very clear audio.",
        most=MOST_DESCRIPTION,
        available=_describable,
    ),
    "language": _Setting("What is spoken to it, and by it.", choices=_languages),
    "turn.patience": _Setting(
        "How long it waits for people who pause: more for slow speakers.", least=0.3, most=3
    ),
    "wake.words": _Setting(
        "What browser tabs and satellites without wake words of their own listen for.",
        choices=_words,
        unset=_words,
    ),
}


class Adjustments:
    """Changes settings while the hub runs.

    What was saved holds again after a restart, over hub.toml; it is a file of its own, since
    hub.toml belongs to whoever wrote it.

    Args:
        settings: changed in place, a section at a time.
        changed: told of the keys that have changed, once they hold.
        folder: where what is saved is kept; None takes the hub's state folder.
        voice: returns the engine that `tts.engine` chooses, where it is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        changed: Callable[[frozenset[str]], None] = lambda _: None,
        folder: Path | None = None,
        voice: Callable[[], TextToSpeech | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._voice = voice
        self._changed = changed
        self._path = (folder or state_folder()) / _FILE
        self._file = copy.copy(settings)  # what hub.toml says
        self._saved: dict[str, Value] = {}
        self._saving = asyncio.Lock()

    def load(self) -> None:
        """Let what was saved hold. Blocks for a small file; what is wrong in it is left out."""
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Value])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as exc:
            _LOGGER.warning("%s: %s; hub.toml holds", self._path, exc)
            return
        for key, value in saved.items():
            try:
                self._take({key: value})
            except ConfigError as exc:
                _LOGGER.warning("%s: %s; hub.toml holds", self._path, exc)
            else:
                self._saved[key] = value
        if self._saved:
            _LOGGER.info("saved on the page, and over hub.toml: %s", ", ".join(self._saved))

    def views(self) -> list[SettingView]:
        """Return all settings that can be changed."""
        voice = self._voice()
        now, file = _Known(self._settings, voice), _Known(self._file, voice)
        return [self._view(key, setting, now, file) for key, setting in _SETTINGS.items()]

    def change(self, values: Mapping[str, object]) -> list[SettingView]:
        """Change settings by dotted key, all of them or none; null is what hub.toml says.

        Raises:
            ConfigError: a key is unknown, or a value is none that it can have.
        """
        self._check_voice(values.get("tts.voice"))
        changed = self._take(values)
        if changed:
            self._changed(changed)
        return self.views()

    async def save(self, keys: Sequence[str]) -> list[SettingView]:
        """Keep what holds now for the next start; what agrees with hub.toml needs no keeping.

        Raises:
            ConfigError: a key is unknown.
            OSError: the disk fails; what was saved before stays.
        """
        for key in keys:
            _known(key)
        async with self._saving:
            saved = dict(self._saved)
            for key in keys:
                saved.pop(key, None)
                # (what is unset may stand for another value by then)
                if (value := _raw(self._settings, key)) != _raw(self._file, key):
                    saved[key] = _shown(value, key, _Known(self._settings, self._voice()))
            await asyncio.to_thread(write_private, self._path, msgspec.json.encode(saved))
            self._saved = saved
        self._changed(frozenset())
        return self.views()

    def _take(self, values: Mapping[str, object]) -> frozenset[str]:
        """Let values hold; return the keys of those that did not before."""
        wanted = copy.copy(self._settings)
        for key, value in values.items():
            _known(key)
            _write(wanted, key, _raw(self._file, key) if value is None else value)
        check(wanted)
        changed = {key for key in values if _raw(wanted, key) != _raw(self._settings, key)}
        for section in {key.partition(".")[0] for key in changed}:
            setattr(self._settings, section, getattr(wanted, section))
        return frozenset(changed)

    def _check_voice(self, name: object) -> None:
        """Refuse a voice that the loaded engine lacks: settings alone do not tell of all engines.

        Raises:
            ConfigError: it lacks it.
        """
        engine = self._voice()
        if not isinstance(name, str) or not name or engine is None or not engine.voices:
            return
        if name not in engine.voices:
            there = ", ".join(sorted(engine.voices))
            raise ConfigError(f"tts.voice: no voice {name!r}; there are: {there}")

    def _view(self, key: str, setting: _Setting, now: _Known, file: _Known) -> SettingView:
        choices = setting.choices(now)
        return SettingView(
            key=key,
            value=_shown(_raw(now.settings, key), key, now),
            file=_shown(_raw(file.settings, key), key, file),
            saved=self._saved.get(key),
            choices=choices,
            least=setting.least,
            most=setting.most,
            available=len(choices) != 1 and setting.available(now),
            hint=setting.hint,
            example=setting.example,
        )


def _known(key: str) -> None:
    if key not in _SETTINGS:
        raise ConfigError(f"{key}: cannot be changed here; there are: {', '.join(_SETTINGS)}")


def _raw(settings: Settings, key: str) -> Any:
    """Return the value of a setting, None where it is unset."""
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _shown(value: Any, key: str, known: _Known) -> Value:
    """Return a value as it is shown: what no value stands for, where there is none.

    (Tuples of words become lists.)
    """
    unset = _SETTINGS[key].unset
    if value is None and unset is not None:
        return unset(known)
    return list(value) if isinstance(value, tuple) else value


def _write(settings: Settings, key: str, value: object) -> None:
    """Set a value in a copy of the settings, checked as one in hub.toml is."""
    section, _, name = key.rpartition(".")
    owner = getattr(settings, section) if section else settings
    fields = msgspec.to_builtins(owner)
    # JSON does not tell 80 from 80.0.
    fields[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    if value == "" and _SETTINGS[key].unset is not None:
        fields[name] = None
    try:
        made = msgspec.convert(fields, type(owner))
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{section + '.' if section else ''}{problem_of(exc)}") from exc
    if section:
        setattr(settings, section, made)
    else:
        setattr(settings, name, getattr(made, name))
