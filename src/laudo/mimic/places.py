"""Where the tables and the reports are: in the folder that is named, or in a folder near it.

PhysioNet's downloads lie deep (physionet.org/files/mimic-cxr-jpg/2.1.0/files/p10/...), so that a folder is easily
named too high or too low. The search tries the folders above and those that a download makes below. It lists
few folders, and never those of all patients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from laudo.errors import InputError

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

ZIP = "mimic-cxr-reports.zip"

_LEVELS_ABOVE = 4
"""So many levels above files/p10/p10000032/s50414267 are the tables."""

_BELOW = ("*", "mimic-cxr*/*", "files/mimic-cxr*/*", "physionet.org/files/mimic-cxr*/*")
_SIBLINGS = ("mimic-cxr*", "mimic-cxr*/*")

_MOST_FOLDERS = 100
"""Where more folders than these fit a pattern, they are patients, or homes of people: none is tried."""

_FIRST_PATIENTS = 10
"""Of each of p10 to p19, so many patients show whether a folder holds reports."""


# --- in a folder ------------------------------------------------------------------------------------


def find_tables(root: Path) -> dict[str, Path]:
    """Returns the tables that the folder has, by name; the gzipped file if it has both."""
    tables = {}
    for name, file in TABLES.items():
        for path in (root / file, root / f"{file}.gz"):
            if os.path.isfile(path):  # unlike Path.is_file, it does not raise in a folder of somebody else
                tables[name] = path
    return tables


def misnamed_tables(root: Path, name: str = "") -> list[Path]:
    """Returns the files in the folder that may be a table under another release's name."""
    return sorted(path for path in root.glob(f"mimic-cxr*{name}*.csv*") if path.suffix in (".csv", ".gz"))


def find_report_folders(place: Path) -> tuple[Path, ...]:
    """Returns the folders in `place` that hold folders such as `p10`.

    The zip holds files/p10/...; it may be unpacked in place, into a folder of its own, or one level flatter.
    """
    folders = (place / "files", place / "mimic-cxr-reports" / "files", place / "mimic-cxr-reports", place)
    return tuple(folder for folder in folders if os.path.isdir(folder) and any(_groups(folder)))


def find_archive(place: Path) -> Path | None:
    """Returns the zip of the reports: `place` itself if it is a file, else the zip in it, if there is one."""
    archive = place if os.path.isfile(place) else place / ZIP
    return archive if os.path.isfile(archive) else None


def _groups(folder: Path) -> Iterator[Path]:
    return folder.glob("p[0-9][0-9]")


def _entries(folder: Path, *, at_most: int | None = None) -> list[Path]:
    """Returns what is in a folder; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in islice(entries, at_most)]
    except OSError:
        return []


def _holds_reports(folder: Path) -> bool:
    """Returns whether there is a report among the first patients of each of `p10` to `p19`.

    The images of MIMIC-CXR-JPG lie in folders of the same names.
    """
    patients = (each for group in _groups(folder) for each in _entries(group, at_most=_FIRST_PATIENTS))
    return any(file.suffix == ".txt" for patient in patients for file in _entries(patient))


# --- near a folder ----------------------------------------------------------------------------------


def find_root(named: Path) -> Path:
    """Returns the folder of the tables: `named`, else the only one near it; `named` if there is none.

    Raises:
        InputError: there are several copies near it.
    """
    if find_tables(named) or misnamed_tables(named):
        return named
    fix = "set [mimic] root, or LAUDO_MIMIC, to one of these folders"
    return _only_one(_near(named, _tables_in), fix=fix) or named


def find_reports(root: Path, named: Path | None) -> Path | None:
    """Returns the zip or the folder of the reports: `named`, or `root`, else the only one near it.

    If there is no report, it is `named`: who names a folder should know, as the first report of a part of the
    copy may be that of a late patient.

    Raises:
        InputError: there are reports in several places near it.
    """
    place = named or root
    if find_archive(place) or any(map(_holds_reports, find_report_folders(place))):
        return place
    fix = "set [mimic] reports, or LAUDO_REPORTS, to one of these folders"
    return _only_one(_near(place, _reports_in), fix=fix) or named


def sibling_reports(root: Path) -> Path | None:
    """Returns where the reports are that another download left beside that of `root`."""
    siblings = (sibling for folder in _above(root) for sibling in _below(folder, _SIBLINGS))
    return next(filter(_reports_in, siblings), None)


def searched(named: Path) -> str:
    """Returns the folders that are looked at if it is not the one that is named."""
    return ", ".join(map(str, (named, *_above(named), *(named / pattern for pattern in _BELOW))))


def _tables_in(folder: Path) -> set[Path]:
    """Returns the tables of MIMIC-CXR-JPG in a folder; MIMIC-CXR alone is no corpus, as it has no splits."""
    tables = find_tables(folder)
    return {tables[name].resolve() for name in ("metadata", "split") if name in tables}


def _reports_in(place: Path) -> set[Path]:
    folders = {folder.resolve() for folder in find_report_folders(place) if _holds_reports(folder)}
    archive = find_archive(place)
    return folders | {archive.resolve()} if archive else folders


def _near(named: Path, content: Callable[[Path], set[Path]]) -> list[Path]:
    """Returns the nearest folder above and all folders below that have content of their own."""
    above = next(filter(content, _above(named)), None)
    found: dict[Path, set[Path]] = {}
    for folder in (*([above] if above else []), *_below(named, _BELOW)):
        parts = content(folder)
        if parts and not any(parts <= others for others in found.values()):
            found[folder] = parts
    return list(found)


def _only_one(places: list[Path], *, fix: str) -> Path | None:
    if len(places) > 1:
        raise InputError("there are several copies", where=", ".join(map(str, places)), fix=fix)
    return places[0] if places else None


def _above(named: Path) -> list[Path]:
    """Returns the folders above, the nearest first, by the path as it is written and without its links."""
    paths = (Path(os.path.abspath(named)), named.resolve())
    return list(dict.fromkeys(folder for path in paths for folder in path.parents[:_LEVELS_ABOVE]))


def _below(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        folders = [folder]
        for part in pattern.split("/"):
            folders = [child for each in folders for child in _children(each, part)]
        yield from folders


def _children(folder: Path, pattern: str) -> list[Path]:
    """Returns what is in a folder under such a name, in order; nothing if that is too much to be a download."""
    paths = sorted(path for path in _entries(folder) if fnmatch(path.name.lower(), pattern))
    return paths if len(paths) <= _MOST_FOLDERS else []
