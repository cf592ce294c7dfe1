"""Which wake words the settings mean, and when a word counts."""

import itertools
import subprocess
import sys

import pytest

from hub.config import WakeSettings as HubWakeSettings
from hub.config import WordSettings as HubWordSettings
from hub.engines import wake_models
from hub.engines.base import BadInput, EngineBusy, EngineUnavailable
from hub.engines.wake_words import WakeWords, known_wake_words
from protocol.audio import SPEECH
from protocol.settings import ConfigError
from satellite.app import describe
from satellite.config import (
    BargeInSettings,
    Settings,
    WakeSettings,
    WordSettings,
    load_settings,
)
from satellite.doctor import examine
from satellite.pairing import Target
from satellite.wake import microwakeword, openwakeword
from satellite.wake.base import Score, WakeError, WakeModel
from satellite.wake.detector import Detector
from satellite.wake.words import chosen_words, open_wake, unused_words


class Saying:
    """Models that say what they are told to: seconds → which word, how sure; else 0."""

    def __init__(self, *names, said, hold=0.0):
        self.models = [WakeModel(n, n, ("en",), threshold=0.5, hold=hold) for n in names]
        times = {(name, round(at, 2)) for at, name, _ in said}
        silent = [
            (at + 0.08, name, 0.0)
            for at, name, _ in said
            if not times & {(name, round(at + step, 2)) for step in (0.05, 0.08, 0.1)}
        ]
        self.said = [
            Score(name, sure, round(at * 16000)) for at, name, sure in sorted([*said, *silent])
        ]
        self.heard = 0

    def score(self, pcm):
        begin, self.heard = self.heard, self.heard + len(pcm) // 2
        return [score for score in self.said if begin < score.position <= self.heard]

    def reset(self):
        pass


def hits(*scorers, thresholds=None, refractory=2.0, seconds=10.0):
    names = [model.name for scorer in scorers for model in scorer.models]
    detector = Detector(
        scorers, thresholds=thresholds or {}, refractory=dict.fromkeys(names, refractory)
    )
    frames = itertools.repeat(bytes(1024), round(seconds / 0.032))
    found = [detector.process(frame) for frame in frames]
    return [(hit.name, hit.position / 16000) for hit in found if hit is not None]


# ---- when a word counts


def test_a_word_counts_above_its_own_threshold():
    models = Saying("a", "b", said=[(1, "a", 0.7), (4, "b", 0.7)])
    assert hits(models, thresholds={"a": 0.8, "b": 0.6}) == [("b", 4)]
    assert hits(Saying("a", said=[(1, "a", 0.51), (5, "a", 0.5)])) == [("a", 1)]


def test_a_word_that_stays_above_its_threshold_is_one_word_however_short_its_refractory_time():
    said = [(1 + step * 0.08, "a", 0.9) for step in range(8)]
    dip = [*said[:3], *said[6:]]  # 0.32 s apart would be two words
    assert hits(Saying("a", said=said), refractory=0) == [("a", 1)]
    assert len(hits(Saying("a", said=dip), refractory=0)) == 1


def after_a_reset_at(seconds, models, refractory=2.0):
    detector = Detector([models], thresholds={}, refractory={"a": refractory})
    found = []
    for number in range(300):
        if number == round(seconds * 100):
            detector.reset()
        found.append(detector.process(bytes(320)))
    return [hit.position / 16000 for hit in found if hit is not None]


def test_the_beginning_of_a_word_before_a_reset_is_not_made_whole_by_what_comes_after():
    models = Saying("a", said=[(1.0, "a", 0.9), (1.08, "a", 0.9), (1.35, "a", 0.9)], hold=0.3)
    models.said = [score for score in models.said if score.probability]
    assert after_a_reset_at(1.2, models) == []


def test_a_word_right_after_a_reset_is_a_new_one_however_lately_it_was_said_before():
    said = [(1 + step * 0.08, "a", 0.9) for step in range(16)]
    models = Saying("a", said=[*said, (2.4, "a", 0.9)])
    assert after_a_reset_at(2.3, models, refractory=0.5) == [1.0, 2.4]


def test_a_word_before_a_mute_does_not_hide_the_first_one_after_it():
    models = Saying("a", said=[(1.0, "a", 0.9), (1.8, "a", 0.9)])
    assert after_a_reset_at(1.1, models, refractory=2.0) == [1.0, 1.8]


