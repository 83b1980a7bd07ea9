"""The tables of MIMIC-CXR, joined by key into one row a study.

Tables are read whole as text by Arrow and checked column by column, so that a full copy takes seconds and a
complaint still names the file and the row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from laudo.mimic import LABELS, SPLITS, Corpus, wrong
from laudo.records import LABELLED

IMAGE = pa.struct(
    [("dicom_id", pa.string()), ("view", pa.string()), ("rows", pa.int64()), ("columns", pa.int64())]
)
"""An image as the metadata have it: `view` is ViewPosition, sizes in pixels; null where not given."""

LABELLERS = ("chexpert", "negbio", "radiologist")
_VALUES = {"": None, "1.0": 1, "1": 1, "0.0": 0, "0": 0, "-1.0": -1, "-1": -1}
_AIRSPACE = "Airspace Opacity"
"""What the radiologist's table of release 2.1.0 calls Lung Opacity."""


def index(corpus: Corpus, *, reported: Mapping[int, int]) -> pa.Table:
    """One row for every study that a table or the zip names, in the order of study_id.

    Args:
        reported: study_id -> subject_id of the reports in the zip.

    Returns:
        study_id, subject_id (int64); split (string, null where no image of the study has one); taken
        (timestamp[ms], the study's first image: dates are shifted by PhysioNet for each patient, their order
        kept; null without metadata); prior (int64, the patient's last study before it); images (list of
        `IMAGE` by dicom_id); chexpert, negbio, radiologist (`LABELLED`, null where the table has no row).

    Raises:
        InputError: a table that cannot be read, lacks a column or holds what it may not; a key that occurs
            twice; rows that contradict each other (a study of two subjects, a subject in two splits).
    """
    splits, images = _splits(corpus), _images(corpus)
    _same_study(images, splits, corpus)
    labels = {name: _labels(corpus.tables.get(name), keyed=name != "radiologist") for name in LABELLERS}
    zipped = pa.table({"study_id": [*reported], "subject_id": [*reported.values()]}, schema=_KEYS)
    named = [images, splits, labels["chexpert"], labels["negbio"], zipped, *_listed(corpus)]
    studies = _studies([table.select(_KEYS.names) for table in named], corpus)
    split = _of_study(splits, studies, corpus)
    found = _aligned(_by_study(images), studies["study_id"])
    table = studies.append_column("split", split).append_column("taken", found["taken"])
    table = table.append_column("prior", _priors(table)).append_column("images", found["images"])
    for labeller, rows in labels.items():
        table = table.append_column(labeller, _aligned(rows, studies["study_id"])["labels"])
    return table


# --- reading ----------------------------------------------------------------------------------------


def _read(path: Path, columns: Iterable[str]) -> pa.Table:
    """The named columns as text without blank ends, in the order asked for; empty for an empty field."""
    wanted, ragged = list(columns), list[Any]()

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    try:
        header = _header(path)
        if absent := [column for column in wanted if column not in header]:
            raise wrong(f"column {', '.join(absent)} is absent", path)
        if twice := [column for column in wanted if header.count(column) > 1]:
            raise wrong(f"column {', '.join(twice)} is there twice", path)
        with _opened(path) as stream:
            table = arrow_csv.read_csv(
                stream,
                # One thread, as only then a row that does not fit knows its number.
                read_options=arrow_csv.ReadOptions(use_threads=False),
                parse_options=arrow_csv.ParseOptions(invalid_row_handler=refuse),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())
                ),
            )
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        if ragged:
            row = ragged[0]
            what = f"{row.actual_columns} fields where the header has {row.expected_columns}"
            raise wrong(what, _place(path, row.number - 2)) from None
        raise wrong(f"the table cannot be read: {error}", path) from error
    return pa.table([pc.utf8_trim_whitespace(table[c]).combine_chunks() for c in wanted], names=wanted)


def _opened(path: Path) -> Any:
    return pa.input_stream(path, compression="gzip" if path.suffix == ".gz" else None)


def _header(path: Path) -> list[str]:
    """The names in the first line."""
    with _opened(path) as stream:
        first = stream.read(1 << 16).partition(b"\n")[0].decode("utf-8-sig")
    return next(csv.reader([first.rstrip("\r")]), [])


def _place(path: Path, row: int) -> str:
    """Where a row is, as a person counts the rows under the header."""
    return f"{path}, row {row + 1}"


def _check(fine: pa.Array, table: pa.Table, column: str, path: Path, what: str) -> None:
    """Raises for the first row that is not fine; `what` is said of its value, with `{}` in its place."""
    row = pc.index(fine, False).as_py()
    if row >= 0:
        raise wrong(what.format(table[column][row].as_py()[:30]), _place(path, row))


