"""Folders as people name them: one level too high or too low, or the reports of another download.

The layouts are those of PhysioNet's pages: `wget -r` of MIMIC-CXR-JPG 2.1.0 makes
physionet.org/files/mimic-cxr-jpg/2.1.0/files/p10/p10000032/s50414267/, of MIMIC-CXR 2.1.0
physionet.org/files/mimic-cxr/2.1.0/mimic-cxr-reports.zip, whose members are files/p10/p10000032/s50414267.txt.
"""

import gzip
import shutil
import zipfile
from pathlib import Path

import pytest

from laudo import mimic
from laudo.errors import InputError
from laudo.mimic import open_corpus

JPG = "physionet.org/files/mimic-cxr-jpg/2.1.0"
TEXTS = "physionet.org/files/mimic-cxr/2.1.0"


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def tables(root: Path) -> Path:
    for name in ("metadata", "split"):
        put(root / f"mimic-cxr-2.0.0-{name}.csv.gz").write_bytes(gzip.compress(name.encode()))
    return root


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """What `wget -r` left of both projects: the reports are still in their zip."""
    root = tables(tmp_path / JPG)
    put(root / "files/p10/p10000032/s50414267/a.jpg")
    put(root / "files/p10/p10000033/s50414268/b.jpg")
    archive = tmp_path / TEXTS / "mimic-cxr-reports.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("files/p10/p10000032/s50414267.txt", " IMPRESSION: Clear.")
    return tmp_path


TOO_HIGH = ["", "physionet.org", "physionet.org/files", "physionet.org/files/mimic-cxr-jpg"]
TOO_LOW = ["files", "files/p10", "files/p10/p10000032", "files/p10/p10000032/s50414267"]


@pytest.mark.parametrize("named", [*TOO_HIGH, *(f"{JPG}/{low}" for low in TOO_LOW)])
def test_a_root_some_levels_off_is_found_and_named_in_one_line(downloads, capsys, named):
    assert open_corpus(downloads / named).root == downloads / JPG
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("corpus: ")]
    assert lines == [f"corpus: {downloads / JPG} is used, as {downloads / named} has no tables"]
    found, there = (mimic.signature(downloads / n, remembered={}) for n in (named, JPG))
    assert found and there and found._replace(remembered={}) == there._replace(remembered={})


def test_the_right_root_says_nothing(downloads, capsys):
    assert open_corpus(downloads / JPG, reports=downloads / TEXTS).root == downloads / JPG
    assert capsys.readouterr().err == ""


def test_a_link_to_the_same_copy_is_no_second_copy(downloads):
    (downloads / "physionet.org/files/mimic-cxr-jpg/latest").symlink_to("2.1.0")
    assert open_corpus(downloads / "physionet.org").root.resolve() == (downloads / JPG).resolve()


def test_of_two_copies_none_is_chosen(downloads):
    other = tables(downloads / "physionet.org/files/mimic-cxr-jpg/2.0.0")
    with pytest.raises(InputError, match="several copies") as caught:
        open_corpus(downloads / "physionet.org")
    assert str(other) in caught.value.where and str(downloads / JPG) in caught.value.where
    assert "LAUDO_MIMIC" in caught.value.fix


def test_names_of_downloads_may_be_in_capitals(tmp_path):
    root = tables(tmp_path / "MIMIC-CXR-JPG/2.1.0")
    assert open_corpus(tmp_path).root == root


def test_a_folder_of_many_folders_is_not_searched(tmp_path):
    """As /home may be: 101 folders, and the copy of somebody else in one of them."""
    for number in range(100):
        (tmp_path / f"user{number}").mkdir()
    tables(tmp_path / "user100")
    with pytest.raises(InputError, match=r"metadata\.csv\.gz is absent"):
        open_corpus(tmp_path)


def test_without_any_copy_the_folders_that_were_looked_at_are_named(tmp_path):
    (tmp_path / "here").mkdir()
    with pytest.raises(InputError, match=r"metadata\.csv\.gz is absent") as caught:
        open_corpus(tmp_path / "here")
    assert caught.value.where.startswith(f"{tmp_path}/here; above it: {tmp_path}, {tmp_path.parent}, ")
    assert caught.value.where.endswith(
        "; below it: *, mimic*/*, files/mimic-cxr*/*, physionet.org/files/mimic-cxr*/*"
    )


