"""A turn as it is shown: its state, its text, and where its time went."""

from hub.conversation.turn import Mark, Turn
from hub.live.state import Clause, Span, TurnSound, TurnState, TurnView

# Bars that are drawn between two moments.
_BETWEEN = (
    ("speech", (Mark.SPEECH_START,), Mark.SPEECH_END),
    ("play", (Mark.FIRST_AUDIO_PLAYED, Mark.FIRST_AUDIO_SENT), Mark.DONE),  # (not all report it)
)


def spans_of(turn: Turn) -> tuple[Span, ...]:
    """Return the bars of its waterfall, by when they begin; nothing lasts longer than the turn."""
    marks = turn.record.marks
    if not marks:
        return ()
    began, done = min(marks.values()), marks.get(Mark.DONE)
    spans = [
        Span(
            span.stage,
            round(max(0.0, span.begin - began), 4),
            _end(span.end, began, done),
            span.dropped,
            span.speculative,
            span.detail,
        )
        for span in turn.record.spans
    ]
    for stage, ones, other in _BETWEEN:
        if (begin := next((marks[one] for one in ones if one in marks), None)) is not None:
            end = _end(marks.get(other), began, done)
            spans.append(Span(stage, round(begin - began, 4), end))
    return tuple(sorted(spans, key=lambda span: span.begin))


def _end(end: float | None, began: float, done: float | None) -> float | None:
    if end is None or (done is not None and end > done):
        end = done
    return None if end is None else round(end - began, 4)


def state_of(turn: Turn) -> TurnState:
    """Return how far a turn has come."""
    marks = turn.record.marks
    if turn.ended:
        return "ended"
    if turn.playback.started:
        return "speaking"
    known = Mark.END_OF_TURN in marks or Mark.CONFIRMED in marks or turn.transcript
    return "thinking" if known else "listening"


def view_of(
    turn: Turn, *, partial: str, reply: list[Clause], problem: str, sound: TurnSound
) -> TurnView:
    """Return a turn as it is shown.

    Args:
        turn: the turn.
        partial: what was recognised so far.
        reply: what is written of the reply.
        problem: why it failed.
        sound: which sound of it is kept.
    """
    marks = turn.record.marks
    began = min(marks.values(), default=0.0)
    return TurnView(
        id=turn.id,
        room=turn.room,
        began=turn.began,
        state=state_of(turn),
        outcome=str(turn.outcome or ""),
        announcement=turn.announcement,
        partial=partial,
        said=turn.transcript,
        reply=reply,
        heard=turn.playback.heard(),
        problem=problem,
        intent=turn.record.intent,
        marks={mark.value: round(at - began, 4) for mark, at in marks.items()},
        spans=list(spans_of(turn)),
        work=turn.record.work(),
        sound=sound,
    )
