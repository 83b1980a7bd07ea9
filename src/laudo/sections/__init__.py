"""A report into its sections, English and Portuguese, and back.

Headers are recognised at the start of a line: MIMIC's form (newline, space, CAPITALS, colon), and
flush-left, title-case, bold or stand-alone headers as other hospitals and models write them. Only known
headers divide; `RIGHT LUNG:` stays in the section it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from laudo.sections import headers

Lang = Literal["en", "pt"]


class Section(NamedTuple):
    """A normalised name (`findings`, `wet_read`, `last_paragraph`, ...) and the text under it."""

    name: str
    body: str


@dataclass(frozen=True)
class Report:
    """The sections of a report in the order of the text, `full_report` and `last_paragraph` at the end.

    A name may occur more than once.
    """

    sections: tuple[Section, ...]

    @property
    def order(self) -> list[str]:
        return [section.name for section in self.sections]

    @property
    def unwrapped(self) -> Report:
        """The same sections with their lines joined (`unwrap`)."""
        return Report(tuple(Section(section.name, unwrap(section.body)) for section in self.sections))

    def last(self, name: str) -> str | None:
        """The text of the last section of that name, as the last one is the radiologist's final word."""
        return next((section.body for section in reversed(self.sections) if section.name == name), None)


def split(text: str, *, lang: Lang = "en") -> Report:
    """Divide a report into sections; empty ones and title lines are left out.

    A text without headers is `full_report`. Where there is neither findings nor impression, all that follows
    the first blank line of the last section is `last_paragraph`; in a `full_report`, MIMIC's blank line alone
    counts (newline, space, newline). An addendum or wet read ends at the rule of underscores under it.

    Source of the rules: MIT-LCP's `section_parser.py` (mimic-cxr, MIT licence), made tolerant of other ways
    to write a header; docs/sections.md has every difference. `reference.split` is that parser itself.
    """
    raw = [
        section
        for section in _divided(text.replace("\r\n", "\n").replace("\r", "\n"), lang)
        if _says_something(section)
    ]
    if {"findings", "impression"}.isdisjoint(section.name for section in raw):
        raw = [s for s in _with_last_paragraph(_with_full_report(raw)) if _says_something(s)]
    return Report(tuple(Section(name, _trimmed(body)) for name, body in raw))


def target(report: Report) -> dict[str, str]:
    """What is translated, trained on and scored, section by section.

    Findings and impression where present, else the last paragraph, else the full report; never the
    indication, technique or comparison. Empty where the report says nothing about the image.
    """
    both = {name: body for name in ("findings", "impression") if (body := report.last(name))}
    bare = ((name, body) for name in _BARE if (body := report.last(name)))
    return both or dict(list(bare)[:1])


def chosen(report: Report) -> Section | None:
    """The one section to take where only one is wanted, as in `mimic_cxr_sections.csv`.

    The last impression, else findings, last paragraph, full report. Never the comparison, which MIT-LCP's
    parser falls back to, nor indication or technique: they say nothing about this image.
    """
    bodies = ((name, report.last(name)) for name in ("impression", "findings", *_BARE))
    return next((Section(name, body) for name, body in bodies if body), None)


def render(sections: Mapping[str, str], *, lang: Lang) -> str:
    """The text of target sections under fixed headings, which `split` gives back.

    A `last_paragraph` or `full_report` stands bare, without heading, and comes back as `full_report`,
    as nothing in it tells the two apart.
    """
    headed = [f"{title}: {sections[name]}" for name, title in HEADINGS[lang].items() if sections.get(name)]
    bare = [re.sub(r"\n[ \t]+(?=\n)", "\n", sections[name]) for name in _BARE if sections.get(name)]
    return "\n".join(headed or bare[:1])


def unwrap(body: str) -> str:
    """Join the lines of each paragraph, broken by MIMIC before 80 characters; list items keep their line."""
    if "\n" not in body:
        return body.strip()
    paragraphs = (_joined(block) for block in _BETWEEN.split(body))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


_BETWEEN = re.compile(r"\n(?:[ \t]*\n)+")


