"""Where the tables and the reports are: in the folder that is named, or in a folder near it.

PhysioNet's downloads lie deep (physionet.org/files/mimic-cxr-jpg/2.1.0/files/p10/...), so a folder is easily
named too high or too low. The search tries a few folders above, and those that a download makes below. It
never looks at all patients, nor at all that a large folder such as /home holds.
"""

from __future__ import annotations

import os
import stat
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
"""So many levels above files/p1N/p1NNNNNNN/s5NNNNNNN are the tables."""

_BELOW = ("*", "mimic*/*", "files/mimic-cxr*/*", "physionet.org/files/mimic-cxr*/*")
_SIBLINGS = ("mimic*", "mimic*/*")
"""Folders of PhysioNet's downloads, as paths from a folder; small and capital letters are the same."""

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
            if _is_file(path):
                tables[name] = path
    return tables


def misnamed_tables(root: Path, name: str = "") -> list[Path]:
    """Returns the files in a folder without this table that may be it, under another release's name."""
    return [path for path in sorted(root.glob("mimic-cxr*.csv*")) if name in path.name]


def find_report_folders(place: Path) -> tuple[Path, ...]:
    """Returns the folders in `place` that hold folders such as `p10`.

    The zip holds files/p10/...; it may be unpacked in place, into a folder of its own, or one level flatter.
    """
    folders = (place / "files", place / "mimic-cxr-reports" / "files", place / "mimic-cxr-reports", place)
    return tuple(folder for folder in folders if any(_groups(folder)))


def find_archive(place: Path) -> Path | None:
    """Returns the zip of the reports: `place` itself if it is a file, else the zip in it, if there is one."""
    archive = place if _is_file(place) else place / ZIP
    return archive if _is_file(archive) else None


def _groups(folder: Path) -> Iterator[Path]:
    """Yields those of the folders `p10` to `p19` that are there."""
    return (group for group in (folder / f"p{number}" for number in range(10, 20)) if _is_folder(group))


def _holds_reports(folder: Path) -> bool:
    """Returns whether there is a report among the first patients of each of `p10` to `p19`.

    The images of MIMIC-CXR-JPG lie in folders of the same names.
    """
    patients = (patient for group in _groups(folder) for patient in islice(_entries(group), _FIRST_PATIENTS))
    return any(entry.name.endswith(".txt") for patient in patients for entry in _entries(patient))


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(_mode(path))


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    """Returns the mode of a file; 0 if it is not there, or in a folder of somebody else."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _entries(folder: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """Yields what is in a folder; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


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


def find_reports(place: Path) -> Path:
    """Returns the zip or the folder of the reports: `place`, else the only one near it.

    If no report is seen, it is `place`: the first report of a part of the copy may be that of a late patient.

    Raises:
        InputError: there are reports in several places near it.
    """
    if _reports_in(place):
        return place
    fix = "set [mimic] reports, or LAUDO_REPORTS, to one of these folders"
    return _only_one(_near(place, _reports_in), fix=fix) or place


def sibling_reports(root: Path) -> Path | None:
    """Returns where the reports are that another download left beside that of `root`."""
    siblings = (sibling for folder in _above(root) for sibling in _below(folder, _SIBLINGS))
    return next(filter(_reports_in, siblings), None)


def searched(named: Path) -> str:
    """Returns the folders that are looked at, for a message."""
    return f"{named}; above it: {', '.join(map(str, _above(named)))}; below it: {', '.join(_BELOW)}"


def _tables_in(folder: Path) -> set[Path]:
    """Returns the tables of MIMIC-CXR-JPG in a folder; MIMIC-CXR alone is no corpus, as it has no splits."""
    tables = find_tables(folder)
    return {tables[name].resolve() for name in ("metadata", "split") if name in tables}


def _reports_in(place: Path) -> set[Path]:
    """Returns the zip of the reports, else the folders that hold some."""
    archive = find_archive(place)
    if archive:
        return {archive.resolve()}
    return {folder.resolve() for folder in find_report_folders(place) if _holds_reports(folder)}


def _near(named: Path, content: Callable[[Path], set[Path]]) -> list[Path]:
    """Returns the nearest folder above and all folders below that have content of their own."""
    above = islice(filter(content, _above(named)), 1)
    found: dict[Path, set[Path]] = {}
    for folder in (*above, *_below(named, _BELOW)):
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
    paths = (named.absolute(), named.resolve())
    return list(dict.fromkeys(folder for path in paths for folder in path.parents[:_LEVELS_ABOVE]))


def _below(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        folders = [folder]
        for part in pattern.split("/"):
            folders = [child for parent in folders for child in _children(parent, part)]
        yield from folders


def _children(folder: Path, pattern: str) -> list[Path]:
    """Returns the folders in a folder under such a name, in order; none if they are too many."""
    fitting = (Path(entry) for entry in _entries(folder) if fnmatch(entry.name.lower(), pattern))
    folders = list(islice(filter(_is_folder, fitting), _MOST_FOLDERS + 1))
    return sorted(folders) if len(folders) <= _MOST_FOLDERS else []
