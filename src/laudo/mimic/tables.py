"""The tables of MIMIC-CXR one by one: their columns, checked, and as numbers where they are numbers.

`studies` joins them. Each of these functions raises `InputError` if its table cannot be read, lacks a column,
holds an invalid value, or has a key twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laudo.mimic import csv_files
from laudo.mimic.layout import Corpus
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

KEYS = pa.schema([("study_id", pa.int64()), ("subject_id", pa.int64())])
"""What every table of studies has, but for the radiologist's, which has no subject_id."""


def images(corpus: Corpus) -> pa.Table:
    """Returns the images that the metadata name, else those of MIMIC-CXR's own record list."""
    if "metadata" not in corpus.tables:
        return _images_of_record_list(corpus.tables["records"])
    path = corpus.tables["metadata"]
    description = ("ViewPosition", "Rows", "Columns", "StudyDate", "StudyTime")
    raw = csv_files.load(path, ("dicom_id", *_SUBJECT_AND_STUDY, *description))
    csv_files.require_unique(raw, "dicom_id", path)
    views = raw["ViewPosition"]
    return pa.table(
        {
            **_image_keys(raw, path),
            "view": pc.if_else(pc.equal(views, ""), None, views),
            "rows": csv_files.integers(raw, "Rows", path, nullable=True),
            "columns": csv_files.integers(raw, "Columns", path, nullable=True),
            "taken": _taken(raw, path),
        }
    )


def _images_of_record_list(path: Path) -> pa.Table:
    """Returns the images without view, size and time, which the record list does not have."""
    raw = csv_files.load(path, ("dicom_id", *_SUBJECT_AND_STUDY))
    csv_files.require_unique(raw, "dicom_id", path)
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
    return {
        "dicom_id": raw["dicom_id"],
        **{key: csv_files.integers(raw, key, path) for key in _SUBJECT_AND_STUDY},
    }


def _taken(raw: pa.Table, path: Path) -> pa.Array:
    """Returns when each image was taken: midnight without StudyTime, null without StudyDate."""
    return pc.add(_days(raw, path), _time_of_day(raw, path))


def _days(raw: pa.Table, path: Path) -> pa.Array:
    """Returns StudyDate, written yyyymmdd, as a timestamp; null for an empty field."""
    digits = csv_files.without_point_zero(raw["StudyDate"])
    days = pc.strptime(digits, format="%Y%m%d", unit="ms", error_is_null=True)
    is_date = pc.and_(pc.is_valid(days), pc.match_substring_regex(digits, r"^\d{8}$"))
    is_empty = pc.equal(digits, "")
    csv_files.require(
        pc.or_(is_date, is_empty), raw, "StudyDate", path, what="StudyDate '{}' is not yyyymmdd"
    )
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
    csv_files.require(
        pc.and_(is_number, is_time), raw, "StudyTime", path, what="StudyTime '{}' is not hhmmss"
    )
    milliseconds = np.rint((hours * 3600 + minutes * 60 + seconds) * 1000).astype(np.int64)
    return pa.array(milliseconds, pa.duration("ms"))


def splits(corpus: Corpus) -> pa.Table:
    """Returns dicom_id, split, study_id and subject_id of each image."""
    path = corpus.tables["split"]
    raw = csv_files.load(path, ("dicom_id", "split", "study_id", "subject_id"))
    is_split = pc.is_in(raw["split"], value_set=pa.array(SPLITS)).combine_chunks()
    csv_files.require(is_split, raw, "split", path, what=f"split '{{}}' is none of {', '.join(SPLITS)}")
    csv_files.require_unique(raw, "dicom_id", path)
    keys = {name: csv_files.integers(raw, name, path) for name in KEYS.names}
    return pa.table({"dicom_id": raw["dicom_id"], "split": raw["split"], **keys})


def study_list(corpus: Corpus) -> Iterable[pa.Table]:
    """Yields the keys of MIMIC-CXR's own study list, if the copy has it."""
    path = corpus.tables.get("studies")
    if path:
        raw = csv_files.load(path, KEYS.names)
        yield pa.table([csv_files.integers(raw, column, path) for column in KEYS.names], schema=KEYS)


# --- labels -----------------------------------------------------------------------------------------


def labels(corpus: Corpus, labeller: str) -> pa.Table:
    """Returns study_id, subject_id (which the radiologist's table does not have) and `labels`.

    There is no row if the copy does not have the table.
    """
    of_radiologist = labeller == "radiologist"
    keys = ["study_id"] if of_radiologist else KEYS.names
    path = corpus.tables.get(labeller)
    if path is None:
        return pa.schema([*(KEYS.field(key) for key in keys), pa.field("labels", LABELLED)]).empty_table()
    columns = [_RADIOLOGIST_NAMES.get(label, label) for label in LABELS] if of_radiologist else list(LABELS)
    raw = csv_files.load(path, (*keys, *columns))
    csv_files.require_unique(raw, "study_id", path)
    values = [_label_values(raw, column, path) for column in columns]
    labelled = pa.StructArray.from_arrays(values, fields=list(LABELLED))
    return pa.table(
        [*(csv_files.integers(raw, key, path) for key in keys), labelled], names=[*keys, "labels"]
    )


def _label_values(raw: pa.Table, column: str, path: Path) -> pa.Array:
    """Returns 1, 0, -1 or null for each row."""
    which = pc.index_in(raw[column].combine_chunks(), value_set=pa.array(list(_LABEL_VALUES)))
    csv_files.require(
        pc.is_valid(which), raw, column, path, what="label value '{}' is none of 1.0, 0.0, -1.0 and empty"
    )
    return pa.array(list(_LABEL_VALUES.values()), pa.int8()).take(which)
