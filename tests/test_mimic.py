"""A small invented tree in PhysioNet's layout; identifiers are made up."""

import csv
import gzip
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from laudo.errors import InputError
from laudo.mimic import Reports, ReportText, images_of, open_corpus
from laudo.mimic.studies import index
from laudo.phantom import corpus
from laudo.vocabulary import LABELS

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


def load(root: Path, reports: Path | None = None) -> dict[int, dict[str, Any]]:
    """study_id -> its row of the index, with its report."""
    opened = open_corpus(root, reports=reports)
    with Reports(opened) as texts:
        rows = index(opened, reported=texts.studies).to_pylist()
        for row in rows:
            row["report"] = texts.fetch(subject_id=row["subject_id"], study_id=row["study_id"])
    return {row["study_id"]: row for row in rows}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_tables_are_joined_by_key(tmp_path: Path, suffix: str) -> None:
    found = load(tree(tmp_path, suffix=suffix))
    assert list(found) == [59999001, 59999005, 59999009]
    assert [(study["subject_id"], study["split"]) for study in found.values()] == [
        (19999001, "train"),
        (19999003, "test"),
        (19999002, "validate"),
    ]
    assert [(image["dicom_id"], image["view"]) for image in found[59999009]["images"]] == [
        ("b1", "PA"),
        ("c1", "LATERAL"),
    ]
    assert found[59999001]["images"] == [{"dicom_id": "a1", "view": None, "rows": None, "columns": None}]


def test_columns_and_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    expected = load(tree(tmp_path))
    backwards = [row[::-1] for row in IMAGES[::-1]]
    write(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA[::-1], backwards)
    assert load(tmp_path) == expected


def test_time_keeps_its_lost_zero_and_the_earliest_image_dates_the_study(tmp_path: Path) -> None:
    found = load(tree(tmp_path))
    assert found[59999009]["taken"] == datetime(2180, 5, 6, 8, 5, 12)
    assert found[59999001]["taken"] == datetime(2179, 1, 1, 21, 30, 14, 500_000)
    assert found[59999005]["taken"] == datetime(2181, 2, 3)
    one_image = tree(tmp_path, images=IMAGES[:1], split=SPLIT)
    assert load(one_image)[59999009]["taken"] == datetime(2180, 5, 6, 8, 5, 56, 875_000)


def test_whole_numbers_may_be_written_as_pandas_writes_them(tmp_path: Path) -> None:
    """A column with holes becomes one of floats."""
    expected = load(tree(tmp_path))
    floats = [tuple(f"{v}.0" if isinstance(v, int) else v for v in row) for row in IMAGES]
    assert load(tree(tmp_path, images=floats)) == expected


def test_the_prior_is_the_last_study_taken_before(tmp_path: Path) -> None:
    """Study_ids are in no order of time; two studies of one moment share the one before them both."""
    days = {
        59999104: "21800101",
        59999103: "21800102",
        59999101: "21800102",
        59999102: "21800103",
        59999105: "",
    }
    images = [(f"d{s}", 19999001, s, "", "AP", "", "", day, "120000") for s, day in days.items()]
    images.append(("other", 19999002, 59999106, "", "AP", "", "", "21850101", "120000"))
    splits = [(row[0], row[2], row[1], "train") for row in images]
    found = load(tree(tmp_path, images=images, split=splits))
    assert {study: row["prior"] for study, row in found.items()} == {
        59999104: None,
        59999103: 59999104,
        59999101: 59999104,
        59999102: 59999103,
        59999105: None,
        59999106: None,
    }


def test_images_are_those_on_disk_of_any_kind(tmp_path: Path) -> None:
    put(tree(tmp_path), "files/p19/p19999002/s59999009/c1.png")
    put(tmp_path, "files/p19/p19999002/s59999009/c1.jpg")
    put(tmp_path, "files/p19/p19999002/s59999009/index.html")
    put(tmp_path, "files/p19/p19999003/s59999005/d1.DCM")
    opened = open_corpus(tmp_path)
    folder = tmp_path / "files/p19"
    assert images_of(opened, subject_id=19999002, study_id=59999009) == {
        "c1": folder / "p19999002/s59999009/c1.jpg"
    }
    assert images_of(opened, subject_id=19999003, study_id=59999005) == {
        "d1": folder / "p19999003/s59999005/d1.DCM"
    }
    assert images_of(opened, subject_id=19999001, study_id=59999001) == {}


@pytest.mark.parametrize("under", ["files", "mimic-cxr-reports/files", "mimic-cxr-reports", "."])
def test_reports_are_fetched_from_any_usual_folder(tmp_path: Path, under: str) -> None:
    put(tree(tmp_path), f"{under}/p19/p19999002/s59999009.txt", b" FINDINGS: Clear.\n")
    found = load(tmp_path)
    assert found[59999009]["report"] == ReportText(" FINDINGS: Clear.\n", "utf-8")
    assert found[59999001]["report"] is None


