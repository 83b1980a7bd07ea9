"""Divides the text of a report into sections.

Headers are recognised at the start of a line: MIMIC's form (line break, blank, CAPITALS, colon), and headers
without indent, in title case, bold or alone on their line, as other hospitals and models write them. Only
known headers divide; `RIGHT LUNG:` stays in its section.
"""

import re
from collections.abc import Iterator

from laudo.sections import headers
from laudo.sections.report import Section, SectionedReport
from laudo.sections.targets import TARGETS
from laudo.vocabulary import INVISIBLE, OTHER_BLANKS, OTHER_LINE_BREAKS, Language

_ASIDES = ("addendum", "wet_read")
"""Sections that are not part of the report proper."""
_RULE_LENGTH = 10
_RULE = re.compile(rf"^[ \t]*+_{{{_RULE_LENGTH},}}+[ \t]*+$", re.MULTILINE)
_WORD = re.compile(r"[^\W_]")
_LINE_BREAK = re.compile(rf"\r\n?|[{OTHER_LINE_BREAKS}]")
_BLANK = re.compile(f"[{OTHER_BLANKS}]")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# MIMIC's blank line has a blank in it.
_MIMIC_BLANK_LINE = "\n \n"
# One blank line may follow a header. Two or more mean that the section is empty.
_EMPTY_SECTION = re.compile(r"[ \t]*\n(?:[ \t]*\n){2}")


def split(text: str, *, lang: Language = "en") -> SectionedReport:
    """Returns the sections of a report, without empty sections and lines of titles.

    A text without headers is `full_report`. If there is neither findings nor impression, everything after the
    first blank line of the last section is `last_paragraph`; in a `full_report`, only MIMIC's blank line
    counts (line break, blank, line break). An addendum or wet read ends at the rule of underscores below it.

    Source of the rules: MIT-LCP's `section_parser.py` (mimic-cxr, MIT licence), extended to other ways to
    write a header. docs/sections.md lists every difference. `reference.split` is that parser itself.
    """
    raw = list(filter(_has_text, _divided(_plain(text), lang)))
    if {"findings", "impression"}.isdisjoint(section.name for section in raw):
        raw = _with_findings_under_title(raw)
    if {"findings", "impression"}.isdisjoint(section.name for section in raw):
        raw = list(filter(_has_text, _with_last_paragraph(_with_full_report(raw))))
    return SectionedReport(tuple(Section(name, _trimmed(body)) for name, body in raw))


def _plain(text: str) -> str:
    """Returns the text with plain blanks and line breaks, without characters that show nothing."""
    return _INVISIBLE.sub("", _BLANK.sub(" ", _LINE_BREAK.sub("\n", text)))


def _divided(text: str, lang: Language) -> Iterator[Section]:
    """Yields the untrimmed sections.

    Text before the first header, after a title and after the rule below an addendum is `preamble`.
    """
    text = f"\n{text}\n"  # `headers.LINE` needs a line break before and after each line
    name, start = "preamble", 1
    after_findings = False
    for line in headers.LINE.finditer(text):
        if line["rule"]:
            opened = "preamble" if name in _ASIDES else None
        else:
            opened = headers.opened_section(line, start=start, lang=lang)
        if opened:
            opened = _concluded(opened, line["name"], after_findings)
            after_findings = after_findings or opened == "findings"
            yield Section(name, text[start : line.start()])
            name, start = opened, line.end()
    yield Section(name, text[start:-1])


def _concluded(section: str, name: str | None, after_findings: bool) -> str:
    """Returns the section that a header opens: a hypothesis under the findings is the impression."""
    is_conclusion = after_findings and name and headers.normalised(name) in headers.concluding()
    return "impression" if is_conclusion else section


def _trimmed(body: str) -> str:
    """Returns the text without rules, which are layout, and without blanks at its ends."""
    return (_RULE.sub("", body) if "_" * _RULE_LENGTH in body else body).strip()


def _has_text(section: Section) -> bool:
    """Returns whether there is text. A section that may be a target needs a word and more than one title.

    `CHEST: ___` has no word, and `Ribs:` is only a title.
    """
    body = _trimmed(section.body)
    if section.name not in TARGETS:
        return bool(body)
    is_title = body[-1:] in (":", "-") and "\n" not in body
    return bool(_WORD.search(body)) and not is_title


def _with_findings_under_title(raw: list[Section]) -> list[Section]:
    """Returns the sections with what stands right under the line of a last `Exam:` as findings."""
    if not raw or raw[-1].name != "examination":
        return raw
    title, _, rest = raw[-1].body.partition("\n")
    if not title.strip() or not rest.strip() or rest[0].isspace():
        return raw
    return [*raw[:-1], Section("examination", title), Section("findings", rest)]


def _with_full_report(raw: list[Section]) -> list[Section]:
    """Returns the sections with `full_report`, if addenda and wet reads have the only headers."""
    asides = [section for section in raw if section.name in _ASIDES]
    report = [section for section in raw if section.name not in _ASIDES]
    if not report or any(section.name != "preamble" for section in report):
        return raw
    return [*asides, Section("full_report", "\n".join(section.body for section in report))]


def _with_last_paragraph(raw: list[Section]) -> list[Section]:
    """Returns the sections with everything after the first paragraph of the last one as `last_paragraph`."""
    positions = [i for i, section in enumerate(raw) if section.name not in _ASIDES]
    if not positions:
        return raw
    last = positions[-1]
    first, rest = _first_paragraph(raw[last])
    name = raw[last].name
    return [*raw[:last], Section(name, first), *raw[last + 1 :], Section("last_paragraph", rest)]


def _first_paragraph(section: Section) -> tuple[str, str]:
    """Returns the text that remains in the section, and the text of the last paragraph."""
    name, body = section
    if name == "full_report":
        # Only MIMIC's blank line counts: a model's text without headers is all report, whatever its layout.
        return body, body.partition(_MIMIC_BLANK_LINE)[2]
    if _EMPTY_SECTION.match(body):
        return "", body
    first, *rest = _BLANK_LINE.split(body.strip(), maxsplit=1)
    return first, "".join(rest)
