"""Sections of invented reports. The expected sections were worked out by hand."""

import os
import re
import textwrap
import tomllib
import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import long_texts
import openi
from laudo.sections import chosen, headers, headers_digest, reference, render, split, target, unwrap
from laudo.vocabulary import Language

LANGUAGES: tuple[Language, ...] = ("en", "pt")
TITLE = " " * 33 + "FINAL REPORT\n"
RULE = " " + "_" * 78 + "\n"


def parts(text: str, lang: Language = "en") -> list[tuple[str, str]]:
    return [(section.name, section.body) for section in split(text, lang=lang).sections]


# (what it shows, text, sections in order), all worked out by hand
ENGLISH = [
    (
        "MIMIC's form",
        TITLE + " INDICATION:  Cough.\n \n COMPARISON:  ___.\n \n FINDINGS: \n \n Lungs are\n clear.\n \n"
        " IMPRESSION:  Normal.\n",
        [
            ("indication", "Cough."),
            ("comparison", "___."),
            ("findings", "Lungs are\n clear."),
            ("impression", "Normal."),
        ],
    ),
    (
        "flush left",
        "FINDINGS: Clear.\nIMPRESSION: Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "title case",
        "Findings: Clear.\n\nImpression: Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "bold",
        "**Findings:** Clear.\n**Impression**: Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "markdown",
        "## Findings\nClear.\n## Impression\nNormal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "alone on its line",
        "FINDINGS\nClear.\n\nIMPRESSION\nNormal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "a dash for a colon",
        "HISTORY - Fever.\nFINDINGS - Clear.",
        [("history", "Fever."), ("findings", "Clear.")],
    ),
    (
        "Windows line ends",
        "FINDINGS: Clear.\r\nIMPRESSION: Normal.\r\n",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "a misspelling",
        " FINDNGS: Clear.\n IMPRESSON: Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "a dash in small letters",
        "Findings - Clear.\nImpression – Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    (
        "no blank after the colon",
        " FINDINGS:Clear.\n IMPRESSION:Normal.",
        [("findings", "Clear."), ("impression", "Normal.")],
    ),
    ("a header right below another", " TECHNIQUE:\n FINDINGS:\n Clear.", [("findings", "Clear.")]),
    # MIT-LCP's parser takes this one for the impression by mistake (mimic-code#1982)
    (
        "ndication",
        " NDICATION: Cough.\n FINDINGS: Clear.",
        [("indication", "Cough."), ("findings", "Clear.")],
    ),
    ("both in one", " FINDINGS AND IMPRESSION: Clear.", [("impression", "Clear.")]),
    ("a part of the header", " PRELIMINARY IMPRESSION: Clear.", [("impression", "Clear.")]),
    ("a view as header", " CHEST, PA AND LATERAL:  Clear.", [("findings", "Clear.")]),
    (
        "a view as title",
        " CHEST, TWO VIEWS: ___\n INDICATION: Cough.\n IMPRESSION: Clear.",
        [("indication", "Cough."), ("impression", "Clear.")],
    ),
    (
        "a subheading stays",
        " FINDINGS:\n RIGHT LUNG: clear.\n LEFT LUNG: clear.",
        [("findings", "RIGHT LUNG: clear.\n LEFT LUNG: clear.")],
    ),
    (
        "a wrapped line is no header",
        " FINDINGS: No change on\n comparison: clear.",
        [("findings", "No change on\n comparison: clear.")],
    ),
    (
        "a sentence that begins with the word",
        " HISTORY: Cough.\n \n Clear lungs.\n \n Findings: as described.",
        [("history", "Cough."), ("last_paragraph", "Clear lungs.\n \n Findings: as described.")],
    ),
    (
        "a wrapped line that begins with a sentence",
        " IMPRESSION: No pneumonia.\n Findings: The lungs.\n \n Impression: Normal.",
        [("impression", "No pneumonia.\n Findings: The lungs."), ("impression", "Normal.")],
    ),
    ("a second header on the line", " IMPRESSION: AP CHEST: clear.", [("impression", "AP CHEST: clear.")]),
    (
        "text after the impression",
        " IMPRESSION: Edema.\n NOTIFICATION: Told ___.\n RECOMMENDATION(S): CT.",
        [("impression", "Edema."), ("notification", "Told ___."), ("recommendations", "CT.")],
    ),
    (
        "an addendum on top",
        TITLE + " ADDENDUM:  The nodule is old.\n" + RULE + TITLE + " Portable film.\n FINDINGS: A nodule.\n",
        [("addendum", "The nodule is old."), ("preamble", "Portable film."), ("findings", "A nodule.")],
    ),
    (
        "a numbered addendum",
        " ADDENDUM #2: The nodule is old.\n IMPRESSION: Normal.",
        [("addendum", "The nodule is old."), ("impression", "Normal.")],
    ),
    (
        "an addendum below, which is not the last paragraph",
        " HISTORY: Cough.\n \n Clear.\n \n ADDENDUM: Told.\n \n Told again.",
        [("history", "Cough."), ("addendum", "Told.\n \n Told again."), ("last_paragraph", "Clear.")],
    ),
    (
        "a header inside the addendum",
        " ADDENDUM:  Corrected.\n IMPRESSION: Two nodules.\n" + RULE + TITLE + " IMPRESSION: A nodule.\n",
        [("addendum", "Corrected."), ("impression", "Two nodules."), ("impression", "A nodule.")],
    ),
    (
        "a wet read",
        " " * 33 + "WET READ: ___ ___ 3:10 PM\n  No pneumothorax.\n" + RULE + TITLE + " FINDINGS: Clear.\n",
        [("wet_read", "___ ___ 3:10 PM\n  No pneumothorax."), ("findings", "Clear.")],
    ),
    ("no header", TITLE + " The lungs are clear.\n", [("full_report", "The lungs are clear.")]),
    (
        "no header after a wet read",
        " WET READ: Fine.\n" + RULE + TITLE + " The lungs are clear.\n",
        [("wet_read", "Fine."), ("full_report", "The lungs are clear.")],
    ),
    (
        "a last paragraph",
        " INDICATION: Cough.\n \n Clear.\n \n Heart normal.\n",
        [("indication", "Cough."), ("last_paragraph", "Clear.\n \n Heart normal.")],
    ),
    (
        "a blank line under the header",
        " TECHNIQUE: \n \n PA and lateral.\n \n Clear.\n",
        [("technique", "PA and lateral."), ("last_paragraph", "Clear.")],
    ),
    (
        "a header left empty",
        " HISTORY:\n \n \n Clear.\n \n Heart normal.\n",
        [("last_paragraph", "Clear.\n \n Heart normal.")],
    ),
    (
        "a last section that is empty",
        " HISTORY: Cough.\n \n Clear.\n \n COMMENT:\n",
        [("history", "Cough."), ("last_paragraph", "Clear.")],
    ),
    ("a title and nothing else", " Ribs:\n", []),
    (
        "a title with the report on its line",
        " HISTORY: Cough.\n FINAL REPORT: Clear.\n IMPRESSION: Normal.",
        [("history", "Cough."), ("preamble", "Clear."), ("impression", "Normal.")],
    ),
    (
        "a last paragraph without headers",
        " Portable film.\n \n Clear.\n",
        [("full_report", "Portable film.\n \n Clear."), ("last_paragraph", "Clear.")],
    ),
    (
        "a model's paragraphs are all report",
        "Clear.\n\nHeart normal.",
        [("full_report", "Clear.\n\nHeart normal.")],
    ),
    ("nothing", " \n \n", []),
]

