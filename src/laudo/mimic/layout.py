"""Where the parts of a copy of MIMIC-CXR are; no part is read here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from laudo.errors import InputError
from laudo.vocabulary import IMAGE_KINDS

TABLES = {
    # Release 2.1.0 of MIMIC-CXR-JPG still names its tables 2.0.0, except the one that it added.
    "metadata": "mimic-cxr-2.0.0-metadata.csv",
    "split": "mimic-cxr-2.0.0-split.csv",
    "chexpert": "mimic-cxr-2.0.0-chexpert.csv",
    "negbio": "mimic-cxr-2.0.0-negbio.csv",
    "radiologist": "mimic-cxr-2.1.0-test-set-labeled.csv",
    # MIMIC-CXR's own tables list its DICOM files and its reports.
    "records": "cxr-record-list.csv",
    "studies": "cxr-study-list.csv",
}
"""Name of a table here -> its file; the file may be gzipped (`.gz`)."""

_ZIP = "mimic-cxr-reports.zip"


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a copy are.

    Attributes:
        root: the folder with the tables and `files/`.
        tables: the tables that the copy has, by their names in `TABLES`.
        report_folders: the folders that may hold unpacked reports.
        archive: the zip of the reports, None if the copy has none.
    """

    root: Path
    tables: dict[str, Path]
    report_folders: tuple[Path, ...]
    archive: Path | None


def open_corpus(root: Path, *, reports: Path | None = None) -> Corpus:
    """Returns where the parts of the corpus in `root` are, without reading them.

    Args:
        root: the folder with the tables and `files/`.
        reports: the zip of the reports, or a folder that holds the zip or the unpacked reports; `root` if
            absent.

    Raises:
        InputError: `root` or `reports` does not exist, or no table says which images or splits there are.
    """
    fix = "set [mimic] root, or LAUDO_MIMIC, to the folder with the mimic-cxr-2.0.0-*.csv.gz tables"
    if not root.is_dir():
        raise InputError("there is no such folder", where=str(root), fix=fix)
    tables = find_tables(root)
    if "metadata" not in tables and "records" not in tables:
        raise _absent(root, TABLES["metadata"])
    if "split" not in tables:
        raise _absent(root, TABLES["split"])
    place = reports or root
    if not place.exists():
        raise no_reports("there is no such folder or zip", place)
    return Corpus(root, tables, find_report_folders(place), find_archive(place))


def find_tables(root: Path) -> dict[str, Path]:
    """Returns the tables that the folder has, by name; the gzipped file if it has both."""
    tables = {}
    for name, file in TABLES.items():
        for path in (root / file, root / f"{file}.gz"):
            if path.is_file():
                tables[name] = path
    return tables


def find_report_folders(place: Path) -> tuple[Path, ...]:
    """Returns the folders in `place` that hold folders such as `p10`.

    The zip holds files/p10/...; it may be unpacked in place, into a folder of its own, or one level flatter.
    """
    folders = (place / "files", place / "mimic-cxr-reports" / "files", place / "mimic-cxr-reports", place)
    return tuple(folder for folder in folders if folder.is_dir() and any(folder.glob("p[0-9][0-9]")))


def find_archive(place: Path) -> Path | None:
    """Returns the zip of the reports: `place` itself if it is a file, else the zip in it, if there is one."""
    archive = place if place.is_file() else place / _ZIP
    return archive if archive.is_file() else None


def images_of(corpus: Corpus, *, subject_id: int, study_id: int) -> dict[str, Path]:
    """Returns the image files of a study by dicom_id; only those on disk.

    The folder is listed only once, because a network disk is slow.
    """
    folder = image_folder(corpus, subject_id=subject_id, study_id=study_id)
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    images: dict[str, Path] = {}
    for suffix in IMAGE_KINDS:
        for path in paths:
            if path.suffix.lower() == suffix:
                images.setdefault(path.stem, path)
    return images


def image_folder(corpus: Corpus, *, subject_id: int, study_id: int) -> Path:
    """Returns the folder that holds the images of a study."""
    return corpus.root / "files" / patient_folder(subject_id) / f"s{study_id}"


def patient_folder(subject_id: int) -> str:
    """Returns the folder of a patient: 10000032 -> `p10/p10000032`."""
    return f"p{subject_id // 1_000_000}/p{subject_id}"


def damaged(what: str, where: str | Path) -> InputError:
    """Returns the error for a file that is not as PhysioNet released it."""
    return InputError(what, where=str(where), fix="fetch it from PhysioNet again and compare SHA256SUMS.txt")


def no_reports(what: str, where: Path) -> InputError:
    """Returns the error for reports that are not where the experiment says."""
    fix = "set [mimic] reports, or LAUDO_REPORTS, to mimic-cxr-reports.zip or the folder it was unpacked into"
    return InputError(what, where=str(where), fix=fix)


def _absent(root: Path, file: str) -> InputError:
    return InputError(
        f"{file}.gz is absent",
        where=str(root),
        fix="download it from MIMIC-CXR-JPG on PhysioNet into this folder (it may be unpacked)",
    )
