"""How far a stage is, on standard error: a bar on a terminal, a line every few seconds in a file.

It counts items and measures time, and does not know what is counted. Rich is imported only for a bar.
"""

from __future__ import annotations

import sys
import time
import weakref
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """`with Progress("translate", total) as progress: progress.add(32)`.

    It also works without `with`, and then ends when `total` is reached or the object is gone.

    Args:
        name: what is counted, as the user knows it.
        total: how many items there are.
        already: how many of them an earlier run finished. They count as done, but not towards the speed.
    """

    def __init__(self, name: str, total: int, *, already: int = 0) -> None:
        self._total, self._already, self._done = total, already, already
        self._start = time.monotonic()
        self._display: _Bar | _Lines | None = None
        if already < total:
            self._display = _Bar(name, total, already) if sys.stderr.isatty() else _Lines(name, total)

    def __enter__(self) -> Progress:
        return self

    def add(self, count: int = 1) -> None:
        """Counts `count` more items as done."""
        self._done += count
        if self._done >= self._total:
            self._finish()
        elif self._display and self._done > self._already:
            left = _duration((self._total - self._done) / self._per_second)
            self._display.update(self._done, f"{self._rate}, about {left} left")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._done > self._already:
            self._finish()
        elif self._display:
            self._display.close()

    def _finish(self) -> None:
        """Shows, once, how far it came and the time that it took."""
        if self._display:
            self._display.finish(self._done, f"{self._rate}, {_duration(self._seconds)}")
            self._display = None

    @property
    def _seconds(self) -> float:
        return max(time.monotonic() - self._start, 1e-6)

    @property
    def _per_second(self) -> float:
        return (self._done - self._already) / self._seconds

    @property
    def _rate(self) -> str:
        """Items a second, or a minute if there are fewer than one a second."""
        rate = self._per_second
        return f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"


class _Lines:
    """Lines for a file: one every few seconds, and one at the end."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._last_line = time.monotonic()

    def update(self, done: int, times: str) -> None:
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._write(done, times)

    def finish(self, done: int, times: str) -> None:
        self._write(done, times)

    def close(self) -> None:
        pass

    def _write(self, done: int, times: str) -> None:
        percent = 100 * done // self._total if self._total else 100
        print(f"{self._name}: {done}/{self._total} ({percent}%), {times}", file=sys.stderr, flush=True)


class _Bar:
    """A bar of Rich for a terminal."""

    def __init__(self, name: str, total: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[times]}"),
            console=_console(),
        )
        self._task = self._rich.add_task(name, total=total, completed=done, times="")
        self._rich.start()
        # A bar hides the cursor, which must come back however the work ends. `finalize` sees to that, once.
        self._stop = weakref.finalize(self, self._rich.stop)

    def update(self, done: int, times: str) -> None:
        self._rich.update(self._task, completed=done, times=times)

    def finish(self, done: int, times: str) -> None:
        self.update(done, times)
        self.close()

    def close(self) -> None:
        self._stop()


def note(text: str) -> None:
    """Prints one line that the user should see beside the progress, such as why something is made again."""
    if sys.stderr.isatty():
        _console().print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        print(text, file=sys.stderr, flush=True)


@cache
def _console() -> Console:
    """The console of standard error: what is printed through it appears above a bar that runs."""
    from rich.console import Console

    return Console(stderr=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
