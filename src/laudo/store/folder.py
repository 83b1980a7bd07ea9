"""A partition's folder while it is written: locked, cleaned, its parts stamped and written, `done` last.

A part is written to a temporary file, synced and renamed, so that `kill -9` leaves a complete part or none.
What is no longer up to date is moved to `superseded/`, never deleted, because it was paid for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from laudo import __version__
from laudo.hashing import digest_of_json
from laudo.progress import note
from laudo.store import content, locks, origin, watch
from laudo.store.disk import atomic, write_json, writing
from laudo.store.partition import FORMAT, Partition, fingerprint
from laudo.store.rows import Row, parsed, set_aside
from laudo.store.spread import WHOLE, Shard
from laudo.store.state import CONFIG, DONE, Record, checksum, digests_of, require, state
from laudo.store.tables import WATCHED

Key = tuple[Any, ...]
Rows: TypeAlias = list[Row] | pa.Table

_STAMP = b"laudo"
"""The key of a part's Parquet metadata under which it says what made it."""


@contextmanager
def opened_all(
    partitions: Sequence[Partition], keys: Sequence[Key], names: Sequence[str], shard: Shard
) -> Iterator[list[Folder]]:
    """The folders of partitions, locked, and ready for their parts to be written."""
    require(*(source.partition for partition in partitions for source in partition.sources))
    digest = digest_of_json([list(key) for key in keys])
    folders = [Folder(partition, digest, len(names)) for partition in partitions]
    if not folders:
        yield []
        return
    first, *others = folders
    with first.locked(shared=shard != WHOLE):
        for folder in others:
            folder.start()
        yield folders


def supersede(partition: Partition, why: str) -> None:
    """Moves a partition aside, whatever its state, so that the next call of `fill` makes it again.

    Raises:
        Held: another process is making it.
    """
    with locks.lock_file(_lock(partition)) as lock:
        locks.hold(lock, locks.EXCLUSIVE, what=partition.name)
        Folder(partition, keys="", parts=0).supersede(why)


def _lock(partition: Partition) -> Path:
    return partition.run / "locks" / f"{partition.name.replace('/', '.')}.lock"


