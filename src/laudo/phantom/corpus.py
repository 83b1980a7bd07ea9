"""Writes the phantom in the layout of MIMIC-CXR-JPG and `mimic-cxr-reports.zip`, and the truth beside it.

    DIR/mimic/   what a stage receives; nothing in it shows that it is not MIMIC-CXR
    DIR/truth/   the facts of each study, the wordings used, the Portuguese rendering; only to measure with

The same arguments give the same bytes: every draw is seeded by the seed and the place of the study, and no
archive carries a time.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from laudo.phantom.compose import ComposedReport, compose
from laudo.phantom.facts import LABEL_OF_FINDING, TrueFact, sample
from laudo.store import spread
from laudo.vocabulary import LABELS, SPLITS, Status

MIMIC_PROPORTIONS = (222_758, 1_808, 3_269)
"""Studies by split in MIMIC-CXR 2.1.0, from its documentation."""

_KEYS = ("subject_id", "study_id")
_COLUMNS = {
    "metadata": (
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
        "Rows",
        "Columns",
        "StudyDate",
        "StudyTime",
        "ProcedureCodeSequence_CodeMeaning",
        "ViewCodeSequence_CodeMeaning",
        "PatientOrientationCodeSequence_CodeMeaning",
    ),
    "split": ("dicom_id", "study_id", "subject_id", "split"),
    "chexpert": (*_KEYS, *LABELS),
    "negbio": (*_KEYS, *LABELS),
}
"""The tables and their columns, as PhysioNet orders them."""

_VIEW_MEANINGS = {
    "AP": "antero-posterior",
    "PA": "postero-anterior",
    "LATERAL": "lateral",
    "LL": "left lateral",
}
_PORTABLE_VIEWS = (["AP"], ["AP"], ["AP"], ["AP", "AP"])
_UPRIGHT_VIEWS = (
    ["PA", "LATERAL"],
    ["PA", "LATERAL"],
    ["PA", "LL"],
    ["PA", "PA", "LATERAL"],
    ["PA", "PA", "LATERAL", "LL"],
)
_VISITS = {1: 40, 2: 18, 3: 12, 4: 9, 5: 7, 6: 5, 7: 4, 8: 3, 9: 2}
"""Studies of a subject -> how often, in per cent."""


@dataclass(frozen=True)
class Image:
    """One picture of a study; `named` is False if the metadata do not name its view."""

    dicom_id: str
    view: str
    named: bool


@dataclass(frozen=True)
class Study:
    """One study with its place in the layout; `facts` are what its pictures show."""

    study_id: int
    subject_id: int
    split: str
    date: int
    time: float
    procedure: str
    images: tuple[Image, ...]
    facts: tuple[TrueFact, ...]
    report: ComposedReport

    @property
    def folder(self) -> str:
        return f"files/p{str(self.subject_id)[:2]}/p{self.subject_id}/s{self.study_id}"


def studies(*, count: int, seed: int, proportions: tuple[float, ...] = (60, 10, 30)) -> Iterator[Study]:
    """Yields `count` studies, subject by subject; a subject has one to nine studies, all in one split."""
    rng = Random(f"corpus {seed} {count}")
    subject_ids = iter(sorted(rng.sample(range(10_000_000, 20_000_000), count)))
    study_ids = iter(rng.sample(range(50_000_000, 60_000_000), count))
    counts = dict.fromkeys(SPLITS, 0)
    shares = {split: p / sum(proportions) for split, p in zip(SPLITS, proportions, strict=True)}
    drawn = 0
    while drawn < count:
        subject_id = next(subject_ids)
        # The next subject goes to the split that is furthest behind its share.
        split = min(SPLITS, key=lambda name: (counts[name] + 1) / (shares[name] or 1e-9))
        visits = min(rng.choices(list(_VISITS), list(_VISITS.values()))[0], count - drawn)
        year = rng.randint(21100101, 21991231) // 10000
        for visit in range(visits):
            yield _study(
                Random(f"study {seed} {drawn + visit}"),
                study_id=next(study_ids),
                subject_id=subject_id,
                split=split,
                year=year + visit,
            )
        counts[split] += visits
        drawn += visits


def _study(rng: Random, *, study_id: int, subject_id: int, split: str, year: int) -> Study:
    portable = rng.random() < 0.5
    views = rng.choice(_PORTABLE_VIEWS if portable else _UPRIGHT_VIEWS)
    images = tuple(Image(_dicom_id(rng), view, rng.random() > 0.04) for view in views)
    facts = sample(rng)
    report = compose(facts, rng, lateral=not portable, new_wordings=split == "test")
    hours, minutes, seconds = rng.randint(0, 23), rng.randint(0, 59), rng.random() * 59
    month, day = rng.randint(1, 12), rng.randint(1, 28)
    return Study(
        study_id=study_id,
        subject_id=subject_id,
        split=split,
        date=year * 10000 + month * 100 + day,
        time=round(hours * 10000 + minutes * 100 + seconds, 3),
        procedure="CHEST (PORTABLE AP)" if portable else "CHEST (PA AND LAT)",
        images=images,
        facts=tuple(facts),
        report=report,
    )


def _dicom_id(rng: Random) -> str:
    return "-".join(f"{rng.getrandbits(32):08x}" for _ in range(5))


def write(
    folder: Path,
    *,
    count: int,
    seed: int,
    proportions: tuple[float, ...] = (60, 10, 30),
    size_px: int | None = 512,
) -> Iterator[int]:
    """Writes the corpus, and yields the number of studies written so far.

    Args:
        folder: receives `mimic/` and `truth/`; files of the same names are replaced.
        size_px: longer side of the pictures; None writes no pictures.
    """
    mimic, truth = folder / "mimic", folder / "truth"
    for part in (mimic, truth):
        part.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tables = {
            name: stack.enter_context(_Table(mimic / f"mimic-cxr-2.0.0-{name}.csv.gz", columns))
            for name, columns in _COLUMNS.items()
        }
        lines = {
            name: stack.enter_context(_gzip_text(truth / f"{name}.jsonl.gz")) for name in ("facts", "reports")
        }
        archive = stack.enter_context(
            zipfile.ZipFile(mimic / "mimic-cxr-reports.zip", "w", zipfile.ZIP_DEFLATED)
        )
        drawn = _draw_all(mimic, studies(count=count, seed=seed, proportions=proportions), size_px)
        for number, (study, sizes) in enumerate(drawn, 1):
            _write_tables(tables, study, sizes)
            archive.writestr(_entry(f"{study.folder}.txt"), study.report.mimic_text())
            _write_truth(lines, study)
            yield number


class _Table:
    """A gzipped CSV file without a time stamp, written row by row by column name."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._file = _gzip_text(path)
        self._rows = csv.DictWriter(self._file, list(columns), lineterminator="\n")

    def __enter__(self) -> csv.DictWriter[str]:
        self._rows.writeheader()
        return self._rows

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _gzip_text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(gzip.GzipFile(path, "wb", compresslevel=6, mtime=0), encoding="utf-8", newline="")


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info