def test_within_its_refractory_time_a_word_is_not_reported_again_and_not_later_either():
    said = [(1, "a", 0.9), (2.8, "a", 0.9), (2.9, "a", 0.9), (3.05, "a", 0.9), (4, "a", 0.9)]
    assert hits(Saying("a", said=said), refractory=2.0) == [("a", 1), ("a", 4)]


def test_the_refractory_time_of_one_word_does_not_hide_another():
    models = Saying("a", "b", said=[(1, "a", 0.9), (2.5, "b", 0.9)])
    assert hits(models, refractory=5.0) == [("a", 1), ("b", 2.5)]


def test_of_two_words_that_hear_themselves_in_one_sound_the_first_has_it():
    one = Saying("a", said=[(1.3, "a", 0.9)])
    other = Saying("b", said=[(1, "b", 0.6), (1.08, "b", 0.6)])
    assert hits(one, other) == [("b", 1)]


def test_the_earlier_of_two_programs_wins_within_one_frame_too():
    one, other = Saying("a", said=[(1.02, "a", 0.9)]), Saying("b", said=[(1.01, "b", 0.9)])
    assert hits(one, other) == [("b", 1.01)]


def test_a_word_that_must_hold_counts_once_it_did_and_is_dated_from_its_beginning():
    held = [(1 + step * 0.08, "a", 0.9) for step in range(6)]
    models = Saying("a", said=[*held, (3, "a", 0.9), (3.08, "a", 0.2), (3.16, "a", 0.9)], hold=0.3)
    detector = Detector([models], thresholds={}, refractory={"a": 0.5})
    found = [
        (hit.position / 16000, frame * 0.032)
        for frame in range(1, 200)
        if (hit := detector.process(bytes(1024)))
    ]
    assert found == [(1, pytest.approx(1.32, abs=0.04))]


# ---- which words


def words(**settings):
    return [(w.name, w.program, w.threshold, w.refractory) for w in chosen(**settings)]


def chosen(**settings):
    return chosen_words(WakeSettings(**settings))


def test_without_settings_it_is_hey_jarvis_on_microwakeword():
    assert words() == [("hey_jarvis", "microwakeword", None, 2.0)]


def test_several_words_share_the_common_settings():
    assert words(
        words=("Alexa", "hey_jarvis"), engine="openwakeword", threshold=0.3, refractory=1
    ) == [("alexa", "openwakeword", 0.3, 1), ("hey_jarvis", "openwakeword", 0.3, 1)]


def test_each_word_may_have_its_own_engine_threshold_and_refractory_time():
    tables = (
        WordSettings("Hey Jarvis", threshold=0.9),
        WordSettings("alexa", engine="openwakeword", refractory=5),
    )
    assert words(word=tables, threshold=0.5) == [
        ("hey_jarvis", "microwakeword", 0.9, 2.0),
        ("alexa", "openwakeword", 0.5, 5),
    ]


def test_words_says_which_listen_and_the_tables_only_how():
    tables = (WordSettings("hey_jarvis", threshold=0.9), WordSettings("hey_mycroft"))
    settings = WakeSettings(words=("alexa", "hey_jarvis"), word=tables)
    assert [word.name for word in chosen_words(settings)] == ["alexa", "hey_jarvis"]
    assert unused_words(settings) == ["hey_mycroft"]


def test_a_custom_models_file_says_which_program_it_is_for():
    tables = [WordSettings("a", model=f"~/a{kind}") for kind in (".json", ".tflite", ".onnx")]
    programs = [chosen(word=(table,))[0].program for table in tables]
    assert programs == ["microwakeword", "openwakeword", "openwakeword, in ONNX"]
    assert chosen(word=(tables[0],))[0].model.is_absolute()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (WordSettings("a", model="a.ppn"), r"'a': a.ppn is not a .json, .tflite, .onnx file"),
        (WordSettings("a", model="a.onnx", engine="microwakeword"), "not microwakeword's"),
        (WordSettings("hey_travis"), "microwakeword has no wake word 'hey_travis'; there are: ok"),
        (WordSettings("hey_travis", engine="openwakeword"), "hey_rhasspy"),
        (WordSettings("a", model="/nowhere/a.json"), "No such file"),
        (WordSettings("a", model="/nowhere/a.tflite"), "No such file"),
    ],
)
def test_a_word_that_cannot_be_had_is_refused_with_what_to_do(table, message):
    with pytest.raises(WakeError, match=message):
        open_wake(WakeSettings(word=(table,)))