def _whole(table: pa.Table, column: str, path: Path, *, may_lack: bool = False) -> pa.Array:
    """A column of whole numbers; pandas writes one that has holes as 3056.0."""
    bare = pc.replace_substring_regex(table[column].combine_chunks(), r"\.0$", "")
    pattern = r"^\d{1,18}$|^$" if may_lack else r"^\d{1,18}$"
    _check(pc.match_substring_regex(bare, pattern), table, column, path, "'{}' is not a whole number")
    return pc.if_else(pc.equal(bare, ""), None, bare).cast(pa.int64())


def _unique(table: pa.Table, column: str, path: Path) -> None:
    counts = pc.value_counts(table[column])
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        again = np.flatnonzero(pc.equal(table[column], twice[0]).to_numpy(zero_copy_only=False))[1]
        raise wrong(f"{column} {twice[0]} is there twice", _place(path, int(again)))


# --- images -----------------------------------------------------------------------------------------


def _images(corpus: Corpus) -> pa.Table:
    """The images that the metadata, or MIMIC-CXR's own record list, name."""
    path = corpus.tables.get("metadata") or corpus.tables["records"]
    described = "metadata" in corpus.tables
    more = ("ViewPosition", "Rows", "Columns", "StudyDate", "StudyTime") if described else ()
    raw = _read(path, ("dicom_id", "subject_id", "study_id", *more))
    _unique(raw, "dicom_id", path)
    nothing = pa.nulls(len(raw))
    return pa.table({
        "dicom_id": raw["dicom_id"],
        "subject_id": _whole(raw, "subject_id", path),
        "study_id": _whole(raw, "study_id", path),
        "view": pc.if_else(pc.equal(raw["ViewPosition"], ""), None, raw["ViewPosition"]) if described else nothing.cast(pa.string()),
        "rows": _whole(raw, "Rows", path, may_lack=True) if described else nothing.cast(pa.int64()),
        "columns": _whole(raw, "Columns", path, may_lack=True) if described else nothing.cast(pa.int64()),
        "taken": _taken(raw, path) if described else nothing.cast(pa.timestamp("ms")),
    })  # fmt: skip


def _taken(raw: pa.Table, path: Path) -> pa.Array:
    """StudyDate is yyyymmdd, StudyTime hhmmss.fff as a number: 80556.875 is 08:05:56.875, its zero lost.

    Without a time the day begins; without a date there is nothing.
    """
    bare = pc.replace_substring_regex(raw["StudyDate"].combine_chunks(), r"\.0$", "")
    days = pc.strptime(bare, format="%Y%m%d", unit="ms", error_is_null=True)
    fine = pc.and_(pc.is_valid(days), pc.match_substring_regex(bare, r"^\d{8}$"))
    _check(pc.or_(fine, pc.equal(bare, "")), raw, "StudyDate", path, "StudyDate '{}' is not yyyymmdd")
    clock = pc.if_else(pc.equal(raw["StudyTime"], ""), "0", raw["StudyTime"]).combine_chunks()
    numeric = pc.match_substring_regex(clock, r"^\d{1,6}(\.\d*)?$")
    number = pc.if_else(numeric, clock, "0").cast(pa.float64()).to_numpy()
    hours, minutes, seconds = number // 10_000, number // 100 % 100, number % 100
    possible = pa.array((hours < 24) & (minutes < 60) & (seconds < 61))
    _check(pc.and_(numeric, possible), raw, "StudyTime", path, "StudyTime '{}' is not hhmmss")
    passed = np.rint((hours * 3600 + minutes * 60 + seconds) * 1000).astype(np.int64)
    return pc.add(days, pa.array(passed, pa.duration("ms")))


def _splits(corpus: Corpus) -> pa.Table:
    """dicom_id, study_id, subject_id and split of each image."""
    path = corpus.tables["split"]
    raw = _read(path, ("dicom_id", "split", "study_id", "subject_id"))
    known = pc.is_in(raw["split"], value_set=pa.array(SPLITS)).combine_chunks()
    _check(known, raw, "split", path, f"split '{{}}' is none of {', '.join(SPLITS)}")
    _unique(raw, "dicom_id", path)
    keys = {name: _whole(raw, name, path) for name in _KEYS.names}
    return pa.table({"dicom_id": raw["dicom_id"], "split": raw["split"], **keys})


def _same_study(images: pa.Table, splits: pa.Table, corpus: Corpus) -> None:
    """An image is of the same study in both tables."""
    at = pc.index_in(images["dicom_id"], value_set=splits["dicom_id"].combine_chunks())
    differs = pc.not_equal(splits["study_id"].take(at), images["study_id"])
    if pc.any(differs).as_py():
        dicom_id = images.filter(differs)["dicom_id"][0]
        raise wrong(f"dicom_id {dicom_id} is of another study than in the metadata", corpus.tables["split"])


