"""A small invented tree in PhysioNet's layout; identifiers are made up."""

import csv
import gzip
import itertools
import zipfile
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from laudo.errors import InputError
from laudo.images import order
from laudo.mimic import LABELS, RawStudy, open_corpus, studies

METADATA = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
)
IMAGES = [
    # out of order on purpose: nothing may depend on the order of rows
    ("c1", 19999002, 59999009, "CHEST (PA AND LAT)", "LATERAL", 3056, 2544, 21800506, 80556.875),
    ("a1", 19999001, 59999001, "CHEST (PORTABLE AP)", "", "", "", 21790101, "213014.5"),
    ("b1", 19999002, 59999009, "CHEST (PA AND LAT)", "PA", 3056, 2544, 21800506, 80512),
    ("d1", 19999003, 59999005, "CHEST (PORTABLE AP)", "AP", 2705, 2539, 21810203, 0),
]
SPLIT = [
    ("d1", 59999005, 19999003, "test"),
    ("a1", 59999001, 19999001, "train"),
    ("b1", 59999009, 19999002, "validate"),
    ("c1", 59999009, 19999002, "validate"),
]


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def tree(
    root: Path, *, suffix: str = ".csv.gz", images: Sequence[Any] = IMAGES, split: Sequence[Any] = SPLIT
) -> Path:
    write(root / f"mimic-cxr-2.0.0-metadata{suffix}", METADATA, images)
    write(root / f"mimic-cxr-2.0.0-split{suffix}", ("dicom_id", "study_id", "subject_id", "split"), split)
    return root


def put(root: Path, name: str, content: bytes = b"x") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def read(root: Path) -> dict[int, RawStudy]:
    return {study.study_id: study for study in studies(open_corpus(root))}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_tables_are_joined_by_key(tmp_path: Path, suffix: str) -> None:
    found = read(tree(tmp_path, suffix=suffix))
    assert list(found) == [59999001, 59999005, 59999009]
    assert [(study.subject_id, study.split) for study in found.values()] == [
        (19999001, "train"),
        (19999003, "test"),
        (19999002, "validate"),
    ]
    assert [(image.dicom_id, image.view_position) for image in found[59999009].images] == [
        ("b1", "PA"),
        ("c1", "LATERAL"),
    ]
    assert found[59999001].images[0][1:] == (None, None, None, None)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    expected = read(tree(tmp_path))
    backwards = [row[::-1] for row in IMAGES]
    write(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA[::-1], backwards)
    assert read(tmp_path) == expected


def test_time_keeps_its_lost_zero_and_the_earliest_image_dates_the_study(tmp_path: Path) -> None:
    found = read(tree(tmp_path))
    assert (found[59999009].study_date, found[59999009].study_time) == (date(2180, 5, 6), time(8, 5, 12))
    assert found[59999001].study_time == time(21, 30, 14, 500_000)
    assert found[59999005].study_time == time(0, 0, 0)
    lone = tree(tmp_path, images=IMAGES[:1], split=SPLIT)
    assert read(lone)[59999009].study_time == time(8, 5, 56, 875_000)


def test_images_are_those_on_disk_whatever_their_kind(tmp_path: Path) -> None:
    put(tree(tmp_path), "files/p19/p19999002/s59999009/c1.png")
    put(tmp_path, "files/p19/p19999002/s59999009/c1.jpg")
    put(tmp_path, "files/p19/p19999003/s59999005/d1.dcm")
    found = read(tmp_path)
    assert [image.path and image.path.name for image in found[59999009].images] == [None, "c1.jpg"]
    assert found[59999005].images[0].path == tmp_path / "files/p19/p19999003/s59999005/d1.dcm"
    assert order(found[59999009].images)[0].dicom_id == "b1"


@pytest.mark.parametrize("under", ["files", "mimic-cxr-reports/files", "mimic-cxr-reports"])
def test_reports_in_a_folder(tmp_path: Path, under: str) -> None:
    put(tree(tmp_path), f"{under}/p19/p19999002/s59999009.txt", b" FINDINGS: Clear.\n")
    found = read(tmp_path)
    assert (found[59999009].report, found[59999009].report_encoding) == (" FINDINGS: Clear.\n", "utf-8")
    assert (found[59999001].report, found[59999001].report_encoding) == (None, None)


@pytest.mark.parametrize("prefix", ["files/", "mimic-cxr-reports/files/", ""])
def test_reports_in_the_zip(tmp_path: Path, prefix: str) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr(f"{prefix}p19/p19999003/s59999005.txt", " IMPRESSION: Edema.")
        archive.writestr(f"{prefix}p19/p19999002/s59999001.txt", "another subject's")
    found = read(tmp_path)
    assert found[59999005].report == " IMPRESSION: Edema."
    assert found[59999001].report is None


