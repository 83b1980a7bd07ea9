"""The tables of MIMIC-CXR, joined by key into one row for each study.

Arrow loads a table as text, and each column is then checked as a whole. So a full copy takes seconds, and a
message about a wrong value still names the file and the row.
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

from laudo.mimic.layout import Corpus, damaged
from laudo.store.tables import LABELLED
from laudo.vocabulary import LABELS, SPLITS

IMAGE = pa.struct(
    [("dicom_id", pa.string()), ("view", pa.string()), ("rows", pa.int64()), ("columns", pa.int64())]
)
"""An image as the metadata describe it: `view` is ViewPosition, sizes in pixels; null if not given."""

LABELLERS = ("chexpert", "negbio", "radiologist")
_LABEL_VALUES = {"": None, "1.0": 1, "1": 1, "0.0": 0, "0": 0, "-1.0": -1, "-1": -1}
_RADIOLOGIST_NAMES = {"Lung Opacity": "Airspace Opacity"}
"""Labels that the radiologist's table of release 2.1.0 calls by another name."""

_KEYS = pa.schema([("study_id", pa.int64()), ("subject_id", pa.int64())])


def index(corpus: Corpus, *, reported: Mapping[int, int]) -> pa.Table:
    """Returns one row for every study that a table or the zip names, in the order of study_id.

    Args:
        reported: study_id -> subject_id of the reports in the zip.

    Returns:
        study_id, subject_id (int64); split (string, null if no image of the study has one); taken
        (timestamp[ms], the study's first image: PhysioNet shifts the dates of each patient and keeps their
        order; null without metadata); prior (int64, the patient's last study before it); images (list of
        `IMAGE` by dicom_id); chexpert, negbio, radiologist (`LABELLED`, null if the table has no row).

    Raises:
        InputError: a table cannot be read, lacks a column or holds an invalid value; a key occurs twice; rows
            contradict each other (a study of two subjects, a subject in two splits).
    """
    splits, images = _splits(corpus), _images(corpus)
    _require_same_study(images, splits, corpus)
    labels = {name: _labels(corpus, name) for name in LABELLERS}
    zipped = pa.table({"study_id": [*reported], "subject_id": [*reported.values()]}, schema=_KEYS)
    sources = [images, splits, labels["chexpert"], labels["negbio"], zipped, *_study_list(corpus)]
    studies = _studies([source.select(_KEYS.names) for source in sources], corpus)
    ids = studies["study_id"]
    split_of = _split_of_studies(splits, corpus)
    images_of = _images_of_studies(images)
    table = studies.append_column("split", _aligned(split_of, ids)["split_max"])
    table = table.append_column("taken", _aligned(images_of, ids)["taken"])
    table = table.append_column("prior", _priors(table))
    table = table.append_column("images", _aligned(images_of, ids)["images"])
    for labeller, rows in labels.items():
        table = table.append_column(labeller, _aligned(rows, ids)["labels"])
    return table