PORTUGUESE = [
    (
        "a Brazilian report",
        "TÉCNICA: PA e perfil.\nINDICAÇÃO: Tosse.\nCOMPARAÇÃO: ___.\nANÁLISE: Pulmões limpos.\n"
        "CONCLUSÃO: Exame normal.",
        [
            ("technique", "PA e perfil."),
            ("indication", "Tosse."),
            ("comparison", "___."),
            ("findings", "Pulmões limpos."),
            ("impression", "Exame normal."),
        ],
    ),
    (
        "without accents",
        "ACHADOS: Limpos.\nIMPRESSAO: Normal.",
        [("findings", "Limpos."), ("impression", "Normal.")],
    ),
    ("decomposed accents", "IMPRESSA\u0303O: Normal.", [("impression", "Normal.")]),
    (
        "bold",
        "**Achados:** Limpos.\n\n**Impressão diagnóstica:** Normal.",
        [("findings", "Limpos."), ("impression", "Normal.")],
    ),
    (
        "alone, title case",
        "Achados\nLimpos.\n\nImpressão\nNormal.",
        [("findings", "Limpos."), ("impression", "Normal.")],
    ),
    (
        "a report under its title",
        "RELATÓRIO\nLimpos.\nOPINIÃO: Normal.",
        [("findings", "Limpos."), ("impression", "Normal.")],
    ),
    (
        "small letters after the header",
        "Achados: pulmões limpos.\nImpressão: exame normal.\nObs.: ver anterior.",
        [("findings", "pulmões limpos."), ("impression", "exame normal."), ("comment", "ver anterior.")],
    ),
    (
        "a heading in Markdown, and a dash",
        "### Análise\nLimpos.\n\nConclusão — normal.",
        [("findings", "Limpos."), ("impression", "normal.")],
    ),
    (
        "under a final title",
        "ADENDO: lado corrigido.\n" + RULE + "LAUDO FINAL\nINFORMES CLÍNICOS: tosse.\nOpinião: normal.",
        [("addendum", "lado corrigido."), ("indication", "tosse."), ("impression", "normal.")],
    ),
    (
        "parts of a header in capitals",
        "COMPARAÇÃO COM EXAME ANTERIOR: nada.\nACHADOS PULMONARES: limpos.",
        [("comparison", "nada."), ("findings", "limpos.")],
    ),
    (
        "an English heading left over",
        "FINDINGS: Limpos.\nIMPRESSÃO: Normal.",
        [("findings", "Limpos."), ("impression", "Normal.")],
    ),
    (
        "history",
        "DADOS CLÍNICOS: Febre.\nHISTÓRICO: Asma.\nACHADOS: Limpos.",
        [("history", "Febre."), ("history", "Asma."), ("findings", "Limpos.")],
    ),
    (
        "no header",
        "Pulmões limpos.\n\nCoração normal.",
        [("full_report", "Pulmões limpos.\n\nCoração normal.")],
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in ENGLISH], ids=[case[0] for case in ENGLISH]
)
def test_english(text: str, expected: list[tuple[str, str]]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in PORTUGUESE], ids=[case[0] for case in PORTUGUESE]
)
def test_portuguese(text: str, expected: list[tuple[str, str]]) -> None:
    assert parts(text, "pt") == expected


