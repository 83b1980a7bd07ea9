"""MIT-LCP's section parser, written anew from its facts: the same choice for any text, mistakes included.

For whoever must reproduce `mimic_cxr_sections.csv`. For anything else `laudo.sections.split` is the better
reading; docs/sections.md says where the two differ. Source: MIT-LCP/mimic-cxr (MIT licence),
txt/section_parser.py and txt/create_section_files.py; its tables are in `reference.toml`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from laudo.sections import Report, Section

# After a header the rest of its line is skipped, as a second header on a line starts no section. The blank
# after the colon may be the end of that line: then a header right below is skipped too.
_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s[^\n]*")
_BLANK_LINE = "\n \n"
_CHOICE = ("impression", "findings", "last_paragraph", "comparison")


@dataclass(frozen=True)
class Reference(Report):
    """The parser's sections by its names (`wet read`, `full report`), and the text it takes for the study.

    `target` is empty where it takes none; `target_section` is None then, and where it takes a slice.
    """

    target: str
    target_section: str | None


def split(text: str, *, study_id: int | str | None = None) -> Reference:
    """All sections, and the last impression, else findings, last paragraph, comparison.

    54 studies of MIMIC-CXR (`study_id` as `s50913680` or `50913680`) take a slice of characters or one named
    section instead. The parser stops with an error where that section is absent; here the text, which then is
    not the one that MIMIC-CXR holds under that number, is treated like any other.
    """
    sections = _sections(text)
    name = _chosen({section.name for section in sections}, study_id)
    body = next((section.body for section in reversed(sections) if section.name == name), "").strip()
    slices: dict[str, tuple[int, int]] = _facts()["takes_characters"]
    if study_id is not None and (cut := slices.get(_key(study_id))):
        name, body = None, text[slice(*cut)]
    stripped = tuple(Section(section.name, section.body.strip()) for section in sections)
    return Reference(stripped, body, name)


def is_special(study_id: int | str) -> bool:
    """Whether it is one of the 54 studies whose text MIT-LCP's authors took by hand."""
    return any(_key(study_id) in _facts()[table] for table in ("takes_characters", "takes_section"))


def _sections(text: str) -> list[Section]:
    found = list(_HEADER.finditer(text))
    if not found:
        return _with_last_paragraph([Section("full report", text)])
    # A header on the first line has no line break before it and is not seen: it is preamble.
    sections = [Section("preamble", text[: found[0].start(1)])]
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=True):
        section = Section(_name(match[1]), text[match.end(1) + 2 : end])
        # A title such as `CHEST, TWO VIEWS:` would be empty findings.
        if section.name not in ("impression", "findings") or section.body.strip():
            sections.append(section)
    return _with_last_paragraph(sections)


def _with_last_paragraph(sections: list[Section]) -> list[Section]:
    """All that follows the last section's first blank line, where there is neither impression nor findings.

    The last section keeps what stands before. The blank line may be the one right under its header, which
    leaves that section empty.
    """
    if {"impression", "findings"} & {section.name for section in sections}:
        return sections
    name, body = sections[-1]
    first, blank, rest = body.partition(_BLANK_LINE)
    return [*sections[:-1], Section(name, first), Section("last_paragraph", rest)] if blank else sections


@lru_cache(maxsize=4096)
def _name(header: str) -> str:
    """A listed name, else a name that is part of the header, else findings where a view is, else the header.

    Parts are parts of words too: `FINDINGS OF THE ABDOMEN` and `CHEST TUBE` are findings, and so is
    `CLINICAL FINDINGS`. The list takes `ndication` for impression (MIT-LCP/mimic-code#1982).
    """
    plain = header.lower().strip()
    names: dict[str, str] = _facts()["names"]
    parts: dict[str, list[str]] = _facts()["parts"]
    if plain in names:
        return names[plain]
    by_part = next((part for part in parts["names"] if part in plain), None)
    return by_part or ("findings" if any(view in plain for view in parts["views"]) else plain)


def _chosen(names: set[str], study_id: int | str | None) -> str | None:
    special = None if study_id is None else _facts()["takes_section"].get(_key(study_id))
    return special if special in names else next((name for name in _CHOICE if name in names), None)


def _key(study_id: int | str) -> str:
    return f"s{str(study_id).removeprefix('s')}"


@cache
def _facts() -> dict[str, Any]:
    """The tables, those that list things by name turned round."""
    tables = tomllib.loads(files(__package__).joinpath("reference.toml").read_text("utf-8"))
    for table in ("names", "takes_section"):
        tables[table] = {thing: name for name, things in tables[table].items() for thing in things}
    return tables
