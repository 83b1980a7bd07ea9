"""Shards as a cluster names them, and work over local processes."""

import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo.errors import LaudoError
from laudo.store import memory, spread
from laudo.store.spread import WHOLE, Shard, pool


def square(number: int) -> int:
    if number == 13:
        raise ValueError("thirteen")
    return number * number


def process(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize(
    ("text", "shard"), [("0/1", WHOLE), ("3/200", Shard(3, 200)), (" 1 / 2 ", Shard(1, 2))]
)
def test_a_shard_is_parsed(text, shard):
    assert Shard.parse(text) == shard


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "", "1/2/3", "a/b", "0/0", "1/-2", "0.5/2"])
def test_what_is_not_a_shard_is_refused_with_an_example(text):
    with pytest.raises(LaudoError, match=r"is not a shard(.|\n)*--shard 0/4"):
        Shard.parse(text)


@given(st.integers(1, 50), st.integers(0, 300))
def test_shards_divide_the_parts_among_them(shards, parts):
    owners = [
        [n for n in range(parts) if n % s.count == s.index]
        for s in (Shard.parse(f"{i}/{shards}") for i in range(shards))
    ]
    assert sorted(n for mine in owners for n in mine) == list(range(parts))


@pytest.mark.parametrize("processes", [1, 2])
def test_answers_come_in_the_order_of_the_items(processes):
    with pool(processes) as over:
        assert list(over(square, range(14, 60))) == [n * n for n in range(14, 60)]
        assert list(over(square, [])) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_in_a_worker_is_raised_here(processes):
    with pytest.raises(ValueError, match="thirteen"), pool(processes) as over:
        list(over(square, range(20)))


def test_one_process_is_this_one_and_more_are_not():
    with pool(1) as over:
        assert set(over(process, range(3))) == {os.getpid()}
    with pool(2) as over:
        assert os.getpid() not in set(over(process, range(20)))


def test_items_are_taken_as_they_are_needed():
    """An endless stream of items can be worked on; about eight a worker are in flight."""
    taken = []
    with pool(2) as over:
        answers = over(square, (taken.append(n) or n for n in count(100)))
        assert list(islice(answers, 30)) == [n * n for n in range(100, 130)]
    assert len(taken) <= 30 + 2 * 8


def test_workers_are_at_least_one():
    assert 1 <= spread.workers() <= (os.cpu_count() or 1)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_the_system_ends_gives_a_message():
    """Linux ends a process with SIGKILL where the memory is used up."""
    promised = (
        r"one of 2 worker processes was ended by the system(.|\n)*free some memory(.|\n)*taskset -c 0-0"
    )
    with pytest.raises(LaudoError, match=promised), pool(2) as over:
        list(over(die, range(4)))


def test_workers_are_as_many_as_the_memory_allows():
    a_quarter = memory.available() // 4
    with pool(each=8 * a_quarter) as over:  # more than there is: this process works alone
        assert set(over(process, range(3))) == {os.getpid()}
    with pool(each=a_quarter, once=4 * a_quarter) as over:
        assert set(over(process, range(3))) == {os.getpid()}


def test_the_memory_that_is_free_is_not_more_than_there_is():
    assert 0 < memory.available() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def enormous(folder: Path) -> int:
    """Works alone, and returns how many others it met."""
    with spread.alone():
        mark = folder / str(os.getpid())
        mark.touch()
        time.sleep(0.02)
        others = len([*folder.iterdir()]) - 1
        mark.unlink()
    return others


def test_one_worker_at_a_time_does_what_takes_much_memory(tmp_path):
    with pool(2) as over:
        assert set(over(enormous, [tmp_path] * 20)) == {0}


def work_for_ever() -> None:
    """Names its workers on standard output and waits to be killed."""
    with pool(2) as over:
        print(*sorted(set(over(process, range(40)))), flush=True)
        time.sleep(600)


def test_workers_do_not_outlive_a_killed_parent():
    run = "import test_spread\nif __name__ == '__main__': test_spread.work_for_ever()"
    with subprocess.Popen(
        [sys.executable, "-c", run], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    ) as parent:
        workers = [int(word) for word in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    assert workers
    try:
        for _ in range(600):
            if not any(map(_runs, workers)):
                return
            time.sleep(0.05)
        pytest.fail("workers are left over")
    finally:
        for worker in filter(_runs, workers):
            os.kill(worker, signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Whether the process is there and not a zombie, which nobody here reaps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