HEADERS = tomllib.loads(files("laudo.sections").joinpath("headers.toml").read_text("utf-8"))
SPELLINGS = [
    (name, lang, word) for name, lists in HEADERS.items() for lang in LANGUAGES for word in lists[lang]
]


@pytest.mark.parametrize(("name", "lang", "word"), SPELLINGS, ids=[spelling[2] for spelling in SPELLINGS])
def test_every_spelling_opens_its_section(name: str, lang: Language, word: str) -> None:
    without_accents = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    expected = "full_report" if name == "preamble" else name  # alone under a title
    for text in (
        f"{word.upper()}: Um.",
        f" {without_accents.upper()}:\n Um.\n",
        f"**{word.capitalize()}:** Um.",
        f"## {word.title()}\n\nUm.",
        f"{word.capitalize()} - Um.",
        f"{word.capitalize()}\nUm.",
    ):
        assert parts(text, lang) == [(expected, "Um.")], text


def test_portuguese_headers_do_not_divide_an_english_report() -> None:
    assert split("NOTA: x", lang="en").order == ["full_report"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" FINDINGS: Clear.\n IMPRESSION: Normal.", {"findings": "Clear.", "impression": "Normal."}),
        (" IMPRESSION: A nodule.\n IMPRESSION: Two nodules.", {"impression": "Two nodules."}),
        (" FINDINGS: Clear.\n HISTORY: Fever.", {"findings": "Clear."}),
        (" INDICATION: Cough.\n \n Clear.", {"last_paragraph": "Clear."}),
        ("Clear.", {"full_report": "Clear."}),
        (" INDICATION: Cough.\n TECHNIQUE: PA.\n COMPARISON: None.", {}),
        (" ADDENDUM: Told.\n \n Told again.", {}),
        ("", {}),
    ],
)
def test_target(text: str, expected: dict[str, str]) -> None:
    assert target(split(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" FINDINGS: Clear.\n IMPRESSION: Normal.", ("impression", "Normal.")),
        (" IMPRESSION: A nodule.\n FINDINGS: Clear.\n IMPRESSION: Two.", ("impression", "Two.")),
        (" FINDINGS: Clear.\n COMPARISON: None.", ("findings", "Clear.")),
        (" INDICATION: Cough.\n \n Clear.", ("last_paragraph", "Clear.")),
        ("Clear.", ("full_report", "Clear.")),
        (" INDICATION: Cough.\n TECHNIQUE: PA.\n COMPARISON: None.", None),
        ("", None),
    ],
)
def test_chosen(text: str, expected: tuple[str, str] | None) -> None:
    assert chosen(split(text)) == expected


