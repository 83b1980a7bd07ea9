"""JSON lines: one object a line in, one out, as the filters take and give them.

Messages name file and line, and never quote the text: it may be a patient's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from laudo.errors import InputError


def parse(source: str, *, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields the objects of a file, or of standard input for `-`, as they arrive; blank lines are skipped.

    Raises:
        InputError: the file cannot be read, or a line is not an object whose `keys` are strings.
    """
    try:
        # In bytes, so that the line that is not UTF-8 can be named.
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    name = "standard input" if source == "-" else source
                    yield _parsed(line, where=f"{name}, line {number}", keys=keys)
    except OSError as error:
        raise InputError(
            f"cannot read {source}: {error.strerror}", fix="name a file, or - for standard input"
        ) from error


def write(row: Mapping[str, Any]) -> None:
    """Writes an object at once, so that a filter can be watched and can answer line by line."""
    sys.stdout.buffer.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()


def _parsed(line: bytes, *, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError("the line is not UTF-8", where=where) from None
    except (ValueError, RecursionError):
        raise InputError("the line is not JSON", where=where, fix="write one JSON object a line") from None
    if not isinstance(row, dict):
        raise InputError("the line is not a JSON object", where=where)
    for key in keys:
        if not isinstance(row.get(key), str):
            raise InputError(f"'{key}' is {'not a string' if key in row else 'missing'}", where=where)
        if not _is_text(row[key]):
            raise InputError(f"'{key}' holds half of a surrogate pair", where=where)
    return row


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
