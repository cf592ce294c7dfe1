"""Both wake-word engines with their real models, on recordings and on the hub's own voice."""

import asyncio
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import recording
from wake_sounds import SILENCE, hits, names

from hub.config import WakeSettings as HubWakeSettings
from hub.engines.wake_words import WakeWords, known_wake_words
from satellite.config import WakeSettings, WordSettings
from satellite.wake.words import open_wake

ENGINES = ["microwakeword", "openwakeword"]
WORDS = ("alexa", "hey_mycroft", "hey_jarvis", "okay_nabu")
SPOKEN = [("Hey Jarvis.", "hey_jarvis"), ("Alexa.", "alexa"), ("Hey Mycroft.", "hey_mycroft")]


def listen(engine, *words, **settings):
    return open_wake(WakeSettings(words=words or WORDS, engine=engine, **settings))


def last_audible(pcm, threshold=0.05):
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(int))
    return int(np.flatnonzero(samples > threshold * samples.max())[-1])


def louder(pcm, decibels):
    samples = np.frombuffer(pcm, "<i2") * 10 ** (decibels / 20)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads of /proc")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_models_compute_on_the_thread_that_asks(engine):
    before = len(list(Path("/proc/self/task").iterdir()))
    words = listen(engine)  # whose threads, if any, live as long
    words.process(SILENCE)
    assert len(list(Path("/proc/self/task").iterdir())) <= before


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("gain", [0, -20])
@pytest.mark.parametrize("lead", [SILENCE, b""], ids=["after silence", "at the very start"])
@pytest.mark.parametrize(
    ("name", "word"), [("wake_alexa.wav", "alexa"), ("wake_hey_mycroft.wav", "hey_mycroft")]
)
def test_a_recorded_wake_word_is_heard_soon_enough_for_the_pre_roll(name, word, lead, gain, engine):
    pcm = louder(recording(name), gain)
    found = hits(listen(engine), lead + pcm + SILENCE)
    assert names(found) == [word]
    end = len(lead) // 2 + last_audible(pcm)
    assert found[0].position - end <= WakeSettings().pre_roll * 16000


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("text", "word"), SPOKEN)
@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_speech_right_after_the_wake_word_is_never_clipped(speak, text, word, gap, engine):
    wake_word = speak(text)
    question = speak("What is the capital of France?")
    begin = len(SILENCE) * 2 + len(wake_word) + round(gap * 16000) * 2
    pcm = SILENCE * 2 + wake_word + bytes(round(gap * 16000) * 2) + question + SILENCE
    found = hits(listen(engine, word), pcm)
    assert names(found) == [word]
    assert found[0].position - WakeSettings().pre_roll * 16000 <= begin // 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name",
    [
        "en_jfk_ask_not.wav",
        "en_librivox_ill_disposed.wav",
        "en_light_roast_house_coffee.wav",
        "en_set_a_timer_for_30_seconds.wav",
        "en_whats_the_weather.wav",
        "fr_allume_la_lumiere.wav",
        "fr_quelle_heure_est_il.wav",
        "noise_coffee_shop.wav",
    ],
)
def test_ordinary_speech_and_noise_wake_nobody(name, engine):
    assert hits(listen(engine), SILENCE + recording(name) + SILENCE) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_hubs_own_voice_wakes_nobody(speak, engine):
    said = speak(
        "Sleep is important because it helps us to rest. A good friend listens, and alexandria is "
        "a city in Egypt. My craft is pottery, and yesterday the service was better than today."
    )
    assert hits(listen(engine), SILENCE + said + SILENCE) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_one_word_said_is_one_detection_and_after_the_refractory_time_another(speak, engine):
    said = speak("Hey Jarvis.") + SILENCE
    wake = listen(engine, "hey_jarvis", refractory=2.0)
    found = hits(wake, SILENCE * 2 + said + said + SILENCE * 2 + said)
    assert len(found) == 2
    assert found[1].position - found[0].position >= 2 * 16000


@pytest.mark.parametrize("engine", ENGINES)
def test_how_the_sound_is_cut_into_frames_makes_no_difference(speak, engine):
    said = SILENCE + speak("Hey Jarvis.") + SILENCE + speak("Alexa.") + SILENCE
    expected = hits(listen(engine), said)
    assert names(expected) == ["hey_jarvis", "alexa"]
    for frame in (2, 320, 640, 1000, 2560, 7000, 32000):
        assert hits(listen(engine), said, frame) == expected
    cut, wake, found = random.Random(4), listen(engine), []
    rest = said
    while rest:
        size = 2 * cut.randint(1, 3000)
        found += hits(wake, rest[:size], size)
        rest = rest[size:]
    assert found == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_the_threshold_is_honoured(speak, engine):
    said = SILENCE * 2 + speak("Hey Jarvis.") + SILENCE
    assert hits(listen(engine, "hey_jarvis", threshold=0.99999), said) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_after_a_reset_it_hears_as_if_new_and_positions_go_on(speak, engine):
    said = speak("Hey Jarvis.") + SILENCE * 3
    wake = listen(engine, "hey_jarvis")
    first = hits(wake, said)
    wake.process(said[:20002])  # half a word, that must not be remembered
    heard = len(said) // 2 + 10001
    wake.reset()
    second = hits(wake, said)
    assert len(first) == len(second) == 1
    assert second[0].position == heard + first[0].position


def test_words_of_both_engines_are_heard_at_once(speak):
    settings = WakeSettings(
        word=(WordSettings("hey_jarvis"), WordSettings("alexa", engine="openwakeword"))
    )
    said = SILENCE + speak("Hey Jarvis.") + SILENCE + speak("Alexa.") + SILENCE
    assert names(hits(open_wake(settings), said)) == ["hey_jarvis", "alexa"]


# ---- the hub's


@pytest.fixture
async def hub_words():
    engine = WakeWords(HubWakeSettings())
    await engine.load()
    yield engine
    await engine.close()


async def detected(stream, pcm, frame):
    found = []
    for start in range(0, len(pcm), frame):
        found += await stream.process(pcm[start : start + frame])
    await stream.close()
    return [(hit.name, hit.position) for hit in found]


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_hub_hears_what_a_satellite_hears_and_streams_do_not_mix(
    hub_words, speak, engine
):
    pcm = [speak(text) + SILENCE * 2 for text, _ in SPOKEN]
    expected = [[(hit.name, hit.position) for hit in hits(listen(engine), sound)] for sound in pcm]
    assert [[name for name, _ in found] for found in expected] == [[word] for _, word in SPOKEN]
    streams = [hub_words.stream(WORDS, engine) for _ in pcm]
    found = await asyncio.gather(*map(detected, streams, pcm, (640, 2560, 100_000)))
    assert found == expected


async def test_a_stream_may_listen_to_words_of_both_programs(hub_words, speak):
    stream = hub_words.stream(["hey_rhasspy", "alexa"])
    sound = SILENCE.join([b"", speak("Alexa."), speak("Hey Rhasspy."), b""])
    assert [name for name, _ in await detected(stream, sound, 2048)] == ["alexa", "hey_rhasspy"]


def test_the_hub_knows_the_libraries_words():
    known = {(m.name, m.program): m for m in known_wake_words(HubWakeSettings())}
    loaded = [m for engine in ENGINES for m in listen(engine, *names_of(known, engine)).models]
    assert {(m.name, m.program): (m.phrase, m.languages) for m in loaded} == {
        key: (m.phrase, m.languages) for key, m in known.items()
    }


def names_of(known, program):
    return [name for name, of in known if of == program]
