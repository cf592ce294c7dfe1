"""What benchmarks measured: one JSON file for all of them, and tables to read.

`bench-results/results.json` has `machine` (the last one that measured), `sections` (each with the
commit and the time at which it was measured) and `bars`: what issue and design ask for, beside what
was measured. A part that runs alone replaces its own section and bars and leaves the others.
"""

import datetime
import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bench-results"
FILE = FOLDER / "results.json"
_LIBRARIES = (
    "faster-whisper",
    "ctranslate2",
    "llama-cpp-python",
    "hibari-tts",
    "onnxruntime",
    "wyoming",
    "numpy",
)


def record(section: str, figures: Mapping[str, Any]) -> None:
    """Merge `figures` (whatever JSON takes) into a section; equal keys are replaced.

    Args:
        section: for example "turn"; a part of the benchmarks, the word for `make bench ONLY=`.
        figures: numbers in seconds, bytes or shares of one, unless the key names another unit.
    """
    with _results() as results:
        mine = results["sections"].setdefault(section, {})
        mine.update(_plain(figures))
        mine["measured"] = {"at": _now(), "commit": _commit()}


def bar(
    section: str,
    name: str,
    measured: float,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    unit: str = "s",
) -> bool:
    """Put a measured figure beside its bar, in the JSON and in the table at the end.

    Args:
        section: as in `record`.
        name: what it is, in words; a second one of the same section and name replaces the first.
        measured: the figure.
        at_most: the bar, where less is better.
        at_least: the bar, where more is better.
        unit: "s", "ms", "MB", "%", or "" for a ratio or a count.

    Returns:
        Whether the bar is met. Assert it last, when all figures are recorded.
    """
    if (at_most is None) == (at_least is None):
        raise ValueError("a bar has either at_most or at_least")
    limit = at_most if at_most is not None else at_least
    ok = bool(measured <= limit if at_most is not None else measured >= limit)
    row = {
        "section": section,
        "name": name,
        "measured": float(measured),
        "bar": float(limit),
        "better": "less" if at_most is not None else "more",
        "unit": unit,
        "ok": ok,
        "at": _now(),
    }
    with _results() as results:
        same = (section, name)
        others = [old for old in results["bars"] if (old["section"], old["name"]) != same]
        results["bars"] = [*others, row]
    return ok


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0..1) of all are at most, interpolated between neighbours."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return count, p50, p95, least and most of some figures, for `record`."""
    return {
        "count": len(values),
        "p50": percentile(values, 0.5),
        "p95": percentile(values, 0.95),
        "min": min(values),
        "max": max(values),
    }


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table: the first column to the left, all others to the right.

    Floats are printed with three digits; anything else as it is.
    """
    texts = [[_text(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(texts):
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join([first, *rest]).rstrip())
        if number == 0:
            print("  " + "-" * (sum(widths) + 2 * (len(widths) - 1)))


def progress(text: str) -> None:
    """Say what a long measurement is at."""
    print(f"  {datetime.datetime.now():%H:%M:%S}  {text}", flush=True)


def print_bars(since: str = "") -> None:
    """Print every bar measured since `since` (as `now` returns it): measured, bar, whether met."""
    rows = [row for row in load()["bars"] if row["at"] >= since]
    if not rows:
        return
    head = ("what", "measured", "bar", "")
    table("bars", head, [_bar_row(row) for row in rows])
    missed = sum(not row["ok"] for row in rows)
    print(f"\n{len(rows) - missed} of {len(rows)} bars met")
    print(f"all figures: {FILE.relative_to(ROOT)}")


def load() -> dict[str, Any]:
    """Read what was measured so far."""
    try:
        found = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    return {"machine": {}, "sections": {}, "bars": [], **found}


def now() -> str:
    """Return the time as it is written into the file."""
    return _now()


def _bar_row(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    sign = "<=" if row["better"] == "less" else ">="
    unit = f" {row['unit']}" if row["unit"] else ""
    return (
        f"{row['section']}: {row['name']}",
        f"{row['measured']:.3g}{unit}",
        f"{sign} {row['bar']:.3g}{unit}",
        "ok" if row["ok"] else "MISSED",
    )


@contextmanager
def _results() -> Iterator[dict[str, Any]]:
    """Hold the file's lock, give its content, and write it in one step."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # no time-out: it is held for milliseconds
        results = load()
        yield results
        results["machine"] = _machine()
        partial = FILE.with_suffix(".part")
        partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        partial.replace(FILE)


def _plain(value: Any) -> Any:
    """Turn numpy's numbers and arrays, paths and the like into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _text(cell: Any) -> str:
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


@cache
def _commit() -> str:
    """Return the commit, with a + where files differ from it."""
    try:
        git = [
            "git",
            "--no-optional-locks",
            "describe",
            "--always",
            "--dirty=+",
            "--exclude=*",
            "--abbrev=12",
        ]
        done = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, timeout=20)
        return done.stdout.strip() or "unknown"
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@cache
def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_name(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
