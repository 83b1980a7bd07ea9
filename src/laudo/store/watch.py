"""Files that were needed and could not be used, and whether they have changed since.

Only these are looked at. A corpus of 600,000 files on a network disk cannot be looked at for each command.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LIMIT = 1000
"""The most files that are watched for a table; of more, the first ones by their path stand for all."""


def stamp(path: Path) -> str:
    """Returns size and time of change of a file or folder; empty where it is not there.

    The time of change (ctime) also tells a file that was copied with its old date, and corrected permissions.
    """
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_ctime_ns}"


def stamps(*paths: Path) -> dict[str, str]:
    """Returns the stamps of files by their absolute path, as the column `watched` has them."""
    return {str(path.absolute()): stamp(path) for path in paths}


def limited(watched: Mapping[str, str]) -> dict[str, str]:
    """Returns those that are watched, of all files that could be."""
    return dict(sorted(watched.items())[:LIMIT])


def changed(watched: Mapping[str, str]) -> list[str]:
    """Returns the files that are there now and are not as they were; an absent disk changes nothing."""
    return [path for path, before in watched.items() if stamp(Path(path)) not in ("", before)]
