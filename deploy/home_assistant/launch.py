"""Starts Home Assistant on a Python that is older by a patch than it asks for.

Two default integrations are left out, which do nothing but ask hosts on the internet.
"""

import sys

from homeassistant import bootstrap, const

const.REQUIRED_PYTHON_VER = min(const.REQUIRED_PYTHON_VER, tuple(sys.version_info[:3]))
for name in ("analytics", "marketplace"):
    getattr(bootstrap, "DEFAULT_INTEGRATIONS", set()).discard(name)

from homeassistant.__main__ import main  # noqa: E402 - it makes its check while it is imported

sys.exit(main())
