"""What identifies a copy of MIMIC-CXR: digests of the parts that are used, and of nothing else.

The tables and the list of reports in the zip are compared by content. Images and unpacked reports are 600,000
files, so the folders of patients are counted instead: files that change or arrive in such a folder are not
noticed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from laudo.mimic.layout import damaged, find_corpus
from laudo.mimic.places import TABLES
from laudo.mimic.reports import open_zip


class Signature(NamedTuple):
    """What to compare, as names with digests or counts, and what the next call should receive.

    Attributes:
        tables: name of a table, without `.gz` -> SHA-256 of its decompressed bytes.
        reports: `zip` -> SHA-256 of its central directory, which holds the name, size, CRC and date of each
            report; `p10` and so on -> patients in the folders of unpacked reports (`images` counts those in
            `files/`).
        images: `p10` and so on -> patients in `files/`.
        remembered: path of a file -> its `size`, `mtime_ns` and `digest`. JSON can hold it.
    """

    tables: dict[str, str]
    reports: dict[str, str | int]
    images: dict[str, int]
    remembered: dict[str, dict[str, Any]]


def signature(
    root: Path, reports: Path | None = None, *, remembered: Mapping[str, Mapping[str, Any]]
) -> Signature | None:
    """Returns the signature of a corpus, found as `open_corpus` finds it.

    None if `root` or `reports` does not exist (disk not mounted).

    A file is not read again if `remembered` has its size and time of modification. A change that leaves both
    as they were is not noticed.

    Args:
        root: as for `open_corpus`.
        reports: as for `open_corpus`.
        remembered: from an earlier signature; may be empty.

    Raises:
        InputError: a table or the zip is damaged, or there are several copies.
    """
    if not (os.access(root, os.R_OK) and os.access(reports or root, os.R_OK)):
        return None
    corpus = find_corpus(root, reports)
    tables, archive = corpus.tables, corpus.archive
    files = [*tables.values(), archive] if archive else list(tables.values())
    known = {str(path): _known(path, remembered.get(str(path), {})) for path in files}
    zipped = {"zip": known[str(archive)]["digest"]} if archive else {}
    image_folder = corpus.root / "files"
    unpacked = [folder for folder in corpus.report_folders if folder != image_folder]
    return Signature(
        tables={TABLES[name]: known[str(path)]["digest"] for name, path in tables.items()},
        reports={**zipped, **_patients(unpacked)},
        images=_patients([image_folder]),
        remembered=known,
    )


def _known(path: Path, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Returns size, time and digest of a file; the earlier digest if size and time are the earlier ones."""
    status = path.stat()
    stamp = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    unchanged = all(earlier.get(name) == value for name, value in stamp.items())
    if unchanged and "digest" in earlier:
        return dict(earlier)
    return {**stamp, "digest": _digest(path)}


def _digest(path: Path) -> str:
    return _digest_of_zip(path) if path.suffix == ".zip" else _digest_of_table(path)


def _digest_of_table(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(f"the table cannot be read: {error}", path) from error


def _digest_of_zip(path: Path) -> str:
    """Returns the SHA-256 from the start of the central directory to the end of the file."""
    with open_zip(path) as archive, path.open("rb") as file:
        file.seek(archive.start_dir)
        return hashlib.file_digest(file, "sha256").hexdigest()


_PATIENT = re.compile(r"p\d{8}")


def _patients(folders: Iterable[Path]) -> dict[str, int]:
    """Returns the number of folders of patients in each of `p10` to `p19`, of all `folders` together."""
    counts: Counter[str] = Counter()
    for folder in folders:
        for group in folder.glob("p[0-9][0-9]"):
            with os.scandir(group) as entries:
                counts[group.name] += sum(_is_patient(entry) for entry in entries)
    return dict(sorted(counts.items()))


def _is_patient(entry: os.DirEntry[str]) -> bool:
    return bool(_PATIENT.fullmatch(entry.name)) and entry.is_dir()
