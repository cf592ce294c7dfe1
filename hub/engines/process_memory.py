"""How much main memory a process and those that it started take; Linux."""

from pathlib import Path

_PROC = Path("/proc")


def memory_of(pid: int, most: int) -> int:
    """Return the resident bytes of a process and its descendants; 0 where it has ended. Blocks.

    Pages that several of them share count once for each, and such sums are an upper bound. Only
    where it is over `most` the kernel is asked for each one's true share, which takes it longer
    (proc(5), smaps_rollup).
    """
    family = _family(pid)
    resident = sum(_field(_PROC / str(one) / "status", "VmRSS:") for one in family)
    if resident <= most:
        return resident
    shares = [_field(_PROC / str(one) / "smaps_rollup", "Pss:") for one in family]
    return sum(shares) or resident  # a kernel may have no such file


def _family(pid: int) -> list[int]:
    """Return the process and its descendants."""
    found, next_ones = [], [pid]
    while next_ones:
        one = next_ones.pop()
        found.append(one)
        try:
            for children in (_PROC / str(one) / "task").glob("*/children"):
                next_ones += map(int, children.read_text().split())
        except OSError:
            continue  # it ended meanwhile
    return found


def _field(path: Path, name: str) -> int:
    """Return a field of one of /proc's files, in bytes; 0 where it is not there."""
    try:
        for line in path.read_text(errors="replace").splitlines():  # names may be of any bytes
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it ended meanwhile
    return 0