class _Size(NamedTuple):
    """Size of a picture in pixels."""

    rows: int
    columns: int


_SIZE_OF_PA, _OTHER_SIZE = _Size(3056, 2544), _Size(2705, 2539)


def _draw_all(
    mimic: Path, studies: Iterable[Study], size_px: int | None
) -> Iterator[tuple[Study, list[_Size]]]:
    """Yields each study with the sizes of its pictures, which are then written."""
    if size_px is None:
        for study in studies:
            yield study, [_SIZE_OF_PA if image.view == "PA" else _OTHER_SIZE for image in study.images]
        return
    with spread.pool() as over:
        yield from over(_draw_study, ((mimic, study, size_px) for study in studies))


def _draw_study(job: tuple[Path, Study, int]) -> tuple[Study, list[_Size]]:
    from PIL import Image as Pillow

    from laudo.phantom.draw import draw

    mimic, study, size_px = job
    folder = mimic / study.folder
    folder.mkdir(parents=True, exist_ok=True)
    sizes = []
    for image in study.images:
        pixels = draw(study.facts, view=image.view, size_px=size_px, seed=int(image.dicom_id[:8], 16))
        Pillow.fromarray(pixels).save(folder / f"{image.dicom_id}.jpg", quality=95)
        sizes.append(_Size(*map(int, pixels.shape)))
    return study, sizes


def _write_tables(tables: dict[str, csv.DictWriter[str]], study: Study, sizes: list[_Size]) -> None:
    keys = {"subject_id": study.subject_id, "study_id": study.study_id}
    for image, size in zip(study.images, sizes, strict=True):
        tables["split"].writerow({"dicom_id": image.dicom_id, **keys, "split": study.split})
        tables["metadata"].writerow({**keys, **_metadata(study, image, size)})
    values = chexpert_labels(study.report)
    labels = {name: "" if value is None else f"{value:.1f}" for name, value in values.items()}
    for name in ("chexpert", "negbio"):
        tables[name].writerow({**keys, **labels})


def _metadata(study: Study, image: Image, size: _Size) -> dict[str, Any]:
    return {
        "dicom_id": image.dicom_id,
        "PerformedProcedureStepDescription": study.procedure,
        "ViewPosition": image.view if image.named else "",
        "Rows": size.rows,
        "Columns": size.columns,
        "StudyDate": study.date,
        "StudyTime": study.time,
        "ProcedureCodeSequence_CodeMeaning": study.procedure,
        "ViewCodeSequence_CodeMeaning": _VIEW_MEANINGS[image.view],
        "PatientOrientationCodeSequence_CodeMeaning": "Recumbent" if image.view == "AP" else "Erect",
    }


_LABEL_VALUES = {Status.PRESENT: 1, Status.UNCERTAIN: -1, Status.ABSENT: 0}
"""The value of a label; if several sentences speak of it, the first of these statuses counts."""


def chexpert_labels(report: ComposedReport) -> dict[str, int | None]:
    """Returns the 14 labels of a report: 1 present, 0 absent, -1 uncertain, None not mentioned."""
    statuses: defaultdict[str, set[Status]] = defaultdict(set)
    for _, assertion in report.assertions:
        statuses[LABEL_OF_FINDING[assertion.fact.finding]].add(assertion.fact.status)
    values = {label: _label_value(statuses[label]) for label in LABELS}
    abnormal = [label for label, value in values.items() if value in (1, -1) and label != "Support Devices"]
    if not abnormal:
        values["No Finding"] = 1
    return values


def _label_value(statuses: set[Status]) -> int | None:
    return next((value for status, value in _LABEL_VALUES.items() if status in statuses), None)


def _write_truth(lines: dict[str, io.TextIOWrapper], study: Study) -> None:
    said = [
        {"section": section, **asdict(row.fact), "wording": row.wording, "set_aside": row.set_aside}
        for section, row in study.report.assertions
    ]
    facts = {
        "study_id": study.study_id,
        "split": study.split,
        "drawn": [asdict(fact) for fact in study.facts if fact.status != Status.ABSENT],
        "said": said,
    }
    report = {
        "study_id": study.study_id,
        "text_pt": study.report.portuguese_text(),
        "sections": [{"header": s.header, "en": s.en, "pt": s.pt} for s in study.report.sections],
    }
    _write_line(lines["facts"], facts)
    _write_line(lines["reports"], report)


def _write_line(file: io.TextIOWrapper, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
