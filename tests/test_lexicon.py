"""The lexicon's own examples: each concept is found where its sentences state it, and not in its near misses."""

import re
from pathlib import Path

import pytest

from laudo import findings
from laudo.errors import InputError
from laudo.findings.lexicon import concepts, languages

SENTENCES = [
    pytest.param(concept.name, lang, sentence, kind == "examples", id=f"{concept.name}-{lang}-{sentence}")
    for concept in concepts().values()
    for kind in ("examples", "counterexamples")
    for lang, given in getattr(concept, kind).items()
    for sentence in given
]


@pytest.mark.parametrize(("concept", "lang", "sentence", "states"), SENTENCES)
def test_examples_state_their_concept(concept: str, lang: str, sentence: str, states: bool) -> None:
    stated = {fact.finding for fact in findings.read(sentence, lang=lang) if fact.status != "absent"}
    assert (concept in stated) == states


@pytest.mark.parametrize("concept", concepts().values(), ids=lambda concept: concept.name)
def test_every_concept_is_tried_in_every_language(concept) -> None:
    for lang in languages():
        assert concept.terms.get(lang) or concept.hints.get(lang) or concept.structure.get(lang)
        assert concept.examples.get(lang) and concept.counterexamples.get(lang)


# --- a folder of one's own ---------------------------------------------------------------------------------------

SPANISH = """
[cue.negation]
before = ["sin", "no hay"]
[cue.hedge]
either = ["posible"]
[side]
left = ["izquierd*"]
[joint]
or = ["o", "ni"]
[layout]
decimal = ","
silent = ["indicación"]
spoken = ["hallazgos"]
abbreviations = []
unfinished = ["de"]
denials = []
"""
SPANISH_WORDS = """
[pleural_effusion]
terms.es = ["derrame (pleural|)"]
[pneumothorax]
terms.es = ["neumotórax"]
"""


def folder(path: Path, **files: str) -> Path:
    """A lexicon of one's own: `concepts__ours="..."` becomes `concepts/ours.toml`."""
    for name, content in files.items():
        file = path.joinpath(*name.split("__")).with_suffix(".toml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, "utf-8")
    return path


def told(text: str, lang: str, lexicon: Path | None) -> list[tuple[str, str, str | None]]:
    return [(f.finding, f.status, f.side) for f in findings.read(text, lang=lang, lexicon=lexicon)]


def test_a_new_concept_is_a_data_file(tmp_path):
    words = '[spacer]\nlabel = "Support Devices"\nterms.pt = ["espaçador biodegradável"]\nterms.en = ["biodegradable spacer"]\n'
    ours = folder(tmp_path, concepts__ours=words)
    assert told("Espaçador biodegradável à esquerda.", "pt", ours) == [("spacer", "present", "left")]
    assert told("No biodegradable spacer.", "en", ours) == [("spacer", "absent", None)]
    assert told("Espaçador biodegradável à esquerda.", "pt", None) == []
    facts = findings.read("Espaçador biodegradável.", lang="pt", lexicon=ours)
    assert findings.labels(facts)["Support Devices"] == 1


def test_a_synonym_is_a_word_in_a_list(tmp_path):
    ours = folder(tmp_path, concepts__ours='[pneumothorax]\nterms.pt = ["ar na pleura"]\n')
    assert told("Ar na pleura à direita.", "pt", ours) == [("pneumothorax", "present", "right")]
    assert told("Pneumotórax à direita.", "pt", ours) == [("pneumothorax", "present", "right")]


def test_a_new_language_is_data_files(tmp_path):
    ours = folder(tmp_path, languages__es=SPANISH, concepts__es=SPANISH_WORDS)
    text = "Indicación: derrame. Hallazgos: Posible derrame pleural izquierdo. No hay neumotórax ni derrame."
    assert told(text, "es", ours) == [
        ("pleural_effusion", "uncertain", "left"),
        ("pneumothorax", "absent", None),
        ("pleural_effusion", "absent", None),
    ]


@pytest.mark.parametrize(
    ("files", "lang", "message"),
    [
        ({}, "pt", "holds neither concepts/ nor languages/"),
        ({"concepts__a": "[x"}, "pt", "cannot be read as TOML"),
        ({"concepts__a": '[x]\nterm.pt = ["y"]'}, "pt", "no concept with these keys"),
        ({"concepts__a": '[x]\nterms = ["y"]'}, "pt", "terms has no list of phrases"),
        ({"concepts__a": '[x]\nterms.pt = ["(y|z"]'}, "pt", "a bracket of '(y|z' is not closed"),
        ({"concepts__a": '[x]\nterms.pt = ["y"]'}, "xx", "no lexicon for the language 'xx'"),
        ({"languages__es": "[cues]"}, "es", "no language with these tables"),
        (
            {"languages__es": '[layout]\ndecimal = ","'},
            "es",
            "lacks abbreviations, denials, silent, spoken, unfinished",
        ),
    ],
)
def test_a_fault_of_the_folder_is_named(tmp_path, files, lang, message):
    with pytest.raises(InputError, match=re.escape(message)):
        findings.read("Derrame.", lang=lang, lexicon=folder(tmp_path, **files))
