"""Which sentences are commands, as Whisper writes them, and which are not."""

import time

import honesty_cases
import honesty_more_cases
import honesty_spoken_chat
import pytest
import sentences as tongue

from hub.home.english import duration, in_seconds, kind, plain
from hub.home.sentences import Sentences


@pytest.fixture(scope="module")
def english():
    return Sentences(["en"])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("10 minutes", "600 seconds"),
        ("an hour and a half", "5400 seconds"),
        ("one and a half hours", "5400 seconds"),
        ("1.5 hours", "5400 seconds"),
        ("a half-hour timer", "1800 seconds timer"),
        ("half an hour", "1800 seconds"),
        ("a quarter of an hour", "900 seconds"),
        ("two hours, 20 minutes and 5 seconds", "8405 seconds"),
        ("twenty-five minutes", "1500 seconds"),
        ("a hundred and twenty seconds", "120 seconds"),
        ("a couple of minutes", "120 seconds"),
        ("five more minutes", "300 seconds"),
        ("another minute", "60 seconds"),
        ("2 and a half minutes", "150 seconds"),
        ("5 minutes and then 10 minutes", "300 seconds and then 600 seconds"),
        ("fifty percent", "50 percent"),
        ("a minute's walk and a secondary school", "60 seconds's walk and a secondary school"),
        ("twenty questions", "twenty questions"),
    ],
)
def test_durations_become_seconds(said, meant):
    assert in_seconds(plain(said)) == meant


def test_durations_are_said_as_people_say_them():
    assert duration(5400) == "1 hour and 30 minutes"
    assert duration(3661) == "1 hour, 1 minute and 1 second"
    assert duration(60) == "1 minute"
    assert kind(90) == "1 minute 30 second"


START, CANCEL, ALL = "HassStartTimer", "HassCancelTimer", "HassCancelAllTimers"
MORE, LESS = "HassIncreaseTimer", "HassDecreaseTimer"
PAUSE, RESUME, STATUS = "HassPauseTimer", "HassUnpauseTimer", "HassTimerStatus"
VOLUME, STEP = "HassSetVolume", "HassSetVolumeRelative"
REPEAT, NOTHING = "ParlourRepeat", "HassNevermind"

COMMANDS = [
    ("Set a timer for 10 minutes.", START, {"seconds": 600}),
    ("Set the timer for ten minutes, please.", START, {"seconds": 600}),
    ("Could you set a timer for 45 seconds?", START, {"seconds": 45}),
    ("Start a five minute countdown", START, {"seconds": 300}),
    ("Ten minute timer.", START, {"seconds": 600}),
    ("Timer, ten minutes.", START, {"seconds": 600}),
    ("5-minute timer please", START, {"seconds": 300}),
    ("Set a second timer for 3 minutes.", START, {"seconds": 180}),
    ("Okay, set another timer for an hour and a half.", START, {"seconds": 5400}),
    ("Set a timer for two hours and fifteen minutes.", START, {"seconds": 8100}),
    ("Sat a timer for five minutes.", START, {"seconds": 300}),
    ("Set a time or for five minutes.", START, {"seconds": 300}),
    ("Set a pizza timer for 12 minutes.", START, {"seconds": 720, "name": "pizza"}),
    ("Set a 12 minute pizza timer.", START, {"seconds": 720, "name": "pizza"}),
    ("Set a timer for 12 minutes called pizza.", START, {"seconds": 720, "name": "pizza"}),
    ("Start a timer for the eggs for four minutes.", START, {"seconds": 240, "name": "eggs"}),
    ("Set a timer for an hour for the roast.", START, {"seconds": 3600, "name": "roast"}),
    ("Put on a green tea timer for 3 minutes.", START, {"seconds": 180, "name": "green tea"}),
    ("Set a timer.", START, {}),
    ("I need a timer for pasta.", START, {"name": "pasta"}),
    ("Start a timer for the pizza, 10 minutes.", START, {"seconds": 600, "name": "pizza"}),
    ("Can I have a 5 minute timer?", START, {"seconds": 300}),
    ("Set an alarm for ten minutes.", START, {"seconds": 600}),
    ("Wake me up in twenty minutes.", START, {"seconds": 1200}),
    ("Set a timer for 10.", START, {}),
    ("Tell me when ten minutes are up.", START, {"seconds": 600}),
    ("Cancel the timer.", CANCEL, {}),
    ("Stop the timer!", CANCEL, {}),
    ("Turn off my timer", CANCEL, {}),
    ("Turn the timer off.", CANCEL, {}),
    ("Delete the pizza timer.", CANCEL, {"name": "pizza"}),
    ("Cancel the 10 minute timer.", CANCEL, {"start_seconds": 600}),
    ("Cancel all timers.", ALL, {}),
    ("Stop all of my timers.", ALL, {}),
    ("Clear my timers.", ALL, {}),
    ("Cancel all timers in the house.", ALL, {"everywhere": True}),
    ("Add five minutes to the timer.", MORE, {"seconds": 300}),
    ("Add two more minutes to the pizza timer.", MORE, {"seconds": 120, "name": "pizza"}),
    ("Extend the timer by half an hour.", MORE, {"seconds": 1800}),
    ("Give me another 5 minutes.", MORE, {"seconds": 300}),
    ("Take two minutes off the pizza timer.", LESS, {"seconds": 120, "name": "pizza"}),
    ("Shorten the timer by 30 seconds.", LESS, {"seconds": 30}),
    ("Pause the timer.", PAUSE, {}),
    ("Pause the egg timer, please.", PAUSE, {"name": "egg"}),
    ("Resume the timer.", RESUME, {}),
    ("Continue the pizza timer.", RESUME, {"name": "pizza"}),
    ("How much time is left on the timer?", STATUS, {}),
    ("How long is left on the pasta timer?", STATUS, {"name": "pasta"}),
    ("How long does the pizza timer have left?", STATUS, {"name": "pizza"}),
    ("When will my timer go off?", STATUS, {}),
    ("How much longer on the timer?", STATUS, {}),
    ("What timers do I have?", STATUS, {"all": True}),
    ("How much time is left?", STATUS, {}),
    ("Set the volume to 50%.", VOLUME, {"volume_level": 50}),
    ("Set the volume to fifty percent.", VOLUME, {"volume_level": 50}),
    ("Set volume to 7.", VOLUME, {"tenths": 7}),
    ("Volume three.", VOLUME, {"tenths": 3}),
    ("Set the volume to 50.", VOLUME, {"volume_level": 50}),
    ("Full volume.", VOLUME, {"volume_level": 100}),
    ("Louder!", STEP, {"volume_step": "up"}),
    ("Turn the volume up a bit.", STEP, {"volume_step": "up"}),
    ("Turn down the volume, please.", STEP, {"volume_step": "down"}),
    ("A little quieter, please.", STEP, {"volume_step": "down"}),
    ("You're too loud.", STEP, {"volume_step": "down"}),
    ("Increase the volume by twenty percent.", STEP, {"volume_step": 20}),
    ("Turn the volume down by 20 percent.", STEP, {"volume_step": -20}),
    ("Repeat that.", REPEAT, {}),
    ("Can you say that again?", REPEAT, {}),
    ("What did you say?", REPEAT, {}),
    ("Sorry, I didn't catch that.", REPEAT, {}),
    ("Never mind.", NOTHING, {}),
    ("Cancel that.", NOTHING, {}),
]


