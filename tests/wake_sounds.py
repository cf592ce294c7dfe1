"""What tests of wake words share."""

FRAME = 1024  # bytes
SILENCE = bytes(32000)  # one second


def hits(wake, pcm, frame=FRAME):
    """Let a detector hear 16 kHz mono 16-bit sound, frame by frame."""
    pieces = [pcm[start : start + frame] for start in range(0, len(pcm), frame)]
    return [hit for piece in pieces if (hit := wake.process(piece)) is not None]


def names(found):
    return [hit.name for hit in found]
