"""Locks between processes that share a run: one writer of a partition, or several shards of it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from laudo.errors import LaudoError
from laudo.progress import note
from laudo.store.disk import writing

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX


class Held(LaudoError):
    """A partition that another process is making."""


@contextmanager
def lock_file(path: Path) -> Iterator[IO[str]]:
    """An open file to lock; its locks end with the block."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # For reading and writing: where flock is emulated (NFS), a shared lock needs a file open for reading,
        # an exclusive one a file open for writing.
        file = path.open("a+")
    with file:
        yield file


def hold(file: IO[str], how: int, *, what: str) -> None:
    """Takes a lock, or changes one that is held, without waiting.

    Raises:
        Held: another process has it.
        LaudoError: the disk has no locks.
    """
    _flock(file, how | fcntl.LOCK_NB, what)


def wait_for(file: IO[str], how: int, *, what: str) -> None:
    """Takes a lock as soon as it is free, and says so if it has to wait."""
    try:
        _flock(file, how | fcntl.LOCK_NB, what)
    except Held:
        note(f"waiting for another process, which uses {what}")
        _flock(file, how, what)


def _flock(file: IO[str], how: int, what: str) -> None:
    try:
        fcntl.flock(file, how)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: which of them depends on the file system
        raise Held(f"another process is making {what}", fix="wait for it, or stop it") from None
    except OSError as error:
        raise LaudoError(
            f"this disk cannot lock files ({error.strerror})",
            where=file.name,
            fix="put the run on a disk with locks: --runs FOLDER",
        ) from error
