"""The texts of the reports, from folders or from the zip."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from laudo.mimic.layout import Corpus, damaged, no_reports, patient_folder

_MEMBER = re.compile(r"p(?P<subject_id>\d{8})/s(?P<study_id>\d{8})\.txt$")
_UNPACKING_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


class ReportText(NamedTuple):
    """The text of a report as released, and its encoding: `utf-8`, or `latin-1` if it is not valid UTF-8."""

    text: str
    encoding: str


class _Member(NamedTuple):
    subject_id: int
    info: zipfile.ZipInfo


class Reports(AbstractContextManager["Reports"]):
    """Fetches reports one at a time, from folders first, then from the zip, which stays open.

    Raises:
        InputError: the zip, or a report in it, is damaged.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._folders = corpus.report_folders
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[int, _Member] = {}
        if corpus.archive:
            self._zip = open_zip(corpus.archive)
            self._members = _members(self._zip)

    def __exit__(self, *_: object) -> None:
        if self._zip:
            self._zip.close()

    @property
    def studies(self) -> dict[int, int]:
        """study_id -> subject_id of the reports in the zip."""
        return {study_id: member.subject_id for study_id, member in self._members.items()}

    def fetch(self, *, subject_id: int, study_id: int) -> ReportText | None:
        """Returns the report of a study, None if there is none."""
        raw = self._from_folders(f"{patient_folder(subject_id)}/s{study_id}.txt")
        member = self._members.get(study_id)
        if raw is None and self._zip and member and member.subject_id == subject_id:
            raw = _unpacked(self._zip, member.info)
        return None if raw is None else _decoded(raw)

    def _from_folders(self, name: str) -> bytes | None:
        for folder in self._folders:
            try:
                return (folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None


def open_zip(path: Path) -> zipfile.ZipFile:
    """Returns the zip of the reports, open.

    Raises:
        InputError: it is not a zip, or is cut short.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        what = f"the zip cannot be read: {error}; if it is the right file, fetch it again"
        raise no_reports(what, path) from error


def _members(archive: zipfile.ZipFile) -> dict[int, _Member]:
    """Returns the reports of the zip by study_id, from whatever folder the zip was packed."""
    members: dict[int, _Member] = {}
    for info in archive.infolist():
        name = _MEMBER.search(info.filename)
        if not name or "__MACOSX" in info.filename:
            continue
        study_id = int(name["study_id"])
        earlier = members.get(study_id)
        if earlier and earlier.info.CRC != info.CRC:
            raise damaged(f"study {study_id} has two reports that differ", str(archive.filename))
        members[study_id] = _Member(int(name["subject_id"]), info)
    if not members:
        raise no_reports("it holds no report named p1NNNNNNN/s5NNNNNNN.txt", Path(str(archive.filename)))
    return members


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    encrypted = info.flag_bits & 1
    if encrypted:
        raise no_reports(f"{info.filename} is encrypted", Path(str(archive.filename)))
    try:
        return archive.read(info)
    except _UNPACKING_ERRORS as error:
        raise damaged(f"{info.filename} cannot be unpacked: {error}", str(archive.filename)) from error


def _decoded(raw: bytes) -> ReportText:
    try:
        return ReportText(raw.decode("utf-8-sig"), "utf-8")
    except UnicodeDecodeError:
        return ReportText(raw.decode("latin-1"), "latin-1")
