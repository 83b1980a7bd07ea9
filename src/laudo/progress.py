"""One line of progress with the time left, on standard error: in place on a terminal, else every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_QUIET_SECONDS = 5.0


class Progress:
    """`with Progress("translate", total) as progress: progress.add(32)`.

    `already` is what an earlier run finished; it counts as done but not towards the speed.
    """

    def __init__(self, name: str, total: int, *, already: int = 0) -> None:
        self._name, self._total, self._already, self._done = name, total, already, already
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def add(self, count: int = 1) -> None:
        """Counts `count` more as done."""
        self._done += count
        now = time.monotonic()
        if sys.stderr.isatty() or now - self._shown >= _QUIET_SECONDS:
            self._shown = now
            self._show(self._left(now))

    def _left(self, now: float) -> str:
        made = self._done - self._already
        seconds = (now - self._start) / made * (self._total - self._done) if made else 0.0
        return f"about {_duration(seconds)} left"

    def _show(self, tail: str) -> None:
        share = 100 * self._done // self._total if self._total else 100
        line = f"{self._name}: {self._done}/{self._total} ({share}%), {tail}"
        print(
            f"\r\x1b[K{line}" if sys.stderr.isatty() else line,
            end="" if sys.stderr.isatty() else "\n",
            file=sys.stderr,
            flush=True,
        )

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._done > self._already:
            self._show(_duration(time.monotonic() - self._start))
        if sys.stderr.isatty():
            print(file=sys.stderr)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
