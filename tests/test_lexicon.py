"""The lexicon's examples and counterexamples, and lexicons that users add."""

import re
from pathlib import Path

import pytest

from laudo import findings
from laudo.errors import InputError
from laudo.findings.sources import concepts, languages


def test_examples_state_their_concept_and_counterexamples_do_not() -> None:
    assert findings.failed_examples() == []


@pytest.mark.parametrize("concept", concepts().values(), ids=concepts())
def test_every_concept_has_words_and_examples_in_every_language(concept) -> None:
    for lang in languages():
        assert concept.terms.get(lang) or concept.hints.get(lang) or concept.structure.get(lang)
        assert concept.examples.get(lang) and concept.counterexamples.get(lang)


# --- a folder that a user adds ----------------------------------------------------------------------------

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
headings = { indication = ["indicación"], findings = ["hallazgos"] }
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
    """Writes a lexicon: `concepts__ours="..."` becomes `concepts/ours.toml`."""
    for name, content in files.items():
        file = path.joinpath(*name.split("__")).with_suffix(".toml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, "utf-8")
    return path


def facts_of(text: str, lang: str, lexicon: Path | None) -> list[tuple[str, str, str | None]]:
    return [(f.finding, f.status, f.side) for f in findings.read(text, lang=lang, lexicon=lexicon)]


def test_a_new_concept_is_a_data_file(tmp_path):
    words = """
        [spacer]
        label = "Support Devices"
        terms.pt = ["espaçador biodegradável"]
        terms.en = ["biodegradable spacer"]
    """
    ours = folder(tmp_path, concepts__ours=words)
    assert facts_of("Espaçador biodegradável à esquerda.", "pt", ours) == [("spacer", "present", "left")]
    assert facts_of("No biodegradable spacer.", "en", ours) == [("spacer", "absent", None)]
    assert facts_of("Espaçador biodegradável à esquerda.", "pt", None) == []
    facts = findings.read("Espaçador biodegradável.", lang="pt", lexicon=ours)
    assert findings.labels(facts)["Support Devices"] == 1


def test_a_synonym_is_a_word_in_a_list(tmp_path):
    ours = folder(tmp_path, concepts__ours='[pneumothorax]\nterms.pt = ["ar na pleura"]\n')
    assert facts_of("Ar na pleura à direita.", "pt", ours) == [("pneumothorax", "present", "right")]
    assert facts_of("Pneumotórax à direita.", "pt", ours) == [("pneumothorax", "present", "right")]


def test_a_new_language_is_data_files(tmp_path):
    ours = folder(tmp_path, languages__es=SPANISH, concepts__es=SPANISH_WORDS)
    text = "Indicación: derrame. Hallazgos: Posible derrame pleural izquierdo. No hay neumotórax ni derrame."
    assert facts_of(text, "es", ours) == [
        ("pleural_effusion", "uncertain", "left"),
        ("pneumothorax", "absent", None),
        ("pleural_effusion", "absent", None),
    ]


def test_added_examples_are_tested(tmp_path):
    words = """
        [spacer]
        terms.en = ["gizmo"]
        examples.en = ["A gadget on the left."]
        counterexamples.en = ["No gizmo."]
    """
    assert findings.failed_examples(lexicon=folder(tmp_path, concepts__ours=words)) == [
        "spacer, en: A gadget on the left."
    ]


def test_a_changed_file_is_loaded_after_the_cache_is_cleared(tmp_path):
    folder(tmp_path, concepts__ours='[spacer]\nterms.en = ["gizmo"]\n')
    assert facts_of("Gadget.", "en", tmp_path) == []
    folder(tmp_path, concepts__ours='[spacer]\nterms.en = ["gadget"]\n')
    findings.clear_cache()
    assert facts_of("Gadget.", "en", tmp_path) == [("spacer", "present", None)]


def test_words_that_fit_two_phrases_do_what_both_do(tmp_path):
    """A word in one list must not keep it from a phrase with `*` in another list."""
    ours = folder(tmp_path, concepts__ours='[a]\nterms.en = ["gizmo*"]\n[b]\nterms.en = ["gizmos"]\n')
    assert {finding for finding, *_ in facts_of("Gizmos.", "en", ours)} == {"a", "b"}


@pytest.mark.parametrize(
    ("files", "lang", "message"),
    [
        ({}, "pt", "contains neither concepts/ nor languages/"),
        ({"concepts__a": "[x"}, "pt", "cannot be read as TOML"),
        ({"concepts__a": '[x]\nterm.pt = ["y"]'}, "pt", "x.term: Extra inputs are not permitted"),
        ({"concepts__a": '[x]\nterms = ["y"]'}, "pt", "x.terms: Input should be a valid dictionary"),
        ({"concepts__a": '[x]\nterms.pt = "yes"'}, "pt", "x.terms.pt: Input should be a valid list"),
        ({"concepts__a": '[x]\nterms.pt = ["(yes|no"]'}, "pt", "the brackets of '(yes|no' are not closed"),
        ({"concepts__a": '[x]\nterms.pt = ["(a (b|c)|d)"]'}, "pt", "not closed, or they nest"),
        ({"concepts__a": '[x]\nterms.pt = [""]'}, "pt", "'' may match nearly anything"),
        ({"concepts__a": '[x]\nterms.pt = ["(yes|)"]'}, "pt", "'(yes|)' may match nearly anything"),
        ({"concepts__a": '[x]\nterms.pt = ["o*"]'}, "pt", "'o*' may match nearly anything"),
        ({"concepts__a": '[x]\nlabel = "Nodul"'}, "pt", "'Nodul' is not a CheXpert label"),
        ({"concepts__a": '[x]\nsided = "false"'}, "pt", "x.sided: Input should be a valid boolean"),
        ({"concepts__a": '[x]\nterms.pt = ["yes"]'}, "xx", "no lexicon for the language 'xx'"),
        ({"languages__es": "[cues]"}, "es", "cues: Extra inputs are not permitted"),
        ({"languages__es": '[side]\ncentral = ["foo"]'}, "es", "side.central"),
        ({"languages__es": '[cue.negation]\nbefor = ["no"]'}, "es", "cue.negation.befor"),
        ({"languages__es": '[layout]\ncapitals = {ES = "left"}'}, "es", "layout.capitals.ES"),
        (
            {"languages__es": "[layout.capitals]\n" + "\n".join(f'{letter} = "left"' for letter in "ABCDE")},
            "es",
            "layout.capitals: Dictionary should have at most 4 items",
        ),
        (
            {"languages__es": '[layout]\nabbreviations = ["nota"]'},
            "es",
            "the language es has no decimal sign",
        ),
    ],
)
def test_a_mistake_in_the_folder_is_named(tmp_path, files, lang, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        findings.read("Derrame.", lang=lang, lexicon=folder(tmp_path, **files))
    assert error.value.fix
