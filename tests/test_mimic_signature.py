"""The signature of a corpus: it changes with what is read of the corpus, and with nothing else."""

import gzip
import hashlib
import importlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from laudo import mimic
from laudo.errors import InputError
from laudo.mimic import Signature

SPLIT = "mimic-cxr-2.0.0-split.csv"
METADATA = "mimic-cxr-2.0.0-metadata.csv"
ZIP = "mimic-cxr-reports.zip"
ROWS = b"dicom_id,study_id\na1,59999001\n"
JANUARY, FEBRUARY = (2020, 1, 1, 0, 0, 0), (2020, 2, 1, 0, 0, 0)


def write_zip(path: Path, texts: dict[str, str], *, date: tuple[int, ...] = JANUARY) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, date), text)


REPORTS = {"files/p10/p10000001/s59999001.txt": "Clear.", "files/p19/p19999002/s59999002.txt": "Edema."}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two tables, the zip, and two patients with an image each."""
    root = tmp_path / "mimic"
    root.mkdir()
    for name in (SPLIT, METADATA):
        (root / f"{name}.gz").write_bytes(gzip.compress(ROWS))
    write_zip(root / ZIP, REPORTS)
    for folder in ("p10/p10000001/s59999001", "p19/p19999002/s59999002"):
        (root / "files" / folder).mkdir(parents=True)
        (root / "files" / folder / "a.jpg").write_bytes(b"x")
    return root


def signed(root: Path, reports: Path | None = None) -> Signature:
    signature = mimic.signature(root, reports, remembered={})
    assert signature is not None
    return signature


def compared(root: Path, reports: Path | None = None) -> tuple[object, object, object]:
    signature = signed(root, reports)
    return signature.tables, signature.reports, signature.images


def test_tables_are_hashed_decompressed_and_patients_are_counted(root: Path) -> None:
    digest = hashlib.sha256(ROWS).hexdigest()
    assert signed(root).tables == {METADATA: digest, SPLIT: digest}
    assert signed(root).images == {"p10": 1, "p19": 1}
    assert list(signed(root).reports) == ["zip"]


def test_other_files_do_not_count(root: Path) -> None:
    before = compared(root)
    (root / "notes.csv").write_text("mine")
    (root / "mimic-cxr-2.0.0-sections.csv.gz").write_bytes(b"x")
    (root / "files" / "p10" / "index.html").write_text("x")
    (root / "files" / "p10" / "thumbnails").mkdir()
    (root / "files" / "README").write_text("x")
    assert compared(root) == before


def test_a_table_may_be_unzipped_and_zipped_again(root: Path) -> None:
    before = compared(root)
    (root / f"{SPLIT}.gz").unlink()
    (root / SPLIT).write_bytes(ROWS)
    assert compared(root) == before
    (root / SPLIT).unlink()
    (root / f"{SPLIT}.gz").write_bytes(gzip.compress(ROWS, compresslevel=1, mtime=7))
    assert compared(root) == before


def test_a_touched_table_is_the_same_table(root: Path) -> None:
    before = signed(root)
    os.utime(root / f"{SPLIT}.gz", ns=(5, 5))
    after = mimic.signature(root, remembered=before.remembered)
    assert after is not None and after.tables == before.tables
    assert after.remembered[str(root / f"{SPLIT}.gz")]["mtime_ns"] == 5


def test_a_changed_byte_of_a_table_is_noticed(root: Path) -> None:
    before = signed(root)
    changed = ROWS.replace(b"a1", b"a2")
    (root / f"{SPLIT}.gz").write_bytes(gzip.compress(changed))
    after = mimic.signature(root, remembered=before.remembered)
    assert after is not None
    assert after.tables == {**before.tables, SPLIT: hashlib.sha256(changed).hexdigest()}
    assert (after.reports, after.images) == (before.reports, before.images)


def test_a_table_that_comes_or_goes_is_noticed(root: Path) -> None:
    (root / "cxr-study-list.csv.gz").write_bytes(gzip.compress(b"study_id\n"))
    assert sorted(signed(root).tables) == ["cxr-study-list.csv", METADATA, SPLIT]
    (root / f"{METADATA}.gz").unlink()
    after = signed(root)
    assert sorted(after.tables) == ["cxr-study-list.csv", SPLIT]
    assert str(root / f"{METADATA}.gz") not in after.remembered


def test_a_new_patient_is_noticed_and_a_new_image_of_an_old_one_is_not(root: Path) -> None:
    before = compared(root)
    (root / "files/p10/p10000001/s59999001/b.jpg").write_bytes(b"x")
    assert compared(root) == before
    (root / "files/p10/p10000003").mkdir()
    assert signed(root).images == {"p10": 2, "p19": 1}


def test_unpacked_reports_are_counted_by_patient(root: Path, tmp_path: Path) -> None:
    """In a download of their own, where they may lie in `files/` or not."""
    other = tmp_path / "mimic-cxr"
    for folder in ("p10/p10000001", "p10/p10000002", "p19/p19999002"):
        (other / "files" / folder).mkdir(parents=True)
    assert signed(root, other).reports == {"p10": 2, "p19": 1}
    shutil.move(other / "files", other / "mimic-cxr-reports")
    assert signed(root, other).reports == {"p10": 2, "p19": 1}
    assert signed(root, root / ZIP).reports == signed(root).reports


def test_a_zip_packed_again_has_the_same_digest_if_its_dates_are_the_same(root: Path) -> None:
    before = signed(root).reports
    write_zip(root / ZIP, REPORTS)
    assert signed(root).reports == before
    write_zip(root / ZIP, REPORTS, date=FEBRUARY)
    assert signed(root).reports != before, "the central directory holds the date of each report"


@pytest.mark.parametrize(
    "texts",
    [
        {**REPORTS, "files/p10/p10000001/s59999001.txt": "Cleer."},
        {**REPORTS, "files/p10/p10000001/s59999003.txt": "New."},
        {"files/p10/p10000001/s59999001.txt": "Clear."},
    ],
    ids=["changed", "added", "removed"],
)
def test_a_changed_report_in_the_zip_is_noticed(root: Path, texts: dict[str, str]) -> None:
    before = signed(root)
    write_zip(root / ZIP, texts)
    assert signed(root).reports != before.reports
    assert signed(root).tables == before.tables


def test_a_zip_of_more_members_than_16_bits_count_is_hashed(root: Path) -> None:
    """MIMIC-CXR has 227,835 reports: such a zip ends otherwise (Zip64)."""
    names = [f"files/p10/p10000001/s{50_000_000 + n}.txt" for n in range(66_000)]
    write_zip(root / ZIP, dict.fromkeys(names, ""))
    before = signed(root).reports
    write_zip(root / ZIP, dict.fromkeys([*names[1:], "files/p10/p10000001/s59999999.txt"], ""))
    assert signed(root).reports != before


def test_what_is_remembered_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signed(root)
    remembered = json.loads(json.dumps(before.remembered))

    def fail(path: Path) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(importlib.import_module("laudo.mimic.signature"), "_digest", fail)
    assert mimic.signature(root, remembered=remembered) == before
    os.utime(root / ZIP, ns=(5, 5))
    with pytest.raises(AssertionError, match=r"reports\.zip is read"):
        mimic.signature(root, remembered=remembered)


@pytest.mark.parametrize("entry", [{}, {"digest": "0"}, {"size": 1, "mtime_ns": 2, "digest": "0"}])
def test_an_entry_that_does_not_fit_is_not_used(root: Path, entry: dict[str, object]) -> None:
    remembered = {str(root / f"{SPLIT}.gz"): entry}
    after = mimic.signature(root, remembered=remembered)
    assert after == signed(root)


def test_a_disk_that_is_not_mounted_has_no_signature(root: Path, tmp_path: Path) -> None:
    assert mimic.signature(tmp_path / "nowhere", remembered={}) is None
    assert mimic.signature(root, tmp_path / "nowhere", remembered={}) is None


def test_a_damaged_table_or_zip_is_a_message(root: Path) -> None:
    table = root / f"{SPLIT}.gz"
    table.write_bytes(table.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"the table cannot be read(.|\n)*split\.csv\.gz"):
        signed(root)
    table.write_bytes(gzip.compress(ROWS))
    (root / ZIP).write_bytes((root / ZIP).read_bytes()[:-30])
    with pytest.raises(InputError, match="the zip cannot be read"):
        signed(root)