def test_a_report_that_is_not_utf_8_is_read_as_latin_1(tmp_path: Path) -> None:
    put(tree(tmp_path), "files/p19/p19999001/s59999001.txt", "37 °C".encode("latin-1"))
    study = read(tmp_path)[59999001]
    assert (study.report, study.report_encoding) == ("37 °C", "latin-1")


def test_labels_by_name(tmp_path: Path) -> None:
    header = ("study_id", *reversed(LABELS), "subject_id")
    values = {"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"}
    row = (59999009, *(values.get(label, "") for label in reversed(LABELS)), 19999002)
    write(tree(tmp_path) / "mimic-cxr-2.0.0-chexpert.csv.gz", header, [row])
    found = read(tmp_path)
    expected = dict.fromkeys(LABELS) | {"Edema": 1, "Fracture": 0, "Pneumonia": -1}
    assert found[59999009].chexpert == expected
    assert found[59999009].negbio is None
    assert found[59999001].chexpert is None


def test_a_zip_is_read_study_by_study(tmp_path: Path) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        for subject, study in ((19999001, 59999001), (19999003, 59999005)):
            archive.writestr(f"files/p19/p{subject}/s{study}.txt", "Clear, and no more than that.")
    data = (tmp_path / "mimic-cxr-reports.zip").read_bytes()
    second = data.index(b"Clear", data.index(b"Clear") + 1)
    (tmp_path / "mimic-cxr-reports.zip").write_bytes(data[:second] + b"Cloar" + data[second + 5 :])
    assert [study.report for study in itertools.islice(studies(open_corpus(tmp_path)), 1)] == [
        "Clear, and no more than that."
    ]
    with pytest.raises(InputError, match=r"s59999005\.txt cannot be unpacked"):
        read(tmp_path)


# --- mistakes ---------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_corpus(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["metadata", "split"])
def test_an_indispensable_table_is_named(tmp_path: Path, name: str) -> None:
    (tree(tmp_path) / f"mimic-cxr-2.0.0-{name}.csv.gz").unlink()
    with pytest.raises(InputError, match=rf"mimic-cxr-2\.0\.0-{name}\.csv\.gz is absent(.|\n)*PhysioNet"):
        open_corpus(tmp_path)


def test_an_absent_column_is_named_with_its_file(tmp_path: Path) -> None:
    write(tree(tmp_path) / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA[:4] + METADATA[5:], [])
    with pytest.raises(InputError, match=r"column ViewPosition is absent(.|\n)*metadata\.csv\.gz"):
        read(tmp_path)


def changed(rows: Sequence[tuple[Any, ...]], *, row: int, column: int, to: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(to if (r, c) == (row, column) else value for c, value in enumerate(line))
        for r, line in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("images", "split", "message"),
    [
        (
            IMAGES,
            changed(SPLIT, row=3, column=3, to="train"),
            "study 59999009 is in the splits train, validate",
        ),
        (IMAGES, changed(SPLIT, row=3, column=3, to="valid"), "split 'valid' is none of"),
        (IMAGES, SPLIT[1:], "dicom_id d1 of study 59999005 has no split"),
        (IMAGES, [*SPLIT, ("a1", 59999001, 19999001, "test")], "dicom_id a1 is in two splits"),
        (changed(IMAGES, row=1, column=1, to=19999003), SPLIT, "subject 19999003 is in two splits"),
        (changed(IMAGES, row=0, column=1, to=19999003), SPLIT, "study 59999009 belongs to two subjects"),
        ([*IMAGES, IMAGES[0]], SPLIT, "dicom_id c1 is there twice"),
        (changed(IMAGES, row=0, column=2, to="s5"), SPLIT, "'s5' is not a whole number"),
        (changed(IMAGES, row=0, column=7, to="2180-05-06"), SPLIT, "StudyDate '2180-05-06' is not yyyymmdd"),
        (changed(IMAGES, row=0, column=8, to="996000"), SPLIT, "StudyTime '996000' is not hhmmss"),
        ([IMAGES[0][:5]], SPLIT, "5 fields where the header has 9"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, images: Any, split: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tree(tmp_path, images=images, split=split))


def test_an_odd_label_is_named_with_its_line(tmp_path: Path) -> None:
    write(
        tree(tmp_path) / "mimic-cxr-2.0.0-negbio.csv.gz", ("study_id", *LABELS), [(59999009, *["2.0"] * 14)]
    )
    with pytest.raises(InputError, match=r"'2.0' is none of(.|\n)*line 2"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name", ["mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.0.0-split.csv.gz", "mimic-cxr-reports.zip"]
)
def test_a_download_cut_short_is_named(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999003/s59999005.txt", "Clear.")
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-30])
    with pytest.raises(InputError, match=rf"cannot be read(.|\n)*{name}"):
        read(tmp_path)
