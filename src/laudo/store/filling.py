"""How a partition comes to be there: part by part, each whole or not at all, `done` last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from laudo.progress import Progress
from laudo.store.folder import Key, Rows, opened_all
from laudo.store.partition import Partition
from laudo.store.spread import WHOLE, Shard
from laudo.store.state import is_done


def fill(
    partition: Partition,
    keys: Sequence[Key],
    rows_of: Callable[[Sequence[Key]], Rows],
    *,
    part_size: int,
    shard: Shard = WHOLE,
) -> bool:
    """Makes the parts that are missing, and marks the partition done when all are there.

    Args:
        keys: all keys of the partition, each once. They are sorted here, so that a rerun forms the same
            parts. Parts that were begun for other keys are moved to `superseded/`.
        rows_of: gives the rows of one part's keys: none, one or several rows for a key, and no row of
            another key. It is called only for parts that are not on disk.
        part_size: keys in a part.
        shard: which parts this process makes.

    Returns:
        Whether any part was made.

    Raises:
        NotReady: a source is not done.
        Held: another process is making the partition.
        Damaged: a part that was made before is not as it was written; the next call makes it again.
        LaudoError: the disk is full, not writable, or has no locks.
        ValueError: `rows_of` gave a null where none may be, or a key of the table twice.
    """
    return fill_together([partition], keys, lambda part: [rows_of(part)], part_size=part_size, shard=shard)


def fill_together(
    partitions: Sequence[Partition],
    keys: Sequence[Key],
    rows_of: Callable[[Sequence[Key]], Sequence[Rows]],
    *,
    part_size: int,
    shard: Shard = WHOLE,
) -> bool:
    """Makes partitions that share their keys in one pass: `rows_of` gives the rows of each, in their order.

    Arguments and errors are as for `fill`; a partition that is done is left alone.
    """
    ordered = sorted(keys)
    groups = [ordered[start : start + part_size] for start in range(0, len(ordered), part_size)]
    names = [_part_name(number) for number in range(len(groups))]
    unfinished = [place for place, partition in enumerate(partitions) if not is_done(partition)]
    if not unfinished:
        return False
    with opened_all([partitions[place] for place in unfinished], ordered, names, shard) as folders:
        own = [number for number in range(len(groups)) if number % shard.count == shard.index]
        missing = [number for number in own if any(not folder.has(names[number]) for folder in folders)]
        total, left = (sum(len(groups[number]) for number in numbers) for numbers in (own, missing))
        with Progress(folders[0].partition.name, total, already=total - left) as progress:
            for number in missing:
                tables = rows_of(groups[number])
                for place, folder in zip(unfinished, folders, strict=True):
                    folder.write(names[number], tables[place])
                progress.add(len(groups[number]))
        for folder in folders:
            if all(map(folder.has, names)):
                folder.finish(names)
    return bool(missing)


def make(partition: Partition, build: Callable[[Path], Rows], *, files: str = "") -> bool:
    """Makes a partition with a single part; `build` may also write a folder beside it, such as an adapter.

    Args:
        build: receives the partition's folder and returns the rows. What it leaves there when it is
            killed, such as checkpoints, is still there when it is called again.
        files: the name of the folder that `build` writes; empty where it writes none.

    Returns:
        Whether it was built.

    Raises:
        NotReady, Held: as for `fill`.
    """
    if is_done(partition):
        return False
    name = _part_name(0)
    with opened_all([partition], [], [name], WHOLE) as (folder,):
        built = folder.has(name) and folder.files_of(name) == folder.files_now(files)
        if folder.has(name) and not built:
            folder.supersede(f"{files} is not as it was written")
            folder.start()
        if not built:
            rows = build(partition.folder)
            folder.write(name, rows, files=folder.files_now(files))
        folder.finish([name], files=files)
    return not built


def _part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"
