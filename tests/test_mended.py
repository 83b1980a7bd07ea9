"""What could not be used and is mended: noticed by itself, or found by the one command that is named.

And the other way: what a run keeps is lost. Only what is lost or mended is decoded; the rest is kept.
"""

import gzip
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image

from conftest import finished
from laudo import generate, images, prepare, report, train
from laudo.engines.fake import FakeEngine
from laudo.errors import ExperimentError, LaudoError, NotReady
from laudo.experiment import Experiment, Plan, plan
from laudo.prepare.source import OpenCorpus
from laudo.store import rows, state, watch
from laudo.store.spread import Shard
from test_prepare import labelled, places, repack, studies_of, study_id

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture
def mimic(tiny, phantom_copy) -> dict:
    """The tiny experiment on a copy of the phantom tree that a test may damage."""
    return {**tiny, "mimic": {"root": str(phantom_copy)}}


@pytest.fixture
def decoded(monkeypatch) -> list[Path]:
    """The sources that are decoded from now on."""
    decode, sources = images.cache.decode, []
    monkeypatch.setattr(
        images.cache, "decode", lambda path, **how: sources.append(path) or decode(path, **how)
    )
    return sources


def look(settings: dict, run: Path, **changes) -> Plan:
    """The plan as the next command sees it."""
    return plan(Experiment.model_validate({**settings, "prepare": {**settings["prepare"], **changes}}), run)


def prepared(settings: dict, run: Path, **changes) -> Plan:
    made = look(settings, run, **changes)
    prepare.run(made)
    return made


def films_of(root: Path) -> list[Path]:
    return sorted(root.glob("files/*/*/*/*.jpg"))


def content(made: Plan) -> list[list[dict]]:
    """The rows of all that was prepared, without the files that are watched."""
    tables = (made.texts, made.subset, made.films, made.studies, made.census)
    return [[{k: v for k, v in row.items() if k != "watched"} for row in rows(table)] for table in tables]


# --- files that are mended ----------------------------------------------------------------------------------


def test_images_that_were_all_unreadable_are_used_once_they_are_mended(
    mimic, phantom_tree, phantom_copy, tmp_path
):
    for film in films_of(phantom_copy):
        film.write_bytes(b"")
    with pytest.raises(NotReady, match=r"no study can be used(.|\n)*unreadable image: the file is empty"):
        prepared(mimic, tmp_path / "run")
    shutil.copytree(phantom_tree / "mimic" / "files", phantom_copy / "files", dirs_exist_ok=True)
    now = state(look(mimic, tmp_path / "run").films)
    assert now.word == "stale" and "could not be used, and has changed since" in now.reasons[0]
    assert content(prepared(mimic, tmp_path / "run")) == content(prepared(mimic, tmp_path / "whole"))


@pytest.mark.parametrize("damaged", [b"", b"<html>Please log in</html>", None])
def test_one_image_that_is_mended_is_decoded_and_no_other(mimic, phantom_copy, tmp_path, decoded, damaged):
    film = next(f for f in films_of(phantom_copy) if len([*f.parent.iterdir()]) == 1)
    whole = film.read_bytes()
    film.unlink() if damaged is None else film.write_bytes(damaged)
    made = prepared(mimic, tmp_path / "run")
    assert len([row for row in rows(made.studies) if row["excluded"]]) == 1
    decoded.clear()
    film.write_bytes(whole)
    assert prepare.run(look(mimic, tmp_path / "run"))
    assert decoded == [film]
    assert content(look(mimic, tmp_path / "run")) == content(prepared(mimic, tmp_path / "whole"))
    assert not prepare.run(look(mimic, tmp_path / "run"))


def test_a_second_image_of_a_study_that_arrives_is_used(mimic, phantom_copy, tmp_path, decoded):
    """Its study was used without it, so that no reason in `studies` asks for it."""
    film = next(f for f in films_of(phantom_copy) if len([*f.parent.iterdir()]) > 1)
    away = film.rename(tmp_path / film.name)
    prepared(mimic, tmp_path / "run")
    decoded.clear()
    away.rename(film)
    prepared(mimic, tmp_path / "run")
    assert decoded == [film]


