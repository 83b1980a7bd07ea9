"""What the files of each study give: its report's sections and target, and the names of its images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from laudo import mimic, sections, targets
from laudo.experiment.plan import Plan
from laudo.experiment.settings import Prepare
from laudo.prepare.source import OpenCorpus, of_keys
from laudo.sections import reference
from laudo.store import Key, Row, fill, watch
from laudo.store.spread import Shard
from laudo.vocabulary import Exclusion

_PART_SIZE = 8192
"""Studies in a part."""


def make(plan: Plan, corpus: OpenCorpus, *, shard: Shard) -> bool:
    """Makes a shard of `texts`: each shard opens the reports of its own parts alone.

    Raises:
        InputError: a report is damaged in its zip.
    """
    settings = plan.experiment.prepare

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        studies = of_keys(corpus.index, list(keys)).select(["study_id", "subject_id", "images"])
        return [_row(study, corpus, settings) for study in studies.to_pylist()]

    return fill(plan.texts, corpus.keys, rows_of, part_size=_PART_SIZE, shard=shard)


def _row(study: Mapping[str, Any], corpus: OpenCorpus, settings: Prepare) -> Row:
    report = corpus.reports.fetch(subject_id=study["subject_id"], study_id=study["study_id"])
    fault = _fault_of_file(report)
    text = report.text if report and fault is None else ""
    divided = _divided(text, study["study_id"]).unwrapped
    target = targets.target(divided, settings)
    fault = fault or _fault_of_target(target)
    needs_files = fault is None and settings.images == "keep"
    files = _Files.of(study, corpus) if needs_files else _Files([], {})
    return {
        "study_id": study["study_id"],
        "encoding": report.encoding if report else None,
        "sections": dict(divided.sections),
        "target": target.sections,
        "removed": target.removed,
        "same_text": _same_text(target.sections),
        "files": files.names,
        "fault": fault,
        "watched": _watched_reports(study, corpus) if _fault_of_file(report) else files.watched,
    }


def _divided(text: str, study_id: int) -> sections.SectionedReport:
    """The sections of a report; for 54 studies MIT-LCP's authors chose the target by hand."""
    report = sections.split(text)
    if not reference.is_special(study_id):
        return report
    chosen = reference.split(text, study_id=study_id).target.strip()
    others = [section for section in report.sections if section.name not in sections.TARGETS]
    return sections.SectionedReport(
        (*others, *([sections.Section("last_paragraph", chosen)] if chosen else []))
    )


def _same_text(target: Mapping[str, str]) -> int:
    """A number that is the same for the same words, whatever their section, case, stops or item numbers."""
    words = _ITEM.sub("", "\n".join(target.values())).casefold().translate(_STOPS).split()
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), signed=True)


_ITEM = re.compile(r"^\d{1,2}[.)][ \t]+", re.MULTILINE)
_STOPS = str.maketrans(dict.fromkeys(".,;:!?()", " "))


def _fault_of_file(report: mimic.ReportText | None) -> str | None:
    """Why the file of a report cannot be used, None where it can."""
    if report is None:
        return Exclusion.NO_REPORT
    if not report.text.strip():
        return Exclusion.EMPTY_REPORT
    # Blocks of zeros, as a broken copy leaves them.
    return Exclusion.DAMAGED_REPORT if "\0" in report.text else None


def _fault_of_target(target: targets.Target) -> str | None:
    if target.sections:
        return None
    return Exclusion.NOTHING_LEFT if target.removed else Exclusion.NO_USABLE_SECTION


def _watched_reports(study: Mapping[str, Any], corpus: OpenCorpus) -> dict[str, str]:
    """Where a report that is absent or faulty may come to lie, in the folders of patients who are there.

    Other patients, and reports in the zip, count for the identity of the corpus.
    """
    name = f"{mimic.patient_folder(study['subject_id'])}/s{study['study_id']}.txt"
    paths = (folder / name for folder in corpus.files.report_folders)
    return watch.stamps(*(path for path in paths if path.parent.is_dir()))


class _Files(NamedTuple):
    """The names of a study's image files, and its folder if some of them are missing, to be watched."""

    names: list[str]
    watched: dict[str, str]

    @classmethod
    def of(cls, study: Mapping[str, Any], corpus: OpenCorpus) -> _Files:
        """Lists the folder once, as network disks are slow."""
        key = {"subject_id": study["subject_id"], "study_id": study["study_id"]}
        if not study["images"]:
            return cls([], {})
        paths = mimic.images_of(corpus.files, **key)
        folder = mimic.image_folder(corpus.files.root, **key)
        is_whole = paths.keys() >= {image["dicom_id"] for image in study["images"]}
        watched = {} if is_whole or not folder.parent.is_dir() else watch.stamps(folder)
        return cls(sorted(path.name for path in paths.values()), watched)
