"""MIT-LCP's section parser, written anew from its rules: the same choice for any text, with its mistakes.

It is for those who must reproduce `mimic_cxr_sections.csv`. For anything else `laudo.sections.split` is
better; docs/sections.md says where the two differ. Source: MIT-LCP/mimic-cxr (MIT licence),
txt/section_parser.py and txt/create_section_files.py. The parser's tables are in `reference.toml`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from laudo.sections.headers import data_folder
from laudo.sections.report import Section, SectionedReport

# After a header the rest of its line is skipped, because a second header on a line opens no section. If the
# white space after the colon is the end of the line, a header on the next line is skipped, too.
_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s[^\n]*")
_BLANK_LINE = "\n \n"
_CHOICE = ("impression", "findings", "last_paragraph", "comparison")


@dataclass(frozen=True)
class Reference(SectionedReport):
    """The parser's sections with its names (`wet read`, `full report`), and the text that it takes.

    `target` is empty if it takes none. `target_section` is None then, and if it takes a slice of characters.
    """

    target: str
    target_section: str | None


def split(text: str, *, study_id: int | str | None = None) -> Reference:
    """Returns all sections and the target.

    The target is the last impression, else the findings, the last paragraph or the comparison.

    54 studies of MIMIC-CXR (`study_id` as `s50913680` or `50913680`) take a slice of characters or one named
    section instead. If that section is missing, the parser stops with an error. Here the text is then treated
    like any other, because it is not the text that MIMIC-CXR has under that number.
    """
    sections = _sections(text)
    stripped = tuple(Section(name, body.strip()) for name, body in sections)
    characters: tuple[int, int] | None = _tables()["takes_characters"].get(_key(study_id))
    if characters:
        return Reference(stripped, text[slice(*characters)], None)
    chosen = _chosen({section.name for section in sections}, study_id)
    body = next((body for name, body in reversed(stripped) if name == chosen), "")
    return Reference(stripped, body, chosen)


def is_special(study_id: int | str) -> bool:
    """Returns whether it is one of the 54 studies whose text MIT-LCP's authors chose by hand."""
    return any(_key(study_id) in _tables()[table] for table in ("takes_characters", "takes_section"))


def _sections(text: str) -> list[Section]:
    headers = list(_HEADER.finditer(text))
    if not headers:
        return _with_last_paragraph([Section("full report", text)])
    # A header on the first line has no line break before it, so it is part of the preamble.
    sections = [Section("preamble", text[: headers[0].start(1)])]
    ends = [*(header.start() for header in headers[1:]), len(text)]
    for header, end in zip(headers, ends, strict=True):
        section = Section(_name(header[1]), text[header.end(1) + 2 : end])
        # A title such as `CHEST, TWO VIEWS:` would be empty findings.
        if section.name not in ("impression", "findings") or section.body.strip():
            sections.append(section)
    return _with_last_paragraph(sections)


def _with_last_paragraph(sections: list[Section]) -> list[Section]:
    """Returns the sections, with everything after the last section's first blank line as `last_paragraph`.

    This is done if there is neither impression nor findings. The blank line may be directly below the header;
    the last section is then empty.
    """
    if {"impression", "findings"} & {section.name for section in sections}:
        return sections
    name, body = sections[-1]
    first, blank_line, rest = body.partition(_BLANK_LINE)
    if not blank_line:
        return sections
    return [*sections[:-1], Section(name, first), Section("last_paragraph", rest)]


@lru_cache(maxsize=4096)
def _name(header: str) -> str:
    """Returns a listed name, else a name that the header contains, else findings for a view, else the header.

    The header may contain the name as a part of a word: `FINDINGS OF THE ABDOMEN`, `CHEST TUBE` and `CLINICAL
    FINDINGS` are findings. The list has `ndication` as an impression (MIT-LCP/mimic-code#1982).
    """
    spelling = header.lower().strip()
    names: dict[str, str] = _tables()["names"]
    parts: dict[str, list[str]] = _tables()["parts"]
    if spelling in names:
        return names[spelling]
    by_part = next((part for part in parts["names"] if part in spelling), None)
    return by_part or ("findings" if any(view in spelling for view in parts["views"]) else spelling)


def _chosen(names: set[str], study_id: int | str | None) -> str | None:
    special: str | None = _tables()["takes_section"].get(_key(study_id))
    return special if special in names else next((name for name in _CHOICE if name in names), None)


def _key(study_id: int | str | None) -> str:
    return f"s{str(study_id).removeprefix('s')}"


@cache
def _tables() -> dict[str, Any]:
    """Returns the tables. Those that list things under a name are turned into the name of each thing."""
    tables = tomllib.loads(data_folder().joinpath("reference.toml").read_text("utf-8"))
    for table in ("names", "takes_section"):
        tables[table] = {thing: name for name, things in tables[table].items() for thing in things}
    return tables
