"""`parlour-hub models`: list, pull and verify models."""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from hub.config import Settings
from hub.engines.choices import default_models
from hub.models import fetch
from hub.models.catalogue import Model, find_model, load_catalogue

_PLAIN_STEP = 0.1  # of a model, between two lines where there is no terminal


def list_models(settings: Settings) -> int:
    """Print the catalogue: which models there are, and which are here."""
    wanted = default_models(settings)
    for model in load_catalogue().values():
        states = fetch.verify(model)
        here = all(state.status is fetch.FileStatus.OK for state in states)
        default = " (default)" if model.name in wanted else ""
        print(
            f"{'*' if here else ' '} {model.role:<4} {model.name:<40} "
            f"{model.bytes / 1e6:7.0f} MB  {model.licence}{default}"
        )
    print(f"\n* is here, in {fetch.models_dir()}")
    return 0


def pull_models(settings: Settings, names: list[str]) -> int:
    """Fetch the named models, or the ones that the settings need."""
    models = [find_model(name) for name in names or default_models(settings)]
    console = Console(stderr=True)
    for model in models:
        if console.is_terminal:
            _pull_with_bar(model, console)
        else:
            _pull_with_lines(model)
        print(f"{model.name}: complete and verified, in {fetch.models_dir() / model.name}")
    return 0


def verify_models(names: list[str]) -> int:
    """Hash every file of the named models, or of all that are here; 1 if one is not right."""
    bad = 0
    root = fetch.models_dir()
    models = [find_model(name) for name in names] or [
        model for model in load_catalogue().values() if (root / model.name).is_dir()
    ]
    if not models:
        print(f"no models in {root}; run: parlour-hub models pull", file=sys.stderr)
        return 1
    for model in models:
        for state in fetch.verify(model, rehash=True):
            print(f"{model.name}: {state}")
            bad += state.status is not fetch.FileStatus.OK
    if bad:
        print("run: parlour-hub models pull NAME", file=sys.stderr)
    return 1 if bad else 0


def _pull_with_bar(model: Model, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task: TaskID = bar.add_task(model.name, total=model.bytes)

        def show(progress: fetch.Progress) -> None:
            bar.update(task, completed=progress.done_bytes, description=f"{model.name}")

        fetch.fetch(model, progress=show)


def _pull_with_lines(model: Model) -> None:
    shown, began = -_PLAIN_STEP, time.monotonic()

    def show(progress: fetch.Progress) -> None:
        nonlocal shown
        share = progress.done_bytes / max(1, progress.total_bytes)
        if share >= shown + _PLAIN_STEP:
            shown = share
            elapsed = time.monotonic() - began
            print(
                f"{model.name}: {share:4.0%} of {model.bytes / 1e6:.0f} MB, {elapsed:.0f} s",
                file=sys.stderr,
            )

    fetch.fetch(model, progress=show)
