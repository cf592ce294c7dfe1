"""How often somebody who pauses is cut off, against how long everybody waits for the answer.

Recordings of people, as they are and with a pause of 0.5 to 1 s put in between two words, are
played to the hub's own endpointer (`turn_replay`), by different rules: a fixed silence, Smart Turn
as it is usually taken, the hub's with and without words.
"""

import os

import numpy as np
import pytest
from pauses import LONGEST, OWN, SHORTEST, Said, interrupted, said
from processes import VOICE
from questions import QUESTIONS
from results import bar, percentile, progress, record, table
from sentences import SENTENCES
from speech_clips import Clip, other_recordings, shared_recordings
from turn_replay import Ask, Delays, End, remembered, replay

from hub.config import Settings, TurnSettings
from hub.conversation import endpoint
from hub.engines.choices import stt_model
from hub.engines.registry import make_stt, make_turn, make_vad
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import SPEECH, Converter

SECTION = "end-of-turn"
MOST = int(os.environ.get("PARLOUR_MOST_CLIPS", "80"))  # recordings of a folder
READY = 0.65  # seconds after the last word, before which no answer is there on two cores
FIXED = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
BASELINE = 0.8
PATIENCE = (0.5, 0.7, 1.0, 1.5)
CUT_OFF, DELAY = 0.10, 0.35  # the bar, as is 5 % at 0.6 s
PEOPLE = f"people, pauses of {SHORTEST} to {LONGEST} s put in"
OURS = f"our own voice, pauses of {SHORTEST} to {LONGEST} s put in"
ENOUGH = 20  # utterances to judge by
FINISHED, UNFINISHED = 0.25, 1.6  # seconds waited by Smart Turn as usual: 0.5 tells which


class Outcome:
    """What a rule did to some utterances, by the ends that it decided on in each."""

    def __init__(self, turns: list[list[End]]) -> None:
        self._turns = turns
        self.delays = [turn[-1].at - turn[-1].speech_end for turn in turns if turn]

    def cut_off(self, ready: float) -> float:
        """Return the share of utterances that were cut off."""
        cut = sum(any(end.cut_off(ready) for end in turn) for turn in self._turns)
        return cut / len(self._turns)

    def figures(self) -> dict[str, float]:
        return {
            "cut off, as decided": self.cut_off(0),
            f"cut off, no answer before {READY} s": self.cut_off(READY),
            "delay p50": percentile(self.delays, 0.5),
            "delay p90": percentile(self.delays, 0.9),
            "delay mean": float(np.mean(self.delays)),
        }


@pytest.fixture(scope="module")
def _models():
    try:
        path_of("smart-turn-v3.2")
        path_of(stt_model(Settings()))
    except ModelMissing:
        pytest.skip("run: make models")


