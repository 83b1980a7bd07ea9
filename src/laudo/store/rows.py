"""The rows of a finished partition, and the files beside them. Damaged data is never returned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from laudo.errors import InputError
from laudo.store import content
from laudo.store.disk import read_json, writing
from laudo.store.partition import Partition
from laudo.store.state import DONE, require

if TYPE_CHECKING:
    import pyarrow.compute as pc

Row = dict[str, Any]


class Damaged(InputError):
    """A file of a partition that is not as it was written; it has been set aside."""


def rows(
    partition: Partition, *, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> list[Row]:
    """Returns the rows of a finished partition, as `table` does, as dictionaries."""
    fetched: list[Row] = table(partition, columns=columns, where=where).to_pylist(maps_as_pydicts="strict")
    return fetched


def table(
    partition: Partition, *, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> pa.Table:
    """Returns a finished partition as one Arrow table, in the order of its keys.

    Args:
        columns: the columns to fetch; all of them when absent.
        where: which rows, as `pyarrow.compute.field("split") == "test"`; it may use any column of the table.

    Raises:
        NotReady: the partition is not done.
        Damaged: a part is not as it was written; it has been renamed.
        InputError: a part cannot be opened.
    """
    require(partition)
    schema = partition.table.schema
    fetched = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    parts = [fetched.empty_table()]
    for name, recorded in read_json(partition.folder / DONE)["parts"].items():
        stored = part_bytes(partition, name, recorded["digest"])
        parts.append(parsed(partition, name, stored, columns=columns, where=where))
    return pa.concat_tables(parts)


def part_bytes(partition: Partition, name: str, digest: str) -> bytes:
    """Returns a part as it lies on disk, if it is as it was written.

    Raises:
        Damaged: it is not.
    """
    path = partition.folder / name
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"a part cannot be read ({error.strerror})", where=str(path), fix=f"{partition.command}"
        ) from error
    if content.of_bytes(stored) != digest:
        raise set_aside(partition, path)
    return stored


def parsed(
    partition: Partition,
    name: str,
    stored: bytes,
    *,
    columns: Sequence[str] | None = None,
    where: pc.Expression | None = None,
) -> pa.Table:
    """Parses a part; the checksum of each of its pages is verified.

    Raises:
        Damaged: it is no Parquet file of this table, or a page is not as it was written.
    """
    try:
        # Not `pq.read_table`: its scanner may leave threads that abort the process at its end.
        with pq.ParquetFile(pa.BufferReader(stored), page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(partition.table.schema):
                raise set_aside(partition, partition.folder / name)
            filtered = _columns(partition, columns, where)
            rows = file.read(columns=filtered).replace_schema_metadata()
    except (OSError, pa.ArrowException) as error:
        raise set_aside(partition, partition.folder / name) from error
    return rows if where is None else rows.filter(where).select(columns or rows.column_names)


def _columns(
    partition: Partition, columns: Sequence[str] | None, where: pc.Expression | None
) -> list[str] | None:
    """The columns to read: all of them where a filter may need others than those asked for."""
    return None if columns is None or where is not None else list(columns)


def set_aside(partition: Partition, path: Path) -> Damaged:
    """Renames a damaged file, so that its partition is not done any more, and returns what to raise."""
    with writing(path):
        path.replace(path.with_name(f"{path.name}.damaged"))
    return Damaged(
        f"{partition.name}: {path.name} is damaged, and has been renamed to {path.name}.damaged",
        where=str(path.parent),
        fix=f"{partition.command}, or laudo run EXPERIMENT: what is lost is made again, the rest is kept",
    )


def files(partition: Partition, folder: str) -> Path:
    """Returns a folder beside the parts of a finished partition, such as an adapter, and verifies it.

    Raises:
        NotReady: the partition is not done.
        Damaged: a file of it is not as it was written.
    """
    require(partition)
    for name, recorded in read_json(partition.folder / DONE)["files"].items():
        path = partition.folder / name
        if name.startswith(f"{folder}/") and content.of_bytes(path.read_bytes()) != recorded["digest"]:
            raise set_aside(partition, path)
    return partition.folder / folder