@dataclass(frozen=True)
class Folder:
    """A partition's folder that this process may write into."""

    partition: Partition
    keys: str
    parts: int

    @property
    def identity(self) -> dict[str, Any]:
        """What the partition is made from now: its own identity, and digests of the columns that it uses."""
        sources: dict[str, dict[str, str | None]] = {}
        for source in self.partition.sources:
            digests = digests_of(source.partition)
            used = {column: digests.get(column) for column in source.columns}
            sources.setdefault(source.partition.name, {}).update(used)
        return {**self.partition.own_identity, "sources": sources}

    @property
    def stamp(self) -> str:
        return fingerprint(self.identity, self.keys)

    def has(self, name: str) -> bool:
        return (self.partition.folder / name).exists()

    # locking

    @contextmanager
    def locked(self, *, shared: bool) -> Iterator[None]:
        """Holds the partition's lock, with its folder ready.

        A process that must first clean the folder takes the exclusive lock, even if it is a shard, because
        another shard may still be writing there. The lock `start` keeps two processes from cleaning it at
        the same time.
        """
        name, folder = self.partition.name, self.partition.run / "locks"
        with locks.lock_file(_lock(self.partition)) as lock, locks.lock_file(folder / "start") as start:
            locks.wait_for(start, locks.EXCLUSIVE, what="a partition of this run")
            if shared and self.is_ready:
                locks.hold(lock, locks.SHARED, what=name)
            else:
                locks.hold(lock, locks.EXCLUSIVE, what=name)
                self.start()
                locks.hold(lock, locks.SHARED if shared else locks.EXCLUSIVE, what=name)
            start.close()
            yield

    # making ready

    @property
    def is_ready(self) -> bool:
        record = Record.of(self.partition)
        return record.config is not None and self._is_current(record) and not record.faults

    def _is_current(self, record: Record) -> bool:
        before = record.made_from
        if before is None or record.mended(self.partition):
            return False
        return bool(before["identity"] == self.identity and before["keys"] == self.keys)

    def start(self) -> None:
        """Cleans the folder: moves aside what was made from something else, and damaged or torn files."""
        self._supersede_older_layout()
        record = Record.of(self.partition)
        if not self._is_current(record) and not (record.made_from is None and self._all_stamped()):
            self.supersede("; ".join(state(self.partition).reasons) or "its keys have changed")
            record = Record.of(self.partition)
        with writing(self.partition.folder):
            self.partition.folder.mkdir(parents=True, exist_ok=True)
        for torn in self.partition.folder.glob(".*.tmp"):
            torn.unlink()
        if record.done is not None:
            self._set_aside_damaged(record)
        if record.config is None or record.config["parts"] != self.parts:
            self._write(CONFIG, {"parts": self.parts})

    def _all_stamped(self) -> bool:
        """Whether every part says that it was made from what the partition is made from now."""
        return {self.stamp}.issuperset(_stamp(path).get("stamp", "") for path in self._parts())

    def _parts(self) -> list[Path]:
        return sorted(self.partition.folder.glob("part-*.parquet"))

    def _set_aside_damaged(self, record: Record) -> None:
        """Renames the parts that are not as `done` has them; without `done` the partition is begun again."""
        assert record.done is not None
        for path in self._parts():
            recorded = record.done["parts"].get(path.name)
            if recorded is None or path.stat().st_size != recorded["bytes"]:
                set_aside(self.partition, path)
        (self.partition.folder / DONE).unlink()

    def _supersede_older_layout(self) -> None:
        """Moves a partition aside that has this one in its folder: an earlier laudo divided tables less."""
        tables = self.partition.run / "tables"
        for parent in self.partition.folder.parents:
            if parent in (tables, tables / self.partition.table.name):
                return
            if (parent / CONFIG).exists():
                name = parent.relative_to(tables).as_posix()
                target = _move(parent, self.partition.run / "superseded", name)
                note(f"{name}: made by an earlier laudo; the old files are now in {target}")

    def supersede(self, why: str) -> None:
        """Moves the whole folder aside, if there is anything in it, and says so."""
        folder = self.partition.folder
        if not folder.exists() or not any(folder.iterdir()):
            return
        target = _move(folder, self.partition.run / "superseded", self.partition.name)
        note(f"{self.partition.name}: made again ({why}); the old files are now in {target}")

    # writing

    def write(self, name: str, rows: Rows, *, files: dict[str, Any] | None = None) -> None:
        """Writes a part, its rows in the order of the keys, unless it is there."""
        if self.has(name):
            return
        table = _checked(self.partition, rows)
        stamp = {
            "stamp": self.stamp,
            "files": files or {},
            "content": _content(self.partition, table),
            "made": origin.now(),
        }
        table = table.replace_schema_metadata({_STAMP: json.dumps(stamp)})
        with atomic(self.partition.folder / name) as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)

    def files_now(self, files: str) -> dict[str, Any]:
        folder = self.partition.folder
        found = content.of_files(folder / files) if files and (folder / files).is_dir() else {}
        return {f"{files}/{name}": entry for name, entry in found.items()}

    def files_of(self, name: str) -> dict[str, Any]:
        """The files beside a part as they were when it was written."""
        recorded: dict[str, Any] = _stamp(self.partition.folder / name).get("files", {})
        return recorded

    def finish(self, names: Sequence[str], *, files: str = "") -> None:
        """Writes `done`: the parts with their rows, sizes and digests, a digest of each column's content, and
        the distinct origins of the parts.

        Raises:
            Damaged: a part is not as it was written, or was made from something else; it has been set aside.
        """
        columns, stamp = content.Columns(), self.stamp
        parts: dict[str, dict[str, Any]] = {}
        made: list[dict[str, Any]] = []
        watched: dict[str, str] = {}
        columns.add(self.partition.table.schema.empty_table().select(self.partition.table.content))
        for name in names:
            path = self.partition.folder / name
            stored = path.read_bytes()
            rows, stamped = parsed(self.partition, name, stored), _stamp(path)
            if stamped.get("stamp") != stamp or stamped.get("content") != _content(self.partition, rows):
                raise set_aside(self.partition, path)
            if stamped.get("made") not in (None, *made):
                made.append(stamped["made"])
            columns.add(rows.select(self.partition.table.content))
            watched |= _watched(rows)
            parts[name] = {"rows": len(rows), "bytes": len(stored), "digest": content.of_bytes(stored)}
        beside = self.files_now(files)
        digests = columns.digests
        if files:
            digests[files] = digest_of_json(beside)
        rows_in_all = sum(part["rows"] for part in parts.values())
        record = {"rows": rows_in_all, "parts": parts, "files": beside, "columns": digests, "made": made}
        self._write(DONE, {**record, "watched": watch.limited(watched)})

    def _write(self, name: str, more: dict[str, Any]) -> None:
        head = {"format": FORMAT, "laudo": __version__, "identity": self.identity, "keys": self.keys}
        record = {**head, **more}
        write_json(self.partition.folder / name, {**record, "checksum": checksum(record)})


def _content(partition: Partition, rows: pa.Table) -> str:
    """A digest of a part's rows, so that what is read back can be held against what was written."""
    columns = content.Columns()
    columns.add(rows.select(partition.table.content))
    return digest_of_json(columns.digests)


def _watched(rows: pa.Table) -> dict[str, str]:
    """The files that the rows needed and could not use, with their stamps."""
    if WATCHED not in rows.column_names:
        return {}
    pairs = (zip(maps.keys.to_pylist(), maps.items.to_pylist(), strict=True) for maps in rows[WATCHED].chunks)
    return dict(chain.from_iterable(pairs))


def _stamp(path: Path) -> dict[str, Any]:
    """What a part says made it; nothing where it cannot be read."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        stamp: dict[str, Any] = json.loads(metadata[_STAMP])
        return stamp
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}


def _move(folder: Path, superseded: Path, name: str) -> Path:
    """Moves a folder to a name in `superseded/` that is not taken."""
    superseded.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := superseded / f"{name.replace('/', '.')}-{number}").exists():
        number += 1
    folder.rename(target)
    return target


def _checked(partition: Partition, rows: Rows) -> pa.Table:
    """The rows as a table in the order of their keys.

    Raises:
        ValueError: a null where none may be, or a key that occurs twice: a mistake of the stage.
    """
    schema = partition.table.schema
    table = rows.cast(schema) if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"{partition.name}: null in column {field.name}, which may not be null")
    keys = table.select(partition.table.key)
    if keys.group_by(keys.column_names).aggregate([]).num_rows != len(keys):
        raise ValueError(f"{partition.name}: the key {partition.table.key} occurs twice in one part")
    return table.sort_by([(name, "ascending") for name in partition.table.key])