@pytest.mark.parametrize("name", ["mimic-cxr-2.1.0-split.csv.gz", "mimic-cxr-jpg-2.0.0-split.csv"])
def test_a_table_under_another_release_s_name_is_to_be_renamed(downloads, name):
    right = downloads / JPG / "mimic-cxr-2.0.0-split.csv.gz"
    wrong = right.rename(right.with_name(name))
    with pytest.raises(InputError, match=r"split\.csv\.gz is absent") as caught:
        open_corpus(downloads / JPG)
    command, source, target = caught.value.fix.rpartition(": ")[2].split(" ")
    assert command == "mv" and source == str(wrong)
    Path(source).rename(target)
    assert "split" in open_corpus(downloads / JPG).tables


def test_labels_under_another_release_s_name_are_noted_and_not_used(downloads, capsys):
    wrong = put(downloads / JPG / "mimic-cxr-2.1.0-chexpert.csv.gz")
    assert "chexpert" not in open_corpus(downloads / JPG, reports=downloads / TEXTS).tables
    right = wrong.with_name("mimic-cxr-2.0.0-chexpert.csv.gz")
    assert capsys.readouterr().err == (
        "corpus: mimic-cxr-2.0.0-chexpert.csv is absent; "
        f"if this is that table, rename it: mv {wrong} {right}\n"
    )


# --- reports ------------------------------------------------------------------------------------------------


def unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()


@pytest.mark.parametrize(
    "named", ["", "physionet.org/files/mimic-cxr", TEXTS, f"{TEXTS}/mimic-cxr-reports.zip"]
)
def test_the_zip_of_the_reports_is_found_in_the_folder_above(downloads, named):
    corpus = open_corpus(downloads / JPG, reports=downloads / named)
    assert corpus.archive == downloads / TEXTS / "mimic-cxr-reports.zip"


@pytest.mark.parametrize("unpacked", ["mimic-cxr-reports", ""])
@pytest.mark.parametrize("low", ["", "files", "files/p10", "files/p10/p10000032"])
def test_unpacked_reports_are_found_from_any_of_their_folders(downloads, unpacked, low):
    folder = downloads / TEXTS / unpacked
    unzip(downloads / TEXTS / "mimic-cxr-reports.zip", folder)
    corpus = open_corpus(downloads / JPG, reports=folder / low)
    assert folder / "files" in corpus.report_folders
    signature = mimic.signature(downloads / JPG, folder / low, remembered={})
    assert signature and signature.reports == {"p10": 1}


@pytest.mark.parametrize("beside", ["mimic-cxr-reports.zip", "mimic-cxr-reports/files"])
def test_reports_beside_the_root_need_no_setting(downloads, capsys, beside):
    above = downloads / "physionet.org/files/mimic-cxr-jpg"
    archive = shutil.move(downloads / TEXTS / "mimic-cxr-reports.zip", above)
    if beside.endswith("files"):
        unzip(Path(archive), above / "mimic-cxr-reports")
    corpus = open_corpus(downloads / JPG)
    assert {corpus.archive, *corpus.report_folders} - {None} == {above / beside}
    assert capsys.readouterr().err == f"reports: those in {above} are used, as {downloads / JPG} has none\n"


def test_of_two_releases_of_the_reports_none_is_chosen(downloads):
    above = downloads / "physionet.org/files/mimic-cxr"
    shutil.copytree(above / "2.1.0", above / "2.0.0")
    with pytest.raises(InputError, match="several copies") as caught:
        open_corpus(downloads / JPG, reports=above)
    assert caught.value.where == f"{above / '2.0.0'}, {above / '2.1.0'}"
    assert "LAUDO_REPORTS" in caught.value.fix


def test_without_any_report_the_message_names_where_they_were_looked_for(downloads):
    shutil.rmtree(downloads / TEXTS)
    error = mimic.no_report_found(open_corpus(downloads / JPG))
    root = downloads / JPG
    assert error.where.startswith(
        f"mimic-cxr-reports.zip and p10 to p19 in {root}; above it: {root.parent}, "
    )
    assert "[mimic] reports, or LAUDO_REPORTS" in error.fix


def test_reports_of_a_sibling_download_are_not_taken_but_suggested(downloads):
    """MIMIC-CXR-JPG has the same folders as the reports, and none of them in it."""
    corpus = open_corpus(downloads / JPG)
    assert corpus.archive is None and corpus.reports == downloads / JPG
    error = mimic.no_report_found(corpus)
    assert str(downloads / JPG) in error.where and "mimic-cxr-reports.zip" in error.where
    assert f'[mimic] reports = "{downloads / TEXTS}"' in error.fix
    assert f"LAUDO_REPORTS={downloads / TEXTS}" in error.fix


def test_a_folder_of_images_that_is_named_for_the_reports_is_believed(downloads):
    """A part of a copy may have its first report at a late patient: who names the folder should know."""
    corpus = open_corpus(downloads / JPG, reports=downloads / JPG)
    assert corpus.report_folders == (downloads / JPG / "files",)
