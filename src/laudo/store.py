"""Parts on disk: what is done, what is stale, and how a part comes to be there whole or not at all.

    tables/<table>/<part of it>/config.json    the settings and inputs that made it: its identity
                                part-00000.parquet ...   immutable, a fixed set of keys each
                                done           written last

A part is written to a temporary file, synced and renamed, so that `kill -9` leaves a whole part or none.
A partition whose identity has changed is moved to `superseded/`, never deleted: it was paid for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from laudo import __version__
from laudo.disk import atomic, read_json, write_json, writing
from laudo.errors import InputError, LaudoError, NotReady
from laudo.progress import Progress
from laudo.records import Table
from laudo.spread import WHOLE, Shard

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Partition:
    """A table, or the part of one that one set of settings makes.

    Attributes:
        run: the run's folder.
        part: `arm=lora`, or empty where the table is not divided.
        settings: everything that decides its rows, apart from its inputs.
        inputs: the partitions it reads.
    """

    run: Path
    table: Table
    part: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Partition, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.table.name}/{self.part}" if self.part else self.table.name

    @property
    def folder(self) -> Path:
        return self.run / "tables" / self.name

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What `config.json` holds: the settings, and for each input a hash of its own identity."""
        inputs = {p.name: p.fingerprint for p in self.inputs}
        return {"table": self.name, "settings": json.loads(json.dumps(self.settings)), "inputs": inputs}

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def command(self) -> str:
        return f"laudo {self.table.verb}"


# --- what is there -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """How far a partition is: `reasons` say why what is on disk no longer serves, if it does not."""

    done: bool
    rows: int
    reasons: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        if self.reasons:
            return "stale"
        return "done" if self.done else ("begun" if self.rows else "missing")


def state(partition: Partition) -> State:
    """Looks at a partition without changing anything."""
    config = partition.folder / "config.json"
    if not config.exists():
        return State(False, 0)
    found = read_json(config)["identity"]
    reasons = tuple(_differences(found, partition.identity))
    rows = 0
    for path in _parts(partition):
        with _reading(path, partition):
            rows += pq.read_metadata(path).num_rows
    return State(not reasons and (partition.folder / "done").exists(), rows, reasons)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from _changed(old["settings"], new["settings"], "")
    for name in sorted({*old["inputs"], *new["inputs"]}):
        if old["inputs"].get(name) != new["inputs"].get(name):
            yield f"{name} has changed"