def test_a_file_that_is_still_unusable_is_not_looked_at_again_and_again(mimic, phantom_copy, tmp_path):
    film = films_of(phantom_copy)[0]
    film.write_bytes(b"")
    prepared(mimic, tmp_path / "run")
    film.write_bytes(b"still no image")
    assert prepare.run(look(mimic, tmp_path / "run"))
    assert not prepare.run(look(mimic, tmp_path / "run"))


def test_a_corpus_that_is_gone_mends_nothing(mimic, phantom_copy, tmp_path):
    films_of(phantom_copy)[0].write_bytes(b"")
    prepared(mimic, tmp_path / "run")
    phantom_copy.rename(tmp_path / "elsewhere")
    assert {state(table).word for table in [*look(mimic, tmp_path / "run")][:5]} == {"done"}


def test_a_file_that_arrives_during_a_command_is_seen_by_the_next(mimic, phantom_copy, tmp_path):
    film = films_of(phantom_copy)[0]
    film.write_bytes(b"")
    made = prepared(mimic, tmp_path / "run")
    film.write_bytes(b"another")
    assert state(made.studies).word == "done", "a stage that runs for hours goes on"
    assert state(look(mimic, tmp_path / "run").films).word == "stale"


def unpack(root: Path) -> Path:
    """The reports as files, in a folder of their own."""
    folder = root.with_name("reports")
    shutil.unpack_archive(root / "mimic-cxr-reports.zip", folder)
    (root / "mimic-cxr-reports.zip").unlink()
    return folder


@pytest.mark.parametrize("damaged", [None, b" \n", bytes(40)], ids=["absent", "blank", "zeros"])
def test_a_report_that_is_mended_is_used(mimic, phantom_copy, tmp_path, damaged):
    mimic["mimic"]["reports"] = str(unpack(phantom_copy))
    report_file = next((tmp_path / "reports").glob("files/p*/p*/s*.txt"))
    whole = report_file.read_bytes()
    report_file.unlink() if damaged is None else report_file.write_bytes(damaged)
    made = prepared(mimic, tmp_path / "run")
    assert [row["study_id"] for row in rows(made.studies) if row["excluded"]] == [int(report_file.stem[1:])]
    report_file.write_bytes(whole)
    assert content(prepared(mimic, tmp_path / "run")) == content(prepared(mimic, tmp_path / "whole"))


def test_a_report_that_is_mended_in_the_zip_is_used(mimic, phantom_copy, tmp_path):
    place = places(phantom_copy)[4]
    repack(phantom_copy, {place: None})
    prepared(mimic, tmp_path / "run")
    repack(phantom_copy, {place: b" FINAL REPORT\n IMPRESSION:  No edema.\n"})
    row = studies_of(prepared(mimic, tmp_path / "run"))[study_id(place)]
    assert row["excluded"] is None and row["target"] == {"impression": "No edema."}


def test_the_named_command_finds_what_cannot_be_noticed(mimic, phantom_copy, tmp_path, decoded, monkeypatch):
    """More files are missing than are watched, and one that could be used is replaced by another picture."""
    monkeypatch.setattr(watch, "LIMIT", 0)
    first, second, *_ = [f for f in films_of(phantom_copy) if len([*f.parent.iterdir()]) == 1]
    away = first.rename(tmp_path / first.name)
    prepared(mimic, tmp_path / "run")
    decoded.clear()
    away.rename(first)
    Image.open(second).rotate(180).save(second)
    assert not prepare.run(look(mimic, tmp_path / "run"))
    prepare.run(look(mimic, tmp_path / "run"), look_again=True)
    assert sorted(decoded) == [first, second]
    assert content(look(mimic, tmp_path / "run")) == content(prepared(mimic, tmp_path / "whole"))