HEADINGS: dict[Lang, dict[str, str]] = {
    "en": {"findings": "FINDINGS", "impression": "IMPRESSION"},
    "pt": {"findings": "ACHADOS", "impression": "IMPRESSÃO"},
}
_BARE = ("last_paragraph", "full_report")
TARGETS = ("findings", "impression", *_BARE)
"""The sections that may be a target."""

# --- sections ---------------------------------------------------------------------------------------


def _divided(text: str, lang: Lang) -> Iterator[Section]:
    """The raw sections; `preamble` before the first header, after a title, and after an addendum's rule."""
    text = f"\n{text}\n"  # every line between line breaks, as `headers.LINE` has it
    name, start = "preamble", 1
    for line in headers.LINE.finditer(text):
        if line["rule"]:
            opened = "preamble" if name in _ASIDE else None
        else:
            opened = headers.opened(line, start=start, lang=lang)
        if opened:
            yield Section(name, text[start : line.start()])
            name, start = opened, line.end()
    yield Section(name, text[start:-1])


_ASIDE = {"addendum", "wet_read"}
"""Beside the report proper: never its last paragraph."""


_RULE = re.compile(r"^[ \t]*+_{10,}+[ \t]*+$", re.MULTILINE)


def _trimmed(body: str) -> str:
    """Without rules, which are layout, and without blank ends."""
    return (_RULE.sub("", body) if "_" * 10 in body else body).strip()


def _says_something(section: Section) -> bool:
    """Whether there is text; where it may be a target, a word (`CHEST: ___`) and no lone title (`Ribs:`)."""
    body = _trimmed(section.body)
    if section.name not in TARGETS:
        return bool(body)
    return bool(re.search(r"[^\W_]", body)) and not (body[-1] in ":-" and "\n" not in body)


def _with_full_report(raw: list[Section]) -> list[Section]:
    """Beside addenda and wet reads there is no header: what remains is the report."""
    own = [section for section in raw if section.name not in _ASIDE]
    if not own or any(section.name != "preamble" for section in own):
        return raw
    whole = Section("full_report", "\n".join(section.body for section in own))
    return [*(section for section in raw if section.name in _ASIDE), whole]


def _with_last_paragraph(raw: list[Section]) -> list[Section]:
    """The last section of the report proper keeps its first paragraph, the others become `last_paragraph`."""
    at = max((i for i, section in enumerate(raw) if section.name not in _ASIDE), default=None)
    if at is None:
        return raw
    name, body = raw[at]
    if name == "full_report":
        # Only MIMIC's blank line: a model's text without headings is all report, however it is spaced.
        first, others = body, body.partition("\n \n")[2]
    elif _LEFT_EMPTY.match(body):
        first, others = "", body
    else:
        first, *more = _BLANK_LINE.split(body.strip(), maxsplit=1)
        others = "".join(more)
    return [*raw[:at], Section(name, first), *raw[at + 1 :], Section("last_paragraph", others)]


_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# One blank line after a header is a way to write it; after two or more, the header was left empty.
_LEFT_EMPTY = re.compile(r"[ \t]*\n(?:[ \t]*\n){2}")


# --- lines ------------------------------------------------------------------------------------------

_ITEM = re.compile(r"(?:(?P<number>\d{1,2})[.)]|[-*•])[ \t]+\S")


def _joined(block: str) -> str:
    """One line, save for the items of a list: they begin a line after a sentence's end or the item before."""
    pieces: list[str] = []
    item: re.Match[str] | None = None
    for line in map(str.strip, block.split("\n")):
        if not line:
            continue
        found = _ITEM.match(line)
        starts = found and (not pieces or pieces[-1][-1] in ".:;!?" or (item and _follows(item, found)))
        pieces.append(("\n" if starts else " ") + line)
        item = found if starts else item
    return "".join(pieces).strip()


def _follows(before: re.Match[str], item: re.Match[str]) -> bool:
    """Whether an item is the next one of a list: a wrapped line may begin with `8. ` or `- `."""
    if not item["number"] or not before["number"]:
        return item["number"] == before["number"]  # both are bullets
    return int(item["number"]) == int(before["number"]) + 1