@pytest.mark.parametrize(("said", "intent", "slots"), COMMANDS, ids=[c[0] for c in COMMANDS])
def test_commands_are_recognised(english, said, intent, slots):
    found = english.recognise(said)
    assert found is not None
    assert (found.intent, dict(found.slots)) == (intent, slots)


NO_COMMANDS = """
How long does it take to boil an egg?
What time does the sun set?
Tell me a story about a timer.
How do I set a timer on my oven for ten minutes?
What is a pizza timer?
Stop telling me about the timer.
Why does the kitchen timer tick?
I waited ten minutes for the bus.
Turn on the light for ten minutes.
Turn off the lights in five minutes.
Set the thermostat to 20.
Set the lamp to fifty percent.
Add milk to the shopping list.
Who invented the timer?
Can you repeat the alphabet backwards?
Repeat after me, I am a fish.
What did you say about Rome?
How loud is a jet engine?
Is louder music bad for your ears?
Pause the music.
Resume the film.
What's the volume of a cube?
How many minutes are in a day?
How long is the Nile?
What does never mind mean?
Set a timer for 7:30.
Set a timer for noon.
Set the oven to 200 degrees for 10 minutes.
Give me ten seconds of silence.
Set a timer for ten minutes and turn off the light.
"""


def strings(module):
    for name, value in vars(module).items():
        if "ORDINARY" in name.upper() or "CHAT" in name.upper():
            yield from value.splitlines() if isinstance(value, str) else value


def test_ordinary_sentences_are_no_commands(english):
    ordinary = [line for line in NO_COMMANDS.splitlines() if line]
    for module in (honesty_cases, honesty_more_cases, honesty_spoken_chat):
        ordinary += [text for text in strings(module) if isinstance(text, str)]
    ordinary += tongue.SENTENCES
    assert len(ordinary) > 400
    found = {text: english.recognise(text) for text in ordinary}
    taken = {text: f.intent for text, f in found.items() if f and f.intent not in (REPEAT, NOTHING)}
    assert not taken


def test_no_sentence_however_odd_takes_long(english):
    odd = [
        "set a timer for " + "10 minutes and " * 8,
        "cancel the " + "very " * 25 + "long timer",
        "how " * 35,
        "a" * 150,
        "timer " * 24,
    ]
    began = time.process_time()
    for text in odd:
        english.recognise(text[:150])
    assert time.process_time() - began < 5.0  # a guard against hassil's exponents, and no figure


@pytest.mark.parametrize(
    ("language", "said", "intent", "slots"),
    [
        ("de", "Stelle einen Timer auf 10 Minuten.", START, {"minutes": 10}),
        ("de", "Wie spät ist es?", "HassGetCurrentTime", {}),
        ("de", "Lauter bitte.", STEP, {"volume_step": "up"}),
        ("de", "Was hast du gesagt?", REPEAT, {}),
        ("fr", "Mets un minuteur de 5 minutes.", START, {"minutes": 5}),
        ("fr", "Quelle heure est-il ?", "HassGetCurrentTime", {}),
        ("fr", "Répète ça.", REPEAT, {}),
        ("es", "¿Qué hora es?", "HassGetCurrentTime", {}),
        ("es", "Sube el volumen.", STEP, {"volume_step": "up"}),
        ("nl", "Hoe laat is het?", "HassGetCurrentTime", {}),
    ],
)
def test_other_languages_are_understood_where_there_are_sentences(language, said, intent, slots):
    found = Sentences([language]).recognise(said)
    assert found is not None
    assert (found.intent, {key: found.slots[key] for key in slots}) == (intent, slots)


def test_a_language_without_sentences_is_no_error():
    assert Sentences(["xx"]).languages == ()
    assert Sentences(["xx"]).recognise("Set a timer.") is None
    assert Sentences(["en", "de"]).recognise("Pausiere den Timer.").intent == PAUSE