def test_a_share_of_a_run_does_not_look_again(mimic, tmp_path):
    with pytest.raises(LaudoError, match="without --shard"):
        prepare.run(look(mimic, tmp_path / "run"), shard=Shard(0, 2), look_again=True)


# --- nothing to use -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "labels", "message", "fix"),
    [
        ({"subset": "first_positive"}, {"Edema": 0.0}, "12 of 12: no positive label", 'subset = "balanced"'),
        ({"subset": "balanced", "uncertain": "leave_out"}, {"Edema": -1.0}, "12 of 12: uncertain label",
         'uncertain = "negative"'),
    ],
)  # fmt: skip
def test_a_subset_that_fits_no_study_ends_with_its_reasons(
    mimic, phantom_copy, tmp_path, changes, labels, message, fix
):
    labelled(phantom_copy, {study_id(place): labels for place in places(phantom_copy)})
    for _ in range(2):  # made, and with nothing to do
        with pytest.raises(NotReady, match=f"no study can be used \\({message}") as raised:
            prepared(mimic, tmp_path / "run", **changes)
    assert raised.value.fix.endswith(fix)
    assert len(rows(look(mimic, tmp_path / "run", **changes).studies)) == 12, "the tables are there to see"
    setting, value = fix.replace('"', "").split(" = ")
    prepared(mimic, tmp_path / "run", **{**changes, setting: value})


@pytest.mark.parametrize("split", ["train", "validate", "test"])
def test_a_split_that_the_arms_need_must_have_a_study(mimic, phantom_copy, tmp_path, split):
    made = prepared(mimic, tmp_path / "run")
    names = {row["study_id"] for row in rows(made.studies) if row["split"] == split}
    reports = {place: None for place in places(phantom_copy) if study_id(place) in names}
    repack(phantom_copy, reports)
    with pytest.raises(
        NotReady, match=f"no {split} study can be used \\({len(names)} of {len(names)}: no rep"
    ):
        prepared(mimic, tmp_path / "run")
    mimic["arms"] = {"zero_shot": {}}
    if split == "test":
        with pytest.raises(NotReady, match="no test study"):
            prepared(mimic, tmp_path / "run")
    else:
        prepared(mimic, tmp_path / "run")


def test_a_corpus_without_a_split_says_so(mimic, phantom_copy, tmp_path):
    made = prepared(mimic, tmp_path / "run")
    tests = [row["study_id"] for row in rows(made.studies) if row["split"] == "test"]
    for name in ("split", "metadata", "chexpert", "negbio"):
        table = phantom_copy / f"mimic-cxr-2.0.0-{name}.csv.gz"
        lines = gzip.decompress(table.read_bytes()).decode().splitlines()
        kept = [line for line in lines if not any(str(test) in line for test in tests)]
        table.write_bytes(gzip.compress("\n".join(kept).encode()))
    repack(phantom_copy, {place: None for place in places(phantom_copy) if study_id(place) in tests})
    with pytest.raises(NotReady, match="no test study can be used: the corpus has none"):
        prepared(mimic, tmp_path / "run")


def test_a_split_that_is_set_to_0_is_no_fault_of_prepare_and_one_of_run(mimic, tmp_path):
    prepared(mimic, tmp_path / "run", train=0)
    with pytest.raises(ExperimentError, match=r"\[prepare\] train = 0"):
        look(mimic, tmp_path / "run", train=0).experiment.require_splits()
    look(mimic, tmp_path / "run").experiment.require_splits()
    look({**mimic, "arms": {"zero_shot": {}}}, tmp_path / "run", train=0).experiment.require_splits()


def test_training_without_an_accepted_translation_says_where_they_went(mimic, tmp_path):
    made = prepared(mimic, tmp_path / "run")
    refused = [
        {"study_id": row["study_id"], "verdict": "flagged", "sections_pt": {}} for row in rows(made.studies)
    ]
    finished(made, verdicts=refused, until="verdicts")
    with pytest.raises(NotReady, match=r"none of the \d+ train studies has a translation that passed"):
        train.run(made)


# --- kept images that are lost ------------------------------------------------------------------------------


