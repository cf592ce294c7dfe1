"""Sound files, good and bad, for what Schemathesis uploads (see tests/unit/test_openapi.py)."""

import schemathesis
from hypothesis import strategies
from web_hub import QUESTION, wav

_sounds = strategies.sampled_from(
    [wav(), wav(QUESTION[:20_000], 8000, 2), wav(b""), wav()[:30_000], b"", b"no sound"]
)
schemathesis.openapi.media_type("audio/*", strategies.one_of(_sounds, strategies.binary()))