def some(clips: list[Clip]) -> list[Clip]:
    """Return up to `MOST` of them, from all over the list."""
    count = min(MOST, len(clips))
    return [clips[number * len(clips) // count] for number in range(count)]


def spoken(voice, text: str) -> bytes:
    converter = Converter(VOICE, SPEECH)
    return converter.process(voice(text)) + converter.flush()


async def sets(voice, vad, whisper) -> dict[str, list[Said]]:
    people = [*shared_recordings(), *some(other_recordings())]
    progress(f"end of turn: {len(people)} recordings of people")
    own = [spoken(voice, text) for text in [*SENTENCES, *QUESTIONS]]
    whole = [await said(clip.pcm, vad) for clip in people]
    put_in = [await interrupted(clip.pcm, vad, whisper) for clip in people]
    ours = [await interrupted(pcm, vad, whisper) for pcm in own]
    found = {
        PEOPLE: put_in,
        f"people, their own pauses of {OWN} s and more": [s for s in whole if s and s.pauses],
        "people, without a pause": [s for s in whole if s and not s.pauses],
        OURS: ours,
    }
    return {label: [s for s in these if s is not None] for label, these in found.items()}


def as_usual(probability, *_):
    """Smart Turn alone, in the way of the pipecat project."""
    if probability is None:
        return UNFINISHED
    return FINISHED if probability >= 0.5 else UNFINISHED


async def outcomes(these: list[Said], turn: Ask, words: Ask, patch) -> dict[str, Outcome]:
    async def by(settings: TurnSettings, **engines) -> Outcome:
        return Outcome([await replay(s, settings, **engines) for s in these])

    long = 60.0  # nobody is cut for speaking long
    rules = {
        f"silence of {seconds} s": await by(TurnSettings(silence=seconds, max_speech=long))
        for seconds in FIXED
    }
    with patch.context() as usual:
        usual.setattr(endpoint, "silence_wanted", as_usual)
        rules["Smart Turn at 0.5"] = await by(TurnSettings(max_speech=long), turn=turn)
    rules["ours without words"] = await by(TurnSettings(max_speech=long), turn=turn)
    for patience in PATIENCE:
        settings = TurnSettings(patience=patience, max_speech=long)
        name = "ours" if patience == 1 else f"ours, patience {patience}"
        rules[name] = await by(settings, turn=turn, words=words)
    return rules


async def test_people_who_pause_are_seldom_cut_off_and_others_seldom_wait(
    _models, voice, monkeypatch
):
    from faster_whisper import WhisperModel

    settings = Settings()
    whisper = WhisperModel(str(path_of(stt_model(settings))), device="cpu", compute_type="int8")
    vad, stt, model = make_vad(settings), make_stt(settings), make_turn(settings)
    for engine in (vad, stt, model):
        await engine.load()

    async def heard(pcm: bytes) -> str:
        return (await stt.transcribe(pcm, language="en")).text

    delays = Delays()
    print(f"\nSmart Turn answers after {delays.turn} s, speech-to-text after {delays.words} s")
    judged = {}
    try:
        for label, these in (await sets(voice, vad, whisper)).items():
            if not these:
                print(f"{label}: none here")
                continue
            turn, words = remembered(model.probability), remembered(heard)
            rules = await outcomes(these, turn, words, monkeypatch)
            show(label, these, rules)
            if label in (PEOPLE, OURS) and len(these) >= ENOUGH:
                judged[label] = rules
    finally:
        for engine in (vad, stt, model):
            await engine.close()
    if PEOPLE not in judged:
        print("too few recordings of people to judge by (PARLOUR_SPEECH)")
    met = [bars(label, rules) for label, rules in judged.items()]  # each is written down
    assert all(met)


def show(label: str, these: list[Said], rules: dict[str, Outcome]) -> None:
    pauses = sum(len(s.pauses) for s in these)
    figures = {rule: outcome.figures() for rule, outcome in rules.items()}
    record(SECTION, {label: {"utterances": len(these), "pauses": pauses, **figures}})
    rows = [(rule, *found.values()) for rule, found in figures.items()]
    title = f"{label}: {len(these)} utterances, {pauses} pauses of {OWN} s and more"
    table(title, ("rule", *figures["ours"]), rows)


def bars(label: str, rules: dict[str, Outcome]) -> bool:
    """Judge by people alone, and of our own voice whether the rule is better than none."""
    ours, fixed = rules["ours"], rules[f"silence of {BASELINE} s"]
    cut, delay = ours.cut_off(READY), percentile(ours.delays, 0.5)
    fixed_cut, fixed_delay = fixed.cut_off(READY), percentile(fixed.delays, 0.5)
    than = f"as a share of that with a silence of {BASELINE} s, {label}"
    met = [
        bar(SECTION, f"cut off, {than}", cut / max(1e-9, fixed_cut), at_most=1, unit=""),
        bar(SECTION, f"delay p50, {than}", delay / fixed_delay, at_most=1, unit=""),
    ]
    if label == PEOPLE:
        met += [
            bar(SECTION, f"cut off, {label}", 100 * cut, at_most=100 * CUT_OFF, unit="%"),
            bar(SECTION, f"delay p50, {label}", delay, at_most=DELAY),
        ]
    return all(met)
