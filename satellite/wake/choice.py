"""Wake words that can be changed while they are listened for."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from protocol.audio import SPEECH
from protocol.control import WakeWordStatus
from satellite.config import WakeSettings
from satellite.wake.base import WakeError, WakeHit, WakeModel, WakeWords, phrase_of
from satellite.wake.words import known_words, open_wake

_LOGGER = logging.getLogger(__name__)

Load = Callable[[WakeSettings], WakeWords]
"""Loads the models of the words that settings ask for; blocks, and may raise `WakeError`."""


class ChosenWords:
    """Listens for some of the words that this satellite has models for.

    It is both `WakeWords` and `WakeChoice`. New words take part of a second to be heard when they
    come in the place of others, as their models have heard nothing yet.

    Args:
        settings: of all words.
        wake: listens for those that the settings choose.
        stop_word: is listened for always, and cannot be chosen.
        changed: called on the event loop when others are listened for.
        load: of models.
    """

    def __init__(
        self,
        settings: WakeSettings,
        wake: WakeWords,
        *,
        stop_word: str | None = None,
        changed: Callable[[], None] = lambda: None,
        load: Load = open_wake,
    ) -> None:
        self._settings = settings
        self._wake = wake
        self._stop_word = stop_word
        self._changed = changed
        self._load = load
        self._names = [name for name in known_words(settings) if name != stop_word]
        self._heard = 0  # samples
        self._origin = 0  # what had been heard when `_wake` began
        self._wanted: tuple[tuple[str, ...], Callable[[str], None]] | None = None
        self._loading: asyncio.Task[None] | None = None

    @property
    def models(self) -> Sequence[WakeModel]:
        """The loaded wake words."""
        return self._wake.models

    @property
    def known(self) -> tuple[WakeWordStatus, ...]:
        """All that can be chosen; see `WakeChoice`."""
        phrases = {model.name: model.phrase for model in self._wake.models}
        return tuple(
            WakeWordStatus(name, phrases.get(name, phrase_of(name)), name in phrases)
            for name in self._names
        )

    def process(self, pcm: bytes) -> WakeHit | None:
        """Hear the next audio; see `WakeWords.process`."""
        self._heard += len(pcm) // SPEECH.bytes_per_frame
        hit = self._wake.process(pcm)
        return hit and WakeHit(hit.name, self._origin + hit.position)

    def reset(self) -> None:
        """Forget what was heard; positions go on counting."""
        self._wake.reset()

    def choose(self, names: Sequence[str], done: Callable[[str], None]) -> None:
        """Listen for these words alone; see `WakeChoice`."""
        wanted = tuple(name for name in self._names if name in names)
        if not self._names:
            done("this satellite listens for no wake word itself: whoever drives it does")
        elif unknown := [name for name in names if name not in wanted]:
            known = ", ".join(self._names)
            done(f"there is no wake word {unknown[0]!r} here; there are: {known}")
        elif not wanted:
            done("at least one wake word has to be listened for")
        else:
            self._wanted = (wanted, done)  # in the place of what waited till now
            if self._loading is None:
                self._loading = asyncio.create_task(self._change(), name="wake words")

    async def close(self) -> None:
        """Wait for no model any more."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    async def _change(self) -> None:
        while self._wanted is not None:
            (names, done), self._wanted = self._wanted, None
            problem = await self._listen_for(names)
            if self._wanted is None:
                done(problem)
        self._loading = None

    async def _listen_for(self, names: tuple[str, ...]) -> str:
        if {word.name for word in self.known if word.active} == set(names):
            return ""
        stop = () if self._stop_word is None else (self._stop_word,)
        settings = replace(self._settings, words=(*names, *stop))
        try:
            # No time-out: a library that hangs would hold its thread, whoever waits for it.
            wake = await asyncio.to_thread(self._load, settings)
        except WakeError as error:
            problem = str(error)
        except Exception as error:  # whatever a library raises; the old words are still there
            problem = f"the wake words cannot be loaded: {type(error).__name__}"
        else:
            self._wake, self._origin = wake, self._heard
            said = ", ".join(f'"{word.phrase}"' for word in self.known if word.active)
            _LOGGER.info("the wake word is %s now", said)
            self._changed()
            return ""
        _LOGGER.warning("wake words not changed: %s", problem)
        return problem
