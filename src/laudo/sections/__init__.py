"""A report into its sections, English and Portuguese, and back.

Headers are recognised at the start of a line: MIMIC's form (newline, space, CAPITALS, colon), and
flush-left, title-case, bold or stand-alone headers as other hospitals and models write them. Only known
headers divide; `RIGHT LUNG:` stays in the section it is in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

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

    def last(self, name: str) -> str | None:
        """The text of the last section of that name, as the last one is the radiologist's final word."""
        return next((section.body for section in reversed(self.sections) if section.name == name), None)


def split(text: str, *, lang: Lang = "en") -> Report:
    """Divide a report into sections; empty ones and title lines are left out.

    A text without headers is `full_report`. Where there is neither findings nor impression, all that follows
    the first blank line of the last section is `last_paragraph`; in a `full_report`, MIMIC's blank line alone
    counts (newline, space, newline). An addendum or wet read ends at the rule of underscores under it.

    Source of the rules: MIT-LCP's `section_parser.py` (mimic-cxr, MIT licence), made tolerant of other ways
    to write a header.
    """
    raw = [section for section in _divided(text.replace("\r\n", "\n"), lang) if _says_something(section)]
    names = {section.name for section in raw}
    if not names & {"findings", "impression"}:
        raw = _with_last_paragraph(_with_full_report(raw))
    return Report(tuple(Section(name, _trimmed(body)) for name, body in raw if _trimmed(body)))


def target(report: Report) -> dict[str, str]:
    """What is translated, trained on and scored, section by section.

    Findings and impression where present, else the last paragraph, else the full report; never the
    indication, technique or comparison. Empty where the report says nothing about the image.
    """
    both = {name: body for name in ("findings", "impression") if (body := report.last(name))}
    bare = ((name, body) for name in _BARE if (body := report.last(name)))
    return both or dict(list(bare)[:1])


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
    paragraphs = (_joined(block) for block in re.split(r"\n(?:[ \t]*\n)+", body))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


HEADINGS: dict[Lang, dict[str, str]] = {
    "en": {"findings": "FINDINGS", "impression": "IMPRESSION"},
    "pt": {"findings": "ACHADOS", "impression": "IMPRESSÃO"},
}
_BARE = ("last_paragraph", "full_report")

# --- headers ----------------------------------------------------------------------------------------

# Spellings without accents, in lower case. The misspellings are those MIT-LCP's section_parser.py lists (MIT
# licence), save `ndication`, which it takes for impression by mistake.
_ENGLISH = {
    "findings": "findings|finding|findins|findindgs|findgings|findngs|findnings|finidngs|reference findings",
    "impression": (
        "impression|impressions|conclusion|conclusions|findings and impression|findings/impression|impresson|"
        "imprression|imoression|impressoin|imprssion|impresion|imperssion|mpression|impession"
    ),
    "indication": (
        "indication|indications|reason for exam|reason for examination|reason for study|clinical indication|"
        "idication|ndication"
    ),
    "history": "history|clinical history|clinical information|patient history|medical history|pfi",
    "technique": "technique|techniques|procedure|views",
    "comparison": (
        "comparison|comparisons|comparison exam|comparison film|reference exam|prior study|prior studies|"
        "comparision|comparisions|comparsion|comparrison|technique/comparison"
    ),
    "examination": "examination|exam|study|type of examination|date|exam date",
    "recommendations": "recommendation|recommendations|recommendation(s)",
    "notification": "notification|notifications",
    "comment": "comment|comments|note",
    "wet_read": "wet read|wetread|preliminary read",
    "addendum": "addendum|addenda|final addendum",
}
_PORTUGUESE = {
    "findings": (
        "achados|achado|achados radiologicos|achados radiograficos|analise|relatorio|laudo|descricao|"
        "os seguintes aspectos foram observados"
    ),
    "impression": (
        "impressao|impressao diagnostica|conclusao|conclusoes|opiniao|achados e impressao|achados/impressao"
    ),
    "indication": (
        "indicacao|indicacao clinica|indicacao do exame|motivo do exame|informes clinicos|informe clinico"
    ),
    "history": (
        "historico|historia|historia clinica|historico clinico|dados clinicos|informacoes clinicas|"
        "informacao clinica"
    ),
    "technique": "tecnica|tecnica do exame|tecnica de exame|metodo|metodologia|procedimento|incidencias",
    "comparison": (
        "comparacao|comparacoes|comparativo|estudo comparativo|exame anterior|exames anteriores|"
        "exames previos|exame previo|exame(s) anterior(es)|estudos anteriores"
    ),
    "examination": "exame|exame realizado|estudo|data|data do exame",
    "recommendations": "recomendacao|recomendacoes|recomendacao(oes)|sugestao|sugestoes|conduta sugerida",
    "notification": "notificacao|notificacoes|comunicacao",
    "comment": "comentario|comentarios|nota|notas|observacao|observacoes|obs",
    "wet_read": "leitura preliminar|laudo preliminar",
    "addendum": "adendo|adenda|aditamento",
}
# Known by a part of the header, in this order, where it is in capitals before a colon (as section_parser.py).
_PARTS = {
    "impress": "impression",
    "conclus": "impression",
    "findings": "findings",
    "achados": "findings",
    "history": "history",
    "comparison": "comparison",
    "comparacao": "comparison",
    "addendum": "addendum",
    "adendo": "addendum",
}
# A header that names only views (`CHEST, PA AND LATERAL:`) has the findings under it (as section_parser.py).
_VIEW_NOUNS = re.compile(r"chest|torax|portable|ribs|radiographs?|radiografia|rx|views?|window")
_VIEW_WORDS = re.compile(
    rf"(?:(?:{_VIEW_NOUNS.pattern}|ap|pa|lat|lateral|frontal|semi|upright|erect|supine|bone|left|right|one|"
    r"two|three|single|and|of|the|in|perfil|leito|raios?|x|incidencias?|de|d[oa]|n[oa]|em|e)\b\W*)+"
)
_TITLE = re.compile(r"[ \t]*(?:final report|relat[óo]rio final|laudo final)[ \t]*:?[ \t]*", re.IGNORECASE)
_RULE = re.compile(r"[ \t]*_{10,}[ \t]*")
_HEADER = re.compile(
    r"[ \t]*(?P<mark>\*{2,3}|#{1,6})?[ \t]*(?P<name>[^\W\d_][^\d_:*#]{0,59}?)[ \t]*(?(mark)\**)[ \t]*"
    r"(?P<end>:|[-–—](?=[ \t])|$)(?(mark)\**)[ \t]*(?P<rest>.*)"
)
_SENTENCE_END = re.compile(r"[.:;!?][ \t]*$")


