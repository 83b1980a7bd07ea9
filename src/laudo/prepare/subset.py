"""`subset`: which studies are asked for, and why each other one is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from laudo import images, mimic
from laudo.experiment.plan import Plan
from laudo.prepare import selection
from laudo.prepare.source import OpenCorpus, of_keys
from laudo.store import Key, Row, fill, is_done, table
from laudo.store.tables import SUBSET
from laudo.vocabulary import Exclusion

_PART_SIZE = 8192


class ListedImage(NamedTuple):
    """An image as the corpus has it; its fields are those of `store.tables.LISTED_IMAGE`."""

    dicom_id: str
    view_position: str | None
    rows: int | None
    columns: int | None
    file: str | None

    @classmethod
    def of(cls, listed: Mapping[str, Any], *, file: str | None) -> ListedImage:
        return cls(listed["dicom_id"], listed["view"], listed["rows"], listed["columns"], file)

    def as_row(self) -> Row:
        """The image as `subset` has it."""
        row = self._asdict()
        return {"view": row.pop("view_position"), **row}


def make(plan: Plan, corpus: OpenCorpus) -> bool:
    """Makes `subset`.

    Raises:
        InputError: no study has a report.
    """
    if is_done(plan.subset):
        return False
    texts = table(plan.texts, columns=["study_id", "same_text", "files", "fault"]).sort_by("study_id")
    if pc.all(pc.fill_null(pc.equal(texts["fault"], Exclusion.NO_REPORT), False)).as_py():
        raise mimic.no_report_found(corpus.files)
    settings = plan.experiment.prepare
    studies = _listed(corpus.index, texts, with_files=settings.images == "keep")
    reasons = selection.leave_out(studies, settings, texts=texts["same_text"].to_numpy())
    columns = [studies[name] for name in ("study_id", "subject_id", "images")]
    subset = pa.table([*columns, pa.array(reasons.tolist(), pa.string())], schema=SUBSET.schema)

    def rows_of(keys: Sequence[Key]) -> pa.Table:
        return of_keys(subset, list(keys))

    return fill(plan.subset, corpus.keys, rows_of, part_size=_PART_SIZE)


def _listed(index: pa.Table, texts: pa.Table, *, with_files: bool) -> pa.Table:
    """Every study: its images in the order of use with their files, and why it cannot be used."""
    rows = zip(
        index.select(["images", "split"]).to_pylist(),
        texts.select(["files", "fault"]).to_pylist(),
        strict=True,
    )
    listed, excluded = [], []
    for study, text in rows:
        ordered = _in_order(study["images"] or (), text["files"])
        listed.append(ordered)
        excluded.append(_why(study, text["fault"], ordered, with_files=with_files))
    columns = {name: index[name] for name in ("study_id", "subject_id", "split", "chexpert")}
    columns["images"] = pa.array(listed, SUBSET.schema.field("images").type)
    columns["excluded"] = pa.array(excluded, pa.string())
    return pa.table(columns)


def _in_order(listed: Iterable[Mapping[str, Any]], files: Iterable[str]) -> list[Row]:
    by_id = {PurePath(name).stem: name for name in files}
    ordered = images.order([ListedImage.of(image, file=by_id.get(image["dicom_id"])) for image in listed])
    return [image.as_row() for image in ordered]


def _why(
    study: Mapping[str, Any], fault: str | None, listed: Sequence[Row], *, with_files: bool
) -> str | None:
    """Why a study cannot be used, None where it can."""
    if not listed:
        return Exclusion.NO_IMAGE
    if study["split"] is None:
        return Exclusion.NO_SPLIT
    if fault is not None:
        return fault
    if with_files and not any(image["file"] for image in listed):
        return Exclusion.IMAGE_FILE_MISSING
    return None
