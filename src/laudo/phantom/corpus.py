"""Writes the phantom in the layout of MIMIC-CXR-JPG and `mimic-cxr-reports.zip`, and the truth beside it.

    DIR/mimic/   what a stage is given; nothing in it tells that it is not MIMIC-CXR
    DIR/truth/   the facts of each study, the wordings used, the Portuguese rendering; for measuring only

The same arguments give the same bytes: every draw is seeded by the seed and the study's place, and no
archive carries a time.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from laudo import spread
from laudo.phantom.compose import Report, compose
from laudo.phantom.facts import LABELS, Fact, sample

SPLITS = ("train", "validate", "test")
MIMIC_PROPORTIONS = (222_758, 1_808, 3_269)
"""Studies by split in MIMIC-CXR 2.1.0, from its documentation."""

_LABEL_COLUMNS = sorted([*LABELS.values(), "No Finding"])
_METADATA_COLUMNS = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns", "StudyDate",
    "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning", "PatientOrientationCodeSequence_CodeMeaning",
)  # fmt: skip
_VIEW_MEANINGS = {
    "AP": "antero-posterior",
    "PA": "postero-anterior",
    "LATERAL": "lateral",
    "LL": "left lateral",
}


@dataclass(frozen=True)
class Image:
    """One picture of a study; `named` is False where the metadata leave the view position out."""

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
    facts: tuple[Fact, ...]
    report: Report

    @property
    def folder(self) -> str:
        return f"files/p{str(self.subject_id)[:2]}/p{self.subject_id}/s{self.study_id}"


def studies(*, count: int, seed: int, proportions: tuple[float, ...] = (60, 10, 30)) -> Iterator[Study]:
    """Draws `count` studies, subject by subject; a subject has one to nine studies, all in one split."""
    rng = Random(f"corpus {seed} {count}")
    subject_ids = iter(sorted(rng.sample(range(10_000_000, 20_000_000), count)))
    study_ids = iter(rng.sample(range(50_000_000, 60_000_000), count))
    made = dict.fromkeys(SPLITS, 0)
    wanted = {split: p / sum(proportions) for split, p in zip(SPLITS, proportions, strict=True)}
    done = 0
    while done < count:
        subject = next(subject_ids)
        # The split that is furthest behind takes the next subject.
        split = min(SPLITS, key=lambda s: (made[s] + 1) / (wanted[s] or 1e-9))
        visits = min(rng.choices(range(1, 10), (40, 18, 12, 9, 7, 5, 4, 3, 2))[0], count - done)
        date = rng.randint(21100101, 21991231) // 10000 * 10000 + 101
        for visit in range(visits):
            yield _study(
                next(study_ids), subject, split, date + 10000 * visit, Random(f"study {seed} {done + visit}")
            )
        made[split] += visits
        done += visits


def _study(study_id: int, subject_id: int, split: str, date: int, rng: Random) -> Study:
    portable = rng.random() < 0.5
    views = (
        ["AP"] * rng.choice((1, 1, 1, 2))
        if portable
        else rng.choice(
            (
                ["PA", "LATERAL"],
                ["PA", "LATERAL"],
                ["PA", "LL"],
                ["PA", "PA", "LATERAL"],
                ["PA", "PA", "LATERAL", "LL"],
            )
        )
    )
    images = tuple(Image(_dicom_id(rng), view, rng.random() > 0.04) for view in views)
    facts = sample(rng)
    report = compose(facts, rng, lateral=not portable, new_wordings=split == "test")
    procedure = "CHEST (PORTABLE AP)" if portable else "CHEST (PA AND LAT)"
    time = round(rng.randint(0, 23) * 10000 + rng.randint(0, 59) * 100 + rng.random() * 59, 3)
    return Study(
        study_id,
        subject_id,
        split,
        date + rng.randint(0, 11) * 100 + rng.randint(0, 27),
        time,
        procedure,
        images,
        tuple(facts),
        report,
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
    """Writes the corpus, yielding the number of studies done so far.

    Args:
        folder: receives `mimic/` and `truth/`; files of the same names are replaced.
        size_px: longer side of the pictures; None writes no pictures.
    """
    mimic, truth = folder / "mimic", folder / "truth"
    for made in (mimic, truth):
        made.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tables = {
            name: stack.enter_context(_Table(mimic / f"mimic-cxr-2.0.0-{name}.csv.gz", columns))
            for name, columns in _columns().items()
        }
        lines = {
            name: stack.enter_context(_gzip_text(truth / f"{name}.jsonl.gz")) for name in ("facts", "reports")
        }
        archive = stack.enter_context(
            zipfile.ZipFile(mimic / "mimic-cxr-reports.zip", "w", zipfile.ZIP_DEFLATED)
        )
        drawn = _draw_all(mimic, studies(count=count, seed=seed, proportions=proportions), size_px)
        for number, (study, shapes) in enumerate(drawn, 1):
            _write_tables(tables, study, shapes)
            archive.writestr(_entry(f"{study.folder}.txt"), study.report.mimic_text())
            _write_truth(lines, study)
            yield number


def _columns() -> dict[str, tuple[str, ...]]:
    keys = ("subject_id", "study_id")
    labels = (*keys, *_LABEL_COLUMNS)
    return {
        "metadata": _METADATA_COLUMNS,
        "split": ("dicom_id", "study_id", "subject_id", "split"),
        "chexpert": labels,
        "negbio": labels,
    }


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


def _draw_all(
    mimic: Path, made: Iterable[Study], size_px: int | None
) -> Iterator[tuple[Study, list[tuple[int, int]]]]:
    if size_px is None:
        for study in made:
            yield study, [(3056, 2544) if image.view == "PA" else (2705, 2539) for image in study.images]
        return
    with spread.pool() as over:
        yield from over(_draw_study, ((mimic, study, size_px) for study in made))


def _draw_study(job: tuple[Path, Study, int]) -> tuple[Study, list[tuple[int, int]]]:
    from PIL import Image as Pillow

    from laudo.phantom.draw import draw

    mimic, study, size_px = job
    folder = mimic / study.folder
    folder.mkdir(parents=True, exist_ok=True)
    shapes = []
    for image in study.images:
        pixels = draw(study.facts, view=image.view, size_px=size_px, seed=int(image.dicom_id[:8], 16))
        Pillow.fromarray(pixels).save(folder / f"{image.dicom_id}.jpg", quality=95)
        shapes.append((int(pixels.shape[0]), int(pixels.shape[1])))
    return study, shapes


def _write_tables(
    tables: dict[str, csv.DictWriter[str]], study: Study, shapes: list[tuple[int, int]]
) -> None:
    keys = {"subject_id": study.subject_id, "study_id": study.study_id}
    for image, (rows, columns) in zip(study.images, shapes, strict=True):
        tables["split"].writerow({"dicom_id": image.dicom_id, **keys, "split": study.split})
        tables["metadata"].writerow({
            "dicom_id": image.dicom_id, **keys, "PerformedProcedureStepDescription": study.procedure,
            "ViewPosition": image.view if image.named else "", "Rows": rows, "Columns": columns, "StudyDate": study.date, "StudyTime": study.time,
            "ProcedureCodeSequence_CodeMeaning": study.procedure, "ViewCodeSequence_CodeMeaning": _VIEW_MEANINGS[image.view],
            "PatientOrientationCodeSequence_CodeMeaning": "Recumbent" if image.view == "AP" else "Erect",
        })  # fmt: skip
    labels = {
        name: "" if value is None else f"{value:.1f}" for name, value in chexpert_labels(study.report).items()
    }
    for name in ("chexpert", "negbio"):
        tables[name].writerow({**keys, **labels})


def chexpert_labels(report: Report) -> dict[str, int | None]:
    """The 14 labels of what the report states: 1 present, 0 absent, -1 uncertain, None not mentioned."""
    values: dict[str, int | None] = dict.fromkeys(_LABEL_COLUMNS)
    rank = {"absent": 0, "uncertain": -1, "present": 1}
    for _, said in report.said:
        name, value = LABELS[said.fact.finding], rank[said.fact.status]
        values[name] = max((values[name], value), key=lambda v: {None: 0, 0: 1, -1: 2, 1: 3}[v])
    if not any(value in (1, -1) for name, value in values.items() if name != "Support Devices"):
        values["No Finding"] = 1
    return values


def _write_truth(lines: dict[str, io.TextIOWrapper], study: Study) -> None:
    said: list[dict[str, Any]] = [
        {"section": section, **asdict(row.fact), "wording": row.wording, "set_aside": row.set_aside}
        for section, row in study.report.said
    ]
    _line(
        lines["facts"],
        {
            "study_id": study.study_id,
            "split": study.split,
            "drawn": [asdict(f) for f in study.facts if f.status != "absent"],
            "said": said,
        },
    )
    _line(lines["reports"], {"study_id": study.study_id, "text_pt": study.report.portuguese_text(),
                             "sections": [{"header": s.header, "en": s.en, "pt": s.pt} for s in study.report.sections]})  # fmt: skip


def _line(file: io.TextIOWrapper, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
