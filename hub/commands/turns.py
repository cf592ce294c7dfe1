"""`parlour-hub turns`: the last turns, and where their time went."""

import datetime
import sys

from hub.config import Settings, store_path
from hub.store import Store


async def show_turns(settings: Settings, limit: int) -> int:
    """Print the last `limit` turns, newest first."""
    path = store_path(settings.store)
    if not path.exists():
        print(f"no turns yet in {path}", file=sys.stderr)
        return 0
    store = Store(path, text=settings.store.text, days=settings.store.days)
    for turn in await store.turns(limit):
        began = datetime.datetime.fromtimestamp(turn.began).astimezone()
        total = sum(seconds for _, seconds in turn.stages)
        print(f"{began:%Y-%m-%d %H:%M:%S}  {turn.room}  {turn.outcome} in {total:.2f} s")
        if turn.said:
            print(f"    said:  {turn.said}")
        if turn.heard:
            print(f"    heard: {turn.heard}")
        print("    " + "  ".join(f"{name} +{seconds:.2f}" for name, seconds in turn.stages))
        if turn.intent:
            print(f"    done as {turn.intent}")
        if turn.work:
            print(f"    {describe_work(turn.work)}")
    return 0


def describe_work(work: dict[str, int]) -> str:
    """Say in words what was reused and what thrown away."""
    tokens = f"{work['reused_tokens']} of {work['prompt_tokens']} prompt tokens reused"
    if work["speculated"]:
        early = "answer begun before the end was known"
    else:
        early = "answer begun at the end"
    parts = [tokens, f"{work['generated_tokens']} tokens written", early]
    if work["revisions"]:
        parts.append(f"thrown away {work['revisions']}x")
    if work["reopened"]:
        parts.append(f"went on after the end {work['reopened']}x")
    return ", ".join(parts)
