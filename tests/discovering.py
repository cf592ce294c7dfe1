"""Names of services for tests that announce them for real."""

import secrets

import pytest

from protocol import discovery


def unique_name() -> str:
    """Return a name that no other service has; skip the test where there is no network."""
    try:
        discovery._interfaces()
    except OSError:
        pytest.skip("this machine is in no network")
    return f"test-{secrets.token_hex(4)}"
