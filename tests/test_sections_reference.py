"""Reference mode against the output of MIT-LCP's parser for 1,578 invented texts, and cases by hand."""

import json
import os
from pathlib import Path

import pytest

from laudo.sections import reference

REAL = os.environ.get("LAUDO_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="LAUDO_REAL_DATA names no folder of real inputs")

TITLE = " " * 33 + "FINAL REPORT\n"


@real
def test_every_text_is_divided_as_by_the_parser():
    """`sections/reference.jsonl` has the output of the parser itself."""
    lines = (Path(REAL) / "sections" / "reference.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 1_578
    for row in rows:
        report = reference.split(row["text"])
        expected = (row["names"], row["target"], row["target_section"])
        assert (report.order, report.target, report.target_section) == expected, row["id"]


# Worked out by hand from the rules of the parser: (what it shows, text, order, target, its section).
QUIRKS = [
    ("its mistake", "\n NDICATION: Cough.", ["preamble", "impression"], "Cough.", "impression"),
    ("a header on the first line", " FINDINGS: Clear.", ["full report"], "", None),
    ("small letters", "\n Findings: Clear.", ["full report"], "", None),
    (
        "flush left",
        "\nFINDINGS: Clear.\n IMPRESSION: Normal.",
        ["preamble", "impression"],
        "Normal.",
        "impression",
    ),
    ("nothing after the colon", "\n FINDINGS:", ["full report"], "", None),
    (
        "a second header on the line",
        "\n IMPRESSION: CHEST: clear.",
        ["preamble", "impression"],
        "CHEST: clear.",
        "impression",
    ),
    (
        "a header right below a header",
        "\n TECHNIQUE:\n FINDINGS: Clear.\n",
        ["preamble", "technique"],
        "",
        None,
    ),
    ("a part of a word", "\n CHEST TUBE: In place.", ["preamble", "findings"], "In place.", "findings"),
    (
        "a subheading cuts the impression",
        "\n IMPRESSION: Edema.\n RIGHT LUNG: clear.",
        ["preamble", "impression", "right lung"],
        "Edema.",
        "impression",
    ),
    (
        "a title",
        "\n CHEST, PA: \n HISTORY: Cough.\n \n Clear.",
        ["preamble", "history", "last_paragraph"],
        "Clear.",
        "last_paragraph",
    ),
    (
        "the last impression",
        "\n IMPRESSION: One.\n FINDINGS: Clear.\n IMPRESSION: Two.",
        ["preamble", "impression", "findings", "impression"],
        "Two.",
        "impression",
    ),
    (
        "comparison for want of anything else",
        "\n COMPARISON: ___.\n NOTE: a.",
        ["preamble", "comparison", "note"],
        "___.",
        "comparison",
    ),
    (
        "all paragraphs after the first blank line",
        TITLE + " Film.\n \n Clear.\n \n Normal.",
        ["full report", "last_paragraph"],
        "Clear.\n \n Normal.",
        "last_paragraph",
    ),
    ("a blank line of another kind", TITLE + " Film.\n\n Clear.", ["full report"], "", None),
    ("nothing", "", ["full report"], "", None),
]


@pytest.mark.parametrize(
    ("text", "order", "target", "section"), [case[1:] for case in QUIRKS], ids=[case[0] for case in QUIRKS]
)
def test_quirks(text, order, target, section):
    report = reference.split(text)
    assert (report.order, report.target, report.target_section) == (order, target, section)


INVENTED = (
    TITLE + " HISTORY: Cough.\n RECOMMENDATION(S): Repeat the film.\n IMPRESSION: Normal.\n" + "x" * 999
)


@pytest.mark.parametrize("study_id", ["s50913680", "50913680", 50913680])
def test_a_special_study_takes_the_section_named_for_it(study_id):
    report = reference.split(INVENTED, study_id=study_id)
    assert (report.target, report.target_section) == ("Repeat the film.", "recommendations")


def test_a_special_study_without_its_section_is_like_any_other():
    report = reference.split("\n HISTORY: Cough.\n IMPRESSION: Normal.", study_id="s50913680")
    assert (report.target, report.target_section) == ("Normal.", "impression")


@pytest.mark.parametrize(("study_id", "start", "end"), [("s51410602", 47, 320), (50525523, 201, 349)])
def test_a_special_study_takes_a_slice_of_characters(study_id, start, end):
    report = reference.split(INVENTED, study_id=study_id)
    assert (report.target, report.target_section) == (INVENTED[start:end], None)
    assert report.order == ["preamble", "history", "recommendations", "impression"]


def test_a_special_study_takes_nothing():
    report = reference.split(INVENTED, study_id="s58235663")
    assert (report.target, report.target_section) == ("", None)


def test_there_are_54_special_studies():
    """31 slices, 8 of them empty, and 23 sections: txt/create_section_files.py."""
    tables = reference._tables()
    slices = tables["takes_characters"].values()
    assert (len(slices), sum(end == 0 for _, end in slices), len(tables["takes_section"])) == (31, 8, 23)


def test_any_other_study_follows_the_rule():
    assert reference.split(INVENTED, study_id="s50000000") == reference.split(INVENTED)
