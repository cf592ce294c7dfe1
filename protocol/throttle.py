"""Who fails too often is not answered for a while."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.access import address_of

_LOG = logging.getLogger(__name__)

_IPV6_SITE = 64  # bits: who has one address of such a network has all of them


@dataclass(slots=True)
class _Record:
    """The failures of one address, on the throttle's clock."""

    recent: deque[float] = field(default_factory=deque)
    last: float = 0.0
    refused_until: float = 0.0
    penalty: float = 0.0  # seconds; the last one


class Throttle:
    """Counts failures by address, and says which addresses to refuse.

    Args:
        failures: So many within `window` seconds begin a penalty.
        window: Seconds.
        first: The first penalty in seconds; each further one is twice as long.
        longest: No penalty is longer; without a failure for so long an address is forgotten.
        most: Addresses that are kept; of more, the one that failed longest ago is forgotten.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        window: float = 60.0,
        first: float = 15.0,
        longest: float = 600.0,
        most: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._window = window
        self._first = first
        self._longest = longest
        self._most = most
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()  # the latest failure last

    def __len__(self) -> int:
        return len(self._records)

    def refuses(self, host: str) -> bool:
        """Tell whether a peer from this address is to be hung up on."""
        record = self._records.get(site_of(host))
        return record is not None and self._clock() < record.refused_until

    def failed(self, host: str) -> None:
        """Count a failure; one line in the log when a penalty begins."""
        now, key = self._clock(), site_of(host)
        record = self._records.pop(key, None)
        if record is None or now - max(record.last, record.refused_until) > self._longest:
            record = _Record()
        self._records[key] = record
        if len(self._records) > self._most:
            self._records.popitem(last=False)
        record.last = now
        record.recent.append(now)
        while record.recent[0] < now - self._window:
            record.recent.popleft()
        if len(record.recent) >= self._failures:
            record.recent.clear()
            record.penalty = min(2 * record.penalty or self._first, self._longest)
            record.refused_until = now + record.penalty
            _LOG.warning(
                "%s failed %d times within %g s: not answered for %g s",
                key,
                self._failures,
                self._window,
                record.penalty,
            )

    def succeeded(self, host: str) -> None:
        """Forget the failures of an address that has shown to be a friend's."""
        self._records.pop(site_of(host), None)


def site_of(host: str) -> str:
    """Return what peers from an address are counted by: itself, or its IPv6 network."""
    address = address_of(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, _IPV6_SITE), strict=False))
    return str(address) if address is not None else host