def test_order_names_every_section() -> None:
    assert split(" HISTORY: a.\n IMPRESSION: b.\n IMPRESSION: c.").order == [
        "history",
        "impression",
        "impression",
    ]


@pytest.mark.parametrize(
    ("sections", "lang", "expected"),
    [
        ({"impression": "Normal.", "findings": "Clear."}, "en", "FINDINGS: Clear.\nIMPRESSION: Normal."),
        ({"findings": "Limpos.", "impression": "Normal."}, "pt", "ACHADOS: Limpos.\nIMPRESSÃO: Normal."),
        ({"impression": "Normal."}, "pt", "IMPRESSÃO: Normal."),
        ({"last_paragraph": "Limpos."}, "pt", "Limpos."),
        ({"full_report": "Clear.", "last_paragraph": ""}, "en", "Clear."),
        ({}, "en", ""),
    ],
)
def test_render(sections: dict[str, str], lang: Language, expected: str) -> None:
    assert render(sections, lang=lang) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Lungs are\n clear.", "Lungs are clear."),
        ("One\n two.\n \n Three\n four.\n", "One two.\n\nThree four."),
        ("1. One\n two.\n 2. Three.\n - four", "1. One two.\n2. Three.\n- four"),
        ("\n\n \n", ""),
        ("A nodule of\n 2.5 cm.", "A nodule of 2.5 cm."),
        ("", ""),
    ],
)
def test_unwrap(body: str, expected: str) -> None:
    assert unwrap(body) == expected


PIECES = st.sampled_from(
    [
        "FINDINGS:",
        " FINDINGS: ",
        "IMPRESSION",
        " Impression: ",
        "**Achados:**",
        "IMPRESSÃO: ",
        "CONCLUSÃO -",
        " INDICATION:",
        "ADDENDUM:",
        " WET READ:",
        "FINAL REPORT",
        RULE,
        "\n",
        "\n \n",
        "\n\n",
        "\n ",
        " ",
        "The lungs are clear.",
        "___",
        "1. Edema.",
        "* a",
        "- b",
        "RIGHT LUNG: clear.",
        "CHEST (AP):",
        "Sem derrame",
        "comparison: none",
        "\r\n",
        "\t",
        "#",
        ":",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=200))
LANGS = st.sampled_from(LANGUAGES)


@given(TEXTS, LANGS)
@settings(max_examples=400, deadline=None)
def test_what_is_rendered_comes_back(text: str, lang: Language) -> None:
    # The rest of a title's line is no header, but would be one on a line of its own.
    assume(not re.search(r"FINAL REPORT *:[ *]*[^\s*]", text))
    sections = target(split(text, lang=lang))
    again = target(split(render(sections, lang=lang), lang=lang))
    if "last_paragraph" in sections:  # nothing in the text tells the two apart
        sections = {"full_report": sections["last_paragraph"]}
    assert {name: body.split() for name, body in again.items()} == {
        name: body.split() for name, body in sections.items()
    }


@given(TEXTS, LANGS)
@settings(max_examples=200, deadline=None)
def test_no_section_is_empty_and_nothing_is_invented(text: str, lang: Language) -> None:
    for section in split(text, lang=lang).sections:
        assert section.body.strip()
        assert all(visible(word) in visible(text) for word in section.body.split())


