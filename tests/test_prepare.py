"""Preparation of small trees: what is used, what is left out and why, killed and gone on with."""

import csv
import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from films import dicom
from laudo import prepare
from laudo.errors import LaudoError, NotReady
from laudo.experiment import Experiment, Plan, plan
from laudo.mimic import release
from laudo.phantom import corpus
from laudo.prepare.missing import missing_images
from laudo.store import rows
from laudo.store.tables import used
from laudo.vocabulary import LABELS


def prepared(settings: dict, run: Path, **changes) -> Plan:
    experiment = {**settings, "prepare": {**settings["prepare"], **changes}}
    made = plan(Experiment.model_validate(experiment), run)
    prepare.run(made)
    return made


def studies_of(made: Plan) -> dict[int, dict]:
    return {row["study_id"]: row for row in rows(made.studies)}


@pytest.fixture
def mimic(tiny, phantom_copy) -> dict:
    """The tiny experiment on a copy of the phantom tree that a test may damage."""
    return {**tiny, "mimic": {"root": str(phantom_copy)}}


def repack(root: Path, texts: dict[str, bytes | None]) -> None:
    """The zip with some reports replaced, by study folder as `p10/p10000000/s50000000`; None removes one."""
    file = root / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(file) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    for place, text in texts.items():
        kept[f"files/{place}.txt"] = text
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in kept.items():
            if text is not None:
                archive.writestr(name, text)


def places(root: Path) -> list[str]:
    """Where the studies are, under `files`."""
    return sorted(str(path.relative_to(root / "files")) for path in root.glob("files/*/*/s*"))


def study_id(place: str) -> int:
    return int(place.rpartition("/s")[2])


def film(root: Path, place: str) -> Path:
    """The single image of a study: its others are deleted."""
    first, *others = sorted((root / "files" / place).iterdir())
    for other in others:
        other.unlink()
    return first


# --- what is left out --------------------------------------------------------------------------------

BAD_REPORTS = {
    "no report": None,
    "empty report": b" \n \n",
    "damaged report": b" FINAL REPORT\n IMPRESSION:  The lungs" + bytes(40),
    "no usable section": b" FINAL REPORT\n INDICATION:  Cough.\n",
    "nothing left of the target": b" FINAL REPORT\n IMPRESSION:  Discussed with Dr. ___ by phone.\n",
}


