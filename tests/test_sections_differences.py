"""docs/sections.md explains each difference between `split` and MIT-LCP's parser. This proves it.

Each cause there is a function here that rewrites the text into the form that MIT-LCP's parser needs. After
all functions, that parser must take from each of the 1,578 texts what `split` takes from the original text. A
cause explains the texts in which its function, in this order, changes the choice.
"""

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from laudo.sections import chosen, reference, split

REAL = os.environ.get("LAUDO_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="LAUDO_REAL_DATA names no folder of real inputs")
DOCS = Path(__file__).parents[1] / "docs" / "sections.md"

# The headers that the texts contain. sections/reference.jsonl lists them, one in each text (`h0000` ...).
# OTHER, ABDOMEN and PREAMBLE are left out, because they are not sections of a report on a chest radiograph.
WORDS = (
    "ADDENDUM|CLINICAL HISTORY|CLINICAL INDICATION|CLINICAL INFORMATION|COMMENT|COMPARISION|COMPARISIONS|"
    "COMPARISON|COMPARISON EXAM|COMPARISON FILM|COMPARISONS|COMPARRISON|COMPARSION|CONCLUSION|DATE|EXAM|"
    "EXAMINATION|FINDGINGS|FINDINDGS|FINDING|FINDINGS|FINDINGS AND IMPRESSION|FINDINGS/ ?IMPRESSION|"
    "FINDINS|FINDNGS|FINDNINGS|FINIDNGS|HISTORY|IDICATION|IMORESSION|IMPERSSION|IMPESSION|IMPRESION|"
    "IMPRESSION|IMPRESSOIN|IMPRESSON|IMPRRESSION|IMPRSSION|INDICATION|MPRESSION|NDICATION|NOTIFICATION|"
    "PATIENT HISTORY|PFI|REASON FOR EXAM|REASON FOR EXAMINATION|RECOMMENDATION|RECOMMENDATION\\(S\\)|"
    "RECOMMENDATIONS|REFERENCE EXAM|REFERENCE FINDINGS|TECHNIQUE|TYPE OF EXAMINATION|WET READ|WETREAD|"
    "FINAL REPORT|NOTE|PROCEDURE|HISTORY AND INDICATION|COMPARISON STUDIES|TECHNIQUE/COMPARISON|"
    "MEDICAL HISTORY"
)
# Known by their words, which `split` accepts only in capitals before a colon.
VIEWS = (
    "CHEST|CHEST, TWO VIEWS|PORTABLE CHEST|PA AND LATERAL VIEWS OF THE CHEST|TWO VIEWS OF THE CHEST|"
    "RIBS, LEFT|BONE WINDOW|FRONTAL UPRIGHT CHEST|CHEST \\(AP\\)|CLINICAL FINDINGS"
)
KNOWN = f"(?:{WORDS}|{VIEWS})"
HEADER = rf"\n +{KNOWN}: "


def add_first_line_break(text):
    """Adds the line break that is missing before the first line."""
    return re.sub(rf"\A(?= *(?i:{KNOWN})\b)", "\n", text)


def in_small_letters(text):
    """Writes a header in capitals at the start of a paragraph; without indent, also of a sentence.

    `Findings: as described` is a sentence.
    """
    lines = text.split("\n")
    for i, line in enumerate(lines):
        found = re.match(rf" *(?i:{WORDS})(?= *(?:#\d)?(?::| - | -$))", line)
        before = lines[i - 1].strip(" _") if i else ""
        if re.fullmatch(rf"(?i:{WORDS}) *[:-]|(?:{VIEWS}):|FINAL REPORT", before):
            before = ""
        begins = not before or (not line.startswith(" ") and before[-1] in ".:;")
        if found and begins and not re.match(r" *[A-Z][^:-]*[:-] *[a-z]", line):
            lines[i] = found[0].upper() + line[found.end() :]
    return "\n".join(lines)


def with_a_dash(text):
    return re.sub(rf"(\n *(?:{WORDS})(?: #\d)?) *-(?=\s)", r"\1:", text)


def with_a_number(text):
    return re.sub(r"(\n *ADDENDUM) #\d:", r"\1:", text)


def flush_left(text):
    return re.sub(rf"\n({KNOWN}:)", r"\n \1", text)


def without_a_blank(text):
    return re.sub(rf"(\n +{KNOWN}:)(?=\S)", r"\1 ", text)


def right_below_another(text):
    return re.sub(rf"(\n +{KNOWN}:) *(?=\n|\Z)", r"\1 ", text)


def its_mistake(text):
    return text.replace(" NDICATION:", " INDICATION:")


def subheadings(text):
    return re.sub(
        r"\n ([A-Z ()/,-]+):(?=\s)",
        lambda m: m[0] if re.fullmatch(rf" *{KNOWN}", m[1]) else m[0].lower(),
        text,
    )


def asides(text):
    """Removes an addendum, a wet read or a PFI, up to the rule below it or to the next header."""
    return re.sub(rf"\n +(?:WET READ|WETREAD|PFI|ADDENDUM): [\s\S]*?(?=\n *_{{10}}|{HEADER}|\Z)", "\n", text)


def bodies(change):
    """Returns a function that changes the text under each header."""

    def rewrite(text):
        first, *rest = re.split(rf"({HEADER})", text)
        return first + "".join(change(part) if i % 2 else part for i, part in enumerate(rest))

    return rewrite


def one_blank_line(body):
    """Removes one blank line below a header. Two or more mean that the section is empty."""
    return re.sub(r"\A\s*\n\s*(?=\S)", "" if body[: -len(body.lstrip())].count("\n") < 3 else "\n \n", body)


def empty(text):
    return re.sub(rf"(?:{HEADER}\s*(?={HEADER}|\Z))+", "", text)


REWRITINGS = {
    "Windows line ends": lambda text: text.replace("\r\n", "\n"),
    "first line": add_first_line_break,
    "small letters": in_small_letters,
    "dash": with_a_dash,
    "numbered addendum": with_a_number,
    "flush left": flush_left,
    "no blank after the colon": without_a_blank,
    "right below another header": right_below_another,
    "`NDICATION`": its_mistake,
    "subheading": subheadings,
    "addendum or wet read": asides,
    "other blank lines": bodies(lambda body: re.sub(r"\n[ \t]*(?=\n)", "\n ", body)),
    "blank line under a header": bodies(one_blank_line),
    "empty section": empty,
}


UNNAMED = {"preamble", "full report", "final report", "last_paragraph"}


def words(section, body):
    """Returns a form to compare: no line ends, and no capitals, because `subheadings` changes them."""
    return (section, " ".join(body.split()).casefold()) if body.split() else (None, "")


def reference_choice(text):
    report = reference.split(text)
    return words(report.target_section, report.target)


def explained(text):
    """Returns what MIT-LCP's parser takes after all functions, and the causes: those that changed it."""
    choice, causes = reference_choice(text), []
    for cause, rewrite in REWRITINGS.items():
        text = rewrite(text)
        new_choice = reference_choice(text)
        if new_choice != choice:
            choice, causes = new_choice, [*causes, cause]
    report = reference.split(text)
    section, body = report.target_section, report.target
    if section == "comparison":
        body, causes = "", [*causes, "comparison"]
    if not body and set(report.order) <= UNNAMED:
        section, body = "full_report", re.sub(r"(?m)^ *(?:FINAL REPORT:?|_+$)", "", text).strip()
        causes += ["bare report"] if body else []
    if re.fullmatch(".*[:-]", body):
        body, causes = "", [*causes, "lone title"]
    return words(section, body), causes


@real
def test_every_difference_is_explained_and_counted():
    lines = (Path(REAL) / "sections" / "reference.jsonl").read_text("utf-8").splitlines()
    counts, different = Counter(), 0
    for row in map(json.loads, lines):
        text, section = row["text"], chosen(split(row["text"]))
        expected, causes = explained(text)
        choice = words(*section) if section else (None, "")
        assert choice == expected, row["id"]
        if choice != words(row["target_section"], row["target"]):
            assert causes, row["id"]
            different += 1
            counts.update(causes)
    page = DOCS.read_text("utf-8")
    assert f"**{len(lines) - different}** of the {len(lines):,}" in page
    published = re.findall(r"^\| ([^|]+) \| (\d+) \|", page, re.MULTILINE)
    assert {cause: int(count) for cause, count in published} == counts
