"""Where `split` and MIT-LCP's parser choose differently, docs/sections.md says why: here that is proved.

Each cause there is a rewriting here, by expressions of its own: it writes the text as MIT-LCP's parser needs
it. Given all of them, that parser must take from each of the 1,578 texts what `split` takes from the text as
it stands; and a cause explains the texts in which its rewriting alone, in this order, changes the choice.
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

# The headers that the texts are made of, as sections/reference.jsonl lists them one a text (`h0000` ...), but
# for OTHER, ABDOMEN and PREAMBLE, which are no sections of a chest radiograph.
WORDS = (
    "ADDENDUM|CLINICAL HISTORY|CLINICAL INDICATION|CLINICAL INFORMATION|COMMENT|COMPARISION|"
    "COMPARISIONS|COMPARISON|COMPARISON EXAM|COMPARISON FILM|COMPARISONS|COMPARRISON|COMPARSION|CONCLUSION|DATE|"
    "EXAM|EXAMINATION|FINDGINGS|FINDINDGS|FINDING|FINDINGS|FINDINGS AND IMPRESSION|FINDINGS/ ?IMPRESSION|FINDINS|"
    "FINDNGS|FINDNINGS|FINIDNGS|HISTORY|IDICATION|IMORESSION|IMPERSSION|IMPESSION|IMPRESION|IMPRESSION|"
    "IMPRESSOIN|IMPRESSON|IMPRRESSION|IMPRSSION|INDICATION|MPRESSION|NDICATION|NOTIFICATION|PATIENT HISTORY|PFI|"
    "REASON FOR EXAM|REASON FOR EXAMINATION|RECOMMENDATION|RECOMMENDATION\\(S\\)|RECOMMENDATIONS|REFERENCE EXAM|"
    "REFERENCE FINDINGS|TECHNIQUE|TYPE OF EXAMINATION|WET READ|WETREAD|FINAL REPORT|NOTE|PROCEDURE|"
    "HISTORY AND INDICATION|COMPARISON STUDIES|TECHNIQUE/COMPARISON|MEDICAL HISTORY"
)
# Known by their words, which `split` only trusts in capitals before a colon.
VIEWS = (
    "CHEST|CHEST, TWO VIEWS|PORTABLE CHEST|PA AND LATERAL VIEWS OF THE CHEST|TWO VIEWS OF THE CHEST|"
    "RIBS, LEFT|BONE WINDOW|FRONTAL UPRIGHT CHEST|CHEST \\(AP\\)|CLINICAL FINDINGS"
)
KNOWN = f"(?:{WORDS}|{VIEWS})"
HEADER = rf"\n +{KNOWN}: "


def on_the_first_line(text):
    """No line break precedes it."""
    return re.sub(rf"\A(?= *(?i:{KNOWN})\b)", "\n", text)


def in_small_letters(text):
    """At the start of a paragraph; flush left, of a sentence. `Findings: as described` is a sentence itself."""
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
    """The text of an addendum, a wet read or a PFI, to the rule under it or to the next header."""
    return re.sub(rf"\n +(?:WET READ|WETREAD|PFI|ADDENDUM): [\s\S]*?(?=\n *_{{10}}|{HEADER}|\Z)", "\n", text)


def bodies(change):
    """A rewriting of all that stands under a header."""

    def rewrite(text):
        first, *rest = re.split(rf"({HEADER})", text)
        return first + "".join(change(part) if i % 2 else part for i, part in enumerate(rest))

    return rewrite


def one_blank_line(body):
    """A header may have one blank line under it; two and more say that it was left empty."""
    return re.sub(r"\A\s*\n\s*(?=\S)", "" if body[: -len(body.lstrip())].count("\n") < 3 else "\n \n", body)


def empty(text):
    return re.sub(rf"(?:{HEADER}\s*(?={HEADER}|\Z))+", "", text)


REWRITINGS = {
    "Windows line ends": lambda text: text.replace("\r\n", "\n"),
    "first line": on_the_first_line,
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
    """Comparable: without line ends, and without capitals, which the rewriting of subheadings touches."""
    return (section, " ".join(body.split()).casefold()) if body.split() else (None, "")


def reference_choice(text):
    made = reference.split(text)
    return words(made.target_section, made.target)


def explained(text):
    """What MIT-LCP's parser takes after all rewritings, and the causes: those that changed what it takes."""
    took, causes = reference_choice(text), []
    for cause, rewrite in REWRITINGS.items():
        text = rewrite(text)
        if (now := reference_choice(text)) != took:
            took, causes = now, [*causes, cause]
    made = reference.split(text)
    section, body = made.target_section, made.target
    if section == "comparison":
        body, causes = "", [*causes, "comparison"]
    if not body and set(made.order) <= UNNAMED:
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
        made = words(*section) if section else (None, "")
        assert made == expected, row["id"]
        if made != words(row["target_section"], row["target"]):
            assert causes, row["id"]
            different += 1
            counts.update(causes)
    told = DOCS.read_text("utf-8")
    assert f"**{len(lines) - different}** of the {len(lines):,}" in told
    assert {
        cause: int(n) for cause, n in re.findall(r"^\| ([^|]+) \| (\d+) \|", told, re.MULTILINE)
    } == counts