def visible(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


@given(TEXTS, LANGS)
@settings(max_examples=200, deadline=None)
def test_one_section_is_chosen_of_those_that_are_target(text: str, lang: Language) -> None:
    report = split(text, lang=lang)
    section, targets = chosen(report), target(report)
    assert (section is None) == (not targets)
    assert section is None or targets[section.name] == section.body


# A megabyte each. If dividing or joining took more than linear time, this would take hours.
# benchmarks/long_texts.py measures how long it takes.
@pytest.mark.parametrize("piece", long_texts.BEGINNINGS)
def test_a_megabyte_keeps_its_words(piece: str) -> None:
    text = f"\n FINDINGS: a\n{long_texts.megabyte(piece)}"
    for body in target(split(text, lang="pt")).values():
        assert unwrap(body).split() == body.split()
    assert split(text, lang="pt").last("findings").split()[0][0] == "a"
    assert reference.split(text).target.split()[0][0] == "a"


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_unwrap_twice_is_unwrap(text: str) -> None:
    assert unwrap(unwrap(text)) == unwrap(text)


@pytest.mark.parametrize("name", ["headers.toml", "reference.toml"])
def test_the_digest_changes_with_a_byte(name: str, tmp_path, monkeypatch) -> None:
    for file in ("headers.toml", "reference.toml"):
        (tmp_path / file).write_bytes(headers.data_folder().joinpath(file).read_bytes())
    of_package = headers_digest()
    monkeypatch.setattr(headers, "data_folder", lambda: tmp_path)
    assert headers_digest() == of_package
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content.replace(b"impression", b"impressiom", 1))
    assert headers_digest() != of_package
    assert len(of_package) == 16 and int(of_package, 16) >= 0


# --- real reports -----------------------------------------------------------------------------------------

REAL = os.environ.get("LAUDO_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="LAUDO_REAL_DATA names no folder of real inputs")


def openi_reports() -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the 3,955 real reports of Open-i: the file, and its sections in their order."""
    for name, sections in openi.reports(Path(REAL or "")):
        yield name, {label.lower(): text.strip() for label, text in sections.items()}


def in_mimic_form(sections: dict[str, str]) -> str:
    """Returns sections under a centred title, with `NAME:  ` before each and `\\n \\n` between them.

    The lines have less than 80 characters and begin with a blank.
    """
    bodies = [f"{name.upper()}:  {body}" for name, body in sections.items()]
    wrapped = (textwrap.wrap(b, 78, break_on_hyphens=False, break_long_words=False) for b in bodies)
    return TITLE + " \n" + "\n \n".join("\n".join(f" {line}" for line in lines) for lines in wrapped) + "\n"


# Its impression contains a complete report, dictated twice. When the text is wrapped, its own `IMPRESSION:`
# begins a line. Nothing distinguishes it from a header, and both modes take the text after it.
CONTAINS_A_REPORT = "ecgen-radiology/2415.xml"


@real
def test_every_section_of_every_real_report_in_mimic_form_comes_back() -> None:
    different, count = set(), 0
    for file, sections in openi_reports():
        expected = {name: body.split() for name, body in sections.items() if body}
        for report in (split(in_mimic_form(sections)), reference.split(in_mimic_form(sections))):
            if {name: (report.last(name) or "").split() for name in expected} != expected:
                different.add(file)
        count += 1
    assert (count, different) == (3_955, {CONTAINS_A_REPORT})


# --- blanks of word processors --------------------------------------------------------------------------------

BLANKS = [chr(c) for c in range(0x80, 0x10000) if unicodedata.category(chr(c)) == "Zs"]
"""Unicode's own list."""
NOTHING = ["\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\ufeff"]
"""Soft hyphen, zero width (blank, joiner and non-joiner, no-break) and a mark of direction."""
BREAKS = ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
"""UAX 14: the mandatory breaks BK and NL."""


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_any_blank_of_unicode_is_a_blank(blank):
    plain = " FINDINGS: No edema.\n \n CONTRAST / TECHNIQUE : PA.\n \n IMPRESSION - Normal."
    assert parts(plain.replace(" ", blank)) == parts(plain)


@pytest.mark.parametrize("sign", NOTHING, ids=ascii)
def test_what_shows_nothing_hides_no_header(sign):
    assert parts(f"{sign}FIND{sign}INGS{sign}:{sign} Clear.\nIMPRESSION: {sign}Normal.") == [
        ("findings", "Clear."),
        ("impression", "Normal."),
    ]


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_any_line_break_of_unicode_is_a_line_break(line_break):
    text = f"ACHADOS: Sem derrame.{line_break}IMPRESSÃO: Normal."
    assert parts(text, "pt") == [("findings", "Sem derrame."), ("impression", "Normal.")]
