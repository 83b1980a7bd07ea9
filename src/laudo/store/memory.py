"""How much memory there is for this process and its workers, in bytes."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def available() -> int:
    """Returns the memory that is free: of the machine, and within each limit of the process's control groups.

    Pages of files that the system would give up count as free. Where the system says nothing of it, as on
    macOS, half of the machine's memory counts.
    """
    machine = _field(_PROC / "meminfo", "MemAvailable")
    if machine is None:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return max(0, min([machine * 1024, *map(_free, _groups())]))


def _groups() -> list[Path]:
    """The folders of this process's control groups of both versions, up to their roots.

    A container sees its own group as the root, whatever /proc says, so that the roots are looked at too.
    """
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        own = root / path.lstrip("/")
        groups += [own, *(parent for parent in own.parents if parent.is_relative_to(root))]
    return groups


def _free(group: Path) -> int:
    """What a group may still take; a very large number where it has no limit."""
    limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes")
    if limit is None or used is None:
        return 2**63
    cached = _field(group / "memory.stat", "inactive_file") or 0
    return limit - used + cached


def _number(path: Path) -> int | None:
    """The number in a file; None where there is no file, or `max` in it."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int | None:
    """The number that follows a name in a file of the system."""
    try:
        found = re.search(rf"^{name}:?\s+(\d+)", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
