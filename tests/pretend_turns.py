"""Turns of ours, which a page shows in place of the hub's."""

import time

import msgspec

from hub.live.state import Clause, HubView, RoomView, Snapshot, Span, TurnView

WAIT = 30_000  # ms until what a test waits for has come


def turn(number, room="Kitchen", **changes):
    """A turn with all that can be shown of one."""
    begin = time.time() - 1000 + number
    state = changes.pop("state", "ended")
    spans = [
        Span("speech", 0.3, 1.5),
        Span("transcribe", 0.9, 1.1, dropped=True, speculative=True),
        Span("transcribe", 1.6, 1.8, speculative=True),
        Span("write", 1.81, 2.6),
        Span("speak", 2.1, 2.2),
        Span("play", 2.3, 4.0),
    ]
    marks = {"wake": 0.0, "speech_start": 0.3, "speech_end": 1.5, "transcript": 1.8}
    marks |= {"end_of_turn": 1.75, "first_audio_played": 2.3, "last_token": 2.6, "done": 4.0}
    said = changes.pop("said", f"Question {number}?")
    reply = [Clause("The first half", True), Clause("and the second.", True)]
    about = {"outcome": "answered", "said": said, "reply": reply, "marks": marks, "spans": spans}
    about["heard"] = "The first half and the second."
    return TurnView(f"t{number}", room, begin, state, **(about | changes))


def snapshot(*turns):
    view = HubView("Parlour", "0.0", time.time(), True, [], "", False)
    rooms = [RoomView("Kitchen", "satellite", "idle")]
    return Snapshot(time.time(), view, rooms, list(turns), [], [], [])


async def pretend_events(page, first, shows="Ready"):
    """Give the page events of ours in place of the hub's; returns a way to send more."""
    sockets = []

    def taken(socket):
        sockets.append(socket)
        socket.send(msgspec.json.encode(first).decode())

    await page.route_web_socket("**/api/events", taken)
    await page.reload()
    await page.locator("#readiness-text", has_text=shows).wait_for(timeout=WAIT)

    def send(event):
        sockets[-1].send(msgspec.json.encode(event).decode())

    send.sockets = sockets
    return send
