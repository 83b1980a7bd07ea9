"""The phantom: the same bytes for the same seed, MIMIC-CXR's layout, and wordings that training never sees.

The layout expected here is that of PhysioNet's documentation of MIMIC-CXR-JPG 2.x and MIMIC-CXR 2.x.
"""

import csv
import gzip
import json
import re
import zipfile
from collections import Counter, defaultdict
from hashlib import sha256

import pytest
from PIL import Image

from conftest import DOZEN
from laudo import mimic
from laudo.mimic.studies import index
from laudo.phantom import corpus, words
from laudo.vocabulary import SPLITS

LABELS = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
]
"""As in the header of PhysioNet's mimic-cxr-2.0.0-chexpert.csv."""


@pytest.fixture(scope="module")
def drawn():
    """3,000 studies, without files."""
    return list(corpus.studies(count=3000, seed=11))


def files(folder):
    return {
        p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def rows(root, name):
    with gzip.open(
        root / "mimic" / f"mimic-cxr-2.0.0-{name}.csv.gz", "rt", encoding="utf-8", newline=""
    ) as stream:
        return list(csv.DictReader(stream))


def lines(root, name):
    with gzip.open(root / "truth" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


# --- bytes --------------------------------------------------------------------------------------------------


def write(folder, **options):
    for _ in corpus.write(folder, **{**DOZEN, **options}):
        pass
    return folder


def test_the_same_seed_gives_the_same_bytes(phantom_tree, tmp_path):
    """This one is drawn by several processes at another time, `phantom_tree` by one."""
    again = files(write(tmp_path / "again"))
    assert len([name for name in again if name.endswith(".jpg")]) >= 12
    assert again == files(phantom_tree)


def test_another_seed_gives_another_corpus(phantom_tree, tmp_path):
    other = files(write(tmp_path, seed=5, size_px=None))
    shared = {name for name, digest in files(phantom_tree).items() if other.get(name) == digest}
    assert not shared


def test_without_images_the_rest_is_the_same_in_kind(tmp_path):
    written = files(write(tmp_path, size_px=None))
    assert sorted(written) == [
        *(f"mimic/mimic-cxr-2.0.0-{name}.csv.gz" for name in ("chexpert", "metadata", "negbio", "split")),
        "mimic/mimic-cxr-reports.zip",
        "truth/facts.jsonl.gz",
        "truth/reports.jsonl.gz",
    ]


# --- layout -------------------------------------------------------------------------------------------------


def test_tables_have_mimic_s_columns(phantom_tree):
    assert list(rows(phantom_tree, "split")[0]) == ["dicom_id", "study_id", "subject_id", "split"]
    assert list(rows(phantom_tree, "metadata")[0]) == [
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
        "Rows",
        "Columns",
        "StudyDate",
        "StudyTime",
        "ProcedureCodeSequence_CodeMeaning",
        "ViewCodeSequence_CodeMeaning",
        "PatientOrientationCodeSequence_CodeMeaning",
    ]
    for name in ("chexpert", "negbio"):
        assert list(rows(phantom_tree, name)[0]) == ["subject_id", "study_id", *LABELS]


def test_values_look_like_mimic_s(phantom_tree):
    for row in rows(phantom_tree, "metadata"):
        assert re.fullmatch(r"([0-9a-f]{8}-){4}[0-9a-f]{8}", row["dicom_id"])
        assert re.fullmatch(r"1\d{7}", row["subject_id"]) and re.fullmatch(r"5\d{7}", row["study_id"])
        assert row["ViewPosition"] in ("AP", "PA", "LATERAL", "LL", "")
        assert re.fullmatch(r"2[12]\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d)", row["StudyDate"])
        assert 0 <= float(row["StudyTime"]) < 240000
    assert {row["split"] for row in rows(phantom_tree, "split")} == {"train", "validate", "test"}
    for name in ("chexpert", "negbio"):
        assert {row[label] for row in rows(phantom_tree, name) for label in LABELS} <= {
            "",
            "1.0",
            "0.0",
            "-1.0",
        }


def test_images_and_reports_lie_where_mimic_puts_them(phantom_tree):
    root = phantom_tree / "mimic"
    studies = {(row["subject_id"], row["study_id"]) for row in rows(phantom_tree, "metadata")}
    places = {f"files/p{subject[:2]}/p{subject}/s{study}" for subject, study in studies}
    assert len(places) == 12
    images = {
        f"files/p{r['subject_id'][:2]}/p{r['subject_id']}/s{r['study_id']}/{r['dicom_id']}.jpg": r
        for r in rows(phantom_tree, "metadata")
    }
    assert {p.relative_to(root).as_posix() for p in (root / "files").rglob("*.jpg")} == set(images)
    for name, row in images.items():
        with Image.open(root / name) as image:
            assert (image.mode, image.format, image.size) == (
                "L",
                "JPEG",
                (int(row["Columns"]), int(row["Rows"])),
            )
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        assert set(archive.namelist()) == {f"{place}.txt" for place in places}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_reader_of_mimic_finds_every_study_complete(phantom_tree):
    corpus = mimic.open_corpus(phantom_tree / "mimic")
    with mimic.Reports(corpus) as reports:
        studies = index(corpus, reported=reports.studies).to_pylist()
        assert len(studies) == 12
        for study in studies:
            key = {name: study[name] for name in ("subject_id", "study_id")}
            assert reports.fetch(**key).text and study["chexpert"] and study["negbio"]
            assert 1 <= len(study["images"]) <= 4
            assert set(mimic.images_of(corpus, **key)) == {image["dicom_id"] for image in study["images"]}


def test_reports_are_set_like_mimic_s(drawn):
    for study in drawn[:200]:
        text = study.report.mimic_text()
        assert "FINAL REPORT" in text and text.endswith("\n")
        assert max(map(len, text.splitlines())) <= 79
        assert all(line.startswith(" ") for line in text.splitlines())


def test_nothing_of_the_truth_is_in_what_a_stage_receives(phantom_tree):
    """No file of `mimic/` has a Portuguese sentence (unlike its English one) or the phantom's name."""
    content = b""
    for path in (phantom_tree / "mimic").rglob("*"):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                content += b"".join(archive.read(name) for name in archive.namelist())
        elif path.is_file():
            content += gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    texts = {
        section["pt"]
        for row in lines(phantom_tree, "reports")
        for section in row["sections"]
        if section["pt"] != section["en"]
    }
    sentences = {s for text in texts for s in re.split(r"(?<=\.)\s", text) if len(s) > 12}
    assert len(sentences) > 40
    for word in [*sentences, "phantom", "laudo", "set_aside"]:
        assert word.encode() not in content


# --- studies ------------------------------------------------------------------------------------------------


def test_a_subject_s_studies_are_in_one_split(drawn):
    splits, dates = defaultdict(set), defaultdict(list)
    for study in drawn:
        splits[study.subject_id].add(study.split)
        dates[study.subject_id].append(study.date)
    assert all(len(names) == 1 for names in splits.values())
    assert all(days == sorted(days) for days in dates.values())
    assert max(map(len, dates.values())) > 4, "some patients come often"
    assert (
        len({study.study_id for study in drawn})
        == len({study.images[0].dicom_id for study in drawn})
        == len(drawn)
    )


@pytest.mark.parametrize("proportions", [(60, 10, 30), (1, 0, 0), (2, 1, 1)])
def test_splits_have_the_requested_proportions(proportions):
    counts = Counter(study.split for study in corpus.studies(count=1000, seed=1, proportions=proportions))
    for split, share in zip(SPLITS, proportions, strict=True):
        assert abs(counts[split] - 1000 * share / sum(proportions)) <= 9, "off by one patient at most"


def test_one_to_four_images_a_study(drawn):
    counts = Counter(len(study.images) for study in drawn)
    assert set(counts) == {1, 2, 3, 4}
    views = Counter(image.view for study in drawn for image in study.images)
    assert set(views) == {"AP", "PA", "LATERAL", "LL"}
    unnamed = [image for study in drawn for image in study.images if not image.named]
    assert 0.02 < len(unnamed) / sum(views.values()) < 0.06


def test_all_labels_occur_present_absent_and_uncertain(drawn):
    """No Finding is present or not mentioned, as in CheXpert; every other label takes all three values."""
    seen = defaultdict(Counter)
    for study in drawn:
        for label, value in corpus.chexpert_labels(study.report).items():
            seen[label][value] += 1
    assert sorted(seen) == LABELS
    assert set(seen.pop("No Finding")) == {1, None}
    for label, counts in seen.items():
        assert min(counts[value] for value in (1, 0, -1, None)) >= 3, (label, counts)


# --- wordings -----------------------------------------------------------------------------------------------


def assertions(study):
    sentences = [sentence for section in study.report.sections for sentence in section.sentences]
    return [assertion for sentence in sentences for assertion in sentence.assertions]


def test_a_third_of_the_wordings_is_set_aside():
    """Rounded down in each group of a finding and a status, so a little less than a third of all."""
    every = {name for group in words._groups().values() for name in group}
    aside = words.set_aside()
    assert aside < every and 0.28 < len(aside) / len(every) <= 1 / 3


def test_wordings_set_aside_are_used_in_the_test_split_and_nowhere_else(drawn):
    used = defaultdict(set)
    for study in drawn:
        used[study.split] |= {assertion.wording for assertion in assertions(study)}
    aside = words.set_aside()
    assert not (used["train"] | used["validate"]) & aside
    assert len(used["test"] & aside) > 0.6 * len(aside)
    assert used["test"] - aside, "the test split uses the others too"


def test_no_sentence_set_aside_is_said_in_training_under_another_name(drawn):
    """An impression lists findings in a form of its own, which must not be a form that was set aside."""
    sentences = defaultdict(set)
    for study in drawn:
        for section in study.report.sections:
            for sentence in section.sentences:
                hidden = study.split == "test" and any(row.set_aside for row in sentence.assertions)
                sentences[hidden, study.split == "test"].add(re.sub(r"^\d\. ", "", sentence.en))
    assert len(sentences[True, True]) > 300
    assert not sentences[True, True] & sentences[False, False]


def test_the_truth_marks_them(phantom_tree):
    facts = lines(phantom_tree, "facts")
    assert len(facts) == 12
    aside = {row["wording"] for study in facts for row in study["said"] if row["set_aside"]}
    assert aside and aside <= words.set_aside()


def test_every_finding_that_is_not_absent_is_stated(drawn):
    for study in drawn:
        stated = {(row.fact.finding, row.fact.kind) for _, row in study.report.assertions}
        assert {(f.finding, f.kind) for f in study.facts if f.status != "absent"} <= stated


# --- Portuguese ---------------------------------------------------------------------------------------------


def test_the_portuguese_says_the_same(drawn):
    """Sentence by sentence: numbers, marks of de-identification and sides; and no template shows through."""
    for study in drawn:
        for section in study.report.sections:
            for s in section.sentences:
                assert s.en and s.pt and not re.search(r"[{}|]|  ", s.en + s.pt)
                assert re.findall(r"\d+[.]?\d*", s.en) == [
                    n.replace(",", ".") for n in re.findall(r"\d+[.,]?\d*", s.pt)
                ]
                assert s.en.count("___") == s.pt.count("___")
                for row in s.assertions:
                    if row.fact.side in ("left", "right"):
                        word = {"left": "esquerd", "right": "direit"}[row.fact.side]
                        assert row.fact.side in s.en.lower() and word in s.pt.lower(), (s.en, s.pt)


def test_the_portuguese_report_has_the_same_sections_in_the_same_order(drawn):
    headers = {
        "EXAMINATION": "EXAME",
        "INDICATION": "INDICAÇÃO",
        "TECHNIQUE": "TÉCNICA",
        "COMPARISON": "COMPARAÇÃO",
        "WET READ": "LEITURA PRELIMINAR",
        "FINDINGS": "ACHADOS",
        "IMPRESSION": "IMPRESSÃO",
        "ADDENDUM": "ADENDO",
        "RECOMMENDATION(S)": "RECOMENDAÇÕES",
    }
    seen = Counter()
    for study in drawn:
        report = study.report
        parts = report.portuguese_text().split("\n\n")
        sections = [*([report.addendum] if report.addendum else []), *report.sections]
        for part, section in zip(parts, sections, strict=True):
            assert part == (f"{headers[section.header]}: {section.pt}" if section.header else section.pt)
            seen[section.header] += 1
    assert set(seen) == {*headers, ""}