def _of_study(splits: pa.Table, studies: pa.Table, corpus: Corpus) -> pa.ChunkedArray:
    """The split of each study, null where no image of it has one."""
    path = corpus.tables["split"]
    _agreed(splits, "study_id", "split", "study {} is in two splits", path)
    _agreed(splits, "subject_id", "split", "subject {} is in two splits", path)
    return _aligned(splits.group_by("study_id").aggregate([("split", "max")]), studies["study_id"])[
        "split_max"
    ]


def _agreed(table: pa.Table, key: str, column: str, what: str, path: Path) -> None:
    counts = table.group_by(key).aggregate([(column, "count_distinct")])
    several = counts.filter(pc.greater(counts[f"{column}_count_distinct"], 1))
    if len(several):
        raise wrong(what.format(pc.min(several[key])), path)


def _by_study(images: pa.Table) -> pa.Table:
    """One row a study: when it was taken, and its images by dicom_id."""
    images = images.sort_by([("study_id", "ascending"), ("dicom_id", "ascending")]).combine_chunks()
    ids, starts = np.unique(images["study_id"].to_numpy(), return_index=True)
    columns = [images[field.name].combine_chunks() for field in IMAGE]
    structs = pa.StructArray.from_arrays(columns, fields=list(IMAGE))
    lists = pa.ListArray.from_arrays(pa.array(np.append(starts, len(images)), pa.int32()), structs)
    # Groups come in no order: they are joined to the lists by key too.
    groups = images.group_by("study_id").aggregate([("taken", "min")])
    return pa.table(
        {"study_id": ids, "taken": _aligned(groups, pa.chunked_array([ids]))["taken_min"], "images": lists}
    )


# --- studies ----------------------------------------------------------------------------------------


_KEYS = pa.schema([("study_id", pa.int64()), ("subject_id", pa.int64())])


def _listed(corpus: Corpus) -> Iterable[pa.Table]:
    """The keys of MIMIC-CXR's own study list."""
    if path := corpus.tables.get("studies"):
        raw = _read(path, _KEYS.names)
        yield pa.table([_whole(raw, column, path) for column in _KEYS.names], schema=_KEYS)


def _studies(named: Iterable[pa.Table], corpus: Corpus) -> pa.Table:
    """study_id and subject_id, each study once, in the order of study_id."""
    pairs = pa.concat_tables(named).group_by(_KEYS.names).aggregate([])
    _agreed(pairs, "study_id", "subject_id", "study {} belongs to two subjects", corpus.root)
    return pairs.sort_by("study_id").combine_chunks()


def _aligned(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """The row of each study, nulls where the table has none."""
    return table.take(pc.index_in(ids, value_set=table["study_id"].combine_chunks()))


def _priors(studies: pa.Table) -> pa.Array:
    """For each study the latest one of its subject that was taken before it; null where none was."""
    subjects, ids = studies["subject_id"].to_numpy(), studies["study_id"].to_numpy()
    known = studies["taken"].is_valid().to_numpy()
    taken = studies["taken"].cast(pa.int64()).fill_null(0).to_numpy()
    order = np.lexsort((ids, taken, subjects))
    order = order[known[order]]
    subject, when = subjects[order], taken[order]
    starts = np.r_[True, (subject[1:] != subject[:-1]) | (when[1:] != when[:-1])][: len(order)]
    # Studies taken at the same moment share the one before them all.
    before = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0)) - 1
    has = (before >= 0) & (subject[before] == subject)
    priors = np.zeros(len(ids), np.int64)
    found = np.zeros(len(ids), bool)
    priors[order], found[order] = ids[order[before]], has
    return pa.array(priors, mask=~found)


def _labels(path: Path | None, *, keyed: bool) -> pa.Table:
    """study_id, subject_id where the table is `keyed` by it too, and `labels`; no row without a table."""
    keys = _KEYS.names if keyed else ["study_id"]
    if path is None:
        return pa.schema([*(_KEYS.field(key) for key in keys), pa.field("labels", LABELLED)]).empty_table()
    named = [_AIRSPACE if not keyed and label == "Lung Opacity" else label for label in LABELS]
    raw = _read(path, (*keys, *named))
    _unique(raw, "study_id", path)
    labels = pa.StructArray.from_arrays([_values(raw, name, path) for name in named], fields=list(LABELLED))
    return pa.table([*(_whole(raw, key, path) for key in keys), labels], names=[*keys, "labels"])


def _values(raw: pa.Table, name: str, path: Path) -> pa.Array:
    at = pc.index_in(raw[name].combine_chunks(), value_set=pa.array(list(_VALUES)))
    _check(pc.is_valid(at), raw, name, path, "label value '{}' is none of 1.0, 0.0, -1.0 and empty")
    return pa.array(list(_VALUES.values()), pa.int8()).take(at)
