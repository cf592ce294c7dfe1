"""How long it takes to tell whether a sentence is a command, since that holds up the event loop."""

import sys
import time
from pathlib import Path

from results import bar, percentile, record, spread, table
from sentences import SENTENCES

from hub.home.sentences import Sentences

sys.path.append(str(Path(__file__).parents[1] / "unit"))  # where the commands are

from test_sentences import COMMANDS, NO_COMMANDS

SECTION = "commands"


def test_recognition_takes_no_time():
    began = time.perf_counter()
    english = Sentences(["en"])
    load = time.perf_counter() - began
    kinds = {
        "commands": [said for said, _, _ in COMMANDS],
        "what is nearly one": [line for line in NO_COMMANDS.splitlines() if line],
        "ordinary sentences": SENTENCES,
    }
    rows, figures, most = [], {"load": load}, 0.0
    for kind, texts in kinds.items():
        times = []
        for text in texts:
            began = time.perf_counter()
            english.recognise(text)
            times.append(time.perf_counter() - began)
        p50, p95 = (1000 * percentile(times, share) for share in (0.5, 0.95))
        rows.append([kind, len(times), f"{p50:.2f}", f"{p95:.2f}", f"{1000 * max(times):.2f}"])
        figures[kind] = spread(times)
        most = max(most, p95)
    title = "Whether a sentence is a command, in English"
    table(title, ["", "sentences", "p50 ms", "p95 ms", "most ms"], rows)
    record(SECTION, figures)
    assert bar(SECTION, "recognition of a command, 95th percentile", most, at_most=5.0, unit="ms")
