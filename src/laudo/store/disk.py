"""Files that are there whole or not at all, and what is said when they cannot be written."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from laudo.errors import InputError, LaudoError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; synced and renamed onto it when the block ends well, else removed."""
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        with writing(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says against writing (no room, no permission) into one message about `path`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error.strerror or str(error)) from error


def cannot_write(path: Path, reason: str) -> LaudoError:
    """Returns the error for a file that cannot be written, with what the system says."""
    return LaudoError(
        f"cannot write ({reason})",
        where=str(path),
        fix="make room or correct the permissions, then run the command again; what is finished is kept",
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Reads JSON that laudo wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(
            "this file is damaged",
            where=str(path),
            fix=f"delete the folder {path.parent} and run the command again",
        ) from error
