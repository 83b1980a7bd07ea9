"""The lexicon's own examples: each concept is found where its sentences state it, and not in its near misses."""

import re
from pathlib import Path

import pytest

from laudo import findings
from laudo.errors import InputError
from laudo.findings.lexicon import concepts, languages


def test_examples_state_their_concept_and_near_misses_do_not() -> None:
    assert findings.mistaken() == []


@pytest.mark.parametrize("concept", concepts().values(), ids=concepts())
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


def test_examples_of_ones_own_are_tried(tmp_path):
    words = '[spacer]\nterms.en = ["gizmo"]\nexamples.en = ["A gadget on the left."]\ncounterexamples.en = ["No gizmo."]\n'
    assert findings.mistaken(lexicon=folder(tmp_path, concepts__ours=words)) == [
        "spacer, en: A gadget on the left."
    ]


def test_a_file_that_was_changed_is_read_again(tmp_path):
    folder(tmp_path, concepts__ours='[spacer]\nterms.en = ["gizmo"]\n')
    assert told("Gadget.", "en", tmp_path) == []
    folder(tmp_path, concepts__ours='[spacer]\nterms.en = ["gadget"]\n')
    findings.forget()
    assert told("Gadget.", "en", tmp_path) == [("spacer", "present", None)]


def test_words_that_fit_two_phrases_do_both(tmp_path):
    """A word added in one place must not take it from a phrase with any ending in another."""
    ours = folder(tmp_path, concepts__ours='[a]\nterms.en = ["gizmo*"]\n[b]\nterms.en = ["gizmos"]\n')
    assert {finding for finding, *_ in told("Gizmos.", "en", ours)} == {"a", "b"}


@pytest.mark.parametrize(
    ("files", "lang", "message"),
    [
        ({}, "pt", "holds neither concepts/ nor languages/"),
        ({"concepts__a": "[x"}, "pt", "cannot be read as TOML"),
        ({"concepts__a": '[x]\nterm.pt = ["y"]'}, "pt", "x.term: Extra inputs are not permitted"),
        ({"concepts__a": '[x]\nterms = ["y"]'}, "pt", "x.terms: Input should be a valid dictionary"),
        ({"concepts__a": '[x]\nterms.pt = "yes"'}, "pt", "x.terms.pt: Input should be a valid list"),
        ({"concepts__a": '[x]\nterms.pt = ["(yes|no"]'}, "pt", "the brackets of '(yes|no' are not closed"),
        ({"concepts__a": '[x]\nterms.pt = ["(a (b|c)|d)"]'}, "pt", "not closed, or nest"),
        ({"concepts__a": '[x]\nterms.pt = [""]'}, "pt", "'' may stand for nearly anything"),
        ({"concepts__a": '[x]\nterms.pt = ["(yes|)"]'}, "pt", "'(yes|)' may stand for nearly anything"),
        ({"concepts__a": '[x]\nterms.pt = ["o*"]'}, "pt", "'o*' may stand for nearly anything"),
        ({"concepts__a": '[x]\nlabel = "Nodul"'}, "pt", "'Nodul' is no label of CheXpert"),
        ({"concepts__a": '[x]\nsided = "false"'}, "pt", "x.sided: Input should be a valid boolean"),
        ({"concepts__a": '[x]\nterms.pt = ["yes"]'}, "xx", "no lexicon for the language 'xx'"),
        ({"languages__es": "[cues]"}, "es", "cues: Extra inputs are not permitted"),
        ({"languages__es": '[side]\ncentral = ["foo"]'}, "es", "side.central"),
        ({"languages__es": '[cue.negation]\nbefor = ["no"]'}, "es", "cue.negation.befor"),
        ({"languages__es": '[layout]\nsilent = ["nota"]'}, "es", "the language es has no decimal sign"),
    ],
)
def test_a_fault_of_the_folder_is_named(tmp_path, files, lang, message):
    with pytest.raises(InputError, match=re.escape(message)):
        findings.read("Derrame.", lang=lang, lexicon=folder(tmp_path, **files))