@pytest.mark.parametrize("kind", ["json", "tflite"])
def test_a_file_that_is_no_model_is_refused_before_it_crashes_the_library(tmp_path, kind):
    (tmp_path / "a.tflite").write_bytes(b"something else entirely")
    (tmp_path / "a.json").write_text('{"model": "a.tflite"}')
    with pytest.raises(WakeError, match="no TensorFlow Lite model"):
        open_wake(WakeSettings(word=(WordSettings("a", model=str(tmp_path / f"a.{kind}")),)))


def test_a_word_that_is_there_twice_is_refused():
    with pytest.raises(WakeError, match="'Hey Jarvis' is there twice"):
        chosen(word=(WordSettings("hey_jarvis"), WordSettings("Hey Jarvis")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshold = 2", "wake.word[1].threshold: Expected `float` < 1.0"),
        ("enginge = 'x'", "wake.word[1].enginge: unknown key; did you mean 'engine'?"),
        ("engine = 'x'", "wake.word[1].engine: Invalid enum value 'x'; there are: microw"),
        ("refractory = -1", "wake.word[1].refractory: Expected `float` >= 0"),
    ],
)
def test_an_error_in_a_words_table_names_the_table_and_the_key(tmp_path, text, message):
    path = tmp_path / "satellite.toml"
    path.write_text(f"[[wake.word]]\nname = 'a'\n[[wake.word]]\nname = 'b'\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(message)


def test_a_word_without_a_name_is_refused(tmp_path):
    path = tmp_path / "satellite.toml"
    path.write_text("[[wake.word]]\nengine = 'openwakeword'\n")
    with pytest.raises(ConfigError, match=r"wake.word\[0\]: .*name"):
        load_settings(path)


# ---- what others are told

MIXED = WakeSettings(
    words=("alexa", "hey_jarvis", "hey_rhasspy"),
    word=(
        WordSettings("alexa", engine="openwakeword"),
        WordSettings("hey_rhasspy", engine="openwakeword"),
    ),
)


def test_info_lists_each_program_with_its_words():
    event = describe(Settings(), Target(None, "Room"), open_wake(MIXED), SPEECH)
    programs = {
        program["name"]: [(model["name"], model["phrase"]) for model in program["models"]]
        for program in event.data["wake"]
    }
    assert programs == {
        "openwakeword": [("alexa", "Alexa"), ("hey_rhasspy", "Hey Rhasspy")],
        "microwakeword": [("hey_jarvis", "Hey Jarvis")],
    }
    assert sorted(event.data["satellite"]["active_wake_words"]) == sorted(MIXED.words)


def test_info_leaves_out_the_stop_word_which_wakes_nobody():
    settings = Settings(barge_in=BargeInSettings(stop_word="alexa"))
    info = describe(settings, Target(None, "Room"), open_wake(MIXED), SPEECH).data
    models = [model["name"] for program in info["wake"] for model in program["models"]]
    assert sorted(models) == ["hey_jarvis", "hey_rhasspy"]
    assert sorted(info["satellite"]["active_wake_words"]) == ["hey_jarvis", "hey_rhasspy"]
    assert info["satellite"]["max_active_wake_words"] == 2


async def test_the_doctor_says_which_words_listen_on_which_program_and_which_do_not():
    settings = WakeSettings(words=("alexa",), word=(WordSettings("hey_jarvis"),))
    findings = {f.name: f async for f in examine(Settings(wake=settings), None)}
    text = findings["wake words"].text
    assert text.startswith('say "Alexa" (microwakeword); not listened for')
    assert text.endswith("hey_jarvis")
    bad = WakeSettings(words=("hey_travis",))
    findings = {f.name: f async for f in examine(Settings(wake=bad), None)}
    assert not findings["wake words"].ok


# ---- the hub's own


def test_both_sides_count_a_word_from_the_same_probability():
    assert wake_models.OPEN_THRESHOLDS == openwakeword.THRESHOLDS
    assert wake_models.OPEN_THRESHOLD == openwakeword.THRESHOLD
    assert wake_models.MICRO_THRESHOLDS == microwakeword.THRESHOLDS
    assert wake_models.MICRO_HOLD == microwakeword.HOLD


def test_the_hubs_words_are_known_without_loading_them_the_configured_programs_first():
    models = known_wake_words(HubWakeSettings(engine="openwakeword"))
    assert [m.name for m in models if m.program == "microwakeword"] == [
        "hey_jarvis",
        "alexa",
        "hey_mycroft",
        "okay_nabu",
    ]
    assert models[0].program == "openwakeword"
    assert "hey_rhasspy" in [m.name for m in models]


def test_a_custom_model_is_one_of_the_hubs_words():
    table = HubWordSettings("Hey Parrot", model="/models/hey_parrot.tflite")
    found = [m for m in known_wake_words(HubWakeSettings(word=(table,))) if m.name == "hey_parrot"]
    assert [(m.phrase, m.program) for m in found] == [("Hey Parrot", "openwakeword")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (HubWakeSettings(words=("hey_travis",)), "wake: no word 'hey_travis'; there are: hey_jar"),
        (HubWakeSettings(word=(HubWordSettings("hey_travis"),)), "hey_travis"),
        (HubWakeSettings(word=(HubWordSettings("a", model="a.onnx"),)), "not a .json or .tflite"),
    ],
)
def test_the_hub_refuses_a_word_that_it_does_not_have(settings, message):
    with pytest.raises(ConfigError, match=message):
        known_wake_words(settings)


