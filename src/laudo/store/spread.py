"""How work spreads over processes: the same function on each item, here or in local workers.

A shard `i/n` of a cluster job takes every n-th part of a partition (`store.fill`); nothing else differs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from laudo.errors import LaudoError
from laudo.store import memory

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 0: it owns the parts whose number is index modulo count."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads `3/200` (the fourth of two hundred), as a Slurm array passes it."""
        try:
            index, count = (int(part) for part in text.split("/"))
        except ValueError:
            index, count = -1, 0
        if not 0 <= index < count:
            raise LaudoError(
                f"'{text}' is not a shard", fix="give INDEX/COUNT counted from 0, for example --shard 0/4"
            )
        return cls(index, count)


WHOLE = Shard(0, 1)

USUAL_BYTES = 300 * 2**20
"""The most memory of a worker that looks at texts, its libraries and word lists included."""


def workers() -> int:
    """Processes to use: the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Over(Protocol):
    """`over(function, items)` yields `function(item)` for each item, in the items' order."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]: ...


@contextmanager
def pool(processes: int | None = None, *, each: int = USUAL_BYTES, once: int = 0) -> Iterator[Over]:
    """Local worker processes for as long as the block lasts; with one core, this process does the work.

    The function must be importable by name. A few items a worker are in flight at a time, so that
    memory does not grow with the number of items. An exception in a worker is raised here.

    Args:
        processes: how many; as many as there are cores, and as the memory allows, where it is None.
        each: the most memory that a worker takes, in bytes.
        once: what one of them may take beyond it at a time, within `alone`.

    Raises:
        LaudoError: the system ended a worker.
    """
    count = processes or max(1, min(workers(), (memory.available() - once) // each))
    if count == 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(
        count, mp_context=context, initializer=_belong_to_parent, initargs=(context.Lock(),)
    )

    def over(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        source = iter(items)
        waiting = deque(executor.submit(function, item) for item in islice(source, 8 * count))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(source, 1))
            yield result

    try:
        yield over
    except BrokenProcessPool as error:
        raise _worker_ended(count) from error
    finally:
        executor.shutdown(cancel_futures=True)  # after an interrupt nobody waits for what has not begun


def _worker_ended(count: int) -> LaudoError:
    gibibytes = memory.available() / 2**30
    return LaudoError(
        f"one of {count} worker processes was ended by the system, most likely for want of memory: "
        f"{gibibytes:.1f} GiB are free now",
        fix=f"free some memory, or use fewer cores (taskset -c 0-{max(0, count // 2 - 1)} laudo ...), "
        "and run the command again; what is finished is kept",
    )


_turn: AbstractContextManager[Any] = nullcontext()
"""What a worker holds while it does what only one of them may do."""


def alone() -> AbstractContextManager[Any]:
    """Returns a context in which only one worker of a pool is at a time."""
    return _turn


def _belong_to_parent(turn: AbstractContextManager[Any]) -> None:
    """Ends this worker when its parent ends: after `kill -9` it would wait for work for ever.

    An interrupt from the keyboard reaches all of them, but only the parent answers it.
    """
    global _turn
    _turn = turn
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
