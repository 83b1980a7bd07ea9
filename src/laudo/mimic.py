"""PhysioNet's layout of MIMIC-CXR: tables, folders and zip, read by key and never by position.

A corpus is one folder with the tables of MIMIC-CXR-JPG, its images (JPG, PNG, or the DICOM files of
MIMIC-CXR) and the reports of MIMIC-CXR, unpacked or as `mimic-cxr-reports.zip`. Nothing is assumed
complete: an image or a report that is absent is None, and the caller says what that excludes.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import NamedTuple

from laudo.errors import InputError

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""CheXpert's 14 labels, spelt and ordered as in PhysioNet's files."""

SPLITS = ("train", "validate", "test")
SUFFIXES = (".jpg", ".png", ".dcm")
"""What an image of the corpus may be named, in the order of choice when a study holds two forms of it."""

# Release 2.1.0 of MIMIC-CXR-JPG still names its tables 2.0.0.
_TABLE = "mimic-cxr-2.0.0-{}.csv"
_ZIP = "mimic-cxr-reports.zip"
_VALUES = {"": None, "1.0": 1, "1": 1, "0.0": 0, "0": 0, "-1.0": -1, "-1": -1}

Labels = dict[str, int | None]


class RawImage(NamedTuple):
    """One image as the tables and the disk have it; `path` is None where no file was found."""

    dicom_id: str
    path: Path | None
    view_position: str | None
    rows: int | None
    columns: int | None