@pytest.fixture
async def hub_words():
    engine = WakeWords(HubWakeSettings(max_streams=2))
    await engine.load()
    yield engine
    await engine.close()


async def test_a_stream_for_a_word_or_program_that_is_not_there_is_refused(hub_words):
    with pytest.raises(BadInput, match="no wake word 'hey_travis'"):
        hub_words.stream(["hey_jarvis", "hey_travis"])
    with pytest.raises(BadInput, match="no wake word 'hey_rhasspy'; there are"):
        hub_words.stream(["hey_rhasspy"], "microwakeword")
    with pytest.raises(BadInput, match="no wake program 'snowboy'"):
        hub_words.stream(None, "snowboy")


async def test_of_the_configured_words_those_listen_that_the_selected_program_has():
    engine = WakeWords(HubWakeSettings(words=("hey_rhasspy", "alexa")))
    await engine.load()
    stream = engine.stream(None, "microwakeword")
    assert [word.name for word in stream._words] == ["alexa"]
    assert await stream.process(bytes(32000)) == []
    await stream.close()
    await engine.close()


async def test_a_word_that_the_configured_program_lacks_is_anothers(hub_words):
    stream = hub_words.stream(["hey_rhasspy"])
    assert await stream.process(bytes(32000)) == []
    await stream.close()


async def test_openwakewords_streams_are_capped_and_a_closed_one_makes_room(hub_words):
    streams = [hub_words.stream(["alexa"], "openwakeword") for _ in range(2)]
    with pytest.raises(EngineBusy, match=r"2 streams listen .* wake.max_streams"):
        hub_words.stream(["alexa"], "openwakeword")
    small = [hub_words.stream(["alexa"]) for _ in range(10)]  # microWakeWord costs little
    await streams[0].close()
    await streams[0].close()
    hub_words.stream(["alexa"], "openwakeword")
    with pytest.raises(EngineBusy):
        hub_words.stream(["alexa"], "openwakeword")
    for stream in small:
        await stream.close()


async def test_half_a_sample_is_refused(hub_words):
    with pytest.raises(BadInput, match="half a sample"):
        await hub_words.stream().process(b"123")


async def test_before_it_is_loaded_there_are_no_streams():
    engine = WakeWords(HubWakeSettings())
    with pytest.raises(EngineUnavailable):
        engine.stream()
    await engine.close()


def test_only_the_library_of_the_words_that_listen_is_imported():
    code = (
        "import sys; from satellite.config import WakeSettings; import satellite.app, hub.app\n"
        "from satellite.wake.words import open_wake\n"
        "libraries = ('pymicro_wakeword', 'pyopen_wakeword', 'openwakeword', 'onnxruntime')\n"
        "print([name for name in libraries if name in sys.modules])\n"
        "open_wake(WakeSettings())\n"
        "print([name for name in libraries if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "['pymicro_wakeword']"]