def _aligned(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """Returns the row of each study, in the order of `ids`; nulls for a study that the table lacks."""
    return table.take(pc.index_in(ids, value_set=table["study_id"].combine_chunks()))


# --- files ------------------------------------------------------------------------------------------


def _load(path: Path, columns: Iterable[str]) -> pa.Table:
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
            raise damaged(what, _place(path, row.number - 2)) from None
        raise damaged(f"the table cannot be read: {error}", path) from error
    trimmed = [pc.utf8_trim_whitespace(table[name]).combine_chunks() for name in names]
    return pa.table(trimmed, names=names)


def _opened(path: Path) -> Any:
    return pa.input_stream(path, compression="gzip" if path.suffix == ".gz" else None)


def _require_columns(names: Iterable[str], path: Path) -> None:
    """Raises if the first line lacks one of the columns, or names it twice."""
    with _opened(path) as stream:
        first_line = stream.read(1 << 16).partition(b"\n")[0].decode("utf-8-sig")
    header = next(csv.reader([first_line.rstrip("\r")]), [])
    absent = [name for name in names if name not in header]
    if absent:
        raise damaged(f"column {', '.join(absent)} is absent", path)
    repeated = [name for name in names if header.count(name) > 1]
    if repeated:
        raise damaged(f"column {', '.join(repeated)} is there twice", path)


# --- checks -----------------------------------------------------------------------------------------


def _place(path: Path, row: int) -> str:
    """Returns where a row is; the first row under the header is row 1 for a person."""
    return f"{path}, row {row + 1}"


def _require(valid: pa.Array, table: pa.Table, column: str, path: Path, *, what: str) -> None:
    """Raises for the first row that is not valid; `what` is the message, with `{}` for the value."""
    row = pc.index(valid, False).as_py()
    if row >= 0:
        raise damaged(what.format(table[column][row].as_py()[:30]), _place(path, row))


def _require_unique(table: pa.Table, column: str, path: Path) -> None:
    counts = pc.value_counts(table[column])
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return
    is_repeated = pc.equal(table[column], repeated[0]).to_numpy(zero_copy_only=False)
    second_row = int(np.flatnonzero(is_repeated)[1])
    raise damaged(f"{column} {repeated[0]} is there twice", _place(path, second_row))


def _require_one_value(table: pa.Table, key: str, column: str, path: Path, *, what: str) -> None:
    """Raises if rows with the same key differ in the column; `what` is the message, with `{}` for the key."""
    counts = table.group_by(key).aggregate([(column, "count_distinct")])
    several = counts.filter(pc.greater(counts[f"{column}_count_distinct"], 1))
    if len(several):
        raise damaged(what.format(pc.min(several[key])), path)


def _require_same_study(images: pa.Table, splits: pa.Table, corpus: Corpus) -> None:
    """Raises if an image is of one study in the metadata and of another in the table of splits."""
    row_in_splits = pc.index_in(images["dicom_id"], value_set=splits["dicom_id"].combine_chunks())
    differs = pc.not_equal(splits["study_id"].take(row_in_splits), images["study_id"])
    if pc.any(differs).as_py():
        dicom_id = images.filter(differs)["dicom_id"][0]
        raise damaged(f"dicom_id {dicom_id} is of another study than in the metadata", corpus.tables["split"])


def _integers(table: pa.Table, column: str, path: Path, *, nullable: bool = False) -> pa.Array:
    """Returns a column of whole numbers, null for an empty field if `nullable`."""
    digits = _without_point_zero(table[column])
    pattern = r"^\d{1,18}$|^$" if nullable else r"^\d{1,18}$"
    valid = pc.match_substring_regex(digits, pattern)
    _require(valid, table, column, path, what="'{}' is not a whole number")
    return pc.if_else(pc.equal(digits, ""), None, digits).cast(pa.int64())


def _without_point_zero(column: pa.ChunkedArray) -> pa.Array:
    """Returns whole numbers without ".0": pandas writes a column with empty fields as 3056.0."""
    return pc.replace_substring_regex(column.combine_chunks(), r"\.0$", "")


# --- images and splits ------------------------------------------------------------------------------


def _images(corpus: Corpus) -> pa.Table:
    """Returns the images that the metadata name, else those of MIMIC-CXR's own record list."""
    if "metadata" not in corpus.tables:
        return _images_of_record_list(corpus.tables["records"])
    path = corpus.tables["metadata"]
    description = ("ViewPosition", "Rows", "Columns", "StudyDate", "StudyTime")
    raw = _load(path, ("dicom_id", *_SUBJECT_AND_STUDY, *description))
    _require_unique(raw, "dicom_id", path)
    views = raw["ViewPosition"]
    return pa.table(
        {
            **_image_keys(raw, path),
            "view": pc.if_else(pc.equal(views, ""), None, views),
            "rows": _integers(raw, "Rows", path, nullable=True),
            "columns": _integers(raw, "Columns", path, nullable=True),
            "taken": _taken(raw, path),
        }
    )


def _images_of_record_list(path: Path) -> pa.Table:
    """Returns the images without view, size and time, which the record list does not have."""
    raw = _load(path, ("dicom_id", *_SUBJECT_AND_STUDY))
    _require_unique(raw, "dicom_id", path)
    return pa.table(
        {
            **_image_keys(raw, path),
            "view": pa.nulls(len(raw), pa.string()),
            "rows": pa.nulls(len(raw), pa.int64()),
            "columns": pa.nulls(len(raw), pa.int64()),
            "taken": pa.nulls(len(raw), pa.timestamp("ms")),
        }
    )


_SUBJECT_AND_STUDY = ("subject_id", "study_id")


def _image_keys(raw: pa.Table, path: Path) -> dict[str, Any]:
    return {"dicom_id": raw["dicom_id"], **{key: _integers(raw, key, path) for key in _SUBJECT_AND_STUDY}}


def _taken(raw: pa.Table, path: Path) -> pa.Array:
    """Returns when each image was taken: midnight without StudyTime, null without StudyDate."""
    return pc.add(_days(raw, path), _time_of_day(raw, path))


def _days(raw: pa.Table, path: Path) -> pa.Array:
    """Returns StudyDate, written yyyymmdd, as a timestamp; null for an empty field."""
    digits = _without_point_zero(raw["StudyDate"])
    days = pc.strptime(digits, format="%Y%m%d", unit="ms", error_is_null=True)
    is_date = pc.and_(pc.is_valid(days), pc.match_substring_regex(digits, r"^\d{8}$"))
    is_empty = pc.equal(digits, "")
    _require(pc.or_(is_date, is_empty), raw, "StudyDate", path, what="StudyDate '{}' is not yyyymmdd")
    return days


def _time_of_day(raw: pa.Table, path: Path) -> pa.Array:
    """Returns StudyTime as a duration, zero for an empty field.

    It is hhmmss.fff written as a number, so leading zeros are lost: 80556.875 is 08:05:56.875.
    """
    texts = pc.if_else(pc.equal(raw["StudyTime"], ""), "0", raw["StudyTime"]).combine_chunks()
    is_number = pc.match_substring_regex(texts, r"^\d{1,6}(\.\d*)?$")
    number = pc.if_else(is_number, texts, "0").cast(pa.float64()).to_numpy()
    hours, minutes, seconds = number // 10_000, number // 100 % 100, number % 100
    is_time = pa.array((hours < 24) & (minutes < 60) & (seconds < 61))
    _require(pc.and_(is_number, is_time), raw, "StudyTime", path, what="StudyTime '{}' is not hhmmss")
    milliseconds = np.rint((hours * 3600 + minutes * 60 + seconds) * 1000).astype(np.int64)
    return pa.array(milliseconds, pa.duration("ms"))


def _splits(corpus: Corpus) -> pa.Table:
    """Returns dicom_id, split, study_id and subject_id of each image."""
    path = corpus.tables["split"]
    raw = _load(path, ("dicom_id", "split", "study_id", "subject_id"))
    is_split = pc.is_in(raw["split"], value_set=pa.array(SPLITS)).combine_chunks()
    _require(is_split, raw, "split", path, what=f"split '{{}}' is none of {', '.join(SPLITS)}")
    _require_unique(raw, "dicom_id", path)
    keys = {name: _integers(raw, name, path) for name in _KEYS.names}
    return pa.table({"dicom_id": raw["dicom_id"], "split": raw["split"], **keys})


# --- studies ----------------------------------------------------------------------------------------


def _study_list(corpus: Corpus) -> Iterable[pa.Table]:
    """Yields the keys of MIMIC-CXR's own study list, if the copy has it."""
    path = corpus.tables.get("studies")
    if path:
        raw = _load(path, _KEYS.names)
        yield pa.table([_integers(raw, column, path) for column in _KEYS.names], schema=_KEYS)


def _studies(sources: Iterable[pa.Table], corpus: Corpus) -> pa.Table:
    """Returns study_id and subject_id, each study once, in the order of study_id."""
    pairs = pa.concat_tables(sources).group_by(_KEYS.names).aggregate([])
    _require_one_value(pairs, "study_id", "subject_id", corpus.root, what="study {} belongs to two subjects")
    return pairs.sort_by("study_id").combine_chunks()


def _split_of_studies(splits: pa.Table, corpus: Corpus) -> pa.Table:
    """Returns study_id and its split (`split_max`) of every study that has an image with a split."""
    path = corpus.tables["split"]
    _require_one_value(splits, "study_id", "split", path, what="study {} is in two splits")
    _require_one_value(splits, "subject_id", "split", path, what="subject {} is in two splits")
    return splits.group_by("study_id").aggregate([("split", "max")])


def _images_of_studies(images: pa.Table) -> pa.Table:
    """Returns one row for each study with images: study_id, when it was taken, and its images by dicom_id."""
    images = images.sort_by([("study_id", "ascending"), ("dicom_id", "ascending")]).combine_chunks()
    # The images of one study are now neighbours: a list is a range of rows.
    ids, first_rows = np.unique(images["study_id"].to_numpy(), return_index=True)
    offsets = pa.array(np.append(first_rows, len(images)), pa.int32())
    columns = [images[field.name].combine_chunks() for field in IMAGE]
    lists = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(IMAGE)))
    # Arrow's groups come in any order, so they are aligned by key.
    first_taken = images.group_by("study_id").aggregate([("taken", "min")])
    taken = _aligned(first_taken, pa.chunked_array([ids]))["taken_min"]
    return pa.table({"study_id": ids, "taken": taken, "images": lists})