def lose_all(kept: list[Path]) -> list[Path]:
    shutil.rmtree(kept[0].parent.parent.parent)
    return kept


def lose_a_study(kept: list[Path]) -> list[Path]:
    shutil.rmtree(kept[0].parent)
    return [path for path in kept if path.parent == kept[0].parent]


def lose_one(kept: list[Path]) -> list[Path]:
    kept[3].unlink()
    return [kept[3]]


@pytest.mark.parametrize("lose", [lose_all, lose_a_study, lose_one])
def test_kept_images_that_are_lost_are_made_again_and_no_others(mimic, tmp_path, decoded, lose, capsys):
    before = content(made := prepared(mimic, tmp_path / "run"))
    kept = sorted(made.run.glob("images/48/*/*.jpg"))
    finished(made, until="translations")
    decoded.clear()
    lost = lose(kept)
    assert prepare.run(look(mimic, tmp_path / "run"))
    assert sorted(path.name for path in decoded) == sorted(path.name for path in lost)
    assert f"kept images are lost: {len(lost)}" in capsys.readouterr().err
    again = look(mimic, tmp_path / "run")
    assert content(again) == before and sorted(made.run.glob("images/48/*/*.jpg")) == kept
    assert state(again.translations).word == "done", "what is made from them is not made again"
    assert not prepare.run(again)


@pytest.fixture
def up_to_verdicts(mimic, tmp_path) -> Plan:
    mimic["arms"] = {"zero_shot": {}, "lora": {"adapter": True}}
    mimic["report"] = {"examples": 12}
    made = prepared(mimic, tmp_path / "run")
    verdicts = [
        {"study_id": row["study_id"], "verdict": "accepted", "sections_pt": {"findings": "Normal."}}
        for row in rows(made.studies)
    ]
    return finished(made, verdicts=verdicts, until="verdicts")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


STAGES = {
    "train": (train.run, "verdicts"),
    "generate": (lambda made: generate.run(made, open_engine=lambda _: FakeEngine(lambda _: "")), "training"),
    "report": (report.run, "summary"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("damage", [Path.unlink, flip, lambda path: path.write_bytes(b"")])
def test_a_stage_that_meets_a_lost_image_names_the_command_that_makes_it_again(
    up_to_verdicts, mimic, tmp_path, stage, damage, decoded
):
    run, until = STAGES[stage]
    made = finished(up_to_verdicts, until=until)
    split = "train" if stage == "train" else "test"
    image = next(row for row in rows(made.studies) if row["split"] == split)["images"][0]
    kept = made.run / image["path"]
    before = kept.read_bytes()
    damage(kept)
    with pytest.raises(LaudoError, match=r"images that this run keeps are lost") as raised:
        run(made)
    assert raised.value.where == str(kept) and raised.value.fix.startswith("laudo prepare EXPERIMENT")
    prepare.run(look(mimic, tmp_path / "run"))
    assert kept.read_bytes() == before and [path.stem for path in decoded] == [kept.stem]


# --- two runs at once ---------------------------------------------------------------------------------------


def test_a_run_with_another_phantom_waits_until_the_first_has_done_with_its_own(tiny, tmp_path, capsys):
    """It would otherwise delete the films that the first is reading."""

    def of(seed: int) -> Plan:
        phantom = {"studies": 3, "image_size": 64, "seed": seed}
        return plan(Experiment.model_validate({**tiny, "mimic": {"phantom": phantom}}), tmp_path)

    def metadata() -> bytes:
        return (tmp_path / "phantom" / "mimic" / "mimic-cxr-2.0.0-metadata.csv.gz").read_bytes()

    def open_second() -> None:
        with OpenCorpus(of(2)):
            pass

    second = threading.Thread(target=open_second)
    with OpenCorpus(of(1)):
        before = metadata()
        second.start()
        second.join(timeout=0.3)
        assert second.is_alive() and metadata() == before
    second.join()
    assert metadata() != before
    assert "waiting for another process, which uses the phantom" in capsys.readouterr().err
