"""The accuracy that docs/findings.md publishes: against people's labels, cases and the phantom."""

import os
from pathlib import Path

import pytest

import accuracy
from laudo.phantom import corpus

REAL = os.environ.get("LAUDO_REAL_DATA")


@pytest.fixture(scope="module")
def studies():
    return list(corpus.studies(count=600, seed=3))


@pytest.mark.skipif(not REAL, reason="LAUDO_REAL_DATA names no folder with real reports")
def test_mean_f1_against_people_on_the_half_held_out():
    labelled = accuracy.labelled_reports(Path(REAL or ""))
    held_out = {name: report for name, report in labelled.items() if accuracy.is_held_out(name)}
    scores = accuracy.against_people(held_out)
    assert len(labelled) == 3080
    assert accuracy.mean_f1(scores) >= 0.88


def test_the_cases_cover_every_class_of_traps():
    traps = [case.trap for name in accuracy.CASES for case in accuracy.cases(name)]
    classes = """plain list_negation double_negation scope_with scope_but pseudo_negation
        uncertainty_before_negation hedge or_versus laterality numbers heart_normal severity
        healed_fracture normal_template deid_blanks change resolved_removed history_questions sections
        devices layout spelling european unmention adjectives_between no_finding"""
    assert len(traps) >= 200 and set(traps) == set(classes.split())
    assert min(traps.count(trap) for trap in set(traps)) >= 10


@pytest.mark.parametrize("name", accuracy.CASES)
@pytest.mark.parametrize("lang", ["pt", "en"])
def test_label_decisions_on_hand_written_cases(name, lang):
    decisions = accuracy.decisions(accuracy.cases(name), lang)
    assert decisions.right / decisions.n >= 0.97
    assert decisions.stated_right / decisions.stated >= (0.97 if lang == "pt" else 0.95)


@pytest.mark.parametrize("lang", ["en", "pt"])
def test_facts_of_the_phantom(studies, lang):
    facts = accuracy.on_phantom(studies, lang)
    known, set_aside = facts[False], facts[True]
    assert known.stated > 2000 and set_aside.stated > 200
    assert known.right / known.stated >= 0.99 and set_aside.right / set_aside.stated >= 0.95
    assert known.surplus + set_aside.surplus <= 0.01 * (known.stated + set_aside.stated)


def test_both_languages_give_the_same_facts(studies):
    same, n = accuracy.same_facts(studies)
    assert same / n >= 0.99


@pytest.mark.parametrize(
    ("predicted", "true", "counts"),
    [(True, True, (1, 0, 0)), (True, False, (0, 1, 0)), (False, True, (0, 0, 1)), (False, False, (0, 0, 0))],
)
def test_outcomes_are_true_positives_false_positives_false_negatives(predicted, true, counts):
    assert accuracy.outcome(predicted=predicted, true=true) == counts
