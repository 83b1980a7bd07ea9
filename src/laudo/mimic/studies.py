"""The tables of MIMIC-CXR joined by key: one row for each study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laudo.mimic import tables
from laudo.mimic.csv_files import require_one_value
from laudo.mimic.layout import Corpus, damaged


def index(corpus: Corpus, *, reported: Mapping[int, int]) -> pa.Table:
    """Returns one row for every study that a table or the zip names, in the order of study_id.

    Args:
        reported: study_id -> subject_id of the reports in the zip.

    Returns:
        study_id, subject_id (int64); split (string, null if no image of the study has one); taken
        (timestamp[ms], the study's first image: PhysioNet shifts the dates of each patient and keeps their
        order; null without metadata); prior (int64, the patient's last study before it); images (list of
        `tables.IMAGE` by dicom_id); chexpert, negbio, radiologist (`LABELLED`, null if the table has no row).

    Raises:
        InputError: a table cannot be read, lacks a column or holds an invalid value; a key occurs twice; rows
            contradict each other (a study of two subjects, a subject in two splits).
    """
    splits, images = tables.splits(corpus), tables.images(corpus)
    _require_same_study(images, splits, corpus)
    labels = {name: tables.labels(corpus, name) for name in tables.LABELLERS}
    zipped = pa.table({"study_id": [*reported], "subject_id": [*reported.values()]}, schema=tables.KEYS)
    sources = [images, splits, labels["chexpert"], labels["negbio"], zipped, *tables.study_list(corpus)]
    studies = _studies([source.select(tables.KEYS.names) for source in sources], corpus)
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


def _require_same_study(images: pa.Table, splits: pa.Table, corpus: Corpus) -> None:
    """Raises if an image is of one study in the metadata and of another in the table of splits."""
    row_in_splits = pc.index_in(images["dicom_id"], value_set=splits["dicom_id"].combine_chunks())
    differs = pc.not_equal(splits["study_id"].take(row_in_splits), images["study_id"])
    if pc.any(differs).as_py():
        dicom_id = images.filter(differs)["dicom_id"][0]
        raise damaged(f"dicom_id {dicom_id} is of another study than in the metadata", corpus.tables["split"])


def _studies(sources: Iterable[pa.Table], corpus: Corpus) -> pa.Table:
    """Returns study_id and subject_id, each study once, in the order of study_id."""
    pairs = pa.concat_tables(sources).group_by(tables.KEYS.names).aggregate([])
    require_one_value(pairs, "study_id", "subject_id", corpus.root, what="study {} belongs to two subjects")
    return pairs.sort_by("study_id").combine_chunks()


def _split_of_studies(splits: pa.Table, corpus: Corpus) -> pa.Table:
    """Returns study_id and its split (`split_max`) of every study that has an image with a split."""
    path = corpus.tables["split"]
    require_one_value(splits, "study_id", "split", path, what="study {} is in two splits")
    require_one_value(splits, "subject_id", "split", path, what="subject {} is in two splits")
    return splits.group_by("study_id").aggregate([("split", "max")])


def _images_of_studies(images: pa.Table) -> pa.Table:
    """Returns one row for each study with images: study_id, when it was taken, and its images by dicom_id."""
    images = images.sort_by([("study_id", "ascending"), ("dicom_id", "ascending")]).combine_chunks()
    # The images of one study are now neighbours: a list is a range of rows.
    ids, first_rows = np.unique(images["study_id"].to_numpy(), return_index=True)
    offsets = pa.array(np.append(first_rows, len(images)), pa.int32())
    columns = [images[field.name].combine_chunks() for field in tables.IMAGE]
    lists = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(tables.IMAGE)))
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