def _spellings(table: Mapping[str, str]) -> dict[str, str]:
    return {spelling: name for name, spellings in table.items() for spelling in spellings.split("|")}


_KNOWN: dict[Lang, dict[str, str]] = {
    "en": _spellings(_ENGLISH),
    # A model asked for Portuguese may leave an English heading; the section under it is still that section.
    "pt": _spellings(_ENGLISH) | _spellings(_PORTUGUESE),
}


def _plain(name: str) -> str:
    """Lower case, no accents, single spaces, none around a slash."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"\s*/\s*", "/", " ".join(bare.casefold().split()))


def _header(line: str, *, lang: Lang, fresh: bool) -> tuple[str, str] | None:
    """Name of the section that the line opens and the rest of the line, None for ordinary text.

    `fresh` says that a sentence may begin here, without which words in small letters are only
    words: a wrapped line can begin with `comparison:`.
    """
    found = _HEADER.fullmatch(line)
    if not found:
        return None
    name, end = found["name"], found["end"]
    loud = name == name.upper() or bool(found["mark"])
    section = _KNOWN[lang].get(_plain(name))
    if section is None and end == ":" and name == name.upper():
        section = _inferred(_plain(name))
    quiet_enough = fresh and (end == ":" or (end == "" and name[0].isupper()))
    return (section, found["rest"]) if section and (loud or quiet_enough) else None


def _inferred(plain: str) -> str | None:
    """Section of an unlisted header in capitals: by a part of it, or findings where it names only views."""
    by_part = next((section for part, section in _PARTS.items() if part in plain), None)
    return by_part or ("findings" if _VIEW_WORDS.fullmatch(plain) and _VIEW_NOUNS.search(plain) else None)


def _divided(text: str, lang: Lang) -> Iterator[Section]:
    """The raw sections; `preamble` before the first header, after a title, and after an addendum's rule."""
    name, lines, fresh = "preamble", list[str](), True
    for line in text.split("\n"):
        header = _header(line, lang=lang, fresh=fresh)
        layout = bool(_TITLE.fullmatch(line) or _RULE.fullmatch(line))
        if header or _TITLE.fullmatch(line) or (layout and name in _ASIDE):
            yield Section(name, "\n".join(lines))
            name, first = header or ("preamble", line)
            lines = [first]
        else:
            lines.append(line)
        fresh = layout or not lines[-1].strip() or bool(_SENTENCE_END.search(lines[-1]))
    yield Section(name, "\n".join(lines))


_ASIDE = {"addendum", "wet_read"}
"""Beside the report proper: never its last paragraph."""


def _trimmed(body: str) -> str:
    """Without titles and rules, which are layout, and without blank ends."""
    lines = ("" if _RULE.fullmatch(line) else line for line in body.split("\n") if not _TITLE.fullmatch(line))
    return "\n".join(lines).strip()


def _says_something(section: Section) -> bool:
    """Whether there is text; for findings and impression a word, as `CHEST, TWO VIEWS: ___` is a title."""
    body = _trimmed(section.body)
    return bool(re.search(r"[^\W_]", body)) if section.name in ("findings", "impression") else bool(body)


def _with_full_report(raw: list[Section]) -> list[Section]:
    """Beside addenda and wet reads there is no header: what remains is the report."""
    own = [section for section in raw if section.name not in _ASIDE]
    if not own or any(section.name != "preamble" for section in own):
        return raw
    whole = Section("full_report", "\n".join(section.body for section in own))
    return [*(section for section in raw if section.name in _ASIDE), whole]


def _with_last_paragraph(raw: list[Section]) -> list[Section]:
    """The last section keeps its first paragraph, the others become `last_paragraph`."""
    if not raw or raw[-1].name in _ASIDE | {"notification"}:
        return raw
    name, body = raw[-1]
    if name == "full_report":
        # Only MIMIC's blank line: a model's text without headings is all report, however it is spaced.
        first, others = body, body.partition("\n \n")[2]
    else:
        first, *more = re.split(r"\n[ \t]*\n", body.strip(), maxsplit=1)
        others = "".join(more)
    return [*raw[:-1], Section(name, first), Section("last_paragraph", others)]


# --- lines ------------------------------------------------------------------------------------------

_ITEM = re.compile(r"(?:\d{1,2}[.)]|[-*•])[ \t]+\S")


def _joined(block: str) -> str:
    lines: list[str] = []
    for line in (line.strip() for line in block.split("\n")):
        if not lines or _ITEM.match(line):
            lines.append(line)
        else:
            lines[-1] = f"{lines[-1]} {line}"
    return "\n".join(lines).strip()