@pytest.mark.parametrize("prefix", ["files/", "mimic-cxr-reports/files/", ""])
def test_reports_are_fetched_from_the_zip_whatever_its_folders(tmp_path: Path, prefix: str) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr(f"{prefix}p19/p19999003/s59999005.txt", " IMPRESSION: Edema.")
        archive.writestr("notes/readme.txt", "Not a report.")
    found = load(tmp_path)
    assert found[59999005]["report"] == ReportText(" IMPRESSION: Edema.", "utf-8")
    assert found[59999001]["report"] is None


def test_a_report_in_another_subject_s_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999002/s59999005.txt", "another subject's")
    with pytest.raises(InputError, match="study 59999005 belongs to two subjects"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["mimic-cxr-reports.zip", "."])
def test_reports_are_fetched_from_a_folder_of_their_own(tmp_path: Path, name: str) -> None:
    """MIMIC-CXR and MIMIC-CXR-JPG are two downloads."""
    other = tmp_path / "mimic-cxr" / "2.1.0"
    other.mkdir(parents=True)
    with zipfile.ZipFile(other / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999003/s59999005.txt", " IMPRESSION: Edema.")
    (tmp_path / "jpg").mkdir()
    found = load(tree(tmp_path / "jpg"), reports=other / name)
    assert found[59999005]["report"] == ReportText(" IMPRESSION: Edema.", "utf-8")


def test_a_study_that_only_a_table_of_labels_or_splits_names_has_a_row(tmp_path: Path) -> None:
    rows = [(59999066, 19999006, *[""] * 14)]
    split = [*SPLIT, ("y1", 59999055, 19999005, "test")]
    write(
        tree(tmp_path, split=split) / "mimic-cxr-2.0.0-negbio.csv.gz",
        ("study_id", "subject_id", *LABELS),
        rows,
    )
    found = load(tmp_path)
    assert (found[59999066]["subject_id"], found[59999066]["split"]) == (19999006, None)
    assert (found[59999055]["split"], found[59999055]["images"]) == ("test", None)


def test_two_reports_of_a_study_that_differ_are_named(tmp_path: Path) -> None:
    file = tree(tmp_path) / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for folder in ("files", "__MACOSX/files", "copy"):
            archive.writestr(f"{folder}/p19/p19999003/s59999005.txt", "junk" if "MAC" in folder else "Edema.")
    assert load(tmp_path)[59999005]["report"] == ReportText("Edema.", "utf-8")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("old/p19/p19999003/s59999005.txt", "An older version.")
    with pytest.raises(InputError, match="study 59999005 has two reports that differ"):
        load(tmp_path)


def test_a_zip_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("mimic-cxr-reports.zip", "nested")
    with pytest.raises(InputError, match=r"holds no report named(.|\n)*\[mimic\] reports"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_part_of_a_report(tmp_path: Path) -> None:
    put(tree(tmp_path), "files/p19/p19999001/s59999001.txt", "\ufeff FINDINGS: Clear.".encode())
    assert load(tmp_path)[59999001]["report"] == ReportText(" FINDINGS: Clear.", "utf-8")


def test_a_report_without_an_image_and_a_study_without_a_split_have_rows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tree(tmp_path, split=SPLIT[1:]) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999009/s59999099.txt", " IMPRESSION: Edema.")
    found = load(tmp_path)
    assert (found[59999099]["images"], found[59999099]["split"]) == (None, None)
    assert found[59999099]["subject_id"] == 19999009
    assert (found[59999005]["split"], len(found[59999005]["images"])) == (None, 1)


def test_mimic_cxr_needs_no_metadata_of_mimic_cxr_jpg(tmp_path: Path) -> None:
    """Its record list names the images, its study list the studies; the DICOM files have views and dates."""
    (tree(tmp_path) / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    header = ("subject_id", "study_id", "dicom_id", "path")
    write(tmp_path / "cxr-record-list.csv.gz", header, [(*row[1:3], row[0], "files/x.dcm") for row in IMAGES])
    studies = [(19999001, 59999001, "x"), (19999008, 59999088, "x")]
    write(tmp_path / "cxr-study-list.csv.gz", ("subject_id", "study_id", "path"), studies)
    found = load(tmp_path)
    assert list(found) == [59999001, 59999005, 59999009, 59999088]
    assert [image["dicom_id"] for image in found[59999009]["images"]] == ["b1", "c1"]
    assert (found[59999009]["split"], found[59999009]["taken"]) == ("validate", None)
    assert (found[59999088]["images"], found[59999088]["split"]) == (None, None)


def test_a_report_that_is_not_utf_8_is_read_as_latin_1(tmp_path: Path) -> None:
    put(tree(tmp_path), "files/p19/p19999001/s59999001.txt", "37 °C".encode("latin-1"))
    assert load(tmp_path)[59999001]["report"] == ReportText("37 °C", "latin-1")


def test_labels_are_joined_by_name(tmp_path: Path) -> None:
    header = ("study_id", *reversed(LABELS), "subject_id")
    values = {"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"}
    row = (59999009, *(values.get(label, "") for label in reversed(LABELS)), 19999002)
    write(tree(tmp_path) / "mimic-cxr-2.0.0-chexpert.csv.gz", header, [row])
    found = load(tmp_path)
    expected = dict.fromkeys(LABELS) | {"Edema": 1, "Fracture": 0, "Pneumonia": -1}
    assert found[59999009]["chexpert"] == expected
    assert found[59999009]["negbio"] is None
    assert found[59999001]["chexpert"] is None


def test_the_radiologist_s_labels_of_release_2_1_0(tmp_path: Path) -> None:
    """The table is not compressed, has no subject_id, and calls Lung Opacity otherwise."""
    header = ("study_id", *("Airspace Opacity" if label == "Lung Opacity" else label for label in LABELS))
    row = (59999005, *("1" if label == "Lung Opacity" else "" for label in LABELS))
    write(tree(tmp_path) / "mimic-cxr-2.1.0-test-set-labeled.csv", header, [row])
    found = load(tmp_path)
    assert found[59999005]["radiologist"] == dict.fromkeys(LABELS) | {"Lung Opacity": 1}
    assert found[59999009]["radiologist"] is None


def test_a_damaged_report_in_the_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999003/s59999005.txt", "Clear, and no more than that.")
    data = (tmp_path / "mimic-cxr-reports.zip").read_bytes()
    (tmp_path / "mimic-cxr-reports.zip").write_bytes(data.replace(b"Clear", b"Cloar", 1))
    with pytest.raises(InputError, match=r"s59999005\.txt cannot be unpacked"):
        load(tmp_path)


# --- mistakes ---------------------------------------------------------------------------------------


def test_an_absent_folder_is_a_message(tmp_path: Path) -> None:
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
        load(tmp_path)


def changed(rows: Sequence[tuple[Any, ...]], *, row: int, column: int, to: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(to if (r, c) == (row, column) else value for c, value in enumerate(line))
        for r, line in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("images", "split", "message"),
    [
        (IMAGES, changed(SPLIT, row=3, column=3, to="train"), "study 59999009 is in two splits"),
        (IMAGES, changed(SPLIT, row=3, column=3, to="valid"), "split 'valid' is none of"),
        (IMAGES, [*SPLIT, ("a1", 59999001, 19999001, "test")], r"dicom_id a1 is there twice(.|\n)*row 5"),
        (changed(IMAGES, row=1, column=1, to=19999003), SPLIT, "study 59999001 belongs to two subjects"),
        (IMAGES, changed(SPLIT, row=1, column=1, to=59999005), "dicom_id a1 is of another study"),
        (IMAGES, [*SPLIT, ("z1", 59999077, 19999003, "train")], "subject 19999003 is in two splits"),
        (changed(IMAGES, row=0, column=1, to=19999003), SPLIT, "study 59999009 belongs to two subjects"),
        ([*IMAGES, IMAGES[0]], SPLIT, "dicom_id c1 is there twice"),
        (changed(IMAGES, row=2, column=2, to="s5"), SPLIT, r"'s5' is not a whole number(.|\n)*row 3"),
        (changed(IMAGES, row=0, column=7, to="2180-05-06"), SPLIT, "StudyDate '2180-05-06' is not yyyymmdd"),
        (changed(IMAGES, row=0, column=8, to="996000"), SPLIT, "StudyTime '996000' is not hhmmss"),
        ([IMAGES[0][:5]], SPLIT, "5 fields where the header has 9"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, images: Any, split: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tree(tmp_path, images=images, split=split))


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_with_other_separators_says_so(tmp_path: Path, mark: str, name: str) -> None:
    """Excel saves "CSV UTF-8" with a byte order mark, and in Brazil with semicolons and decimal commas."""
    path = tree(tmp_path, suffix=".csv") / "mimic-cxr-2.0.0-metadata.csv"
    text = path.read_text().replace(",", mark).replace(".", ",")
    path.write_text("\ufeff" + text, "utf-8")
    with pytest.raises(InputError, match=rf"separated by {name}(.|\n)*metadata\.csv(.|\n)*PhysioNet"):
        load(tmp_path)


def test_a_byte_order_mark_before_a_table_is_no_part_of_it(tmp_path: Path) -> None:
    expected = load(tree(tmp_path, suffix=".csv"))
    path = tmp_path / "mimic-cxr-2.0.0-metadata.csv"
    path.write_text("\ufeff" + path.read_text(), "utf-8")
    assert load(tmp_path) == expected


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (2, "5.9999005E7"),
        (2, "5,9999005E+07"),
        (8, "80556,875"),
        (7, "06/05/2180"),
        (5, "3056,0"),
        (2, "59.999.005"),
    ],
)
def test_a_value_that_a_spreadsheet_changed_says_so(tmp_path: Path, column: int, value: str) -> None:
    images = changed(IMAGES, row=0, column=column, to=value)
    with pytest.raises(InputError, match=r"as a spreadsheet writes it(.|\n)*row 1(.|\n)*PhysioNet"):
        load(tree(tmp_path, images=images))


@pytest.mark.parametrize(
    ("column", "value", "number"), [(1, "p19999002", "19999002"), (2, "p19/p19999002/s59999009", "59999009")]
)
def test_a_key_that_is_the_name_of_a_folder_says_how_to_write_it(
    tmp_path: Path, column: int, value: str, number: str
) -> None:
    images = changed(IMAGES, row=0, column=column, to=value)
    with pytest.raises(InputError, match=f"fix: write the number alone, in every row: {number}"):
        load(tree(tmp_path, images=images))


def test_an_odd_label_is_named_with_its_line(tmp_path: Path) -> None:
    write(
        tree(tmp_path) / "mimic-cxr-2.0.0-negbio.csv.gz",
        ("study_id", "subject_id", *LABELS),
        [(59999009, 19999002, *["2.0"] * 14)],
    )
    with pytest.raises(InputError, match=r"'2.0' is none of(.|\n)*row 1"):
        load(tmp_path)


def test_a_study_with_two_rows_of_labels_is_named(tmp_path: Path) -> None:
    keys = ((59999009, 19999002, ""), (59999001, 19999001, ""), (59999009, 19999002, "1.0"))
    rows = [(study, subject, *[value] * 14) for study, subject, value in keys]
    write(tree(tmp_path) / "mimic-cxr-2.0.0-chexpert.csv.gz", ("study_id", "subject_id", *LABELS), rows)
    with pytest.raises(InputError, match=r"study_id 59999009 is there twice(.|\n)*row 3"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["", "dicom_id,split\n", "\x00\x01"])
def test_a_table_without_rows_or_columns_is_a_message(tmp_path: Path, content: str) -> None:
    (tree(tmp_path) / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").write_text(content)
    with pytest.raises(InputError, match=r"metadata\.csv"):
        load(tmp_path)


@pytest.mark.parametrize(
    "name", ["mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.0.0-split.csv.gz", "mimic-cxr-reports.zip"]
)
def test_a_download_cut_short_is_named(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tree(tmp_path) / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("files/p19/p19999003/s59999005.txt", "Clear.")
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-30])
    with pytest.raises(InputError, match=rf"cannot be read(.|\n)*{name}"):
        load(tmp_path)


def test_a_thousand_studies_are_joined_as_a_loop_over_rows_joins_them(tmp_path: Path) -> None:
    """Arrow's hash tables come into play only with many groups; the expected rows are made one by one."""
    for _ in corpus.write(tmp_path, count=1000, seed=3, size_px=None):
        pass

    def rows(name: str) -> list[dict[str, str]]:
        with gzip.open(tmp_path / "mimic" / f"mimic-cxr-2.0.0-{name}.csv.gz", "rt") as stream:
            return list(csv.DictReader(stream))

    expected: dict[int, dict[str, Any]] = {}
    splits = {row["dicom_id"]: row["split"] for row in rows("split")}
    for row in rows("metadata"):
        study = expected.setdefault(
            int(row["study_id"]), {"subject_id": int(row["subject_id"]), "images": {}}
        )
        study["split"] = splits[row["dicom_id"]]
        study["taken"] = f"{row['StudyDate']} {float(row['StudyTime']):010.3f}"
        study["images"][row["dicom_id"]] = (
            row["ViewPosition"] or None,
            int(row["Rows"]),
            int(row["Columns"]),
        )
    for name in ("chexpert", "negbio"):
        for row in rows(name):
            expected[int(row["study_id"])][name] = {n: int(float(row[n])) if row[n] else None for n in LABELS}
    found = load(tmp_path / "mimic")
    assert list(found) == sorted(expected) and len(found) == 1000
    for study_id, row in found.items():
        taken = f"{row['taken']:%Y%m%d %H%M%S}.{row['taken'].microsecond // 1000:03d}"
        assert expected[study_id] == {
            **{name: row[name] for name in ("subject_id", "split", "chexpert", "negbio")},
            "taken": taken,
            "images": {i["dicom_id"]: (i["view"], i["rows"], i["columns"]) for i in row["images"]},
        }
