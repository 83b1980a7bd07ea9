"""PhysioNet's layout of MIMIC-CXR: tables, folders and zip, read by key and never by position.

A corpus is MIMIC-CXR-JPG 2.0.0 or 2.1.0, or MIMIC-CXR itself (DICOM) beside the split table of MIMIC-CXR-JPG;
the reports come from MIMIC-CXR, unpacked or as `mimic-cxr-reports.zip`, in the same folder or in their own.
Nothing is assumed complete: `tables.index` has a row for every study that a table or the zip names, and the
caller says what excludes it.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm", ".dicom")
"""What an image of the corpus may be named, in capitals too; in the order of choice when a study holds two forms of it."""

_ZIP = "mimic-cxr-reports.zip"
_TABLES = {
    # Release 2.1.0 of MIMIC-CXR-JPG still names its tables 2.0.0, save the one that it added.
    "metadata": "mimic-cxr-2.0.0-metadata.csv",
    "split": "mimic-cxr-2.0.0-split.csv",
    "chexpert": "mimic-cxr-2.0.0-chexpert.csv",
    "negbio": "mimic-cxr-2.0.0-negbio.csv",
    "radiologist": "mimic-cxr-2.1.0-test-set-labeled.csv",
    # MIMIC-CXR's own: where its DICOM files and its reports are.
    "records": "cxr-record-list.csv",
    "studies": "cxr-study-list.csv",
}
_MEMBER = re.compile(r"p(\d{8})/s(\d{8})\.txt$")


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a copy are; `tables` holds those that are there, `archive` is the reports' zip."""

    root: Path
    tables: dict[str, Path]
    report_folders: tuple[Path, ...]
    archive: Path | None


class Report(NamedTuple):
    """A report as released, and the encoding that read it: `utf-8`, or `latin-1` where utf-8 could not."""

    text: str
    encoding: str


def open_corpus(root: Path, *, reports: Path | None = None) -> Corpus:
    """Find the parts of the corpus in `root`, without reading them.

    Args:
        root: the folder with the tables and `files/`.
        reports: the zip of the reports, or a folder that holds it or them unpacked; `root` when absent.

    Raises:
        InputError: `root` or `reports` is not there, or no table says what images or splits there are.
    """
    mend = "set [mimic] root, or LAUDO_MIMIC, to the folder with the mimic-cxr-2.0.0-*.csv.gz tables"
    if not root.is_dir():
        raise InputError("there is no such folder", where=str(root), mend=mend)
    tables = {name: path for name, file in _TABLES.items() if (path := _table(root, file))}
    if "metadata" not in tables and "records" not in tables:
        raise _absent(root, _TABLES["metadata"])
    if "split" not in tables:
        raise _absent(root, _TABLES["split"])
    within = reports or root
    if not within.exists():
        raise no_reports("there is no such folder or zip", within)
    # The zip holds files/p10/...; unpacked in place, into its own folder, or one level flatter.
    folders = (within / "files", within / "mimic-cxr-reports" / "files", within / "mimic-cxr-reports", within)
    archive = within if within.is_file() else within / _ZIP
    unpacked = tuple(f for f in folders if f.is_dir() and next(f.glob("p[0-9][0-9]"), None))
    return Corpus(root, tables, unpacked, archive if archive.is_file() else None)


def images_of(corpus: Corpus, *, subject_id: int, study_id: int) -> dict[str, Path]:
    """dicom_id -> its file, for the images of a study that are on disk; one listing, as network disks are slow."""
    folder = corpus.root / "files" / _folder(subject_id) / f"s{study_id}"
    try:
        there = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    there.sort(key=lambda path: SUFFIXES.index(path.suffix.lower()), reverse=True)
    return {path.stem: path for path in there}


class Reports(AbstractContextManager["Reports"]):
    """Reads reports one at a time, from folders first, then from the zip, which stays open.

    Raises:
        InputError: the zip, or what it holds of a report, is damaged.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._folders = corpus.report_folders
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[int, zipfile.ZipInfo] = {}
        if corpus.archive:
            try:
                self._zip = zipfile.ZipFile(corpus.archive)
            except (zipfile.BadZipFile, OSError) as error:
                raise no_reports(
                    f"the zip cannot be read: {error}; if it is the right file, fetch it again",
                    corpus.archive,
                ) from error
            self._members, self._subjects = _members(self._zip)

    def __exit__(self, *_: object) -> None:
        if self._zip:
            self._zip.close()

    @property
    def studies(self) -> dict[int, int]:
        """study_id -> subject_id of the reports in the zip."""
        return self._subjects if self._zip else {}

    def read(self, *, subject_id: int, study_id: int) -> Report | None:
        """The report of a study, None where there is none."""
        raw = self._in_folders(f"{_folder(subject_id)}/s{study_id}.txt")
        if raw is None and self.studies.get(study_id) == subject_id:
            raw = self._in_zip(self._members[study_id])
        return None if raw is None else _decoded(raw)

    def _in_folders(self, name: str) -> bytes | None:
        for folder in self._folders:
            try:
                return (folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def _in_zip(self, member: zipfile.ZipInfo) -> bytes:
        assert self._zip
        if member.flag_bits & 1:
            raise no_reports(f"{member.filename} is encrypted", Path(str(self._zip.filename)))
        try:
            return self._zip.read(member)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise wrong(f"{member.filename} cannot be unpacked: {error}", str(self._zip.filename)) from error


def wrong(what: str, where: str | Path) -> InputError:
    """The complaint about a file that is not as PhysioNet ships it."""
    return InputError(what, where=str(where), mend="fetch it from PhysioNet again and compare SHA256SUMS.txt")


def _table(root: Path, file: str) -> Path | None:
    return next((path for path in (root / f"{file}.gz", root / file) if path.is_file()), None)


def _absent(root: Path, file: str) -> InputError:
    return InputError(
        f"{file}.gz is absent",
        where=str(root),
        mend="download it from MIMIC-CXR-JPG on PhysioNet into this folder (it may be unpacked)",
    )


def _folder(subject_id: int) -> str:
    return f"p{subject_id // 1_000_000}/p{subject_id}"


def _members(archive: zipfile.ZipFile) -> tuple[dict[int, zipfile.ZipInfo], dict[int, int]]:
    """By study_id the zip's entry and its subject_id, whatever folder the zip was packed from."""
    members: dict[int, zipfile.ZipInfo] = {}
    subjects: dict[int, int] = {}
    for info in archive.infolist():
        found = _MEMBER.search(info.filename)
        if not found or "__MACOSX" in info.filename:
            continue
        study_id = int(found[2])
        if members.setdefault(study_id, info).CRC != info.CRC:
            raise wrong(f"study {study_id} has two reports that differ", str(archive.filename))
        subjects[study_id] = int(found[1])
    if not members:
        raise no_reports("it holds no report named p1NNNNNNN/s5NNNNNNN.txt", Path(str(archive.filename)))
    return members, subjects


def no_reports(what: str, where: Path) -> InputError:
    """The complaint about reports that are not where the experiment says."""
    mend = "set [mimic] reports to mimic-cxr-reports.zip, or to the folder it was unpacked into"
    return InputError(what, where=str(where), mend=mend)


def _decoded(raw: bytes) -> Report:
    try:
        return Report(raw.decode("utf-8-sig"), "utf-8")
    except UnicodeDecodeError:
        return Report(raw.decode("latin-1"), "latin-1")
