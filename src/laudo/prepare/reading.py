"""Every study of a corpus by key, with what its report gives: seconds to a minute for a full copy, in memory."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from laudo import mimic, sections
from laudo.config import Prepare
from laudo.errors import InputError
from laudo.mimic import Corpus, tables
from laudo.prepare import films, subset, targets
from laudo.progress import Progress
from laudo.records import STUDIES
from laudo.sections import reference

_SLICE = 8192
"""Studies whose reports are held as Python objects at a time."""


def read(corpus: Corpus, settings: Prepare) -> pa.Table:
    """Every study of the corpus, as `STUDIES` but with all its `images` as in the tables, the subset chosen.

    Raises:
        InputError: a part of the corpus is damaged or contradicts another, or there is no study.
    """
    _require(corpus, settings)
    with mimic.Reports(corpus) as reports:
        found = tables.index(corpus, reported=reports.studies)
        if not len(found):
            raise InputError(
                "the corpus has no study",
                where=str(corpus.root),
                mend="set [mimic] root to the folder that holds files/ and the tables",
            )
        gc.freeze()  # else the collector walks the zip's quarter of a million entries again and again
        parts, texts = [], []
        with Progress("reports", len(found)) as progress:
            for rows in _slices(found):
                told = [_told(study, corpus, reports, settings) for study in rows.select(_KEYS).to_pylist()]
                parts.append(_with_text(rows, told))
                texts += [t.text for t in told]
                progress.add(len(rows))
    if all(part["encoding"].null_count == len(part) for part in parts):
        raise mimic.no_reports("no study has a report", corpus.root)
    studies = pa.concat_tables(parts)
    reasons = subset.leave_out(studies, settings, texts=np.array(texts, np.int64))
    at = studies.schema.get_field_index("excluded")
    return studies.set_column(at, "excluded", pa.array(reasons.tolist(), pa.string()))


def _require(corpus: Corpus, settings: Prepare) -> None:
    """Refuses settings that need a table which is not there."""
    needs = {"chexpert": settings.subset != "random", "metadata": settings.priors == "supply"}
    asked = {"chexpert": f'subset = "{settings.subset}"', "metadata": 'priors = "supply"'}
    for name in (name for name, needed in needs.items() if needed and name not in corpus.tables):
        raise InputError(
            f"[prepare] {asked[name]} needs mimic-cxr-2.0.0-{name}.csv.gz",
            where=str(corpus.root),
            mend="download it from MIMIC-CXR-JPG on PhysioNet into this folder, or change the setting",
        )


_KEYS = ["study_id", "subject_id", "split", "images"]


class _Told(NamedTuple):
    """What a study's report gives; `text` is a number that is the same for the same target text."""

    encoding: str | None
    views: list[str]
    sections: dict[str, str]
    target: targets.Target
    text: int
    excluded: str | None


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(table), _SLICE):
        yield table.slice(start, _SLICE)


def _told(study: Mapping[str, Any], corpus: Corpus, reports: mimic.Reports, settings: Prepare) -> _Told:
    report = reports.read(subject_id=study["subject_id"], study_id=study["study_id"])
    damaged = report is not None and "\0" in report.text  # blocks of zeros, as a broken copy leaves them
    divided = _divided(report.text if report and not damaged else "", study["study_id"]).unwrapped
    target = targets.target(divided, settings)
    excluded = _why_text(study, report, target) or _why_images(study, corpus, settings)
    views = [image.view_position or "" for image in films.ordered(study["images"] or (), {})]
    return _Told(
        report.encoding if report else None,
        views,
        dict(divided.sections),
        target,
        _number(target.sections),
        excluded,
    )


def _divided(text: str, study_id: int) -> sections.Report:
    """The report's sections; for 54 studies the text that MIT-LCP's authors took by hand is the last paragraph."""
    report = sections.split(text)
    if not reference.is_special(study_id):
        return report
    taken = reference.split(text, study_id=study_id).target.strip()
    others = [section for section in report.sections if section.name not in sections.TARGETS]
    return sections.Report((*others, *([sections.Section("last_paragraph", taken)] if taken else [])))


def _number(target: Mapping[str, str]) -> int:
    """A number that is the same for the same words, whatever their section, case, stops or item numbers."""
    plain = _ITEM.sub("", "\n".join(target.values())).casefold().translate(_STOPS).split()
    return int.from_bytes(hashlib.blake2b(" ".join(plain).encode(), digest_size=8).digest(), signed=True)


_ITEM = re.compile(r"^\d{1,2}[.)][ \t]+", re.MULTILINE)
_STOPS = str.maketrans(dict.fromkeys(",;:!?()", " ") | {".": " "})


def _why_text(study: Mapping[str, Any], report: mimic.Report | None, target: targets.Target) -> str | None:
    if not study["images"]:
        return "no image"
    if study["split"] is None:
        return "no split"
    if report is None:
        return "no report"
    if not report.text.strip():
        return "empty report"
    if "\0" in report.text:
        return "damaged report"
    if target.sections:
        return None
    return "nothing left of the target" if target.removed else "no usable section"


def _why_images(study: Mapping[str, Any], corpus: Corpus, settings: Prepare) -> str | None:
    if settings.images == "none":
        return None
    there = mimic.images_of(corpus, subject_id=study["subject_id"], study_id=study["study_id"])
    return None if any(image["dicom_id"] in there for image in study["images"]) else "image file is missing"


def _with_text(rows: pa.Table, told: Sequence[_Told]) -> pa.Table:
    return with_columns(
        rows,
        encoding=(t.encoding for t in told),
        views=(t.views for t in told),
        sections=([*t.sections.items()] for t in told),
        target=([*t.target.sections.items()] for t in told),
        removed=([*t.target.removed.items()] for t in told),
        excluded=(t.excluded for t in told),
    )


def with_columns(rows: pa.Table, **columns: Iterable[Any]) -> pa.Table:
    """The rows with further columns of `STUDIES`, in the order of its columns."""
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, STUDIES.schema.field(name).type))
    return rows.select([name for name in STUDIES.schema.names if name in rows.column_names])
