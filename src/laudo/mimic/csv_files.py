"""A CSV file of PhysioNet, gzipped or not, as columns that are checked as a whole.

Arrow loads a table as text, and each column is then checked by one call. So a full copy takes seconds, and a
message about a wrong value still names the file and the row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from laudo.errors import InputError
from laudo.mimic.layout import damaged


def load(path: Path, columns: Iterable[str]) -> pa.Table:
    """Returns the named columns, in this order, as text without blanks at the ends; "" for an empty field."""
    names = list(columns)
    invalid_rows: list[Any] = []

    def stop_at(row: Any) -> str:
        invalid_rows.append(row)
        return "error"

    try:
        _require_columns(names, path)
        with _opened(path) as stream:
            table = arrow_csv.read_csv(
                stream,
                # With several threads an invalid row does not know its number.
                read_options=arrow_csv.ReadOptions(use_threads=False),
                parse_options=arrow_csv.ParseOptions(invalid_row_handler=stop_at),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.string())
                ),
            )
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        if invalid_rows:
            row = invalid_rows[0]
            what = f"{row.actual_columns} fields where the header has {row.expected_columns}"
            raise damaged(what, place(path, row.number - 2)) from None
        raise damaged(f"the table cannot be read: {error}", path) from error
    trimmed = [pc.utf8_trim_whitespace(table[name]).combine_chunks() for name in names]
    return pa.table(trimmed, names=names)


def _opened(path: Path) -> Any:
    return pa.input_stream(path, compression="gzip" if path.suffix == ".gz" else None)


def _require_columns(names: Iterable[str], path: Path) -> None:
    """Raises if the first line lacks one of the columns, or names it twice."""
    with _opened(path) as stream:
        first_line = stream.read(1 << 16).partition(b"\n")[0].decode("utf-8-sig")
    header = _fields(first_line, ",")
    absent = [name for name in names if name not in header]
    for mark, separators in _OTHER_SEPARATORS.items():
        if absent and set(names) <= set(_fields(first_line, mark)):
            what = f"the columns are separated by {separators}, as a spreadsheet saves them, not by commas"
            raise damaged(what, path)
    if absent:
        raise damaged(f"column {', '.join(absent)} is absent", path)
    repeated = [name for name in names if header.count(name) > 1]
    if repeated:
        raise damaged(f"column {', '.join(repeated)} is there twice", path)


_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r")], delimiter=separator), [])


# --- checks -----------------------------------------------------------------------------------------


def place(path: Path, row: int) -> str:
    """Returns where a row is; the first row under the header is row 1 for a person."""
    return f"{path}, row {row + 1}"


def require(valid: pa.Array, table: pa.Table, column: str, path: Path, *, what: str) -> None:
    """Raises for the first row that is not valid; `what` is the message, with `{}` for the value."""
    row = pc.index(valid, False).as_py()
    if row >= 0:
        raise _invalid(table[column][row].as_py(), place(path, row), what=what)


_FOLDER = re.compile(r"(?:.*/)?[ps](\d{8})")
"""A patient or study as the name of its folder: p1N/p1NNNNNNN/s5NNNNNNN."""

_OF_SPREADSHEET = re.compile(
    r"\d+([.,]\d+)?E\+?\d+"  # 5.0414267E7
    r"|-?\d+,\d+"  # 80556,875
    r"|\d{1,3}([.,]\d{3}){2,}"  # 50.414.267
    r"|\d{1,2}/\d{1,2}/\d{2,4}"  # 06/05/2180
)


def _invalid(value: str, where: str, *, what: str) -> InputError:
    """Returns the error for a value; it says so if the value is the name of a folder, or of a spreadsheet."""
    what, folder = what.format(value[:30]), _FOLDER.fullmatch(value)
    if folder:
        return InputError(what, where=where, fix=f"write the number alone, in every row: {folder[1]}")
    if _OF_SPREADSHEET.fullmatch(value):
        what = f"{what}: it is as a spreadsheet writes it"
    return damaged(what, where)


def require_unique(table: pa.Table, column: str, path: Path) -> None:
    counts = pc.value_counts(table[column])
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return
    is_repeated = pc.equal(table[column], repeated[0]).to_numpy(zero_copy_only=False)
    second_row = int(np.flatnonzero(is_repeated)[1])
    raise damaged(f"{column} {repeated[0]} is there twice", place(path, second_row))


def require_one_value(table: pa.Table, key: str, column: str, path: Path, *, what: str) -> None:
    """Raises if rows with the same key differ in the column; `what` is the message, with `{}` for the key."""
    counts = table.group_by(key).aggregate([(column, "count_distinct")])
    several = counts.filter(pc.greater(counts[f"{column}_count_distinct"], 1))
    if len(several):
        raise damaged(what.format(pc.min(several[key])), path)


def integers(table: pa.Table, column: str, path: Path, *, nullable: bool = False) -> pa.Array:
    """Returns a column of whole numbers, null for an empty field if `nullable`."""
    digits = without_point_zero(table[column])
    pattern = r"^\d{1,18}$|^$" if nullable else r"^\d{1,18}$"
    valid = pc.match_substring_regex(digits, pattern)
    require(valid, table, column, path, what="'{}' is not a whole number")
    return pc.if_else(pc.equal(digits, ""), None, digits).cast(pa.int64())


def without_point_zero(column: pa.ChunkedArray) -> pa.Array:
    """Returns whole numbers without ".0": pandas writes a column with empty fields as 3056.0."""
    return pc.replace_substring_regex(column.combine_chunks(), r"\.0$", "")