def _priors(studies: pa.Table) -> pa.ChunkedArray:
    """Returns for each study the subject's latest study taken before it; null if there is none.

    Studies taken at the same moment have the same prior. If several studies were taken at the moment before,
    the one with the largest study_id is the prior.
    """
    dated = studies.select(["study_id", "subject_id", "taken"]).filter(studies["taken"].is_valid())
    moments = dated.group_by(["subject_id", "taken"]).aggregate([("study_id", "max")])
    moments = moments.sort_by([("subject_id", "ascending"), ("taken", "ascending")])
    moments = moments.append_column("prior", _row_above(moments["study_id_max"], group=moments["subject_id"]))
    with_priors = dated.join(moments, keys=["subject_id", "taken"])
    return _aligned(with_priors, studies["study_id"])["prior"]


def _row_above(values: pa.ChunkedArray, *, group: pa.ChunkedArray) -> pa.Array:
    """Returns the value of the row above; null in the first row of each group."""
    groups = group.to_numpy()
    is_first = np.ones(len(groups), bool)
    is_first[1:] = groups[1:] != groups[:-1]
    return pa.array(np.roll(values.to_numpy(), 1), mask=is_first)


# --- labels -----------------------------------------------------------------------------------------


def _labels(corpus: Corpus, labeller: str) -> pa.Table:
    """Returns study_id, subject_id (which the radiologist's table does not have) and `labels`.

    There is no row if the copy does not have the table.
    """
    of_radiologist = labeller == "radiologist"
    keys = ["study_id"] if of_radiologist else _KEYS.names
    path = corpus.tables.get(labeller)
    if path is None:
        return pa.schema([*(_KEYS.field(key) for key in keys), pa.field("labels", LABELLED)]).empty_table()
    columns = [_RADIOLOGIST_NAMES.get(label, label) for label in LABELS] if of_radiologist else list(LABELS)
    raw = _load(path, (*keys, *columns))
    _require_unique(raw, "study_id", path)
    values = [_label_values(raw, column, path) for column in columns]
    labels = pa.StructArray.from_arrays(values, fields=list(LABELLED))
    return pa.table([*(_integers(raw, key, path) for key in keys), labels], names=[*keys, "labels"])


def _label_values(raw: pa.Table, column: str, path: Path) -> pa.Array:
    """Returns 1, 0, -1 or null for each row."""
    which = pc.index_in(raw[column].combine_chunks(), value_set=pa.array(list(_LABEL_VALUES)))
    _require(
        pc.is_valid(which), raw, column, path, what="label value '{}' is none of 1.0, 0.0, -1.0 and empty"
    )
    return pa.array(list(_LABEL_VALUES.values()), pa.int8()).take(which)
