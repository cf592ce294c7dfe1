"""Wake words that are changed while they are listened for."""

import asyncio
import threading

import pymicro_wakeword
import pyopen_wakeword
import pytest

from satellite.config import WakeSettings, WordSettings
from satellite.wake.base import WakeError, WakeHit, WakeModel
from satellite.wake.choice import ChosenWords
from satellite.wake.words import BUILT_IN, chosen_words, known_words, open_wake

SECOND = bytes(32000)


class Listening:
    """Listens for words, and hears the first of them in each sound."""

    def __init__(self, names):
        self.models = [WakeModel(name, name.title(), ("en",)) for name in names]
        self.heard = 0

    def process(self, pcm):
        self.heard += len(pcm) // 2
        return WakeHit(self.models[0].name, self.heard)

    def reset(self):
        pass


class Disk:
    """Loads words, as slowly as a test wants."""

    def __init__(self):
        self.go_on = threading.Event()
        self.go_on.set()
        self.loaded = []
        self.error = None

    def load(self, settings):
        assert self.go_on.wait(10)
        self.loaded.append(settings.words)
        if self.error is not None:
            raise self.error
        return Listening([word.name for word in chosen_words(settings)])


class Words:
    def __init__(self, settings=WakeSettings(), **options):  # noqa: B008 - it is frozen
        self.disk = Disk()
        self.changes = 0
        self.wake = ChosenWords(
            settings,
            Listening([word.name for word in chosen_words(settings)]),
            changed=self.changed,
            load=self.disk.load,
            **options,
        )
        self.problems = asyncio.Queue()

    def changed(self):
        self.changes += 1

    async def choose(self, *names):
        """Choose words and wait until that is done; return the problem, if there is one."""
        self.wake.choose(names, self.problems.put_nowait)
        async with asyncio.timeout(10):
            return await self.problems.get()

    @property
    def active(self):
        return [word.name for word in self.wake.known if word.active]


@pytest.mark.parametrize(
    ("program", "models"),
    [("microwakeword", pymicro_wakeword.Model), ("openwakeword", pyopen_wakeword.Model)],
)
def test_the_words_that_are_named_are_those_that_the_library_brings(program, models):
    assert sorted(BUILT_IN[program]) == sorted(model.value for model in models)


def test_all_words_that_there_are_models_for_can_be_chosen():
    table = WordSettings("Hey Parrot", model="parrot.tflite")
    settings = WakeSettings(words=("alexa",), word=(table,))
    assert known_words(settings) == [
        "alexa",
        "hey_parrot",
        "hey_jarvis",
        "hey_mycroft",
        "okay_nabu",
    ]
    assert known_words(WakeSettings(remote=True)) == []


async def test_new_words_are_listened_for_in_the_place_of_the_old_ones():
    words = Words()
    assert words.active == ["hey_jarvis"]
    assert words.wake.process(SECOND) == WakeHit("hey_jarvis", 16000)
    assert await words.choose("alexa", "okay_nabu") == ""
    assert words.active == ["alexa", "okay_nabu"]
    assert words.changes == 1
    # Where it was is said in the sound of the room, of which the new models have heard a part.
    assert words.wake.process(SECOND) == WakeHit("alexa", 32000)


async def test_the_old_words_are_listened_for_while_the_new_ones_are_loaded():
    words = Words()
    words.disk.go_on.clear()
    choosing = asyncio.create_task(words.choose("alexa"))
    await asyncio.sleep(0.05)
    assert words.wake.process(SECOND) == WakeHit("hey_jarvis", 16000)
    assert not choosing.done()
    words.disk.go_on.set()
    assert await choosing == ""
    assert words.wake.process(SECOND) == WakeHit("alexa", 32000)


async def test_of_many_choices_the_last_one_counts_and_is_the_only_one_that_is_answered():
    words = Words()
    words.disk.go_on.clear()
    for names in (["alexa"], ["hey_mycroft"], ["okay_nabu"]):
        words.wake.choose(names, words.problems.put_nowait)
        await asyncio.sleep(0.01)
    words.disk.go_on.set()
    async with asyncio.timeout(10):
        assert await words.problems.get() == ""
    assert words.active == ["okay_nabu"]
    assert words.disk.loaded == [("alexa",), ("okay_nabu",)]
    assert words.problems.empty()


@pytest.mark.parametrize(
    ("error", "said"),
    [(WakeError("no such file"), "no such file"), (RuntimeError("x" * 9), "RuntimeError")],
)
async def test_where_they_cannot_be_loaded_the_old_ones_are_listened_for(error, said):
    words = Words()
    words.disk.error = error
    assert said in await words.choose("alexa")
    assert words.active == ["hey_jarvis"]
    assert words.changes == 0
    words.disk.error = None
    assert await words.choose("alexa") == ""
    assert words.active == ["alexa"]


async def test_what_is_listened_for_already_is_not_loaded_again():
    words = Words(WakeSettings(words=("alexa", "hey_jarvis")))
    assert await words.choose("hey_jarvis", "alexa") == ""
    assert words.disk.loaded == []


async def test_a_word_that_is_not_there_and_no_word_are_refused_and_the_reason_names_those_there():
    words = Words()
    assert "hey_parrot" in await words.choose("alexa", "hey_parrot")
    assert "okay_nabu" in await words.choose("hey_parrot")
    assert "at least one" in await words.choose()
    assert words.disk.loaded == []
    assert words.active == ["hey_jarvis"]


async def test_a_satellite_that_hears_no_word_itself_says_so():
    words = Words(WakeSettings(remote=True))
    assert "no wake word itself" in await words.choose("alexa")


async def test_the_stop_word_is_always_listened_for_and_cannot_be_chosen():
    stop = WordSettings("stop", model="stop.json")
    settings = WakeSettings(words=("hey_jarvis", "stop"), word=(stop,))
    words = Words(settings, stop_word="stop")
    assert "stop" not in [word.name for word in words.wake.known]
    assert "stop" in await words.choose("alexa", "stop")
    assert await words.choose("alexa") == ""
    assert [model.name for model in words.wake.models] == ["alexa", "stop"]


async def test_it_can_be_closed_while_words_are_loaded():
    words = Words()
    words.disk.go_on.clear()
    words.wake.choose(["alexa"], words.problems.put_nowait)
    await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        await words.wake.close()
    words.disk.go_on.set()
    assert words.problems.empty()


async def test_the_real_models_are_changed_and_one_that_is_missing_changes_nothing(tmp_path):
    table = WordSettings("parrot", model=str(tmp_path / "parrot.tflite"))
    settings = WakeSettings(words=("hey_jarvis",), word=(table,))
    wake, problems = ChosenWords(settings, open_wake(settings)), asyncio.Queue()
    async with asyncio.timeout(60):
        wake.choose(["parrot"], problems.put_nowait)
        assert "parrot" in await problems.get()
        wake.choose(["alexa"], problems.put_nowait)
        assert await problems.get() == ""
    assert [model.phrase for model in wake.models] == ["Alexa"]
    assert wake.process(SECOND) is None
    wake.reset()
    await wake.close()