@dataclass(frozen=True)
class RawStudy:
    """One study, its parts joined by key.

    Attributes:
        images: by dicom_id; `images.order` puts them in the order of use.
        study_date: shifted by PhysioNet per patient, the order of a patient's studies kept.
        study_time: the true time of day; with `study_date` it orders the studies of one patient.
        report: the text as released, None where there is no file.
        report_encoding: `utf-8`, or `latin-1` where utf-8 could not read it; None without a report.
        chexpert: label -> 1, 0, -1 or None (not mentioned); None where the table has no such row.
        negbio: the same from NegBio.
    """

    study_id: int
    subject_id: int
    split: str
    images: tuple[RawImage, ...]
    study_date: date | None
    study_time: time | None
    report: str | None
    report_encoding: str | None
    chexpert: Labels | None
    negbio: Labels | None


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a MIMIC-CXR folder are; None for a part that is not there."""

    root: Path
    metadata: Path
    splits: Path
    chexpert: Path | None
    negbio: Path | None
    report_folders: tuple[Path, ...]
    report_zip: Path | None


def open_corpus(root: Path) -> Corpus:
    """Find the parts of the corpus in `root`, without reading them.

    Raises:
        InputError: `root` is no folder, or the metadata or split table is absent.
    """
    if not root.is_dir():
        raise InputError(
            "there is no such folder",
            where=str(root),
            mend="set [mimic] root, or LAUDO_MIMIC, to the folder with the mimic-cxr-2.0.0-*.csv.gz tables",
        )
    archive = root / _ZIP
    # The zip holds files/p10/...; unpacked in place, into its own folder, or one level flatter.
    folders = (root / "files", root / "mimic-cxr-reports" / "files", root / "mimic-cxr-reports")
    return Corpus(
        root=root,
        metadata=_indispensable(root, "metadata"),
        splits=_indispensable(root, "split"),
        chexpert=_table(root, "chexpert"),
        negbio=_table(root, "negbio"),
        report_folders=tuple(folder for folder in folders if folder.is_dir()),
        report_zip=archive if archive.is_file() else None,
    )


def studies(corpus: Corpus) -> Iterator[RawStudy]:
    """Every study of the metadata table by study_id; its report and folder are read as it is reached.

    Raises:
        InputError: a table that lacks a column or holds what it may not, rows that contradict each
            other (a study of two subjects, a subject in two splits), or a broken zip.
    """
    splits = _read_splits(corpus.splits)
    rows = _read_metadata(corpus.metadata)
    _assert_consistent(rows, splits, corpus)
    chexpert, negbio = _read_labels(corpus.chexpert), _read_labels(corpus.negbio)
    with ExitStack() as stack:
        reports = _Reports(corpus, stack)
        for study_id in sorted(rows):
            images = sorted(rows[study_id], key=lambda row: row.dicom_id)
            subject_id = images[0].subject_id
            report, encoding = _decoded(reports.read(subject_id=subject_id, study_id=study_id))
            study_date, study_time = min((row.taken for row in images), key=_nulls_last)
            yield RawStudy(
                study_id=study_id,
                subject_id=subject_id,
                split=splits[images[0].dicom_id],
                images=_on_disk(images, corpus.root / "files" / _folder(subject_id) / f"s{study_id}"),
                study_date=study_date,
                study_time=study_time,
                report=report,
                report_encoding=encoding,
                chexpert=chexpert.get(study_id),
                negbio=negbio.get(study_id),
            )


# --- tables -----------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """What is wanted of one line of the metadata table."""

    dicom_id: str
    subject_id: int
    view_position: str | None
    rows: int | None
    columns: int | None
    taken: tuple[date | None, time | None]


def _table(root: Path, name: str) -> Path | None:
    plain = root / _TABLE.format(name)
    return next((path for path in (plain.with_name(plain.name + ".gz"), plain) if path.is_file()), None)


def _indispensable(root: Path, name: str) -> Path:
    found = _table(root, name)
    if found is None:
        raise InputError(
            f"{_TABLE.format(name)}.gz is absent",
            where=str(root),
            mend="download it from MIMIC-CXR-JPG on PhysioNet into this folder (it may be unpacked)",
        )
    return found


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """The named columns of each row in the order asked for, with the place to name in a complaint."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            absent = [column for column in columns if column not in header]
            if absent:
                raise _wrong(f"column {', '.join(absent)} is absent", path)
            wanted = [header.index(column) for column in columns]
            for line in filter(None, reader):
                place = f"{path}, line {reader.line_num}"
                if len(line) != len(header):
                    raise _wrong(f"{len(line)} fields where the header has {len(header)}", place)
                yield place, [line[at].strip() for at in wanted]
    except (EOFError, OSError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise _wrong(f"the table cannot be read: {error}", path) from error


def _wrong(what: str, where: str | Path) -> InputError:
    return InputError(what, where=str(where), mend="fetch it from PhysioNet again and compare SHA256SUMS.txt")


def _read_metadata(path: Path) -> dict[int, list[_Row]]:
    """study_id -> its images."""
    names = (
        "dicom_id",
        "subject_id",
        "study_id",
        "ViewPosition",
        "Rows",
        "Columns",
        "StudyDate",
        "StudyTime",
    )
    studies: dict[int, list[_Row]] = {}
    seen: set[str] = set()
    for place, (dicom_id, subject, study, view, rows, columns, day, clock) in _lines(path, names):
        if dicom_id in seen:
            raise _wrong(f"dicom_id {dicom_id} is there twice", place)
        seen.add(dicom_id)
        studies.setdefault(_whole(study, place), []).append(
            _Row(
                dicom_id=dicom_id,
                subject_id=_whole(subject, place),
                view_position=view or None,
                rows=_whole(rows, place) if rows else None,
                columns=_whole(columns, place) if columns else None,
                taken=(_day(day, place), _clock(clock, place)),
            )
        )
    return studies


def _read_splits(path: Path) -> dict[str, str]:
    """dicom_id -> split."""
    splits: dict[str, str] = {}
    for place, (dicom_id, split) in _lines(path, ("dicom_id", "split")):
        if split not in SPLITS:
            raise _wrong(f"split {split!r} is none of {', '.join(SPLITS)}", place)
        if splits.setdefault(dicom_id, split) != split:
            raise _wrong(f"dicom_id {dicom_id} is in two splits", place)
    return splits


def _read_labels(path: Path | None) -> dict[int, Labels]:
    """study_id -> its labels; empty without a table."""
    labels: dict[int, Labels] = {}
    for place, (study, *values) in _lines(path, ("study_id", *LABELS)) if path else ():
        odd = [value for value in values if value not in _VALUES]
        if odd:
            raise _wrong(f"label value {odd[0]!r} is none of 1.0, 0.0, -1.0 and empty", place)
        labels[_whole(study, place)] = dict(zip(LABELS, map(_VALUES.__getitem__, values), strict=True))
    return labels


def _assert_consistent(rows: dict[int, list[_Row]], splits: dict[str, str], corpus: Corpus) -> None:
    """Each image has a split, each study one subject, each study and each subject one split."""
    split_of: dict[int, str] = {}
    for study_id, images in rows.items():
        if len({row.subject_id for row in images}) > 1:
            raise _wrong(f"study {study_id} belongs to two subjects", corpus.metadata)
        for row in images:
            if row.dicom_id not in splits:
                raise _wrong(f"dicom_id {row.dicom_id} of study {study_id} has no split", corpus.splits)
        found = {splits[row.dicom_id] for row in images}
        if len(found) > 1:
            raise _wrong(f"study {study_id} is in the splits {', '.join(sorted(found))}", corpus.splits)
        subject_id, split = images[0].subject_id, found.pop()
        if split_of.setdefault(subject_id, split) != split:
            raise _wrong(f"subject {subject_id} is in two splits", corpus.splits)


def _whole(text: str, place: str) -> int:
    # pandas writes an integer column that has holes as 3056.0.
    try:
        return int(text.removesuffix(".0"))
    except ValueError:
        raise _wrong(f"{text!r} is not a whole number", place) from None


def _day(text: str, place: str) -> date | None:
    """`21800506`, yyyymmdd."""
    try:
        return datetime.strptime(text.removesuffix(".0"), "%Y%m%d").date() if text else None
    except ValueError:
        raise _wrong(f"StudyDate {text!r} is not yyyymmdd", place) from None


def _clock(text: str, place: str) -> time | None:
    """`80556.875` is 08:05:56.875: hhmmss.fff as a number, so leading zeros are lost."""
    whole, _, fraction = text.partition(".")
    try:
        if not text:
            return None
        return datetime.strptime(f"{int(whole):06d}.{(fraction or '0')[:6]}", "%H%M%S.%f").time()
    except ValueError:
        raise _wrong(f"StudyTime {text!r} is not hhmmss", place) from None


def _nulls_last(taken: tuple[date | None, time | None]) -> tuple[date, time]:
    return taken[0] or date.max, taken[1] or time.max


# --- files ------------------------------------------------------------------------------------------


def _folder(subject_id: int) -> str:
    return f"p{subject_id // 1_000_000}/p{subject_id}"


def _on_disk(images: list[_Row], folder: Path) -> tuple[RawImage, ...]:
    """The images with their paths; the folder is listed once, as a network disk answers slowly."""
    there = set(folder.iterdir()) if folder.is_dir() else set()

    def on_disk(row: _Row) -> RawImage:
        candidates = (folder / f"{row.dicom_id}{suffix}" for suffix in SUFFIXES)
        path = next((path for path in candidates if path in there), None)
        return RawImage(row.dicom_id, path, row.view_position, row.rows, row.columns)

    return tuple(on_disk(row) for row in images)


class _Reports:
    """Reads reports one at a time, from folders first, then from the zip, which stays open."""

    def __init__(self, corpus: Corpus, stack: ExitStack) -> None:
        self._folders = corpus.report_folders
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}
        if corpus.report_zip:
            try:
                self._zip = stack.enter_context(zipfile.ZipFile(corpus.report_zip))
            except zipfile.BadZipFile as error:
                raise _wrong(f"the zip cannot be read: {error}", corpus.report_zip) from error
            # Keyed by p10/p10000000/s50000000.txt, whatever folder the zip was packed from.
            self._members = {"/".join(name.split("/")[-3:]): name for name in self._zip.namelist()}

    def read(self, *, subject_id: int, study_id: int) -> bytes | None:
        name = f"{_folder(subject_id)}/s{study_id}.txt"
        for folder in self._folders:
            if (folder / name).is_file():
                return (folder / name).read_bytes()
        if self._zip is None or name not in self._members:
            return None
        try:
            return self._zip.read(self._members[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise _wrong(f"{name} cannot be unpacked: {error}", str(self._zip.filename)) from error


def _decoded(raw: bytes | None) -> tuple[str | None, str | None]:
    if raw is None:
        return None, None
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1"
