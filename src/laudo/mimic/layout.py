"""Where the parts of a copy of MIMIC-CXR are; no part is read here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from laudo.errors import InputError
from laudo.mimic import places
from laudo.mimic.places import TABLES
from laudo.progress import note
from laudo.vocabulary import IMAGE_KINDS


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a copy are.

    Attributes:
        root: the folder with the tables and `files/`.
        tables: the tables that the copy has, by their names in `TABLES`.
        reports: the zip of the reports, or the folder that holds the zip or the unpacked reports, if any do.
        report_folders: the folders that may hold unpacked reports.
        archive: the zip of the reports, None if the copy has none.
    """

    root: Path
    tables: dict[str, Path]
    reports: Path
    report_folders: tuple[Path, ...]
    archive: Path | None


def open_corpus(root: Path, *, reports: Path | None = None) -> Corpus:
    """Returns where the parts of the corpus in `root` are, as `require_corpus` does.

    Where a folder that is named some levels too high or too low is found, the one used is noted.
    """
    corpus = require_corpus(root, reports=reports)
    for line in _remarks(corpus, root, reports or corpus.root):
        note(line)
    return corpus


def require_corpus(root: Path, *, reports: Path | None = None) -> Corpus:
    """Returns where the parts of the corpus in `root` are, without reading them and without a word.

    Args:
        root: the folder with the tables and `files/`.
        reports: the zip of the reports, or a folder that holds the zip or the unpacked reports; `root` if
            absent.

    Raises:
        InputError: `root` or `reports` does not exist or may not be read, there are several copies near it,
            or no table says which images or splits there are.
    """
    if not os.access(root, os.R_OK):
        fix = "set [mimic] root, or LAUDO_MIMIC, to the folder with the mimic-cxr-2.0.0-*.csv.gz tables"
        raise InputError("there is no such folder, or you may not read it", where=str(root), fix=fix)
    if reports and not os.access(reports, os.R_OK):
        raise no_reports("there is no such folder or zip, or you may not read it", reports)
    corpus = find_corpus(root, reports)
    if not corpus.tables.keys() & {"metadata", "records"}:
        raise _absent("metadata", corpus)
    if "split" not in corpus.tables:
        raise _absent("split", corpus)
    return corpus


def _remarks(corpus: Corpus, root: Path, reports: Path) -> Iterator[str]:
    """Yields what is not where it was named, or not as it should be named."""
    if corpus.root != root:
        yield f"corpus: {corpus.root} is used, as {root} has no tables"
    if corpus.reports != reports:
        yield f"reports: those in {corpus.reports} are used, as {reports} has none"
    for name in TABLES:
        if name not in corpus.tables and places.misnamed_tables(corpus.root, name):
            yield f"corpus: {TABLES[name]} is absent; {fix_of_absent_table(corpus, name)}"


def find_corpus(root: Path, reports: Path | None) -> Corpus:
    """Returns what there is of a corpus, in `root` and `reports` or near them; both exist.

    Raises:
        InputError: there are several copies near them.
    """
    root = places.find_root(root)
    place = places.find_reports(reports or root)
    tables, folders = places.find_tables(root), places.find_report_folders(place)
    return Corpus(root, tables, place, folders, places.find_archive(place))


def images_of(corpus: Corpus, *, subject_id: int, study_id: int) -> dict[str, Path]:
    """Returns the image files of a study by dicom_id; only those on disk.

    The folder is listed only once, because a network disk is slow.
    """
    folder = image_folder(corpus.root, subject_id=subject_id, study_id=study_id)
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


def image_folder(root: Path, *, subject_id: int, study_id: int) -> Path:
    """Returns the folder that holds the images of a study."""
    return root / "files" / patient_folder(subject_id) / f"s{study_id}"


def patient_folder(subject_id: int) -> str:
    """Returns the folder of a patient: 10000032 -> `p10/p10000032`."""
    return f"p{subject_id // 1_000_000}/p{subject_id}"


def damaged(what: str, where: str | Path) -> InputError:
    """Returns the error for a file that is not as PhysioNet released it."""
    return InputError(what, where=str(where), fix="fetch it from PhysioNet again and compare SHA256SUMS.txt")


_REPORTS_FIX = (
    "set [mimic] reports, or LAUDO_REPORTS, to mimic-cxr-reports.zip or the folder it was unpacked into"
)


def no_reports(what: str, where: str | Path, *, fix: str = _REPORTS_FIX) -> InputError:
    """Returns the error for reports that are not where the experiment says."""
    return InputError(what, where=str(where), fix=fix)


def no_report_found(corpus: Corpus) -> InputError:
    """Returns the error for a corpus without the report of any study; it says where the reports may be."""
    what = "no study has a report"
    where = corpus.archive or f"{places.ZIP} and p10 to p19 in {places.searched(corpus.reports)}"
    sibling = places.sibling_reports(corpus.root)
    if sibling is None or sibling == corpus.reports:
        return no_reports(what, where)
    fix = f'set [mimic] reports = "{sibling}", or LAUDO_REPORTS={quote(str(sibling))}'
    return no_reports(what, where, fix=fix)


def fix_of_absent_table(corpus: Corpus, name: str) -> str:
    """Returns how to get a table: by a file's right name if it has that of another release."""
    misnamed = places.misnamed_tables(corpus.root, name)
    if len(misnamed) != 1:
        return "download it from MIMIC-CXR-JPG on PhysioNet into this folder (it may be unpacked)"
    suffix = ".gz" if misnamed[0].suffix == ".gz" else ""
    paths = (str(misnamed[0]), str(corpus.root / (TABLES[name] + suffix)))
    return f"if this is that table, rename it: mv {' '.join(map(quote, paths))}"


def _absent(name: str, corpus: Corpus) -> InputError:
    where = str(corpus.root) if corpus.tables else places.searched(corpus.root)
    return InputError(f"{TABLES[name]}.gz is absent", where=where, fix=fix_of_absent_table(corpus, name))