@pytest.mark.parametrize(("reason", "content"), BAD_REPORTS.items(), ids=BAD_REPORTS.keys())
def test_a_report_that_cannot_be_used_is_named(mimic, phantom_copy, tmp_path, one_core, reason, content):
    place = places(phantom_copy)[4]
    repack(phantom_copy, {place: content})
    found = studies_of(prepared(mimic, tmp_path / "run"))
    assert len(found) == 12
    assert {n: row["excluded"] for n, row in found.items() if row["excluded"]} == {study_id(place): reason}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "image file is missing"),
        (b"", "unreadable image: the file is empty"),
        (b"<html>Please log in</html>", "unreadable image: its name says JPEG, its content something else"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(mimic, phantom_copy, tmp_path, one_core, content, reason):
    place = places(phantom_copy)[4]
    path = film(phantom_copy, place)
    path.unlink() if content is None else path.write_bytes(content)
    made = prepared(mimic, tmp_path / "run")
    assert {n: row["excluded"] for n, row in studies_of(made).items() if row["excluded"]} == {
        study_id(place): reason
    }
    assert [row["left_out"] for row in rows(made.films) if row["dicom_id"] == path.stem] == (
        [reason] if content is not None else []
    )


def test_a_study_with_one_image_that_can_be_read_is_used(mimic, phantom_copy, tmp_path, one_core):
    place = next(p for p in places(phantom_copy) if len([*(phantom_copy / "files" / p).iterdir()]) > 1)
    broken, *others = sorted((phantom_copy / "files" / place).iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    made = prepared(mimic, tmp_path / "run")
    row = studies_of(made)[study_id(place)]
    assert row["excluded"] is None
    assert {image["dicom_id"] for image in row["images"]} <= {other.stem for other in others}
    assert len(row["views"]) == 1 + len(others)
    assert [f["left_out"][:16] for f in rows(made.films) if f["dicom_id"] == broken.stem] == [
        "unreadable image"
    ]


def test_every_image_of_a_study_is_kept_or_says_why(tiny, phantom_tree, tmp_path, one_core):
    settings = {**tiny, "mimic": {"root": str(phantom_tree / "mimic")}}
    made = prepared(settings, tmp_path / "run", max_images=1)
    films = rows(made.films)
    assert len(films) == len([*(phantom_tree / "mimic").glob("files/*/*/*/*.jpg")])
    assert all((film["path"] is None) != (film["left_out"] is None) for film in films)
    assert Counter(film["study_id"] for film in films if film["path"]) == dict.fromkeys(studies_of(made), 1)
    for kept in (film for film in films if film["path"]):
        with Image.open(made.run / kept["path"]) as image:
            assert image.size == (kept["width"], kept["height"])
    # PA before AP, AP before a side view: the one kept is the first in the order of use.
    assert {film["position"] for film in films if film["path"]} == {0}
    assert {film["left_out"] for film in films if not film["path"]} == {"not needed"}


def test_text_only_work_needs_no_image(mimic, phantom_copy, tmp_path):
    shutil.rmtree(phantom_copy / "files")
    made = prepared(mimic, tmp_path / "run", images="none")
    found = studies_of(made)
    assert {row["excluded"] for row in found.values()} == {None} and not rows(made.films)
    assert all(row["images"] == [] and row["views"] and row["target"] for row in found.values())
    assert not (tmp_path / "run" / "images").exists()


@pytest.mark.parametrize("stage", ["train", "generate"])
def test_what_looks_at_images_refuses_text_only_work(mimic, phantom_copy, tmp_path, stage):
    (tmp_path / "tiny.toml").write_text(toml(mimic | {"prepare": {"images": "none"}}))
    ended = laudo(stage, tmp_path)
    assert ended.returncode == 2 and '[prepare] images = "keep"' in ended.stderr


def toml(settings: dict, prefix: str = "") -> str:
    """An experiment as TOML: JSON's strings, numbers and lists are TOML's too."""
    plain = [f"{k} = {json.dumps(v)}" for k, v in settings.items() if not isinstance(v, dict)]
    tables = [
        f"[{prefix}{k}]\n{toml(v, f'{prefix}{k}.')}" for k, v in settings.items() if isinstance(v, dict)
    ]
    return "\n".join([*plain, *tables])


def laudo(command: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "laudo", command, "tiny.toml", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dicom_tree_without_metadata_gets_its_views_from_the_files(mimic, phantom_copy, tmp_path, one_core):
    """MIMIC-CXR itself, with the split table of MIMIC-CXR-JPG beside it."""
    with gzip.open(phantom_copy / "mimic-cxr-2.0.0-metadata.csv.gz", "rt") as file:
        listed = list(csv.DictReader(file))
    (phantom_copy / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    with gzip.open(phantom_copy / "cxr-record-list.csv.gz", "wt") as file:
        writer = csv.DictWriter(
            file, ["subject_id", "study_id", "dicom_id", "path"], extrasaction="ignore", restval=""
        )
        writer.writeheader()
        writer.writerows(listed)
    views = {}
    for number, path in enumerate(sorted(phantom_copy.glob("files/*/*/*/*.jpg"))):
        pixels = np.asarray(Image.open(path)).astype(np.uint16) * 16
        views[path.stem] = "LL" if number % 2 else "PA"
        dicom(path.with_suffix(".dcm"), pixels, ViewPosition=views[path.stem])
        path.unlink()
    made = prepared(mimic, tmp_path / "run")
    films = rows(made.films)
    assert {film["dicom_id"]: film["view"] for film in films} == views
    assert Counter(view for row in studies_of(made).values() for view in row["views"]) == Counter(
        views.values()
    )
    assert {row["excluded"] for row in studies_of(made).values()} == {None}
    for row in studies_of(made).values():
        shown = [image["view"] for image in row["images"]]
        assert shown == sorted(shown, key=["PA", "LL"].index)


def test_studies_that_were_read_by_hand_keep_what_was_taken(mimic, phantom_copy, tmp_path):
    """50913680 takes its recommendations, 58235663 nothing: MIT-LCP's list, on invented texts."""
    text = b" FINDINGS: Wrong.\n RECOMMENDATION(S): The lungs are clear.\n"
    with zipfile.ZipFile(phantom_copy / "mimic-cxr-reports.zip", "a") as archive:
        for study in (50913680, 58235663):
            archive.writestr(f"files/p19/p19999999/s{study}.txt", text)
    for table in ("split", "metadata"):
        path = phantom_copy / f"mimic-cxr-2.0.0-{table}.csv.gz"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        names = lines[0].split(",")
        values = {"subject_id": "19999999", "split": "train", "StudyDate": "21800101", "StudyTime": "1"}
        for study in ("50913680", "58235663"):
            given = values | {"dicom_id": study, "study_id": study}
            lines.append(",".join(given.get(name, "") for name in names))
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
    found = studies_of(prepared(mimic, tmp_path / "run", images="none"))
    assert found[50913680]["target"] == {"last_paragraph": "The lungs are clear."}
    assert (found[58235663]["target"], found[58235663]["excluded"]) == ({}, "no usable section")


# --- targets -----------------------------------------------------------------------------------------

REPORT = """ FINAL REPORT
 FINDINGS:  Compared to ___, the left effusion is larger. The heart is
 enlarged. A ___ catheter is seen.

 IMPRESSION:  1. Larger left effusion.
 2. Discussed with Dr. ___ at 3:15 p.m.
 3. Stable cardiomegaly.
"""
POLICIES = [
    # (settings, findings, impression, what was removed): worked by hand
    ({}, "The left effusion is larger. The heart is enlarged.", "1. Larger left effusion.\n2. Stable cardiomegaly.",
     {"communication": 1, "identifiers": 1, "marks": 1}),
    ({"priors": "remove"}, "The heart is enlarged.", "Larger left effusion.", {"communication": 1, "identifiers": 1, "priors": 2}),
    ({"communication": "keep"}, "The left effusion is larger. The heart is enlarged.",
     "1. Larger left effusion.\n2. Stable cardiomegaly.", {"identifiers": 2, "marks": 1}),
    ({"communication": "keep", "identifiers": "keep"},
     "Compared to ___, the left effusion is larger. The heart is enlarged. A ___ catheter is seen.",
     "1. Larger left effusion.\n2. Discussed with Dr. ___ at 3:15 p.m.\n3. Stable cardiomegaly.", {}),
    ({"target": "findings"}, "The left effusion is larger. The heart is enlarged.", None, {"identifiers": 1, "marks": 1}),
    ({"target": "impression"}, None, "1. Larger left effusion.\n2. Stable cardiomegaly.", {"communication": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "findings", "impression", "removed"), POLICIES)
def test_policies_of_the_target(mimic, phantom_copy, tmp_path, changes, findings, impression, removed):
    place = places(phantom_copy)[4]
    repack(phantom_copy, {place: REPORT.encode()})
    made = prepared(mimic, tmp_path / "run", images="none", **changes)
    row = studies_of(made)[study_id(place)]
    expected = {"findings": findings, "impression": impression}
    assert row["target"] == {name: body for name, body in expected.items() if body}
    assert row["removed"] == removed
    assert "A ___ catheter is seen." in row["sections"]["findings"], "the sections stay as they were"


def test_findings_alone_leaves_out_who_has_none(mimic, phantom_copy, tmp_path):
    place = places(phantom_copy)[4]
    repack(phantom_copy, {place: b" FINAL REPORT\n IMPRESSION:  Edema.\n"})
    made = prepared(mimic, tmp_path / "run", images="none", target="findings")
    assert studies_of(made)[study_id(place)]["excluded"] == "no usable section"


def test_the_prior_is_supplied_as_text(mimic, phantom_copy, tmp_path):
    made = prepared(mimic, tmp_path / "run", images="none", priors="supply")
    found = studies_of(made)
    with_prior = {n: row for n, row in found.items() if row["prior"]}
    assert with_prior, "the phantom has patients with several studies"
    for row in found.values():
        if row["prior"] is None:
            assert row["prior_report"] is None
            continue
        prior = found[row["prior"]]
        assert prior["subject_id"] == row["subject_id"] and prior["taken"] < row["taken"]
        assert all(
            " ".join(body.split()) in " ".join(row["prior_report"].split())
            for body in prior["target"].values()
        )


# --- subsets -----------------------------------------------------------------------------------------


def labelled(root: Path, rows: dict[int, dict[str, float]]) -> None:
    """A CheXpert table with these studies alone, and none of NegBio."""
    with gzip.open(root / "mimic-cxr-2.0.0-split.csv.gz", "rt") as file:
        subjects = {int(row["study_id"]): row["subject_id"] for row in csv.DictReader(file)}
    with gzip.open(root / "mimic-cxr-2.0.0-chexpert.csv.gz", "wt") as file:
        writer = csv.DictWriter(file, ["subject_id", "study_id", *LABELS])
        writer.writeheader()
        writer.writerows({"subject_id": subjects[n], "study_id": n, **values} for n, values in rows.items())


def chosen(made: Plan, split: str = "train") -> set[int]:
    return {row["study_id"] for row in rows(made.studies, where=used(split))}


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    """Forty studies without images, all in train."""
    folder = tmp_path_factory.mktemp("wide")
    for _ in corpus.write(folder, count=40, seed=2, proportions=(1, 0, 0), size_px=None):
        pass
    return folder / "mimic"


@pytest.fixture
def forty(tiny, wide, tmp_path) -> tuple[dict, Path, list[int]]:
    """The tiny experiment without images on a copy of it, the copy, and its study_ids."""
    root = Path(shutil.copytree(wide, tmp_path / "mimic"))
    with gzip.open(root / "mimic-cxr-2.0.0-split.csv.gz", "rt") as file:
        ids = sorted({int(row["study_id"]) for row in csv.DictReader(file)})
    return {**tiny, "mimic": {"root": str(root)}, "prepare": {"images": "none"}}, root, ids


def test_the_study_s_rule_fills_first_positive_labels_evenly(forty, tmp_path):
    """A study counts for its first label in PhysioNet's order: one of Edema and Pneumonia is an Edema."""
    settings, root, ids = forty
    labelled(root, {
        **{n: {"Edema": 1.0, "Pneumonia": 1.0} for n in ids[:20]}, **{n: {"Pneumonia": 1.0} for n in ids[20:23]},
        **{n: {"Edema": -1.0, "Fracture": 1.0} for n in ids[23:33]}, ids[33]: {"Edema": 0.0}, ids[34]: {"Edema": -1.0},
    })  # fmt: skip
    made = prepared(settings, tmp_path / "run", subset="first_positive", train=15)
    first = Counter(
        "Edema" if n in ids[:20] else "Pneumonia" if n in ids[20:23] else "Fracture" for n in chosen(made)
    )
    assert first == {"Edema": 6, "Fracture": 6, "Pneumonia": 3}
    why = Counter(row["excluded"] for row in rows(made.studies))
    assert why == {None: 15, "outside the subset": 18, "no positive label": 2, "no label row": 5}


def test_a_balanced_subset_counts_every_label_of_a_study(forty, tmp_path):
    settings, root, ids = forty
    labelled(root, {
        **{n: {"Edema": 1.0} for n in ids[:30]}, **{n: {"Fracture": 1.0, "Lung Lesion": 1.0} for n in ids[30:34]}, **{n: {} for n in ids[34:]},
    })  # fmt: skip
    made = prepared(settings, tmp_path / "run", subset="balanced", train=8)
    # Four studies give Fracture and Lung Lesion at once, so Edema gets as many: 4, 4, 4.
    assert len(chosen(made) & set(ids[:30])) == 4 and set(ids[30:34]) < chosen(made)
    made = prepared(settings, tmp_path / "more", subset="balanced", train=36)
    assert len(chosen(made)) == 36 and set(ids[:34]) < chosen(made), "those without a label come last"


@pytest.mark.parametrize(("uncertain", "edemas"), [("negative", 0), ("positive", 3), ("leave_out", 0)])
def test_uncertain_labels_follow_the_stated_policy(forty, tmp_path, uncertain, edemas):
    settings, root, ids = forty
    labelled(root, {**{n: {"Edema": -1.0} for n in ids[:10]}, **{n: {"Fracture": 1.0} for n in ids[10:]}})
    made = prepared(settings, tmp_path / "run", subset="balanced", train=6, uncertain=uncertain)
    assert len(chosen(made)) == 6 and len(chosen(made) & set(ids[:10])) == edemas
    why = Counter(row["excluded"] for row in rows(made.studies))
    assert why["uncertain label"] == (10 if uncertain == "leave_out" else 0)


@pytest.mark.parametrize("subset", ["random", "balanced", "first_positive"])
def test_a_subset_is_the_same_whatever_the_order_of_rows_and_another_with_another_seed(
    tiny, wide, tmp_path, subset
):
    turned = Path(shutil.copytree(wide, tmp_path / "turned"))
    for table in turned.glob("*.csv.gz"):
        header, *rows = gzip.decompress(table.read_bytes()).decode().splitlines()
        with gzip.open(table, "wt") as file:
            file.write("\n".join([header, *rows[::-1]]) + "\n")
    made = {}
    for name, root, seed in (("as it is", wide, 0), ("turned", turned, 0), ("seed", wide, 1)):
        settings = {**tiny, "mimic": {"root": str(root)}}
        made[name] = chosen(
            prepared(settings, tmp_path / name, images="none", subset=subset, train=12, seed=seed)
        )
        assert len(made[name]) == 12
    assert made["as it is"] == made["turned"] != made["seed"]


def test_a_smaller_subset_is_part_of_a_larger_one(tiny, wide, tmp_path):
    settings = {**tiny, "mimic": {"root": str(wide)}}
    few, many = (chosen(prepared(settings, tmp_path / str(n), images="none", train=n)) for n in (5, 9))
    assert len(few) == 5 and few < many


def test_no_report_stands_in_two_splits(mimic, phantom_copy, tmp_path):
    first = studies_of(prepared(mimic, tmp_path / "before", images="none"))
    by_split = {
        split: [n for n, row in first.items() if row["split"] == split]
        for split in ("train", "validate", "test")
    }
    folder = {study_id(place): place for place in places(phantom_copy)}
    same = [by_split["train"][0], by_split["train"][1], by_split["validate"][0], by_split["test"][0]]
    texts = [
        b" IMPRESSION:  1. No  acute\n process",
        b" FINDINGS:  no acute process.",
        b" IMPRESSION:  Another.",
        b" IMPRESSION: No acute process.",
    ]
    repack(phantom_copy, {folder[n]: text for n, text in zip(same, texts, strict=True)})
    found = studies_of(prepared(mimic, tmp_path / "apart", images="none"))
    assert {n: row["excluded"] for n, row in found.items() if row["excluded"]} == dict.fromkeys(
        same[:2], "same report as in test"
    )
    kept = studies_of(prepared(mimic, tmp_path / "keep", images="none", same_report="keep"))
    assert {row["excluded"] for row in kept.values()} == {None}


def test_no_subject_stands_in_two_splits(tiny, tmp_path):
    """Of the table as it is written, against the tables as they were read."""
    for _ in corpus.write(tmp_path, count=400, seed=6, size_px=None):
        pass
    root = tmp_path / "mimic"
    found = studies_of(prepared({**tiny, "mimic": {"root": str(root)}}, tmp_path / "run", images="none"))
    splits = {(row["subject_id"], row["split"]) for row in found.values()}
    assert len(splits) == len({subject for subject, _ in splits})
    with gzip.open(root / "mimic-cxr-2.0.0-split.csv.gz", "rt") as file:
        expected = {
            (int(row["study_id"]), int(row["subject_id"]), row["split"]) for row in csv.DictReader(file)
        }
    assert {(n, row["subject_id"], row["split"]) for n, row in found.items()} == expected


# --- census ------------------------------------------------------------------------------------------


def census(made: Plan, topic: str) -> dict[str, dict[str, float]]:
    """A topic of the census: item -> measure -> count."""
    counts: dict[str, dict[str, float]] = {}
    for row in rows(made.census):
        if row["topic"] == topic:
            counts.setdefault(row["item"], {})[row["measure"]] = row["value"]
    return counts


def test_the_census_counts_what_is_in_the_tables(mimic, phantom_copy, tmp_path):
    place = places(phantom_copy)[4]
    repack(phantom_copy, {place: None})
    made = prepared(mimic, tmp_path / "run", images="none")
    used_studies = [row for row in rows(made.studies) if not row["excluded"]]
    assert census(made, "corpus") == {"studies": {"all": 12}}
    assert sum(split["studies"] for split in census(made, "used").values()) == 11
    assert sum(census(made, "excluded")["no report"].values()) == 1
    views = Counter(view for row in used_studies for view in row["views"])
    assert census(made, "views") == {view: {"images": n} for view, n in views.items()}
    names = Counter(name for row in used_studies for name in row["sections"])
    assert census(made, "sections") == {name: {"studies": n} for name, n in names.items()}
    labels = census(made, "labels")
    for label in LABELS:
        values = Counter(row["chexpert"][label] for row in used_studies)
        assert labels[label] == {"present": values[1], "uncertain": values[-1], "absent": values[0]}
    assert not census(made, "release"), "a dozen studies are no full copy"


def test_describe_prints_the_census(mimic, phantom_copy, tmp_path):
    (tmp_path / "tiny.toml").write_text(toml(mimic | {"prepare": {"images": "none"}}))
    ended = laudo("prepare", tmp_path, "--describe")
    assert ended.returncode == 0, ended.stderr
    for title in ("studies", "CheXpert label", "view", "images of a study", "words of the target", "section"):
        assert f"\n{title} " in ended.stdout
    assert laudo("prepare", tmp_path).stdout.startswith("prepare: nothing to do\nstudies: ")


def test_a_full_copy_is_held_against_the_release():
    """PhysioNet's counts, and Table 2 of the study: 13 labels, present and uncertain."""
    assert len(release.CONTENTS) == 9 + 2 * 13 and not list(release.differences(release.CONTENTS))
    assert release.is_full(227_835) and not release.is_full(227_834)
    (found,) = release.differences({**release.CONTENTS, "Edema present": 27_000})
    assert (found.what, found.expected, found.found) == ("Edema present", 27_018, 27_000)
    assert "CheXpert table" in found.why


# --- killed ------------------------------------------------------------------------------------------

MOMENTS = {
    "before the texts": "phantom/done",
    "between parts of texts": "tables/texts/part-00001.parquet",
    "caching images": "images/48/*/*.jpg",
    "between parts of films": "tables/films/part-00001.parquet",
    "before the table": "tables/films/done",
}
SMALL = """
import sys, laudo.store.spread
from laudo import cli
from laudo.prepare import films, studies, texts
films._PART_SIZE, texts._PART_SIZE, studies._PART_SIZE = 5, 7, 7
laudo.store.spread.workers = lambda: 1
sys.argv = ["laudo", "prepare", "tiny.toml"]
cli.main()
"""


def test_killed_again_and_again_it_gives_the_same_table(tiny, tmp_path):
    settings = {**tiny, "mimic": {"phantom": {"studies": 20, "seed": 5, "image_size": 64}}}
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    for folder in (whole, torn):
        folder.mkdir()
        (folder / "tiny.toml").write_text(toml(settings))
    subprocess.run([sys.executable, "-c", SMALL], cwd=whole, check=True, capture_output=True)
    run, finished = torn / "runs" / "tiny", {}
    for moment, pattern in MOMENTS.items():
        process = subprocess.Popen(
            [sys.executable, "-c", SMALL], cwd=torn, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not any(run.glob(pattern)):
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (run / "tables/studies/done").exists(), moment
        after = {path: path.stat().st_mtime_ns for path in run.glob("tables/*/part-*")}
        assert after.items() >= finished.items(), f"killed {moment}: a finished part was made again"
        finished = after
    subprocess.run([sys.executable, "-c", SMALL], cwd=torn, check=True, capture_output=True)
    made = [plan(Experiment.model_validate(settings), folder / "runs" / "tiny") for folder in (whole, torn)]
    for one, other in zip(*([m.texts, m.subset, m.films, m.studies, m.census] for m in made), strict=True):
        assert rows(one) == rows(other)
    kept = {path: path.stat().st_mtime_ns for path in run.glob("tables/*/part-*")}
    assert kept.items() >= finished.items() and len(list(run.glob("tables/studies/part-*"))) == 3
    images = [sorted(p.relative_to(m.run) for p in m.run.rglob("images/*/*/*")) for m in made]
    assert images[0] == images[1] and not any(".tmp" in path.name for path in images[1])


def test_shards_share_the_texts_and_the_images_and_the_last_one_writes_the_table(
    mimic, phantom_copy, tmp_path, one_core, monkeypatch
):
    from laudo.mimic import Reports
    from laudo.store.spread import Shard

    monkeypatch.setattr("laudo.prepare.texts._PART_SIZE", 2)
    monkeypatch.setattr("laudo.prepare.films._PART_SIZE", 2)
    whole = prepared(mimic, tmp_path / "whole")
    fetch, fetched = Reports.fetch, []
    monkeypatch.setattr(
        Reports, "fetch", lambda self, **key: fetched.append(key["study_id"]) or fetch(self, **key)
    )
    made = plan(Experiment.model_validate(mimic), tmp_path / "shared")
    prepare.run(made, shard=Shard(0, 2))
    assert len(fetched) == 6 and not (made.studies.folder / "done").exists()
    prepare.run(made, shard=Shard(1, 2))
    assert len(fetched) == len(set(fetched)) == 12, "each report is opened by one shard alone"
    prepare.run(made, shard=Shard(0, 2))
    assert rows(made.studies) == rows(whole.studies) and rows(made.films) == rows(whole.films)
    assert rows(made.census) == rows(whole.census)


def test_what_a_killed_worker_left_beside_an_image_is_removed(tiny, tmp_path, one_core):
    tiny["arms"] = {"zero_shot": {}}  # the phantom of 14 studies has none of validate
    made = prepared(tiny, tmp_path / "first")
    image = rows(made.studies)[0]["images"][0]["path"]
    torn = (tmp_path / "second" / image).with_name(".x.jpg.123.tmp")
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half")
    again = prepared(tiny, tmp_path / "second")
    assert not torn.exists() and (again.run / image).stat().st_size == (made.run / image).stat().st_size


def test_a_changed_policy_of_the_text_decodes_no_image_again(
    mimic, phantom_copy, tmp_path, one_core, monkeypatch
):
    made = prepared(mimic, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in made.run.rglob("images/*/*/*.jpg")}
    changed = prepared(mimic, tmp_path / "run", priors="remove")
    assert {path: path.stat().st_mtime_ns for path in changed.run.rglob("images/*/*/*.jpg")} == before


def test_a_full_disk_is_a_message_and_the_next_run_goes_on(
    mimic, phantom_copy, tmp_path, one_core, monkeypatch
):
    """The third image finds no room, as a full disk answers."""
    real, written = Path.write_bytes, []

    def write_bytes(path: Path, data: bytes) -> int:
        if path.suffix != ".tmp" or "images" not in path.parts:
            return real(path, data)
        written.append(path)
        if len(written) == 3:
            real(path, data[:40])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(LaudoError, match=r"cannot write \(No space left on device\)"):
        prepared(mimic, tmp_path / "run")
    made = prepared(mimic, tmp_path / "run")
    images = sum(film["path"] is not None for film in rows(made.films))
    assert len(written) == images + 1, "the first two were kept, the third was written again"
    assert not list(made.run.rglob("*.tmp"))


def test_unreadable_images_and_doubtful_ones_are_named(mimic, phantom_copy, tmp_path, one_core):
    """A film of the phantom turned to its negative under a tag that says it is none, and one cut short."""
    cut, turned = (film(phantom_copy, place) for place in places(phantom_copy)[3:5])
    cut.write_bytes(cut.read_bytes()[:300])
    pixels = np.asarray(Image.open(turned).resize((256, 256))).astype(np.uint16)
    dicom(turned.with_suffix(".dcm"), (255 - pixels) * 16, ViewPosition="PA")
    turned.unlink()
    made = prepared(mimic, tmp_path / "run")
    (unreadable,) = (row for row in rows(made.census) if row["topic"] == "unreadable images")
    assert unreadable["item"] == cut.stem and unreadable["note"].startswith("unreadable image: ")
    assert census(made, "image warnings") == {"shown inverted": {"images": 1}}


def test_an_exposure_that_is_stored_mirrored_is_left_out_as_such(mimic, phantom_copy, tmp_path, one_core):
    """The second film of a study is its first, left and right exchanged."""
    first, second = next(
        files[:2]
        for folder in sorted(phantom_copy.glob("**/files/p*/p*/s*"))
        if len(files := sorted(folder.glob("*.jpg"))) > 1
    )
    ImageOps.mirror(Image.open(first)).save(second, quality=95)
    made = prepared(mimic, tmp_path / "run", max_images=3)
    (left_out,) = [row for row in rows(made.films) if row["left_out"] == "same exposure, mirrored"]
    assert {left_out["dicom_id"], left_out["same_as"]} == {first.stem, second.stem}
    assert census(made, "images left out")["same exposure, mirrored"] == {"images": 1}


def test_files_that_arrive_later_are_used_once_the_texts_are_made_again(
    mimic, phantom_copy, tmp_path, one_core
):
    """Two studies were not downloaded when the corpus was looked at; their patients' folders were there."""
    whole = prepared(mimic, tmp_path / "whole")
    away = tmp_path / "away"
    for place in places(phantom_copy)[::6]:
        (away / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(phantom_copy / "files" / place, away / place)
    made = prepared(mimic, tmp_path / "run")
    assert Counter(row["excluded"] for row in rows(made.studies))["image file is missing"] == 2
    films = {path: path.stat().st_mtime_ns for path in made.run.rglob("images/*/*/*.jpg")}
    for place in (str(path.relative_to(away)) for path in away.glob("*/*/s*")):
        shutil.move(away / place, phantom_copy / "files" / place)
    shutil.rmtree(made.texts.folder)
    again = prepared(mimic, tmp_path / "run")
    assert rows(again.films) == rows(whole.films) and rows(again.studies) == rows(whole.studies)
    assert {path: path.stat().st_mtime_ns for path in films} == films, "no film was decoded twice"


def test_of_missing_images_the_first_three_are_named_with_their_paths(
    mimic, phantom_copy, tmp_path, one_core
):
    """Of a study whose other image is there, and of studies without any."""
    mimic["arms"] = {"zero_shot": {}}
    several = next(p for p in places(phantom_copy) if len([*(phantom_copy / "files" / p).iterdir()]) > 1)
    whole = prepared(mimic, tmp_path / "whole", images="none")
    train = {n for n, row in studies_of(whole).items() if row["split"] == "train"}
    others = [place for place in places(phantom_copy) if study_id(place) in train and place != several]
    gone = sorted((phantom_copy / "files" / several).iterdir())[:1]
    gone += [image for place in others[:3] for image in (phantom_copy / "files" / place).iterdir()]
    for image in gone:
        image.unlink()
    made = prepared(mimic, tmp_path / "run")
    named = missing_images(made)
    assert len(named) == 3
    assert {path.removesuffix(" (or .png, .dcm)") for path in named} <= set(map(str, gone))
    (tmp_path / "mimic").rename(tmp_path / "unmounted")
    assert missing_images(made) == named, "they are known also while the disk is away"


def test_without_any_image_file_the_message_says_where_they_were_looked_for(
    mimic, phantom_copy, tmp_path, one_core
):
    images = sorted(phantom_copy.glob("files/*/*/s*/*"))
    shutil.rmtree(phantom_copy / "files")
    with pytest.raises(NotReady, match=r"12 of 12: image file is missing") as caught:
        prepared(mimic, tmp_path / "run")
    assert Path(caught.value.where.removesuffix(" (or .png, .dcm)")) in images


@pytest.mark.parametrize(
    ("changes", "table"), [({"subset": "balanced"}, "chexpert"), ({"priors": "supply"}, "metadata")]
)
def test_a_setting_that_needs_an_absent_table_says_so(mimic, phantom_copy, tmp_path, changes, table):
    (phantom_copy / f"mimic-cxr-2.0.0-{table}.csv.gz").unlink()
    with gzip.open(phantom_copy / "cxr-record-list.csv.gz", "wt") as file:
        file.write("subject_id,study_id,dicom_id,path\n")
    with pytest.raises(LaudoError, match=rf'{next(iter(changes))} = "(.|\n)*needs mimic-cxr-2.0.0-{table}'):
        prepared(mimic, tmp_path / "run", images="none", **changes)


def test_a_corpus_without_any_report_is_refused(mimic, phantom_copy, tmp_path):
    (phantom_copy / "mimic-cxr-reports.zip").unlink()
    with pytest.raises(LaudoError, match=r"no study has a report(.|\n)*\[mimic\] reports"):
        prepared(mimic, tmp_path / "run", images="none")