def _changed(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changed(old.get(key), new.get(key), f"{where}.{key}" if where else key)
    elif old != new:
        yield f"{where}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _parts(partition: Partition) -> list[Path]:
    return sorted(partition.folder.glob("part-*.parquet"))


def is_done(partition: Partition) -> bool:
    """Whether every row is there, made by the present settings from the present inputs."""
    return state(partition).done


def require(*partitions: Partition) -> None:
    """Refuses to go on from an unfinished or stale input.

    Raises:
        NotReady: naming each of them, why, and the command that finishes it.
    """
    for partition in partitions:
        now = state(partition)
        if not now.done:
            why = "; ".join(now.reasons) or f"{now.rows} rows so far"
            raise NotReady(
                f"{partition.name} is {now.word} ({why})",
                where=str(partition.folder),
                mend=f"{partition.command} EXPERIMENT, or laudo run EXPERIMENT",
            )


# --- reading -------------------------------------------------------------------------------------------------


def read(
    partition: Partition, *, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> list[Row]:
    """The rows of a finished partition, in the order of their keys; arguments and errors as for `arrow`."""
    rows: list[Row] = arrow(partition, columns=columns, where=where).to_pylist(maps_as_pydicts="strict")
    return rows


def arrow(
    partition: Partition, *, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> pa.Table:
    """A finished partition as one Arrow table, for what is too large for rows.

    Args:
        columns: those wanted; all of them when absent.
        where: the rows wanted, as `pyarrow.compute.field("split") == "test"`.

    Raises:
        NotReady: the partition is unfinished or stale.
        InputError: a part is damaged.
    """
    require(partition)
    schema = partition.table.schema
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    parts = [wanted.empty_table()]
    for path in _parts(partition):
        with _reading(path, partition):
            parts.append(pq.read_table(path, schema=schema, columns=columns, filters=where))
    return pa.concat_tables(parts)


@contextmanager
def _reading(path: Path, partition: Partition) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"this part cannot be read ({type(error).__name__})",
            where=str(path),
            mend=f"delete it and {path.parent / 'done'}, then run {partition.command} again",
        ) from error


# --- writing -------------------------------------------------------------------------------------------------


def fill(
    partition: Partition,
    keys: Sequence[Key],
    rows_of: Callable[[Sequence[Key]], list[Row] | pa.Table],
    *,
    part_size: int,
    shard: Shard = WHOLE,
) -> bool:
    """Makes the parts that are missing and marks the partition done when all are there.

    Args:
        keys: all keys of the partition; sorted here, so that a rerun forms the same parts. Parts that were
            begun for other keys are moved aside, as a part is a place in their order.
        rows_of: the rows of one part's keys; called only for parts that are not on disk.
        part_size: keys a part.
        shard: the parts that this process owns.

    Returns:
        Whether any part was made.
    """
    require(*partition.inputs)
    if is_done(partition):
        return False
    ordered = sorted(keys)
    groups = [ordered[i : i + part_size] for i in range(0, len(ordered), part_size)]
    with _opened(partition, shared=shard != WHOLE, keys=_digest(ordered)):
        mine = [(n, group) for n, group in enumerate(groups) if n % shard.count == shard.index]
        missing = [(n, group) for n, group in mine if not _part(partition, n).exists()]
        total, left = (sum(len(group) for _, group in some) for some in (mine, missing))
        with Progress(partition.name, total, already=total - left) as progress:
            for number, group in missing:
                _write_part(partition, number, rows_of(group))
                progress.add(len(group))
        if all(_part(partition, n).exists() for n in range(len(groups))):
            write_json(partition.folder / "done", {"rows": state(partition).rows, "laudo": __version__})
    return bool(missing)


@contextmanager
def making(partition: Partition) -> Iterator[Path]:
    """A partition made in one go, outside parts of keys (an adapter, a page): its folder; done when it ends well."""
    require(*partition.inputs)
    with _opened(partition, shared=False, keys=""):
        yield partition.folder
        write_json(partition.folder / "done", {"laudo": __version__})


def write_rows(partition: Partition, rows: list[Row]) -> None:
    """Writes the single part of a partition that `making` has opened."""
    _write_part(partition, 0, rows)


@contextmanager
def _opened(partition: Partition, *, shared: bool, keys: str) -> Iterator[None]:
    """Holds the partition's lock, with a `config.json` that is this partition's identity.

    Whoever finds another identity there needs the lock alone, also among shards: one of them may still be
    writing what is about to be superseded. `start` keeps two processes from readying the folder at once.
    """
    lock = partition.run / "locks" / f"{partition.name.replace('/', '.')}.lock"
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file, start = lock.open("w"), lock.with_name("start").open("w")
    with file:
        with start:
            fcntl.flock(start, fcntl.LOCK_EX)
            if shared and _is_current(partition, keys):
                _hold(file, fcntl.LOCK_SH, partition)
            else:
                _hold(file, fcntl.LOCK_EX, partition)
                _ready(partition, keys)
                _hold(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, partition)
        yield


def _hold(file: IO[str], how: int, partition: Partition) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Held(
            f"another process is making {partition.name}",
            where=str(partition.folder),
            mend="wait for it, or stop it",
        ) from None


class Held(LaudoError):
    """A partition that another process is making."""


def _digest(keys: Sequence[Key]) -> str:
    return hashlib.sha256(repr(keys).encode()).hexdigest()[:16]


def _is_current(partition: Partition, keys: str) -> bool:
    config = partition.folder / "config.json"
    if not config.exists():
        return False
    found = read_json(config)
    return bool(found["identity"] == partition.identity and found.get("keys") == keys)


def _ready(partition: Partition, keys: str) -> None:
    """Moves the parts of another identity or of other keys aside, and removes what a kill left half written."""
    if not _is_current(partition, keys):
        _supersede(partition)
    with writing(partition.folder):
        partition.folder.mkdir(parents=True, exist_ok=True)
    for torn in partition.folder.glob(".*.tmp"):
        torn.unlink()
    write_json(
        partition.folder / "config.json", {"identity": partition.identity, "keys": keys, "laudo": __version__}
    )


def _supersede(partition: Partition) -> None:
    config = partition.folder / "config.json"
    if not config.exists():
        return
    old = hashlib.sha256(config.read_bytes()).hexdigest()[:8]
    target = partition.run / "superseded" / f"{partition.name.replace('/', '.')}-{old}"
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while target.exists():
        target, number = target.with_name(f"{target.name.split('+')[0]}+{number}"), number + 1
    partition.folder.rename(target)


def _part(partition: Partition, number: int) -> Path:
    return partition.folder / f"part-{number:05d}.parquet"


def _write_part(partition: Partition, number: int, rows: list[Row] | pa.Table) -> None:
    schema = partition.table.schema
    table = rows.cast(schema) if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
    for name in partition.table.schema.names:
        if not table.schema.field(name).nullable and table[name].null_count:
            raise ValueError(f"{partition.name}: null in column {name}, which may not be null")
    keys = table.select(partition.table.key)
    if keys.group_by(keys.column_names).aggregate([]).num_rows != len(keys):
        raise ValueError(f"{partition.name}: the key {partition.table.key} occurs twice in one part")
    with atomic(_part(partition, number)) as temporary:
        pq.write_table(table, temporary, compression="zstd")
